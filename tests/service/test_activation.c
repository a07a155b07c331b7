/* What the service and systemd say to each other: readiness, the end, and sockets that are open before the service is. */
#include "support/account.h"

#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *activation_suite(void);

#define WAIT_MS 10000

/* A socket under NOTIFY_SOCKET: a path, or an abstract name for "@...". */
static int open_supervisor(const char *name) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(name);
    memcpy(address.sun_path, name, len);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, size), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void expect_state(int supervisor, const char *beginning) {
    char state[256];
    struct pollfd look = { .fd = supervisor, .events = POLLIN };
    ck_assert_msg(poll(&look, 1, WAIT_MS) == 1, "nothing was said instead of %s", beginning);
    ssize_t len = recv(supervisor, state, sizeof state - 1, 0);
    ck_assert_int_ge(len, 0);
    state[len] = '\0';
    ck_assert_msg(strncmp(state, beginning, strlen(beginning)) == 0, "%s", state);
}

START_TEST(the_supervisor_hears_when_it_is_ready_reloads_and_stops) {
    char name[64];
    snprintf(name, sizeof name, _i == 0 ? "@jwtd-test-%d" : "/tmp/jwtd-test-notify-%d", (int)getpid());
    int supervisor = open_supervisor(name);
    struct server server = server_start(NULL);
    expect_state(supervisor, "READY=1");
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    kill(server.pid, SIGHUP);
    expect_state(supervisor, "RELOADING=1\nMONOTONIC_USEC=");
    expect_state(supervisor, "READY=1");
    server_finish(&server);
    expect_state(supervisor, "STOPPING=1");
    close(supervisor);
    unlink(name);
}
END_TEST

START_TEST(a_supervisor_that_has_exited_does_not_matter) {
    setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    struct server server = server_start(NULL);
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    server_finish(&server);
}
END_TEST

/* What is said to a supervisor that does not read waits until it does. */
static int fill_queue(const char *name) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(name);
    memcpy(address.sun_path + 1, name + 1, len - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), count = 0;
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
    while (send(fd, "FILLING=1", 9, 0) > 0)
        count++;
    close(fd);
    ck_assert_int_gt(count, 0);
    return count;
}

/* SIGHUP arrives when the service has received SIGTERM and has done no more than report it. */
START_TEST(a_reload_that_comes_with_the_end_changes_nothing_about_it) {
    char name[64];
    snprintf(name, sizeof name, "@jwtd-test-%d", (int)getpid());
    int supervisor = open_supervisor(name);
    struct server server = server_start(NULL);
    expect_state(supervisor, "READY=1");
    int fillings = fill_queue(name);
    kill(server.pid, SIGTERM);
    server_await_log(&server, "\"event\":\"stopping\"", 2000);
    kill(server.pid, SIGHUP);
    while (fillings-- > 0)
        expect_state(supervisor, "FILLING=1");
    expect_state(supervisor, "STOPPING=1");
    ck_assert_int_eq(server_stop(&server, 0), 0);
    server_finish(&server);
    close(supervisor);
}
END_TEST

/* ---- the watchdog ---- */

#define WATCHDOG_US 1000000 /* so that a word is due each half second */
#define SILENCE_MS 1700

static int open_watching_supervisor(void) {
    char name[64], interval[16];
    snprintf(name, sizeof name, "@jwtd-test-watchdog-%d", (int)getpid());
    snprintf(interval, sizeof interval, "%d", WATCHDOG_US);
    setenv("WATCHDOG_USEC", interval, 1);
    return open_supervisor(name);
}

/* False: no report arrived for so long. */
static bool receives(int supervisor, int wait_ms, char state[64]) {
    struct pollfd look = { .fd = supervisor, .events = POLLIN };
    if (poll(&look, 1, wait_ms) != 1)
        return false;
    ssize_t len = recv(supervisor, state, 63, 0);
    ck_assert_int_ge(len, 0);
    state[len] = '\0';
    return true;
}

static void expect_silence(int supervisor) {
    char state[64];
    for (int i = 0; i < 10; i++) {
        if (!receives(supervisor, SILENCE_MS, state))
            return;
        ck_assert_str_eq(state,
                         "WATCHDOG=1"); /* one that was being sent, or within the time after which a thread counts as stuck */
    }
    ck_abort_msg("the supervisor still receives WATCHDOG=1");
}

static void read_name(pid_t pid, const char *thread, char name[32]) {
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/task/%.16s/comm", (int)pid, thread);
    FILE *file = fopen(path, "re");
    name[0] = '\0';
    if (file != NULL && fgets(name, 32, file) == NULL)
        name[0] = '\0';
    if (file != NULL)
        fclose(file);
}

/* The number of the `index`th thread whose name begins so. */
static pid_t find_thread(pid_t pid, const char *beginning, int index) {
    char path[64], name[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    pid_t found = 0;
    ck_assert_ptr_nonnull(threads);
    for (const struct dirent *entry; found == 0 && (entry = readdir(threads)) != NULL;) {
        read_name(pid, entry->d_name, name);
        if (strncmp(name, beginning, strlen(beginning)) == 0 && index-- == 0)
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    closedir(threads);
    ck_assert_msg(found != 0, "there is no thread %s", beginning);
    return found;
}

/* One thread alone, as a debugger stops it. */
static void stop_thread(pid_t thread) {
    ck_assert_int_eq(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
    ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(thread, NULL, __WALL), thread);
}

static const struct {
    const char *name;
    int index;
} watched[] = { { "MHD-worker", 0 }, { "MHD-worker", 1 }, { "MHD-worker", 2 }, { "accept", 0 },
                { "MHD-single", 0 }, { "ops-accept", 0 }, { "changes", 0 },    { "streams", 0 } };

START_TEST(the_supervisor_hears_that_all_is_well_only_while_each_thread_moves) {
    char state[64];
    int supervisor = open_watching_supervisor();
    struct server server = server_start((const char *const[]){ "server.threads=3", "ops.listen=127.0.0.1:0", NULL });
    expect_state(supervisor, "READY=1");
    for (int i = 0; i < 3; i++)
        expect_state(supervisor, "WATCHDOG=1");
    pid_t thread = find_thread(server.pid, watched[_i].name, watched[_i].index);
    stop_thread(thread);
    expect_silence(supervisor);
    ck_assert_int_eq(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
    expect_state(supervisor, "WATCHDOG=1");
    server_check_log_count(&server, "threads_stuck", 1);
    server_finish(&server);
    while (receives(supervisor, 0, state) && strcmp(state, "WATCHDOG=1") == 0) {
    }
    ck_assert_str_eq(state, "STOPPING=1");
    close(supervisor);
}
END_TEST

/* A restart would not bring the database back. */
START_TEST(a_service_without_its_database_is_alive) {
    int supervisor = open_watching_supervisor();
    struct server server = server_start_unready((const char *const[]){ "database.url=host=127.0.0.1 port=1 dbname=none", NULL });
    expect_state(supervisor, "READY=1");
    for (int i = 0; i < 6; i++)
        expect_state(supervisor, "WATCHDOG=1");
    ck_assert_int_eq(server_log_count(&server, "threads_stuck"), 0);
    server_finish(&server);
    close(supervisor);
}
END_TEST

START_TEST(a_watchdog_for_another_process_is_not_ours) {
    char state[64];
    int supervisor = open_watching_supervisor();
    setenv("WATCHDOG_PID", "1", 1);
    struct server server = server_start(NULL);
    expect_state(supervisor, "READY=1");
    ck_assert(!receives(supervisor, SILENCE_MS, state));
    server_finish(&server);
    close(supervisor);
}
END_TEST

/* ---- a socket that is open before ---- */

static int listen_on_loopback(int *port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

START_TEST(a_socket_that_was_handed_over_is_served_on) {
    struct server keeper = server_start(NULL);
    int port, listening = listen_on_loopback(&port);
    struct server server = server_start_activated(&keeper, listening, NULL);
    ck_assert_int_eq(server.port, port);
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    server_finish(&server);
    server_finish(&keeper);
    close(listening);
}
END_TEST

struct restart {
    const struct server *server;
    long status;
};

static void ask_live(size_t index, void *context) {
    struct restart *restarts = context;
    struct reply reply = http_send(restarts[index].server, "GET", "/health/live", NULL, NULL);
    restarts[index].status = reply.status;
    http_free(&reply);
}

/* A client that connects while no instance runs waits in the socket's queue for the next one. */
static void ask_or_start(size_t index, void *context) {
    if (index < 20) {
        ask_live(index, context);
        return;
    }
    usleep(300000);
    const struct server *before = ((struct restart *)context)[0].server;
    struct server *after = (struct server *)(uintptr_t)((struct restart *)context)[20].server;
    *after = server_start_activated(before, after->port, NULL);
}

START_TEST(no_connection_is_refused_between_two_instances_of_one_socket) {
    struct server keeper = server_start(NULL);
    int port, listening = listen_on_loopback(&port);
    struct server first = server_start_activated(&keeper, listening, NULL);
    ck_assert_int_eq(server_stop(&first, SIGTERM), 0);
    struct server second = { .port = listening };
    struct restart restarts[21];
    for (size_t i = 0; i < 20; i++)
        restarts[i] = (struct restart){ .server = &first };
    restarts[20] = (struct restart){ .server = &second };
    run_parallel(21, ask_or_start, restarts);
    for (size_t i = 0; i < 20; i++)
        ck_assert_int_eq(restarts[i].status, 200);
    server_finish(&second);
    server_finish(&keeper);
    close(listening);
}
END_TEST

START_TEST(variables_for_another_process_are_not_ours) {
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "1", 1);
    struct server server = server_start(NULL);
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    server_finish(&server);
}
END_TEST

Suite *activation_suite(void) {
    Suite *suite = suite_create("activation");
    TCase *tcase = tcase_create("activation");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, the_supervisor_hears_when_it_is_ready_reloads_and_stops, 0, 2);
    tcase_add_test(tcase, a_supervisor_that_has_exited_does_not_matter);
    tcase_add_test(tcase, a_reload_that_comes_with_the_end_changes_nothing_about_it);
    tcase_add_loop_test(tcase, the_supervisor_hears_that_all_is_well_only_while_each_thread_moves, 0, (int)ARRAY_LEN(watched));
    tcase_add_test(tcase, a_service_without_its_database_is_alive);
    tcase_add_test(tcase, a_watchdog_for_another_process_is_not_ours);
    tcase_add_test(tcase, a_socket_that_was_handed_over_is_served_on);
    tcase_add_test(tcase, no_connection_is_refused_between_two_instances_of_one_socket);
    tcase_add_test(tcase, variables_for_another_process_are_not_ours);
    suite_add_tcase(suite, tcase);
    return suite;
}
