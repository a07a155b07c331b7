#include "exchange_fixture.h"

#include "src/http/schema.h"

#include "jwtd/macros.h"
#include "jwtd/password_policy.h"

#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>

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
    fixture->route.body_format = schema != NULL ? BODY_JSON : BODY_NONE;
    if (schema != NULL)
        exchange->request.scratch = arena_alloc(&exchange->arena, schema->scratch_size);
    fixture->services.password_policy = (struct password_policy){ .min_length = 10, .service_name = text_of("jwtd") };
    exchange->body.bytes = arena_copy(&exchange->arena, body, strlen(body));
    exchange->body.len = exchange->body.size = strlen(body);
    return fixture;
}

#define FIFTY "12345678901234567890123456789012345678901234567890"
#define TEN_OBJECTS "{},{},{},{},{},{},{},{},{},{},"
#define MANY_OBJECTS TEN_OBJECTS TEN_OBJECTS TEN_OBJECTS TEN_OBJECTS TEN_OBJECTS TEN_OBJECTS "{},{},{},"
#define FIFTEEN_DEEP "[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]"

struct account {
    struct text email, new_password;
};

static const struct field account_fields[] = {
    { .name = "email", .type = FIELD_EMAIL, .required = true, .offset = offsetof(struct account, email) },
    { .name = "new_password", .type = FIELD_NEW_PASSWORD, .offset = offsetof(struct account, new_password) },
};
static const struct body_schema account_body = { account_fields, ARRAY_LEN(account_fields), false, sizeof(struct account),
                                                 "Account" };

struct profile {
    struct text email, current_password, name, metadata;
};

static const struct field profile_fields[] = {
    { .name = "email", .type = FIELD_EMAIL, .requires = "current_password", .offset = offsetof(struct profile, email) },
    { .name = "current_password", .type = FIELD_PASSWORD, .offset = offsetof(struct profile, current_password) },
    { .name = "name", .type = FIELD_LINE, .is_nullable = true, .max_len = 8, .offset = offsetof(struct profile, name) },
    { .name = "metadata", .type = FIELD_OBJECT, .max_len = 200, .offset = offsetof(struct profile, metadata) },
};
static const struct body_schema profile_body = { profile_fields, ARRAY_LEN(profile_fields), false, sizeof(struct profile),
                                                 "Profile" };

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

static const struct {
    const char *body;
    const char *name, *metadata; /* NULL: not there */
} profiles[] = {
    { "{}", NULL, NULL },
    { "", NULL, NULL },
    { "{\"name\":null}", "", NULL },
    { "{\"name\":\"\\u0639 A\\u030a\"}", "\xd8\xb9 A\xcc\x8a", NULL },
    { "{\"name\":\"<b>\\u202e&\"}", "<b>\xe2\x80\xae&", NULL }, /* whoever shows a name escapes it and isolates its direction */
    { "{ \"metadata\" : { } }", NULL, "{}" },
    { "{\"metadata\":{\"a\":[1.50, \"\\u00e9\\/\"],\n\"b\":null}}", NULL, "{\"a\":[1.50,\"\xc3\xa9/\"],\"b\":null}" },
    /* more objects than another body may have */
    { "{\"metadata\":{\"a\":[" MANY_OBJECTS "{}]}}", NULL, "{\"a\":[" MANY_OBJECTS "{}]}" },
};

START_TEST(a_name_may_be_null_and_an_object_is_kept_as_text) {
    struct exchange_fixture *fixture = create(json, &profile_body, profiles[_i].body);
    const struct profile *profile = fixture->exchange.request.scratch;
    ck_assert(schema_read_body(&fixture->exchange));
    ck_assert_pstr_eq(profile->name.bytes, profiles[_i].name);
    ck_assert_pstr_eq(profile->metadata.bytes, profiles[_i].metadata);
    ck_assert_uint_eq(profile->metadata.len, profiles[_i].metadata != NULL ? strlen(profiles[_i].metadata) : 0);
    exchange_fixture_destroy(fixture);
}
END_TEST

#define GOOD_EMAIL "\"email\":\"a@example.org\""
#define GOOD_PASSWORD "\"password\":\"x\""

static const struct {
    const struct body_schema *schema;
    const char *body;
    unsigned http_status;
    const char *problems; /* pointers and codes, in the order of the fields, with min or max */
} refused[] = {
    { &form_body, "{}", 422, "/email required /password required " },
    { &form_body, "", 422, "/email required /password required " },
    { &form_body, "{" GOOD_EMAIL "}", 422, "/password required " },
    { &form_body, "{" GOOD_EMAIL ",\"password\":null}", 422, "/password wrong_type " },
    { &form_body, "{" GOOD_EMAIL ",\"password\":1,\"flag\":\"true\"}", 422, "/password wrong_type /flag wrong_type " },
    { &form_body, "{" GOOD_EMAIL ",\"password\":\"\"}", 422, "/password too_short min=1 " },
    { &form_body, "{" GOOD_EMAIL ",\"password\":\"a\\u0000b\"}", 422, "/password contains_nul " },
    { &form_body, "{" GOOD_EMAIL "," GOOD_PASSWORD ",\"note\":\"\\u0000\"}", 422, "/note contains_nul " },
    { &form_body, "{\"email\":\"a\\u0000@example.org\"," GOOD_PASSWORD "}", 422, "/email contains_nul " },
    { &form_body, "{\"email\":\"a\"," GOOD_PASSWORD "}", 422, "/email invalid_email " },
    { &form_body, "{\"email\":\" \"," GOOD_PASSWORD "}", 422, "/email invalid_email " },
    { &form_body, "{" GOOD_EMAIL "," GOOD_PASSWORD ",\"note\":\"123456\"}", 422, "/note too_long max=5 " },
    { &form_body, "{" GOOD_EMAIL "," GOOD_PASSWORD ",\"note\":null}", 422, "/note wrong_type " },
    { &form_body, "[]", 422, " wrong_type " },
    { &account_body, "{\"email\":\"x\",\"new_password\":\"abc\"}", 422, "/email invalid_email /new_password too_short min=10 " },
    { &account_body, "{\"new_password\":\"\"}", 422, "/email required /new_password too_short min=10 " },
    { &account_body, "{" GOOD_EMAIL ",\"new_password\":\"1234567890\"}", 422, "/new_password too_common " },
    { &account_body, "{\"email\":\"Marie@example.org\",\"new_password\":\"a day for marie\"}", 422,
      "/new_password contains_email " },
    { &account_body, "{" GOOD_EMAIL ",\"new_password\":\"the jwtd of us\"}", 422, "/new_password contains_service " },
    { &profile_body, "{" GOOD_EMAIL "}", 422, "/current_password required " },
    { &profile_body, "{" GOOD_EMAIL ",\"current_password\":null}", 422, "/current_password wrong_type " },
    { &profile_body, "{\"email\":\"a\"}", 422, "/email invalid_email /current_password required " },
    { &profile_body, "{\"name\":\"\"}", 422, "/name too_short min=1 " },
    { &profile_body, "{\"name\":\"12345678\\u00e9\"}", 422, "/name too_long max=8 " },
    { &profile_body, "{\"name\":\"a\\tb\"}", 422, "/name control_character " },
    { &profile_body, "{\"name\":\"a\\u0085b\"}", 422, "/name control_character " },
    { &profile_body, "{\"name\":\"a\\u2028b\"}", 422, "/name control_character " },
    { &profile_body, "{\"name\":\"\\u0000\"}", 422, "/name contains_nul " },
    { &profile_body, "{\"name\":1,\"metadata\":[]}", 422, "/name wrong_type /metadata wrong_type " },
    { &profile_body, "{\"metadata\":\"{}\"}", 422, "/metadata wrong_type " },
    { &profile_body, "{\"metadata\":null}", 422, "/metadata wrong_type " },
    { &profile_body, "{\"metadata\":{\"a\":\"" FIFTY FIFTY FIFTY "1234567890123456789012345678901234567890123\"}}", 422,
      "/metadata too_long max=200 " },
    { &profile_body, "{\"metadata\":{\"a\":1,\"a\":1}}", 400, "" },
    { &profile_body, "{\"metadata\":{\"a\":\"\\u0000\"}}", 400, "" },
    { &profile_body, "{\"metadata\":{\"a\":1e999}}", 400, "" },
    { &profile_body, "{\"metadata\":{\"a\":" FIFTEEN_DEEP "}}", 400, "" },
    { &form_body, "{", 400, "" },
    { &form_body, " ", 400, "" },
    { &form_body, "{" GOOD_EMAIL "," GOOD_EMAIL "," GOOD_PASSWORD "}", 400, "" },
    { &form_body, "{} {}", 400, "" },
};

/* "POINTER CODE min=N " for each entry of `errors`. */
static void list_problems(const struct reply *reply, char found[256]) {
    struct json_object *problem = json_tokener_parse(reply->body.bytes);
    const struct json_object *errors = json_object_object_get(problem, "errors");
    found[0] = '\0';
    for (size_t i = 0; errors != NULL && i < json_object_array_length(errors); i++) {
        struct json_object *entry = json_object_array_get_idx(errors, i), *number;
        size_t len = strlen(found);
        snprintf(found + len, 256 - len, "%s %s ", json_object_get_string(json_object_object_get(entry, "pointer")),
                 json_object_get_string(json_object_object_get(entry, "code")));
        for (size_t n = 0; n < 2; n++) {
            const char *name = n == 0 ? "min" : "max", *detail = json_object_get_string(json_object_object_get(entry, "detail"));
            if (!json_object_object_get_ex(entry, name, &number))
                continue;
            len = strlen(found);
            snprintf(found + len, 256 - len, "%s=%s ", name, json_object_get_string(number));
            ck_assert(strstr(detail, json_object_get_string(number)) != NULL || strstr(detail, "not be empty") != NULL);
        }
    }
    json_object_put(problem);
}

START_TEST(a_body_that_breaks_the_schema_is_refused_with_everything_that_is_wrong) {
    struct exchange_fixture *fixture = create(json, refused[_i].schema, refused[_i].body);
    const struct reply *reply = &fixture->exchange.reply;
    char found[256];
    ck_assert(!schema_read_body(&fixture->exchange));
    ck_assert_uint_eq(reply->http_status, refused[_i].http_status);
    list_problems(reply, found);
    ck_assert_str_eq(found, refused[_i].problems);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(blanks_around_an_address_do_not_matter) {
    struct exchange_fixture *fixture = create(json, &form_body, "{\"email\":\" \\tAda@example.org  \",\"password\":\" x \"}");
    const struct form *form = fixture->exchange.request.scratch;
    ck_assert(schema_read_body(&fixture->exchange));
    ck_assert_str_eq(form->email.bytes, "Ada@example.org");
    ck_assert_uint_eq(form->email.len, strlen("Ada@example.org"));
    ck_assert_str_eq(form->password.bytes, " x ");
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(a_new_password_that_is_optional_and_absent_is_not_judged) {
    struct exchange_fixture *fixture = create(json, &account_body, "{" GOOD_EMAIL "}");
    const struct account *account = fixture->exchange.request.scratch;
    ck_assert(schema_read_body(&fixture->exchange));
    ck_assert_ptr_null(account->new_password.bytes);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(without_a_body_a_media_type_is_not_asked_for) {
    static const struct fixture_header none[] = { { NULL, NULL } };
    struct exchange_fixture *fixture = create(none, &form_body, "");
    char found[256];
    ck_assert(!schema_read_body(&fixture->exchange));
    list_problems(&fixture->exchange.reply, found);
    ck_assert_str_eq(found, "/email required /password required ");
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

#define EIGHT_A "aaaaaaaa"
#define SIXTY_FOUR_A EIGHT_A EIGHT_A EIGHT_A EIGHT_A EIGHT_A EIGHT_A EIGHT_A EIGHT_A

/* What has come of a body that is too large; `note` may have 5 bytes, each written as six at most. */
static const struct {
    const char *beginning, *problems;
    unsigned http_status;
} too_large[] = {
    { "{" GOOD_EMAIL ",\"note\":\"" SIXTY_FOUR_A, "/note too_long max=5 ", 422 },
    { "{\"note\":\"" EIGHT_A EIGHT_A, "", 413 },
    { "{\"other\":\"" SIXTY_FOUR_A, "", 413 },
    { "{\"flag\":\"" SIXTY_FOUR_A, "", 413 },
    { "{\"note\":\"x\",\"other\":[\"" SIXTY_FOUR_A, "", 413 },
    { SIXTY_FOUR_A, "", 413 },
};

START_TEST(of_a_body_over_the_limit_the_member_that_is_too_long_is_named_when_it_is_known) {
    struct exchange_fixture *fixture = create(json, &form_body, too_large[_i].beginning);
    char found[256];
    fixture->exchange.body.dropped = 1;
    ck_assert(!schema_read_body(&fixture->exchange));
    ck_assert_uint_eq(fixture->exchange.reply.http_status, too_large[_i].http_status);
    list_problems(&fixture->exchange.reply, found);
    ck_assert_str_eq(found, too_large[_i].problems);
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
    tcase_add_loop_test(tcase, a_name_may_be_null_and_an_object_is_kept_as_text, 0, (int)ARRAY_LEN(profiles));
    tcase_add_loop_test(tcase, a_body_that_breaks_the_schema_is_refused_with_everything_that_is_wrong, 0,
                        (int)ARRAY_LEN(refused));
    tcase_add_test(tcase, blanks_around_an_address_do_not_matter);
    tcase_add_test(tcase, a_new_password_that_is_optional_and_absent_is_not_judged);
    tcase_add_test(tcase, without_a_body_a_media_type_is_not_asked_for);
    tcase_add_loop_test(tcase, a_body_is_json_by_its_media_type_or_refused, 0, (int)ARRAY_LEN(media_types));
    tcase_add_test(tcase, no_body_is_the_same_as_an_empty_object_where_it_is_optional);
    tcase_add_test(tcase, a_route_without_a_body_reads_none);
    tcase_add_loop_test(tcase, a_body_over_the_limit_is_refused_whatever_the_route, 0, 2);
    tcase_add_loop_test(tcase, of_a_body_over_the_limit_the_member_that_is_too_long_is_named_when_it_is_known, 0,
                        (int)ARRAY_LEN(too_large));
    tcase_add_test(tcase, a_body_for_which_memory_ends_is_503_and_never_half_read);
    suite_add_tcase(suite, tcase);
    return suite;
}
