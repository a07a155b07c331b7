/*
 * Each call of the program's start fails once, kind by kind, for one after the other until there is none left to fail. The
 * program ends with exit code 1 and names the cause, or it serves with all its threads; it never dies by a signal, hangs, or
 * serves in part. ONLY=4 runs one row of the table, STRIDE=10 every tenth call.
 */
#include "support/account.h"
#include "support/faults.h"

#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *fault_start_suite(void);

#define WORKERS 8 /* most of a start is waiting for the database */
#define CALLS_MAX 20000
#define TRIES 3000
#define PAUSE_US 5000u
#define THREADS_SIZE 512

static const struct start_case {
    struct fault fault;
    const char *cause; /* what the log of a program that ends must say; NULL: none may end */
} cases[] = {
    { { FAULT_MEMORY, ENOMEM }, "memory" },
    { { FAULT_THREADS, EAGAIN }, "Resource temporarily unavailable" },
    { { FAULT_DESCRIPTORS, EMFILE }, "Too many open files" },
    { { FAULT_DESCRIPTORS, EACCES }, "Permission denied" },
    { { FAULT_WRITES, EIO }, NULL }, /* only the log is written */
    { { FAULT_WRITES, ENOSPC }, NULL },
    { { FAULT_WRITES, FAULT_SHORT }, NULL },
    { { FAULT_SENDS, ECONNRESET }, NULL }, /* the database is tried again */
    { { FAULT_SENDS, FAULT_SHORT }, NULL },
};
#define CASES ARRAY_LEN(cases)

struct worker {
    struct server server;
    int port_fd;   /* bound to the server's port, so that no other process gets it between two starts */
    int notify_fd; /* where a supervisor would listen */
    char notify[128];
    struct faults faults;
    const char *wrapper[8];
};

static struct worker workers[WORKERS];
static struct account account;
static char all_threads[THREADS_SIZE]; /* of a start without faults */
static struct {
    const struct start_case *start_case;
    atomic_long next; /* call that is to fail */
    atomic_long calls;
    atomic_uint ended, started, wrong;
} run;

static int reserve_port(struct worker *worker) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int on = 1;
    worker->port_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(worker->port_fd, 0);
    setsockopt(worker->port_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ck_assert_int_eq(bind(worker->port_fd, (const struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(worker->port_fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

/* Also what a supervisor asks for is started. */
static void wrap(struct worker *worker) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", worker->server.directory);
    snprintf(worker->notify, sizeof worker->notify, "NOTIFY_SOCKET=%s", address.sun_path);
    worker->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(worker->notify_fd, 0);
    ck_assert_int_eq(bind(worker->notify_fd, (const struct sockaddr *)&address, sizeof address), 0);
    faults_open(&worker->faults, worker->server.directory, "fault");
    memcpy(worker->wrapper, worker->faults.wrapper, sizeof worker->faults.wrapper);
    size_t count = ARRAY_LEN(worker->faults.wrapper) - 1;
    worker->wrapper[count++] = "WATCHDOG_USEC=60000000";
    worker->wrapper[count++] = worker->notify;
    worker->wrapper[count] = NULL;
}

static void prepare(struct worker *worker) {
    char listen[64];
    int port = reserve_port(worker);
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", port);
    /* server.listen comes last in the file: a service that does not read it to its end is not reachable */
    worker->server = server_prepare((const char *const[]){ "server.threads=2", "password.workers=1", "database.connections=1",
                                                           "password.memory=64KiB", "limit.table_size=1024", listen, NULL });
    worker->server.port = port;
    snprintf(worker->server.url, sizeof worker->server.url, "http://127.0.0.1:%d", port);
    wrap(worker);
}

static int by_name(const void *one, const void *other) {
    return strcmp(one, other);
}

/* The names of a program's threads, in order. */
static void read_threads(pid_t pid, char threads[THREADS_SIZE]) {
    char path[600], names[32][17] = { "" };
    size_t count = 0, len = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    const struct dirent *entry;
    while (count < 32 && (entry = readdir(directory)) != NULL) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", (int)pid, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
        if (file != NULL && fscanf(file, "%16s", names[count]) == 1)
            count++;
        if (file != NULL)
            fclose(file);
    }
    closedir(directory);
    qsort(names, count, sizeof names[0], by_name);
    threads[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(threads + len, THREADS_SIZE - len, "%s ", names[i]);
}

/* The service may answer before the last of its threads is there, and end for the lack of it. */
static bool has_all_threads(const struct worker *worker) {
    char threads[THREADS_SIZE];
    read_threads(worker->server.pid, threads);
    return strcmp(threads, all_threads) == 0;
}

/* Whether the program has come to serve, and not to its end. */
static bool await_start(struct worker *worker, int *status) {
    for (int i = 0; i < TRIES; i++) {
        if (waitpid(worker->server.pid, status, WNOHANG) != 0)
            return false;
        struct reply reply = http_try(&worker->server, "GET", "/health/ready", NULL, NULL);
        long answer = reply.status;
        http_free(&reply);
        if (answer == 200 && (all_threads[0] == '\0' || has_all_threads(worker)))
            return true;
        usleep(PAUSE_US);
    }
    char *log = server_log(&worker->server), threads[THREADS_SIZE];
    read_threads(worker->server.pid, threads);
    ck_abort_msg("neither an end nor a start of %s after %s\n%s", threads,
                 faults_describe(&worker->faults, run.start_case->fault, atomic_load(&worker->faults.control->wanted)), log);
    return false;
}

/* All failures are printed, since many have one cause. */
static void expect(bool is_so, const struct worker *worker, const char *what, const char *expected) {
    if (is_so)
        return;
    char *log = server_log(&worker->server);
    atomic_fetch_add(&run.wrong, 1);
    fprintf(stderr, "%s: not %s: %s\n", what, expected, log);
    free(log);
}

static void check_service(struct worker *worker, const char *what) {
    account_login(&worker->server, &account);
    expect(server_stop(&worker->server, SIGTERM) == 0, worker, what, "stopped with exit code 0");
}

static void check_end(struct worker *worker, int status, const char *what) {
    const char *cause = run.start_case->cause;
    worker->server.pid = 0;
    char expected[64];
    snprintf(expected, sizeof expected, "ended with exit code 1, but with status 0x%x", (unsigned)status);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, worker, what, expected);
    if (cause == NULL) {
        expect(false, worker, what, "started");
        return;
    }
    char *log = server_log(&worker->server);
    /* pthread_create does not say that it had no memory */
    bool is_thread = run.start_case->fault.kind == FAULT_MEMORY && strstr(log, "Resource temporarily unavailable") != NULL;
    expect(is_thread || strcasestr(log, cause) != NULL, worker, what, cause);
    free(log);
}

/* Takes all that was sent to the supervisor since. */
static bool was_reported_ready(const struct worker *worker) {
    char state[128];
    bool is_ready = false;
    ssize_t len;
    while ((len = recv(worker->notify_fd, state, sizeof state - 1, 0)) > 0) {
        state[len] = '\0';
        is_ready = is_ready || strcmp(state, "READY=1") == 0;
    }
    return is_ready;
}

/* Returns whether a call has failed. */
static bool fail_call(struct worker *worker, long wanted) {
    int status = 0;
    faults_arm(&worker->faults, run.start_case->fault, FAULT_START_THREADS, FAULT_ONE, wanted);
    server_launch(&worker->server, worker->wrapper);
    bool has_started = await_start(worker, &status);
    faults_disarm(&worker->faults);
    const char *what = faults_describe(&worker->faults, run.start_case->fault, wanted);
    if (getenv("VERBOSE") != NULL)
        printf("%s: %s\n", what, has_started ? "started" : "ended");
    if (has_started)
        check_service(worker, what);
    else
        check_end(worker, status, what);
    expect(was_reported_ready(worker) == has_started || run.start_case->fault.kind == FAULT_SENDS ||
               run.start_case->fault.kind == FAULT_DESCRIPTORS,
           worker, what, "reported to the supervisor as it was");
    atomic_fetch_add(has_started ? &run.started : &run.ended, 1);
    unlink(worker->server.log_path);
    return atomic_load(&worker->faults.control->failed) > 0;
}

static void fail_calls(size_t index, void *context) {
    (void)context;
    long wanted;
    do {
        wanted = atomic_fetch_add(&run.next, faults_stride());
        ck_assert_int_lt(wanted, CALLS_MAX);
    } while (fail_call(&workers[index], wanted));
    atomic_store(&run.calls, atomic_load(&workers[index].faults.control->seen));
}

static void start_without_faults(void) {
    struct worker *worker = &workers[0];
    int status;
    server_launch(&worker->server, worker->wrapper);
    ck_assert(await_start(worker, &status));
    account = account_register(&worker->server);
    read_threads(worker->server.pid, all_threads);
    ck_assert_int_eq(server_stop(&worker->server, SIGTERM), 0);
    was_reported_ready(worker);
}

START_TEST(whichever_call_fails_the_program_starts_whole_or_says_why_not) {
    for (size_t i = 0; i < WORKERS; i++)
        prepare(&workers[i]);
    run.start_case = &cases[_i];
    atomic_store(&run.next, 1);
    start_without_faults();
    run_parallel(WORKERS, fail_calls, NULL);
    printf("start, kind %d, error %d: %ld calls, %u starts, %u ends\n", (int)cases[_i].fault.kind, cases[_i].fault.error,
           atomic_load(&run.calls), atomic_load(&run.started), atomic_load(&run.ended));
    ck_assert_int_gt(atomic_load(&run.calls), 0);
    ck_assert_msg(atomic_load(&run.wrong) == 0, "%u of them wrong", atomic_load(&run.wrong));
    for (size_t i = 0; i < WORKERS; i++) {
        faults_close(&workers[i].faults);
        close(workers[i].port_fd);
        close(workers[i].notify_fd);
        server_finish(&workers[i].server);
    }
}
END_TEST

Suite *fault_start_suite(void) {
    Suite *suite = suite_create("fault_start");
    TCase *tcase = tcase_create("every call");
    tcase_set_timeout(tcase, 300);
    faults_add_test(tcase, whichever_call_fails_the_program_starts_whole_or_says_why_not, CASES);
    suite_add_tcase(suite, tcase);
    return suite;
}
