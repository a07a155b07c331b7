/* As many clients as this machine has descriptors for, which have all been served once and stay connected. */
#include "support/account.h"
#include "support/process.h"
#include "support/raw.h"
#include "tests/runner.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *idle_clients_suite(void);

#define LIVE "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
#define WANTED 18000u
#define WANTED_OF_SANITIZERS 1500u
#define HELPERS 3u /* each has an address of its own, 28,000 ports, and its own limit of descriptors */
#define BYTES_EACH (12L * 1024)
#define ANSWER_S 0.010
#define PROBES 100
#define SERVER_OTHERS 200u /* descriptors */

/* ---- a helper: a process that holds connections ---- */

struct helper {
    pid_t pid;
    int report; /* a byte when all connections are open; the end is the helper's */
    int leave;  /* closed: it looks whether all are still open, and exits */
};

static bool open_one(const struct server *server, const char *source, int *fd) {
    struct sockaddr_in from = { .sin_family = AF_INET },
                       to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)server->port) };
    char reply[1024];
    int late = 1;
    inet_pton(AF_INET, source, &from.sin_addr);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return *fd >= 0 && setsockopt(*fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late) == 0 &&
           bind(*fd, (const struct sockaddr *)&from, sizeof from) == 0 &&
           connect(*fd, (const struct sockaddr *)&to, sizeof to) == 0 && send(*fd, LIVE, strlen(LIVE), 0) > 0 &&
           recv(*fd, reply, sizeof reply, 0) > 12 && memcmp(reply, "HTTP/1.1 200", 12) == 0;
}

static bool is_open(int fd) {
    struct pollfd look = { .fd = fd, .events = POLLIN };
    return poll(&look, 1, 0) == 0; /* the end would be readable */
}

static bool hold(const struct server *server, const char *source, unsigned count, int report, int leave) {
    char byte = 0;
    int *fds = calloc(count, sizeof *fds);
    for (unsigned i = 0; fds != NULL && i < count; i++)
        if (!open_one(server, source, &fds[i]))
            return false;
    if (fds == NULL || write(report, &byte, 1) != 1 || read(leave, &byte, 1) != 0)
        return false;
    unsigned open = 0;
    for (unsigned i = 0; i < count; i++)
        open += is_open(fds[i]);
    return open == count;
}

static struct helper helper_start(const struct server *server, unsigned index, unsigned count) {
    int report[2], leave[2];
    char source[32];
    snprintf(source, sizeof source, "127.0.1.%u", index + 1);
    ck_assert_int_eq(pipe2(report, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(leave, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(leave[1]);
        _exit(hold(server, source, count, report[1], leave[0]) ? 0 : 1);
    }
    close(report[1]);
    close(leave[0]);
    return (struct helper){ .pid = pid, .report = report[0], .leave = leave[1] };
}

static void wait_until_full(const struct helper *helpers) {
    for (unsigned i = 0; i < HELPERS; i++) {
        char byte;
        ck_assert_msg(read(helpers[i].report, &byte, 1) == 1, "helper %u could not open its connections", i);
    }
}

static void leave(const struct helper *helpers) {
    for (unsigned i = 0; i < HELPERS; i++)
        close(helpers[i].leave); /* of all first: later ones have copies of the earlier ones' ends */
    for (unsigned i = 0; i < HELPERS; i++) {
        int status;
        ck_assert_int_eq(waitpid(helpers[i].pid, &status, 0), helpers[i].pid);
        ck_assert_msg(status == 0, "not all connections of helper %u were still open", i);
        close(helpers[i].report);
    }
}

/* ---- */

/* This process and what it starts get all the descriptors that they may have; returns how many clients that allows. */
static unsigned clients_possible(void) {
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    unsigned wanted = test_is_sanitized() ? WANTED_OF_SANITIZERS : WANTED;
    /* a tenth more than its limit is what the service reserves */
    rlim_t possible = limit.rlim_cur > SERVER_OTHERS ? (limit.rlim_cur - SERVER_OTHERS) * 10 / 11 : 1;
    if (possible >= wanted)
        return wanted;
    char part[96];
    snprintf(part, sizeof part, "clients: %lu descriptors allow %lu of %u", (unsigned long)limit.rlim_cur,
             (unsigned long)possible, wanted);
    test_leaves_out(__func__, part);
    return (unsigned)possible;
}

static void assert_large_header_is_taken(const struct server *server) {
    char header[6100] = "X-Long: ";
    memset(header + 8, 'a', 6000);
    struct reply reply = http_send(server, "GET", "/health/live", (const char *const[]){ header, NULL }, NULL);
    ck_assert_int_eq(reply.status, 200);
    http_free(&reply);
}

static void assert_answers_quickly(const struct server *server) {
    unsigned quick = 0;
    for (int i = 0; i < PROBES; i++) {
        struct reply reply = http_send(server, "GET", "/health/live", NULL, NULL);
        ck_assert_int_eq(reply.status, 200);
        quick += reply.seconds < ANSWER_S;
        http_free(&reply);
        usleep(10000);
    }
    ck_assert_msg(quick > PROBES / 2, "only %u of %d new requests were answered within 10 ms", quick, PROBES);
}

static void expect_descriptors(const struct server *server, unsigned long expected) {
    for (int i = 0; i < 200 && process_descriptors(server->pid) > expected; i++)
        usleep(50000);
    ck_assert_uint_le(process_descriptors(server->pid), expected);
}

START_TEST(thousands_of_idle_clients_cost_little_and_disturb_nobody) {
    unsigned each = clients_possible() / HELPERS + 1, clients = each * HELPERS;
    char limit[64];
    snprintf(limit, sizeof limit, "server.max_connections=%u", clients + 20);
    struct server server =
        server_start((const char *const[]){ limit, "server.max_connections_per_address=0", "database.connections=1", NULL });
    struct helper helpers[HELPERS];
    assert_large_header_is_taken(&server);
    unsigned long descriptors = process_descriptors(server.pid);
    long before = process_status(server.pid, "VmRSS");
    for (unsigned i = 0; i < HELPERS; i++)
        helpers[i] = helper_start(&server, i, each);
    wait_until_full(helpers);
    ck_assert_uint_gt(clients, 0);
    long bytes_each = (process_status(server.pid, "VmRSS") - before) * 1024 / (long)clients;
    if (test_is_sanitized())
        test_leaves_out(__func__, "memory of each client, of which the sanitizers take more, and 9 of 10 clients");
    ck_assert_msg(test_is_sanitized() || bytes_each < BYTES_EACH, "%ld bytes for each of %u clients", bytes_each, clients);
    ck_assert_uint_ge(process_descriptors(server.pid), clients);
    assert_answers_quickly(&server);
    assert_large_header_is_taken(&server);
    process_assert_rests(server.pid);
    leave(helpers);
    expect_descriptors(&server, descriptors + 2);
    server_finish(&server);
}
END_TEST

Suite *idle_clients_suite(void) {
    Suite *suite = suite_create("idle_clients");
    TCase *tcase = tcase_create("idle clients");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, thousands_of_idle_clients_cost_little_and_disturb_nobody);
    suite_add_tcase(suite, tcase);
    return suite;
}
