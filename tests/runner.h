/*
 * runner: what every test program offers to its tests.
 *
 * A test that cannot do its work here says so by SKIP_TEST, which ends it. The runner prints each skipped test with its reason,
 * and counts it as skipped, not as passed. A test that does all but a part of its work says which part by test_leaves_out; it is
 * printed, too, and the test counts as passed. Both work in the process that Check starts for a test, from each of its threads.
 */
#ifndef JWTD_TESTS_RUNNER_H
#define JWTD_TESTS_RUNNER_H

#include <stdbool.h>

/* For the body of a test only, since it returns. */
#define SKIP_TEST(reason)                                                                                                        \
    do {                                                                                                                         \
        test_skipped(__func__, (reason));                                                                                        \
        return;                                                                                                                  \
    } while (0)

/* `test` is the name of the test's function. Several runs of the same test with the same reason are printed once, with their
 * number. */
void test_skipped(const char *test, const char *reason);
void test_leaves_out(const char *test, const char *part);

/* Whether the program is built with the address or the thread sanitizer, which bring an allocator of their own and are slow. */
bool test_is_sanitized(void);

/* Whether the program runs under qemu-user (tools/arm64.sh says so in TEST_IS_EMULATED), whose /proc/self is about qemu, or
 * empty. */
bool test_is_emulated(void);

/* Whether a process can trace another (ptrace(2)): not under qemu-user. */
bool test_can_trace(void);

#endif
