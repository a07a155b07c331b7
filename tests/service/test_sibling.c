/*
 * The verifier library in a program of its own, beside the service: examples/sibling.c, as it was built and as a user of an
 * installed library builds it. What the library does with services that are not well: tests/unit/test_follower.c.
 */
#include "support/account.h"
#include "support/process.h"
#include "support/service.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "tests/runner.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *sibling_suite(void);

#define ROUNDS 5
#define SECOND_US CLOCK_US_PER_S

/* In the directory of the program. */
static const char *built(const char *name, char path[PATH_MAX]) {
    const char *program = getenv("JWTD_TEST_PROGRAM");
    ck_assert_ptr_nonnull(program);
    snprintf(path, PATH_MAX, "%.*s%s", (int)(strrchr(program, '/') + 1 - program), program, name);
    return path;
}

/* ---- the sibling ---- */

/* A `struct server`, so that http_send reaches it. `service` may be no service at all. */
static struct server sibling_start_program(const char *path, const struct server *auth, const struct service *service,
                                           bool with_keys) {
    struct server sibling = { .port = find_free_port(), .is_proxy = true };
    char port[16], keys[128], log[160];
    snprintf(sibling.url, sizeof sibling.url, "http://127.0.0.1:%d", sibling.port);
    snprintf(sibling.log_path, sizeof sibling.log_path, "%s/sibling.log", auth->directory);
    snprintf(port, sizeof port, "%d", sibling.port);
    snprintf(keys, sizeof keys, "%s/keys", auth->directory);
    snprintf(log, sizeof log, "%s", sibling.log_path);
    sibling.pid = fork();
    if (sibling.pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, STDERR_FILENO);
        setenv("PORT", port, 1);
        setenv("JWTD_URL", auth->url, 1);
        setenv("JWTD_NAME", service->name, 1);
        setenv("JWTD_SECRET", service->secret, 1);
        if (with_keys)
            setenv("JWTD_KEYS", keys, 1);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_gt(sibling.pid, 0);
    return sibling;
}

/* Only the keys that the service publishes. */
static struct server sibling_start_without_keys(const struct server *auth, const struct service *service) {
    char path[PATH_MAX];
    return sibling_start_program(built("sibling", path), auth, service, false);
}

static struct server sibling_start(const struct server *auth, const struct service *service) {
    char path[PATH_MAX];
    return sibling_start_program(built("sibling", path), auth, service, true);
}

/* The status of a request with this token; 0: it does not listen yet. */
static long ask(const struct server *sibling, const char *token, char body[128]) {
    char header[TOKEN_SIZE + 32];
    snprintf(header, sizeof header, "Authorization: Bearer %s", token);
    struct reply reply = http_try(sibling, "GET", "/", (const char *const[]){ header, NULL }, NULL);
    long status = reply.status;
    snprintf(body, 128, "%s", reply.body == NULL ? "" : reply.body);
    http_free(&reply);
    return status;
}

/* How long it took, in microseconds. */
static int64_t await_status(const struct server *sibling, const char *token, long status, int64_t limit_us) {
    int64_t begin = clock_monotonic_us();
    char body[128] = "";
    long last = 0;
    do {
        last = ask(sibling, token, body);
        if (last == status)
            return clock_monotonic_us() - begin;
        usleep(2000);
    } while (clock_monotonic_us() - begin < limit_us);
    ck_abort_msg("after %.1f s the sibling answers %ld (%s), not %ld", (double)limit_us / SECOND_US, last, body, status);
}

static void log_out(const struct server *auth, const char *access_token) {
    expect_status(http_json(auth, "POST", "/auth/logout", access_token, NULL), 204);
}

/* ---- tests ---- */

static void run_shell(const char *command) {
    char output[8192];
    int code = command_run((const char *const[]){ "/bin/sh", "-euc", command, NULL }, NULL, output, sizeof output);
    ck_assert_msg(code == 0, "%s\nreturned %d: %s", command, code, output);
}

static void check_that_sessions_die(const struct server *sibling, const struct server *auth) {
    struct account account = account_register(auth);
    char body[128];
    for (int i = 0; i < ROUNDS; i++) {
        struct tokens tokens = account_login(auth, &account), other = account_login(auth, &account);
        await_status(sibling, tokens.access, 200, 10 * SECOND_US);
        ck_assert_int_eq(ask(sibling, tokens.access, body), 200);
        ck_assert_str_eq(body, account.id);
        struct waits auth_waits = process_waits(auth->pid), sibling_waits = process_waits(sibling->pid);
        double waited_s = thread_waited_s();
        log_out(auth, tokens.access);
        double took_s = (double)await_status(sibling, tokens.access, 401, 10 * SECOND_US) / SECOND_US;
        double machine_s =
            thread_waited_s() - waited_s + longest_wait_s(auth->pid, &auth_waits) + longest_wait_s(sibling->pid, &sibling_waits);
        printf("refused %.0f ms after the logout\n", took_s * 1e3);
        ck_assert_msg(took_s < 1 + machine_s, "refused after %.1f s, of which the machine took %.1f", took_s, machine_s);
        ck_assert_int_eq(ask(sibling, tokens.access, body), 401);
        ck_assert_str_eq(body, "revoked");
        ck_assert_int_eq(ask(sibling, other.access, body), 200);
    }
}

START_TEST(a_session_dies_in_a_sibling_within_a_second_of_its_logout) {
    struct service service = service_add(&shared_server, "shop");
    struct server sibling = sibling_start(&shared_server, &service);
    check_that_sessions_die(&sibling, &shared_server);
    ck_assert_int_eq(server_stop(&sibling, SIGTERM), 0);
}
END_TEST

START_TEST(tokens_that_are_none_are_refused) {
    static const char *const tokens[] = { "", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30." };
    struct service service = service_add(&shared_server, "strict");
    struct server sibling = sibling_start(&shared_server, &service);
    char body[128];
    await_status(&sibling, "", 401, 10 * SECOND_US);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        ck_assert_int_eq(ask(&sibling, tokens[i], body), 401);
        ck_assert_str_eq(body, "invalid");
    }
    ck_assert_int_eq(server_stop(&sibling, SIGTERM), 0);
}
END_TEST

START_TEST(a_sibling_goes_on_while_the_service_is_dead_and_misses_no_logout) {
    char listen[48], body[128];
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", find_free_port());
    const char *const settings[] = { listen, NULL };
    struct server auth = server_start(settings);
    struct service service = service_add(&auth, "shop");
    struct server sibling = sibling_start(&auth, &service);
    struct account account = account_register(&auth);
    struct tokens kept = account_login(&auth, &account), ended = account_login(&auth, &account);
    await_status(&sibling, kept.access, 200, 10 * SECOND_US);
    server_stop(&auth, SIGKILL);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(ask(&sibling, kept.access, body), 200);
        usleep(50000);
    }
    struct server again = server_start_beside(&auth, settings);
    log_out(&again, ended.access); /* most likely before the sibling is back */
    await_status(&sibling, ended.access, 401, 5 * SECOND_US);
    ck_assert_int_eq(ask(&sibling, kept.access, body), 200);
    log_out(&again, kept.access);
    await_status(&sibling, kept.access, 401, 5 * SECOND_US);
    ck_assert_int_eq(server_stop(&sibling, SIGTERM), 0);
    ck_assert_int_eq(server_stop(&again, SIGTERM), 0);
    server_finish(&auth);
}
END_TEST

static const char *const algorithms[] = { "es256", "rs256" };

START_TEST(a_sibling_fetches_the_public_keys_and_those_that_are_made_later) {
    char listen[48];
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", find_free_port());
    const char *const settings[] = { listen, "token.active_kid=", NULL };
    struct server first = server_start(settings);
    struct service service = service_add(&first, "public");
    ck_assert_int_eq(server_stop(&first, SIGTERM), 0);
    char command[256];
    snprintf(command, sizeof command, "rm %s/keys/*.hs256", first.directory);
    run_shell(command);
    server_make_key_of(&first, algorithms[_i]);
    struct server auth = server_start_beside(&first, settings);
    struct server sibling = sibling_start_without_keys(&auth, &service);
    check_that_sessions_die(&sibling, &auth);
    /* another key, at once: the sibling has never seen it when its first token comes */
    snprintf(command, sizeof command, "rm %s/keys/*.?s256", first.directory);
    run_shell(command);
    server_make_key_of(&first, algorithms[1 - _i]);
    service_reload(&auth);
    struct account account = account_register(&auth);
    struct tokens tokens = account_login(&auth, &account);
    await_status(&sibling, tokens.access, 200, 3 * SECOND_US);
    ck_assert_int_eq(server_stop(&sibling, SIGTERM), 0);
    ck_assert_int_eq(server_stop(&auth, SIGTERM), 0);
    server_finish(&first);
}
END_TEST

START_TEST(a_sibling_with_a_wrong_secret_says_so_and_accepts_nothing) {
    struct service right = service_add(&shared_server, "forgetful"), wrong = service_with("forgetful", "d3Jvbmc");
    struct server sibling = sibling_start(&shared_server, &wrong);
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    (void)right;
    await_status(&sibling, tokens.access, 503, 10 * SECOND_US);
    server_await_log(&sibling, "sibling: feed: 401: the service refuses name or secret", 4000);
    ck_assert_int_eq(server_stop(&sibling, SIGTERM), 0);
}
END_TEST

/* ---- the library as it is installed ---- */

static const struct {
    const char *name, *libraries;
    int count; /* of the shared libraries that the program needs then */
} kinds[] = {
    { "shared", "$(pkg-config --libs jwtd-verify)", 1 },
    { "static", "$(pkg-config --static --libs jwtd-verify | sed s/-ljwtd-verify/-l:libjwtd-verify.a/)", 0 },
};

/* As the manual page says, with names in the program that the library has inside. */
START_TEST(a_sibling_is_built_with_an_installed_library) {
    static const char clashes[] = "int text_of, json_parse, arena_init, sse_parse, loan; void json_object_get(void);"
                                  "void json_object_get(void) { }";
    char directory[PATH_MAX / 2], command[PATH_MAX * 3], program[PATH_MAX], build[PATH_MAX];
    if (test_is_sanitized())
        SKIP_TEST("the library needs the sanitizer's flags");
    snprintf(directory, sizeof directory, "%s/installed", shared_server.directory);
    snprintf(program, sizeof program, "%s/sibling-%s", directory, kinds[_i].name);
    snprintf(command, sizeof command,
             "d=%s build=%s program=%s; unset MAKEFLAGS MAKELEVEL;"
             "make -s install-library BUILD=\"$build\" DESTDIR=\"$d\" PREFIX=/usr;"
             "export PKG_CONFIG_SYSROOT_DIR=\"$d\" PKG_CONFIG_LIBDIR=\"$d/usr/lib/pkgconfig\" PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 "
             "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1;"
             "echo '%s' >\"$d/clashes.c\";"
             "cc -D_GNU_SOURCE -Wall -Wextra -Werror examples/sibling.c \"$d/clashes.c\" -o \"$program\" "
             "$(pkg-config --cflags jwtd-verify) %s -lmicrohttpd -Wl,-rpath,\"$d/usr/lib\";"
             "ldd \"$program\" | grep -c libjwtd-verify.so.1 | grep -qx %d",
             directory, built("", build), program, clashes, kinds[_i].libraries, kinds[_i].count);
    run_shell(command);
    struct service service = service_add(&shared_server, kinds[_i].name);
    struct server sibling = sibling_start_program(program, &shared_server, &service, true);
    check_that_sessions_die(&sibling, &shared_server);
    ck_assert_int_eq(server_stop(&sibling, SIGTERM), 0);
}
END_TEST

START_TEST(the_files_for_proxies_are_installed) {
    char command[PATH_MAX * 2];
    snprintf(command, sizeof command,
             "unset MAKEFLAGS MAKELEVEL; make -s install-proxies DESTDIR=%s/proxies PREFIX=/usr;"
             "make -n install | grep -q share/jwtd/proxies;"
             "diff -r config/proxies %s/proxies/usr/share/jwtd/proxies",
             shared_server.directory, shared_server.directory);
    run_shell(command);
}
END_TEST

START_TEST(the_library_exports_its_functions_and_nothing_else) {
    char command[PATH_MAX * 2], build[PATH_MAX];
    snprintf(command, sizeof command,
             "cd %s; sort jwtd-verify.o.names >jwtd-verify.expected;"
             "nm -D --defined-only libjwtd-verify.so | sed -n 's/.* T \\([^@]*\\).*/\\1/p' | sort | diff jwtd-verify.expected -;"
             "nm -g --defined-only libjwtd-verify.a | sed -n 's/.* [A-Z] //p' | sort | diff jwtd-verify.expected -;"
             "[ \"$(nm -D --defined-only libjwtd-verify.so | grep -vc ' [TA] ')\" = 0 ]",
             built("", build));
    run_shell(command);
}
END_TEST

START_TEST(the_header_is_one_of_cpp_too) {
    if (access("/usr/bin/g++", X_OK) != 0)
        SKIP_TEST("there is no g++");
    run_shell(
        "echo '#include <jwtd-verify.h>' | g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude -x c++ -");
}
END_TEST

Suite *sibling_suite(void) {
    Suite *suite = suite_create("sibling");
    TCase *tests = tcase_create("sibling");
    tcase_add_unchecked_fixture(tests, shared_server_start, shared_server_finish);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_session_dies_in_a_sibling_within_a_second_of_its_logout);
    tcase_add_test(tests, tokens_that_are_none_are_refused);
    tcase_add_test(tests, a_sibling_goes_on_while_the_service_is_dead_and_misses_no_logout);
    tcase_add_loop_test(tests, a_sibling_fetches_the_public_keys_and_those_that_are_made_later, 0, (int)ARRAY_LEN(algorithms));
    tcase_add_test(tests, a_sibling_with_a_wrong_secret_says_so_and_accepts_nothing);
    tcase_add_loop_test(tests, a_sibling_is_built_with_an_installed_library, 0, (int)ARRAY_LEN(kinds));
    tcase_add_test(tests, the_files_for_proxies_are_installed);
    tcase_add_test(tests, the_library_exports_its_functions_and_nothing_else);
    tcase_add_test(tests, the_header_is_one_of_cpp_too);
    suite_add_tcase(suite, tests);
    return suite;
}
