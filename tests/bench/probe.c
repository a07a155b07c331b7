/*
 * probe: what wrk does not measure, on 127.0.0.1.
 *   probe rate PORT PER_SECOND SECONDS     asks for /health/live at a fixed rate on one connection, counts from the moment a
 *                                          request was due, and prints p50, p99, max in ms
 *   probe start PORT PATH PROGRAM WORDS... starts a program and prints the ms until PATH is answered with 200; then ends it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int open_connection(const char *port) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int ask(int fd, const char *path) {
    char request[256], reply[2048];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    if (len >= (int)sizeof request || send(fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        return 0;
    ssize_t got = recv(fd, reply, sizeof reply - 1, 0);
    return got > 12 && memcmp(reply, "HTTP/1.1 200", 12) == 0;
}

static void sleep_until(double ms) {
    double left = ms - now_ms();
    if (left <= 0)
        return;
    struct timespec pause = { (time_t)(left / 1e3), (long)((left - 1e3 * (double)(time_t)(left / 1e3)) * 1e6) };
    nanosleep(&pause, NULL);
}

static int compare(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

/* False when a reply is missing. */
static int fill_latencies(double *latencies, size_t count, const char *port, double per_second) {
    int fd = open_connection(port);
    int answered = fd >= 0;
    double begin = now_ms();
    for (size_t i = 0; i < count && answered; i++) {
        double due = begin + (double)i * 1e3 / per_second;
        sleep_until(due);
        answered = ask(fd, "/health/live");
        latencies[i] = now_ms() - due;
    }
    if (fd >= 0)
        close(fd);
    return answered;
}

static int measure_rate(const char *port, double per_second, double seconds) {
    size_t count = (size_t)(per_second * seconds);
    double *latencies = count > 0 ? calloc(count, sizeof *latencies) : NULL;
    if (latencies == NULL)
        return 1;
    int answered = fill_latencies(latencies, count, port, per_second);
    if (answered) {
        qsort(latencies, count, sizeof *latencies, compare);
        printf("%.2f %.2f %.2f\n", latencies[count / 2], latencies[count * 99 / 100], latencies[count - 1]);
    }
    free(latencies);
    return answered ? 0 : 1;
}

static int measure_start(const char *port, const char *path, char **words) {
    double begin = now_ms();
    pid_t pid = fork();
    if (pid == 0) {
        execv(words[0], words);
        _exit(127);
    }
    int answered = 0;
    while (!answered && now_ms() - begin < 20000) {
        int fd = open_connection(port);
        answered = fd >= 0 && ask(fd, path);
        if (fd >= 0)
            close(fd);
        if (!answered)
            usleep(200);
    }
    double took = now_ms() - begin;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    printf("%.1f\n", took);
    return answered ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "rate") == 0)
        return measure_rate(argv[2], strtod(argv[3], NULL), strtod(argv[4], NULL));
    if (argc > 4 && strcmp(argv[1], "start") == 0)
        return measure_start(argv[2], argv[3], argv + 4);
    fprintf(stderr, "usage: probe rate PORT PER_SECOND SECONDS | probe start PORT PATH PROGRAM WORDS...\n");
    return 2;
}
