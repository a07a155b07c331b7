#include "support/account.h"
#include "support/database.h"
#include "support/load.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *limits_suite(void);

#define TRUSTED "server.trusted_proxies=127.0.0.1/32"
#define HOME "X-Forwarded-For: 192.0.2.1"
#define ELSEWHERE "X-Forwarded-For: 198.51.100.7"
#define WRONG "not the passphrase"
#define ADDRESS_SIZE 46

static struct reply send_from(const struct server *server, const char *forwarded, const char *method, const char *path,
                              const char *body) {
    const char *const headers[] = { "Content-Type: application/json", forwarded, NULL };
    return http_send(server, method, path, headers, body);
}

static struct reply log_in_from(const struct server *server, const char *forwarded, const struct account *account,
                                const char *password) {
    char body[BODY_SIZE];
    return send_from(server, forwarded, "POST", "/auth/login", credentials(account, password, body));
}

static long login_status(const struct server *server, const char *forwarded, const struct account *account,
                         const char *password) {
    struct reply reply = log_in_from(server, forwarded, account, password);
    long status = reply.status;
    http_free(&reply);
    return status;
}

static long retry_after(const struct reply *reply) {
    char value[32];
    return strtol(http_header(reply, "Retry-After", value, sizeof value), NULL, 10);
}

/* The RateLimit of the bucket that is empty says the same as Retry-After. */
static void assert_reset_is_retry_after(const struct reply *reply) {
    const char *empty = strstr(reply->headers, ";r=0;t=");
    ck_assert_msg(empty != NULL, "%s", reply->headers);
    ck_assert_int_eq(strtol(empty + strlen(";r=0;t="), NULL, 10), retry_after(reply));
}

/* Asks until the answer is a 429; returns how many came before it. */
static int count_until_limited(const struct server *server, const char *forwarded, const char *method, const char *path,
                               const char *body) {
    for (int count = 0; count < 100; count++) {
        struct reply reply = send_from(server, forwarded, method, path, body);
        long status = reply.status;
        if (status == 429) {
            assert_problem(&reply, 429, "rate_limited");
            assert_reset_is_retry_after(&reply);
        }
        http_free(&reply);
        if (status == 429)
            return count;
    }
    return 100;
}

/* ---- by address ---- */

static const struct {
    const char *setting, *method, *path, *body;
    const char *policy, *left; /* of the first reply */
} limited[] = {
    { "limit.register=3/h", "POST", "/auth/register", "{}", "\"register\";q=3;w=3600", "\"register\";r=2;t=1200" },
    { "limit.login=3/h", "POST", "/auth/login", "{}", "\"login\";q=3;w=3600", "\"login\";r=2;t=1200" },
    { "limit.login=10/h burst 3", "POST", "/auth/login", "{}", "\"login\";q=3;w=1080", "\"login\";r=2;t=360" },
    { "limit.refresh=3/h", "POST", "/auth/refresh", "{}", "\"refresh\";q=3;w=3600", "\"refresh\";r=2;t=1200" },
    { "limit.account=3/h", "POST", "/auth/logout", "{}", "\"account\";q=3;w=3600", "\"account\";r=2;t=1200" },
    { "limit.account=3/h", "GET", "/auth/policy", NULL, "\"account\";q=3;w=3600", "\"account\";r=2;t=1200" },
    { "limit.account=3/h", "GET", "/auth/me", NULL, "\"account\";q=3;w=3600", "\"account\";r=2;t=1200" },
    { "limit.account=3/h", "GET", "/auth/sessions", NULL, "\"account\";q=3;w=3600", "\"account\";r=2;t=1200" },
};

START_TEST(each_limited_endpoint_says_what_is_left_and_then_429) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", limited[_i].setting, NULL });
    char value[128];
    struct reply reply = send_from(&server, HOME, limited[_i].method, limited[_i].path, limited[_i].body);
    ck_assert_str_eq(http_header(&reply, "RateLimit-Policy", value, sizeof value), limited[_i].policy);
    ck_assert_str_eq(http_header(&reply, "RateLimit", value, sizeof value), limited[_i].left);
    http_free(&reply);
    ck_assert_int_eq(count_until_limited(&server, HOME, limited[_i].method, limited[_i].path, limited[_i].body), 2);
    reply = send_from(&server, HOME, limited[_i].method, limited[_i].path, limited[_i].body);
    ck_assert_int_eq(reply.status, 429);
    ck_assert_str_eq(http_header(&reply, "RateLimit-Policy", value, sizeof value), limited[_i].policy);
    ck_assert_ptr_nonnull(strstr(http_header(&reply, "RateLimit", value, sizeof value), ";r=0;t="));
    ck_assert_int_gt(retry_after(&reply), 300);
    http_free(&reply);
    server_finish(&server);
}
END_TEST

START_TEST(a_client_that_waits_for_retry_after_is_served) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", "limit.login=1/s", NULL });
    ck_assert_int_eq(count_until_limited(&server, HOME, "POST", "/auth/login", "{}"), 1);
    struct reply reply = send_from(&server, HOME, "POST", "/auth/login", "{}");
    sleep((unsigned)retry_after(&reply));
    http_free(&reply);
    expect_problem(send_from(&server, HOME, "POST", "/auth/login", "{}"), 422, "validation_failed");
    server_finish(&server);
}
END_TEST

static const struct {
    const char *path;
    long status;
} unlimited[] = {
    { "/health", 200 }, { "/health/live", 200 }, { "/health/ready", 200 }, { "/auth/verify", 401 }, { "/docs", 200 }
};

START_TEST(probes_and_proxies_are_never_limited) {
    struct server server =
        server_start((const char *const[]){ "limit.enabled=true", "limit.account=1/h", "limit.login=1/h", NULL });
    char value[64];
    await_ready(&server);
    for (int i = 0; i < 10; i++) {
        struct reply reply = send_from(&server, HOME, "GET", unlimited[_i].path, NULL);
        ck_assert_int_eq(reply.status, unlimited[_i].status);
        ck_assert_str_eq(http_header(&reply, "RateLimit", value, sizeof value), "");
        http_free(&reply);
    }
    server_finish(&server);
}
END_TEST

START_TEST(without_limits_no_header_speaks_of_them) {
    char value[64];
    struct reply reply = send_from(&shared_server, HOME, "POST", "/auth/login", "{}");
    ck_assert_int_eq(reply.status, 422);
    ck_assert_str_eq(http_header(&reply, "RateLimit-Policy", value, sizeof value), "");
    ck_assert_str_eq(http_header(&reply, "RateLimit", value, sizeof value), "");
    http_free(&reply);
}
END_TEST

static const struct {
    const char *trusted, *one, *other;
    bool same; /* bucket */
} clients[] = {
    { TRUSTED, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", false },
    { TRUSTED, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 203.0.113.5, 192.0.2.1", true },
    { TRUSTED, "X-Forwarded-For: 2001:db8::1", "X-Forwarded-For: 2001:db8::2", true },
    { TRUSTED, "X-Forwarded-For: 2001:db8::1", "X-Forwarded-For: 2001:db8:0:1::1", false },
    { TRUSTED, "X-Forwarded-For: unknown", "X-Forwarded-For: 192.0.2.1", false },
    { TRUSTED, "X-Forwarded-For: unknown", "X-Forwarded-For: also-unknown", true },
    { "server.trusted_proxies=", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", true },
    { "server.trusted_proxies=10.0.0.0/8", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", true },
};

START_TEST(a_client_is_its_address_as_far_as_it_can_be_believed) {
    struct server server =
        server_start((const char *const[]){ "limit.enabled=true", "limit.login=4/h", clients[_i].trusted, NULL });
    count_until_limited(&server, clients[_i].one, "POST", "/auth/login", "{}");
    struct reply reply = send_from(&server, clients[_i].other, "POST", "/auth/login", "{}");
    ck_assert_int_eq(reply.status, clients[_i].same ? 429 : 422);
    http_free(&reply);
    server_finish(&server);
}
END_TEST

START_TEST(the_networks_of_one_ipv6_site_share_four_times_as_much) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", "limit.login=4/h", TRUSTED, NULL });
    char forwarded[64], value[64];
    int served = 0;
    for (int network = 0; network < 8; network++) {
        snprintf(forwarded, sizeof forwarded, "X-Forwarded-For: 2001:db8:0:%d::1", network);
        served += count_until_limited(&server, forwarded, "POST", "/auth/login", "{}");
    }
    ck_assert_int_eq(served, 16);
    struct reply reply = send_from(&server, "X-Forwarded-For: 2001:db8:0:9::1", "POST", "/auth/login", "{}");
    assert_problem(&reply, 429, "rate_limited");
    ck_assert_str_eq(http_header(&reply, "RateLimit-Policy", value, sizeof value), "\"login_site\";q=16;w=3600");
    ck_assert_ptr_nonnull(strstr(http_header(&reply, "RateLimit", value, sizeof value), "\"login_site\";r=0;t="));
    http_free(&reply);
    ck_assert_int_eq(count_until_limited(&server, "X-Forwarded-For: 2001:db8:1::1", "POST", "/auth/login", "{}"), 4);
    server_finish(&server);
}
END_TEST

START_TEST(a_client_without_an_address_gets_a_quarter) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", "limit.login=20/h", TRUSTED, NULL });
    ck_assert_int_eq(count_until_limited(&server, "X-Forwarded-For: unknown", "POST", "/auth/login", "{}"), 5);
    ck_assert_int_eq(count_until_limited(&server, HOME, "POST", "/auth/login", "{}"), 20);
    server_finish(&server);
}
END_TEST

START_TEST(the_bucket_is_asked_before_the_body_is_read) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", "limit.login=1/h", NULL });
    expect_problem(send_from(&server, HOME, "POST", "/auth/login", "no JSON"), 400, "invalid_json");
    expect_problem(send_from(&server, HOME, "POST", "/auth/login", "no JSON"), 429, "rate_limited");
    expect_problem(send_from(&server, HOME, "GET", "/auth/login", NULL), 405, "method_not_allowed");
    server_finish(&server);
}
END_TEST

/* ---- wrong passwords ---- */

static struct server start_with_failures(const char *failures, const char *lock) {
    return server_start((const char *const[]){ "limit.enabled=true", "limit.login=1000/s", "limit.register=1000/s", TRUSTED,
                                               failures, lock, NULL });
}

START_TEST(an_account_is_locked_alike_whether_it_exists_or_not) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account known = account_register(&server), unknown = account_new();
    const struct account *accounts[] = { &known, &unknown };
    for (size_t i = 0; i < 2; i++) {
        for (int try = 0; try < 3; try++)
            expect_problem(log_in_from(&server, ELSEWHERE, accounts[i], WRONG), 401, "invalid_credentials");
        struct reply reply = log_in_from(&server, ELSEWHERE, accounts[i], WRONG);
        assert_problem(&reply, 429, "account_locked");
        assert_reset_is_retry_after(&reply);
        ck_assert_int_ge(retry_after(&reply), 590);
        ck_assert_int_le(retry_after(&reply), 600);
        http_free(&reply);
    }
    ck_assert(server_log_contains(&server, "\"event\":\"account_locked_for_address\""));
    server_finish(&server);
}
END_TEST

static struct account register_from(const struct server *server, const char *forwarded) {
    struct account account = account_new();
    char body[BODY_SIZE];
    struct reply reply = send_from(server, forwarded, "POST", "/auth/register", credentials(&account, PASSWORD, body));
    ck_assert_int_eq(reply.status, 201);
    snprintf(account.id, sizeof account.id, "%s", http_member(&reply, "id"));
    http_free(&reply);
    return account;
}

START_TEST(one_address_locks_an_account_for_itself_only_also_against_the_right_password) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = account_register(&server);
    for (int try = 0; try < 3; try++)
        ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, WRONG), 401);
    for (int try = 0; try < 20; try++)
        ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, WRONG), 429);
    ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, PASSWORD), 429);
    ck_assert_int_eq(login_status(&server, HOME, &account, PASSWORD), 200);
    ck_assert(server_log_contains(&server, "\"event\":\"account_locked_for_address\""));
    ck_assert(server_log_count(&server, "\"event\":\"account_locked\"") == 0);
    server_finish(&server);
}
END_TEST

static const char *forwarded_for(char header[64], const char *format, int number) {
    char address[ADDRESS_SIZE];
    snprintf(address, sizeof address, "%s%d", format, number);
    snprintf(header, 64, "X-Forwarded-For: %s", address);
    return header;
}

/* Wrong passwords from six addresses, which is all that account_failures of start_with_failures allows. */
static void lock_from_many(const struct server *server, const struct account *account) {
    char header[64];
    for (int host = 1; host <= 6; host++)
        ck_assert_int_eq(login_status(server, forwarded_for(header, "203.0.113.", host), account, WRONG), 401);
}

START_TEST(many_addresses_lock_an_account_for_all_that_it_does_not_know) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.account_failures=6/h");
    struct account known = register_from(&server, HOME), unknown = account_new();
    const struct account *accounts[] = { &known, &unknown };
    for (size_t i = 0; i < 2; i++) {
        lock_from_many(&server, accounts[i]);
        struct reply reply = log_in_from(&server, ELSEWHERE, accounts[i], PASSWORD);
        assert_problem(&reply, 429, "account_locked");
        assert_reset_is_retry_after(&reply);
        ck_assert_int_ge(retry_after(&reply), 590);
        ck_assert_int_le(retry_after(&reply), 600);
        http_free(&reply);
    }
    ck_assert(server_log_contains(&server, "\"event\":\"account_locked\""));
    ck_assert_int_eq(login_status(&server, HOME, &known, PASSWORD), 200);
    ck_assert_int_eq(login_status(&server, HOME, &known, WRONG), 401);
    server_finish(&server);
}
END_TEST

/* ---- of one address, for many accounts ---- */

static const struct {
    const char *one, *other;
    bool same;
} sprayers[] = {
    { "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.1", true },
    { "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", false },
    { "X-Forwarded-For: 2001:db8:1:1::1", "X-Forwarded-For: 2001:db8:1:1::2", true },
    { "X-Forwarded-For: 2001:db8:1:1::1", "X-Forwarded-For: 2001:db8:1:2::1", false },
};

START_TEST(one_address_has_so_many_wrong_passwords_for_all_accounts_together) {
    struct server server = start_with_failures("limit.address_failures=4/h", "limit.login_failures=3/h");
    struct account account = account_register(&server);
    for (int i = 0; i < 4; i++) {
        struct account victim = account_new();
        ck_assert_int_eq(login_status(&server, sprayers[_i].one, &victim, WRONG), 401);
    }
    struct reply reply = log_in_from(&server, sprayers[_i].other, &account, PASSWORD);
    ck_assert_int_eq(reply.status, sprayers[_i].same ? 429 : 200);
    ck_assert_str_eq(http_member(&reply, "code"), sprayers[_i].same ? "rate_limited" : "");
    ck_assert_int_ge(retry_after(&reply), sprayers[_i].same ? 890 : 0);
    http_free(&reply);
    ck_assert(server_log_contains(&server, "\"event\":\"address_locked\""));
    server_finish(&server);
}
END_TEST

START_TEST(a_site_that_has_used_up_its_wrong_passwords_is_refused_in_each_of_its_networks) {
    struct server server = start_with_failures("limit.address_failures=2/h", "limit.login_failures=3/h");
    char header[64];
    for (int i = 0; i < 8; i++) {
        struct account victim = account_new();
        ck_assert_int_eq(login_status(&server, forwarded_for(header, "2001:db8:1:1::", i), &victim, WRONG), i < 2 ? 401 : 429);
    }
    for (int network = 2; network < 10; network++) {
        struct account victim = account_new();
        snprintf(header, sizeof header, "X-Forwarded-For: 2001:db8:1:%d::1", network);
        ck_assert_int_eq(login_status(&server, header, &victim, WRONG), network < 8 ? 401 : 429);
    }
    server_finish(&server);
}
END_TEST

START_TEST(an_address_that_is_refused_touches_no_account) {
    struct server server = start_with_failures("limit.address_failures=2/h", "limit.account_failures=3/h");
    struct account account = account_register(&server), other = account_new();
    for (int try = 0; try < 2; try++)
        ck_assert_int_eq(login_status(&server, ELSEWHERE, &other, WRONG), 401);
    for (int try = 0; try < 10; try++)
        ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, WRONG), 429);
    for (int try = 0; try < 2; try++)
        ck_assert_int_eq(login_status(&server, HOME, &account, WRONG), 401);
    ck_assert_int_eq(login_status(&server, "X-Forwarded-For: 203.0.113.9", &account, PASSWORD), 200);
    server_finish(&server);
}
END_TEST

START_TEST(an_account_that_is_locked_costs_its_address_nothing) {
    struct server server = start_with_failures("limit.address_failures=4/h", "limit.login_failures=3/h");
    struct account locked = account_new(), account = account_register(&server);
    for (int try = 0; try < 10; try++)
        ck_assert_int_eq(login_status(&server, HOME, &locked, WRONG), try < 3 ? 401 : 429);
    ck_assert_int_eq(login_status(&server, HOME, &account, PASSWORD), 200);
    server_finish(&server);
}
END_TEST

START_TEST(right_passwords_cost_an_address_nothing) {
    struct server server = start_with_failures("limit.address_failures=3/h", "limit.account_failures=3/h");
    struct account account = account_register(&server);
    ck_assert_int_eq(login_status(&server, HOME, &account, WRONG), 401);
    for (int try = 0; try < 10; try++)
        ck_assert_int_eq(login_status(&server, HOME, &account, PASSWORD), 200);
    server_finish(&server);
}
END_TEST

static long repeat_registration(const struct server *server, const struct account *account, const char *password) {
    char body[BODY_SIZE];
    struct reply reply = http_send(server, "POST", "/auth/register",
                                   (const char *const[]){ "Content-Type: application/json", "Idempotency-Key: guessable", NULL },
                                   credentials(account, password, body));
    long status = reply.status;
    http_free(&reply);
    return status;
}

START_TEST(a_registration_that_is_repeated_is_no_way_to_guess_the_password) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = account_new();
    ck_assert_int_eq(repeat_registration(&server, &account, PASSWORD), 201);
    for (int try = 0; try < 5; try++)
        ck_assert_int_eq(repeat_registration(&server, &account, PASSWORD), 201);
    for (int try = 0; try < 3; try++)
        ck_assert_int_eq(repeat_registration(&server, &account, WRONG), 422);
    ck_assert_int_eq(repeat_registration(&server, &account, WRONG), 429);
    ck_assert_int_eq(repeat_registration(&server, &account, PASSWORD), 429);
    ck_assert_int_eq(login_status(&server, "X-Forwarded-For: 127.0.0.1", &account, PASSWORD), 429);
    server_finish(&server);
}
END_TEST

START_TEST(another_spelling_of_the_address_is_the_same_account) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = account_register(&server), shouted = account;
    for (char *c = shouted.email; *c != '\0'; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    for (int try = 0; try < 3; try++)
        ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, WRONG), 401);
    ck_assert_int_eq(login_status(&server, ELSEWHERE, &shouted, WRONG), 429);
    server_finish(&server);
}
END_TEST

START_TEST(others_cannot_lock_the_owner_out_nor_end_their_session) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.account_failures=6/h");
    struct account account = account_register(&server);
    struct reply reply = log_in_from(&server, HOME, &account, PASSWORD);
    ck_assert_int_eq(reply.status, 200);
    lock_from_many(&server, &account);
    ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, WRONG), 429);
    ck_assert_int_eq(login_status(&server, HOME, &account, PASSWORD), 200);
    ck_assert_int_eq(me_status(&server, http_member(&reply, "access_token")), 200);
    expect_status(refresh_with(&server, http_member(&reply, "refresh_token")), 200);
    http_free(&reply);
    server_finish(&server);
}
END_TEST

START_TEST(an_address_is_known_also_after_a_restart_and_a_logout) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = account_register(&server);
    struct reply reply = log_in_from(&server, HOME, &account, PASSWORD);
    char body[BODY_SIZE];
    expect_status(http_json(&server, "POST", "/auth/logout", NULL, refresh_json(http_member(&reply, "refresh_token"), body)),
                  204);
    http_free(&reply);
    struct server other =
        server_start_beside(&server, (const char *const[]){ "limit.enabled=true", TRUSTED, "limit.account_failures=6/h", NULL });
    lock_from_many(&other, &account);
    ck_assert_int_eq(login_status(&other, ELSEWHERE, &account, PASSWORD), 429);
    ck_assert_int_eq(login_status(&other, HOME, &account, PASSWORD), 200);
    server_finish(&other);
    server_finish(&server);
}
END_TEST

START_TEST(a_known_address_is_limited_as_well) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = account_register(&server);
    ck_assert_int_eq(login_status(&server, HOME, &account, PASSWORD), 200);
    for (int try = 0; try < 3; try++)
        ck_assert_int_eq(login_status(&server, HOME, &account, WRONG), 401);
    ck_assert_int_eq(login_status(&server, HOME, &account, PASSWORD), 429);
    server_finish(&server);
}
END_TEST

START_TEST(others_cannot_lock_the_owner_out_before_their_first_login) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.account_failures=6/h");
    struct account account = register_from(&server, HOME);
    lock_from_many(&server, &account);
    ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, PASSWORD), 429);
    ck_assert_int_eq(login_status(&server, HOME, &account, PASSWORD), 200);
    server_finish(&server);
}
END_TEST

/* From where the password is changed, and what is known of the two addresses that the account was used from. */
static const struct {
    const char *from;
    long home, elsewhere, all;
} changes[] = {
    { HOME, 1, 0, 1 },
    { ELSEWHERE, 0, 1, 1 },
    { "X-Forwarded-For: 203.0.113.9", 0, 0, 1 },
    { "X-Forwarded-For: unknown", 0, 0, 0 },
};

START_TEST(a_password_change_removes_every_known_address_but_the_one_it_came_from) {
    static const char sql[] = "SELECT count(*) FROM known_addresses WHERE user_id = $1::uuid";
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = register_from(&server, HOME), neighbour = register_from(&server, ELSEWHERE);
    struct reply login = log_in_from(&server, ELSEWHERE, &account, PASSWORD);
    char authorization[TOKEN_SIZE + 32];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", http_member(&login, "access_token"));
    ck_assert_int_eq(database_number(sql, account.id), 2);
    const char *const headers[] = { "Content-Type: application/json", authorization, changes[_i].from, NULL };
    expect_status(http_send(&server, "POST", "/auth/password", headers,
                            "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"another long passphrase\"}"),
                  204);
    ck_assert_int_eq(database_number(sql, account.id), changes[_i].all);
    static const char at_home[] = "SELECT count(*) FROM known_addresses WHERE user_id = $1::uuid AND network = '192.0.2.1/32'";
    static const char at_elsewhere[] =
        "SELECT count(*) FROM known_addresses WHERE user_id = $1::uuid AND network = '198.51.100.7/32'";
    ck_assert_int_eq(database_number(at_home, account.id), changes[_i].home);
    ck_assert_int_eq(database_number(at_elsewhere, account.id), changes[_i].elsewhere);
    ck_assert_int_eq(database_number(sql, neighbour.id), 1);
    http_free(&login);
    server_finish(&server);
}
END_TEST

START_TEST(an_address_is_forgotten_when_it_was_not_used_for_long) {
    struct account account = account_register(&shared_server);
    static const char sql[] = "SELECT count(*) FROM known_addresses WHERE user_id = $1::uuid";
    char ignored[8];
    account_login(&shared_server, &account);
    account_login(&shared_server, &account);
    ck_assert_int_eq(database_number(sql, account.id), 1);
    database_value("UPDATE known_addresses SET last_login_day = current_date - 91 WHERE user_id = $1::uuid", account.id, ignored,
                   sizeof ignored);
    struct server server = server_start((const char *const[]){ "database.cleanup_interval=1s", NULL });
    for (int i = 0; i < 100 && database_number(sql, account.id) > 0; i++)
        usleep(100000);
    ck_assert_int_eq(database_number(sql, account.id), 0);
    server_finish(&server);
}
END_TEST

START_TEST(a_lock_opens_by_itself_and_the_next_is_longer) {
    struct server server = start_with_failures("limit.login_failures=2/h", "limit.lock=1s");
    struct account account = account_register(&server);
    for (int try = 0; try < 2; try++)
        ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, WRONG), 401);
    struct reply reply = log_in_from(&server, ELSEWHERE, &account, WRONG);
    ck_assert_int_eq(reply.status, 429);
    ck_assert_int_eq(retry_after(&reply), 1);
    http_free(&reply);
    sleep(1);
    ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, WRONG), 401);
    reply = log_in_from(&server, ELSEWHERE, &account, PASSWORD);
    ck_assert_int_eq(reply.status, 429);
    ck_assert_int_eq(retry_after(&reply), 2);
    http_free(&reply);
    server_finish(&server);
}
END_TEST

static void log_in_rightly(size_t index, void *context) {
    const struct account *account = ((const struct account *const *)context)[0];
    const struct server *server = ((const struct server *const *)context)[1];
    (void)index;
    ck_assert_int_eq(login_status(server, ELSEWHERE, account, PASSWORD), 200);
}

START_TEST(right_passwords_are_never_too_many_however_many_come_at_once) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = account_register(&server);
    run_parallel(30, log_in_rightly, (const void *[]){ &account, &server });
    server_finish(&server);
}
END_TEST

struct guesses {
    const struct server *server;
    const struct account *account;
    int wrong; /* added to by all threads */
};

static void guess(size_t index, void *context) {
    struct guesses *guesses = context;
    (void)index;
    long status = login_status(guesses->server, ELSEWHERE, guesses->account, WRONG);
    ck_assert(status == 401 || status == 429);
    if (status == 401)
        __atomic_fetch_add(&guesses->wrong, 1, __ATOMIC_RELAXED);
}

START_TEST(many_guesses_at_once_are_no_way_around_the_limit) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = account_register(&server);
    struct guesses guesses = { &server, &account, 0 };
    run_parallel(30, guess, &guesses);
    ck_assert_int_eq(guesses.wrong, 3);
    server_finish(&server);
}
END_TEST

START_TEST(a_stolen_token_is_no_means_to_guess_the_password_nor_to_lock_its_owner_out) {
    struct server server = start_with_failures("limit.login_failures=3/h", "limit.lock=10m");
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account), own = account_login(&server, &account);
    static const char body[] = "{\"current_password\":\"" WRONG "\"}";
    for (int try = 0; try < 3; try++)
        expect_problem_at(http_json(&server, "DELETE", "/auth/me", tokens.access, body), 403, "wrong_password",
                          "/current_password", "wrong_password");
    static const char right[] = "{\"current_password\":\"" PASSWORD "\"}";
    expect_problem(http_json(&server, "DELETE", "/auth/me", tokens.access, right), 429, "account_locked");
    ck_assert_int_eq(login_status(&server, ELSEWHERE, &account, PASSWORD), 200);
    ck_assert(server_log_contains(&server, "\"event\":\"session_locked\""));
    static const char change[] = "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"another long passphrase\"}";
    expect_status(http_json(&server, "POST", "/auth/password", own.access, change), 204); /* which ends the thief's session */
    server_finish(&server);
}
END_TEST

Suite *limits_suite(void) {
    Suite *suite = suite_create("limits");
    TCase *addresses = tcase_create("by address");
    tcase_set_timeout(addresses, 60);
    tcase_add_unchecked_fixture(addresses, shared_server_start, shared_server_finish);
    tcase_add_loop_test(addresses, each_limited_endpoint_says_what_is_left_and_then_429, 0, (int)ARRAY_LEN(limited));
    tcase_add_test(addresses, a_client_that_waits_for_retry_after_is_served);
    tcase_add_loop_test(addresses, probes_and_proxies_are_never_limited, 0, (int)ARRAY_LEN(unlimited));
    tcase_add_test(addresses, without_limits_no_header_speaks_of_them);
    tcase_add_loop_test(addresses, a_client_is_its_address_as_far_as_it_can_be_believed, 0, (int)ARRAY_LEN(clients));
    tcase_add_test(addresses, the_networks_of_one_ipv6_site_share_four_times_as_much);
    tcase_add_test(addresses, a_client_without_an_address_gets_a_quarter);
    tcase_add_test(addresses, the_bucket_is_asked_before_the_body_is_read);
    suite_add_tcase(suite, addresses);
    TCase *failures = tcase_create("wrong passwords");
    tcase_set_timeout(failures, 60);
    tcase_add_unchecked_fixture(failures, shared_server_start, shared_server_finish);
    tcase_add_test(failures, an_account_is_locked_alike_whether_it_exists_or_not);
    tcase_add_test(failures, one_address_locks_an_account_for_itself_only_also_against_the_right_password);
    tcase_add_test(failures, many_addresses_lock_an_account_for_all_that_it_does_not_know);
    tcase_add_loop_test(failures, one_address_has_so_many_wrong_passwords_for_all_accounts_together, 0, (int)ARRAY_LEN(sprayers));
    tcase_add_test(failures, a_site_that_has_used_up_its_wrong_passwords_is_refused_in_each_of_its_networks);
    tcase_add_test(failures, an_address_that_is_refused_touches_no_account);
    tcase_add_test(failures, an_account_that_is_locked_costs_its_address_nothing);
    tcase_add_test(failures, right_passwords_cost_an_address_nothing);
    tcase_add_test(failures, a_registration_that_is_repeated_is_no_way_to_guess_the_password);
    tcase_add_test(failures, another_spelling_of_the_address_is_the_same_account);
    tcase_add_test(failures, others_cannot_lock_the_owner_out_nor_end_their_session);
    tcase_add_test(failures, an_address_is_known_also_after_a_restart_and_a_logout);
    tcase_add_test(failures, a_known_address_is_limited_as_well);
    tcase_add_test(failures, others_cannot_lock_the_owner_out_before_their_first_login);
    tcase_add_loop_test(failures, a_password_change_removes_every_known_address_but_the_one_it_came_from, 0,
                        (int)ARRAY_LEN(changes));
    tcase_add_test(failures, an_address_is_forgotten_when_it_was_not_used_for_long);
    tcase_add_test(failures, a_lock_opens_by_itself_and_the_next_is_longer);
    tcase_add_test(failures, right_passwords_are_never_too_many_however_many_come_at_once);
    tcase_add_test(failures, many_guesses_at_once_are_no_way_around_the_limit);
    tcase_add_test(failures, a_stolen_token_is_no_means_to_guess_the_password_nor_to_lock_its_owner_out);
    suite_add_tcase(suite, failures);
    return suite;
}
