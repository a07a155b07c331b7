/*
 * The life of signing keys at two instances that share a directory of keys, by `jwtd key`: what one operator changes, both follow
 * by themselves, and no token that should be good is refused.
 */
#include "support/account.h"
#include "support/database.h"
#include "support/load.h"
#include "support/process.h"

#include "jwtd/keyring.h"
#include "jwtd/macros.h"

#include <check.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

Suite *key_rotation_suite(void);

#define TRIES 400
#define PAUSE_US 5000
#define LOG_MS 10000
#define WITHIN_S 1.0
#define KID_SIZE 80

static struct server one, two; /* the second finds its keys in the directory of the first */
static char output[16384];

static void start_with(const char *const *settings) {
    one = server_start(settings);
    two = server_start_beside(&one, settings);
    await_ready(&one);
    await_ready(&two);
}

static void start(void) {
    start_with(NULL);
}

static void finish(void) {
    server_finish(&two);
    server_finish(&one);
}

/* `jwtd key ...` with the keys of the servers, and nothing to wait for; up to three words. */
static int run_key(const char *const words[3], const char *database) {
    char keys[160], refresh[160], url[512];
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", one.directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", one.directory);
    snprintf(url, sizeof url, "database.url=%s", database);
    const char *const all[] = { "--set", keys,     "--set",  refresh,  "--set", url, "--set", "token.publish_before_use=0",
                                "key",   words[0], words[1], words[2], NULL };
    return program_run(all, NULL, output, sizeof output);
}

#define KEY(...) run_key((const char *const[3]){ __VA_ARGS__ }, getenv("JWTD_TEST_DATABASE"))

static void add_key(char kid[KID_SIZE]) {
    ck_assert_msg(KEY("add") == 0, "%s", output);
    snprintf(kid, KID_SIZE, "%.*s", (int)strcspn(output, "\n"), output);
}

static long verify_status(const struct server *server, const char *token) {
    struct reply reply = http_json(server, "GET", "/auth/verify", token, NULL);
    long status = reply.status;
    http_free(&reply);
    return status;
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* How long it takes until the instance answers so. */
static double await_status(const struct server *server, const char *token, long status) {
    double began_s = now_s();
    for (int i = 0; i < TRIES && verify_status(server, token) != status; i++)
        usleep(PAUSE_US);
    ck_assert_int_eq(verify_status(server, token), status);
    return now_s() - began_s;
}

static void token_kid(const char *token, char kid[KID_SIZE]) {
    char header[256];
    size_t len;
    ck_assert_int_eq(sodium_base642bin((unsigned char *)header, sizeof header, token, strcspn(token, "."), NULL, &len, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    const char *at = memmem(header, len, "\"kid\":\"", 7);
    ck_assert_ptr_nonnull(at);
    at += 7;
    const char *end = memchr(at, '"', len - (size_t)(at - header));
    ck_assert_ptr_nonnull(end);
    snprintf(kid, KID_SIZE, "%.*s", (int)(end - at), at);
}

/* The kid in the header of the token that a login returns now. */
static const char *signing_kid(const struct server *server, const struct account *account, char kid[KID_SIZE]) {
    struct tokens tokens = account_login(server, account);
    token_kid(tokens.access, kid);
    return kid;
}

/* An instance that has learnt from the database that its key is revoked, and has not read the directory since, has none to sign
 * with: up to a quarter of a second. */
static bool signs_with(const struct server *server, const struct account *account, const char *kid, char seen[KID_SIZE]) {
    char body[BODY_SIZE];
    struct reply reply = http_json(server, "POST", "/auth/login", NULL, credentials(account, PASSWORD, body));
    bool signs = reply.status != 503;
    if (signs) {
        ck_assert_int_eq(reply.status, 200);
        token_kid(http_member(&reply, "access_token"), seen);
    }
    http_free(&reply);
    return signs && strcmp(seen, kid) == 0;
}

static void await_signing(const struct server *server, const struct account *account, const char *kid) {
    char seen[KID_SIZE] = "";
    double began_s = now_s();
    while (!signs_with(server, account, kid, seen) && now_s() - began_s < 5)
        usleep(PAUSE_US);
    ck_assert_str_eq(seen, kid);
    ck_assert_double_lt(now_s() - began_s, 2 * WITHIN_S);
}

START_TEST(both_instances_follow_what_the_operator_changes_without_a_signal) {
    char first[KID_SIZE], second[KID_SIZE];
    start();
    struct account account = account_register(&one);
    signing_kid(&one, &account, first);
    struct tokens before = account_login(&one, &account);
    add_key(second);
    server_await_log(&one, "\"event\":\"keys_read\",\"count\":2,", LOG_MS);
    server_await_log(&two, "\"event\":\"keys_read\",\"count\":2,", LOG_MS);
    ck_assert_str_eq(signing_kid(&two, &account, (char[KID_SIZE]){ "" }), first);
    ck_assert_msg(KEY("activate", second) == 0, "%s", output);
    await_signing(&one, &account, second);
    await_signing(&two, &account, second);
    ck_assert_int_eq(verify_status(&one, before.access), 200);
    ck_assert_int_eq(verify_status(&two, before.access), 200);
    ck_assert_int_eq(server_log_count(&one, "\"event\":\"reloaded\""), 0);
    ck_assert_int_eq(KEY("list"), 0);
    ck_assert_msg(strstr(output, "  active    ") != NULL && strstr(output, "  retiring  ") != NULL, "%s", output);
    finish();
}
END_TEST

/* `text` in the place of keys.conf. */
static void write_states(const char *text) {
    char path[160];
    snprintf(path, sizeof path, "%s/keys/keys.conf", one.directory);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(a_retiring_key_is_gone_by_itself_when_its_last_token_has_died) {
    char first[KID_SIZE], second[KID_SIZE], text[512], since[32];
    start_with((const char *const[]){ "token.access_ttl=2s", "token.refresh_retry_window=0", NULL });
    struct account account = account_register(&one);
    signing_kid(&one, &account, first);
    add_key(second);
    struct tm utc;
    time_t ago = time(NULL) - KEY_LATE_S - 6; /* of the seven that its tokens live, with the leeway */
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&ago, &utc));
    snprintf(text, sizeof text, "%s retiring %s\n%s active %s\n", first, since, second, since);
    write_states(text);
    await_signing(&two, &account, second);
    server_await_log(&two, "\"cause\":\"time\"", LOG_MS);
    ck_assert(server_log_contains(&two, "\"event\":\"keys_read\",\"count\":1,"));
    finish();
}
END_TEST

START_TEST(a_wrong_keys_conf_leaves_the_keys_in_force_and_is_logged_once) {
    char path[160], second[KID_SIZE];
    start();
    struct account account = account_register(&one);
    struct tokens tokens = account_login(&one, &account);
    snprintf(path, sizeof path, "%s/keys/keys.conf", one.directory);
    write_states("nobody active 2026-11-21T21:46:40Z\n");
    server_await_log(&two, "keys_unreadable", LOG_MS);
    usleep(900000);
    server_check_log_count(&two, "keys_unreadable", 1);
    ck_assert_int_eq(verify_status(&two, tokens.access), 200);
    account_login(&two, &account);
    ck_assert_int_eq(unlink(path), 0);
    add_key(second);
    ck_assert_int_eq(KEY("activate", second), 0);
    await_signing(&two, &account, second);
    finish();
}
END_TEST

/* ---- revoked ---- */

static double await_refusal(const struct server *server, const char *token) {
    double took_s = await_status(server, token, 401);
    ck_assert_double_lt(took_s, WITHIN_S + thread_waited_s());
    return took_s;
}

static void restart(struct server *server, bool is_first) {
    char listen[64];
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", server->port);
    ck_assert_int_eq(server_stop(server, SIGTERM), 0);
    struct server next = server_start_beside(server, (const char *const[]){ listen, NULL });
    next.owns_directory = is_first;
    *server = next;
    await_ready(server);
}

START_TEST(a_revoked_key_is_refused_within_a_second_at_every_instance_and_after_a_restart) {
    char first[KID_SIZE], second[KID_SIZE];
    start();
    struct account account = account_register(&one);
    struct tokens cached = account_login(&one, &account), fresh = account_login(&two, &account);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(verify_status(&one, cached.access), 200);
        ck_assert_int_eq(verify_status(&two, cached.access), 200);
    }
    token_kid(cached.access, first);
    add_key(second);
    ck_assert_msg(KEY("revoke", first) == 0, "%s", output);
    await_refusal(&one, cached.access);
    await_refusal(&two, cached.access);
    ck_assert_int_eq(verify_status(&one, fresh.access), 401);
    ck_assert_int_eq(verify_status(&two, fresh.access), 401);
    await_signing(&one, &account, second);
    await_signing(&two, &account, second);
    struct reply reply = refresh_with(&two, fresh.refresh); /* nobody is logged out */
    ck_assert_int_eq(reply.status, 200);
    ck_assert_int_eq(verify_status(&one, http_member(&reply, "access_token")), 200);
    http_free(&reply);
    restart(&two, false);
    ck_assert_int_eq(verify_status(&two, cached.access), 401);
    finish();
}
END_TEST

static void copy_key(const struct server *from, const struct server *to, const char *kid) {
    char command[512];
    snprintf(command, sizeof command, "cp -p %s/keys/%s.hs256 %s/keys/", from->directory, kid, to->directory);
    ck_assert_int_eq(command_run((const char *const[]){ "/bin/sh", "-c", command, NULL }, NULL, output, sizeof output), 0);
}

START_TEST(an_instance_with_a_directory_of_its_own_learns_it_from_the_database) {
    char kid[KID_SIZE], own[KID_SIZE], in_force[KID_SIZE + 32];
    one = server_start(NULL);
    two = server_start(NULL);
    struct account account = account_register(&one);
    struct tokens tokens = account_login(&one, &account);
    token_kid(tokens.access, kid);
    signing_kid(&two, &account, own);
    copy_key(&one, &two, kid);
    ck_assert_int_eq(verify_status(&two, tokens.access), 200);
    ck_assert_msg(KEY("revoke", kid) == 0, "%s", output);
    ck_assert_msg(strstr(output, "no key signs now") != NULL, "%s", output);
    await_refusal(&two, tokens.access);
    await_refusal(&one, tokens.access);
    await_signing(&two, &account, own);
    restart(&two, true);
    ck_assert_int_eq(verify_status(&two, tokens.access), 401);
    ck_assert_int_eq(database_number("SELECT count(*) FROM revoked_keys WHERE kid = $1", kid), 1);

    /* the first has no key left: its clients are told to come back, and the next key signs at once */
    char body[BODY_SIZE];
    expect_problem(http_json(&one, "POST", "/auth/login", NULL, credentials(&account, PASSWORD, body)), 503, "keys_unavailable");
    expect_problem(refresh_with(&one, tokens.refresh), 503, "keys_unavailable");
    struct reply ready = http_send(&one, "GET", "/health/ready", NULL, NULL);
    ck_assert_int_eq(ready.status, 503);
    ck_assert_str_eq(json_string_at(json_object_object_get(ready.json, "checks"), "signing_key"), "failed");
    http_free(&ready);
    add_key(own);
    snprintf(in_force, sizeof in_force, "\"active_kid\":\"%s\"", own); /* logged when logins have it */
    server_await_log(&one, in_force, LOG_MS);
    await_signing(&one, &account, own);
    expect_status(refresh_with(&one, tokens.refresh), 200); /* it was not spent */
    server_finish(&two);
    server_finish(&one);
}
END_TEST

START_TEST(without_the_database_a_key_is_revoked_here_and_the_operator_is_told_that_elsewhere_it_is_not) {
    char first[KID_SIZE];
    start();
    struct account account = account_register(&one);
    struct tokens tokens = account_login(&one, &account);
    token_kid(tokens.access, first);
    ck_assert_int_eq(run_key((const char *const[3]){ "revoke", first }, "host=/nonexistent"), 1);
    ck_assert_msg(strstr(output, "instances with another directory do not know: run this again") != NULL, "%s", output);
    await_refusal(&one, tokens.access);
    await_refusal(&two, tokens.access);
    ck_assert_int_eq(KEY("revoke", first), 0);
    ck_assert_int_eq(database_number("SELECT count(*) FROM revoked_keys WHERE kid = $1", first), 1);
    finish();
}
END_TEST

/* ---- the refresh key ---- */

static void refresh_at(const struct server *server, struct tokens *tokens) {
    struct reply reply = refresh_with(server, tokens->refresh);
    ck_assert_msg(reply.status == 200, "%ld %s", reply.status, reply.body);
    snprintf(tokens->refresh, sizeof tokens->refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

START_TEST(a_new_refresh_key_by_command_logs_nobody_out) {
    start();
    struct account account = account_register(&one);
    struct tokens tokens = account_login(&one, &account), idle = account_login(&two, &account);
    for (int round = 0; round < 2; round++) {
        ck_assert_msg(KEY("rotate-refresh") == 0, "%s", output);
        ck_assert_ptr_nonnull(strstr(output, "refresh.key.next is made"));
        server_await_log_count(&one, "\"cause\":\"states_changed\"", 2 * round + 1, LOG_MS);
        server_await_log_count(&two, "\"cause\":\"states_changed\"", 2 * round + 1, LOG_MS);
        refresh_at(&two, &tokens);
        ck_assert_int_eq(KEY("rotate-refresh"), 1);
        ck_assert_msg(KEY("rotate-refresh", "--now") == 0, "%s", output);
        refresh_at(&one, &tokens); /* whichever has read the change, each accepts what the other signs */
        refresh_at(&two, &tokens);
        server_await_log_count(&one, "\"cause\":\"states_changed\"", 2 * round + 2, LOG_MS);
        server_await_log_count(&two, "\"cause\":\"states_changed\"", 2 * round + 2, LOG_MS);
        refresh_at(&two, &tokens);
        refresh_at(&one, &tokens);
    }
    refresh_at(&one, &idle); /* of two keys ago */
    ck_assert(server_log_contains(&one, "\"refresh_keys\":3,"));
    finish();
}
END_TEST

Suite *key_rotation_suite(void) {
    Suite *suite = suite_create("key_rotation");
    TCase *tcase = tcase_create("two instances");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, both_instances_follow_what_the_operator_changes_without_a_signal);
    tcase_add_test(tcase, a_retiring_key_is_gone_by_itself_when_its_last_token_has_died);
    tcase_add_test(tcase, a_revoked_key_is_refused_within_a_second_at_every_instance_and_after_a_restart);
    tcase_add_test(tcase, an_instance_with_a_directory_of_its_own_learns_it_from_the_database);
    tcase_add_test(tcase, without_the_database_a_key_is_revoked_here_and_the_operator_is_told_that_elsewhere_it_is_not);
    tcase_add_test(tcase, a_new_refresh_key_by_command_logs_nobody_out);
    tcase_add_test(tcase, a_wrong_keys_conf_leaves_the_keys_in_force_and_is_logged_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
