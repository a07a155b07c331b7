#include "exchange_fixture.h"

#include "src/http/query.h"

#include "jwtd/macros.h"

Suite *query_suite(void);

#define LONG_VALUE "0123456789012345678901234567890123456789"

static struct exchange_fixture *fixture;
static const char *wrong;

static void set_up(void) {
    static const struct fixture_header none = { NULL, NULL };
    fixture = exchange_fixture_create(&none);
    fixture->route.query[0] = (struct query_parameter){ .name = "role", .repeated = true, .max_len = 8 };
    fixture->route.query[1] = (struct query_parameter){ .name = "after", .max_len = 32 };
}

static void tear_down(void) {
    exchange_fixture_destroy(fixture);
}

static const struct {
    const char *target;
    enum status status;
    const char *roles[3], *after; /* NULL: none */
} targets[] = {
    { "/x", STATUS_OK, { NULL }, NULL },
    { "/x?", STATUS_OK, { NULL }, NULL },
    { "/x?role=admin", STATUS_OK, { "admin" }, NULL },
    { "http://host/x?role=admin", STATUS_OK, { "admin" }, NULL },
    { "/x?role=admin&role=b&after=c", STATUS_OK, { "admin", "b" }, "c" },
    { "/x?role", STATUS_OK, { "" }, NULL },
    { "/x?role=", STATUS_OK, { "" }, NULL },
    { "/x?&&role=a&", STATUS_OK, { "a" }, NULL },
    { "/x?role=a=b", STATUS_OK, { "a=b" }, NULL },
    { "/x?role=a?b", STATUS_OK, { "a?b" }, NULL },
    { "/x?after=a+b%20c%2Bd%2bE", STATUS_OK, { NULL }, "a b c+d+E" },
    { "/x?after=%C3%A9", STATUS_OK, { NULL }, "\xc3\xa9" },
    { "/x?role=12345678", STATUS_OK, { "12345678" }, NULL },
    { "/x?role=%31%32%33%34%35%36%37%38", STATUS_OK, { "12345678" }, NULL },
    { "/x?Role=a&roles=c&ro=d&+role=e&role%00=f&%zz=g", STATUS_OK, { NULL }, NULL },
    { "/x?%72ole=a&r%6Fl%65=b", STATUS_OK, { "a", "b" }, NULL }, /* or a role that a proxy asks for would not be required */
    { "/x?other=%zz%00&role=a&after" LONG_VALUE, STATUS_OK, { "a" }, NULL },
    { "/x?role=123456789", STATUS_INVALID_PARAMETER, { NULL }, NULL },
    { "/x?after=" LONG_VALUE, STATUS_INVALID_PARAMETER, { NULL }, NULL },
    { "/x?after=a&after=a", STATUS_INVALID_PARAMETER, { NULL }, "a" },
    { "/x?after=%", STATUS_INVALID_PARAMETER, { NULL }, NULL },
    { "/x?after=%4", STATUS_INVALID_PARAMETER, { NULL }, NULL },
    { "/x?after=%4g", STATUS_INVALID_PARAMETER, { NULL }, NULL },
    { "/x?after=a%00b", STATUS_INVALID_PARAMETER, { NULL }, NULL },
    { "/x?after=%ff", STATUS_INVALID_PARAMETER, { NULL }, NULL },
    { "/x?after=%ed%a0%80", STATUS_INVALID_PARAMETER, { NULL }, NULL },
};

static void check_value(const char *name, size_t index, const char *expected) {
    struct text value = request_query(&fixture->exchange.request, name, index);
    if (expected == NULL) {
        ck_assert_ptr_null(value.bytes);
        return;
    }
    ck_assert_ptr_nonnull(value.bytes);
    ck_assert(text_equal(value, text_of(expected)));
}

START_TEST(declared_parameters_are_decoded_and_others_ignored) {
    ck_assert_int_eq(query_keep(&fixture->exchange, targets[_i].target), STATUS_OK);
    ck_assert_int_eq(query_read(&fixture->exchange, &wrong), targets[_i].status);
    if (targets[_i].status != STATUS_OK)
        ck_assert_str_eq(wrong, strncmp(targets[_i].target, "/x?role", strlen("/x?role")) == 0 ? "role" : "after");
    for (size_t i = 0; i < ARRAY_LEN(targets[_i].roles); i++)
        check_value("role", i, targets[_i].roles[i]);
    check_value("after", 0, targets[_i].after);
    check_value("after", 1, NULL);
}
END_TEST

START_TEST(more_values_than_a_request_keeps_are_refused) {
    static const char pair[] = "role=a&";
    char target[256] = "/x?";
    size_t len = strlen(target);
    for (int i = 0; i <= QUERY_VALUES_MAX; i++, len += sizeof pair - 1)
        memcpy(target + len, pair, sizeof pair);
    target[len - (sizeof pair - 1)] = '\0';
    ck_assert_int_eq(query_keep(&fixture->exchange, target), STATUS_OK);
    ck_assert_int_eq(query_read(&fixture->exchange, &wrong), STATUS_OK);
    check_value("role", QUERY_VALUES_MAX - 1, "a");
    fixture->exchange.request.query_count = 0;
    target[len - (sizeof pair - 1)] = pair[0];
    ck_assert_int_eq(query_keep(&fixture->exchange, target), STATUS_OK);
    ck_assert_int_eq(query_read(&fixture->exchange, &wrong), STATUS_INVALID_PARAMETER);
}
END_TEST

/* Which no role is: the proxy's client must cause neither an error nor that a role is not asked for. */
START_TEST(what_cannot_be_read_is_empty_on_a_route_for_proxies) {
    char target[256] = "/x?role=123456789&role=%zz&role=%00&after=b&after=c&role=a";
    fixture->route.is_for_proxies = true;
    ck_assert_int_eq(query_keep(&fixture->exchange, target), STATUS_OK);
    ck_assert_int_eq(query_read(&fixture->exchange, &wrong), STATUS_OK);
    for (size_t i = 0; i < 3; i++)
        check_value("role", i, "");
    check_value("role", 3, "a");
    check_value("after", 1, "");
}
END_TEST

START_TEST(a_value_too_many_is_empty_on_a_route_for_proxies) {
    fixture->route.is_for_proxies = true;
    ck_assert_int_eq(query_keep(&fixture->exchange, "/x?role=1&role=2&role=3&role=4&role=5&role=6&role=7&role=8&role=9"),
                     STATUS_OK);
    ck_assert_int_eq(query_read(&fixture->exchange, &wrong), STATUS_OK);
    check_value("role", QUERY_VALUES_MAX - 2, "7");
    check_value("role", QUERY_VALUES_MAX - 1, "");
}
END_TEST

/* A parameter that the row does not declare is not decoded either: a proxy may have appended it. */
START_TEST(a_route_without_parameters_takes_any_query) {
    memset(fixture->route.query, 0, sizeof fixture->route.query);
    ck_assert_int_eq(query_keep(&fixture->exchange, "/x?role=%zz&after=%00"), STATUS_OK);
    ck_assert_int_eq(query_read(&fixture->exchange, &wrong), STATUS_OK);
    ck_assert_uint_eq(fixture->exchange.request.query_count, 0);
}
END_TEST

Suite *query_suite(void) {
    Suite *suite = suite_create("query");
    TCase *tcase = tcase_create("query");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, declared_parameters_are_decoded_and_others_ignored, 0, (int)ARRAY_LEN(targets));
    tcase_add_test(tcase, more_values_than_a_request_keeps_are_refused);
    tcase_add_test(tcase, what_cannot_be_read_is_empty_on_a_route_for_proxies);
    tcase_add_test(tcase, a_value_too_many_is_empty_on_a_route_for_proxies);
    tcase_add_test(tcase, a_route_without_parameters_takes_any_query);
    suite_add_tcase(suite, tcase);
    return suite;
}
