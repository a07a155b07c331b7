/* The alerts that ship. */
#include "support/server.h"

#include "jwtd/macros.h"

#include <check.h>

Suite *alerts_suite(void);

static const char *const checks[][5] = {
    { "/usr/bin/promtool", "check", "config", "config/prometheus/prometheus.yml" },
    { "/usr/bin/promtool", "check", "rules", "config/prometheus/alerts.yml" },
    { "/usr/bin/promtool", "test", "rules", "tests/prometheus/alerts_test.yml" },
    { "/usr/bin/promtool", "test", "rules", "tests/prometheus/alerts_of_days_test.yml" },
};

START_TEST(the_rules_are_right_by_themselves) {
    char output[16384];
    ck_assert_msg(command_run(checks[_i], NULL, output, sizeof output) == 0, "%s", output);
}
END_TEST

Suite *alerts_suite(void) {
    Suite *suite = suite_create("alerts");
    TCase *tcase = tcase_create("alerts");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, the_rules_are_right_by_themselves, 0, (int)ARRAY_LEN(checks));
    suite_add_tcase(suite, tcase);
    return suite;
}
