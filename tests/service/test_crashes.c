/*
 * The service is killed fifty times at random moments under load. Every client writes down what was acknowledged to it, and
 * repeats what was not; in the end all that was acknowledged must be true, and nothing that was not asked for.
 */
#include "support/account.h"
#include "support/database.h"

#include <check.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

Suite *crashes_suite(void);

#define CLIENTS 6
#define KILLS 50
#define LIVES_MAX 400 /* of each client */
#define REFRESHES 4
#define PATIENCE 1500 /* repetitions */
#define PAUSE_US 20000

/* What one account has been through, all of it acknowledged. */
struct life {
    struct account account;
    char password[64], former_password[64]; /* the latter empty: it was never changed */
    char refresh[128];                      /* the last of the session that lives; empty: there is none */
    char grandparent[128];                  /* its predecessor's predecessor; empty: there is none */
    char ended[128];                        /* the last of a session that was logged out; empty: there is none */
    bool is_whole;                          /* what it went through was acknowledged to the end */
};

struct client {
    struct life lives[LIVES_MAX];
    size_t count;
    unsigned random;
};

struct run {
    struct server *server;
    unsigned seed;
    atomic_bool over;
    struct client clients[CLIENTS];
};

/* Repeats a request, as the contract allows, until it is acknowledged or refused. */
static struct reply insist(const struct run *run, const char *method, const char *path, const char *const *headers,
                           const char *body) {
    struct reply reply = { .status = 0 };
    for (int i = 0; i < PATIENCE; i++) {
        reply = http_try(run->server, method, path, headers, body);
        if (reply.status != 0 && reply.status != 503)
            return reply;
        http_free(&reply);
        usleep(PAUSE_US);
    }
    ck_abort_msg("seed %u: no answer to %s %s", run->seed, method, path);
    return reply;
}

static void insist_on(const struct run *run, long status, const char *method, const char *path, const char *authorization,
                      const char *body) {
    const char *const headers[] = { "Content-Type: application/json", authorization, NULL };
    struct reply reply = insist(run, method, path, headers, body);
    ck_assert_msg(reply.status == status, "seed %u: %s %s gave %ld: %s", run->seed, method, path, reply.status, reply.body);
    http_free(&reply);
}

static void do_register(const struct run *run, struct life *life) {
    char body[BODY_SIZE], key[128];
    life->account = account_new();
    snprintf(life->password, sizeof life->password, "%s", PASSWORD);
    snprintf(key, sizeof key, "Idempotency-Key: %s", life->account.email);
    insist_on(run, 201, "POST", "/auth/register", key, credentials(&life->account, life->password, body));
}

static void do_log_in(const struct run *run, const struct life *life, struct tokens *tokens) {
    char body[BODY_SIZE];
    const char *const headers[] = { "Content-Type: application/json", NULL };
    struct reply reply = insist(run, "POST", "/auth/login", headers, credentials(&life->account, life->password, body));
    ck_assert_msg(reply.status == 200, "seed %u: login gave %ld", run->seed, reply.status);
    snprintf(tokens->access, sizeof tokens->access, "%s", http_member(&reply, "access_token"));
    snprintf(tokens->refresh, sizeof tokens->refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

static void do_refresh(const struct run *run, char grandparent[128], char parent[128], char refresh[128]) {
    char body[BODY_SIZE];
    const char *const headers[] = { "Content-Type: application/json", NULL };
    struct reply reply = insist(run, "POST", "/auth/refresh", headers, refresh_json(refresh, body));
    ck_assert_msg(reply.status == 200, "seed %u: refresh gave %ld: %s", run->seed, reply.status, reply.body);
    memcpy(grandparent, parent, 128);
    memcpy(parent, refresh, 128);
    snprintf(refresh, 128, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

static void do_change_password(const struct run *run, struct life *life, const char *access, unsigned random) {
    char body[BODY_SIZE], bearer[TOKEN_SIZE + 32], next[64];
    snprintf(next, sizeof next, "another passphrase %u", random);
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", access);
    snprintf(body, sizeof body, "{\"current_password\":\"%s\",\"new_password\":\"%s\"}", life->password, next);
    insist_on(run, 204, "POST", "/auth/password", bearer, body);
    memcpy(life->former_password, life->password, sizeof life->password);
    memcpy(life->password, next, sizeof next);
}

static void do_log_out(const struct run *run, struct life *life, const char *refresh) {
    char body[BODY_SIZE];
    insist_on(run, 204, "POST", "/auth/logout", NULL, refresh_json(refresh, body));
    snprintf(life->ended, sizeof life->ended, "%s", refresh);
}

static void live(const struct run *run, struct client *client, struct life *life) {
    struct tokens tokens, other;
    char grandparent[128] = "", parent[128] = "";
    do_register(run, life);
    do_log_in(run, life, &tokens);
    do_log_in(run, life, &other);
    for (int i = rand_r(&client->random) % REFRESHES; i >= 0; i--)
        do_refresh(run, grandparent, parent, tokens.refresh);
    if (rand_r(&client->random) % 2 == 0)
        do_log_out(run, life, other.refresh);
    if (rand_r(&client->random) % 2 == 0)
        do_change_password(run, life, tokens.access, (unsigned)rand_r(&client->random));
    for (int i = rand_r(&client->random) % REFRESHES; i >= 0; i--)
        do_refresh(run, grandparent, parent, tokens.refresh);
    memcpy(life->refresh, tokens.refresh, sizeof life->refresh);
    memcpy(life->grandparent, grandparent, sizeof life->grandparent);
    life->is_whole = true;
}

static void kill_again_and_again(struct run *run, const struct server *keys) {
    unsigned random = run->seed;
    char listen[64];
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", run->server->port);
    for (int i = 0; i < KILLS; i++) {
        usleep(50000 + (useconds_t)rand_r(&random) % 300000);
        pid_t pid = run->server->pid;
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        struct server next = server_start_unready_beside(keys, (const char *const[]){ listen, NULL });
        run->server->pid = next.pid;
    }
    atomic_store(&run->over, true);
}

static const struct server *keys_of_run;

static void kill_or_live(size_t index, void *context) {
    struct run *run = context;
    if (index == CLIENTS) {
        kill_again_and_again(run, keys_of_run);
        return;
    }
    struct client *client = &run->clients[index];
    client->random = run->seed + (unsigned)index;
    while (!atomic_load(&run->over) && client->count < LIVES_MAX) {
        live(run, client, &client->lives[client->count]);
        client->count++;
    }
}

/* ---- what must be true ---- */

static void expect_refresh(const struct run *run, const char *token, long status) {
    char body[BODY_SIZE];
    if (token[0] != '\0')
        insist_on(run, status, "POST", "/auth/refresh", NULL, refresh_json(token, body));
}

static void check_life(const struct run *run, const struct life *life) {
    char body[BODY_SIZE];
    insist_on(run, 200, "POST", "/auth/login", NULL, credentials(&life->account, life->password, body));
    if (life->former_password[0] != '\0')
        insist_on(run, 401, "POST", "/auth/login", NULL, credentials(&life->account, life->former_password, body));
    expect_refresh(run, life->ended, 401);
    expect_refresh(run, life->refresh, 200);
    /* a session has one line of descent: an ancestor is recognised, and ends it */
    expect_refresh(run, life->grandparent, 401);
    if (life->grandparent[0] != '\0')
        expect_refresh(run, life->refresh, 401);
}

static size_t check_client(const struct run *run, const struct client *client) {
    for (size_t i = 0; i < client->count; i++) {
        ck_assert(client->lives[i].is_whole);
        check_life(run, &client->lives[i]);
        ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email = $1", client->lives[i].account.email), 1);
    }
    return client->count;
}

START_TEST(nothing_that_was_acknowledged_is_lost_in_fifty_crashes) {
    static struct run run;
    struct server keys = server_start(NULL);
    struct server server = server_start_beside(&keys, NULL);
    run.server = &server;
    run.seed = (unsigned)time(NULL);
    keys_of_run = &keys;
    run_parallel(CLIENTS + 1, kill_or_live, &run);
    size_t lives = 0;
    for (size_t i = 0; i < CLIENTS; i++)
        lives += check_client(&run, &run.clients[i]);
    ck_assert_uint_ge(lives, CLIENTS);
    server_finish(&server);
    server_finish(&keys);
}
END_TEST

Suite *crashes_suite(void) {
    Suite *suite = suite_create("crashes");
    TCase *tcase = tcase_create("crashes");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, nothing_that_was_acknowledged_is_lost_in_fifty_crashes);
    suite_add_tcase(suite, tcase);
    return suite;
}
