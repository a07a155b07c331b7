/* Two instances behind a balancer, one after the other stopped and started again, while clients go on without an error. */
#include "support/account.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *rolling_suite(void);

#define CLIENTS 8
#define ROUNDS 2
#define INSTANCES 2
#define PROBE_MS 100
#define ANSWERED_MIN (ROUNDS * INSTANCES * CLIENTS) /* each client, in each restart */
#define BALANCER_SEES_BOTH "/balancer/sees-both"    /* answered by the balancer itself, with 404 by the service */

/* Bound until the test's process ends, so that nobody else gets it between two starts. */
static int reserve_port(void) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

/* What an operator would write: probes of readiness, and no repetition of requests that have reached an instance. */
static const char configuration[] =
    "defaults\n"
    "    mode http\n"
    "    timeout connect 2s\n"
    "    timeout client 30s\n"
    "    timeout server 30s\n"
    "    timeout check 2s\n"
    "    option redispatch\n"
    "frontend clients\n"
    "    bind 127.0.0.1:%d\n"
    "    http-request return status 200 if { path " BALANCER_SEES_BOTH " } { srv_is_up(instances/one) }"
    " { srv_is_up(instances/two) }\n"
    "    default_backend instances\n"
    "backend instances\n"
    "    option httpchk GET /health/ready\n"
    "    default-server check inter %d fall 2 rise 1\n"
    "    server one 127.0.0.1:%d\n"
    "    server two 127.0.0.1:%d\n";

struct balancer {
    pid_t pid;
    struct server front; /* what clients see of it */
};

static struct balancer start_balancer(const struct server *keys, const int ports[INSTANCES]) {
    struct balancer balancer = { .front = { .port = reserve_port(), .is_proxy = true } };
    char path[128];
    snprintf(path, sizeof path, "%s/haproxy.cfg", keys->directory);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, configuration, balancer.front.port, PROBE_MS, ports[0], ports[1]);
    ck_assert_int_eq(fclose(file), 0);
    snprintf(balancer.front.url, sizeof balancer.front.url, "http://127.0.0.1:%d", balancer.front.port);
    balancer.pid = fork();
    if (balancer.pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execl("/usr/sbin/haproxy", "haproxy", "-db", "-f", path, (char *)NULL);
        _exit(127);
    }
    ck_assert_int_gt(balancer.pid, 0);
    return balancer;
}

static void stop_balancer(const struct balancer *balancer) {
    kill(balancer->pid, SIGTERM);
    ck_assert_int_eq(waitpid(balancer->pid, NULL, 0), balancer->pid);
}

static void wait_for(const struct server *server, const char *path) {
    long status = 0;
    for (int i = 0; i < 400 && status != 200; i++) {
        struct reply reply = http_try(server, "GET", path, NULL, NULL);
        status = reply.status;
        http_free(&reply);
        if (status != 200)
            usleep(25000);
    }
    ck_assert_int_eq(status, 200);
}

static struct server start_instance(const struct server *keys, int port) {
    char listen[64];
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", port);
    struct server server = server_start_beside(
        keys, (const char *const[]){ listen, "server.drain_delay=2s", "server.trusted_proxies=127.0.0.1/32", NULL });
    wait_for(&server, "/health/ready");
    return server;
}

struct rolling {
    const struct server *keys;
    struct server instances[INSTANCES];
    int ports[INSTANCES];
    struct balancer balancer;
    atomic_bool over;
    atomic_uint answered, failed;
    _Atomic long bad_status;
};

static void roll(struct rolling *rolling) {
    for (int i = 0; i < ROUNDS * INSTANCES; i++) {
        struct server *instance = &rolling->instances[i % INSTANCES];
        ck_assert_int_eq(server_stop(instance, SIGTERM), 0);
        *instance = start_instance(rolling->keys, rolling->ports[i % INSTANCES]);
        wait_for(&rolling->balancer.front, BALANCER_SEES_BOTH);
    }
    atomic_store(&rolling->over, true);
}

static void count_reply(struct rolling *rolling, const struct reply *reply) {
    atomic_fetch_add(&rolling->answered, 1);
    if (reply->status >= 200 && reply->status < 300)
        return;
    atomic_fetch_add(&rolling->failed, 1);
    atomic_store(&rolling->bad_status, reply->status);
}

/* Everything that a client does in its day, on a new connection each time. */
static void use_service(struct rolling *rolling, const struct account *account) {
    const struct server *front = &rolling->balancer.front;
    const char *const headers[] = { "Content-Type: application/json", NULL };
    char body[BODY_SIZE], bearer[TOKEN_SIZE + 32], refresh[128];
    struct reply login = http_try(front, "POST", "/auth/login", headers, credentials(account, PASSWORD, body));
    count_reply(rolling, &login);
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", http_member(&login, "access_token"));
    snprintf(refresh, sizeof refresh, "%s", http_member(&login, "refresh_token"));
    http_free(&login);
    for (int i = 0; i < 5 && !atomic_load(&rolling->over); i++) {
        struct reply me = http_try(front, "GET", "/auth/me", (const char *const[]){ bearer, NULL }, NULL);
        count_reply(rolling, &me);
        http_free(&me);
        struct reply next = http_try(front, "POST", "/auth/refresh", headers, refresh_json(refresh, body));
        count_reply(rolling, &next);
        snprintf(refresh, sizeof refresh, "%s", http_member(&next, "refresh_token"));
        http_free(&next);
    }
}

static void roll_or_use(size_t index, void *context) {
    struct rolling *rolling = context;
    if (index == CLIENTS) {
        roll(rolling);
        return;
    }
    struct account account = account_register(&rolling->balancer.front);
    while (!atomic_load(&rolling->over))
        use_service(rolling, &account);
}

START_TEST(a_rolling_restart_behind_a_balancer_fails_no_request) {
    static struct rolling rolling;
    struct server keys = server_start(NULL);
    rolling.keys = &keys;
    for (size_t i = 0; i < INSTANCES; i++) {
        rolling.ports[i] = reserve_port();
        rolling.instances[i] = start_instance(&keys, rolling.ports[i]);
    }
    rolling.balancer = start_balancer(&keys, rolling.ports);
    wait_for(&rolling.balancer.front, BALANCER_SEES_BOTH);
    run_parallel(CLIENTS + 1, roll_or_use, &rolling);
    ck_assert_msg(rolling.failed == 0, "%u of %u requests failed, one with %ld", rolling.failed, rolling.answered,
                  rolling.bad_status);
    ck_assert_uint_gt(rolling.answered, ANSWERED_MIN);
    stop_balancer(&rolling.balancer);
    for (size_t i = 0; i < INSTANCES; i++)
        server_finish(&rolling.instances[i]);
    server_finish(&keys);
}
END_TEST

Suite *rolling_suite(void) {
    Suite *suite = suite_create("rolling");
    TCase *tcase = tcase_create("rolling");
    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, a_rolling_restart_behind_a_balancer_fails_no_request);
    suite_add_tcase(suite, tcase);
    return suite;
}
