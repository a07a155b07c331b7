/* GET /auth/revocations: who may follow, what a request may ask for, and what it is answered. */
#include "revocations_fixture.h"
#include "support/account.h"
#include "support/load.h"
#include "support/process.h"
#include "support/raw.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

Suite *revocation_requests_suite(void);

/* A GET or HEAD with credentials, as bytes. */
static int write_request(const char *method, const char *query, const char *version, const char *header, char request[1024]) {
    int len = snprintf(request, 1024, "%s /auth/revocations%s HTTP/%s\r\nHost: x\r\n%s\r\n%s\r\n\r\n", method, query, version,
                       orders.authorization, header);
    ck_assert(len > 0 && len < 1024);
    return len;
}

static const struct {
    const char *header;
    int status;
} accepts[] = {
    { "Accept: text/event-stream", 200 },
    { "Accept: TEXT/Event-Stream; charset=utf-8", 200 },
    { "Accept: */*", 200 },
    { "Accept: text/*;q=0.1", 200 },
    { "Accept: application/json, text/event-stream;q=0.5", 200 },
    { "Accept: text/event-stream;q=0", 406 },
    { "Accept: */*, text/event-stream;q=0.000", 406 },
    { "Accept: text/event-stream, */*;q=0", 200 },
    { "Accept: application/json", 406 },
    { "Accept: text/html", 406 },
    { "Accept: ,;,;q", 406 },
    { "X-No: Accept", 200 },
};

/* By HEAD, whose reply has an end. */
START_TEST(a_follower_must_accept_events) {
    char request[1024];
    struct raw_reply reply;
    int len = write_request("HEAD", "", "1.1", accepts[_i].header, request);
    raw_exchange_replies(&shared_server, request, (size_t)len, 1, &reply);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert_msg(reply.statuses[0] == accepts[_i].status, "%s: %d", accepts[_i].header, reply.statuses[0]);
    if (accepts[_i].status == 200) {
        ck_assert_ptr_nonnull(strcasestr(reply.bytes, "\r\nContent-Type: text/event-stream\r\n"));
        ck_assert_ptr_null(strcasestr(reply.bytes, "\r\nContent-Length:"));
        ck_assert_str_eq(strstr(reply.bytes, "\r\n\r\n"), "\r\n\r\n");
    }
}
END_TEST

START_TEST(a_client_that_does_not_accept_events_is_told_so) {
    const char *const headers[] = { orders.authorization, "Accept: application/json", NULL };
    expect_problem(http_send(&shared_server, "GET", "/auth/revocations", headers, NULL), 406, "not_acceptable");
}
END_TEST

/* A snapshot that lacks something would be taken for all there is. */
START_TEST(before_the_revocations_are_read_there_is_nothing_to_follow) {
    struct server server = server_start_unready_beside(
        &shared_server, (const char *const[]){ "database.url=host=127.0.0.1 port=1 dbname=none", NULL });
    expect_problem(revocations_ask(&server), 503, "starting");
    server_finish(&server);
}
END_TEST

static const struct {
    const char *query;
    int status;
} heartbeats[] = {
    { "?heartbeat=1", 200 },
    { "?heartbeat=15", 200 },
    { "?heartbeat=0", 400 },
    { "?heartbeat=16", 400 },
    { "?heartbeat=", 400 },
    { "?heartbeat=x", 400 },
    { "?heartbeat=-1", 400 },
    { "?heartbeat=100", 400 },
    { "?heartbeat", 400 },
    { "?other=1", 200 },
    { "?heartbeat=2&heartbeat=3", 400 },
};

START_TEST(a_heartbeat_comes_every_1_to_15_seconds) {
    char request[1024];
    struct raw_reply reply;
    const char *method = heartbeats[_i].status == 200 ? "HEAD" : "GET"; /* a stream would not end */
    int len = write_request(method, heartbeats[_i].query, "1.1", "X-Nothing: 1", request);
    raw_exchange_replies(&shared_server, request, (size_t)len, 1, &reply);
    ck_assert_msg(reply.count == 1 && reply.statuses[0] == heartbeats[_i].status, "%s: %d", heartbeats[_i].query,
                  reply.statuses[0]);
}
END_TEST

START_TEST(only_services_may_follow) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    struct service wrong = service_with("orders", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    expect_problem(http_send(&shared_server, "GET", "/auth/revocations", NULL, NULL), 401, "invalid_client");
    expect_problem(http_json(&shared_server, "GET", "/auth/revocations", tokens.access, NULL), 401, "invalid_client");
    expect_problem(
        http_send(&shared_server, "GET", "/auth/revocations", (const char *const[]){ wrong.authorization, NULL }, NULL), 401,
        "invalid_client");
}
END_TEST

START_TEST(a_service_that_is_removed_is_disconnected_within_two_seconds_and_others_are_not) {
    char line[256];
    bool is_resumed;
    struct follower *good = follower_open(&shared_server, NULL, NULL);
    follower_set_service(service_add(&shared_server, "parcels"));
    struct follower *removed = follower_open(&shared_server, NULL, NULL);
    follower_set_service(orders);
    follower_await_snapshot(good, &is_resumed);
    follower_await_snapshot(removed, &is_resumed);
    service_command(&shared_server, "remove", "parcels", line);
    service_reload(&shared_server);
    int64_t began_us = clock_monotonic_us();
    struct stream_event event;
    while (follower_next(removed, SOON_MS, &event))
        ;
    ck_assert(removed->ended_in_order);
    ck_assert(clock_monotonic_us() - began_us < 2 * CLOCK_US_PER_S);
    revoke_made_up_sessions(1);
    do
        ck_assert(follower_next(good, SOON_MS, &event));
    while (strcmp(event.name, "session-revoked") != 0);
    follower_close(good);
    follower_close(removed);
}
END_TEST

START_TEST(a_stream_says_when_it_has_begun) {
    char request[1024];
    struct raw_reply reply;
    struct tm date = { .tm_sec = 0 };
    int len = write_request("HEAD", "", "1.1", "X-Nothing: 1", request);
    int64_t began_s = clock_wall_s();
    raw_exchange_replies(&shared_server, request, (size_t)len, 1, &reply);
    const char *header = strstr(reply.bytes, "\r\nDate: ");
    ck_assert_msg(header != NULL, "%s", reply.bytes);
    const char *end = strptime(header + strlen("\r\nDate: "), "%a, %d %b %Y %H:%M:%S GMT", &date);
    ck_assert_msg(end != NULL && strncmp(end, "\r\n", 2) == 0, "%s", header);
    ck_assert(timegm(&date) >= began_s && timegm(&date) <= clock_wall_s());
}
END_TEST

START_TEST(a_client_of_http_1_0_receives_the_events_as_they_are) {
    char request[1024];
    struct raw_reply reply;
    int len = write_request("GET", "", "1.0", "X-Nothing: 1", request);
    raw_exchange(&shared_server, request, (size_t)len, 500, &reply);
    ck_assert_ptr_null(strcasestr(reply.bytes, "Transfer-Encoding"));
    ck_assert_ptr_nonnull(strstr(reply.bytes, "\r\nConnection: close\r\n"));
    ck_assert_ptr_nonnull(strstr(reply.bytes, "\r\n\r\nretry: 1000\n\n"));
    ck_assert(!reply.closed);
}
END_TEST

START_TEST(what_is_sent_behind_the_request_is_not_answered) {
    char requests[1024];
    struct raw_reply reply;
    int len = write_request("GET", "", "1.1", "X-Nothing: 1\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x", requests);
    raw_exchange(&shared_server, requests, (size_t)len, 500, &reply);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert_ptr_nonnull(strstr(reply.bytes, "retry: 1000\n\n"));
}
END_TEST

START_TEST(one_follower_too_many_is_told_to_come_again) {
    struct server server = server_start_beside(&shared_server, (const char *const[]){ "server.max_streams=2", NULL });
    struct follower *followers[2];
    bool is_resumed;
    await_ready(&server);
    for (size_t i = 0; i < 2; i++) {
        followers[i] = follower_open(&server, NULL, NULL);
        follower_await_snapshot(followers[i], &is_resumed);
    }
    expect_problem(revocations_ask(&server), 503, "overloaded");
    follower_close(followers[0]);
    int64_t until_us = clock_monotonic_us() + 5 * CLOCK_US_PER_S;
    struct follower *next = NULL;
    while (next == NULL && clock_monotonic_us() < until_us) {
        char request[1024];
        struct raw_reply reply;
        int len = write_request("GET", "", "1.1", "X-Nothing: 1", request);
        raw_exchange(&server, request, (size_t)len, 100, &reply);
        if (reply.count > 0 && reply.statuses[0] == 200)
            next = follower_open(&server, NULL, NULL);
    }
    ck_assert_ptr_nonnull(next); /* the place of one that has gone is free at once */
    follower_close(next);
    follower_close(followers[1]);
    server_finish(&server);
}
END_TEST

Suite *revocation_requests_suite(void) {
    Suite *suite = suite_create("revocation_requests");
    TCase *tcase = tcase_create("revocation_requests");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, revocations_start, shared_server_finish);
    tcase_add_loop_test(tcase, a_follower_must_accept_events, 0, (int)ARRAY_LEN(accepts));
    tcase_add_test(tcase, a_client_that_does_not_accept_events_is_told_so);
    tcase_add_test(tcase, before_the_revocations_are_read_there_is_nothing_to_follow);
    tcase_add_loop_test(tcase, a_heartbeat_comes_every_1_to_15_seconds, 0, (int)ARRAY_LEN(heartbeats));
    tcase_add_test(tcase, only_services_may_follow);
    tcase_add_test(tcase, a_service_that_is_removed_is_disconnected_within_two_seconds_and_others_are_not);
    tcase_add_test(tcase, a_stream_says_when_it_has_begun);
    tcase_add_test(tcase, a_client_of_http_1_0_receives_the_events_as_they_are);
    tcase_add_test(tcase, what_is_sent_behind_the_request_is_not_answered);
    tcase_add_test(tcase, one_follower_too_many_is_told_to_come_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
