/*
 * Every exchange ends exactly once, whatever way libmicrohttpd takes to close its connection. FLOOD=100000 sends as many requests
 * as the security review asked for; the default is what a test run can afford.
 */
#include "support/account.h"
#include "support/load.h"
#include "support/process.h"
#include "support/raw.h"
#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

Suite *exchanges_suite(void);

#define REQUEST_SIZE 32768
#define CLIENTS 4
#define FLOOD 12000
#define WARM_UP 2000
#define GROWTH_KIB 1024
#define STOP_S 1.0
#define WAIT_MS 2000
#define HANG_UPS 20

/* Cookies that once were too many for the library's memory, and are not any more; and headers that are too large in one way or
 * another. */
static const struct {
    unsigned cookies, len;
} floods[] = { { 100, 26 }, { 150, 26 }, { 230, 26 }, { 300, 26 }, { 500, 26 }, { 3, 5000 } };
#define KINDS ARRAY_LEN(floods)

struct flood {
    char requests[KINDS][REQUEST_SIZE];
    size_t lens[KINDS];
    size_t each; /* of a client */
    unsigned statuses[600];
};

/* A header as a browser sends it, with `count` cookies of `len` bytes. */
static size_t write_cookies(char request[REQUEST_SIZE], unsigned count, unsigned len) {
    size_t at = (size_t)snprintf(
        request, REQUEST_SIZE,
        "GET /health/live HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
        "Safari/537.36\r\nAccept: application/json, text/plain, */*\r\nAccept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
        "Accept-Encoding: gzip, deflate, br\r\nOrigin: https://app.example.com\r\nReferer: https://app.example.com/\r\n"
        "Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Dest: empty\r\nCookie: ");
    for (unsigned i = 0; i < count; i++) {
        int name_len = snprintf(request + at, REQUEST_SIZE - at, "%sc%05u=", i > 0 ? "; " : "", i);
        size_t value_len = len - 7;
        at += (size_t)name_len;
        memset(request + at, 'v', value_len);
        at += value_len;
    }
    return at + (size_t)snprintf(request + at, REQUEST_SIZE - at, "\r\n\r\n");
}

static size_t write_query(char request[REQUEST_SIZE], unsigned count) {
    size_t at = (size_t)snprintf(request, REQUEST_SIZE, "GET /health/live?first=1");
    for (unsigned i = 0; i < count; i++)
        at += (size_t)snprintf(request + at, REQUEST_SIZE - at, "&p%u=%u", i, i);
    return at + (size_t)snprintf(request + at, REQUEST_SIZE - at, " HTTP/1.1\r\nHost: x\r\n\r\n");
}

static size_t flood_size(void) {
    const char *wanted = getenv("FLOOD");
    return wanted != NULL ? strtoul(wanted, NULL, 10) : FLOOD;
}

/* Each client has addresses of its own, since each has ports for 28,000 connections a minute only. */
static void send_flood(size_t index, void *context) {
    struct flood *flood = context;
    for (size_t i = 0; i < flood->each; i++) {
        struct raw_reply reply;
        char source[32];
        snprintf(source, sizeof source, "127.0.%zu.%zu", index + 1, i / 10000 + 1);
        int fd = raw_connect_from(&shared_server, source);
        raw_send(fd, flood->requests[i % KINDS], flood->lens[i % KINDS]);
        raw_read(fd, WAIT_MS, &reply);
        close(fd);
        __atomic_fetch_add(&flood->statuses[reply.count > 0 ? reply.statuses[0] : 0], 1, __ATOMIC_RELAXED);
    }
}

static void run_flood(struct flood *flood, size_t count) {
    flood->each = count / CLIENTS;
    run_parallel(CLIENTS, send_flood, flood);
}

START_TEST(a_hundred_thousand_large_headers_leave_memory_where_it_was) {
    static struct flood flood;
    for (size_t i = 0; i < KINDS; i++)
        flood.lens[i] = write_cookies(flood.requests[i], floods[i].cookies, floods[i].len);
    run_flood(&flood, WARM_UP);
    long before = process_status(shared_server.pid, "VmRSS");
    run_flood(&flood, flood_size());
    long after = process_status(shared_server.pid, "VmRSS");
    if (test_is_sanitized())
        test_leaves_out(__func__, "growth of memory: the sanitizers keep what is freed, and report leaks at the end");
    ck_assert_msg(test_is_sanitized() || after - before <= GROWTH_KIB, "grew by %ld KiB", after - before);
    ck_assert_msg(flood.statuses[0] == 0, "%u times 200, %u times 431, %u times closed", flood.statuses[200], flood.statuses[431],
                  flood.statuses[0]);
    ck_assert_uint_gt(flood.statuses[200], 0);
    ck_assert_uint_gt(flood.statuses[431], 0);
    ck_assert(server_log_contains(&shared_server, "\"event\":\"header_not_read\","));
    ck_assert_int_lt(server_log_count(&shared_server, "\"event\":\"header_not_read\""), 200);
}
END_TEST

START_TEST(after_headers_that_do_not_fit_and_a_reload_the_service_stops_at_once) {
    static char request[REQUEST_SIZE];
    struct server server = server_start(NULL);
    for (size_t i = 0; i < 4 * KINDS; i++) {
        struct raw_reply reply;
        size_t len = write_cookies(request, floods[i % KINDS].cookies, floods[i % KINDS].len);
        raw_exchange(&server, request, len, WAIT_MS, &reply);
        kill(server.pid, SIGHUP);
    }
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    ck_assert_msg(seconds < STOP_S, "%.3f s", seconds);
    ck_assert(server_log_contains(&server, "\"exchanges_left\":0,\"connections_left\":0"));
    server_finish(&server);
}
END_TEST

static const struct cookie_case {
    unsigned count, len;
    int status;
} cookie_cases[] = {
    { 1, 26, 200 },   { 70, 26, 200 },  { 30, 125, 200 }, { 10, 400, 200 },  { 1, 4000, 200 }, { 180, 26, 200 },
    { 500, 10, 200 }, { 1, 5000, 200 }, { 300, 26, 431 }, { 1000, 10, 431 }, { 2, 8000, 431 },
};

START_TEST(cookies_of_a_browser_are_served_and_those_that_do_not_fit_get_431) {
    const struct cookie_case *c = &cookie_cases[_i];
    char request[REQUEST_SIZE];
    struct raw_reply reply;
    raw_exchange_replies(&shared_server, request, write_cookies(request, c->count, c->len), c->status == 200 ? 1 : 2, &reply);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert(c->status == 200 || (reply.closed && strstr(reply.bytes, "\"code\":\"header_too_large\"") != NULL));
    ck_assert_msg(reply.statuses[0] == c->status, "%u cookies of %u bytes: %d", c->count, c->len, reply.statuses[0]);
}
END_TEST

/* What the library's own parser makes of such cookies is no concern of ours. */
START_TEST(no_cookie_is_looked_at) {
    static const char *const cookies[] = { "a=\"", "=", ";;;", "a=\"b;c", ",", "a" };
    for (size_t i = 0; i < ARRAY_LEN(cookies); i++) {
        char request[256];
        struct raw_reply reply;
        int len = snprintf(request, sizeof request, "GET /health/live HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", cookies[i]);
        raw_exchange_replies(&shared_server, request, (size_t)len, 1, &reply);
        ck_assert_msg(reply.count == 1 && reply.statuses[0] == 200, "%s: %zu replies, %d", cookies[i], reply.count,
                      reply.statuses[0]);
    }
}
END_TEST

START_TEST(a_nul_before_many_parameters_gets_400_at_once) {
    char request[REQUEST_SIZE];
    for (unsigned count = 100; count <= 500; count += 100) {
        struct raw_reply reply;
        size_t len = write_query(request, count);
        *strchr(request, '?') = '\0';
        request[strlen("GET /health/live")] = '\0';
        request[strlen("GET /health/live") + 1] = '?';
        raw_exchange(&shared_server, request, len, WAIT_MS, &reply);
        ck_assert_msg(reply.closed && reply.count >= 1 && reply.statuses[0] == 400, "%u parameters: %zu replies", count,
                      reply.count);
    }
}
END_TEST

static const char *const expectations[] = {
    "GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n\r\n",
    "GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
};

START_TEST(an_expectation_without_a_body_gets_400) {
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        struct raw_reply reply;
        raw_exchange(&shared_server, expectations[i], strlen(expectations[i]), WAIT_MS, &reply);
        ck_assert(reply.closed);
        ck_assert_uint_eq(reply.count, 1);
        ck_assert_int_eq(reply.statuses[0], 400);
    }
}
END_TEST

START_TEST(a_client_that_takes_its_time_does_not_hold_up_the_stop) {
    static const char half[] = "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: appl";
    static const char half_body[] =
        "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{";
    struct server server = server_start(NULL);
    int header = raw_connect(&server), body = raw_connect(&server);
    raw_send(header, half, strlen(half));
    raw_send(body, half_body, strlen(half_body));
    usleep(200000);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    ck_assert_int_le(end.tv_sec - begin.tv_sec, 4);
    close(header);
    close(body);
    server_finish(&server);
}
END_TEST

START_TEST(two_hundred_query_parameters_are_answered_and_so_is_the_next_request) {
    char request[REQUEST_SIZE];
    for (unsigned count = 0; count <= 250; count += 10) {
        struct raw_reply reply;
        size_t len = write_query(request, count);
        memcpy(request + len, request, len);
        raw_exchange_replies(&shared_server, request, 2 * len, 2, &reply);
        ck_assert_msg(reply.count == 2 && reply.statuses[0] == 200 && reply.statuses[1] == 200, "%u parameters: %zu replies, %d",
                      count, reply.count, reply.statuses[0]);
    }
}
END_TEST

/* ---- the end of the stream ---- */

/* In one segment, so that the service reads both at once. */
static void send_and_hang_up(const struct server *server) {
    static const char live[] = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    struct raw_reply reply;
    int fd = raw_connect(server), on = 1;
    ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on), 0);
    raw_send(fd, live, strlen(live));
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    raw_read(fd, 200, &reply);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert_int_eq(reply.statuses[0], 200);
    close(fd);
}

START_TEST(a_client_that_hangs_up_together_with_its_request_is_answered_and_disconnected) {
    struct server server = server_start((const char *const[]){ "database.connections=1", NULL });
    await_ready(&server);
    unsigned long before = process_descriptors(server.pid);
    for (int i = 0; i < HANG_UPS; i++)
        send_and_hang_up(&server);
    unsigned tries = 0;
    while (process_descriptors(server.pid) > before && tries++ < 50)
        usleep(100000);
    ck_assert_msg(process_descriptors(server.pid) <= before, "%lu descriptors, and %lu before", process_descriptors(server.pid),
                  before);
    server_finish(&server);
}
END_TEST

/* ---- a body for which there is no memory ---- */

static const size_t body_sizes[] = { 17 * 1024, 256 * 1024, 300 * 1000, 1024 * 1024 };

static void send_body(const struct server *server, const char *target, size_t size, bool chunked, struct raw_reply *reply) {
    static const char chunks_end[] = { '\r', '\n', '0', '\r', '\n', '\r', '\n' };
    char *bytes = malloc(size + 512);
    ck_assert_ptr_nonnull(bytes);
    int len = chunked ? snprintf(bytes, 512,
                                 "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                 "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
                                 target, size)
                      : snprintf(bytes, 512,
                                 "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                                 target, size);
    memset(bytes + len, ' ', size);
    memcpy(bytes + len + size, chunks_end, sizeof chunks_end);
    int fd = raw_connect(server);
    raw_send(fd, bytes, (size_t)len + size + (chunked ? sizeof chunks_end : 0));
    raw_read_replies(fd, 1, reply);
    close(fd);
    free(bytes);
}

START_TEST(a_body_of_the_largest_limit_is_read_chunked_or_not) {
    struct server server = server_start((const char *const[]){ "server.body_limit=1MiB", NULL });
    for (size_t i = 0; i < ARRAY_LEN(body_sizes); i++) {
        for (int chunked = 0; chunked <= 1; chunked++) {
            struct raw_reply reply;
            send_body(&server, "/auth/login", body_sizes[i], chunked, &reply);
            ck_assert_msg(reply.count == 1 && reply.statuses[0] == 400, "%zu bytes: %zu replies, %d", body_sizes[i], reply.count,
                          reply.statuses[0]); /* blanks are no JSON */
        }
    }
    server_finish(&server);
}
END_TEST

/* The reply is known from the header, and the body is dropped as it arrives. */
START_TEST(a_refusal_before_the_body_reaches_a_client_whose_body_is_as_large_as_the_limit) {
    struct server server = server_start((const char *const[]){ "server.body_limit=1MiB", NULL });
    for (size_t i = 0; i < ARRAY_LEN(body_sizes); i++) {
        for (int chunked = 0; chunked <= 1; chunked++) {
            struct raw_reply reply;
            send_body(&server, "/auth/verify", body_sizes[i], chunked, &reply);
            ck_assert_msg(reply.count == 1 && reply.statuses[0] == 401, "%zu bytes: %zu replies, %d", body_sizes[i], reply.count,
                          reply.statuses[0]);
        }
    }
    server_finish(&server);
}
END_TEST

START_TEST(a_list_of_a_hundred_sessions_with_the_longest_user_agents_is_shown) {
    char agent[600], bearer[TOKEN_SIZE + 32], body[BODY_SIZE];
    struct account account = account_register(&shared_server);
    struct tokens tokens = { .access = "" };
    memset(agent, '"', sizeof agent); /* each of which JSON writes as two */
    memcpy(agent, "User-Agent: ", strlen("User-Agent: "));
    agent[strlen("User-Agent: ") + 256] = '\0';
    const char *const headers[] = { agent, "Content-Type: application/json", NULL };
    for (int i = 0; i < 100; i++) {
        struct reply reply = http_send(&shared_server, "POST", "/auth/login", headers, credentials(&account, PASSWORD, body));
        ck_assert_int_eq(reply.status, 200);
        snprintf(tokens.access, sizeof tokens.access, "%s", http_member(&reply, "access_token"));
        http_free(&reply);
    }
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", tokens.access);
    struct reply reply = http_send(&shared_server, "GET", "/auth/sessions", (const char *const[]){ bearer, NULL }, NULL);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_uint_eq(json_object_array_length(json_object_object_get(reply.json, "sessions")), 100);
    http_free(&reply);
}
END_TEST

Suite *exchanges_suite(void) {
    Suite *suite = suite_create("exchanges");
    TCase *tcase = tcase_create("life");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_loop_test(tcase, cookies_of_a_browser_are_served_and_those_that_do_not_fit_get_431, 0,
                        (int)ARRAY_LEN(cookie_cases));
    tcase_add_test(tcase, no_cookie_is_looked_at);
    tcase_add_test(tcase, a_nul_before_many_parameters_gets_400_at_once);
    tcase_add_test(tcase, an_expectation_without_a_body_gets_400);
    tcase_add_test(tcase, two_hundred_query_parameters_are_answered_and_so_is_the_next_request);
    tcase_add_test(tcase, a_list_of_a_hundred_sessions_with_the_longest_user_agents_is_shown);
    tcase_add_test(tcase, a_hundred_thousand_large_headers_leave_memory_where_it_was);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("ends");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, after_headers_that_do_not_fit_and_a_reload_the_service_stops_at_once);
    tcase_add_test(tcase, a_client_that_takes_its_time_does_not_hold_up_the_stop);
    tcase_add_test(tcase, a_client_that_hangs_up_together_with_its_request_is_answered_and_disconnected);
    tcase_add_test(tcase, a_body_of_the_largest_limit_is_read_chunked_or_not);
    tcase_add_test(tcase, a_refusal_before_the_body_reaches_a_client_whose_body_is_as_large_as_the_limit);
    suite_add_tcase(suite, tcase);
    return suite;
}
