/* What the header fields of a request may say of where it ends. How they are written is tested in test_scanner.c. */
#include "exchange_fixture.h"

#include "src/http/framing.h"

#include "jwtd/macros.h"

Suite *framing_rules_suite(void);

#define FIELDS_MAX 4

static const struct {
    const char *version;
    struct fixture_header headers[FIELDS_MAX];
    bool is_good;
} cases[] = {
    { "HTTP/1.1", { { "Host", "x" } }, true },
    { "HTTP/1.1", { { "hOsT", "x" } }, true },
    { "HTTP/1.1", { { NULL, NULL } }, false }, /* RFC 9112 section 3.2 */
    { "HTTP/1.0", { { NULL, NULL } }, true },
    { "HTTP/1.0", { { "Host", "x" } }, true },
    { "HTTP/1.1", { { "Host", "" } }, true },
    { "HTTP/1.1", { { "Host", "x" }, { "Host", "x" } }, false },
    { "HTTP/1.1", { { "Host", "user@x" } }, false },
    { "HTTP/1.1", { { "Host", "x/auth" } }, false },
    { "HTTP/1.1", { { "Host", "[2001:db8::1]:8080" } }, true },
    { "HTTP/1.1", { { "Host", "under_score.example.org:80" } }, true },
    { "HTTP/1.1", { { "Host", "x \t" } }, true },
    { "HTTP/1.1", { { "Host", "x?y" } }, false },
    { "HTTP/1.1", { { "Host", "x#y" } }, false },
    { "HTTP/1.1", { { "Host", "x:\\evil" } }, false },
    { "HTTP/1.1", { { "Host", "x y" } }, false },
    { "HTTP/1.1", { { "Host", "k\xc3\xb6ln" } }, false },
    { "HTTP/1.2", { { "Host", "x" } }, false },
    { "HTTP/2.0", { { "Host", "x" } }, false },
    { "", { { "Host", "x" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Length", "5" } }, true },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Length", "999999999999999999" } }, true },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Length", "9999999999999999999" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Length", "" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Length", "+5" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Length", "0x5" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Length", "5, 5" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Length", "5" }, { "Content-Length", "5" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Transfer-Encoding", "chunked" } }, true },
    { "HTTP/1.1", { { "Host", "x" }, { "Transfer-Encoding", "Chunked" } }, true },
    { "HTTP/1.1", { { "Host", "x" }, { "Transfer-Encoding", "gzip, chunked" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Transfer-Encoding", "identity" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Transfer-Encoding", "chunked" }, { "Transfer-Encoding", "chunked" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Transfer-Encoding", "chunked" }, { "Content-Length", "5" } }, false },
    { "HTTP/1.0", { { "Host", "x" }, { "Transfer-Encoding", "chunked" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Expect", "100-continue" }, { "Content-Length", "5" } }, true },
    { "HTTP/1.1", { { "Host", "x" }, { "Expect", "100-continue" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Expect", "100-continue" }, { "Content-Length", "0" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Authorization", "Bearer a" } }, true },
    { "HTTP/1.1", { { "Host", "x" }, { "Authorization", "Bearer a" }, { "Authorization", "Bearer a" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "Content-Type", "a/b" }, { "Content-Type", "a/b" } }, false },
    { "HTTP/1.1", { { "Host", "x" }, { "X-Forwarded-For", "a" }, { "X-Forwarded-For", "b" } }, true },
};

START_TEST(only_a_request_that_ends_in_one_place_for_every_reader_is_read) {
    struct header_view view = fixture_headers(cases[_i].headers);
    struct header_summary summary;
    enum status status = framing_check(&view, cases[_i].version, &summary);
    if (status == STATUS_OK)
        status = framing_check_fields(&summary);
    ck_assert_int_eq(status, cases[_i].is_good ? STATUS_OK : STATUS_BAD_REQUEST);
}
END_TEST

START_TEST(a_body_is_what_a_length_or_a_coding_announces) {
    static const struct {
        struct fixture_header header[2];
        bool has_body;
        uint64_t length;
    } bodies[] = {
        { { { "Host", "x" } }, false, 0 },
        { { { "Content-Length", "0" } }, false, 0 },
        { { { "Content-Length", "007" } }, true, 7 },
        { { { "Transfer-Encoding", "chunked" } }, true, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct header_view view = fixture_headers(bodies[i].header);
        struct header_summary summary;
        (void)!framing_check(&view, "HTTP/1.1", &summary);
        ck_assert_int_eq(summary.has_body, bodies[i].has_body);
        ck_assert_uint_eq(summary.content_length, bodies[i].length);
    }
}
END_TEST

Suite *framing_rules_suite(void) {
    Suite *suite = suite_create("framing_rules");
    TCase *tcase = tcase_create("framing_rules");
    tcase_add_loop_test(tcase, only_a_request_that_ends_in_one_place_for_every_reader_is_read, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tcase, a_body_is_what_a_length_or_a_coding_announces);
    suite_add_tcase(suite, tcase);
    return suite;
}
