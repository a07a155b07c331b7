#include "exchange_fixture.h"

#include "src/http/cors.h"

#include "jwtd/macros.h"

Suite *cors_suite(void);

#define ALLOWED "https://app.example.org"
#define HEADERS_MAX 3

static char *origins[] = { "https://other.example.org", ALLOWED };
static const struct route of_users = { .path = "/auth/me" }, of_proxies = { .path = "/auth/verify", .is_for_proxies = true };

static const char *find_in(const struct header_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->fields[i].name, name) == 0)
            return list->fields[i].value;
    return NULL;
}

static struct exchange_fixture *create(const struct fixture_header *headers, bool has_origins) {
    struct exchange_fixture *fixture = exchange_fixture_create(headers);
    if (has_origins)
        fixture->snapshot.config.cors.allowed_origins = (struct string_list){ .items = origins, .count = ARRAY_LEN(origins) };
    return fixture;
}

static const struct {
    const char *origin; /* NULL: none is sent */
    bool is_allowed;
} sent[] = {
    { ALLOWED, true },
    { NULL, false },
    { "", false },
    { "null", false },
    { "https://evil.example.org", false },
    { "https://app.example.org.evil.example", false },
    { "https://app.example.or", false },
    { "HTTPS://APP.EXAMPLE.ORG", false }, /* an origin is compared byte by byte */
    { ALLOWED " ", false },
};

START_TEST(only_a_listed_origin_may_read_a_reply) {
    struct fixture_header headers[] = { { sent[_i].origin != NULL ? "Origin" : NULL, sent[_i].origin }, { NULL, NULL } };
    struct exchange_fixture *fixture = create(headers, true);
    const struct header_list *list = &fixture->exchange.common_headers;
    ck_assert_int_eq(cors_add_headers(&fixture->exchange), STATUS_OK);
    ck_assert_str_eq(find_in(list, "Vary"), "Origin"); /* or a cache would give one origin's reply to another */
    const char *allowed = find_in(list, "Access-Control-Allow-Origin");
    ck_assert_int_eq(allowed != NULL, sent[_i].is_allowed);
    ck_assert(allowed == NULL || strcmp(allowed, sent[_i].origin) == 0);
    ck_assert_int_eq(find_in(list, "Access-Control-Expose-Headers") != NULL, sent[_i].is_allowed);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(without_listed_origins_nothing_is_added) {
    static const struct fixture_header headers[] = { { "Origin", ALLOWED }, { NULL, NULL } };
    struct exchange_fixture *fixture = create(headers, false);
    ck_assert_int_eq(cors_add_headers(&fixture->exchange), STATUS_OK);
    ck_assert_uint_eq(fixture->exchange.common_headers.count, 0);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(without_place_for_them_the_reply_is_not_sent) {
    static const struct fixture_header headers[] = { { "Origin", ALLOWED }, { NULL, NULL } };
    struct exchange_fixture *fixture = create(headers, true);
    fixture->exchange.common_headers.count = HEADER_LIST_MAX - 1;
    ck_assert_int_eq(cors_add_headers(&fixture->exchange), STATUS_INTERNAL);
    exchange_fixture_destroy(fixture);
}
END_TEST

static const struct {
    const char *method;
    const struct route *row; /* with this path; NULL: there is none */
    struct fixture_header headers[HEADERS_MAX];
    bool is_answered, is_allowed;
} preflights[] = {
    { "OPTIONS", &of_users, { { "Origin", ALLOWED }, { "Access-Control-Request-Method", "POST" } }, true, true },
    { "OPTIONS", &of_users, { { "Origin", "https://evil.org" }, { "Access-Control-Request-Method", "POST" } }, true, false },
    { "OPTIONS", &of_users, { { "Origin", ALLOWED } }, false, false },
    { "OPTIONS", &of_users, { { "Access-Control-Request-Method", "POST" } }, false, false },
    { "GET", &of_users, { { "Origin", ALLOWED }, { "Access-Control-Request-Method", "POST" } }, false, false },
    { "OPTIONS", NULL, { { "Origin", ALLOWED }, { "Access-Control-Request-Method", "POST" } }, false, false },
    { "OPTIONS", &of_proxies, { { "Origin", ALLOWED }, { "Access-Control-Request-Method", "POST" } }, false, false },
};

START_TEST(a_preflight_is_answered_and_passes_for_a_listed_origin) {
    struct exchange_fixture *fixture = create(preflights[_i].headers, true);
    struct exchange *exchange = &fixture->exchange;
    exchange->method = preflights[_i].method;
    exchange->allowed_path = preflights[_i].row;
    ck_assert_int_eq(cors_answer_preflight(exchange), preflights[_i].is_answered);
    ck_assert_uint_eq(exchange->reply.http_status, preflights[_i].is_answered ? 204 : 0);
    ck_assert_int_eq(find_in(&exchange->reply.headers, "Access-Control-Allow-Methods") != NULL, preflights[_i].is_allowed);
    ck_assert_int_eq(find_in(&exchange->reply.headers, "Access-Control-Allow-Headers") != NULL, preflights[_i].is_allowed);
    exchange_fixture_destroy(fixture);
}
END_TEST

Suite *cors_suite(void) {
    Suite *suite = suite_create("cors");
    TCase *tcase = tcase_create("cors");
    tcase_add_loop_test(tcase, only_a_listed_origin_may_read_a_reply, 0, (int)ARRAY_LEN(sent));
    tcase_add_test(tcase, without_listed_origins_nothing_is_added);
    tcase_add_test(tcase, without_place_for_them_the_reply_is_not_sent);
    tcase_add_loop_test(tcase, a_preflight_is_answered_and_passes_for_a_listed_origin, 0, (int)ARRAY_LEN(preflights));
    suite_add_tcase(suite, tcase);
    return suite;
}
