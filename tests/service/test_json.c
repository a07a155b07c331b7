#include "support/account.h"
#include "support/database.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *json_suite(void);

/* ---- every field of every endpoint, with everything that it does not accept ---- */

struct field_case {
    const char *method, *path;
    const char *before, *name, *after; /* of the body, around the field's value */
    bool with_token;
    bool optional; /* may be absent */
};

#define GOOD_PASSWORD "\"a long enough passphrase\""

static const struct field_case fields[] = {
    { "POST", "/auth/register", "{\"password\":" GOOD_PASSWORD, "email", "}", false, false },
    { "POST", "/auth/register", "{\"email\":\"json-fields@example.org\"", "password", "}", false, false },
    { "POST", "/auth/login", "{\"password\":" GOOD_PASSWORD, "email", "}", false, false },
    { "POST", "/auth/login", "{\"email\":\"json-fields@example.org\"", "password", "}", false, false },
    { "POST", "/auth/refresh", "{\"x\":1", "refresh_token", "}", false, false },
    { "POST", "/auth/logout", "{\"x\":1", "refresh_token", "}", true, true },
    { "POST", "/auth/logout", "{\"x\":1", "all", "}", true, true },
    { "PATCH", "/auth/me", "{\"current_password\":" GOOD_PASSWORD, "email", "}", true, true },
    { "PATCH", "/auth/me", "{\"email\":\"json-moved@example.org\"", "current_password", "}", true, false },
    { "DELETE", "/auth/me", "{\"x\":1", "current_password", "}", true, false },
    { "POST", "/auth/password", "{\"new_password\":\"quite another passphrase\"", "current_password", "}", true, false },
    { "POST", "/auth/password", "{\"current_password\":" GOOD_PASSWORD, "new_password", "}", true, false },
};
#define FIELD_COUNT ((int)ARRAY_LEN(fields))

static const char *const wrong_values[] = { "null", "true", "42", "1.5", "[]", "{}", "\"\"", "[\"x\"]", NULL /* absent */ };
#define VALUE_COUNT ((int)ARRAY_LEN(wrong_values))

static struct account shared_account;
static struct tokens shared_tokens;

static void start(void) {
    shared_server_start();
    shared_account = account_register(&shared_server);
    shared_tokens = account_login(&shared_server, &shared_account);
}

static bool is_right(const struct field_case *field, const char *value) {
    bool is_flag = strcmp(field->name, "all") == 0 && value != NULL && strcmp(value, "true") == 0;
    return is_flag || (value == NULL && field->optional);
}

/* Each field with each value that is wrong for it; of these pairs the one with this index is returned, and how many there are. */
static int pick_wrong(int index, const struct field_case **field, const char **value) {
    int count = 0;
    for (int i = 0; i < FIELD_COUNT * VALUE_COUNT; i++) {
        if (is_right(&fields[i / VALUE_COUNT], wrong_values[i % VALUE_COUNT]))
            continue;
        if (count++ == index) {
            *field = &fields[i / VALUE_COUNT];
            *value = wrong_values[i % VALUE_COUNT];
        }
    }
    return count;
}

START_TEST(a_field_of_the_wrong_kind_is_refused_and_nothing_is_stored) {
    const struct field_case *field;
    const char *value;
    char body[BODY_SIZE];
    pick_wrong(_i, &field, &value);
    if (value == NULL)
        snprintf(body, sizeof body, "%s%s", field->before, field->after);
    else
        snprintf(body, sizeof body, "%s,\"%s\":%s%s", field->before, field->name, value, field->after);
    struct reply reply =
        http_json(&shared_server, field->method, field->path, field->with_token ? shared_tokens.access : NULL, body);
    assert_problem(&reply, 422, "validation_failed");
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/%s", field->name);
    const struct json_object *error = json_object_array_get_idx(json_object_object_get(reply.json, "errors"), 0);
    ck_assert_str_eq(json_string_at(error, "pointer"), pointer);
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email LIKE $1", "json-%"), 0);
    ck_assert_int_eq(me_status(&shared_server, shared_tokens.access), 200);
    http_free(&reply);
}
END_TEST

/* ---- texts that are no JSON, or no body of ours ---- */

static const struct {
    const char *bytes;
    size_t len;
    long status;
} texts[] = {
#define TEXT(text, status)                                                                                                       \
    { text, sizeof(text) - 1, status }
    TEXT("", 422),
    TEXT("{", 400),
    TEXT("{}x", 400),
    TEXT("{} {}", 400),
    TEXT("{\"a\":1,}", 400),
    TEXT("{'a':1}", 400),
    TEXT("{\"a\":NaN}", 400),
    TEXT("{\"a\":Infinity}", 400),
    TEXT("{\"a\":01}", 400),
    TEXT("{\"a\":+1}", 400),
    TEXT("{\"a\":1e999}", 400),
    TEXT("{\"a\":tru}", 400),
    TEXT("/* c */{}", 400),
    TEXT("{\"a\":\"\x01\"}", 400),
    TEXT("{\"a\":\"\t\"}", 400),
    TEXT("{\"a\":1,\"a\":2}", 400),
    TEXT("{\"email\":\"a@b.org\",\"email\":\"c@d.org\",\"password\":\"a long enough passphrase\"}", 400),
    TEXT("{\"a\":{\"b\":1,\"b\":2}}", 400),
    TEXT("{\"a\":\"\xc0\xaf\"}", 400),
    TEXT("{\"a\":\"\xed\xa0\x80\"}", 400),
    TEXT("{\"a\":\"\xff\"}", 400),
    TEXT("{\"a\":\"\\ud800\"}", 400),
    TEXT("{\"a\":\"\\udc00\"}", 400),
    TEXT("{\"a\":\"\\u0000\"}", 422),
    TEXT("{\"a\\u0000\":1}", 400),
    TEXT("{\"a\":[\"\\u0000\"]}", 400),
    TEXT("{\"a\":1}\0", 400),
    TEXT("\xef\xbb\xbf{}", 400),
    TEXT("{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", 400),
    TEXT("{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}", 422),
    TEXT("{\"a\":\"[[[[[[[[[[[[[[[[[[[[\"}", 422),
    TEXT("{\"a\":\"\\ud83d\\ude00\"}", 422),
    TEXT("[]", 422),
    TEXT("[{\"email\":\"a@b.org\"}]", 422),
    TEXT("\"x\"", 400),
    TEXT("null", 400),
    TEXT(" {} ", 422),
#undef TEXT
};

/* Nothing that is stored or compared may end in the middle. */
START_TEST(nul_in_a_text_is_refused_at_its_member_and_stores_nothing) {
    const struct field_case *field = &fields[_i];
    char body[BODY_SIZE], pointer[64];
    snprintf(body, sizeof body, "%s,\"%s\":\"json-nul@example.org\\u0000 and more\"%s", field->before, field->name, field->after);
    snprintf(pointer, sizeof pointer, "/%s", field->name);
    struct reply reply =
        http_json(&shared_server, field->method, field->path, field->with_token ? shared_tokens.access : NULL, body);
    expect_problem_at(reply, 422, "validation_failed", pointer, strcmp(field->name, "all") == 0 ? "wrong_type" : "contains_nul");
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email LIKE $1", "json-%"), 0);
}
END_TEST

START_TEST(what_is_not_strictly_json_is_refused) {
    const char *const headers[] = { "Content-Type: application/json", NULL };
    struct reply reply = http_send_bytes(&shared_server, "POST", "/auth/login", headers, texts[_i].bytes, texts[_i].len);
    ck_assert_msg(reply.status == texts[_i].status, "%s: %ld", texts[_i].bytes, reply.status);
    assert_problem(&reply, texts[_i].status, texts[_i].status == 400 ? "invalid_json" : "validation_failed");
    http_free(&reply);
}
END_TEST

START_TEST(a_body_of_more_than_64_objects_and_arrays_is_refused) {
    static const size_t counts[] = { 63, 64, 2000 };
    for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
        size_t count = counts[c];
        struct json_object *list = json_object_new_array();
        for (size_t i = 0; i < count; i++)
            json_object_array_add(list, json_object_new_object());
        struct reply reply = http_json(&shared_server, "POST", "/auth/login", NULL, json_object_to_json_string(list));
        assert_problem(&reply, count < 64 ? 422 : 400, count < 64 ? "validation_failed" : "invalid_json");
        http_free(&reply);
        json_object_put(list);
    }
}
END_TEST

START_TEST(members_that_nobody_asked_for_do_nothing) {
    struct account account = account_new();
    char body[BODY_SIZE];
    snprintf(body, sizeof body,
             "{\"email\":\"%s\",\"password\":\"" PASSWORD "\",\"roles\":[\"admin\"],\"role\":\"admin\",\"id\":"
             "\"01a1fb20-4e0e-7d54-9961-6bfafcff7e27\",\"disabled_at\":null,\"password_version\":9}",
             account.email);
    struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, body);
    ck_assert_int_eq(reply.status, 201);
    ck_assert_uint_eq(json_object_array_length(json_object_object_get(reply.json, "roles")), 0);
    ck_assert_str_ne(http_member(&reply, "id"), "01a1fb20-4e0e-7d54-9961-6bfafcff7e27");
    http_free(&reply);
}
END_TEST

static const struct {
    const char *header;
    long status;
} types[] = {
    { "Content-Type: application/json", 401 },
    { "Content-Type: application/json; charset=utf-8", 401 },
    { "Content-Type: Application/JSON;charset=\"UTF-8\"", 401 },
    { "Content-Type: application/json; charset=latin1", 415 },
    { "Content-Type: application/jsonx", 415 },
    { "Content-Type: text/plain", 415 },
    { "Content-Type: application/x-www-form-urlencoded", 415 },
    { "Content-Type:", 415 },
    { "Content-Type: application/json\r\nContent-Encoding: gzip", 415 },
};

START_TEST(only_json_is_taken) {
    struct account account = account_new();
    char body[BODY_SIZE];
    struct reply reply = http_send(&shared_server, "POST", "/auth/login", (const char *const[]){ types[_i].header, NULL },
                                   credentials(&account, PASSWORD, body));
    ck_assert_msg(reply.status == types[_i].status, "%s: %ld", types[_i].header, reply.status);
    http_free(&reply);
}
END_TEST

static const char *const not_addresses[] = {
    "a",         "@b.org",   "a@",       "a@b@c.org", "a b@c.org",       "a@b c.org", "a@b\\r\\nBcc: x@y.org",
    "<a@b.org>", "a@-b.org", "a@b..org", ".a@b.org",  "\\\"a\\\"@b.org", "a@b.org\\n"
};

START_TEST(what_is_no_address_is_refused) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"" PASSWORD "\"}", not_addresses[_i]);
    struct reply reply = http_json(&shared_server, "POST", "/auth/register", NULL, body);
    assert_problem(&reply, 422, "validation_failed");
    const struct json_object *error = json_object_array_get_idx(json_object_object_get(reply.json, "errors"), 0);
    ck_assert_str_eq(json_string_at(error, "code"), "invalid_email");
    http_free(&reply);
}
END_TEST

START_TEST(text_that_means_something_elsewhere_means_nothing_here) {
    struct account account = { .id = "" }, unique = account_new();
    char body[BODY_SIZE];
    snprintf(account.email, sizeof account.email, "x'%%s%%n--%.80s", unique.email);
    struct reply reply =
        http_json(&shared_server, "POST", "/auth/register", NULL, credentials(&account, "'); DROP TABLE users; -- %n%s", body));
    ck_assert_int_eq(reply.status, 201);
    ck_assert_str_eq(http_member(&reply, "email"), account.email);
    http_free(&reply);
    account_login_with(&shared_server, &account, "'); DROP TABLE users; -- %n%s");
}
END_TEST

Suite *json_suite(void) {
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, shared_server_finish);
    tcase_add_loop_test(tcase, a_field_of_the_wrong_kind_is_refused_and_nothing_is_stored, 0, pick_wrong(-1, NULL, NULL));
    tcase_add_loop_test(tcase, nul_in_a_text_is_refused_at_its_member_and_stores_nothing, 0, FIELD_COUNT);
    tcase_add_loop_test(tcase, what_is_not_strictly_json_is_refused, 0, (int)ARRAY_LEN(texts));
    tcase_add_test(tcase, a_body_of_more_than_64_objects_and_arrays_is_refused);
    tcase_add_test(tcase, members_that_nobody_asked_for_do_nothing);
    tcase_add_loop_test(tcase, only_json_is_taken, 0, (int)ARRAY_LEN(types));
    tcase_add_loop_test(tcase, what_is_no_address_is_refused, 0, (int)ARRAY_LEN(not_addresses));
    tcase_add_test(tcase, text_that_means_something_elsewhere_means_nothing_here);
    suite_add_tcase(suite, tcase);
    return suite;
}
