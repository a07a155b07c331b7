/* GET /openapi.json as clients get it, and the addresses that server.public_url makes absolute. */
#include "support/http.h"
#include "support/raw.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *document_suite(void);

#define DOCUMENT_SIZE 262144

START_TEST(the_document_is_served_to_scripts_of_every_origin_and_once_to_each_client) {
    char tag[64], line[96], value[64];
    struct reply reply = http_send(&shared_server, "GET", "/openapi.json", NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(json_string_at(reply.json, "openapi"), "3.1.0");
    ck_assert_str_eq(http_header(&reply, "Access-Control-Allow-Origin", value, sizeof value), "*");
    ck_assert_str_ne(http_header(&reply, "ETag", tag, sizeof tag), "");
    snprintf(line, sizeof line, "If-None-Match: %s", tag);
    struct reply again = http_send(&shared_server, "GET", "/openapi.json", (const char *const[]){ line, NULL }, NULL);
    ck_assert_int_eq(again.status, 304);
    ck_assert_uint_eq(again.body_len, 0);
    http_free(&again);
    http_free(&reply);
}
END_TEST

/* What checks the kept document, and who has no service to ask. */
START_TEST(the_command_prints_what_is_served) {
    static char printed[DOCUMENT_SIZE];
    const char *const words[] = { "openapi", NULL };
    ck_assert_int_eq(program_run(words, NULL, printed, sizeof printed), 0);
    printed[strcspn(printed, "\n")] = '\0';
    struct reply reply = http_send(&shared_server, "GET", "/openapi.json", NULL, NULL);
    ck_assert_str_eq(reply.body, printed);
    http_free(&reply);
}
END_TEST

START_TEST(a_service_that_knows_its_address_says_it) {
    struct server server = server_start((const char *const[]){ "server.public_url=https://auth.example.com", NULL });
    struct reply problem = http_send(&server, "GET", "/auth/me", NULL, NULL);
    ck_assert_str_eq(http_member(&problem, "type"), "https://auth.example.com/docs#missing_token");
    http_free(&problem);
    struct reply document = http_send(&server, "GET", "/openapi.json", NULL, NULL);
    struct json_object *entry = json_object_array_get_idx(json_object_object_get(document.json, "servers"), 0);
    ck_assert_str_eq(json_string_at(entry, "url"), "https://auth.example.com");
    http_free(&document);
    server_finish(&server);
}
END_TEST

START_TEST(a_service_without_docs_has_no_document) {
    struct server server = server_start((const char *const[]){ "docs.enabled=false", NULL });
    expect_problem(http_send(&server, "GET", "/openapi.json", NULL, NULL), 404, "not_found");
    expect_problem(http_send(&server, "GET", "/docs", NULL, NULL), 404, "not_found");
    server_finish(&server);
}
END_TEST

Suite *document_suite(void) {
    Suite *suite = suite_create("document");
    TCase *shared = tcase_create("shared");
    tcase_set_timeout(shared, 60);
    tcase_add_unchecked_fixture(shared, shared_server_start, shared_server_finish);
    tcase_add_test(shared, the_document_is_served_to_scripts_of_every_origin_and_once_to_each_client);
    tcase_add_test(shared, the_command_prints_what_is_served);
    suite_add_tcase(suite, shared);
    TCase *own = tcase_create("own");
    tcase_set_timeout(own, 60);
    tcase_add_test(own, a_service_that_knows_its_address_says_it);
    tcase_add_test(own, a_service_without_docs_has_no_document);
    suite_add_tcase(suite, own);
    return suite;
}
