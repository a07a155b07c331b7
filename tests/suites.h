/* suites: the table of the suites in this test program, made by tools/list_suites.sh from the names of the test files. */
#ifndef JWTD_TESTS_SUITES_H
#define JWTD_TESTS_SUITES_H

#include <check.h>

struct suite_entry {
    const char *name; /* "pool" for test_pool.c */
    Suite *(*create)(void);
};

extern const struct suite_entry suites[]; /* ends with a NULL name */

#endif
