#include "support/account.h"
#include "support/raw.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *framing_suite(void);

#define LOGIN "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
#define LIVE "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
#define CLOSED 16 /* replies that are waited for until the connection is closed: more than any test expects */

struct exchange_case {
    const char *name;
    const char *bytes;
    int first;  /* status of the first reply; 0: none, the connection is closed */
    int second; /* of the second; 0: the connection was closed behind the first, and nothing more was run */
};

/* Each request is followed by another one: what matters is whether the service runs what it must not. */
static const struct exchange_case cases[] = {
    { "two requests in one piece", LIVE LIVE, 200, 200 },
    { "both lengths", LOGIN "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" LIVE, 400, 0 },
    { "two lengths that differ", LOGIN "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef" LIVE, 400, 0 },
    { "two lengths that agree", LOGIN "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde" LIVE, 400, 0 },
    { "a blank before the colon", LOGIN "Content-Length : 5\r\n\r\nabcde" LIVE, 400, 0 },
    { "an unknown transfer coding", LOGIN "Transfer-Encoding: identity\r\n\r\n" LIVE, 400, 0 },
    { "a list of transfer codings", LOGIN "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" LIVE, 400, 0 },
    { "a transfer coding with a letter more", LOGIN "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" LIVE, 400, 0 },
    { "two transfer codings", LOGIN "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" LIVE, 400, 0 },
    { "a transfer coding on HTTP/1.0", "POST /auth/login HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" LIVE,
      400, 0 },
    { "a bad chunk", LOGIN "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n" LIVE, 400, 0 },
    { "a good chunk, behind which nothing is run", LOGIN "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" LIVE, 422, 0 },
    { "a chunk that ends with a bare LF", LOGIN "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n" LIVE, 422, 0 },
    { "a trailer that begins with a colon", LOGIN "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n:\r\n" LIVE, 422,
      0 },
    { "two hosts", "GET /health/live HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n" LIVE, 400, 0 },
    { "HTTP/1.0", "GET /health/live HTTP/1.0\r\n\r\n", 200, 0 },
    { "HTTP/1.2", "GET /health/live HTTP/1.2\r\nHost: x\r\n\r\n" LIVE, 400, 0 },
    { "HTTP/2.0", "GET /health/live HTTP/2.0\r\nHost: x\r\n\r\n" LIVE, 505, 0 },
    { "HTTP/0.9", "GET /health/live\r\n\r\n", 400, 0 },
    { "two authorizations", "GET /auth/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n" LIVE,
      400, 0 },
    { "a bare CR in a value", "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n" LIVE, 400, 0 },
    { "an escape in a value", "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\x1b[b\r\n\r\n" LIVE, 400, 0 },
    { "a name that is no token", "GET /health/live HTTP/1.1\r\nHost: x\r\nX(y): a\r\n\r\n" LIVE, 400, 0 },
    { "a NUL in the path", "GET /auth/me%00.css HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 404, 200 },
    { "an escaped slash", "GET /auth%2fme HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 404, 200 },
    { "an escaped letter", "GET /auth/%6de HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 404, 200 },
    { "dot segments", "GET /health/../auth/me HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 404, 200 },
    { "a path parameter", "GET /auth/me;x HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 404, 200 },
    { "a doubled slash", "GET //auth/me HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 404, 200 },
    { "the absolute form", "GET http://x/health/live HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 200, 200 },
    { "an absolute form whose query has a path", "GET http://x?y=/health/live HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 400, 0 },
    { "an absolute form without a host", "GET http:///health/live HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 400, 0 },
    { "a host with a backslash", "GET /health/live HTTP/1.1\r\nHost: x:\\evil\r\n\r\n" LIVE, 400, 0 },
    { "a query", "GET /health/live?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 200, 200 },
    { "a method in lower case", "get /health/live HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 405, 200 },
    { "a method of odd bytes", "G@T{} /health/live HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 400, 0 },
    { "TRACE", "TRACE /health/live HTTP/1.1\r\nHost: x\r\n\r\n" LIVE, 405, 200 },
    { "a body where none is read", "GET /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\n\r\n" LIVE LIVE, 404, 200 },
    { "a body at verify", "POST /auth/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde" LIVE, 401, 0 },
    { "a large body at verify", "POST /auth/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n" LIVE, 401, 0 },
    { "a large body", LOGIN "Content-Length: 500000\r\n\r\n" LIVE, 413, 0 },
    { "a large body that asks first", LOGIN "Expect: 100-continue\r\nContent-Length: 500000\r\n\r\n", 413, 0 },
    { "a large body by PATCH", "PATCH /auth/me HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" LIVE, 413, 0 },
    { "a refusal known before the body", "POST /auth/password HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde" LIVE, 401,
      200 },
    { "credentials in a trailer",
      "GET /auth/me HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer x\r\n\r\n", 401, 0 },
};

static void assert_exchange(const struct exchange_case *each, const struct raw_reply *reply) {
    int first = reply->count > 0 ? reply->statuses[0] : 0;
    int second = reply->count > 1 ? reply->statuses[1] : 0;
    ck_assert_msg(first == each->first, "%s: first reply %d, expected %d", each->name, first, each->first);
    ck_assert_msg(second == each->second, "%s: second reply %d, expected %d", each->name, second, each->second);
}

START_TEST(the_service_and_a_proxy_agree_where_a_request_ends) {
    struct raw_reply reply;
    bool is_closed = cases[_i].second == 0;
    raw_exchange_replies(&shared_server, cases[_i].bytes, strlen(cases[_i].bytes), is_closed ? CLOSED : 2, &reply);
    ck_assert_msg(reply.closed == is_closed, "%s: %s", cases[_i].name, is_closed ? "not closed" : "closed");
    assert_exchange(&cases[_i], &reply);
}
END_TEST

/* What the library forgives in a header, so that the next request is taken for a body, or a part of the header for a
 * request. Each is a request's beginning, to be followed by the rest. */
#define BYTES(text) (text), sizeof(text) - 1
#define START "GET /nope HTTP/1.1\r\nHost: x\r\n"

static const struct {
    const char *name;
    const char *bytes;
    size_t len;
} forgiven[] = {
    { "a folded value", BYTES(START "A: b\r\n c\r\n\r\n") },
    { "a folded value with a tab", BYTES(START "A: b\r\n\tc\r\n\r\n") },
    { "a fold of nothing", BYTES(START "A: b\r\n \r\n\r\n") },
    { "a folded Content-Length", BYTES(LOGIN "Content-Len: 38\r\n gth\r\n\r\n") },
    { "a folded Transfer-Encoding", BYTES(LOGIN "Transfer-Enc: chunked\r\n oding\r\n\r\n") },
    { "a folded Authorization", BYTES(START "Author: Bearer x\r\n ization\r\n\r\n") },
    { "a first line that is folded", BYTES("GET /nope HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n") },
    { "a line that begins with a colon", BYTES(START ": y\r\n") },
    { "a line that is a colon", BYTES(START ":\r\n") },
    { "a line that is a colon and a bare LF", BYTES(START ":\n") },
    { "a line that begins with a NUL", BYTES(START "\0y: z\r\n") },
    { "a line that is a NUL", BYTES(START "\0\r\n") },
    { "a line that is a NUL and a bare LF", BYTES(START "\0\n") },
    { "a NUL in a value", BYTES(START "A: b\0c\r\n\r\n") },
    { "a NUL behind a value", BYTES(START "A: b\0\r\n\r\n") },
    { "a NUL for the CR", BYTES(START "A: b\0\n\r\n") },
    { "a NUL for the last CR", BYTES(START "A: b\r\n\0\n") },
    { "a NUL in the target", BYTES("GET /nope\0x HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "a NUL in the method", BYTES("GET\0x /nope HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "a line before the request that begins with a NUL", BYTES("\0GET /nope HTTP/1.1\r\n") },
    { "a bare LF behind a value", BYTES(START "A: b\n\r\n") },
    { "a bare LF behind the first value", BYTES("GET /nope HTTP/1.1\r\nHost: x\nA: b\r\n\r\n") },
    { "a bare LF for the empty line", BYTES(START "\n") },
    { "a bare LF behind the request line", BYTES("GET /nope HTTP/1.1\nHost: x\r\n\r\n") },
    { "a bare LF behind the request line of HTTP/1.0", BYTES("GET /nope HTTP/1.0\n\n") },
    { "a bare LF before the request line", BYTES("\n" START "\r\n") },
    { "a bare CR in a value", BYTES(START "A: b\rc\r\n\r\n") },
    { "a bare CR in a name", BYTES(START "A\rb: c\r\n\r\n") },
    { "a bare CR in the target", BYTES("GET /nope\rx HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "a bare CR in the query", BYTES("GET /nope?\rx HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "a bare CR in the method", BYTES("G\rT /nope HTTP/1.1\r\nHost: x\r\n\r\n") },
    { "a CR twice", BYTES(START "A: b\r\r\n\r\n") },
    { "a blank more before the target", BYTES("GET  /nope HTTP/1.1\r\nHost: x\r\n\r\n") },
};

START_TEST(a_header_that_two_could_read_differently_is_refused_and_nothing_behind_it_is_run) {
    struct raw_reply reply;
    char bytes[1024];
    memcpy(bytes, forgiven[_i].bytes, forgiven[_i].len);
    memcpy(bytes + forgiven[_i].len, LIVE LIVE, sizeof(LIVE LIVE));
    raw_exchange_replies(&shared_server, bytes, forgiven[_i].len + sizeof(LIVE LIVE) - 1, CLOSED, &reply);
    ck_assert_msg(reply.count == 1, "%s: %zu replies", forgiven[_i].name, reply.count);
    ck_assert_msg(reply.statuses[0] == 400, "%s: %d", forgiven[_i].name, reply.statuses[0]);
    ck_assert_msg(strstr(reply.bytes, "application/problem+json") != NULL, "%s: %s", forgiven[_i].name, reply.bytes);
    ck_assert_msg(reply.closed, "%s: not closed", forgiven[_i].name);
}
END_TEST

#define LIVE_LINE "GET /health/live HTTP/1.1\r\n"
#define EIGHT_COOKIES "a=b; c=\"d; e\"; f; g=; =h; i=j=k; l=m,n=o; p=q"

/* Odd, and in order. Each is answered 200, and so is the one behind it. */
static const char *const odd[] = {
    LIVE_LINE "Host:x\r\n\r\n",
    LIVE_LINE "host: x\r\n\r\n",
    LIVE_LINE "Host: \t x \t\r\n\r\n",
    LIVE_LINE "Host: x\r\nA:\r\nB: \r\nC:\t\r\n\r\n",
    LIVE_LINE "A:\r\nHost: x\r\n\r\n",
    LIVE_LINE "Host: x\r\nCookie: " EIGHT_COOKIES "\r\n\r\n",
    LIVE_LINE "Cookie: " EIGHT_COOKIES "\r\nHost: x\r\nCookie: " EIGHT_COOKIES "\r\nA: b\r\n\r\n",
    LIVE_LINE "Host: x\r\nA: b\xc3\xb6: c\r\n\r\n",
    LIVE_LINE "Host: x\r\nContent-Length: 0\r\n\r\n",
    "GET /health/live?a=b&c+d&=e&f=%00%zz&&g HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /health/live? HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "\r\n\r\n" LIVE,
};

START_TEST(a_header_that_is_merely_odd_is_taken) {
    struct raw_reply reply;
    char bytes[1024];
    snprintf(bytes, sizeof bytes, "%s" LIVE, odd[_i]);
    raw_exchange_replies(&shared_server, bytes, strlen(bytes), 2, &reply);
    ck_assert_msg(reply.count == 2 && reply.statuses[0] == 200 && reply.statuses[1] == 200, "%s: %s", odd[_i], reply.bytes);
}
END_TEST

START_TEST(a_request_that_comes_byte_by_byte_is_the_same) {
    static const char good[] = LOGIN "Content-Length: 2\r\nA:\r\n\r\n{}" LIVE;
    static const char bad[] = "GET /nope HTTP/1.1\r\nHost: x\r\n:\n" LIVE;
    struct raw_reply reply;
    int fd = raw_connect(&shared_server);
    for (size_t i = 0; i < sizeof good - 1; i++) {
        raw_send(fd, good + i, 1);
        usleep(200);
    }
    raw_read_replies(fd, 2, &reply);
    ck_assert_uint_eq(reply.count, 2);
    ck_assert_int_eq(reply.statuses[0], 422);
    ck_assert_int_eq(reply.statuses[1], 200);
    for (size_t i = 0; i < sizeof bad - 1; i++) {
        raw_send(fd, bad + i, 1);
        usleep(200);
    }
    raw_read_replies(fd, CLOSED, &reply);
    close(fd);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert_int_eq(reply.statuses[0], 400);
    ck_assert(reply.closed);
}
END_TEST

/* The library answers these itself, some of them twice, and closes. */
static const struct {
    const char *bytes;
    int status;
} library_refusals[] = {
    { LOGIN "Content-Len:\r\n gth\r\n\r\n" LIVE, 400 },
    { "GET /health/live HTTP/1.1\r\n\r\n" LIVE, 400 },
    { LOGIN "Content-Length: -5\r\n\r\n" LIVE, 400 },
    { LOGIN "Content-Length: +5\r\n\r\nabcde" LIVE, 400 },
    { LOGIN "Content-Length: 5, 5\r\n\r\nabcde" LIVE, 400 },
    { LOGIN "Content-Length: 0x5\r\n\r\nabcde" LIVE, 400 },
    { LOGIN "Content-Length: 99999999999999999999999999\r\n\r\nabcde" LIVE, 413 },
};

START_TEST(a_length_or_host_that_makes_no_sense_is_refused_and_nothing_behind_it_is_run) {
    struct raw_reply reply;
    raw_exchange_replies(&shared_server, library_refusals[_i].bytes, strlen(library_refusals[_i].bytes), CLOSED, &reply);
    ck_assert_uint_ge(reply.count, 1);
    ck_assert(reply.closed);
    for (size_t i = 0; i < reply.count; i++)
        ck_assert_msg(reply.statuses[i] == library_refusals[_i].status, "reply %zu: %d", i, reply.statuses[i]);
}
END_TEST

static const struct {
    size_t len;
    bool in_target;
    int status;
} sizes[] = { { 6000, false, 200 },  { 7900, false, 200 }, { 8200, false, 431 }, { 9000, false, 431 }, { 11000, false, 431 },
              { 20000, false, 431 }, { 6000, true, 200 },  { 9000, true, 414 },  { 20000, true, 414 } };

START_TEST(headers_of_6_kib_are_taken_and_larger_ones_refused) {
    char *request = malloc(32768);
    char *filler = malloc(sizes[_i].len + 1);
    ck_assert_ptr_nonnull(request);
    ck_assert_ptr_nonnull(filler);
    memset(filler, 'a', sizes[_i].len);
    filler[sizes[_i].len] = '\0';
    int len = sizes[_i].in_target
                  ? snprintf(request, 32768, "GET /health/live?%s HTTP/1.1\r\nHost: x\r\n\r\n", filler)
                  : snprintf(request, 32768, "GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", filler);
    struct raw_reply reply;
    raw_exchange_replies(&shared_server, request, (size_t)len, 1, &reply);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert_int_eq(reply.statuses[0], sizes[_i].status);
    if (sizes[_i].status != 200) {
        ck_assert_ptr_nonnull(strstr(reply.bytes, "\r\nContent-Type: application/problem+json\r\n"));
        ck_assert_ptr_nonnull(strstr(reply.bytes, "\r\nAccess-Control-Allow-Origin: *\r\n"));
        ck_assert_ptr_nonnull(strstr(reply.bytes, sizes[_i].in_target ? "target_too_long" : "header_too_large"));
    }
    free(request);
    free(filler);
}
END_TEST

/* Each takes more of the library's memory than of the piece with the end of the body before. */
static const struct {
    unsigned fields;
    int status;
} pipelined[] = { { 50, 200 }, { 300, 431 }, { 3000, 431 } };

START_TEST(a_large_header_behind_a_body_does_not_take_the_reply_of_the_request_before) {
    static const char first[] = LOGIN "Content-Length: 5\r\n\r\n[", rest[] = "   ]GET /health/live HTTP/1.1\r\nHost: x\r\n";
    char piece[16384];
    struct raw_reply reply;
    size_t len = (size_t)snprintf(piece, sizeof piece, "%s", rest);
    for (unsigned i = 0; i < pipelined[_i].fields; i++)
        len += (size_t)snprintf(piece + len, sizeof piece - len, "X:\r\n");
    len += (size_t)snprintf(piece + len, sizeof piece - len, "\r\n");
    int fd = raw_connect(&shared_server);
    raw_send(fd, first, sizeof first - 1);
    usleep(100 * 1000); /* in which the service reads the first piece, or else the test says nothing */
    raw_send(fd, piece, len);
    raw_read_replies(fd, 2, &reply);
    close(fd);
    ck_assert_uint_eq(reply.count, 2);
    ck_assert_int_eq(reply.statuses[0], 422);
    ck_assert_int_eq(reply.statuses[1], pipelined[_i].status);
}
END_TEST

START_TEST(a_chunked_body_over_the_limit_gets_413) {
    size_t chunk = 0x8000;
    char *request = malloc(chunk + 1024);
    ck_assert_ptr_nonnull(request);
    int head = snprintf(request, 1024, LOGIN "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", chunk);
    memset(request + head, 'a', chunk);
    static const char end[] = { '\r', '\n', '0', '\r', '\n', '\r', '\n' };
    memcpy(request + (size_t)head + chunk, end, sizeof end);
    struct raw_reply reply;
    raw_exchange_replies(&shared_server, request, (size_t)head + chunk + sizeof end, 1, &reply);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert_int_eq(reply.statuses[0], 413);
    free(request);
}
END_TEST

START_TEST(half_sent_and_idle_connections_do_not_stop_the_service) {
    int fds[600];
    for (size_t i = 0; i < 600; i++) {
        fds[i] = raw_connect(&shared_server);
        if (i % 2 == 0)
            raw_send(fds[i], LOGIN "Content-Le", 30);
    }
    struct reply reply = http_send(&shared_server, "GET", "/health/live", NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    ck_assert(reply.seconds < 1);
    http_free(&reply);
    for (size_t i = 0; i < 600; i++)
        close(fds[i]);
}
END_TEST

Suite *framing_suite(void) {
    Suite *suite = suite_create("framing");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_loop_test(tcase, the_service_and_a_proxy_agree_where_a_request_ends, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tcase, a_header_that_two_could_read_differently_is_refused_and_nothing_behind_it_is_run, 0,
                        (int)ARRAY_LEN(forgiven));
    tcase_add_loop_test(tcase, a_header_that_is_merely_odd_is_taken, 0, (int)ARRAY_LEN(odd));
    tcase_add_test(tcase, a_request_that_comes_byte_by_byte_is_the_same);
    tcase_add_loop_test(tcase, a_length_or_host_that_makes_no_sense_is_refused_and_nothing_behind_it_is_run, 0,
                        (int)ARRAY_LEN(library_refusals));
    tcase_add_loop_test(tcase, headers_of_6_kib_are_taken_and_larger_ones_refused, 0, (int)ARRAY_LEN(sizes));
    tcase_add_loop_test(tcase, a_large_header_behind_a_body_does_not_take_the_reply_of_the_request_before, 0,
                        (int)ARRAY_LEN(pipelined));
    tcase_add_test(tcase, a_chunked_body_over_the_limit_gets_413);
    tcase_add_test(tcase, half_sent_and_idle_connections_do_not_stop_the_service);
    suite_add_tcase(suite, tcase);
    return suite;
}
