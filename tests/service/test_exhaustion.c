/* A service that gets no more memory. */
#include "support/account.h"
#include "support/process.h"
#include "support/raw.h"
#include "tests/runner.h"

#include <check.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

Suite *exhaustion_suite(void);

#define CLIENTS 8
#define HOLDERS 4000
#define LIVE "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
#define REQUEST_SIZE 8192
#define REPLY_SIZE 32768
#define LIMITED_US 1000000u
#define AFTER_US 1000000u
#define PATIENCE_S 20

/* No more memory than the process has, and so much more; returns what was allowed before. */
static struct rlimit limit_memory(const struct server *server, rlim_t more) {
    struct rlimit before, limit;
    ck_assert_int_eq(prlimit(server->pid, RLIMIT_DATA, NULL, &before), 0);
    limit =
        (struct rlimit){ .rlim_cur = (rlim_t)process_status(server->pid, "VmData") * 1024 + more, .rlim_max = before.rlim_max };
    ck_assert_int_eq(prlimit(server->pid, RLIMIT_DATA, &limit, NULL), 0);
    return before;
}

/* A worker has the memory for a hash of the current parameters from the start; one of former times may need more. */
START_TEST(a_hash_for_which_there_is_no_memory_costs_503_and_disturbs_nothing_else) {
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers need memory for themselves and end the process that gets none");
    struct server other = server_start((const char *const[]){ "password.memory=64MiB", "password.nice=0", NULL });
    struct server server = server_start_beside(&other, (const char *const[]){ "password.nice=0", NULL });
    struct account account = account_register(&other);
    struct tokens tokens = account_login(&other, &account);
    ck_assert_int_eq(me_status(&server, tokens.access), 200);
    struct rlimit before = limit_memory(&server, 1024 * 1024);
    char body[BODY_SIZE];
    for (int i = 0; i < 3; i++) {
        expect_problem(http_json(&server, "POST", "/auth/login", NULL, credentials(&account, PASSWORD, body)), 503,
                       "out_of_memory");
        ck_assert_int_eq(me_status(&server, tokens.access), 200);
    }
    ck_assert_int_eq(prlimit(server.pid, RLIMIT_DATA, &before, NULL), 0);
    account_login(&server, &account);
    server_finish(&server);
    server_finish(&other);
}
END_TEST

/* ---- under load, and to the last byte ---- */

struct shortage {
    struct server server;
    struct account account;
    struct tokens tokens;
    atomic_bool is_lifted, is_over;
    struct counts {
        atomic_uint good, unavailable, closed, other, cut_short;
        atomic_int other_status;
    } limited, after;
};

static int write_request(const struct shortage *shortage, unsigned number, char request[REQUEST_SIZE]) {
    char body[BODY_SIZE];
    if (number % 3 == 0)
        return snprintf(request, REQUEST_SIZE, "GET /docs HTTP/1.1\r\nHost: x\r\n\r\n");
    if (number % 3 == 1)
        return snprintf(request, REQUEST_SIZE, "GET /auth/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
                        shortage->tokens.access);
    credentials(&shortage->account, number % 2 == 0 ? PASSWORD : "not the passphrase", body);
    return snprintf(request, REQUEST_SIZE,
                    "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                    strlen(body), body);
}

static bool is_whole(const char *reply, size_t len) {
    static const char length[] = "Content-Length: ";
    const char *end = strstr(reply, "\r\n\r\n");
    const char *header = strcasestr(reply, length);
    size_t body = header != NULL && header < end ? strtoul(header + strlen(length), NULL, 10) : 0;
    return end != NULL && len >= (size_t)(end - reply) + 4 + body;
}

/* The status of a whole reply, 0: the connection was closed instead, -1: in the middle of it. */
static int read_reply(int fd) {
    char reply[REPLY_SIZE] = "";
    size_t len = 0;
    while (!is_whole(reply, len)) {
        ssize_t got = recv(fd, reply + len, sizeof reply - 1 - len, 0);
        if (got <= 0)
            return len == 0 ? 0 : -1;
        len += (size_t)got;
        reply[len] = '\0';
    }
    return (int)strtol(reply + strlen("HTTP/1.1 "), NULL, 10);
}

static void count(struct counts *counts, int status) {
    if (status == 200 || status == 401)
        atomic_fetch_add(&counts->good, 1);
    else if (status == 503)
        atomic_fetch_add(&counts->unavailable, 1);
    else if (status == 0)
        atomic_fetch_add(&counts->closed, 1);
    else if (status < 0)
        atomic_fetch_add(&counts->cut_short, 1);
    else {
        atomic_fetch_add(&counts->other, 1);
        atomic_store(&counts->other_status, status);
    }
}

static int connect_with_patience(const struct server *server) {
    int fd = raw_connect(server);
    struct timeval patience = { .tv_sec = PATIENCE_S };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

/* Keeps its connection for as long as the service does. */
static void ask_all_the_time(struct shortage *shortage, unsigned first) {
    char request[REQUEST_SIZE];
    int fd = connect_with_patience(&shortage->server);
    for (unsigned number = first; !atomic_load(&shortage->is_over); number++) {
        struct counts *counts = atomic_load(&shortage->is_lifted) ? &shortage->after : &shortage->limited;
        raw_send(fd, request, (size_t)write_request(shortage, number, request));
        int status = read_reply(fd);
        count(counts, status);
        if (status > 0 && status != 503)
            continue;
        close(fd);
        usleep(1000);
        fd = connect_with_patience(&shortage->server);
    }
    close(fd);
}

/* Takes what memory there is: each connection costs the service its buffers. */
static void take_memory(const struct server *server, int fds[HOLDERS]) {
    for (size_t i = 0; i < HOLDERS; i++) {
        fds[i] = raw_connect(server);
        raw_send(fds[i], LIVE, strlen(LIVE));
    }
}

static void limit_for_a_while(struct shortage *shortage) {
    static int fds[HOLDERS];
    struct rlimit before = limit_memory(&shortage->server, 0);
    take_memory(&shortage->server, fds);
    usleep(LIMITED_US);
    ck_assert_int_eq(prlimit(shortage->server.pid, RLIMIT_DATA, &before, NULL), 0);
    for (size_t i = 0; i < HOLDERS; i++)
        close(fds[i]);
    usleep(AFTER_US / 3); /* earlier refusals are still being sent */
    atomic_store(&shortage->is_lifted, true);
    usleep(AFTER_US);
    atomic_store(&shortage->is_over, true);
}

static void limit_or_ask(size_t index, void *context) {
    if (index == CLIENTS)
        limit_for_a_while(context);
    else
        ask_all_the_time(context, (unsigned)index);
}

static void allow_descriptors(void) {
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_gt(limit.rlim_cur, HOLDERS + 200);
}

START_TEST(without_memory_each_request_is_answered_or_its_connection_closed_and_with_it_all_is_well_again) {
    static struct shortage shortage;
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers need memory for themselves and end the process that gets none");
    allow_descriptors();
    shortage.server = server_start((const char *const[]){ "server.max_connections_per_address=0", "password.nice=0", NULL });
    shortage.account = account_register(&shortage.server);
    shortage.tokens = account_login(&shortage.server, &shortage.account);
    run_parallel(CLIENTS + 1, limit_or_ask, &shortage);
    struct counts *limited = &shortage.limited, *after = &shortage.after;
    ck_assert_msg(limited->other + after->other + limited->cut_short + after->cut_short == 0,
                  "status %d, %u others; %u cut short", limited->other_status, limited->other, limited->cut_short);
    ck_assert_msg(limited->unavailable + limited->closed > 0, "%u good, %u unavailable, %u closed: memory was not short",
                  limited->good, limited->unavailable, limited->closed);
    ck_assert_msg(after->good > 0 && after->unavailable + after->closed <= CLIENTS,
                  "after that %u good, %u unavailable, %u closed", after->good, after->unavailable, after->closed);
    account_login(&shortage.server, &shortage.account);
    server_finish(&shortage.server);
}
END_TEST

Suite *exhaustion_suite(void) {
    Suite *suite = suite_create("exhaustion");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_hash_for_which_there_is_no_memory_costs_503_and_disturbs_nothing_else);
    tcase_add_test(tcase, without_memory_each_request_is_answered_or_its_connection_closed_and_with_it_all_is_well_again);
    suite_add_tcase(suite, tcase);
    return suite;
}
