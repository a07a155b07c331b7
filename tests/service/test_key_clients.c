/*
 * Three rotations of the signing key under load, at two instances, with clients that keep the JWK Set for as long as the common
 * libraries do by default. Their times are scaled: one second here is TIME_SCALE seconds there, and so is the time for which a
 * key is published before it signs. Every token is verified as a sibling does, with the keys of /.well-known/jwks.json alone.
 */
#include "support/account.h"
#include "support/load.h"

#include "jwtd/key_set.h"
#include "jwtd/macros.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

Suite *key_clients_suite(void);

#define TIME_SCALE 300.0
#define PUBLISHED "token.publish_before_use=4s" /* 20 minutes */
#define PUBLISHED_S 4
#define LOG_MS 5000
#define PAUSE_US 5000
#define USES 20
#define KID_SIZE 80

/* When a client reads the keys again: when they are older than max_age_s, and at an unknown key, unless it has read them less
 * than cooldown_s ago. */
static const struct rule {
    const char *client;
    double max_age_s;
    bool reads_at_unknown_key;
    double cooldown_s;
} rules[] = {
    { "PyJWT 2: PyJWKClient(lifespan=300)", 300, true, 0 },
    { "jose 5: createRemoteJWKSet(cacheMaxAge 600000, cooldownDuration 30000)", 600, true, 30 },
    { "golang-jwt with keyfunc: RefreshInterval 1 h, RefreshRateLimit 5 min", 3600, true, 300 },
    { "a proxy that reads them every ten minutes and at no other time", 600, false, 0 },
};

#define CLIENTS ARRAY_LEN(rules)

static struct server one, two;
static char output[4096];

struct load_of_clients {
    struct account account;
    bool waits; /* the operator does, until a new key may sign */
    atomic_bool over;
    atomic_uint good[CLIENTS], failed[CLIENTS], refused_by_service;
};

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_key(const char *word, const char *kid, const char *more) {
    char keys[160], refresh[160], url[512];
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", one.directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", one.directory);
    snprintf(url, sizeof url, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *const words[] = {
        "--set", keys, "--set", refresh, "--set", url, "--set", PUBLISHED, "key", word, kid, more, NULL
    };
    return program_run(words, NULL, output, sizeof output);
}

static void add_key(const char *algorithm, char kid[KID_SIZE]) {
    char option[32];
    snprintf(option, sizeof option, "--algorithm=%s", algorithm);
    ck_assert_msg(run_key("add", option, NULL) == 0, "%s", output);
    snprintf(kid, KID_SIZE, "%.*s", (int)strcspn(output, "\n"), output);
}

/* ---- a client ---- */

struct client {
    const struct rule *rule;
    struct key_set *keys;
    double read_s;
    unsigned turn; /* of the instances, as a balancer gives it */
};

static const struct server *next_instance(struct client *client) {
    return client->turn++ % 2 == 0 ? &one : &two;
}

static void read_keys(struct client *client) {
    char error[512];
    struct reply reply = http_send(next_instance(client), "GET", "/.well-known/jwks.json", NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    key_set_destroy(client->keys);
    client->keys = key_set_create();
    ck_assert_ptr_nonnull(client->keys);
    ck_assert_msg(key_set_add_jwks(client->keys, (struct text){ reply.body, reply.body_len }, false, error, sizeof error), "%s",
                  error);
    client->read_s = now_s();
    http_free(&reply);
}

static enum token_verdict check(const struct client *client, const char *token) {
    static const struct token_rules token_rules = { .issuer = "jwtd", .audience = "jwtd", .access_ttl_s = 900 };
    struct verified_token found;
    return key_set_check(client->keys, &token_rules, text_of(token), (int64_t)time(NULL), ACCESS_TOKEN_LEEWAY_S, &found);
}

static bool verify(struct client *client, const char *token) {
    const struct rule *rule = client->rule;
    if (client->keys == NULL || now_s() - client->read_s > rule->max_age_s / TIME_SCALE)
        read_keys(client);
    enum token_verdict verdict = check(client, token);
    bool reads_again =
        verdict == TOKEN_UNKNOWN_KEY && rule->reads_at_unknown_key && now_s() - client->read_s >= rule->cooldown_s / TIME_SCALE;
    if (reads_again) {
        read_keys(client);
        verdict = check(client, token);
    }
    return verdict == TOKEN_VALID;
}

static void refresh(struct client *client, struct tokens *tokens) {
    struct reply reply = refresh_with(next_instance(client), tokens->refresh);
    ck_assert_msg(reply.status == 200, "%ld %s", reply.status, reply.body);
    snprintf(tokens->access, sizeof tokens->access, "%s", http_member(&reply, "access_token"));
    snprintf(tokens->refresh, sizeof tokens->refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

/* A token, new each time, and one from the beginning, whose key retires meanwhile. */
static void use_tokens(size_t index, struct load_of_clients *load) {
    struct client client = { .rule = &rules[index], .turn = (unsigned)index };
    struct tokens first = account_login(&one, &load->account), tokens = first;
    while (!atomic_load(&load->over)) {
        refresh(&client, &tokens);
        bool is_good = verify(&client, tokens.access) && verify(&client, first.access);
        atomic_fetch_add(is_good ? &load->good[index] : &load->failed[index], 1);
        struct reply reply = http_json(next_instance(&client), "GET", "/auth/verify", tokens.access, NULL);
        atomic_fetch_add(&load->refused_by_service, reply.status == 200 ? 0 : 1);
        http_free(&reply);
        usleep(PAUSE_US);
    }
    key_set_destroy(client.keys);
}

static unsigned uses(struct load_of_clients *load, size_t index) {
    return atomic_load(&load->good[index]) + atomic_load(&load->failed[index]);
}

/* ---- the operator ---- */

static void activate(const struct load_of_clients *load, const char *kid) {
    if (!load->waits) {
        ck_assert_msg(run_key("activate", kid, "--now") == 0, "%s", output);
        return;
    }
    ck_assert_int_eq(run_key("activate", kid, NULL), 1);
    ck_assert_msg(strstr(output, "may sign from") != NULL, "%s", output);
    double began_s = now_s();
    while (run_key("activate", kid, NULL) != 0) {
        ck_assert_double_lt(now_s() - began_s, PUBLISHED_S + 5);
        usleep(100000);
    }
}

/* Waits until each client has used so many tokens of the key that signs now. */
static void await_uses(struct load_of_clients *load) {
    double began_s = now_s();
    for (size_t i = 0; i < CLIENTS; i++)
        for (unsigned until = uses(load, i) + USES; uses(load, i) < until; usleep(PAUSE_US))
            ck_assert_double_lt(now_s() - began_s, 60);
}

static void rotate(struct load_of_clients *load) {
    static const char *const algorithms[] = { "es256", "rs256", "es256" };
    char kid[KID_SIZE], log_text[KID_SIZE + 32];
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        add_key(algorithms[i], kid);
        activate(load, kid);
        snprintf(log_text, sizeof log_text, "\"active_kid\":\"%s\"", kid);
        server_await_log(&one, log_text, LOG_MS);
        server_await_log(&two, log_text, LOG_MS);
        await_uses(load);
    }
    atomic_store(&load->over, true);
}

static void run(size_t index, void *context) {
    if (index == CLIENTS)
        rotate(context);
    else
        use_tokens(index, context);
}

static void start(struct load_of_clients *load) {
    char kid[KID_SIZE], log_text[KID_SIZE + 32];
    const char *const settings[] = { PUBLISHED, NULL };
    one = server_start(settings);
    two = server_start_beside(&one, settings);
    await_ready(&one);
    await_ready(&two);
    add_key("es256", kid);
    ck_assert_int_eq(run_key("activate", kid, "--now"), 0);
    snprintf(log_text, sizeof log_text, "\"active_kid\":\"%s\"", kid);
    server_await_log(&one, log_text, LOG_MS);
    server_await_log(&two, log_text, LOG_MS);
    load->account = account_register(&one);
}

static void run_load(struct load_of_clients *load) {
    start(load);
    run_parallel(CLIENTS + 1, run, load);
    for (size_t i = 0; i < CLIENTS; i++)
        printf("%s: %u good, %u failed\n", rules[i].client, load->good[i], load->failed[i]);
    ck_assert_uint_eq(load->refused_by_service, 0);
    server_finish(&two);
    server_finish(&one);
}

START_TEST(three_rotations_cost_no_client_a_verification) {
    static struct load_of_clients load = { .waits = true };
    run_load(&load);
    for (size_t i = 0; i < CLIENTS; i++) {
        ck_assert_msg(load.failed[i] == 0, "%s: %u of %u", rules[i].client, load.failed[i], load.good[i]);
        ck_assert_uint_ge(load.good[i], 50);
    }
}
END_TEST

START_TEST(a_key_that_signs_at_once_is_refused_by_clients_that_keep_the_others) {
    static struct load_of_clients load = { .waits = false };
    run_load(&load);
    ck_assert_uint_gt(load.failed[CLIENTS - 1], 0);
}
END_TEST

Suite *key_clients_suite(void) {
    Suite *suite = suite_create("key_clients");
    TCase *tcase = tcase_create("clients");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, three_rotations_cost_no_client_a_verification);
    tcase_add_test(tcase, a_key_that_signs_at_once_is_refused_by_clients_that_keep_the_others);
    suite_add_tcase(suite, tcase);
    return suite;
}
