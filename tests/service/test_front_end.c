/* The front end of examples/spa in Chromium. tests/browser/test_spa.mjs is the specification. */
#include "support/browser.h"
#include "support/server.h"

#include "tests/runner.h"

#include <check.h>
#include <stdio.h>

Suite *front_end_suite(void);

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
    browser_run("test_spa.mjs", (const char *const[]){ port, server.url, limited.url, NULL });
    server_finish(&limited);
    server_finish(&server);
}
END_TEST

Suite *front_end_suite(void) {
    Suite *suite = suite_create("front_end");
    TCase *tcase = tcase_create("browser");
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, the_example_logs_nobody_out_by_accident);
    suite_add_tcase(suite, tcase);
    return suite;
}
