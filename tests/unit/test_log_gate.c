#include "src/http/log_gate.h"

#include "jwtd/clock.h"

#include <check.h>

Suite *log_gate_suite(void);

START_TEST(one_line_a_second_passes_and_all_are_counted) {
    struct log_gate gate = { .count = 0 };
    int64_t now_us = 5;
    unsigned count, passed = 0;
    for (unsigned i = 1; i <= 3000; i++, now_us += 1000) {
        passed += log_gate_pass(&gate, now_us, &count);
        ck_assert_uint_eq(count, i);
    }
    ck_assert_uint_eq(passed, 3);
}
END_TEST

Suite *log_gate_suite(void) {
    Suite *suite = suite_create("log_gate");
    TCase *tcase = tcase_create("log_gate");
    tcase_add_test(tcase, one_line_a_second_passes_and_all_are_counted);
    suite_add_tcase(suite, tcase);
    return suite;
}
