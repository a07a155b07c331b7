/*
 * The connection is lost after PostgreSQL has committed and before it could say so. Lost once, the service finds out by itself
 * what became of the write; lost twice, it says 503, and the client that tries again with the same request gets what it asked
 * for, once.
 */
#include "support/account.h"
#include "support/cluster.h"
#include "support/load.h"
#include "support/proxy.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *database_commit_suite(void);

#define NEW_PASSWORD "another long passphrase"

static struct cluster cluster;
static struct proxy *proxy;
static struct server server;
static char own_session[40]; /* of the tokens of the case */

/* What a write is about: an account with one session, and a second one to be ended or kept. */
struct story {
    struct account account;
    struct tokens tokens, other;
    char new_email[128];
};

static struct reply act_register(const struct story *story) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"" PASSWORD "\"}", story->new_email);
    return http_json(&server, "POST", "/auth/register", NULL, body);
}

static struct reply act_register_with_key(const struct story *story) {
    char body[BODY_SIZE], key[192];
    snprintf(key, sizeof key, "Idempotency-Key: %s", story->new_email);
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"" PASSWORD "\"}", story->new_email);
    return http_send(&server, "POST", "/auth/register", (const char *const[]){ "Content-Type: application/json", key, NULL },
                     body);
}

/* With an Idempotency-Key, the account's id. */
static struct reply send_with_key(const struct story *story, const char *method, const char *path, const char *token,
                                  const char *body) {
    char key[96], authorization[TOKEN_SIZE + 32];
    snprintf(key, sizeof key, "Idempotency-Key: %s", story->account.id);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
    return http_send(&server, method, path, (const char *const[]){ "Content-Type: application/json", key, authorization, NULL },
                     body);
}

static struct reply act_login_with_key(const struct story *story) {
    char body[BODY_SIZE];
    return send_with_key(story, "POST", "/auth/login", "", credentials(&story->account, PASSWORD, body));
}

static struct reply act_login(const struct story *story) {
    char body[BODY_SIZE];
    return http_json(&server, "POST", "/auth/login", NULL, credentials(&story->account, PASSWORD, body));
}

static struct reply act_refresh(const struct story *story) {
    return refresh_with(&server, story->tokens.refresh);
}

static struct reply act_logout(const struct story *story) {
    char body[BODY_SIZE];
    return http_json(&server, "POST", "/auth/logout", NULL, refresh_json(story->tokens.refresh, body));
}

static struct reply act_logout_with_bearer(const struct story *story) {
    return http_json(&server, "POST", "/auth/logout", story->tokens.access, NULL);
}

static struct reply act_logout_everywhere(const struct story *story) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"refresh_token\":\"%s\",\"all\":true}", story->tokens.refresh);
    return http_json(&server, "POST", "/auth/logout", NULL, body);
}

static struct reply act_change_password(const struct story *story) {
    return http_json(&server, "POST", "/auth/password", story->tokens.access,
                     "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"" NEW_PASSWORD "\"}");
}

static struct reply act_change_email(const struct story *story) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"current_password\":\"" PASSWORD "\"}", story->new_email);
    return http_json(&server, "PATCH", "/auth/me", story->tokens.access, body);
}

static struct reply act_delete(const struct story *story) {
    return http_json(&server, "DELETE", "/auth/me", story->tokens.access, "{\"current_password\":\"" PASSWORD "\"}");
}

static struct reply act_change_password_with_key(const struct story *story) {
    return send_with_key(story, "POST", "/auth/password", story->tokens.access,
                         "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"" NEW_PASSWORD "\"}");
}

static struct reply act_change_email_with_key(const struct story *story) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"current_password\":\"" PASSWORD "\"}", story->new_email);
    return send_with_key(story, "PATCH", "/auth/me", story->tokens.access, body);
}

static struct reply act_delete_with_key(const struct story *story) {
    return send_with_key(story, "DELETE", "/auth/me", story->tokens.access, "{\"current_password\":\"" PASSWORD "\"}");
}

/* Its own session, so that the second try has the token of one that has ended. */
static struct reply act_end_session_with_key(const struct story *story) {
    char path[64];
    struct reply reply = http_json(&server, "GET", "/auth/sessions", story->tokens.access, NULL);
    struct json_object *list = json_object_object_get(reply.json, "sessions");
    if (reply.status == 200) {
        for (size_t i = 0; i < json_object_array_length(list); i++)
            if (json_boolean_at(json_object_array_get_idx(list, i), "current"))
                snprintf(own_session, sizeof own_session, "%s", json_string_at(json_object_array_get_idx(list, i), "id"));
    }
    http_free(&reply);
    snprintf(path, sizeof path, "/auth/sessions/%s", own_session);
    return send_with_key(story, "DELETE", path, story->tokens.access, NULL);
}

/* ---- what must be true afterwards ---- */

static long live_sessions(const struct story *story) {
    return cluster_number(&cluster, "SELECT count(*) FROM sessions WHERE user_id = '%s' AND revoked_at IS NULL",
                          story->account.id);
}

static long login_status(const struct story *story, const char *password) {
    char body[BODY_SIZE];
    struct reply reply = http_json(&server, "POST", "/auth/login", NULL, credentials(&story->account, password, body));
    long status = reply.status;
    http_free(&reply);
    return status;
}

/* Within a second, after which every instance has read which sessions have ended. */
static void expect_useless(const char *access_token) {
    long status = 0;
    for (int i = 0; i < 100 && status != 401; i++) {
        status = me_status(&server, access_token);
        usleep(20000);
    }
    ck_assert_int_eq(status, 401);
}

static void see_one_account(const struct story *story, const struct reply *reply) {
    ck_assert_int_eq(cluster_number(&cluster, "SELECT count(*) FROM users WHERE email = '%s'", story->new_email), 1);
    if (reply->status != 409)
        ck_assert_int_eq(cluster_number(&cluster, "SELECT count(*) FROM users WHERE id = '%s'", http_member(reply, "id")), 1);
}

static void see_one_more_session(const struct story *story, const struct reply *reply) {
    ck_assert_int_eq(live_sessions(story), 3);
    ck_assert_int_eq(me_status(&server, http_member(reply, "access_token")), 200);
}

static void see_sessions_that_live(const struct story *story, const struct reply *reply) {
    ck_assert_int_ge(live_sessions(story), 3);
    ck_assert_int_eq(me_status(&server, http_member(reply, "access_token")), 200);
}

/* The successor was handed out, is good, and the session has moved once. */
static void see_one_lineage(const struct story *story, const struct reply *reply) {
    ck_assert_int_eq(cluster_number(&cluster, "SELECT max(generation) FROM sessions WHERE user_id = '%s'", story->account.id), 2);
    expect_status(refresh_with(&server, http_member(reply, "refresh_token")), 200);
    ck_assert_int_eq(live_sessions(story), 2);
}

static void see_one_session_ended(const struct story *story, const struct reply *reply) {
    (void)reply;
    ck_assert_int_eq(live_sessions(story), 1);
    expect_useless(story->tokens.access);
    ck_assert_int_eq(me_status(&server, story->other.access), 200);
    ck_assert_int_eq(cluster_number(&cluster, "SELECT count(*) FROM revocations WHERE user_id = '%s'", story->account.id), 1);
}

static void see_all_sessions_ended(const struct story *story, const struct reply *reply) {
    (void)reply;
    ck_assert_int_eq(live_sessions(story), 0);
    expect_useless(story->tokens.access);
    expect_useless(story->other.access);
}

static void see_the_new_password(const struct story *story, const struct reply *reply) {
    (void)reply;
    ck_assert_int_eq(live_sessions(story), 1);
    ck_assert_int_eq(cluster_number(&cluster, "SELECT password_version FROM users WHERE id = '%s'", story->account.id), 2);
    ck_assert_int_eq(login_status(story, NEW_PASSWORD), 200);
    ck_assert_int_eq(login_status(story, PASSWORD), 401);
    ck_assert_int_eq(me_status(&server, story->tokens.access), 200);
    expect_useless(story->other.access);
}

static void see_the_new_address(const struct story *story, const struct reply *reply) {
    ck_assert_str_eq(http_member(reply, "email"), story->new_email);
    see_one_account(story, reply);
    ck_assert_int_eq(login_status(story, PASSWORD), 401);
}

static void see_nobody(const struct story *story, const struct reply *reply) {
    (void)reply;
    ck_assert_int_eq(cluster_number(&cluster, "SELECT count(*) FROM users WHERE id = '%s'", story->account.id), 0);
    expect_useless(story->tokens.access);
    expect_useless(story->other.access);
}

/* `again`: what the client's own second try gets. */
static const struct {
    const char *statement;
    struct reply (*act)(const struct story *story);
    long status, again;
    void (*see)(const struct story *story, const struct reply *reply);
} cases[] = {
    { "users_insert", act_register, 201, 409, see_one_account },
    { "users_insert", act_register_with_key, 201, 201, see_one_account },
    { "sessions_open", act_login, 200, 200, see_sessions_that_live },
    { "sessions_rotate", act_refresh, 200, 200, see_one_lineage },
    { "sessions_log_out", act_logout, 204, 204, see_one_session_ended },
    { "sessions_log_out", act_logout_with_bearer, 204, 204, see_one_session_ended },
    { "sessions_log_out_everywhere", act_logout_everywhere, 204, 204, see_all_sessions_ended },
    { "users_change_password", act_change_password, 204, 204, see_the_new_password },
    { "users_change_profile", act_change_email, 200, 200, see_the_new_address },
    { "users_delete", act_delete, 204, 401, see_nobody }, /* whose token was it? */
    { "sessions_open", act_login_with_key, 200, 200, see_one_more_session },
    { "users_change_password", act_change_password_with_key, 204, 204, see_the_new_password },
    { "users_change_profile", act_change_email_with_key, 200, 200, see_the_new_address },
    { "users_delete", act_delete_with_key, 204, 204, see_nobody },
    { "sessions_revoke_of_user", act_end_session_with_key, 204, 204, see_one_session_ended },
};
#define CASES ARRAY_LEN(cases)

static struct story begin_story(void) {
    struct story story = { .account = account_register(&server) };
    struct account name = account_new();
    story.tokens = account_login(&server, &story.account);
    story.other = account_login(&server, &story.account);
    snprintf(story.new_email, sizeof story.new_email, "New.%s", name.email);
    return story;
}

/* A statement that runs a second time adds no second event to the audit. */
static long changes_noted_twice(void) {
    return cluster_number(&cluster,
                          "SELECT count(*) FROM (SELECT FROM auth_events WHERE event NOT IN ('login_failed', 'refreshes_counted')"
                          " GROUP BY event, user_id, session_id HAVING count(*) > 1) AS twice");
}

START_TEST(an_answer_that_is_lost_once_is_found_again) {
    struct story story = begin_story();
    proxy_lose_answers(proxy, cases[_i].statement, 1);
    struct reply reply = cases[_i].act(&story);
    ck_assert_uint_eq(proxy_losses(proxy), 1);
    ck_assert_msg(reply.status == cases[_i].status, "%ld %s", reply.status, reply.body);
    ck_assert_int_eq(changes_noted_twice(), 0);
    cases[_i].see(&story, &reply);
    http_free(&reply);
}
END_TEST

/* 503, though it was done, and then the same request again, until there is another answer. */
static struct reply try_again(const struct story *story, struct reply (*act)(const struct story *story), useconds_t pause_us) {
    struct reply reply = act(story);
    assert_problem(&reply, 503, "database_unavailable");
    for (int i = 0; i < 100 && reply.status == 503; i++) {
        http_free(&reply);
        usleep(pause_us);
        reply = act(story);
    }
    return reply;
}

/* At once, and after every instance has read which sessions were ended. */
static const useconds_t pauses_us[] = { 50000, 1000000 };

START_TEST(an_answer_that_is_lost_twice_costs_a_second_try) {
    size_t index = (size_t)_i / 2;
    struct story story = begin_story();
    proxy_lose_answers(proxy, cases[index].statement, 2);
    struct reply reply = try_again(&story, cases[index].act, pauses_us[_i % 2]);
    ck_assert_uint_eq(proxy_losses(proxy), 2);
    ck_assert_msg(reply.status == cases[index].again, "%ld %s", reply.status, reply.body);
    cases[index].see(&story, &reply);
    http_free(&reply);
}
END_TEST

static void create(void) {
    cluster = cluster_create(NULL);
}

static void remove_(void) {
    cluster_remove(&cluster);
}

static void start(void) {
    char url[CLUSTER_SETTING_SIZE];
    proxy = proxy_start(cluster.port);
    server = server_start((const char *const[]){ cluster_setting(proxy_port(proxy), "", url), "database.connections=3", NULL });
    await_ready(&server); /* before the answers of the first readings could be the ones that are lost */
}

static void finish(void) {
    server_finish(&server);
    proxy_stop(proxy);
}

Suite *database_commit_suite(void) {
    Suite *suite = suite_create("database_commit");
    TCase *tcase = tcase_create("behind a proxy");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, create, remove_);
    tcase_add_checked_fixture(tcase, start, finish);
    tcase_add_loop_test(tcase, an_answer_that_is_lost_once_is_found_again, 0, (int)CASES);
    tcase_add_loop_test(tcase, an_answer_that_is_lost_twice_costs_a_second_try, 0, 2 * (int)CASES);
    suite_add_tcase(suite, tcase);
    return suite;
}
