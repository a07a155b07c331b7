#include "src/http/scanner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *scanner_suite(void);

#define GET "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
#define LINE "POST /a HTTP/1.1\r\n"
#define BYTES(text) (text), sizeof(text) - 1

struct stream_case {
    const char *bytes;
    size_t len;
    unsigned well_formed; /* requests that may be run */
};

static const struct stream_case cases[] = {
    { BYTES(""), 0 },
    { BYTES(GET), 1 },
    { BYTES(GET GET GET), 3 },
    { BYTES("GET /a HTTP/1.0\r\n\r\n" GET), 2 },
    { BYTES("GET /a?b=%zz&c HTTP/1.1\r\n\r\n" GET), 2 },
    { BYTES("GET http://x/a HTTP/1.1\r\n\r\n" GET), 2 },
    { BYTES("\r\n\r\n" GET "\r\n" GET), 2 },
    { BYTES(LINE "A:\r\n\r\n" GET), 2 },
    { BYTES(LINE "A: \t b c\t \r\n\r\n" GET), 2 },
    { BYTES(LINE "A: b\xc3\xb6\xff\r\n\r\n" GET), 2 },
    { BYTES(LINE "!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n" GET), 2 },
    { BYTES(LINE "Cookie: a=b; c=d\r\n\r\n" GET), 2 },
    /* what is wrong with the request line */
    { BYTES("GET /a HTTP/1.1\nHost: x\r\n\r\n" GET), 0 },
    { BYTES("GET /a HTTP/1.1\r\rHost: x\r\n\r\n" GET), 0 },
    { BYTES("GET /a HTTP/1.1\0\n\r\n" GET), 0 },
    { BYTES("GET  /a HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("GET /a  HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("GET /a HTTP/1.1 \r\n\r\n" GET), 0 },
    { BYTES("GET /a\r\n\r\n" GET), 0 },
    { BYTES("GET\r\n\r\n" GET), 0 },
    { BYTES(" GET /a HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("GET\t/a HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("G@T /a HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("G\0T /a HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("GET /\0a HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("GET /\ra HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("GET /\x7f HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("GET /\xc3\xb6 HTTP/1.1\r\n\r\n" GET), 0 },
    { BYTES("\n" GET), 0 },
    { BYTES("\r\r\n" GET), 0 },
    { BYTES("\0\r\n" GET), 0 },
    { BYTES(GET "\0junk\r\n" GET), 1 },
    /* with a field line */
    { BYTES(LINE "A: b\r\n c\r\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\r\n\tc\r\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\r\n \r\n\r\n" GET), 0 },
    { BYTES(LINE " A: b\r\n\r\n" GET), 0 },
    { BYTES(LINE "Content-Len: 5\r\n gth\r\n\r\nabcde" GET), 0 },
    { BYTES(LINE ": b\r\n\r\n" GET), 0 },
    { BYTES(LINE ":\n" GET), 0 },
    { BYTES(LINE "A: b\r\n:\r\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\r\n:\n" GET), 0 },
    { BYTES(LINE "A: b\r\n\0\r\n" GET), 0 },
    { BYTES(LINE "A: b\r\n\0\n" GET), 0 },
    { BYTES(LINE "A: b\0\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\0c\r\n\r\n" GET), 0 },
    { BYTES(LINE "A\0: b\r\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\r\n\n" GET), 0 },
    { BYTES(LINE "A: b\rc\r\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\r\r\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\x1b\r\n\r\n" GET), 0 },
    { BYTES(LINE "A: b\x7f\r\n\r\n" GET), 0 },
    { BYTES(LINE "A : b\r\n\r\n" GET), 0 },
    { BYTES(LINE "A\t: b\r\n\r\n" GET), 0 },
    { BYTES(LINE "A b: c\r\n\r\n" GET), 0 },
    { BYTES(LINE "A(): c\r\n\r\n" GET), 0 },
    { BYTES(LINE "A\xc3: c\r\n\r\n" GET), 0 },
    { BYTES(LINE "A\r\n\r\n" GET), 0 },
    /* where the body ends */
    { BYTES(LINE "Content-Length: 0\r\n\r\n" GET), 2 },
    { BYTES(LINE "Content-Length: 5\r\n\r\nabcde" GET), 2 },
    { BYTES(LINE "content-LENGTH:\t05 \r\n\r\nabcde" GET), 2 },
    { BYTES(LINE "Content-Length: 28\r\n\r\n" GET GET), 2 },
    { BYTES(LINE "Content-Length: 3\r\n\r\n\0\n\r" GET), 2 },
    { BYTES(LINE "Content-Length: 4\r\n\r\nabcde" GET), 2 }, /* of a method eGET */
    { BYTES(LINE "Content-Length: 6\r\n\r\nabcde" GET), 2 }, /* of a method ET */
    { BYTES(LINE "Content-Length: 999999999999999999\r\n\r\n" GET), 1 },
    { BYTES(LINE "Content-Length: 1000000000000000000\r\n\r\n" GET), 0 },
    { BYTES(LINE "Content-Length:\r\n\r\n" GET), 0 },
    { BYTES(LINE "Content-Length: \r\n\r\n" GET), 0 },
    { BYTES(LINE "Content-Length: +5\r\n\r\nabcde" GET), 0 },
    { BYTES(LINE "Content-Length: -5\r\n\r\nabcde" GET), 0 },
    { BYTES(LINE "Content-Length: 0x5\r\n\r\nabcde" GET), 0 },
    { BYTES(LINE "Content-Length: 5, 5\r\n\r\nabcde" GET), 0 },
    { BYTES(LINE "Content-Length: 5 5\r\n\r\nabcde" GET), 0 },
    { BYTES(LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde" GET), 0 },
    { BYTES(LINE "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" GET), 0 },
    { BYTES(LINE "Content-Lengths: 5\r\n\r\n" GET), 2 },
    { BYTES(LINE "Content-Lengt: 5\r\n\r\n" GET), 2 },
    { BYTES(LINE "X-Content-Length: 5\r\n\r\n" GET), 2 },
    { BYTES(LINE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET), 1 }, /* and nothing after it */
    { BYTES(LINE "TRANSFER-encoding:\r\n\r\n" GET), 1 },
    { BYTES(LINE "Transfer-Encodings: chunked\r\n\r\n" GET), 2 },
};

static unsigned take_all(struct scanner *scanner) {
    unsigned count = 0;
    while (scanner_take_request(scanner))
        count++;
    return count;
}

/* Bytes that the scanner may change. */
static void feed(struct scanner *scanner, const char *bytes, size_t len) {
    char copy[16384];
    ck_assert_uint_le(len, sizeof copy);
    memcpy(copy, bytes, len);
    scanner_read(scanner, copy, len);
}

START_TEST(only_what_the_standard_calls_a_request_counts_and_nothing_behind_what_it_does_not) {
    struct scanner scanner;
    scanner_init(&scanner);
    feed(&scanner, cases[_i].bytes, cases[_i].len);
    unsigned count = take_all(&scanner);
    ck_assert_msg(count == cases[_i].well_formed, "case %d: %u requests, not %u: %s", _i, count, cases[_i].well_formed,
                  cases[_i].bytes);
}
END_TEST

START_TEST(pieces_make_no_difference) {
    const struct stream_case *each = &cases[_i];
    struct scanner whole;
    scanner_init(&whole);
    feed(&whole, each->bytes, each->len);
    for (size_t split = 0; split < each->len; split++) {
        struct scanner scanner;
        scanner_init(&scanner);
        feed(&scanner, each->bytes, split);
        unsigned count = take_all(&scanner);
        feed(&scanner, each->bytes + split, 1);
        feed(&scanner, each->bytes + split + 1, each->len - split - 1);
        ck_assert_uint_eq(count + take_all(&scanner), each->well_formed);
        ck_assert_uint_eq(scanner.header_len, whole.header_len);
        ck_assert_uint_eq(scanner.fields, whole.fields);
    }
}
END_TEST

START_TEST(a_request_is_taken_once_and_only_when_its_header_is_complete) {
    struct scanner scanner;
    scanner_init(&scanner);
    feed(&scanner, BYTES(GET) - 1);
    ck_assert(!scanner_take_request(&scanner));
    feed(&scanner, "\n", 1);
    ck_assert(scanner_take_request(&scanner));
    ck_assert(!scanner_take_request(&scanner));
}
END_TEST

/* RFC 9110 sections 5.5 and 5.6.2, RFC 3986 section 2: each byte in each place where one may stand. */
static const char token_bytes[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static const struct {
    const char *before, *behind;
    bool token_only, with_blanks, above_ascii;
} places[] = {
    { "G", "T /a HTTP/1.1\r\n\r\n", true, false, false },
    { "GET /", "b HTTP/1.1\r\n\r\n", false, false, false },
    { "GET / HTTP/1.1\r\nA", "b: c\r\n\r\n", true, false, false },
    { "GET / HTTP/1.1\r\nA: b", "c\r\n\r\n", false, true, true },
    { "GET / HTTP/1.1\r\nA: 0123456789abcdef", "0123456789abcdef0123456789abcdef\r\n\r\n", false, true, true },
};

static bool may_stand(unsigned byte, int place) {
    if (byte >= 0x80)
        return places[place].above_ascii;
    if (byte == ' ' || byte == '\t')
        return places[place].with_blanks;
    if (places[place].token_only)
        return byte != 0 && strchr(token_bytes, (int)byte) != NULL;
    return byte > ' ' && byte < 0x7f;
}

START_TEST(no_byte_stands_where_the_standard_has_none) {
    for (unsigned byte = 0; byte < 256; byte++) {
        struct scanner scanner;
        char one = (char)byte;
        scanner_init(&scanner);
        feed(&scanner, places[_i].before, strlen(places[_i].before));
        feed(&scanner, &one, 1);
        feed(&scanner, places[_i].behind, strlen(places[_i].behind));
        /* a blank ends a method and a target, a colon a name; what follows makes no sense then, or does */
        bool ends_name = _i == 2 && byte == ':';
        ck_assert_msg(scanner_take_request(&scanner) == (may_stand(byte, _i) || ends_name), "byte 0x%02x in place %d", byte, _i);
    }
}
END_TEST

static const struct {
    const char *before, *after;
} hidden[] = {
    { "GET / HTTP/1.1\r\nCookie: a=b\r\n\r\n", "GET / HTTP/1.1\r\nCookix: a=b\r\n\r\n" },
    { "GET / HTTP/1.1\r\nHost: x\r\ncOOKIE:cookie\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\ncOOKIx:cookie\r\n\r\n" },
    { "GET / HTTP/1.1\r\nX-Cookie: a\r\nCooki: a\r\nHost: cookie\r\n\r\n",
      "GET / HTTP/1.1\r\nX-Cookie: a\r\nCooki: a\r\nHost: cookie\r\n\r\n" },
    { "POST /cookie HTTP/1.1\r\nContent-Length: 12\r\n\r\n\r\nCookie: a\r\n",
      "POST /cookie HTTP/1.1\r\nContent-Length: 12\r\n\r\n\r\nCookie: a\r\n" },
};

/* However the bytes are cut. */
START_TEST(cookies_are_hidden_and_nothing_else_is_changed) {
    for (size_t split = 0; split <= strlen(hidden[_i].before); split++) {
        struct scanner scanner;
        char bytes[256];
        snprintf(bytes, sizeof bytes, "%s", hidden[_i].before);
        scanner_init(&scanner);
        scanner_read(&scanner, bytes, split);
        scanner_read(&scanner, bytes + split, strlen(bytes) - split);
        ck_assert_str_eq(bytes, hidden[_i].after);
    }
}
END_TEST

START_TEST(a_wrong_request_line_has_no_nul_and_in_a_body_it_stays) {
    static const char wrong[] = "GET /\0?a\0 HTTP/1.1\r\n\r\n", right[] = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\0b";
    for (size_t split = 0; split < sizeof wrong; split++) {
        struct scanner scanner;
        char bytes[sizeof wrong];
        memcpy(bytes, wrong, sizeof wrong);
        scanner_init(&scanner);
        scanner_read(&scanner, bytes, split);
        scanner_read(&scanner, bytes + split, sizeof wrong - 1 - split);
        ck_assert_uint_eq(strlen(bytes), sizeof wrong - 1);
    }
    struct scanner scanner;
    char bytes[sizeof right];
    memcpy(bytes, right, sizeof right);
    scanner_init(&scanner);
    scanner_read(&scanner, bytes, sizeof right - 1);
    ck_assert_mem_eq(bytes, right, sizeof right);
}
END_TEST

static const struct {
    const char *bytes;
    bool has_begun, is_head;
} beginnings[] = {
    { "", false, false },
    { "\r\n", false, false }, /* one empty line is no beginning (RFC 9112 section 2.2) */
    { "\r\n\r", false, false },
    { "\r\n\r\n", true, false },
    { "G", true, false },
    { "\r\nG", true, false },
    { "HEAD", true, true },
    { "HEAD / HTTP/1.1\r\nHost: x\r\n", true, true },
    { "HEADS / HTTP/1.1\r\n", true, false },
    { "HEA / HTTP/1.1\r\n", true, false },
    { "head / HTTP/1.1\r\n", true, false },
    { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false, false },
    { "GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n", false, false },
    { "GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD / H", true, true },
    { "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / H", true, false },
    { "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{", true, false },
    { "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}\r\n", false, false },
    { " ", true, false },
};

START_TEST(a_request_begins_with_its_first_byte_and_not_with_an_empty_line) {
    char bytes[128];
    struct scanner scanner;
    snprintf(bytes, sizeof bytes, "%s", beginnings[_i].bytes);
    scanner_init(&scanner);
    scanner_read(&scanner, bytes, strlen(bytes));
    ck_assert_int_eq(scanner_has_begun(&scanner), beginnings[_i].has_begun);
    ck_assert_int_eq(scanner_is_head(&scanner), beginnings[_i].is_head);
}
END_TEST

static const struct {
    const char *what;
    size_t target_len, fields, value_len; /* of fields "N: aaa", 3 bytes and CR LF beside the value */
    bool is_complete, is_too_large, is_in_target;
} large[] = {
    { "a short one", 1, 1, 10, true, false, false },
    { "one long field that fits", 1, 1, 8000, true, false, false },
    { "one long field", 1, 1, 8192, true, true, false },
    { "one long field that goes on", 1, 1, 8192, false, true, false },
    { "many short fields that fit", 1, 100, 10, true, false, false },
    { "many short fields", 1, 110, 10, true, true, false },
    { "a long target", 8192, 0, 0, false, true, true },
};

static size_t put(char *at, const char *text) {
    size_t len = 0;
    for (; text[len] != '\0'; len++)
        at[len] = text[len];
    return len;
}

/* The bytes of one request; without is_complete the last line ends nowhere. */
static size_t write_large(int which, char *bytes) {
    size_t len = put(bytes, "GET /");
    memset(bytes + len, 'a', large[which].target_len);
    len += large[which].target_len;
    if (large[which].is_in_target)
        return len;
    len += put(bytes + len, " HTTP/1.1\r\n");
    for (size_t i = 0; i < large[which].fields; i++) {
        len += put(bytes + len, "N: ");
        memset(bytes + len, 'a', large[which].value_len);
        len += large[which].value_len;
        len += large[which].is_complete ? put(bytes + len, "\r\n") : 0;
    }
    return len + (large[which].is_complete ? put(bytes + len, "\r\n") : 0);
}

/* A record of 64 bytes is counted for each field. Before a request that has not been taken nothing is refused. */
START_TEST(a_header_that_is_too_large_is_noticed_when_its_turn_has_come) {
    static const char first[] = "GET / HTTP/1.1\r\n\r\n";
    static char bytes[16384];
    struct scanner scanner;
    scanner_init(&scanner);
    feed(&scanner, first, sizeof first - 1);
    feed(&scanner, bytes, write_large(_i, bytes));
    ck_assert(!scanner_is_too_large(&scanner));
    scanner_init(&scanner);
    feed(&scanner, first, sizeof first - 1);
    ck_assert(scanner_take_request(&scanner));
    feed(&scanner, bytes, write_large(_i, bytes));
    ck_assert_msg(scanner_is_too_large(&scanner) == large[_i].is_too_large, "%s", large[_i].what);
    ck_assert_int_eq(scanner_is_in_target(&scanner), large[_i].is_in_target);
}
END_TEST

/* The library has not read the body's end then, so a refusal would be taken for the reply to the request before. */
START_TEST(a_header_behind_the_rest_of_a_body_is_not_refused_before_the_next_piece) {
    static const char first[] = LINE "Content-Length: 5\r\n\r\nab", rest[] = "cde";
    static char bytes[16384];
    struct scanner scanner;
    scanner_init(&scanner);
    feed(&scanner, first, sizeof first - 1);
    ck_assert(scanner_take_request(&scanner));
    memcpy(bytes, rest, sizeof rest - 1);
    feed(&scanner, bytes, sizeof rest - 1 + write_large(_i, bytes + sizeof rest - 1));
    ck_assert_msg(!scanner_is_too_large(&scanner), "%s", large[_i].what);
    feed(&scanner, "a", 1);
    ck_assert_msg(scanner_is_too_large(&scanner) == (large[_i].is_too_large && !large[_i].is_complete), "%s", large[_i].what);
}
END_TEST

/* ---- request lines that the library refuses ---- */

static const struct {
    const char *bytes;
    uint32_t begun; /* lines that became exchanges */
    enum line_refusal refusal;
} lines[] = {
    { "GET / HTTP/1.1\r\n", 0, LINE_IS_READ },
    { "GET / HTTP/1.7\r\n", 0, LINE_IS_READ },
    { "GET / HTTP/2.0", 0, LINE_IS_READ }, /* it has not ended */
    { "GET / HTTP/2.0\r\n", 0, LINE_HAS_OTHER_VERSION },
    { "GET / HTTP/0.9\r\n", 0, LINE_HAS_OTHER_VERSION },
    { "GET / HTTP/2.0\r\n", 1, LINE_IS_READ }, /* not refused by the library */
    { "GET / HTTP/1.11\r\n", 0, LINE_IS_MALFORMED },
    { "GET / HTTP/11\r\n", 0, LINE_IS_MALFORMED },
    { "GET / FOO/1.1\r\n", 0, LINE_IS_MALFORMED },
    { "GET /\r\n", 0, LINE_IS_MALFORMED },
    { "GET\r\n", 0, LINE_IS_DROPPED },
    { " GET / HTTP/1.1\r\n", 0, LINE_IS_DROPPED },
    { " / HTTP/2.0\r\n", 0, LINE_IS_DROPPED },
    { "GET \r\n", 0, LINE_IS_MALFORMED },
    { "GET / \r\n", 0, LINE_IS_MALFORMED },
    { "GET  /\r\n", 0, LINE_IS_MALFORMED },
    { "GET HTTP/1.1\r\n", 0, LINE_IS_MALFORMED }, /* this is its target */
    { "GET  HTTP/2.0\r\n", 0, LINE_IS_MALFORMED },
    { "GET / HTTP/1.1 \r\n", 0, LINE_IS_MALFORMED },
    { "GET /a b\r\n", 0, LINE_IS_MALFORMED },
    { "GET /a b HTTP/1.1\r\n", 0, LINE_IS_DROPPED },
    { "GET /a  HTTP/1.1\r\n", 0, LINE_IS_DROPPED },
    { "GET / HTTP/1.1 HTTP/1.1\r\n", 0, LINE_IS_DROPPED },
    { "GET /a b HTTP/2.0\r\n", 0, LINE_HAS_OTHER_VERSION },
    { "GET /\1 HTTP/2.0\r\n", 0, LINE_HAS_OTHER_VERSION },
    { "GET  / HTTP/2.0\r\n", 0, LINE_HAS_OTHER_VERSION },
    { "GET  / HTTP/1.1\r\n", 0, LINE_IS_READ }, /* by the library: the service refuses it */
    { "GET / HTTP/2.0\n", 0, LINE_HAS_OTHER_VERSION },
    { "GET /\nHost: x y HTTP/1.1\r\n", 0, LINE_IS_MALFORMED },
    { "\nGET / HTTP/2.0\r\n", 0, LINE_HAS_OTHER_VERSION },
    { "\n", 0, LINE_IS_READ }, /* nor is an empty line refused */
    { "\rGET / HTTP/2.0\r\n", 0, LINE_HAS_OTHER_VERSION },
    { "GET / HTTP/2.0\r \n", 0, LINE_IS_MALFORMED },
    { "GET / HTTP/1.1\r\r\n", 0, LINE_IS_MALFORMED },
    { "GET / HTTP/1.1\r\n\r\nGET / HTTP/2.0\r\n", 0, LINE_IS_READ }, /* its turn has not come */
    { "GET / HTTP/1.1\r\n\r\nGET / HTTP/2.0\r\n", 1, LINE_HAS_OTHER_VERSION },
    { "GET / HTTP/1.1\r\n\r\nGET /\r\n", 1, LINE_IS_MALFORMED },
};

START_TEST(the_first_line_that_is_no_request_of_http_1_is_known) {
    struct scanner scanner;
    scanner_init(&scanner);
    for (size_t i = 0; lines[_i].bytes[i] != '\0'; i++)
        feed(&scanner, &lines[_i].bytes[i], 1);
    ck_assert_msg(scanner_line_refusal(&scanner, lines[_i].begun) == lines[_i].refusal, "%s", lines[_i].bytes);
}
END_TEST

/* The library takes it for empty. */
START_TEST(a_line_that_begins_with_a_nul_stays_and_the_next_one_is_the_request_line) {
    static const char before[] = "\0GET / HTTP/1.1\0\r\nGET /\0 HTTP/2.0\r\n",
                      after[] = "\0GET / HTTP/1.1\0\r\nGET /\1 HTTP/2.0\r\n";
    struct scanner scanner;
    char bytes[sizeof before];
    memcpy(bytes, before, sizeof before);
    scanner_init(&scanner);
    scanner_read(&scanner, bytes, sizeof before - 1);
    ck_assert_mem_eq(bytes, after, sizeof after);
    ck_assert_int_eq(scanner_line_refusal(&scanner, 0), LINE_HAS_OTHER_VERSION);
}
END_TEST

Suite *scanner_suite(void) {
    Suite *suite = suite_create("scanner");
    TCase *tcase = tcase_create("streams");
    tcase_add_loop_test(tcase, only_what_the_standard_calls_a_request_counts_and_nothing_behind_what_it_does_not, 0,
                        (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tcase, pieces_make_no_difference, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tcase, cookies_are_hidden_and_nothing_else_is_changed, 0, (int)ARRAY_LEN(hidden));
    tcase_add_test(tcase, a_wrong_request_line_has_no_nul_and_in_a_body_it_stays);
    tcase_add_test(tcase, a_request_is_taken_once_and_only_when_its_header_is_complete);
    tcase_add_loop_test(tcase, no_byte_stands_where_the_standard_has_none, 0, (int)ARRAY_LEN(places));
    tcase_add_loop_test(tcase, a_header_that_is_too_large_is_noticed_when_its_turn_has_come, 0, (int)ARRAY_LEN(large));
    tcase_add_loop_test(tcase, a_header_behind_the_rest_of_a_body_is_not_refused_before_the_next_piece, 0, (int)ARRAY_LEN(large));
    tcase_add_loop_test(tcase, a_request_begins_with_its_first_byte_and_not_with_an_empty_line, 0, (int)ARRAY_LEN(beginnings));
    tcase_add_loop_test(tcase, the_first_line_that_is_no_request_of_http_1_is_known, 0, (int)ARRAY_LEN(lines));
    tcase_add_test(tcase, a_line_that_begins_with_a_nul_stays_and_the_next_one_is_the_request_line);
    suite_add_tcase(suite, tcase);
    return suite;
}
