/* How much memory of its own an idle service has, and what is left of a crowd's memory when it has gone. */
#include "support/database.h"
#include "support/process.h"
#include "support/raw.h"
#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *memory_suite(void);

#define LIVE "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"

/* Without the pages of programs and libraries, which other processes share. */
#define IDLE_MAX_KIB 2048L
/* With them: that is 8 MiB, and what a file system that reads more at once maps of them beside. */
#define IDLE_RESIDENT_MAX_KIB (8192L + 384L)

#define CROWD 1500u
#define STAYING 100u     /* one in so many stays */
#define CROWD_KIB 15000L /* 10 KiB for each connection */
#define LEFT_MAX_KIB 2500L
#define RETURN_S 20

static struct server server;

/* The instance keeps in memory what was revoked in the last quarter of an hour, and logs what commands did in the last seconds,
 * for which the queue and the heap of a thread grow. Of both, tests before this one may have left thousands. */
static void forget_the_past(void) {
    database_number("WITH deleted AS (DELETE FROM revocations RETURNING 1) SELECT count(*) FROM deleted", NULL);
    database_number("WITH deleted AS (DELETE FROM auth_events WHERE actor LIKE 'shell:%' RETURNING 1)"
                    " SELECT count(*) FROM deleted",
                    NULL);
}

static void start(void) {
    forget_the_past();
    server = server_start((const char *const[]){ "server.max_connections_per_address=0", NULL });
}

static void finish(void) {
    server_finish(&server);
}

static long own_memory_kib(void) {
    return process_own_memory_kib(server.pid);
}

static long resident_kib(void) {
    return process_resident_kib(server.pid);
}

static const struct {
    long (*kib)(void);
    long max_kib;
} idle[] = {
    { own_memory_kib, IDLE_MAX_KIB },
    { resident_kib, IDLE_RESIDENT_MAX_KIB },
};

START_TEST(an_idle_service_takes_two_megabytes_of_its_own_and_eight_in_all) {
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers take more");
    long kib = idle[_i].kib();
    /* what the start has left in the heaps of its threads, more where they ran at the same time, is returned every five seconds
     */
    for (int tries = 0; tries < 120 && kib > idle[_i].max_kib; tries++) {
        usleep(100000);
        kib = idle[_i].kib();
    }
    ck_assert_msg(kib <= idle[_i].max_kib, "%ld KiB", kib);
}
END_TEST

/* ---- a crowd ---- */

static void come(int fds[CROWD]) {
    for (unsigned i = 0; i < CROWD; i++)
        fds[i] = raw_connect(&server);
    for (unsigned i = 0; i < CROWD; i++)
        raw_send(fds[i], LIVE, strlen(LIVE));
    for (unsigned i = 0; i < CROWD; i++) {
        char status[13] = "";
        ck_assert_int_eq(recv(fds[i], status, sizeof status - 1, 0), sizeof status - 1);
        ck_assert_str_eq(status, "HTTP/1.1 200");
    }
}

/* Those that stay lie between what the others free. */
static void go(const int fds[CROWD]) {
    for (unsigned i = 0; i < CROWD; i++)
        if (i % STAYING != 0)
            close(fds[i]);
}

static void stay_no_longer(const int fds[CROWD]) {
    for (unsigned i = 0; i < CROWD; i += STAYING)
        close(fds[i]);
}

static long least_in_time(long enough_kib) {
    long kib = own_memory_kib();
    for (int i = 0; i < 10 * RETURN_S && kib > enough_kib; i++) {
        usleep(100000);
        kib = own_memory_kib();
    }
    return kib;
}

START_TEST(the_memory_of_a_crowd_that_has_gone_is_returned) {
    static int fds[CROWD];
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    long before = own_memory_kib();
    come(fds);
    long taken = own_memory_kib() - before;
    go(fds);
    if (test_is_sanitized())
        test_leaves_out(__func__, "how much is returned: the sanitizers keep what is freed");
    if (!test_is_sanitized()) {
        ck_assert_msg(taken >= CROWD_KIB, "%ld KiB for %u connections", taken, CROWD);
        long left = least_in_time(before + LEFT_MAX_KIB) - before;
        ck_assert_msg(left <= LEFT_MAX_KIB, "%ld of %ld KiB are left", left, taken);
    }
    stay_no_longer(fds);
}
END_TEST

Suite *memory_suite(void) {
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, start, finish);
    tcase_add_loop_test(tcase, an_idle_service_takes_two_megabytes_of_its_own_and_eight_in_all, 0, (int)ARRAY_LEN(idle));
    tcase_add_test(tcase, the_memory_of_a_crowd_that_has_gone_is_returned);
    suite_add_tcase(suite, tcase);
    return suite;
}
