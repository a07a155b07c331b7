#include "support/account.h"
#include "support/database.h"
#include "support/raw.h"

#include "jwtd/macros.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *refresh_suite(void);

/* Refreshes and returns the new refresh token. */
static void refreshed(const struct server *server, const char *token, char next[128]) {
    struct reply reply = refresh_with(server, token);
    ck_assert_msg(reply.status == 200, "refresh gave %ld %s", reply.status, reply.body);
    snprintf(next, 128, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

static void assert_refused(const struct server *server, const char *token, const char *code) {
    expect_problem(refresh_with(server, token), 401, code);
}

START_TEST(a_refresh_returns_tokens_as_a_login_does) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    struct reply reply = refresh_with(&shared_server, tokens.refresh);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_member(&reply, "token_type"), "Bearer");
    ck_assert_int_eq(json_integer_at(reply.json, "expires_in"), 900);
    ck_assert_int_eq(json_integer_at(reply.json, "refresh_expires_in"), 7 * 24 * 3600);
    ck_assert_str_ne(http_member(&reply, "refresh_token"), tokens.refresh);
    ck_assert_int_eq(strncmp(http_member(&reply, "refresh_token"), "jr2_", 4), 0);
    ck_assert_int_eq(me_status(&shared_server, http_member(&reply, "access_token")), 200);
    http_free(&reply);
}
END_TEST

START_TEST(presenting_a_token_again_returns_the_same_successor) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char first[128], again[128];
    refreshed(&shared_server, tokens.refresh, first);
    refreshed(&shared_server, tokens.refresh, again);
    ck_assert_str_eq(first, again);
}
END_TEST

START_TEST(a_token_whose_successor_was_used_ends_the_session) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char second[128], third[128];
    refreshed(&shared_server, tokens.refresh, second);
    refreshed(&shared_server, second, third);
    assert_refused(&shared_server, tokens.refresh, "refresh_token_reused");
    assert_refused(&shared_server, third, "refresh_token_reused");
    ck_assert_int_eq(me_status(&shared_server, tokens.access), 401);
    ck_assert(server_log_contains(&shared_server, "\"event\":\"refresh_token_reused\""));
}
END_TEST

static void let_time_pass(const struct account *account, const char *interval) {
    char sql[160], ignored[8];
    snprintf(sql, sizeof sql, "UPDATE sessions SET rotated_at = rotated_at - interval '%s' WHERE user_id = $1::uuid", interval);
    database_value(sql, account->id, ignored, sizeof ignored);
}

/* Each order of events by owner, second tab and thief: test_refresh_orders.c. */
START_TEST(a_token_presented_after_the_retry_window_gets_a_new_successor_and_the_unused_one_is_void) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char second[128], third[128], fourth[128];
    refreshed(&shared_server, tokens.refresh, second);
    let_time_pass(&account, "3 days");
    refreshed(&shared_server, tokens.refresh, third);
    ck_assert_str_ne(second, third);
    refreshed(&shared_server, third, fourth);
    assert_refused(&shared_server, second, "refresh_token_reused");
    assert_refused(&shared_server, fourth, "refresh_token_reused");
    ck_assert(server_log_contains(&shared_server, "\"event\":\"session_successor_replaced\""));
}
END_TEST

START_TEST(a_retry_that_comes_too_soon_gets_503_and_later_its_answer) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char second[128], again[128], seconds[16];
    refreshed(&shared_server, tokens.refresh, second);
    let_time_pass(&account, "9 s");
    refreshed(&shared_server, tokens.refresh, again);
    let_time_pass(&account, "3 s");
    struct reply reply = refresh_with(&shared_server, tokens.refresh);
    assert_problem(&reply, 503, "refresh_too_soon");
    ck_assert_str_eq(http_header(&reply, "Retry-After", seconds, sizeof seconds), "7");
    http_free(&reply);
    let_time_pass(&account, "7 s");
    refreshed(&shared_server, tokens.refresh, again);
    ck_assert_str_ne(second, again);
    refreshed(&shared_server, again, second);
}
END_TEST

/* With a window of 0 each repetition gets a successor of its own. */
START_TEST(without_a_window_a_lost_answer_costs_nobody_the_session) {
    struct server server = server_start((const char *const[]){ "token.refresh_retry_window=0", NULL });
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    char second[128], third[128], fourth[128];
    refreshed(&server, tokens.refresh, second);
    refreshed(&server, tokens.refresh, third);
    ck_assert_str_ne(second, third);
    refreshed(&server, third, fourth);
    assert_refused(&server, second, "refresh_token_reused");
    server_finish(&server);
}
END_TEST

static struct reply refresh_from(const struct server *server, const char *ip, const char *token) {
    char body[BODY_SIZE], forwarded[96];
    snprintf(forwarded, sizeof forwarded, "X-Forwarded-For: %s", ip);
    return http_send(server, "POST", "/auth/refresh", (const char *const[]){ "Content-Type: application/json", forwarded, NULL },
                     refresh_json(token, body));
}

START_TEST(a_retry_from_another_network_is_logged_as_a_warning) {
    struct server server = server_start((const char *const[]){ "server.trusted_proxies=127.0.0.1/32", NULL });
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    static const char *const ips[] = { "2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1", "198.51.100.7" };
    for (size_t i = 0; i < ARRAY_LEN(ips); i++)
        expect_status(refresh_from(&server, ips[i], tokens.refresh), 200);
    server_check_log_count(&server, "\"event\":\"session_retried_elsewhere\"", 2);
    ck_assert(server_log_contains(&server, "\"level\":\"warn\",\"event\":\"session_retried_elsewhere\""));
    ck_assert(server_log_contains(&server, "\"count\":2,\"address\":\"198.51.100.7\""));
    server_finish(&server);
}
END_TEST

START_TEST(a_session_ends_at_its_absolute_end_however_often_it_is_refreshed) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char begin[64], end[64], ignored[8];
    static const char expires[] = "SELECT expires_at FROM sessions WHERE user_id = $1::uuid";
    database_value(expires, account.id, begin, sizeof begin);
    ck_assert_int_eq(
        database_number("SELECT extract(epoch FROM expires_at - created_at) FROM sessions WHERE user_id = $1::uuid", account.id),
        30 * 24 * 3600);
    for (int i = 0; i < 3; i++) {
        refreshed(&shared_server, tokens.refresh, tokens.refresh);
        let_time_pass(&account, "1 hour");
    }
    ck_assert_str_eq(database_value(expires, account.id, end, sizeof end), begin);
    database_value("UPDATE sessions SET expires_at = now() + interval '1 minute' WHERE user_id = $1::uuid", account.id, ignored,
                   sizeof ignored);
    refreshed(&shared_server, tokens.refresh, tokens.refresh);
    database_value("UPDATE sessions SET expires_at = now() WHERE user_id = $1::uuid", account.id, ignored, sizeof ignored);
    assert_refused(&shared_server, tokens.refresh, "session_expired");
}
END_TEST

START_TEST(a_session_that_nobody_uses_for_a_week_ends) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char ignored[8];
    database_value("UPDATE sessions SET last_used_at = now() - interval '7 days' + interval '1 minute' WHERE user_id = $1::uuid",
                   account.id, ignored, sizeof ignored);
    refreshed(&shared_server, tokens.refresh, tokens.refresh);
    database_value("UPDATE sessions SET last_used_at = now() - interval '7 days' WHERE user_id = $1::uuid", account.id, ignored,
                   sizeof ignored);
    assert_refused(&shared_server, tokens.refresh, "session_expired");
}
END_TEST

static const char *const forged[] = {
    "x",
    "jr1_",
    "jr1_AAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "jr2_AAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "jr2_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
};

START_TEST(a_token_that_was_not_made_here_is_refused) {
    assert_refused(&shared_server, forged[_i], "invalid_refresh_token");
}
END_TEST

START_TEST(every_changed_character_makes_a_token_invalid) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    for (size_t i = 0; i < strlen(tokens.refresh); i++) {
        char changed[128];
        memcpy(changed, tokens.refresh, sizeof changed);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_refused(&shared_server, changed, "invalid_refresh_token");
    }
}
END_TEST

START_TEST(an_access_token_is_no_refresh_token_and_the_other_way_round) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    expect_problem(http_json(&shared_server, "GET", "/auth/me", tokens.refresh, NULL), 401, "invalid_token");
    expect_problem(refresh_with(&shared_server, tokens.access), 422, "validation_failed"); /* too long; a short one: `forged` */
}
END_TEST

struct race {
    const char *presented;
    char answers[20][128];
    long statuses[20];
};

static void refresh_one(size_t index, void *context) {
    struct race *race = context;
    struct reply reply = refresh_with(&shared_server, race->presented);
    race->statuses[index] = reply.status;
    snprintf(race->answers[index], sizeof race->answers[index], "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

START_TEST(twenty_refreshes_at_once_are_one_lineage_and_twenty_times_the_answer) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    struct race race = { .presented = tokens.refresh };
    run_parallel(20, refresh_one, &race);
    for (size_t i = 0; i < 20; i++) {
        ck_assert_int_eq(race.statuses[i], 200);
        ck_assert_str_eq(race.answers[i], race.answers[0]);
    }
    ck_assert_int_eq(database_number("SELECT generation FROM sessions WHERE user_id = $1::uuid", account.id), 2);
}
END_TEST

struct logout_race {
    struct tokens tokens;
    long refresh_status, logout_status;
    char next[128];
};

static void refresh_or_log_out(size_t index, void *context) {
    struct logout_race *race = context;
    char body[BODY_SIZE];
    struct reply reply = index == 0
                             ? refresh_with(&shared_server, race->tokens.refresh)
                             : http_json(&shared_server, "POST", "/auth/logout", NULL, refresh_json(race->tokens.refresh, body));
    if (index == 0) {
        race->refresh_status = reply.status;
        snprintf(race->next, sizeof race->next, "%s", http_member(&reply, "refresh_token"));
    } else {
        race->logout_status = reply.status;
    }
    http_free(&reply);
}

START_TEST(no_session_survives_a_logout_that_races_a_refresh) {
    struct account account = account_register(&shared_server);
    for (int round = 0; round < 25; round++) {
        struct logout_race race = { .tokens = account_login(&shared_server, &account) };
        run_parallel(2, refresh_or_log_out, &race);
        ck_assert_int_eq(race.logout_status, 204);
        if (race.refresh_status == 200)
            assert_refused(&shared_server, race.next, "invalid_refresh_token");
        else
            ck_assert_int_eq(race.refresh_status, 401);
        ck_assert_int_eq(me_status(&shared_server, race.tokens.access), 401);
    }
    ck_assert_int_eq(database_number("SELECT count(*) FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL", account.id),
                     0);
}
END_TEST

/* The client has disconnected before the reply: the write may or may not have happened, and a retry is right in both cases. */
START_TEST(a_refresh_whose_answer_was_lost_may_be_asked_again) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char body[BODY_SIZE], request[BODY_SIZE * 2], again[128];
    refresh_json(tokens.refresh, body);
    int len =
        snprintf(request, sizeof request,
                 "POST /auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
    int fd = raw_connect(&shared_server);
    raw_send(fd, request, (size_t)len);
    for (int i = 0; i < 400; i++) {
        if (database_number("SELECT max(generation) FROM sessions WHERE user_id = $1::uuid", account.id) == 2)
            break;
        usleep(10000);
    }
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger)), 0);
    close(fd);
    refreshed(&shared_server, tokens.refresh, again);
    ck_assert_int_eq(database_number("SELECT generation FROM sessions WHERE user_id = $1::uuid", account.id), 2);
}
END_TEST

START_TEST(a_restart_and_a_crash_in_between_cost_nobody_the_session) {
    struct server server = server_start(NULL);
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    char first[128], again[128];
    refreshed(&server, tokens.refresh, first);
    ck_assert_int_eq(server_stop(&server, SIGKILL), -1);
    struct server restarted = server_start_beside(&server, NULL);
    refreshed(&restarted, tokens.refresh, again);
    ck_assert_str_eq(first, again);
    refreshed(&restarted, again, first);
    ck_assert_int_eq(me_status(&restarted, tokens.access), 200);
    server_finish(&restarted);
    server_finish(&server);
}
END_TEST

/* The database lost its tail in a failover: the client's token is newer than the row, and genuine. */
START_TEST(a_token_newer_than_the_row_is_taken) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char second[128], third[128], value[8];
    refreshed(&shared_server, tokens.refresh, second);
    database_value("UPDATE sessions SET generation = 1 WHERE user_id = $1::uuid", account.id, value, sizeof value);
    refreshed(&shared_server, second, third);
    ck_assert_int_eq(database_number("SELECT generation FROM sessions WHERE user_id = $1::uuid", account.id), 3);
}
END_TEST

START_TEST(the_database_holds_no_token) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char secret[64];
    snprintf(secret, sizeof secret, "%%%.40s%%", tokens.refresh + 30);
    ck_assert_int_eq(database_number("SELECT count(*) FROM sessions s WHERE s::text LIKE $1", secret), 0);
}
END_TEST

Suite *refresh_suite(void) {
    Suite *suite = suite_create("refresh");
    TCase *shared = tcase_create("one server");
    tcase_set_timeout(shared, 180);
    tcase_add_unchecked_fixture(shared, shared_server_start, shared_server_finish);
    tcase_add_test(shared, a_refresh_returns_tokens_as_a_login_does);
    tcase_add_test(shared, presenting_a_token_again_returns_the_same_successor);
    tcase_add_test(shared, a_token_whose_successor_was_used_ends_the_session);
    tcase_add_test(shared, a_token_presented_after_the_retry_window_gets_a_new_successor_and_the_unused_one_is_void);
    tcase_add_test(shared, a_retry_that_comes_too_soon_gets_503_and_later_its_answer);
    tcase_add_test(shared, a_session_ends_at_its_absolute_end_however_often_it_is_refreshed);
    tcase_add_test(shared, a_session_that_nobody_uses_for_a_week_ends);
    tcase_add_loop_test(shared, a_token_that_was_not_made_here_is_refused, 0, (int)ARRAY_LEN(forged));
    tcase_add_test(shared, every_changed_character_makes_a_token_invalid);
    tcase_add_test(shared, an_access_token_is_no_refresh_token_and_the_other_way_round);
    tcase_add_test(shared, twenty_refreshes_at_once_are_one_lineage_and_twenty_times_the_answer);
    tcase_add_test(shared, no_session_survives_a_logout_that_races_a_refresh);
    tcase_add_test(shared, a_refresh_whose_answer_was_lost_may_be_asked_again);
    tcase_add_test(shared, a_token_newer_than_the_row_is_taken);
    tcase_add_test(shared, the_database_holds_no_token);
    suite_add_tcase(suite, shared);
    TCase *own = tcase_create("servers of their own");
    tcase_set_timeout(own, 180);
    tcase_add_test(own, without_a_window_a_lost_answer_costs_nobody_the_session);
    tcase_add_test(own, a_retry_from_another_network_is_logged_as_a_warning);
    tcase_add_test(own, a_restart_and_a_crash_in_between_cost_nobody_the_session);
    suite_add_tcase(suite, own);
    return suite;
}
