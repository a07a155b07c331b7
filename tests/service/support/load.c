#include "load.h"

#include "process.h"

#include "jwtd/clock.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_US 3000u
#define READY_US (30 * CLOCK_US_PER_S)
#define LATER_MAX 100
#define LATER_US 50000u

/* Until the answer is another than 503: the service has a short deadline, and the machine may be busy. */
static struct reply post_patiently(const struct server *server, const char *path, const char *body) {
    struct reply reply = http_json(server, "POST", path, NULL, body);
    for (int i = 0; i < LATER_MAX && reply.status == 503; i++) {
        http_free(&reply);
        usleep(LATER_US);
        reply = http_json(server, "POST", path, NULL, body);
    }
    return reply;
}

static struct tokens make_tokens(const struct server *server) {
    struct account account = account_new();
    struct tokens tokens;
    char body[BODY_SIZE];
    struct reply registered = post_patiently(server, "/auth/register", credentials(&account, PASSWORD, body));
    ck_assert_msg(registered.status == 201 || registered.status == 409, "%ld %s", registered.status, registered.body);
    http_free(&registered);
    struct reply reply = post_patiently(server, "/auth/login", body);
    ck_assert_msg(reply.status == 200, "%ld %s", reply.status, reply.body);
    snprintf(tokens.access, sizeof tokens.access, "%s", http_member(&reply, "access_token"));
    snprintf(tokens.refresh, sizeof tokens.refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
    return tokens;
}

void load_prepare(struct load *load, const struct server *server) {
    memset(load, 0, sizeof *load);
    load->server = server;
    for (size_t i = 0; i < LOAD_CLIENTS; i++)
        load->clients[i].tokens = make_tokens(server);
}

static void count(struct load_client *client, const struct reply *reply, int64_t began_us) {
    char value[32];
    bool says_when = http_header(reply, "Retry-After", value, sizeof value)[0] != '\0';
    if (reply->seconds > client->slowest_s)
        client->slowest_s = reply->seconds;
    if (reply->status == 200) {
        client->good++;
        atomic_store(&client->good_since_us, began_us);
    } else if (reply->status == 503 && says_when)
        client->unavailable++;
    else if (client->other++ == 0)
        client->other_status = reply->status;
}

static void refresh_once(const struct server *server, struct load_client *client) {
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    char body[BODY_SIZE];
    int64_t began_us = clock_monotonic_us();
    struct reply reply = http_try(server, "POST", "/auth/refresh", headers, refresh_json(client->tokens.refresh, body));
    count(client, &reply, began_us);
    if (reply.status == 200) {
        snprintf(client->tokens.access, sizeof client->tokens.access, "%s", http_member(&reply, "access_token"));
        snprintf(client->tokens.refresh, sizeof client->tokens.refresh, "%s", http_member(&reply, "refresh_token"));
    }
    http_free(&reply);
}

static void ask_once(const struct server *server, struct load_client *client) {
    char authorization[TOKEN_SIZE + 64];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", client->tokens.access);
    int64_t began_us = clock_monotonic_us();
    struct reply reply = http_try(server, "GET", "/auth/me", (const char *const[]){ authorization, NULL }, NULL);
    count(client, &reply, began_us);
    http_free(&reply);
}

static void work(size_t index, void *context) {
    struct load *load = context;
    if (index == LOAD_CLIENTS) {
        load->script(load);
        atomic_store(&load->over, true);
        return;
    }
    struct load_client *client = &load->clients[index];
    int64_t began_us = clock_monotonic_us();
    double waited_s = thread_waited_s();
    while (!atomic_load(&load->over) || (client->good == 0 && clock_monotonic_us() < began_us + READY_US)) {
        refresh_once(load->server, client);
        ask_once(load->server, client);
        usleep(PAUSE_US);
    }
    client->kept_waiting_s = thread_waited_s() - waited_s;
}

void load_run(struct load *load, void (*script)(struct load *load), void *context) {
    load->script = script;
    load->context = context;
    atomic_store(&load->over, false);
    struct waits before = process_waits(load->server->pid);
    run_parallel(LOAD_CLIENTS + 1, work, load);
    load->machine_s = longest_wait_s(load->server->pid, &before);
    for (size_t i = 0; i < LOAD_CLIENTS; i++)
        if (load->clients[i].kept_waiting_s > load->machine_s)
            load->machine_s = load->clients[i].kept_waiting_s;
}

static bool all_are_good_since(const struct load *load, int64_t since_us) {
    for (size_t i = 0; i < LOAD_CLIENTS; i++)
        if (atomic_load(&load->clients[i].good_since_us) < since_us)
            return false;
    return true;
}

double load_await_good(struct load *load) {
    int64_t began_us = clock_monotonic_us();
    while (!all_are_good_since(load, began_us)) {
        ck_assert_msg(clock_monotonic_us() < began_us + READY_US, "the clients do not get any 200");
        usleep(PAUSE_US);
    }
    return (double)(clock_monotonic_us() - began_us) / 1e6;
}

void load_assert_only_200_and_503(const struct load *load, double slowest_s) {
    for (size_t i = 0; i < LOAD_CLIENTS; i++) {
        const struct load_client *client = &load->clients[i];
        ck_assert_msg(client->other == 0, "client %zu got %u other answers, the first %ld", i, client->other,
                      client->other_status);
        ck_assert_msg(client->slowest_s <= slowest_s + load->machine_s, "an answer took %.2f s, of which the machine took %.2f",
                      client->slowest_s, load->machine_s);
        ck_assert_uint_gt(client->good, 0);
    }
}

unsigned load_unavailable(const struct load *load) {
    unsigned sum = 0;
    for (size_t i = 0; i < LOAD_CLIENTS; i++)
        sum += load->clients[i].unavailable;
    return sum;
}

void load_assert_sessions_live(struct load *load) {
    for (size_t i = 0; i < LOAD_CLIENTS; i++) {
        char body[BODY_SIZE];
        struct reply reply = post_patiently(load->server, "/auth/refresh", refresh_json(load->clients[i].tokens.refresh, body));
        ck_assert_msg(reply.status == 200, "client %zu was logged out: %ld %s", i, reply.status, reply.body);
        http_free(&reply);
    }
}

double await_ready(const struct server *server) {
    int64_t began_us = clock_monotonic_us();
    while (clock_monotonic_us() < began_us + READY_US) {
        struct reply reply = http_try(server, "GET", "/health/ready", NULL, NULL);
        long status = reply.status;
        http_free(&reply);
        if (status == 200)
            return (double)(clock_monotonic_us() - began_us) / 1e6;
        usleep(10000);
    }
    ck_abort_msg("the service does not become ready");
}
