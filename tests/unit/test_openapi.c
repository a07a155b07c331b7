#include "jwtd/macros.h"
#include "jwtd/openapi.h"
#include "jwtd/routes.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

Suite *openapi_suite(void);

static struct json_object *document_of(const struct route *rows, size_t count, const char *public_url) {
    struct openapi *openapi = openapi_create(rows, count, public_url);
    ck_assert_ptr_nonnull(openapi);
    struct json_object *document = json_tokener_parse(openapi_text(openapi).bytes);
    ck_assert_ptr_nonnull(document);
    openapi_destroy(openapi);
    return document;
}

/* The member at a path of names, NULL after the last; NULL: there is none. */
static struct json_object *at(struct json_object *object, const char *const *names) {
    for (; *names != NULL && object != NULL; names++)
        object = json_object_object_get(object, *names);
    return object;
}

#define AT(object, ...) at(object, (const char *const[]){ __VA_ARGS__, NULL })

static struct json_object *operation_of(struct json_object *document, const struct route *row) {
    static const char *const methods[] = {
        [METHOD_GET] = "get", [METHOD_POST] = "post", [METHOD_PATCH] = "patch", [METHOD_DELETE] = "delete", [METHOD_ANY] = "get"
    };
    char path[128];
    size_t len = strcspn(row->path, "*");
    snprintf(path, sizeof path, "%.*s%s", (int)len, row->path, row->path[len] == '*' ? "{path}" : "");
    return AT(document, "paths", path, methods[row->method]);
}

static bool has_string(struct json_object *array, const char *string) {
    for (size_t i = 0; i < json_object_array_length(array); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(array, i)), string) == 0)
            return true;
    return false;
}

/* The response itself, or the component that it refers to. */
static struct json_object *response_of(struct json_object *document, const struct route *row, unsigned http_status) {
    static const char prefix[] = "#/components/responses/";
    char name[16];
    snprintf(name, sizeof name, "%u", http_status);
    struct json_object *response = AT(operation_of(document, row), "responses", name);
    const char *reference = json_object_get_string(AT(response, "$ref"));
    return reference != NULL ? AT(document, "components", "responses", reference + sizeof prefix - 1) : response;
}

static struct json_object *codes_of(struct json_object *response) {
    struct json_object *parts = AT(response, "content", "application/problem+json", "schema", "allOf");
    return parts != NULL ? AT(json_object_array_get_idx(parts, 1), "properties", "code", "enum") : NULL;
}

START_TEST(every_row_is_an_operation_with_every_reply_and_every_code_that_it_may_answer) {
    struct json_object *document = document_of(routes, routes_count, "");
    for (size_t i = 0; i < routes_count; i++) {
        const char *type = routes[i].replies[0].content_type;
        if (type != NULL && strcmp(type, "*/*") == 0)
            continue;
        if (!route_is_at(&routes[i], LISTENER_PUBLIC)) {
            ck_assert_ptr_null(operation_of(document, &routes[i]));
            continue;
        }
        ck_assert_str_eq(json_object_get_string(AT(operation_of(document, &routes[i]), "operationId")), routes[i].name);
        for (size_t r = 0; r < ROUTE_REPLIES_MAX && routes[i].replies[r].http_status != 0; r++)
            ck_assert_ptr_nonnull(response_of(document, &routes[i], routes[i].replies[r].http_status));
        for (int status = STATUS_OK + 1; status < STATUS_COUNT; status++) {
            const struct status_info *info = status_info((enum status)status);
            struct json_object *codes = codes_of(response_of(document, &routes[i], info->http));
            bool is_there = codes != NULL && has_string(codes, info->name);
            ck_assert_msg(is_there == route_may_answer(&routes[i], (enum status)status), "%s %s", routes[i].path, info->name);
        }
    }
    json_object_put(document);
}
END_TEST

START_TEST(every_code_has_an_example) {
    struct json_object *document = document_of(routes, routes_count, "https://auth.example.com");
    for (int status = STATUS_OK + 1; status < STATUS_COUNT; status++) {
        const char *code = status_info((enum status)status)->name;
        struct json_object *problem = AT(document, "components", "examples", code, "value");
        char type[128];
        snprintf(type, sizeof type, "https://auth.example.com/docs#%s", code);
        ck_assert_str_eq(json_object_get_string(AT(problem, "code")), code);
        ck_assert_str_eq(json_object_get_string(AT(problem, "type")), type);
    }
    json_object_put(document);
}
END_TEST

static const struct {
    const char *public_url, *server;
} servers[] = {
    { "", "/" },
    { "https://auth.example.com", "https://auth.example.com" },
};

START_TEST(the_server_is_where_clients_find_it_or_where_the_document_came_from) {
    struct json_object *document = document_of(routes, routes_count, servers[_i].public_url);
    struct json_object *server = json_object_array_get_idx(AT(document, "servers"), 0);
    ck_assert_str_eq(json_object_get_string(AT(server, "url")), servers[_i].server);
    json_object_put(document);
}
END_TEST

START_TEST(the_tag_is_that_of_the_text) {
    struct openapi *first = openapi_create(routes, routes_count, ""), *second = openapi_create(routes, routes_count, "");
    struct openapi *other = openapi_create(routes, routes_count, "https://auth.example.com");
    ck_assert_str_eq(openapi_tag(first), openapi_tag(second));
    ck_assert_str_ne(openapi_tag(first), openapi_tag(other));
    openapi_destroy(first);
    openapi_destroy(second);
    openapi_destroy(other);
}
END_TEST

/* ---- rows made for the test ---- */

static const struct reply_member leaf_members[] = {
    { .name = "at", .type = REPLY_STRING, .nullable = true, .format = "date-time", .description = "x" },
    { .name = "kind",
      .type = REPLY_STRING,
      .optional = true,
      .values = (const char *const[]){ "a", "b", NULL },
      .description = "x" },
};
static const struct reply_schema leaf = { leaf_members, ARRAY_LEN(leaf_members), "Leaf" };
static const struct reply_member tree_members[] = {
    { .name = "leaves", .type = REPLY_ARRAY, .schema = &leaf, .description = "x" },
    { .name = "best", .type = REPLY_OBJECT, .schema = &leaf, .nullable = true, .description = "x" },
    { .name = "count", .type = REPLY_INTEGER, .description = "x", .example = "7" },
    { .name = "anything", .type = REPLY_OBJECT, .description = "x" },
};
static const struct reply_schema tree = { tree_members, ARRAY_LEN(tree_members), "Tree" };

static enum step_result unused_step(struct request *request) {
    (void)request;
    return STEP_DONE;
}

static const struct step step = { "x", ON_HTTP, .run = unused_step };

static const struct route get_tree = {
    .method = METHOD_ANY,
    .path = "/tree/*",
    .summary = "x",
    .name = "getTree",
    .group = GROUP_ACCOUNT,
    .access = ACCESS_OPTIONAL_BEARER,
    .limit = LIMIT_ACCOUNT,
    .query = { { .name = "limit", .min = 1, .max = 100, .description = "x", .example = "20" } },
    .headers = { "If-Match" },
    .steps = { &step },
    .replies = { { .http_status = 200, .schema = &tree, .headers = { "ETag" } } }
};

static const struct {
    const char *name, *json;
} members[] = {
    { "leaves", "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Leaf\"},\"description\":\"x\"}" },
    { "best", "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Leaf\"},{\"type\":\"null\"}],\"description\":\"x\"}" },
    { "count", "{\"type\":\"integer\",\"description\":\"x\",\"examples\":[7]}" },
    { "anything", "{\"type\":\"object\",\"additionalProperties\":true,\"description\":\"x\",\"examples\":[{}]}" },
};

struct form {
    struct text text, line, object;
    bool flag;
};

static const struct field fields[] = {
    FIELD(form, text, FIELD_TEXT, .required = true, .max_len = 9, .description = "x", .example = "y"),
    FIELD(form, line, FIELD_LINE, .is_nullable = true, .max_len = 9, .description = "x", .example = "y"),
    FIELD(form, object, FIELD_OBJECT, .max_len = 9, .description = "x", .example = "{\"a\":1}"),
    FIELD(form, flag, FIELD_BOOLEAN, .requires = "line", .description = "x"),
};
static const struct body_schema form_body = { fields, ARRAY_LEN(fields), false, sizeof(struct form), "FormRequest" };

static const struct {
    const char *name, *json;
} parts_of_form[] = {
    { "required", "[\"text\"]" },
    { "dependentRequired", "{\"flag\":[\"line\"]}" },
    { "properties",
      "{\"text\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":9,\"description\":\"x\",\"examples\":[\"y\"]},"
      "\"line\":{\"type\":[\"string\",\"null\"],\"minLength\":1,\"maxLength\":9,\"description\":\"x\",\"examples\":[\"y\"]},"
      "\"object\":{\"type\":\"object\",\"additionalProperties\":true,\"description\":\"x\",\"examples\":[{\"a\":1}]},"
      "\"flag\":{\"type\":\"boolean\",\"description\":\"x\",\"examples\":[true]}}" },
};

static void assert_json(struct json_object *object, const char *json) {
    ck_assert_str_eq(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), json);
}

START_TEST(a_member_becomes_the_schema_that_its_row_says) {
    struct json_object *document = document_of(&get_tree, 1, "");
    assert_json(AT(document, "components", "schemas", "Tree", "properties", members[_i].name), members[_i].json);
    json_object_put(document);
}
END_TEST

START_TEST(a_field_becomes_the_schema_that_its_row_says) {
    struct route post = get_tree;
    post.method = METHOD_POST;
    post.is_repeatable = true;
    post.body_format = BODY_JSON;
    post.body = &form_body;
    struct json_object *document = document_of(&post, 1, "");
    assert_json(AT(document, "components", "schemas", "FormRequest", parts_of_form[_i].name), parts_of_form[_i].json);
    json_object_put(document);
}
END_TEST

START_TEST(the_files_of_a_page_are_no_api) {
    struct route file = get_tree;
    file.replies[0] = (struct route_reply){ .http_status = 200, .content_type = "*/*" };
    struct json_object *document = document_of(&file, 1, "");
    assert_json(AT(document, "paths"), "{}");
    json_object_put(document);
}
END_TEST

START_TEST(null_and_missing_are_two_things) {
    struct json_object *document = document_of(&get_tree, 1, "");
    struct json_object *schema = AT(document, "components", "schemas", "Leaf");
    assert_json(AT(schema, "required"), "[\"at\"]");
    assert_json(AT(schema, "properties", "at", "type"), "[\"string\",\"null\"]");
    assert_json(AT(schema, "properties", "kind", "enum"), "[\"a\",\"b\"]");
    json_object_put(document);
}
END_TEST

START_TEST(what_openapi_has_no_word_for_is_an_extension) {
    struct json_object *document = document_of(&get_tree, 1, "");
    struct json_object *operation = AT(document, "paths", "/tree/{path}", "get");
    ck_assert(json_object_get_boolean(AT(operation, "x-any-method")));
    ck_assert(json_object_get_boolean(AT(operation, "x-any-path")));
    json_object_put(document);
}
END_TEST

START_TEST(who_may_call_without_a_token_may_also_come_with_one) {
    struct json_object *document = document_of(&get_tree, 1, "");
    assert_json(AT(document, "paths", "/tree/{path}", "get", "security"), "[{\"bearer\":[]},{}]");
    json_object_put(document);
}
END_TEST

START_TEST(every_reply_of_a_limited_route_may_say_what_is_left) {
    struct json_object *document = document_of(routes, routes_count, "");
    for (size_t i = 0; i < routes_count; i++)
        for (unsigned status = 200; routes[i].limit != LIMIT_NONE && status < 600; status++) {
            struct json_object *response = response_of(document, &routes[i], status);
            ck_assert_msg(response == NULL || (AT(response, "headers", "RateLimit") != NULL &&
                                               AT(response, "headers", "RateLimit-Policy") != NULL),
                          "%s %u", routes[i].path, status);
        }
    json_object_put(document);
}
END_TEST

START_TEST(an_example_of_a_reply_has_all_its_members) {
    struct json_object *document = document_of(&get_tree, 1, "");
    struct json_object *content = AT(document, "paths", "/tree/{path}", "get", "responses", "200", "content");
    assert_json(AT(content, "application/json", "example"),
                "{\"leaves\":[{\"at\":\"2026-11-22T10:00:00.000Z\",\"kind\":\"a\"}],"
                "\"best\":{\"at\":\"2026-11-22T10:00:00.000Z\",\"kind\":\"a\"},\"count\":7,\"anything\":{}}");
    json_object_put(document);
}
END_TEST

START_TEST(two_schemas_of_one_name_are_refused) {
    const struct reply_schema twin = { leaf_members, 1, "Tree" };
    struct route rows[] = { get_tree, get_tree };
    rows[1].path = "/other";
    rows[1].name = "getOther";
    rows[1].replies[0].schema = &twin;
    ck_assert_ptr_null(openapi_create(rows, ARRAY_LEN(rows), ""));
}
END_TEST

Suite *openapi_suite(void) {
    Suite *suite = suite_create("openapi");
    TCase *tcase = tcase_create("openapi");
    tcase_add_test(tcase, every_row_is_an_operation_with_every_reply_and_every_code_that_it_may_answer);
    tcase_add_test(tcase, every_code_has_an_example);
    tcase_add_loop_test(tcase, the_server_is_where_clients_find_it_or_where_the_document_came_from, 0, (int)ARRAY_LEN(servers));
    tcase_add_test(tcase, the_tag_is_that_of_the_text);
    tcase_add_loop_test(tcase, a_member_becomes_the_schema_that_its_row_says, 0, (int)ARRAY_LEN(members));
    tcase_add_loop_test(tcase, a_field_becomes_the_schema_that_its_row_says, 0, (int)ARRAY_LEN(parts_of_form));
    tcase_add_test(tcase, the_files_of_a_page_are_no_api);
    tcase_add_test(tcase, null_and_missing_are_two_things);
    tcase_add_test(tcase, what_openapi_has_no_word_for_is_an_extension);
    tcase_add_test(tcase, who_may_call_without_a_token_may_also_come_with_one);
    tcase_add_test(tcase, every_reply_of_a_limited_route_may_say_what_is_left);
    tcase_add_test(tcase, an_example_of_a_reply_has_all_its_members);
    tcase_add_test(tcase, two_schemas_of_one_name_are_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
