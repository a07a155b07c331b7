/* The load tester against this service, each of its scenarios once: its requests and the replies that it expects are the
 * service's.
 */
#include "support/database.h"
#include "support/server.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static const struct {
    const char *words[8], *says;
    int code;
} refused_runs[] = {
    { { "hold", "--rate", "5", "--users", "5" }, "hold takes --rate N or --users N", 2 },
    { { "soak", "--rate", "5", "--users", "5" }, "soak takes --rate N or --users N", 2 },
    { { "hold" }, "hold takes --rate N or --users N", 2 },
    { { "compare", "http://127.0.0.1:1", "--rate", "5", "--users", "5" }, "compare takes --rate N or --users N", 2 },
    { { "hold", "--rate", "5", "--out", "/nonexistent/x.json" }, "/nonexistent/x.json cannot be written", 2 },
    { { "hold", "--rate", "5", "--html", "/nonexistent/x.html" }, "/nonexistent/x.html cannot be written", 2 },
    { { "compare", "http://127.0.0.1:1", "--out", "/nonexistent/x.json" }, "/nonexistent/x.json cannot be written", 2 },
    { { "hold", "--rate", "5", "--out", "/dev/full", "--html", "/dev/null" }, "/dev/full cannot be written", 1 },
};

START_TEST(what_cannot_be_run_as_asked_or_not_recorded_fails) {
    const char *words[ARRAY_LEN(refused_runs[0].words) + 5] = { refused_runs[_i].words[0], shared_server.url, "--duration",
                                                                "1s" };
    for (size_t i = 1; i < ARRAY_LEN(refused_runs[0].words); i++)
        words[i + 3] = refused_runs[_i].words[i];
    int code = failpoint_run(words, output, sizeof output);
    ck_assert_msg(code == refused_runs[_i].code && strstr(output, refused_runs[_i].says) != NULL, "%d: %s", code, output);
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
    const char *const words[] = { "hold",      shared_server.url, "--rate", "10",       "--duration", "4s",        "--accounts",
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
    tcase_add_loop_test(tcase, what_cannot_be_run_as_asked_or_not_recorded_fails, 0, (int)ARRAY_LEN(refused_runs));
    tcase_add_loop_test(tcase, accounts_are_registered_however_few_they_are, 0, 4);
    tcase_add_test(tcase, seeded_accounts_can_log_in);
    suite_add_tcase(suite, tcase);
    return suite;
}
