/* The end of the service in the middle of its work. */
#include "support/account.h"
#include "tests/runner.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

Suite *shutdown_suite(void);

#define CLIENTS 50

struct logins {
    const struct server *server;
    struct account account;
    long statuses[CLIENTS];
    bool has_tokens[CLIENTS];
};

static void log_in_or_stop(size_t index, void *context) {
    struct logins *logins = context;
    char body[BODY_SIZE];
    if (index == CLIENTS) {
        usleep(1000000);
        kill(logins->server->pid, SIGTERM);
        return;
    }
    const char *const headers[] = { "Content-Type: application/json", NULL };
    struct reply reply = http_try(logins->server, "POST", "/auth/login", headers, credentials(&logins->account, PASSWORD, body));
    logins->statuses[index] = reply.status;
    logins->has_tokens[index] = reply.status == 200 && http_member(&reply, "refresh_token")[0] != '\0';
    http_free(&reply);
}

START_TEST(fifty_logins_are_answered_in_full_and_valgrind_finds_nothing) {
    static const char *const valgrind[] = { "/usr/bin/valgrind",
                                            "--quiet",
                                            "--error-exitcode=99",
                                            "--leak-check=full",
                                            "--errors-for-leak-kinds=definite,indirect",
                                            NULL };
    if (test_is_sanitized())
        test_leaves_out(__func__, "valgrind, under which the sanitizers do not run");
    struct server keys = server_start(NULL);
    struct logins logins = { .account = account_register(&keys) };
    struct server server = server_start_wrapped(&keys, test_is_sanitized() ? NULL : valgrind,
                                                (const char *const[]){ "server.request_timeout=2m", "server.shutdown_grace=2m",
                                                                       "server.header_timeout=2m", "server.body_timeout=2m",
                                                                       "database.connections=2", NULL });
    logins.server = &server;
    run_parallel(CLIENTS + 1, log_in_or_stop, &logins);
    char *log = server_log(&server);
    ck_assert_msg(server_stop(&server, 0) == 0, "%s", log);
    for (size_t i = 0; i < CLIENTS; i++)
        ck_assert_msg(logins.statuses[i] == 200 && logins.has_tokens[i], "login %zu: %ld", i, logins.statuses[i]);
    free(log);
    server_finish(&keys);
}
END_TEST

START_TEST(without_its_database_the_service_ends_as_well) {
    struct server server = server_start_unready((const char *const[]){ "database.url=host=127.0.0.1 port=1 dbname=none", NULL });
    time_t begin = time(NULL);
    expect_status(http_send(&server, "GET", "/health/ready", NULL, NULL), 503);
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    ck_assert_int_le(time(NULL) - begin, 10);
    server_finish(&server);
}
END_TEST

struct impatience {
    const struct server *server;
    const struct account *account;
    long status;
};

static void log_in_or_kill(size_t index, void *context) {
    struct impatience *impatience = context;
    char body[BODY_SIZE];
    if (index == 0) {
        const char *const headers[] = { "Content-Type: application/json", NULL };
        struct reply reply =
            http_try(impatience->server, "POST", "/auth/login", headers, credentials(impatience->account, PASSWORD, body));
        impatience->status = reply.status;
        http_free(&reply);
        return;
    }
    usleep(300000);
    kill(impatience->server->pid, SIGTERM);
    usleep(300000);
    kill(impatience->server->pid, SIGTERM);
}

/* A hash that takes many seconds keeps the service from ending by itself. */
START_TEST(a_second_signal_ends_the_service_at_once) {
    struct server keys = server_start(NULL);
    struct account account = account_register(&keys);
    struct server server = server_start_beside(
        &keys, (const char *const[]){ "password.memory=256MiB", "password.operations=64", "server.request_timeout=5m", NULL });
    struct impatience impatience = { .server = &server, .account = &account };
    time_t begin = time(NULL);
    run_parallel(2, log_in_or_kill, &impatience);
    ck_assert_int_eq(server_stop(&server, 0), -1);
    ck_assert_int_le(time(NULL) - begin, 5);
    server_finish(&keys);
}
END_TEST

Suite *shutdown_suite(void) {
    Suite *suite = suite_create("shutdown");
    TCase *tcase = tcase_create("shutdown");
    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, fifty_logins_are_answered_in_full_and_valgrind_finds_nothing);
    tcase_add_test(tcase, without_its_database_the_service_ends_as_well);
    tcase_add_test(tcase, a_second_signal_ends_the_service_at_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
