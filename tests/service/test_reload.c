/* SIGHUP: what changes while the service runs, and what does not. */
#include "support/account.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *reload_suite(void);

#define TRIES 200
#define PAUSE_US 25000

static struct server keeper, server; /* the first has the directory, in which the second finds its configuration */

static void write_config(const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, keeper.directory);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void start_with(const char *config, const char *const *settings) {
    keeper = server_start(NULL);
    write_config(config);
    server = server_start_beside(&keeper, settings);
}

static void finish(void) {
    server_finish(&server);
    server_finish(&keeper);
}

static void reload(const char *expected) {
    int before = server_log_count(&server, expected);
    kill(server.pid, SIGHUP);
    for (int i = 0; i < TRIES && server_log_count(&server, expected) == before; i++)
        usleep(PAUSE_US);
    ck_assert_msg(server_log_count(&server, expected) == before + 1, "not in the log: %s", expected);
}

static void reload_config(const char *config, const char *expected) {
    write_config(config);
    reload(expected);
}

static void make_key(void) {
    char keys[128], refresh[128], output[1024];
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", keeper.directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", keeper.directory);
    const char *const words[] = { "--set", keys, "--set", refresh, "keygen", NULL };
    ck_assert_int_eq(program_run(words, "", output, sizeof output), 0);
}

/* Removes the oldest key file by name, or all but the newest. */
static void remove_old_key(void) {
    char path[512], oldest[256] = "";
    snprintf(path, sizeof path, "%s/keys", keeper.directory);
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.' && (oldest[0] == '\0' || strcmp(entry->d_name, oldest) < 0))
            snprintf(oldest, sizeof oldest, "%s", entry->d_name);
    }
    closedir(directory);
    snprintf(path, sizeof path, "%s/keys/%s", keeper.directory, oldest);
    ck_assert_int_eq(unlink(path), 0);
}

static long verify_status(const char *token) {
    char bearer[TOKEN_SIZE + 32];
    snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", token);
    struct reply reply = http_send(&server, "GET", "/auth/verify", (const char *const[]){ bearer, NULL }, NULL);
    long status = reply.status;
    http_free(&reply);
    return status;
}

/* ---- keys ---- */

static const char *kid_of(const char *token, char kid[256]) {
    size_t len = strcspn(token, ".");
    ck_assert_uint_lt(len, 256);
    memcpy(kid, token, len); /* the header in base64url names it: two headers differ when their kids do */
    kid[len] = '\0';
    return kid;
}

START_TEST(a_new_key_signs_and_the_old_one_still_verifies_until_it_has_gone) {
    start_with("", NULL);
    struct account account = account_register(&server);
    struct tokens before = account_login(&server, &account);
    make_key();
    reload("\"event\":\"keys_read\",\"count\":2,");
    struct tokens after = account_login(&server, &account);
    char old_kid[256], new_kid[256];
    ck_assert_str_ne(kid_of(before.access, old_kid), kid_of(after.access, new_kid));
    ck_assert_int_eq(verify_status(before.access), 200);
    ck_assert_int_eq(verify_status(after.access), 200);
    remove_old_key();
    reload("\"event\":\"keys_read\",\"count\":1,");
    ck_assert_int_eq(verify_status(before.access), 401);
    ck_assert_int_eq(verify_status(after.access), 200);
    expect_status(refresh_with(&server, before.refresh), 200);
    finish();
}
END_TEST

#define CLIENTS 6

struct load {
    struct account account;
    atomic_bool over;
    atomic_uint refused, answered;
};

static void use_tokens(size_t index, void *context) {
    struct load *load = context;
    if (index == CLIENTS) {
        for (int i = 0; i < 10; i++) {
            make_key();
            reload("\"event\":\"reloaded\"");
        }
        atomic_store(&load->over, true);
        return;
    }
    struct tokens tokens = account_login(&server, &load->account);
    while (!atomic_load(&load->over)) {
        if (verify_status(tokens.access) != 200)
            atomic_fetch_add(&load->refused, 1);
        struct reply reply = refresh_with(&server, tokens.refresh);
        if (reply.status == 200) {
            snprintf(tokens.access, sizeof tokens.access, "%s", http_member(&reply, "access_token"));
            snprintf(tokens.refresh, sizeof tokens.refresh, "%s", http_member(&reply, "refresh_token"));
        } else {
            atomic_fetch_add(&load->refused, 1);
        }
        http_free(&reply);
        atomic_fetch_add(&load->answered, 2);
    }
}

START_TEST(keys_are_rotated_under_load_without_one_refusal) {
    start_with("", NULL);
    static struct load load;
    load.account = account_register(&server);
    run_parallel(CLIENTS + 1, use_tokens, &load);
    ck_assert_uint_eq(load.refused, 0);
    ck_assert_uint_ge(load.answered, 20);
    finish();
}
END_TEST

START_TEST(the_key_that_signs_can_be_named_before_and_after) {
    start_with("", NULL);
    make_key();
    reload_config("[token]\nactive_kid = nobody\n", "\"event\":\"reload_failed\"");
    struct account account = account_register(&server);
    account_login(&server, &account);
    finish();
}
END_TEST

/* ---- settings ---- */

START_TEST(limits_change_at_once) {
    start_with("[limit]\nlogin = 100/h\n", (const char *const[]){ "limit.enabled=true", NULL });
    expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 422, "validation_failed");
    reload_config("[limit]\nlogin = 1/h\n", "\"changed\":\"limit.login\",\"needs_restart\":\"\"");
    expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 429, "rate_limited");
    reload_config("[limit]\nlogin = off\n", "\"changed\":\"limit.login\"");
    expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 422, "validation_failed");
    finish();
}
END_TEST

START_TEST(the_level_of_the_log_changes_at_once) {
    start_with("[log]\nlevel = info\n", NULL);
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    ck_assert(!server_log_contains(&server, "\"event\":\"request\""));
    reload_config("[log]\nlevel = debug\n", "\"changed\":\"log.level\"");
    expect_status(http_send(&server, "GET", "/health/live", NULL, NULL), 200);
    /* the line is written when the answer has gone */
    for (int i = 0; i < TRIES && !server_log_contains(&server, "\"event\":\"request\""); i++)
        usleep(PAUSE_US);
    ck_assert(server_log_contains(&server, "\"event\":\"request\""));
    finish();
}
END_TEST

static bool is_allowed(const char *origin) {
    char header[128], value[128];
    snprintf(header, sizeof header, "Origin: %s", origin);
    struct reply reply = http_send(&server, "GET", "/health/live", (const char *const[]){ header, NULL }, NULL);
    bool allowed = strcmp(http_header(&reply, "Access-Control-Allow-Origin", value, sizeof value), origin) == 0;
    http_free(&reply);
    return allowed;
}

START_TEST(allowed_origins_change_at_once) {
    start_with("[cors]\nallowed_origins = https://a.example\n", NULL);
    ck_assert(is_allowed("https://a.example") && !is_allowed("https://b.example"));
    reload_config("[cors]\nallowed_origins = https://b.example\n", "\"changed\":\"cors.allowed_origins\"");
    ck_assert(!is_allowed("https://a.example") && is_allowed("https://b.example"));
    finish();
}
END_TEST

START_TEST(what_needs_a_restart_is_named_and_stays) {
    start_with("", NULL);
    reload_config("[server]\nbody_limit = 2KiB\n[limit]\ntable_size = 2048\nlogin = 1/h\n",
                  "\"changed\":\"limit.login\",\"needs_restart\":\"server.body_limit limit.table_size\"");
    reload("\"changed\":\"\",\"needs_restart\":\"server.body_limit limit.table_size\"");
    finish();
}
END_TEST

START_TEST(a_file_with_a_mistake_changes_nothing) {
    start_with("[limit]\nlogin = 100/h\n[cors]\nallowed_origins = https://a.example\n",
               (const char *const[]){ "limit.enabled=true", NULL });
    reload_config("[limit]\nlogin = 1/h\n[cors]\nallowed_origins = https://b.example\n[log]\nlevel = loud\n",
                  "\"event\":\"reload_failed\"");
    ck_assert(server_log_contains(&server, "log.level"));
    for (int i = 0; i < 3; i++)
        expect_problem(http_json(&server, "POST", "/auth/login", NULL, "{}"), 422, "validation_failed");
    ck_assert(is_allowed("https://a.example"));
    finish();
}
END_TEST

Suite *reload_suite(void) {
    Suite *suite = suite_create("reload");
    TCase *tcase = tcase_create("reload");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_new_key_signs_and_the_old_one_still_verifies_until_it_has_gone);
    tcase_add_test(tcase, keys_are_rotated_under_load_without_one_refusal);
    tcase_add_test(tcase, the_key_that_signs_can_be_named_before_and_after);
    tcase_add_test(tcase, limits_change_at_once);
    tcase_add_test(tcase, the_level_of_the_log_changes_at_once);
    tcase_add_test(tcase, allowed_origins_change_at_once);
    tcase_add_test(tcase, what_needs_a_restart_is_named_and_stays);
    tcase_add_test(tcase, a_file_with_a_mistake_changes_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
