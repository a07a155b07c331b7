/* jwtd health: for the HEALTHCHECK of an image in which there is no other program that could ask. */
#include "jwtd/cli.h"
#include "jwtd/clock.h"
#include "jwtd/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WAIT_S 2 /* for each of connect, send and recv; less than the 3 s of the Dockerfile */
#define ANSWER_SIZE 4096

/* Of a service that serves on every address (0.0.0.0, [::]) Linux connects to the one on this host. */
static int open_connection(const struct endpoint *endpoint) {
    const struct timeval wait = { .tv_sec = WAIT_S };
    struct sockaddr_storage address;
    socklen_t len = endpoint_socket_address(endpoint, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
        connect(fd, (const struct sockaddr *)&address, len) == 0)
        return fd;
    int failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

/* Reads until the service closes the connection, in WAIT_S altogether. */
static bool receive(int fd, char answer[ANSWER_SIZE]) {
    int64_t deadline_us = clock_monotonic_us() + WAIT_S * CLOCK_US_PER_S;
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len < ANSWER_SIZE - 1 && clock_monotonic_us() < deadline_us) {
        got = recv(fd, answer + len, ANSWER_SIZE - 1 - len, 0);
        len += got > 0 ? (size_t)got : 0;
    }
    answer[len] = '\0';
    if (got > 0 || (got < 0 && errno == EAGAIN))
        errno = ETIMEDOUT;
    return got == 0;
}

static bool ask(const struct endpoint *endpoint, const char *path, char answer[ANSWER_SIZE]) {
    char request[128];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    int fd = open_connection(endpoint);
    if (fd < 0)
        return false;
    bool is_answered = send(fd, request, (size_t)len, MSG_NOSIGNAL) == len && receive(fd, answer);
    int failure = errno;
    close(fd);
    errno = failure;
    return is_answered;
}

/* Prints the body; returns whether the status was 200. */
static bool report(const char *answer) {
    const char *body = strstr(answer, "\r\n\r\n");
    puts(body != NULL ? body + 4 : answer);
    return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
}

/* The operator's, on which no flood of clients keeps it waiting: it must not have a service restarted. */
static const struct endpoint *endpoint_to_ask(const struct config *config) {
    return endpoint_is_set(&config->ops.listen) ? &config->ops.listen : &config->server.listen;
}

int cli_health(const struct cli_arguments *arguments) {
    struct config config;
    char answer[ANSWER_SIZE], text[ENDPOINT_TEXT_SIZE];
    bool is_healthy = false;
    if (cli_load_config(arguments, &config)) {
        const struct endpoint *endpoint = endpoint_to_ask(&config);
        if (ask(endpoint, (arguments->options & CLI_READY) != 0 ? "/health/ready" : "/health/live", answer))
            is_healthy = report(answer);
        else
            fprintf(stderr, "jwtd: %s: %s\n", endpoint_text(endpoint, text), strerrordesc_np(errno));
    }
    config_fini(&config);
    return is_healthy ? 0 : 1;
}
