/* The front ends of examples: in Chromium, for which tests/browser/test_spa.mjs is the specification, and in TypeScript. */
#include "support/account.h"
#include "support/browser.h"
#include "support/server.h"

#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define OUTPUT_SIZE ((size_t)64 * 1024)

Suite *front_end_suite(void);

START_TEST(the_typed_example_compiles_with_the_types_of_the_api) {
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers check C");
    struct server server = server_start(NULL);
    static char output[OUTPUT_SIZE];
    const char *const words[] = { "/usr/bin/nice", "tools/typed_example.sh", server.url, NULL };
    int code = command_run(words, NULL, output, sizeof output);
    ck_assert_msg(code == 0, "%s", output);
    server_finish(&server);
}
END_TEST

START_TEST(the_example_logs_nobody_out_by_accident) {
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers check C");
    char port[16], origin[96];
    int page_port = find_free_port();
    snprintf(port, sizeof port, "%d", page_port);
    snprintf(origin, sizeof origin, "cors.allowed_origins=http://127.0.0.1:%d", page_port);
    struct server server = server_start((const char *const[]){ origin, "token.refresh_retry_window=2s", NULL });
    struct server limited = server_start_beside(
        &server, (const char *const[]){ origin, "limit.enabled=true", "limit.refresh=1/3s", "limit.login_failures=3/10h", NULL });
    struct account administrator = account_register(&server);
    char database[512], output[4096];
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const words[] = { "--set", database, "user", "set-roles", administrator.email, "admin", NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
    struct tokens tokens = account_login(&server, &administrator);
    browser_run("test_spa.mjs", (const char *const[]){ port, server.url, limited.url, tokens.access, NULL });
    server_finish(&limited);
    server_finish(&server);
}
END_TEST

Suite *front_end_suite(void) {
    Suite *suite = suite_create("front_end");
    TCase *tcase = tcase_create("browser");
    tcase_set_timeout(tcase, 400);
    tcase_add_test(tcase, the_typed_example_compiles_with_the_types_of_the_api);
    tcase_add_test(tcase, the_example_logs_nobody_out_by_accident);
    suite_add_tcase(suite, tcase);
    return suite;
}
