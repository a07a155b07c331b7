/* GET /auth/revocations: followers that do not read, and what becomes of all of them when the service ends. */
#include "revocations_fixture.h"
#include "support/account.h"
#include "support/load.h"
#include "support/process.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

Suite *slow_followers_suite(void);

#define MANY 20000

/* Its socket took nothing for ten seconds, or not all there is. */
static bool was_too_slow(const struct server *server) {
    return server_log_count(server, "stream_stalled") + server_log_count(server, "follower_behind") > 0;
}

/* More than its socket and the server's take, and it reads none of it. */
START_TEST(a_follower_that_does_not_read_is_disconnected_and_resumes) {
    struct server server = server_start_beside(&shared_server, NULL);
    await_ready(&server);
    bool is_resumed;
    struct follower *slow = follower_open(&server, NULL, NULL), *good = follower_open(&server, NULL, NULL);
    follower_await_snapshot(slow, &is_resumed);
    follower_await_snapshot(good, &is_resumed);
    char cursor[96];
    snprintf(cursor, sizeof cursor, "%s", slow->last_id);
    revoke_made_up_sessions(MANY);
    struct stream_event event;
    for (unsigned i = 0; i < MANY;) {
        ck_assert(follower_next(good, SOON_MS, &event));
        i += event.name[0] != '\0';
    }
    for (int i = 0; i < 200 && !was_too_slow(&server); i++)
        usleep(100000);
    ck_assert(was_too_slow(&server));
    follower_close(slow);
    slow = follower_open(&server, cursor, NULL);
    ck_assert_uint_ge(follower_await_snapshot(slow, &is_resumed), MANY);
    ck_assert(is_resumed);
    follower_close(slow);
    follower_close(good);
    server_finish(&server);
    empty_table();
}
END_TEST

static void expect_end(struct follower *follower) {
    struct stream_event event;
    while (follower_next(follower, SOON_MS, &event))
        ;
    ck_assert(follower->ended_in_order);
    ck_assert(follower->retry_ms >= 500 && follower->retry_ms <= 1500);
}

START_TEST(a_shutdown_ends_every_stream_in_order) {
    struct server server = server_start_beside(&shared_server, NULL);
    struct follower *followers[4], *stuck;
    bool is_resumed;
    await_ready(&server);
    revoke_made_up_sessions(5000);
    stuck = follower_open(&server, NULL, NULL); /* which does not read */
    for (size_t i = 0; i < ARRAY_LEN(followers); i++) {
        followers[i] = follower_open(&server, NULL, NULL);
        follower_await_snapshot(followers[i], &is_resumed);
        followers[i]->retry_ms = 0;
    }
    int64_t began_us = clock_monotonic_us();
    kill(server.pid, SIGTERM);
    for (size_t i = 0; i < ARRAY_LEN(followers); i++)
        expect_end(followers[i]);
    ck_assert_int_eq(server_stop(&server, 0), 0);
    ck_assert(clock_monotonic_us() - began_us < 4 * CLOCK_US_PER_S);
    for (size_t i = 0; i < ARRAY_LEN(followers); i++)
        follower_close(followers[i]);
    follower_close(stuck);
    empty_table();
}
END_TEST

START_TEST(a_service_that_is_ending_takes_no_followers) {
    struct server server = server_start_beside(&shared_server, (const char *const[]){ "server.drain_delay=3s", NULL });
    kill(server.pid, SIGTERM);
    for (long status = 200; status == 200;) {
        struct reply reply = http_send(&server, "GET", "/health/ready", NULL, NULL);
        status = reply.status;
        http_free(&reply);
    }
    expect_problem(revocations_ask(&server), 503, "shutting_down");
    ck_assert_int_eq(server_stop(&server, 0), 0);
}
END_TEST

Suite *slow_followers_suite(void) {
    Suite *suite = suite_create("slow_followers");
    TCase *tcase = tcase_create("slow_followers");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, revocations_start, shared_server_finish);
    tcase_add_test(tcase, a_follower_that_does_not_read_is_disconnected_and_resumes);
    tcase_add_test(tcase, a_shutdown_ends_every_stream_in_order);
    tcase_add_test(tcase, a_service_that_is_ending_takes_no_followers);
    suite_add_tcase(suite, tcase);
    return suite;
}
