#include "jwtd/macros.h"
#include "jwtd/role.h"

#include <check.h>

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

Suite *role_suite(void) {
    Suite *suite = suite_create("role");
    TCase *tests = tcase_create("role");
    tcase_add_loop_test(tests, a_role_is_plain_and_needs_no_escape_in_a_header_or_in_json, 0, (int)ARRAY_LEN(roles));
    suite_add_tcase(suite, tests);
    return suite;
}
