#include "jwtd/macros.h"
#include "loadtest/response.h"
#include "loadtest/schedule.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *response_suite(void);

#define OK_LINE "HTTP/1.1 200 OK\r\n"

static const struct whole {
    const char *bytes;
    unsigned status;
    bool keep_alive;
    int64_t retry_after_s;
    const char *body;
} wholes[] = {
    { OK_LINE "Content-Length: 5\r\n\r\nhello", 200, true, -1, "hello" },
    { OK_LINE "content-LENGTH:5  \r\n\r\nhello", 200, true, -1, "hello" },
    { OK_LINE "Content-Length: 0\r\n\r\n", 200, true, -1, "" },
    { OK_LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, true, -1, "hello" },
    { "HTTP/1.1 204 No Content\r\n\r\n", 204, true, -1, "" },
    { "HTTP/1.1 304\r\nContent-Length: 99\r\n\r\n", 304, true, -1, "" },
    { "HTTP/1.1 503 Busy\r\nRetry-After: 12\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 503, false, 12, "no" },
    { "HTTP/1.1 429 Slow\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n", 429, true, -1, "" },
    { OK_LINE "Connection: foo, Close ,bar\r\nContent-Length: 1\r\n\r\nx", 200, false, -1, "x" },
    { "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, false, -1, "x" },
    { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, true, -1, "x" },
    { OK_LINE "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, true, -1, "hello" },
    { OK_LINE "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\nA \r\nlo, world!\r\n0\r\nTrailer: x\r\n\r\n", 200, true, -1,
      "hello, world!" },
    { OK_LINE "Transfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n2\r\nab\r\n000\r\n\r\n", 200, false, -1, "ab" },
    { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" OK_LINE "Content-Length: 2\r\n\r\nok", 200, true, -1,
      "ok" },
    { "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, true, -1, "ok" },
};
#define WHOLES ((int)ARRAY_LEN(wholes))

static void assert_is(const struct response *response, const struct whole *expected) {
    ck_assert_int_eq(response->state, RESPONSE_DONE);
    ck_assert_uint_eq(response->status, expected->status);
    ck_assert_int_eq(response->keep_alive, expected->keep_alive);
    ck_assert_int_eq(response->retry_after_s, expected->retry_after_s);
    ck_assert_uint_eq(response->body_len, strlen(expected->body));
    if (response->body_len > 0)
        ck_assert_str_eq(response->body, expected->body);
}

/* In pieces that are memory of their own, so that the sanitizer sees a byte too many. */
static size_t feed_copy(struct response *response, const char *bytes, size_t len) {
    char *copy = malloc(len > 0 ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    size_t taken = response_feed(response, copy, len);
    free(copy);
    return taken;
}

START_TEST(a_reply_is_the_same_wherever_it_is_split) {
    const struct whole *expected = &wholes[_i];
    struct response response = { .body = NULL };
    size_t len = strlen(expected->bytes);
    for (size_t at = 0; at <= len; at++) {
        response_init(&response);
        size_t taken = feed_copy(&response, expected->bytes, at);
        ck_assert_uint_eq(taken, at);
        ck_assert(response.state != RESPONSE_BROKEN);
        if (at < len)
            ck_assert(response.state != RESPONSE_DONE);
        ck_assert_uint_eq(feed_copy(&response, expected->bytes + at, len - at), len - at);
        assert_is(&response, expected);
    }
    response_fini(&response);
}
END_TEST

START_TEST(a_reply_is_the_same_byte_by_byte_and_leaves_what_follows) {
    const struct whole *expected = &wholes[_i];
    struct response response = { .body = NULL };
    response_init(&response);
    ck_assert(!response_has_begun(&response));
    for (const char *at = expected->bytes; *at != '\0'; at++)
        ck_assert_uint_eq(feed_copy(&response, at, 1), 1);
    assert_is(&response, expected);
    ck_assert_uint_eq(feed_copy(&response, "HTTP/1.1 ", 9), 0);
    response_fini(&response);
}
END_TEST

static const char *const broken[] = {
    "GARBAGE\r\n",
    "HTTP/2.0 200 OK\r\n",
    "HTTP/1.2 200 OK\r\n",
    "HTTP/1.1 20 OK\r\n",
    "HTTP/1.1 2x0 OK\r\n",
    "HTTP/1.1 2000 OK\r\n",
    "HTTP/1.1 600 OK\r\n",
    "HTTP/1.1 099 OK\r\n",
    "HTTP/1.1200 OK\r\n",
    "\r\n",
    OK_LINE "no colon\r\n\r\n",
    OK_LINE ": nameless\r\n\r\n",
    OK_LINE "A: b\r\n folded\r\n\r\n",
    OK_LINE "Content-Length: -1\r\n\r\n",
    OK_LINE "Content-Length: +1\r\n\r\n",
    OK_LINE "Content-Length: 1 2\r\n\r\n",
    OK_LINE "Content-Length: \r\n\r\n",
    OK_LINE "Content-Length: 99999999999999999999999\r\n\r\n",
    OK_LINE "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    OK_LINE "Transfer-Encoding: gzip\r\n\r\n",
    OK_LINE "Transfer-Encoding: chunked\r\n\r\n\r\n",
    OK_LINE "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    OK_LINE "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    OK_LINE "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
    OK_LINE "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
};

START_TEST(what_is_no_http_is_broken) {
    struct response response = { .body = NULL };
    response_init(&response);
    feed_copy(&response, broken[_i], strlen(broken[_i]));
    ck_assert_msg(response.state == RESPONSE_BROKEN, "state %d after %s", (int)response.state, broken[_i]);
    response_close(&response);
    ck_assert_int_eq(response.state, RESPONSE_BROKEN);
    response_fini(&response);
}
END_TEST

START_TEST(without_a_length_the_close_ends_the_body_and_nothing_else) {
    struct response response = { .body = NULL };
    response_init(&response);
    feed_copy(&response, OK_LINE "\r\nall there is", sizeof(OK_LINE "\r\nall there is") - 1);
    ck_assert_int_eq(response.state, RESPONSE_UNTIL_CLOSE);
    response_close(&response);
    ck_assert_int_eq(response.state, RESPONSE_DONE);
    ck_assert(!response.keep_alive);
    ck_assert_str_eq(response.body, "all there is");
    response_init(&response);
    feed_copy(&response, OK_LINE "Content-Length: 5\r\n\r\nhell", sizeof(OK_LINE "Content-Length: 5\r\n\r\nhell") - 1);
    response_close(&response);
    ck_assert_int_eq(response.state, RESPONSE_BROKEN);
    response_fini(&response);
}
END_TEST

/* Feeds the same piece again and again; returns how many bytes it took until it was done or broken. */
static size_t feed_endlessly(struct response *response, const char *piece, size_t most) {
    size_t taken = 0;
    while (response->state != RESPONSE_BROKEN && response->state != RESPONSE_DONE && taken < most)
        taken += feed_copy(response, piece, strlen(piece));
    return taken;
}

START_TEST(endless_heads_lines_and_interim_replies_end) {
    const char *const pieces[] = { "X-Header: again and again\r\n", "no-end-of-line", "HTTP/1.1 100 Continue\r\n\r\n" };
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct response response = { .body = NULL };
        response_init(&response);
        if (i < 2)
            feed_copy(&response, OK_LINE, sizeof OK_LINE - 1);
        ck_assert_uint_le(feed_endlessly(&response, pieces[i], 1024 * 1024), RESPONSE_HEAD_MAX + 64);
        ck_assert_int_eq(response.state, RESPONSE_BROKEN);
        response_fini(&response);
    }
}
END_TEST

START_TEST(of_a_large_body_the_beginning_is_kept_and_all_of_it_counted) {
    struct response response = { .body = NULL };
    static const char head[] = OK_LINE "Content-Length: 1000000\r\n\r\n";
    response_init(&response);
    feed_copy(&response, head, sizeof head - 1);
    ck_assert_uint_eq(feed_endlessly(&response, "0123456789", 2000000), 1000000);
    ck_assert_int_eq(response.state, RESPONSE_DONE);
    ck_assert_uint_eq(response.body_total, 1000000);
    ck_assert_uint_eq(response.body_len, RESPONSE_BODY_KEPT);
    response_fini(&response);
}
END_TEST

START_TEST(random_damage_never_breaks_the_parser) {
    struct random random;
    struct response response = { .body = NULL };
    random_init(&random, 11);
    for (int round = 0; round < 20000; round++) {
        char bytes[256];
        const char *source = wholes[random_next(&random) % (unsigned)WHOLES].bytes;
        size_t len = strlen(source);
        memcpy(bytes, source, len + 1);
        for (uint64_t damage = random_next(&random) % 4; damage > 0; damage--)
            bytes[random_next(&random) % len] = (char)random_next(&random);
        response_init(&response);
        size_t at = random_next(&random) % (len + 1);
        size_t taken = feed_copy(&response, bytes, at);
        ck_assert_uint_le(taken, at);
        ck_assert_uint_le(feed_copy(&response, bytes + at, len - at), len - at);
        response_close(&response);
        ck_assert(response.state == RESPONSE_DONE || response.state == RESPONSE_BROKEN);
    }
    response_fini(&response);
}
END_TEST

Suite *response_suite(void) {
    Suite *suite = suite_create("response");
    TCase *tests = tcase_create("response");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_reply_is_the_same_wherever_it_is_split, 0, WHOLES);
    tcase_add_loop_test(tests, a_reply_is_the_same_byte_by_byte_and_leaves_what_follows, 0, WHOLES);
    tcase_add_loop_test(tests, what_is_no_http_is_broken, 0, (int)ARRAY_LEN(broken));
    tcase_add_test(tests, without_a_length_the_close_ends_the_body_and_nothing_else);
    tcase_add_test(tests, endless_heads_lines_and_interim_replies_end);
    tcase_add_test(tests, of_a_large_body_the_beginning_is_kept_and_all_of_it_counted);
    tcase_add_test(tests, random_damage_never_breaks_the_parser);
    suite_add_tcase(suite, tests);
    return suite;
}
