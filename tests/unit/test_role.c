#include "jwtd/macros.h"
#include "jwtd/role.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *role_suite(void);

#define TEN "0123456789"

static const struct {
    const char *text;
    size_t len; /* 0: up to the NUL */
    bool good;
} roles[] = {
    { "admin", 0, true },
    { "A", 0, true },
    { "0", 0, true },
    { "_", 0, true },
    { "a.b_C:9-", 0, true },
    { TEN TEN TEN TEN TEN TEN "1234", 0, true },
    { TEN TEN TEN TEN TEN TEN "12345", 0, false },
    { "", 0, false },
    { "-", 0, false }, /* what X-Auth-Roles says when there is none */
    { "-a", 0, false },
    { ".a", 0, false },
    { ":a", 0, false },
    { "a b", 0, false },
    { "a,b", 0, false },
    { "a\"", 0, false },
    { "a\\", 0, false },
    { "a/b", 0, false },
    { "a\n", 0, false },
    { "gr\xc3\xb6\xc3\x9f", 0, false },
    { "a\0b", 3, false },
    { "a\x7f", 0, false },
};

START_TEST(a_role_is_plain_and_needs_no_escape_in_a_header_or_in_json) {
    struct text role = text_of(roles[_i].text);
    if (roles[_i].len > 0)
        role.len = roles[_i].len;
    ck_assert_msg(role_is_valid(role) == roles[_i].good, "%s", roles[_i].text);
}
END_TEST

static const struct {
    const char *array, *joined; /* the roles, each in angle brackets */
} arrays[] = {
    { "", "" },
    { "[]", "" },
    { "[\"admin\"]", "<admin>" },
    { "[\"admin\",\"a.b_C:9-\"]", "<admin><a.b_C:9->" },
    { "[\"\",\"a\"]", "<><a>" },
    { "[\"a,b\",\"]\"]", "<a,b><]>" },
    { "[\"a\\\"b\",\"c\\\\\"]", "<a\\\"b><c\\\\>" },
    { "[\"a\",\"b", "<a>" },
    { "[\"a\",\"b\\", "<a>" },
    { "[\"a\",\"b\\\"", "<a>" },
    { "\"", "" },
};

/* In memory of exactly the array's length, so that a sanitizer sees a byte read behind it. */
START_TEST(roles_are_iterated_in_their_order_and_never_beyond_the_array) {
    size_t len = strlen(arrays[_i].array);
    char joined[128] = "", *copy = malloc(len + (len == 0));
    ck_assert_ptr_nonnull(copy);
    struct text role, rest = { memcpy(copy, arrays[_i].array, len), len };
    while ((role = roles_next(&rest)).bytes != NULL) {
        size_t used = strlen(joined);
        ck_assert_uint_lt(used + role.len + 3, sizeof joined);
        (void)snprintf(joined + used, sizeof joined - used, "<%.*s>", (int)role.len, role.bytes);
    }
    ck_assert_str_eq(joined, arrays[_i].joined);
    ck_assert_ptr_null(roles_next(&rest).bytes);
    free(copy);
}
END_TEST

Suite *role_suite(void) {
    Suite *suite = suite_create("role");
    TCase *tests = tcase_create("role");
    tcase_add_loop_test(tests, a_role_is_plain_and_needs_no_escape_in_a_header_or_in_json, 0, (int)ARRAY_LEN(roles));
    tcase_add_loop_test(tests, roles_are_iterated_in_their_order_and_never_beyond_the_array, 0, (int)ARRAY_LEN(arrays));
    suite_add_tcase(suite, tests);
    return suite;
}
