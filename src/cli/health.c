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

#define WAIT_US (2 * CLOCK_US_PER_S) /* for all of it; less than the 3 s of the Dockerfile */
#define ANSWER_SIZE 4096

/* `option`: that of connect and send, or of recv. */
static bool limit_wait(int fd, int option, int64_t deadline_us) {
    int64_t left_us = deadline_us - clock_monotonic_us();
    const struct timeval wait = { .tv_sec = left_us / CLOCK_US_PER_S, .tv_usec = left_us % CLOCK_US_PER_S };
    errno = ETIMEDOUT;
    return left_us > 0 && setsockopt(fd, SOL_SOCKET, option, &wait, sizeof wait) == 0; /* zero would be no limit */
}

/* Of a service that serves on every address (0.0.0.0, [::]) Linux connects to the one on this host. */
static bool connect_to(int fd, const struct sockaddr_storage *address, socklen_t len, int64_t deadline_us) {
    return limit_wait(fd, SO_SNDTIMEO, deadline_us) && connect(fd, (const struct sockaddr *)address, len) == 0;
}

static bool send_request(int fd, const char *path, int64_t deadline_us) {
    char request[128];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    return limit_wait(fd, SO_SNDTIMEO, deadline_us) && send(fd, request, (size_t)len, MSG_NOSIGNAL) == len;
}

/* Reads until the service closes the connection. */
static bool receive(int fd, char answer[ANSWER_SIZE], int64_t deadline_us) {
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len < ANSWER_SIZE - 1) {
        got = limit_wait(fd, SO_RCVTIMEO, deadline_us) ? recv(fd, answer + len, ANSWER_SIZE - 1 - len, 0) : -1;
        len += got > 0 ? (size_t)got : 0;
    }
    answer[len] = '\0';
    if (got > 0)
        errno = EMSGSIZE;
    return got == 0;
}

static bool ask(const struct endpoint *endpoint, const char *path, char answer[ANSWER_SIZE]) {
    int64_t deadline_us = clock_monotonic_us() + WAIT_US;
    struct sockaddr_storage address;
    socklen_t len = endpoint_socket_address(endpoint, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_answered =
        connect_to(fd, &address, len, deadline_us) && send_request(fd, path, deadline_us) && receive(fd, answer, deadline_us);
    int failure = errno == EAGAIN || errno == EINPROGRESS ? ETIMEDOUT : errno;
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
