#include "bench.h"
#include "command.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define USERS 32
#define SECONDS 3.0
#define PACE_RATE 5000.0
#define EVENTS 64

/* ---- a server that does no work ---- */

#define BODY "{\"access_token\":\"a.b.c\",\"refresh_token\":\"r.s\"}"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n" BODY

static char reply[256];
static size_t reply_len;

static int listen_anywhere(unsigned *port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

static void accept_one(int epoll, int listener) {
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        close(fd);
}

/* The tester sends a request whole, and the next when it has the reply. */
static void answer(int fd) {
    char request[8192];
    ssize_t got = recv(fd, request, sizeof request, 0);
    if (got > 0)
        send(fd, reply, reply_len, MSG_NOSIGNAL);
    else if (got == 0 || errno != EAGAIN)
        close(fd);
}

static void serve(int listener) {
    struct epoll_event events[EVENTS], event = { .events = EPOLLIN, .data.fd = listener };
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        _exit(1);
    while (true) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listener)
                accept_one(epoll, listener);
            else
                answer(events[i].data.fd);
    }
}

/* ---- the measurement ---- */

static const struct run_step *measure(struct bench *bench, enum run_phase phase, enum run_by by, double load) {
    struct bench_step asked = { .phase = phase, .order = bench_order(by, load, SECONDS, 1), .load = load };
    snprintf(bench->display.progress, sizeof bench->display.progress, "%s", names_get(&run_phase_names, (int)phase));
    return bench_run(bench, &asked);
}

static int measure_all(struct bench *bench) {
    char numbers[4][DISPLAY_NUMBER_SIZE];
    const struct run_step *step = measure(bench, PHASE_CEILING, BY_USERS, USERS);
    if (step == NULL || step->figures.ok < step->figures.due)
        return command_fail(EXIT_GENERATOR, "its own server did not answer everything");
    double ceiling = step->figures.served, cores = step->usage.generator_cores, cost = ceiling > 0 ? cores / ceiling * 1e6 : 0;
    step = measure(bench, PHASE_PACE, BY_RATE, PACE_RATE);
    if (step == NULL)
        return EXIT_GENERATOR;
    display_clear(&bench->display);
    printf("ceiling: %s requests/s over %d connections with %u process%s (%.2f cores, %.1f us of processor time a request)\n",
           display_load(ceiling, numbers[0]), USERS, bench->plan.workers, bench->plan.workers == 1 ? "" : "es", cores, cost);
    printf("pace: at %.0f requests/s p99 of its own delay %s, of latency %s (p50 %s)\n", PACE_RATE,
           display_ms(step->figures.lag_ms, numbers[1]), display_ms(step->figures.p99, numbers[2]),
           display_ms(step->figures.p50, numbers[3]));
    return EXIT_FINE;
}

static int run_against(const struct options *options, const char *line, unsigned port) {
    char url[64];
    struct options complete = *options;
    struct bench bench;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", port);
    complete.operands[0] = url;
    complete.scenario = "verify";
    complete.seeded = true;
    int code = bench_init(&bench, &complete, "selftest", line);
    if (code == EXIT_FINE)
        code = bench_prepare(&bench);
    if (code == EXIT_FINE)
        code = measure_all(&bench);
    if (code != EXIT_FINE && bench.run.verdict.headline[0] != '\0')
        command_fail(code, "%s", bench.run.verdict.headline);
    bench_fini(&bench);
    return code;
}

int command_selftest(const struct options *options, const char *line) {
    unsigned port;
    reply_len = (size_t)snprintf(reply, sizeof reply, HEAD, sizeof BODY - 1);
    int listener = listen_anywhere(&port);
    pid_t server = listener < 0 ? -1 : fork();
    if (server == 0)
        serve(listener);
    if (listener >= 0)
        close(listener);
    if (server < 0)
        return command_fail(EXIT_GENERATOR, "its own server cannot be started");
    int code = run_against(options, line, port);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return code;
}
