/* The load tester against this service, each of its scenarios once: its requests and the replies that it expects are the
 * service's.
 */
#include "support/database.h"
#include "support/server.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *failpoint_suite(void);

#define OUTPUT_SIZE 4096

static char output[OUTPUT_SIZE];

static const char *const scenarios[] = { "register", "login", "refresh", "me", "verify", "mixed", "session" };

START_TEST(a_scenario_holds) {
    const char *const words[] = { "hold",   shared_server.url, "--scenario", scenarios[_i], "--rate", "10",    "--duration",
                                  "2s",     "--think",         "10ms",       "--sessions",  "8",      "--out", "/dev/null",
                                  "--html", "/dev/null",       "--quiet",    NULL };
    int code = failpoint_run(words, output, sizeof output);
    ck_assert_msg(code == 0, "%s: %d: %s", scenarios[_i], code, output);
}
END_TEST

/* With addresses that are not registered yet. */
START_TEST(accounts_are_registered_however_few_they_are) {
    static const int counts[] = { 1, 2, 7, 20 };
    char emails[64], pattern[64], count[16];
    snprintf(count, sizeof count, "%d", counts[_i]);
    snprintf(emails, sizeof emails, "few-%d-%d-{}@example.org", (int)getpid(), counts[_i]);
    snprintf(pattern, sizeof pattern, "few-%d-%d-%%", (int)getpid(), counts[_i]);
    const char *const words[] = { "hold",  shared_server.url, "--rate", "10",        "--duration",
                                  "1s",    "--accounts",      count,    "--email",   emails,
                                  "--out", "/dev/null",       "--html", "/dev/null", "--quiet",
                                  NULL };
    int code = failpoint_run(words, output, sizeof output);
    ck_assert_msg(code == 0, "%d: %s", code, output);
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email LIKE $1", pattern), counts[_i]);
}
END_TEST

START_TEST(seeded_accounts_can_log_in) {
    char emails[64], pattern[64];
    snprintf(emails, sizeof emails, "seed-%d-{}@example.org", (int)getpid());
    snprintf(pattern, sizeof pattern, "seed-%d-%%", (int)getpid());
    const char *owner = getenv("JWTD_TEST_OWNER_DATABASE");
    ck_assert_ptr_nonnull(owner);
    const char *const seed[] = { "seed", shared_server.url, "--pg", owner, "--accounts", "500", "--email", emails, NULL };
    int code = failpoint_run(seed, output, sizeof output);
    ck_assert_msg(code == 0, "%d: %s", code, output);
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email LIKE $1", pattern), 500);
    const char *const words[] = { "hold",      shared_server.url, "--rate", "50",       "--duration", "2s",        "--accounts",
                                  "500",       "--email",         emails,   "--seeded", "--out",      "/dev/null", "--html",
                                  "/dev/null", "--quiet",         NULL };
    code = failpoint_run(words, output, sizeof output);
    ck_assert_msg(code == 0, "%d: %s", code, output);
}
END_TEST

static void start(void) {
    shared_server = server_start((const char *const[]){ "limit.enabled=false", NULL });
}

Suite *failpoint_suite(void) {
    Suite *suite = suite_create("failpoint");
    TCase *tcase = tcase_create("failpoint");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, shared_server_finish);
    tcase_add_loop_test(tcase, a_scenario_holds, 0, ARRAY_LEN(scenarios));
    tcase_add_loop_test(tcase, accounts_are_registered_however_few_they_are, 0, 4);
    tcase_add_test(tcase, seeded_accounts_can_log_in);
    suite_add_tcase(suite, tcase);
    return suite;
}
