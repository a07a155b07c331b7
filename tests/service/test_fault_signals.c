/*
 * Each call of a reload and of the stop fails once, kind by kind, for one after the other until there is none left to fail.
 * After a reload the new configuration is in force, or the old one and the log names the cause. The stop ends with exit code 0.
 * ONLY=4 runs one row of each table, STRIDE=10 every tenth call.
 */
#include "support/account.h"
#include "support/faults.h"
#include "support/raw.h"

#include "jwtd/macros.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *fault_signals_suite(void);

#define CALLS_MAX 3000
#define RELOAD_TRIES 500
#define LOG_LEAD 30 /* tries by which the report to the supervisor may follow the line in the log */
#define PAUSE_MS 10
#define STOP_TRIES 1000

static struct server server;
static struct faults faults;
static int notify_fd;
static char notify[128];
static const char *wrapper[8];

/* A supervisor listens, so that what is sent to it is among the calls. */
static void prepare(void) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    server = server_prepare((const char *const[]){ "server.threads=2", "password.memory=64KiB", "password.workers=1",
                                                   "database.connections=1", "limit.table_size=1024", NULL });
    snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", server.directory);
    snprintf(notify, sizeof notify, "NOTIFY_SOCKET=%s", address.sun_path);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(notify_fd, 0);
    ck_assert_int_eq(bind(notify_fd, (const struct sockaddr *)&address, sizeof address), 0);
    faults_open(&faults, server.directory, "fault");
    memcpy(wrapper, faults.wrapper, sizeof faults.wrapper);
    wrapper[ARRAY_LEN(faults.wrapper) - 1] = notify;
}

static void start(void) {
    server_launch(&server, wrapper);
    server_await(&server);
}

static void finish(void) {
    close(notify_fd);
    faults_close(&faults);
    server_finish(&server);
}

/* Waits for the next word to the supervisor. */
static bool takes_ready(void) {
    struct pollfd look = { .fd = notify_fd, .events = POLLIN };
    char state[128];
    while (poll(&look, 1, PAUSE_MS) == 1) {
        ssize_t len = recv(notify_fd, state, sizeof state - 1, 0);
        state[len > 0 ? len : 0] = '\0';
        if (strcmp(state, "READY=1") == 0)
            return true;
    }
    return false;
}

/* ---- reload ---- */

static const char *const origins[] = { "https://one.example", "https://two.example" };
static char *base_config;

static void read_config(void) {
    char path[96];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, server.directory);
    FILE *file = fopen(path, "re");
    size_t size = 0;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_gt(getdelim(&base_config, &size, '\0', file), 0);
    fclose(file);
}

static void write_config(const char *origin) {
    char path[96];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, server.directory);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "%s[cors]\nallowed_origins = %s\n", base_config, origin);
    ck_assert_int_eq(fclose(file), 0);
}

static bool is_in_force(const char *origin) {
    char header[128], allowed[128];
    snprintf(header, sizeof header, "Origin: %s", origin);
    struct reply reply = http_send(&server, "GET", "/health/live", (const char *const[]){ header, NULL }, NULL);
    ck_assert_int_eq(reply.status, 200);
    bool is_allowed = strcmp(http_header(&reply, "Access-Control-Allow-Origin", allowed, sizeof allowed), origin) == 0;
    http_free(&reply);
    return is_allowed;
}

/* What the main thread has logged is in the log when the line of a later request is. */
static void await_what_was_logged(void) {
    static int number;
    char header[48], line[64];
    snprintf(header, sizeof header, "X-Request-Id: behind-%d", ++number);
    expect_status(http_send(&server, "GET", "/health/live", (const char *const[]){ header, NULL }, NULL), 200);
    snprintf(line, sizeof line, "\"request_id\":\"behind-%d\"", number);
    server_await_log(&server, line, 10000);
}

/* Until its end is reported to the supervisor, or, where that report may be lost, a little after the log's line. */
static void reload(void) {
    int before = server_log_count(&server, "\"reload"), since_log = 0;
    kill(server.pid, SIGHUP);
    for (int i = 0; i < RELOAD_TRIES && since_log < LOG_LEAD; i++) {
        if (takes_ready())
            return;
        since_log += server_log_count(&server, "\"reload") > before;
    }
    ck_assert_msg(since_log == LOG_LEAD, "the reload does not come to its end");
}

static const struct signal_case {
    struct fault fault;
    const char *cause; /* what the log says when the configuration stays; NULL: it must change, and the log may lack lines */
} reloads[] = {
    { { FAULT_MEMORY, ENOMEM }, "memory" },
    { { FAULT_DESCRIPTORS, EMFILE }, "Too many open files" },
    { { FAULT_DESCRIPTORS, EACCES }, "Permission denied" },
    { { FAULT_WRITES, EIO }, NULL },
    { { FAULT_WRITES, FAULT_SHORT }, NULL },
    { { FAULT_SENDS, ECONNREFUSED }, NULL },
    { { FAULT_SENDS, FAULT_SHORT }, NULL },
};

static void check_reload(const struct signal_case *signal_case, const char *origin, int failures, const char *what) {
    await_what_was_logged();
    char *log = server_log(&server);
    const char *tail = strlen(log) > 2000 ? log + strlen(log) - 2000 : log;
    bool is_new = is_in_force(origin);
    bool has_failed = server_log_count(&server, "\"reload_failed\"") > failures;
    ck_assert_msg(waitpid(server.pid, NULL, WNOHANG) == 0, "the service died after %s", what);
    ck_assert_msg(is_new != is_in_force(origins[origin == origins[0]]), "%s: neither or both are in force", what);
    ck_assert_msg(is_new || signal_case->cause != NULL, "%s: not reloaded: %s", what, tail);
    ck_assert_msg(is_new == !has_failed, "%s: the log does not say so: %s", what, tail);
    const char *failure = strstr(log, "\"reload_failed\"");
    for (const char *next = failure; next != NULL; next = strstr(next + 1, "\"reload_failed\""))
        failure = next;
    ck_assert_msg(is_new || (failure != NULL && strcasestr(failure, signal_case->cause) != NULL), "%s: %s", what, tail);
    free(log);
}

/* Returns whether a call has failed. */
static bool fail_reload(const struct signal_case *signal_case, long wanted) {
    const char *origin = origins[is_in_force(origins[0])];
    int failures = server_log_count(&server, "\"reload_failed\"");
    write_config(origin);
    /* the log has a thread of its own */
    enum fault_scope scope = signal_case->fault.kind == FAULT_WRITES ? FAULT_ANY_THREAD : FAULT_MAIN_THREAD;
    faults_arm(&faults, signal_case->fault, scope, FAULT_ONE, wanted);
    reload();
    for (int i = 0; scope == FAULT_ANY_THREAD && i < 10000 && atomic_load(&faults.control->seen) == 0; i++)
        usleep(1000);
    faults_disarm(&faults);
    check_reload(signal_case, origin, failures, faults_describe(&faults, signal_case->fault, wanted));
    if (is_in_force(origin))
        return atomic_load(&faults.control->failed) > 0;
    reload();
    ck_assert(is_in_force(origin));
    return true;
}

START_TEST(whichever_call_of_a_reload_fails_one_configuration_is_in_force_and_the_log_says_which) {
    long wanted = 1;
    prepare();
    read_config();
    write_config(origins[0]);
    start();
    while (!takes_ready())
        continue;
    for (; fail_reload(&reloads[_i], wanted); wanted += faults_stride())
        ck_assert_int_lt(wanted, CALLS_MAX);
    long seen = atomic_load(&faults.control->seen);
    printf("reload, kind %d, error %d: %ld calls\n", (int)reloads[_i].fault.kind, reloads[_i].fault.error, seen);
    ck_assert_int_gt(seen, 0);
    free(base_config);
    finish();
}
END_TEST

/* ---- stop ---- */

static const struct fault stops[] = {
    { FAULT_MEMORY, ENOMEM }, { FAULT_DESCRIPTORS, EMFILE }, { FAULT_WRITES, EIO },        { FAULT_WRITES, FAULT_SHORT },
    { FAULT_SENDS, EPIPE },   { FAULT_SENDS, ECONNRESET },   { FAULT_SENDS, FAULT_SHORT },
};

/* A request is under way. Returns whether a call has failed. */
static bool fail_stop(struct fault fault, long wanted) {
    static const char request[] = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int status = 0;
    pid_t ended = 0;
    start();
    int fd = raw_connect(&server);
    faults_arm(&faults, fault, FAULT_ANY_THREAD, FAULT_ONE, wanted);
    raw_send(fd, request, sizeof request - 1);
    kill(server.pid, SIGTERM);
    for (int i = 0; i < STOP_TRIES && ended == 0; i++) {
        usleep(PAUSE_MS * 1000);
        ended = waitpid(server.pid, &status, WNOHANG);
    }
    faults_disarm(&faults);
    close(fd);
    while (takes_ready())
        continue;
    const char *what = faults_describe(&faults, fault, wanted);
    ck_assert_msg(ended == server.pid, "the stop does not come to its end after %s", what);
    char *log = server_log(&server);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x: %s", what, (unsigned)status, log);
    free(log);
    unlink(server.log_path);
    server.pid = 0;
    return atomic_load(&faults.control->failed) > 0;
}

START_TEST(whichever_call_of_the_stop_fails_it_comes_to_its_end) {
    long wanted = 1;
    prepare();
    for (; fail_stop(stops[_i], wanted); wanted += faults_stride())
        ck_assert_int_lt(wanted, CALLS_MAX);
    long seen = atomic_load(&faults.control->seen);
    printf("stop, kind %d, error %d: %ld calls\n", (int)stops[_i].kind, stops[_i].error, seen);
    ck_assert_int_gt(seen, 0);
    finish();
}
END_TEST

Suite *fault_signals_suite(void) {
    Suite *suite = suite_create("fault_signals");
    TCase *reload_case = tcase_create("reload"), *stop_case = tcase_create("stop");
    tcase_set_timeout(reload_case, 120);
    tcase_set_timeout(stop_case, 120);
    faults_add_test(reload_case, whichever_call_of_a_reload_fails_one_configuration_is_in_force_and_the_log_says_which,
                    ARRAY_LEN(reloads));
    faults_add_test(stop_case, whichever_call_of_the_stop_fails_it_comes_to_its_end, ARRAY_LEN(stops));
    suite_add_tcase(suite, reload_case);
    suite_add_tcase(suite, stop_case);
    return suite;
}
