#include "exchange_fixture.h"

#include "src/http/reply_build.h"

#include "jwtd/macros.h"
#include "jwtd/reply.h"

#include <microhttpd.h>

Suite *reply_build_suite(void);

#define ID_A "0198c9a5-0000-7000-8000-00000000000a"
#define ID_B "0198c9a5-0000-7000-8000-00000000000b"
#define WRITTEN_SIZE 1024

static const struct fixture_header no_headers[] = { { NULL, NULL } };
static struct exchange_fixture *fixture;

static void set_up(void) {
    fixture = exchange_fixture_create(no_headers);
}

static void tear_down(void) {
    exchange_fixture_destroy(fixture);
}

static enum MHD_Result append_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value) {
    char *written = context;
    size_t len = strlen(written);
    (void)kind;
    snprintf(written + len, WRITTEN_SIZE - len, "%s: %s\n", name, value);
    return MHD_YES;
}

/* One reply: its status, body, and one header of its own. */
struct answer {
    const char *request_id, *body, *name, *value;
    bool must_close;
};

/* Builds, writes down the headers as the library would send them, and releases. */
static const struct MHD_Response *build(const struct answer *answer, char written[WRITTEN_SIZE]) {
    struct exchange *exchange = &fixture->exchange;
    exchange->request.request_id = answer->request_id;
    exchange->must_close = answer->must_close;
    if (answer->body != NULL)
        reply_bytes(&exchange->request, 200, "text/plain", text_of(answer->body));
    else
        reply_empty(&exchange->request, 200);
    if (answer->name != NULL)
        ck_assert_int_eq(reply_header(&exchange->request, answer->name, answer->value), STATUS_OK);
    struct MHD_Response *response = reply_build(exchange);
    ck_assert_ptr_nonnull(response);
    written[0] = '\0';
    MHD_get_response_headers(response, append_header, written);
    reply_release(exchange, response);
    return response;
}

static const char subject[] = "X-Auth-Subject", roles[] = "X-Auth-Roles";

/* What follows a first reply with ID_A and the subject ID_A. */
static const struct {
    struct answer answer;
    bool is_written_again;
} following[] = {
    { { .request_id = ID_B, .name = subject, .value = ID_B }, true },
    { { .request_id = ID_A, .name = subject, .value = ID_A }, true },
    { { .request_id = "of-the-client", .name = subject, .value = ID_A }, false },
    { { .request_id = ID_B, .name = subject, .value = "-" }, false },
    { { .request_id = ID_B, .name = roles, .value = ID_B }, false },
    { { .request_id = ID_B }, false },
    { { .request_id = ID_B, .body = "body", .name = subject, .value = ID_B }, false },
    { { .request_id = ID_B, .name = subject, .value = ID_B, .must_close = true }, false },
};

START_TEST(a_reply_is_written_into_the_one_before_only_if_no_length_differs) {
    const struct answer first = { .request_id = ID_A, .name = subject, .value = ID_A };
    char written[WRITTEN_SIZE], again[WRITTEN_SIZE], anew[WRITTEN_SIZE];
    const struct MHD_Response *kept = build(&first, written);
    const struct MHD_Response *next = build(&following[_i].answer, again);
    if (following[_i].is_written_again)
        ck_assert_ptr_eq(next, kept);
    kept_reply_fini(&fixture->exchange.kept_reply);
    build(&following[_i].answer, anew);
    ck_assert_str_eq(again, anew); /* on the wire there is no difference */
}
END_TEST

START_TEST(a_reply_with_two_headers_of_one_name_is_built_anew) {
    char written[WRITTEN_SIZE];
    struct exchange *exchange = &fixture->exchange;
    ck_assert_int_eq(header_list_add(&exchange->common_headers, "RateLimit", "a"), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        build(&(struct answer){ .request_id = ID_A, .name = "RateLimit", .value = i == 0 ? "b" : "c" }, written);
        ck_assert_ptr_nonnull(strstr(written, "RateLimit: a\n"));
        ck_assert_ptr_nonnull(strstr(written, i == 0 ? "RateLimit: b\n" : "RateLimit: c\n"));
        ck_assert_ptr_null(exchange->kept_reply.response);
    }
}
END_TEST

Suite *reply_build_suite(void) {
    Suite *suite = suite_create("reply_build");
    TCase *tcase = tcase_create("reply_build");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, a_reply_is_written_into_the_one_before_only_if_no_length_differs, 0, (int)ARRAY_LEN(following));
    tcase_add_test(tcase, a_reply_with_two_headers_of_one_name_is_built_anew);
    suite_add_tcase(suite, tcase);
    return suite;
}
