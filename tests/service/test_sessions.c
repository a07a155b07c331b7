#include "support/account.h"
#include "support/database.h"
#include "support/load.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *sessions_suite(void);

static struct reply log_out(const char *token, const char *body) {
    return http_json(&shared_server, "POST", "/auth/logout", token, body);
}

/* ---- logout ---- */

START_TEST(a_logout_by_either_token_ends_the_session_and_may_be_repeated) {
    struct account account = account_register(&shared_server);
    for (int by_refresh = 0; by_refresh < 2; by_refresh++) {
        struct tokens tokens = account_login(&shared_server, &account);
        char body[BODY_SIZE];
        const char *content = by_refresh ? refresh_json(tokens.refresh, body) : NULL;
        expect_status(log_out(by_refresh ? NULL : tokens.access, content), 204);
        ck_assert_int_eq(me_status(&shared_server, tokens.access), 401);
        expect_problem(refresh_with(&shared_server, tokens.refresh), 401, "invalid_refresh_token");
        expect_status(log_out(NULL, refresh_json(tokens.refresh, body)), 204);
        expect_status(log_out(tokens.access, NULL), 204);
    }
}
END_TEST

START_TEST(a_logout_everywhere_ends_all_sessions_of_the_user_and_nobody_elses) {
    struct account account = account_register(&shared_server), other_user = account_register(&shared_server);
    struct tokens other = account_login(&shared_server, &other_user);
    for (int by_refresh = 0; by_refresh < 2; by_refresh++) {
        struct tokens one = account_login(&shared_server, &account), two = account_login(&shared_server, &account);
        char body[BODY_SIZE];
        snprintf(body, sizeof body, "{\"all\":true,\"refresh_token\":\"%s\"}", one.refresh);
        expect_status(log_out(by_refresh ? NULL : one.access, by_refresh ? body : "{\"all\":true}"), 204);
        ck_assert_int_eq(me_status(&shared_server, one.access), 401);
        ck_assert_int_eq(me_status(&shared_server, two.access), 401);
    }
    ck_assert_int_eq(me_status(&shared_server, other.access), 200);
}
END_TEST

START_TEST(a_logout_with_a_token_that_nobody_made_is_done_already) {
    expect_status(log_out(NULL, "{\"refresh_token\":\"garbage\"}"), 204);
    expect_status(log_out(NULL, "{\"refresh_token\":\"jr1_AAAA\"}"), 204);
}
END_TEST

START_TEST(a_logout_says_whose_session_it_means) {
    expect_problem(log_out(NULL, NULL), 401, "missing_token");
    expect_problem(log_out(NULL, "{}"), 401, "missing_token");
    expect_problem(log_out("x.y.z", NULL), 401, "invalid_token");
}
END_TEST

START_TEST(an_expired_access_token_does_not_stop_a_logout_by_refresh_token) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char body[BODY_SIZE];
    expect_status(log_out("x.y.z", refresh_json(tokens.refresh, body)), 204);
    ck_assert_int_eq(me_status(&shared_server, tokens.access), 401);
}
END_TEST

START_TEST(another_instance_learns_of_a_logout_within_a_second) {
    struct server second = server_start_beside(&shared_server, NULL);
    await_ready(&second);
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    ck_assert_int_eq(me_status(&second, tokens.access), 200);
    expect_status(log_out(tokens.access, NULL), 204);
    for (int i = 0; i < 15 && me_status(&second, tokens.access) == 200; i++)
        usleep(100000);
    ck_assert_int_eq(me_status(&second, tokens.access), 401);
    server_finish(&second);
}
END_TEST

/* ---- the list ---- */

START_TEST(the_list_shows_the_live_sessions_and_which_one_asks) {
    struct account account = account_register(&shared_server);
    struct tokens gone = account_login(&shared_server, &account);
    expect_status(log_out(gone.access, NULL), 204);
    account_login(&shared_server, &account);
    struct tokens tokens = account_login(&shared_server, &account);
    struct reply reply = http_json(&shared_server, "GET", "/auth/sessions", tokens.access, NULL);
    ck_assert_int_eq(reply.status, 200);
    const struct json_object *sessions = json_object_object_get(reply.json, "sessions");
    ck_assert_uint_eq(json_object_array_length(sessions), 2);
    ck_assert(json_boolean_at(json_object_array_get_idx(sessions, 0), "current"));
    ck_assert(!json_boolean_at(json_object_array_get_idx(sessions, 1), "current"));
    static const char *const members[] = { "id", "created_at", "last_used_at", "expires_at", "ip" };
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        ck_assert_msg(
            json_object_is_type(json_object_object_get(json_object_array_get_idx(sessions, 0), members[i]), json_type_string),
            "%s", members[i]);
    ck_assert_str_eq(json_string_at(json_object_array_get_idx(sessions, 0), "ip"), "127.0.0.1");
    http_free(&reply);
}
END_TEST

/* Each session in the list, and how its times end. */
START_TEST(the_session_that_asks_shows_its_last_use_to_the_hour) {
    struct account account = account_register(&shared_server);
    struct tokens other = account_login(&shared_server, &account), tokens = account_login(&shared_server, &account);
    char ignored[8];
    database_value("UPDATE sessions SET last_used_at = date_trunc('hour', now()) - interval '25 minutes 17 s'"
                   " WHERE user_id = $1::uuid",
                   account.id, ignored, sizeof ignored);
    (void)other;
    struct reply reply = http_json(&shared_server, "GET", "/auth/sessions", tokens.access, NULL);
    for (size_t i = 0; i < 2; i++) {
        const struct json_object *session = json_object_array_get_idx(json_object_object_get(reply.json, "sessions"), i);
        const char *used = json_string_at(session, "last_used_at");
        const char *expires = json_string_at(session, "expires_at");
        const char *shown = json_boolean_at(session, "current") ? ":00:00Z" : ":34:43Z";
        ck_assert_ptr_nonnull(strstr(used, shown));
        ck_assert_ptr_nonnull(strstr(expires, shown));
    }
    http_free(&reply);
}
END_TEST

/* The id of the session that a token belongs to. */
static void current_id(const char *token, char id[64]) {
    struct reply reply = http_json(&shared_server, "GET", "/auth/sessions", token, NULL);
    const struct json_object *sessions = json_object_object_get(reply.json, "sessions");
    id[0] = '\0';
    for (size_t i = 0; i < json_object_array_length(sessions); i++) {
        const struct json_object *session = json_object_array_get_idx(sessions, i);
        if (json_boolean_at(session, "current"))
            snprintf(id, 64, "%s", json_string_at(session, "id"));
    }
    http_free(&reply);
}

static struct reply end_session(const char *token, const char *id) {
    char path[128];
    snprintf(path, sizeof path, "/auth/sessions/%s", id);
    return http_json(&shared_server, "DELETE", path, token, NULL);
}

START_TEST(a_user_ends_own_sessions_and_no_others) {
    struct account account = account_register(&shared_server), other_user = account_register(&shared_server);
    struct tokens one = account_login(&shared_server, &account), two = account_login(&shared_server, &account);
    struct tokens other = account_login(&shared_server, &other_user);
    char id[64], other_id[64];
    current_id(two.access, id);
    current_id(other.access, other_id);
    expect_problem(end_session(one.access, other_id), 404, "not_found");
    expect_problem(end_session(one.access, "01a1fb20-4e0e-7d54-9961-6bfafcff7e27"), 404, "not_found");
    expect_problem(end_session(one.access, "x"), 404, "not_found");
    ck_assert_int_eq(me_status(&shared_server, other.access), 200);
    expect_status(end_session(one.access, id), 204);
    ck_assert_int_eq(me_status(&shared_server, two.access), 401);
    ck_assert_int_eq(me_status(&shared_server, one.access), 200);
}
END_TEST

static const struct {
    const char *trusted;
    const char *forwarded;
    const char *ip;
} proxies[] = {
    { "server.trusted_proxies=", "X-Forwarded-For: 198.51.100.7", "127.0.0.1" },
    { "server.trusted_proxies=127.0.0.1/32", "X-Forwarded-For: 198.51.100.7", "198.51.100.7" },
    { "server.trusted_proxies=127.0.0.1/32", "X-Forwarded-For: 203.0.113.9, 198.51.100.7", "198.51.100.7" },
    { "server.trusted_proxies=127.0.0.1/32 198.51.100.0/24", "X-Forwarded-For: 203.0.113.9, 198.51.100.7", "203.0.113.9" },
    { "server.trusted_proxies=127.0.0.1/32", "X-Forwarded-For: 2001:db8::1", "2001:db8::1" },
};

START_TEST(only_a_trusted_proxy_says_where_a_client_is) {
    struct server server = server_start((const char *const[]){ proxies[_i].trusted, NULL });
    struct account account = account_register(&server);
    char body[BODY_SIZE], ip[64];
    const char *const headers[] = { "Content-Type: application/json", proxies[_i].forwarded, NULL };
    expect_status(http_send(&server, "POST", "/auth/login", headers, credentials(&account, PASSWORD, body)), 200);
    database_value("SELECT host(ip) FROM sessions WHERE user_id = $1::uuid", account.id, ip, sizeof ip);
    ck_assert_str_eq(ip, proxies[_i].ip);
    server_finish(&server);
}
END_TEST

/* ---- cleaning up ---- */

static const struct {
    const char *ageing; /* of the user's one session */
    long left;
} ages[] = {
    { "UPDATE sessions SET revoked_at = now() - interval '2 days', revoke_reason = 'test' WHERE user_id = $1::uuid", 0 },
    { "UPDATE sessions SET last_used_at = now() - interval '10 days', last_used_day = current_date - 10 WHERE user_id = $1::uuid",
      0 },
    { "UPDATE sessions SET revoked_at = now() - interval '1 hour', revoke_reason = 'test' WHERE user_id = $1::uuid", 1 },
    { "UPDATE sessions SET last_used_at = now() - interval '1 day', last_used_day = current_date - 1 WHERE user_id = $1::uuid",
      1 },
};

static long sessions_of(const struct account *account) {
    return database_number("SELECT count(*) FROM sessions WHERE user_id = $1::uuid", account->id);
}

static long sessions_to_delete(const struct account accounts[ARRAY_LEN(ages)]) {
    long count = 0;
    for (size_t i = 0; i < ARRAY_LEN(ages); i++)
        count += ages[i].left == 0 ? sessions_of(&accounts[i]) : 0;
    return count;
}

/* The rows that stay are aged before those that go, so the pass that deletes the latter has seen the former. */
START_TEST(sessions_that_have_been_dead_for_a_day_are_deleted) {
    struct server server = server_start((const char *const[]){ "database.cleanup_interval=1s", NULL });
    struct account accounts[ARRAY_LEN(ages)];
    char ignored[8];
    for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
        accounts[i] = account_register(&server);
        account_login(&server, &accounts[i]);
    }
    for (size_t i = ARRAY_LEN(ages); i > 0; i--)
        database_value(ages[i - 1].ageing, accounts[i - 1].id, ignored, sizeof ignored);
    for (int i = 0; i < 200 && sessions_to_delete(accounts) > 0; i++)
        usleep(50000);
    for (size_t i = 0; i < ARRAY_LEN(ages); i++)
        ck_assert_msg(sessions_of(&accounts[i]) == ages[i].left, "%s", ages[i].ageing);
    server_finish(&server);
}
END_TEST

Suite *sessions_suite(void) {
    Suite *suite = suite_create("sessions");
    TCase *shared = tcase_create("one server");
    tcase_set_timeout(shared, 120);
    tcase_add_unchecked_fixture(shared, shared_server_start, shared_server_finish);
    tcase_add_test(shared, a_logout_by_either_token_ends_the_session_and_may_be_repeated);
    tcase_add_test(shared, a_logout_everywhere_ends_all_sessions_of_the_user_and_nobody_elses);
    tcase_add_test(shared, a_logout_with_a_token_that_nobody_made_is_done_already);
    tcase_add_test(shared, a_logout_says_whose_session_it_means);
    tcase_add_test(shared, an_expired_access_token_does_not_stop_a_logout_by_refresh_token);
    tcase_add_test(shared, another_instance_learns_of_a_logout_within_a_second);
    tcase_add_test(shared, the_list_shows_the_live_sessions_and_which_one_asks);
    tcase_add_test(shared, the_session_that_asks_shows_its_last_use_to_the_hour);
    tcase_add_test(shared, a_user_ends_own_sessions_and_no_others);
    suite_add_tcase(suite, shared);
    TCase *own = tcase_create("servers of their own");
    tcase_set_timeout(own, 60);
    tcase_add_loop_test(own, only_a_trusted_proxy_says_where_a_client_is, 0, (int)ARRAY_LEN(proxies));
    tcase_add_test(own, sessions_that_have_been_dead_for_a_day_are_deleted);
    suite_add_tcase(suite, own);
    return suite;
}
