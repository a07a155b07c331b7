#include "exchange_fixture.h"

#include "src/http/schema.h"

#include "jwtd/macros.h"
#include "jwtd/password_policy.h"

#include <stddef.h>

Suite *schema_suite(void);

struct form {
    struct text email, password, note;
    bool flag;
};

static const struct field fields[] = {
    { .name = "email", .type = FIELD_EMAIL, .required = true, .offset = offsetof(struct form, email) },
    { .name = "password", .type = FIELD_PASSWORD, .required = true, .offset = offsetof(struct form, password) },
    { .name = "note", .type = FIELD_TEXT, .max_len = 5, .offset = offsetof(struct form, note) },
    { .name = "flag", .type = FIELD_BOOLEAN, .offset = offsetof(struct form, flag) },
};
static const struct body_schema form_body = { fields, ARRAY_LEN(fields), false, sizeof(struct form), "Form" };
static const struct body_schema optional_body = { fields + 2, 2, true, sizeof(struct form), "Form" };

static const struct fixture_header json[] = { { "Content-Type", "application/json" }, { NULL, NULL } };

static struct exchange_fixture *create(const struct fixture_header *headers, const struct body_schema *schema, const char *body) {
    struct exchange_fixture *fixture = exchange_fixture_create(headers);
    struct exchange *exchange = &fixture->exchange;
    fixture->route.body = schema;
    if (schema != NULL)
        exchange->request.scratch = arena_alloc(&exchange->arena, schema->scratch_size);
    exchange->body.bytes = arena_copy(&exchange->arena, body, strlen(body));
    exchange->body.len = exchange->body.size = strlen(body);
    return fixture;
}

START_TEST(the_members_of_a_body_land_in_the_scratch) {
    struct exchange_fixture *fixture =
        create(json, &form_body, "{\"flag\":true,\"password\":\"cafe\\u0301\",\"email\":\"A@example.org\",\"note\":\"12345\"}");
    const struct form *form = fixture->exchange.request.scratch;
    ck_assert(schema_read_body(&fixture->exchange));
    ck_assert_uint_eq(fixture->exchange.reply.http_status, 0);
    ck_assert_str_eq(form->email.bytes, "A@example.org");
    ck_assert_str_eq(form->password.bytes, "caf\xc3\xa9"); /* in form C */
    ck_assert_str_eq(form->note.bytes, "12345");
    ck_assert(form->flag);
    exchange_fixture_destroy(fixture);
}
END_TEST

#define GOOD_EMAIL "\"email\":\"a@example.org\""
#define GOOD_PASSWORD "\"password\":\"x\""

static const struct {
    const char *body;
    unsigned http_status;
    const char *problems; /* pointers and codes, in the order of the fields */
} refused[] = {
    { "{}", 422, "/email required /password required " },
    { "{" GOOD_EMAIL "}", 422, "/password required " },
    { "{" GOOD_EMAIL ",\"password\":null}", 422, "/password wrong_type " },
    { "{" GOOD_EMAIL ",\"password\":1,\"flag\":\"true\"}", 422, "/password wrong_type /flag wrong_type " },
    { "{" GOOD_EMAIL ",\"password\":\"\"}", 422, "/password too_short " },
    { "{\"email\":\"a\"," GOOD_PASSWORD "}", 422, "/email invalid_email " },
    { "{" GOOD_EMAIL "," GOOD_PASSWORD ",\"note\":\"123456\"}", 422, "/note too_long " },
    { "{" GOOD_EMAIL "," GOOD_PASSWORD ",\"note\":null}", 422, "/note wrong_type " },
    { "[]", 422, " wrong_type " },
    { "{", 400, "" },
    { "", 400, "" },
    { "{" GOOD_EMAIL "," GOOD_EMAIL "," GOOD_PASSWORD "}", 400, "" },
    { "{} {}", 400, "" },
};

START_TEST(a_body_that_breaks_the_schema_is_refused_with_everything_that_is_wrong) {
    struct exchange_fixture *fixture = create(json, &form_body, refused[_i].body);
    const struct reply *reply = &fixture->exchange.reply;
    ck_assert(!schema_read_body(&fixture->exchange));
    ck_assert_uint_eq(reply->http_status, refused[_i].http_status);
    char found[256] = "";
    const char *at = reply->body.bytes;
    while ((at = strstr(at, "\"pointer\":\"")) != NULL) {
        char pointer[64], code[64];
        ck_assert_int_ge(sscanf(at, "\"pointer\":\"%63[^\"]\",\"code\":\"%63[^\"]\"", pointer, code) == 2 ||
                             sscanf(at, "\"pointer\":\"\",\"code\":\"%63[^\"]\"", code) == 1,
                         1);
        bool is_of_whole = strncmp(at, "\"pointer\":\"\"", 12) == 0;
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s %s ", is_of_whole ? "" : pointer, code);
        at++;
    }
    ck_assert_str_eq(found, refused[_i].problems);
    exchange_fixture_destroy(fixture);
}
END_TEST

static const struct {
    struct fixture_header headers[3];
    bool is_taken;
} media_types[] = {
    { { { "Content-Type", "application/json" } }, true },
    { { { "content-type", "Application/JSON; charset=\"UTF-8\"" } }, true },
    { { { "Content-Type", "application/json;charset=latin1" } }, false },
    { { { "Content-Type", "text/plain" } }, false },
    { { { "Content-Type", "application/json; boundary=0123456789012345678901234567890123456789012345678901234567890" } }, false },
    { { { NULL, NULL } }, false },
    { { { "Content-Type", "application/json" }, { "Content-Encoding", "gzip" } }, false },
};

START_TEST(a_body_is_json_by_its_media_type_or_refused) {
    struct exchange_fixture *fixture = create(media_types[_i].headers, &optional_body, "{}");
    ck_assert_int_eq(schema_read_body(&fixture->exchange), media_types[_i].is_taken);
    ck_assert_uint_eq(fixture->exchange.reply.http_status, media_types[_i].is_taken ? 0 : 415);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(no_body_is_the_same_as_an_empty_object_where_it_is_optional) {
    static const struct fixture_header none[] = { { NULL, NULL } };
    struct exchange_fixture *fixture = create(none, &optional_body, "");
    ck_assert(schema_read_body(&fixture->exchange));
    exchange_fixture_destroy(fixture);
}
END_TEST

/* Some clients send {} with every DELETE; it is not parsed. */
START_TEST(a_route_without_a_body_reads_none) {
    struct exchange_fixture *fixture = create(json, NULL, "no JSON");
    ck_assert(schema_read_body(&fixture->exchange));
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(a_body_over_the_limit_is_refused_whatever_the_route) {
    struct exchange_fixture *fixture = create(json, _i == 0 ? &form_body : NULL, "{}");
    fixture->exchange.body.dropped = 1;
    ck_assert(!schema_read_body(&fixture->exchange));
    ck_assert_uint_eq(fixture->exchange.reply.http_status, 413);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(a_body_for_which_memory_ends_is_503_and_never_half_read) {
    unsigned whole = 0, refusals = 0;
    static const char body[] = "{" GOOD_EMAIL ",\"password\":\"cafe\\u0301\",\"note\":\"12345\"}";
    for (size_t left = 0; left < 4096; left += 16) {
        struct exchange_fixture *fixture = create(json, &form_body, body);
        struct exchange *exchange = &fixture->exchange;
        struct arena small;
        arena_init(&small, left);
        exchange->request.arena = &small;
        bool is_read = schema_read_body(exchange);
        ck_assert_uint_eq(exchange->reply.http_status, is_read ? 0 : 503);
        is_read ? whole++ : refusals++;
        arena_fini(&small);
        exchange_fixture_destroy(fixture);
    }
    ck_assert_uint_gt(whole, 0);
    ck_assert_uint_gt(refusals, 0);
}
END_TEST

Suite *schema_suite(void) {
    Suite *suite = suite_create("schema");
    TCase *tcase = tcase_create("schema");
    tcase_add_test(tcase, the_members_of_a_body_land_in_the_scratch);
    tcase_add_loop_test(tcase, a_body_that_breaks_the_schema_is_refused_with_everything_that_is_wrong, 0,
                        (int)ARRAY_LEN(refused));
    tcase_add_loop_test(tcase, a_body_is_json_by_its_media_type_or_refused, 0, (int)ARRAY_LEN(media_types));
    tcase_add_test(tcase, no_body_is_the_same_as_an_empty_object_where_it_is_optional);
    tcase_add_test(tcase, a_route_without_a_body_reads_none);
    tcase_add_loop_test(tcase, a_body_over_the_limit_is_refused_whatever_the_route, 0, 2);
    tcase_add_test(tcase, a_body_for_which_memory_ends_is_503_and_never_half_read);
    suite_add_tcase(suite, tcase);
    return suite;
}
