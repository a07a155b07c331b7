/* Which requests take a lock that other HTTP threads take too: it would limit how many of them answer at once. */
#include "support/account.h"
#include "support/database.h"
#include "support/faults.h"
#include "support/load.h"
#include "support/raw.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *lock_free_suite(void);

#define THREADS "4"
#define CONNECTIONS 4 /* one after the other, so each is another thread's */
#define TOKENS 3      /* one in some thousands has its place in a filter where another one has set it, and takes a lock */

static struct server server;
static struct faults faults;
static struct tokens tokens[TOKENS];

/* What verify asks, all with something in it: the roles of a user have changed, a session has ended, another one too. */
static void fill_what_is_kept(void) {
    struct account administrator = account_register(&server), other = account_register(&server);
    char path[64], ignored[8];
    account_keep_administrator();
    database_value("UPDATE users SET roles = '{admin}' WHERE id = $1", administrator.id, ignored, sizeof ignored);
    struct tokens admin = account_login(&server, &administrator), ended = account_login(&server, &other);
    snprintf(path, sizeof path, "/users/%s", other.id);
    char authorization[TOKEN_SIZE + 32];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", admin.access);
    const char *const headers[] = { authorization, "If-Match: \"1\"", "Content-Type: application/json", NULL };
    expect_status(http_send(&server, "PATCH", path, headers, "{\"roles\":[\"tester\"]}"), 200);
    expect_status(http_json(&server, "POST", "/auth/logout", ended.access, "{}"), 204);
}

static void start(void) {
    server = server_prepare((const char *const[]){ "limit.account=off", "server.threads=" THREADS, NULL });
    faults_open(&faults, server.directory, "locks");
    server_launch(&server, faults.wrapper);
    server_await(&server);
    await_ready(&server);
    fill_what_is_kept();
    for (size_t i = 0; i < TOKENS; i++) {
        struct account account = account_register(&server);
        tokens[i] = account_login(&server, &account);
    }
}

static void finish(void) {
    faults_close(&faults);
    server_finish(&server);
}

static void ask_on_all(const int fds[CONNECTIONS], const char *path, const struct tokens *bearer) {
    static struct raw_reply reply;
    char request[TOKEN_SIZE + 128];
    int len =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path, bearer->access);
    for (size_t i = 0; i < CONNECTIONS; i++)
        raw_send(fds[i], request, (size_t)len);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        raw_read_replies(fds[i], 1, &reply);
        ck_assert_uint_eq(reply.count, 1);
        ck_assert_int_eq(reply.statuses[0], 200);
    }
}

/* How often a thread took one that another one had taken last. On connections that are there, with a token that was seen. */
static long locks_of(const char *path, const struct tokens *bearer) {
    int fds[CONNECTIONS];
    for (size_t i = 0; i < CONNECTIONS; i++)
        fds[i] = raw_connect(&server);
    ask_on_all(fds, path, bearer);
    faults_arm(&faults, (struct fault){ FAULT_SHARED_LOCKS, 0 }, FAULT_HTTP_THREADS, FAULT_ONE, LONG_MAX);
    ask_on_all(fds, path, bearer);
    faults_disarm(&faults);
    for (size_t i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    return atomic_load(&faults.control->seen);
}

START_TEST(a_token_is_verified_without_a_lock_that_threads_share) {
    long least = LONG_MAX;
    for (size_t i = 0; i < TOKENS && least > 0; i++)
        least = locks_of("/auth/verify", &tokens[i]);
    ck_assert_int_eq(least, 0);
    /* else nothing was counted: this one goes to the database, whose queue has a lock */
    ck_assert_int_gt(locks_of("/auth/me", &tokens[0]), 0);
}
END_TEST

Suite *lock_free_suite(void) {
    Suite *suite = suite_create("lock_free");
    TCase *tcase = tcase_create("verify");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start, finish);
    tcase_add_test(tcase, a_token_is_verified_without_a_lock_that_threads_share);
    suite_add_tcase(suite, tcase);
    return suite;
}
