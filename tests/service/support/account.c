#include "account.h"

#include "database.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct account account_new(void) {
    static atomic_uint count;
    struct account account = { .id = "" };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(account.email, sizeof account.email, "User.%d.%u.%ld@Example.org", (int)getpid(), atomic_fetch_add(&count, 1),
             (long)(now.tv_sec % 1000000) * 1000 + now.tv_nsec / 1000000);
    return account;
}

const char *credentials(const struct account *account, const char *password, char body[BODY_SIZE]) {
    snprintf(body, BODY_SIZE, "{\"email\":\"%s\",\"password\":\"%s\"}", account->email, password);
    return body;
}

const char *refresh_json(const char *refresh_token, char body[BODY_SIZE]) {
    snprintf(body, BODY_SIZE, "{\"refresh_token\":\"%s\"}", refresh_token);
    return body;
}

struct account account_register(const struct server *server) {
    struct account account = account_new();
    char body[BODY_SIZE];
    struct reply reply = http_json(server, "POST", "/auth/register", NULL, credentials(&account, PASSWORD, body));
    ck_assert_msg(reply.status == 201, "register gave %ld %s", reply.status, reply.body);
    snprintf(account.id, sizeof account.id, "%s", http_member(&reply, "id"));
    http_free(&reply);
    return account;
}

struct tokens account_login_with(const struct server *server, const struct account *account, const char *password) {
    struct tokens tokens;
    char body[BODY_SIZE];
    struct reply reply = http_json(server, "POST", "/auth/login", NULL, credentials(account, password, body));
    ck_assert_msg(reply.status == 200, "login gave %ld %s", reply.status, reply.body);
    snprintf(tokens.access, sizeof tokens.access, "%s", http_member(&reply, "access_token"));
    snprintf(tokens.refresh, sizeof tokens.refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
    return tokens;
}

struct tokens account_login(const struct server *server, const struct account *account) {
    return account_login_with(server, account, PASSWORD);
}

struct reply refresh_with(const struct server *server, const char *refresh_token) {
    char body[BODY_SIZE];
    return http_json(server, "POST", "/auth/refresh", NULL, refresh_json(refresh_token, body));
}

void account_keep_administrator(void) {
    char ignored[8];
    database_value("INSERT INTO users (id, email, email_canonical, password_hash, roles)"
                   " VALUES (gen_random_uuid(), 'keeper@example.org', 'keeper@example.org', 'none', '{admin}')"
                   " ON CONFLICT (email_canonical) DO UPDATE SET roles = '{admin}', disabled_at = NULL",
                   NULL, ignored, sizeof ignored);
}

long me_status(const struct server *server, const char *access_token) {
    struct reply reply = http_json(server, "GET", "/auth/me", access_token, NULL);
    long status = reply.status;
    http_free(&reply);
    return status;
}

struct refreshed_user refreshed_user_create(const struct server *server) {
    struct refreshed_user user = { .account = account_register(server) };
    struct tokens tokens = account_login(server, &user.account);
    database_value("SELECT id FROM sessions WHERE user_id = $1::uuid", user.account.id, user.session_id, sizeof user.session_id);
    memcpy(user.refresh[0], tokens.refresh, sizeof user.refresh[0]);
    memcpy(user.access, tokens.access, sizeof user.access);
    for (size_t i = 1; i < 3; i++) {
        struct reply reply = refresh_with(server, user.refresh[i - 1]);
        ck_assert_int_eq(reply.status, 200);
        snprintf(user.refresh[i], sizeof user.refresh[i], "%s", http_member(&reply, "refresh_token"));
        http_free(&reply);
    }
    return user;
}

void refreshed_user_change(const struct refreshed_user *user, const char *table, const char *change) {
    char sql[256], ignored[8];
    bool is_session = strcmp(table, "sessions") == 0;
    snprintf(sql, sizeof sql, "UPDATE %s SET %s WHERE id = $1::uuid", table, change);
    database_value(sql, is_session ? user->session_id : user->account.id, ignored, sizeof ignored);
}
