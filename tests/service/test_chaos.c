/*
 * Two dozen clients that do everything wrong at once, while the service reloads and its database sessions are ended. It must not
 * crash, leak or hang, and must serve as before when they have disconnected. Meant for the sanitizers (make chaos);
 * CHAOS_SECONDS=60 and CHAOS_SEED=1 say for how long and which.
 */
#include "support/account.h"
#include "support/database.h"
#include "support/load.h"
#include "support/process.h"
#include "support/raw.h"

#include "jwtd/macros.h"

#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

Suite *chaos_suite(void);

#define CLIENTS 24
#define SECONDS 20
#define REQUEST_SIZE 32768
#define READ_MS 50
#define RELOAD_PAUSE_US 150000u
#define TERMINATE_PAUSE_US 250000u
#define PIPELINED_MAX 12
#define DESCRIPTORS_LEFT 11 /* connections to the database: of 8 requests, and of 3 threads of the background */
#define LET_GO_TRIES 200
#define LET_GO_PAUSE_US 100000u

struct chaos {
    struct server server;
    struct account accounts[CLIENTS];
    struct tokens tokens[CLIENTS];
    time_t end;
    atomic_ulong requests, replies;
};

/* A generator of each thread's own, so that a seed determines what each of them does (xorshift64*). */
struct client {
    struct chaos *chaos;
    size_t index;
    uint64_t state;
    int fd;
    char request[REQUEST_SIZE];
    size_t len;
};

static uint64_t next(struct client *client) {
    client->state ^= client->state >> 12;
    client->state ^= client->state << 25;
    client->state ^= client->state >> 27;
    return client->state * UINT64_C(2685821657736338717);
}

static size_t below(struct client *client, size_t limit) {
    return (size_t)(next(client) >> 33) % limit;
}

/* ---- what is sent ---- */

static void add(struct client *client, const char *text, size_t len) {
    size_t room = REQUEST_SIZE - client->len;
    size_t taken = len < room ? len : room;
    memcpy(client->request + client->len, text, taken);
    client->len += taken;
}

static void add_text(struct client *client, const char *text) {
    add(client, text, strlen(text));
}

static void add_get(struct client *client, const char *path) {
    char text[TOKEN_SIZE + 256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", path,
             client->chaos->tokens[client->index].access);
    add_text(client, text);
}

static void add_post(struct client *client, const char *path, const char *body, bool chunked) {
    char text[4096];
    if (chunked)
        snprintf(
            text, sizeof text,
            "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n"
            "0\r\n\r\n",
            path, strlen(body), body);
    else
        snprintf(text, sizeof text,
                 "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", path,
                 strlen(body), body);
    add_text(client, text);
}

static void add_cookies(struct client *client) {
    add_text(client, "GET /health/live HTTP/1.1\r\nHost: x\r\nCookie: ");
    for (size_t i = below(client, 400); i > 0; i--)
        add_text(client, "some=cookie; ");
    add_text(client, "a=b\r\n\r\n");
}

static void add_query(struct client *client) {
    add_text(client, "GET /auth/verify?");
    for (size_t i = below(client, 300); i > 0; i--)
        add_text(client, "p=q&");
    add_text(client, " HTTP/1.1\r\nHost: x\r\n\r\n");
}

static void add_request(struct client *client) {
    static const char *const paths[] = { "/health/live",   "/health/ready", "/auth/me", "/auth/verify",
                                         "/auth/sessions", "/docs",         "/none" };
    const struct chaos *chaos = client->chaos;
    char body[BODY_SIZE];
    switch (below(client, 8)) {
    case 0:
        add_post(client, "/auth/login", credentials(&chaos->accounts[client->index], PASSWORD, body), below(client, 2) == 0);
        return;
    case 1:
        add_post(client, "/auth/login", credentials(&chaos->accounts[client->index], "not the passphrase", body), false);
        return;
    case 2: /* the same one again and again: the session ends, and that must do no harm either */
        add_post(client, "/auth/refresh", refresh_json(chaos->tokens[client->index].refresh, body), below(client, 2) == 0);
        return;
    case 3:
        add_cookies(client);
        return;
    case 4:
        add_query(client);
        return;
    default:
        add_get(client, paths[below(client, ARRAY_LEN(paths))]);
        return;
    }
}

/* Bytes that mean something to a parser, put where they do not belong. */
static void damage(struct client *client) {
    static const char marks[] = "\r\n\0: ;,{}\"\\\t\x80\xff"
                                "0";
    for (size_t i = below(client, 6) + 1; i > 0 && client->len > 0; i--)
        client->request[below(client, client->len)] = marks[below(client, sizeof marks - 1)];
}

/* ---- how it is sent ---- */

static void reset(struct client *client) {
    struct linger none = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

static void read_some(struct client *client) {
    struct raw_reply reply;
    raw_read(client->fd, READ_MS, &reply);
    atomic_fetch_add(&client->chaos->replies, reply.count);
}

static void send_whole(struct client *client) {
    raw_send(client->fd, client->request, client->len);
    read_some(client);
}

static void send_and_hang_up(struct client *client) {
    raw_send(client->fd, client->request, client->len);
}

static void send_a_part(struct client *client) {
    raw_send(client->fd, client->request, below(client, client->len) + 1);
    if (below(client, 2) == 0)
        read_some(client);
}

static void send_and_reset(struct client *client) {
    raw_send(client->fd, client->request, below(client, 2) == 0 ? client->len : below(client, client->len) + 1);
    reset(client);
}

static void send_and_close_one_side(struct client *client) {
    raw_send(client->fd, client->request, client->len);
    shutdown(client->fd, SHUT_WR);
    read_some(client);
}

static void send_in_pieces(struct client *client) {
    for (size_t at = 0; at < client->len;) {
        size_t piece = below(client, 64) + 1;
        piece = piece < client->len - at ? piece : client->len - at;
        raw_send(client->fd, client->request + at, piece);
        at += piece;
        if (below(client, 8) == 0)
            usleep(500);
    }
    read_some(client);
}

static void send_damaged(struct client *client) {
    damage(client);
    send_whole(client);
}

static void send_many(struct client *client) {
    for (size_t i = below(client, PIPELINED_MAX); i > 0; i--)
        add_request(client);
    send_whole(client);
}

static void (*const manners[])(struct client *client) = {
    send_whole,     send_and_hang_up, send_a_part,  send_and_reset, send_and_close_one_side,
    send_in_pieces, send_damaged,     send_damaged, send_many
};

static void misbehave(struct client *client) {
    client->fd = raw_connect(&client->chaos->server);
    for (size_t i = below(client, 3) + 1; i > 0; i--) {
        client->len = 0;
        add_request(client);
        manners[below(client, ARRAY_LEN(manners))](client);
        atomic_fetch_add(&client->chaos->requests, 1);
    }
    close(client->fd);
}

/* ---- the run ---- */

static uint64_t seed(void) {
    static uint64_t chosen;
    const char *wanted = getenv("CHAOS_SEED");
    if (chosen == 0)
        chosen = wanted != NULL ? strtoull(wanted, NULL, 10) : (uint64_t)time(NULL);
    return chosen;
}

static bool is_over(const struct chaos *chaos) {
    return time(NULL) >= chaos->end;
}

static void run_clients(struct chaos *chaos, size_t index) {
    struct client *client = calloc(1, sizeof *client);
    ck_assert_ptr_nonnull(client);
    *client = (struct client){ .chaos = chaos, .index = index, .state = seed() * UINT64_C(0x9e3779b97f4a7c15) + index + 1 };
    while (!is_over(chaos))
        misbehave(client);
    free(client);
}

static void reload_again_and_again(struct chaos *chaos) {
    while (!is_over(chaos)) {
        ck_assert_int_eq(kill(chaos->server.pid, SIGHUP), 0);
        usleep(RELOAD_PAUSE_US);
    }
}

static void end_database_sessions(struct chaos *chaos) {
    while (!is_over(chaos)) {
        database_number("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'jwtd' AND random() < 0.3",
                        NULL);
        usleep(TERMINATE_PAUSE_US);
    }
}

static void take_part(size_t index, void *context) {
    if (index < CLIENTS)
        run_clients(context, index);
    else if (index == CLIENTS)
        reload_again_and_again(context);
    else
        end_database_sessions(context);
}

START_TEST(what_chaotic_clients_do_at_once_harms_nobody) {
    static struct chaos chaos;
    const char *seconds = getenv("CHAOS_SECONDS");
    /* requests that are cut and mixed are not recorded: which of them a reply answers cannot be told */
    unsetenv("JWTD_TEST_EXCHANGES");
    chaos.server = server_start((const char *const[]){ "server.request_timeout=2s", "server.header_timeout=1s",
                                                       "server.body_timeout=1s", NULL }); /* or their sockets stay for ten */
    for (size_t i = 0; i < CLIENTS; i++) {
        chaos.accounts[i] = account_register(&chaos.server);
        chaos.tokens[i] = account_login(&chaos.server, &chaos.accounts[i]);
    }
    unsigned long descriptors = process_descriptors(chaos.server.pid);
    printf("CHAOS_SEED=%llu\n", (unsigned long long)seed());
    fflush(stdout);
    chaos.end = time(NULL) + (seconds != NULL ? strtol(seconds, NULL, 10) : SECONDS);
    run_parallel(CLIENTS + 2, take_part, &chaos);
    ck_assert_msg(waitpid(chaos.server.pid, NULL, WNOHANG) == 0, "the service died");
    ck_assert_uint_gt(atomic_load(&chaos.replies), 0);
    await_ready(&chaos.server);
    account_login(&chaos.server, &chaos.accounts[0]);
    for (int i = 0; i < LET_GO_TRIES && process_descriptors(chaos.server.pid) > descriptors + DESCRIPTORS_LEFT; i++)
        usleep(LET_GO_PAUSE_US);
    ck_assert_uint_le(process_descriptors(chaos.server.pid), descriptors + DESCRIPTORS_LEFT);
    printf("%lu requests, %lu replies\n", atomic_load(&chaos.requests), atomic_load(&chaos.replies));
    server_finish(&chaos.server);
}
END_TEST

Suite *chaos_suite(void) {
    Suite *suite = suite_create("chaos");
    TCase *tcase = tcase_create("chaos");
    tcase_set_timeout(tcase, 150);
    tcase_add_test(tcase, what_chaotic_clients_do_at_once_harms_nobody);
    suite_add_tcase(suite, tcase);
    return suite;
}
