/*
 * The life of signing keys at two instances that share a directory of keys, by `jwtd key`: what one operator changes, both follow
 * by themselves, and no token that should be good is refused.
 */
#include "support/account.h"
#include "support/load.h"

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

static void await_signing(const struct server *server, const struct account *account, const char *kid) {
    char seen[KID_SIZE] = "";
    double began_s = now_s();
    while (strcmp(signing_kid(server, account, seen), kid) != 0 && now_s() - began_s < 5)
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
    usleep(500000);
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
    time_t ago = time(NULL) - 6; /* of the seven that its tokens live, with the leeway */
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&ago, &utc));
    snprintf(text, sizeof text, "%s retiring %s\n%s active %s\n", first, since, second, since);
    write_states(text);
    await_signing(&two, &account, second);
    for (int i = 0; i < 2 * TRIES && !server_log_contains(&two, "\"cause\":\"time\""); i++)
        usleep(PAUSE_US);
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
    for (int i = 0; i < TRIES && !server_log_contains(&two, "keys_unreadable"); i++)
        usleep(PAUSE_US);
    usleep(900000);
    ck_assert_int_eq(server_log_count(&two, "keys_unreadable"), 1);
    ck_assert_int_eq(verify_status(&two, tokens.access), 200);
    account_login(&two, &account);
    ck_assert_int_eq(unlink(path), 0);
    add_key(second);
    ck_assert_int_eq(KEY("activate", second), 0);
    await_signing(&two, &account, second);
    finish();
}
END_TEST

Suite *key_rotation_suite(void) {
    Suite *suite = suite_create("key_rotation");
    TCase *tcase = tcase_create("two instances");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, both_instances_follow_what_the_operator_changes_without_a_signal);
    tcase_add_test(tcase, a_retiring_key_is_gone_by_itself_when_its_last_token_has_died);
    tcase_add_test(tcase, a_wrong_keys_conf_leaves_the_keys_in_force_and_is_logged_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
