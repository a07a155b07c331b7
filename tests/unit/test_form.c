#include "exchange_fixture.h"

#include "src/http/form.h"
#include "src/http/schema.h"

#include "jwtd/macros.h"

Suite *form_suite(void);

struct example {
    struct text token, hint;
};
static const struct field fields[] = {
    FIELD(example, token, FIELD_TEXT, .required = true, .max_len = 8),
    FIELD(example, hint, FIELD_TEXT, .required = false, .max_len = 8),
};
static const struct body_schema schema = { fields, ARRAY_LEN(fields), false, sizeof(struct example), "Example" };

static const struct fixture_header form_type[] = { { "Content-Type", "application/x-www-form-urlencoded" }, { NULL, NULL } };

static struct exchange_fixture *fixture;

static void prepare(const struct fixture_header *headers, const char *body, size_t len) {
    fixture = exchange_fixture_create(headers);
    struct exchange *exchange = &fixture->exchange;
    fixture->route.body_format = BODY_FORM;
    fixture->route.body = &schema;
    exchange->request.scratch = arena_alloc(&exchange->arena, schema.scratch_size);
    exchange->body.bytes = arena_copy(&exchange->arena, body, len);
    exchange->body.len = exchange->body.size = len;
}

static const struct {
    const char *body;
    const char *token, *hint; /* hint NULL: none; token NULL: 400 */
} bodies[] = {
    { "token=abc", "abc", NULL },
    { "token=abc&hint=x", "abc", "x" },
    { "hint=x&token=abc", "abc", "x" },
    { "token=a%62c", "abc", NULL },
    { "t%6Fken=abc", "abc", NULL }, /* a name is encoded, too */
    { "token=a+b", "a b", NULL },
    { "token=a%2Bb", "a+b", NULL },
    { "token=a=b", "a=b", NULL },
    { "token=%C3%A9", "\xc3\xa9", NULL },
    { "&&token=abc&", "abc", NULL },
    { "token=abc&other=1&another", "abc", NULL }, /* RFC 6749 section 3.1: unrecognized parameters are ignored */
    { "token=abc&hint=", "abc", NULL },           /* without a value: as if omitted */
    { "token=12345678", "12345678", NULL },
    { "token=%31%32%33%34%35%36%37%38", "12345678", NULL },
    { "token=123456789", NULL, NULL },
    { "", NULL, NULL },
    { "token", NULL, NULL },
    { "token=", NULL, NULL },
    { "Token=abc", NULL, NULL },
    { "hint=x", NULL, NULL },
    { "token=abc&token=abc", NULL, NULL }, /* RFC 6749 section 3.1: not more than once */
    { "token=&token=abc", NULL, NULL },
    { "token=abc&%74oken=abc", NULL, NULL },
    { "token=abc&x=1&x=2", NULL, NULL },
    { "token=abc&=1&=2", NULL, NULL },
    { "token=%", NULL, NULL },
    { "token=%4", NULL, NULL },
    { "token=%4g", NULL, NULL },
    { "token=abc&other=%zz", NULL, NULL },
    { "token=%00", NULL, NULL },
    { "token=a%00b", NULL, NULL },
    { "token=%ff", NULL, NULL },
    { "token=%ed%a0%80", NULL, NULL },
    { "token=%c0%af", NULL, NULL },
    { "token=abc\r\n", NULL, NULL },
    { "token=a b", NULL, NULL },
    { "token=\xc3\xa9", NULL, NULL },
    { "{\"token\":\"abc\"}", NULL, NULL },
};

START_TEST(a_form_is_read_strictly_by_its_schema) {
    prepare(form_type, bodies[_i].body, strlen(bodies[_i].body));
    const struct example *example = fixture->exchange.request.scratch;
    bool is_good = schema_read_body(&fixture->exchange);
    ck_assert_msg(is_good == (bodies[_i].token != NULL), "%s", bodies[_i].body);
    ck_assert_uint_eq(fixture->exchange.reply.http_status, is_good ? 0 : 400);
    if (is_good) {
        ck_assert_str_eq(example->token.bytes, bodies[_i].token);
        ck_assert_uint_eq(example->token.len, strlen(bodies[_i].token));
        ck_assert_int_eq(example->hint.bytes != NULL, bodies[_i].hint != NULL);
        ck_assert(bodies[_i].hint == NULL || strcmp(example->hint.bytes, bodies[_i].hint) == 0);
    } else {
        ck_assert_ptr_nonnull(
            strstr(fixture->exchange.reply.body.bytes, "\"code\":\"invalid_request\",\"error\":\"invalid_request\""));
    }
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(a_byte_zero_is_refused_wherever_it_stands) {
    static const char body[] = "token=abc&x=1";
    for (size_t at = 0; at < sizeof body - 1; at++) {
        char damaged[sizeof body];
        memcpy(damaged, body, sizeof body);
        damaged[at] = '\0';
        prepare(form_type, damaged, sizeof body - 1);
        ck_assert(!schema_read_body(&fixture->exchange));
        exchange_fixture_destroy(fixture);
    }
}
END_TEST

START_TEST(what_is_wrong_with_a_field_is_named) {
    prepare(form_type, "hint=123456789", 14);
    ck_assert(!schema_read_body(&fixture->exchange));
    const char *body = fixture->exchange.reply.body.bytes;
    ck_assert_ptr_nonnull(strstr(body, "\"pointer\":\"/token\",\"code\":\"required\""));
    ck_assert_ptr_nonnull(strstr(body, "\"pointer\":\"/hint\",\"code\":\"too_long\""));
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(a_form_has_a_bounded_number_of_parameters) {
    char body[1024] = "token=abc";
    for (unsigned i = 1; i < FORM_PARAMETERS_MAX; i++)
        snprintf(body + strlen(body), sizeof body - strlen(body), "&p%u=1", i);
    prepare(form_type, body, strlen(body));
    ck_assert(schema_read_body(&fixture->exchange));
    exchange_fixture_destroy(fixture);
    snprintf(body + strlen(body), sizeof body - strlen(body), "&one_more=1");
    prepare(form_type, body, strlen(body));
    ck_assert(!schema_read_body(&fixture->exchange));
    exchange_fixture_destroy(fixture);
}
END_TEST

static const struct {
    struct fixture_header headers[3];
    bool is_taken;
} media_types[] = {
    { { { "Content-Type", "application/x-www-form-urlencoded" } }, true },
    { { { "content-type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8" } }, true },
    { { { "Content-Type", "application/x-www-form-urlencoded; charset=latin1" } }, false },
    { { { "Content-Type", "application/json" } }, false },
    { { { "Content-Type", "multipart/form-data; boundary=x" } }, false },
    { { { NULL, NULL } }, false },
    { { { "Content-Type", "application/x-www-form-urlencoded" }, { "Content-Encoding", "gzip" } }, false },
};

START_TEST(a_form_is_one_by_its_media_type_or_refused) {
    prepare(media_types[_i].headers, "token=abc", 9);
    ck_assert_int_eq(schema_read_body(&fixture->exchange), media_types[_i].is_taken);
    ck_assert_uint_eq(fixture->exchange.reply.http_status, media_types[_i].is_taken ? 0 : 415);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(a_form_for_which_memory_ends_is_503_and_never_half_read) {
    unsigned whole = 0, refusals = 0;
    for (size_t left = 0; left < 4096; left += 16) {
        prepare(form_type, "token=abc&hint=x", 16);
        struct arena small;
        arena_init(&small, left);
        fixture->exchange.request.arena = &small;
        bool is_read = schema_read_body(&fixture->exchange);
        ck_assert_uint_eq(fixture->exchange.reply.http_status, is_read ? 0 : 503);
        is_read ? whole++ : refusals++;
        arena_fini(&small);
        exchange_fixture_destroy(fixture);
    }
    ck_assert_uint_gt(whole, 0);
    ck_assert_uint_gt(refusals, 0);
}
END_TEST

static const struct {
    const char *accept, *content_type;
} accepts[] = {
    { "*/*", "application/problem+json" },
    { "application/json", "application/json" },
    { "application/problem+json, application/json", "application/problem+json" },
    { "text/html", "application/problem+json" },
};

/* RFC 6749 section 5.2 has application/json; RFC 9457 has a type of its own. */
START_TEST(a_client_that_asks_for_json_receives_an_error_of_oauth_as_json) {
    const struct fixture_header headers[] = { form_type[0], { "Accept", accepts[_i].accept }, { NULL, NULL } };
    prepare(headers, "", 0);
    ck_assert(!schema_read_body(&fixture->exchange));
    ck_assert_str_eq(fixture->exchange.reply.content_type, accepts[_i].content_type);
    exchange_fixture_destroy(fixture);
}
END_TEST

Suite *form_suite(void) {
    Suite *suite = suite_create("form");
    TCase *tcase = tcase_create("form");
    tcase_add_loop_test(tcase, a_form_is_read_strictly_by_its_schema, 0, (int)ARRAY_LEN(bodies));
    tcase_add_test(tcase, a_byte_zero_is_refused_wherever_it_stands);
    tcase_add_test(tcase, what_is_wrong_with_a_field_is_named);
    tcase_add_test(tcase, a_form_has_a_bounded_number_of_parameters);
    tcase_add_loop_test(tcase, a_form_is_one_by_its_media_type_or_refused, 0, (int)ARRAY_LEN(media_types));
    tcase_add_test(tcase, a_form_for_which_memory_ends_is_503_and_never_half_read);
    tcase_add_loop_test(tcase, a_client_that_asks_for_json_receives_an_error_of_oauth_as_json, 0, (int)ARRAY_LEN(accepts));
    suite_add_tcase(suite, tcase);
    return suite;
}
