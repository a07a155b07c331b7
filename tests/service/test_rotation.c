/* A new signing key on one of two instances that share a directory of keys: the other one follows when it meets its first token.
 */
#include "support/account.h"
#include "support/load.h"
#include "support/service.h"

#include "jwtd/macros.h"

#include <check.h>
#include <dirent.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

Suite *rotation_suite(void);

#define TRIES 400
#define PAUSE_US 5000
#define CLIENTS 6
#define ROUNDS 3

static struct server one, two; /* the second finds its keys in the directory of the first */

static void start(void) {
    ck_assert_int_ge(sodium_init(), 0);
    one = server_start(NULL);
    two = server_start_beside(&one, NULL);
    await_ready(&two);
}

static void finish(void) {
    server_finish(&two);
    server_finish(&one);
}

static void await_log(const struct server *server, const char *text, int count) {
    for (int i = 0; i < TRIES && server_log_count(server, text) < count; i++)
        usleep(PAUSE_US);
    ck_assert_msg(server_log_count(server, text) == count, "%d and not %d times in the log: %s", server_log_count(server, text),
                  count, text);
}

static long verify_status(const struct server *server, const char *token) {
    struct reply reply = http_json(server, "GET", "/auth/verify", token, NULL);
    long status = reply.status;
    http_free(&reply);
    return status;
}

#define FOLLOWED "\"cause\":\"unknown_kid\""

START_TEST(an_instance_reads_a_key_that_is_new_to_it_when_its_first_token_comes) {
    start();
    struct account account = account_register(&one);
    struct tokens before = account_login(&two, &account);
    server_make_key(&one);
    service_reload(&one);
    struct tokens after = account_login(&one, &account);
    ck_assert_int_eq(verify_status(&two, after.access), 200);
    ck_assert_int_eq(me_status(&two, after.access), 200);
    ck_assert_int_eq(verify_status(&two, before.access), 200);
    await_log(&two, FOLLOWED, 1);
    ck_assert(server_log_contains(&two, "\"event\":\"keys_read\",\"count\":2,"));
    finish();
}
END_TEST

/* ---- the refresh key ---- */

static void rename_in(const struct server *server, const char *from, const char *to) {
    char old_path[160], new_path[160];
    snprintf(old_path, sizeof old_path, "%s/%s", server->directory, from);
    snprintf(new_path, sizeof new_path, "%s/%s", server->directory, to);
    ck_assert_int_eq(rename(old_path, new_path), 0);
}

static void write_refresh_key(const char *name) {
    char path[160], text[64];
    unsigned char bytes[32];
    snprintf(path, sizeof path, "%s/%s", one.directory, name);
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* Of the session that the tokens belong to, at this instance. */
static void refresh_at(const struct server *server, struct tokens *tokens) {
    struct reply reply = refresh_with(server, tokens->refresh);
    ck_assert_msg(reply.status == 200, "%ld %s", reply.status, reply.body);
    snprintf(tokens->access, sizeof tokens->access, "%s", http_member(&reply, "access_token"));
    snprintf(tokens->refresh, sizeof tokens->refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
}

#define KEY_ID_LEN 5 /* characters that hold bits of the key id only */

static bool is_of_one_key(const struct tokens *a, const struct tokens *b) {
    return memcmp(a->refresh, b->refresh, strlen("jr2_") + KEY_ID_LEN) == 0;
}

/* What the last line keys_read says of refresh keys: "refresh_keys":2,"refresh_key_id":"00112233". */
static const char *logged_refresh_keys(const struct server *server, char text[128]) {
    static const char name[] = "\"refresh_keys\":";
    char *log = server_log(server), *last = NULL;
    for (char *at = strstr(log, name); at != NULL; at = strstr(at + 1, name))
        last = at;
    const char *end = last == NULL ? NULL : strstr(last, ",\"cause\"");
    snprintf(text, 128, "%.*s", end == NULL ? 0 : (int)(end - last), end == NULL ? "" : last);
    free(log);
    return text;
}

START_TEST(an_operator_sees_in_the_log_which_refresh_key_each_instance_has) {
    char old_keys[128], new_keys[128], text[128];
    start();
    write_refresh_key("refresh.key.next");
    service_reload(&one);
    service_reload(&two);
    ck_assert_ptr_nonnull(strstr(logged_refresh_keys(&one, old_keys), "\"refresh_keys\":2,\"refresh_key_id\":\""));
    ck_assert_str_eq(logged_refresh_keys(&two, text), old_keys);
    rename_in(&one, "refresh.key", "refresh.key.old");
    rename_in(&one, "refresh.key.next", "refresh.key");
    service_reload(&one);
    ck_assert_str_ne(logged_refresh_keys(&one, new_keys), old_keys);
    ck_assert_str_eq(logged_refresh_keys(&two, text), old_keys);
    service_reload(&two);
    ck_assert_str_eq(logged_refresh_keys(&two, text), new_keys);
    finish();
}
END_TEST

START_TEST(a_file_that_only_looks_like_a_refresh_key_is_named_in_the_log) {
    start();
    write_refresh_key("refresh.key.bak.1");
    write_refresh_key("refresh.keys");
    service_reload(&one);
    char text[128];
    ck_assert_ptr_nonnull(strstr(logged_refresh_keys(&one, text), "\"refresh_keys\":1,"));
    server_check_log_count(&one, "\"event\":\"key_file_ignored\"", 1);
    ck_assert(server_log_contains(&one, "\"file\":\"refresh.key.bak.1\""));
    finish();
}
END_TEST

START_TEST(a_new_refresh_key_logs_nobody_out) {
    start();
    struct account account = account_register(&one);
    struct tokens before = account_login(&one, &account), tokens = before, idle = account_login(&one, &account);
    write_refresh_key("refresh.key.next");
    service_reload(&one);
    service_reload(&two);
    refresh_at(&two, &tokens);
    ck_assert(is_of_one_key(&tokens, &before));

    rename_in(&one, "refresh.key", "refresh.key.old");
    rename_in(&one, "refresh.key.next", "refresh.key");
    service_reload(&one);
    refresh_at(&one, &tokens); /* presented is one of the old key, returned is one of the new */
    ck_assert(!is_of_one_key(&tokens, &before));
    struct tokens after = tokens;
    refresh_at(&two, &tokens); /* that instance has both keys, and still signs with the old one */
    ck_assert(is_of_one_key(&tokens, &before));
    service_reload(&two);
    refresh_at(&two, &tokens);
    ck_assert(is_of_one_key(&tokens, &after));

    rename_in(&one, "refresh.key.old", "refresh.old");
    service_reload(&one);
    expect_problem(refresh_with(&one, idle.refresh), 401, "invalid_refresh_token");
    refresh_at(&one, &tokens);
    finish();
}
END_TEST

/* A token as versions before key ids wrote it, of the first generation of the session that the access token belongs to. */
static void write_first_format(const struct server *server, const char *access, char text[128]) {
    char path[160], line[64] = "";
    unsigned char refresh_key[32], bytes[4 + 20 + crypto_auth_BYTES] = "jr1_";
    struct reply reply = http_json(server, "GET", "/auth/sessions", access, NULL);
    const char *id = json_string_at(json_object_array_get_idx(json_object_object_get(reply.json, "sessions"), 0), "id");
    ck_assert_int_eq(sodium_hex2bin(bytes + 4, 16, id, strlen(id), "-", NULL, NULL), 0);
    http_free(&reply);
    bytes[23] = 1;
    snprintf(path, sizeof path, "%s/refresh.key", server->directory);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    fclose(file);
    ck_assert_int_eq(sodium_base642bin(refresh_key, sizeof refresh_key, line, strlen(line), "\n", NULL, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    crypto_auth(bytes + 24, bytes, 24, refresh_key);
    snprintf(text, 128, "jr1_");
    sodium_bin2base64(text + 4, 124, bytes + 4, sizeof bytes - 4, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

START_TEST(a_refresh_token_of_an_earlier_version_logs_nobody_out) {
    start();
    struct account account = account_register(&one);
    struct tokens tokens = account_login(&one, &account);
    write_first_format(&one, tokens.access, tokens.refresh);
    refresh_at(&one, &tokens);
    ck_assert_int_eq(strncmp(tokens.refresh, "jr2_", 4), 0);
    refresh_at(&two, &tokens);
    finish();
}
END_TEST

/* ---- under load ---- */

struct readers {
    struct account account;
    struct server own[2]; /* copies: where they listen stays, whatever process does */
    atomic_bool over;
    atomic_uint good, refused;
};

static void count(struct readers *readers, struct reply reply) {
    if (reply.status == 200)
        atomic_fetch_add(&readers->good, 1);
    else if (reply.status != 0 && reply.status != 503) /* no answer, or "starting": that instance is being started again */
        atomic_fetch_add(&readers->refused, 1);
    http_free(&reply);
}

/* Each takes its tokens from one instance and shows them to the other. */
static void use_tokens(size_t index, struct readers *readers) {
    const struct server *mine = &readers->own[index % 2], *other = &readers->own[1 - index % 2];
    struct tokens tokens = account_login(mine, &readers->account);
    char bearer[TOKEN_SIZE + 32], body[BODY_SIZE];
    while (!atomic_load(&readers->over)) {
        static const char *const type = "Content-Type: application/json";
        struct reply reply =
            http_try(mine, "POST", "/auth/refresh", (const char *const[]){ type, NULL }, refresh_json(tokens.refresh, body));
        if (reply.status == 200) {
            snprintf(tokens.access, sizeof tokens.access, "%s", http_member(&reply, "access_token"));
            snprintf(tokens.refresh, sizeof tokens.refresh, "%s", http_member(&reply, "refresh_token"));
        }
        count(readers, reply);
        snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", tokens.access);
        count(readers, http_try(other, "GET", "/auth/verify", (const char *const[]){ bearer, NULL }, NULL));
        count(readers, http_try(other, "GET", "/auth/me", (const char *const[]){ bearer, NULL }, NULL));
    }
}

static void start_again(struct server *server, bool is_first) {
    char listen[64];
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", server->port);
    ck_assert_int_eq(server_stop(server, SIGTERM), 0);
    struct server next = server_start_beside(server, (const char *const[]){ listen, NULL });
    next.owns_directory = is_first;
    *server = next;
}

static void rotate(struct readers *readers) {
    for (int round = 0; round < ROUNDS; round++) {
        server_make_key(&one);
        service_reload(round % 2 == 0 ? &one : &two);
        usleep(200000);
    }
    for (int round = 0; round < ROUNDS; round++) {
        bool is_first = round % 2 == 0;
        server_make_key(&one);
        start_again(is_first ? &one : &two, is_first);
        usleep(200000);
    }
    atomic_store(&readers->over, true);
}

static void run_client(size_t index, void *context) {
    if (index == CLIENTS)
        rotate(context);
    else
        use_tokens(index, context);
}

START_TEST(rotations_on_one_of_two_instances_cost_no_token_a_refusal) {
    static struct readers readers;
    start();
    readers.account = account_register(&one);
    readers.own[0] = one;
    readers.own[1] = two;
    run_parallel(CLIENTS + 1, run_client, &readers);
    ck_assert_uint_eq(readers.refused, 0);
    ck_assert_uint_ge(readers.good, 100);
    finish();
}
END_TEST

/* ---- made-up tokens ---- */

static unsigned char key[64];

static void append_base64(char token[TOKEN_SIZE], const void *bytes, size_t len) {
    size_t at = strlen(token);
    sodium_bin2base64(token + at, TOKEN_SIZE - at, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* What a token says beside what it must; NULL stands for what is right. */
struct made_up {
    const char *kid, *header, *issuer, *audience;
    int age_s;
};

/* Signed with `key`. */
static void make_token(struct made_up wanted, char token[TOKEN_SIZE]) {
    char header[256], claims[512];
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    long long issued = (long long)time(NULL) - wanted.age_s;
    crypto_auth_hmacsha256_state state;
    snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"%s\"%s}", wanted.kid,
             wanted.header != NULL ? wanted.header : "");
    snprintf(claims, sizeof claims,
             "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"01a1fb20-4e0e-7d54-9961-6bfafcff7e01\",\"roles\":[],"
             "\"sid\":\"01a1fb20-4e0e-7d54-9961-6bfafcff7e02\",\"jti\":\"01a1fb20-4e0e-7d54-9961-6bfafcff7e03\","
             "\"iat\":%lld,\"nbf\":%lld,\"exp\":%lld}",
             wanted.issuer != NULL ? wanted.issuer : "jwtd", wanted.audience != NULL ? wanted.audience : "jwtd", issued, issued,
             issued + 900);
    token[0] = '\0';
    append_base64(token, header, strlen(header));
    strncat(token, ".", 2);
    append_base64(token, claims, strlen(claims));
    crypto_auth_hmacsha256_init(&state, key, sizeof key);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)token, strlen(token));
    crypto_auth_hmacsha256_final(&state, mac);
    strncat(token, ".", 2);
    append_base64(token, mac, sizeof mac);
}

static void write_key(const char *kid, size_t len) {
    char path[160], text[TOKEN_SIZE] = "";
    snprintf(path, sizeof path, "%s/keys/%s.hs256", one.directory, kid);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
    append_base64(text, key, len);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* Returns a descriptor for count_openings. Two openings without the closing between them would be one event. */
static int watch_key(const char *kid) {
    char path[160];
    snprintf(path, sizeof path, "%s/keys/%s.hs256", one.directory, kid);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    ck_assert_int_ge(inotify_add_watch(watch, path, IN_OPEN | IN_CLOSE), 0);
    return watch;
}

/* Since watch_key. Of a file the events have no name, and so one size. Closes the descriptor. */
static unsigned count_openings(int watch) {
    struct inotify_event event;
    unsigned count = 0;
    while (read(watch, &event, sizeof event) == sizeof event)
        count += (event.mask & IN_OPEN) != 0;
    close(watch);
    return count;
}

static const struct made_up refused[] = {
    { .kid = "zz", .issuer = "somebody" },
    { .kid = "zz", .audience = "somebody" },
    { .kid = "zz", .age_s = 1000 },
    { .kid = "zz", .age_s = -60 },
    { .kid = "zz", .header = ",\"crit\":[\"x\"]" },
    { .kid = "../keys/zz" },
    { .kid = "zz.hs256" },
    { .kid = "zz/../zz" },
    { .kid = "" },
};

START_TEST(only_a_token_that_would_be_good_has_the_keys_read) {
    char token[TOKEN_SIZE];
    start();
    randombytes_buf(key, sizeof key);
    write_key("zz", sizeof key);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        make_token(refused[i], token);
        ck_assert_msg(verify_status(&two, token) == 401, "%zu", i);
    }
    ck_assert_int_eq(server_log_count(&two, "keys_read"), 0);
    make_token((struct made_up){ .kid = "zz" }, token);
    ck_assert_int_eq(verify_status(&two, token), 200);
    await_log(&two, FOLLOWED, 1);
    token[strlen(token) - 3] ^= 1;
    ck_assert_int_eq(verify_status(&two, token), 401);
    await_log(&two, FOLLOWED, 1);
    finish();
}
END_TEST

struct flood {
    const char *kid; /* NULL: another one each time */
    long expected;
    atomic_bool over;
    atomic_uint sent, others;
    double live_s[200];
};

static int compare_times(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void flood(size_t index, void *context) {
    struct flood *flood = context;
    char token[TOKEN_SIZE], kid[32];
    if (index == 0) {
        for (size_t i = 0; i < 200; i++) {
            struct reply reply = http_send(&two, "GET", "/health/live", NULL, NULL);
            flood->live_s[i] = reply.seconds;
            ck_assert_int_eq(reply.status, 200);
            http_free(&reply);
            usleep(5000);
        }
        atomic_store(&flood->over, true);
        return;
    }
    while (!atomic_load(&flood->over)) {
        snprintf(kid, sizeof kid, "%08x", (unsigned)randombytes_random());
        make_token((struct made_up){ .kid = flood->kid != NULL ? flood->kid : kid }, token);
        atomic_fetch_add(&flood->sent, 1);
        atomic_fetch_add(&flood->others, verify_status(&two, token) != flood->expected ? 1 : 0);
    }
}

static void run_flood(struct flood *one_flood) {
    run_parallel(4, flood, one_flood);
    ck_assert_uint_ge(one_flood->sent, 100);
    ck_assert_uint_eq(one_flood->others, 0);
    qsort(one_flood->live_s, 200, sizeof one_flood->live_s[0], compare_times);
    ck_assert_double_lt(one_flood->live_s[100], 0.05);
}

START_TEST(made_up_key_ids_never_have_the_keys_read) {
    static struct flood made_up = { .expected = 401 };
    start();
    struct account account = account_register(&one);
    randombytes_buf(key, sizeof key);
    run_flood(&made_up);
    ck_assert_int_eq(server_log_count(&two, "\"event\":\"keys_"), 0);
    server_make_key(&one);
    service_reload(&one);
    struct tokens tokens = account_login(&one, &account);
    ck_assert_int_eq(verify_status(&two, tokens.access), 200); /* a moment after all those */
    finish();
}
END_TEST

START_TEST(a_key_that_cannot_be_read_is_no_401_and_read_for_once_a_second) {
    static struct flood half_written = { .kid = "zz", .expected = 503 };
    char token[TOKEN_SIZE];
    start();
    struct account account = account_register(&one);
    struct tokens tokens = account_login(&one, &account);
    randombytes_buf(key, sizeof key);
    write_key("zz", 12);
    int watch = watch_key("zz");
    make_token((struct made_up){ .kid = "zz" }, token);
    time_t began = time(NULL);
    expect_problem(http_json(&two, "GET", "/auth/verify", token, NULL), 503, "keys_unavailable");
    run_flood(&half_written);
    unsigned readings = count_openings(watch);
    ck_assert_uint_ge(readings, 2);
    ck_assert_int_le(readings, 2 * (time(NULL) - began + 2)); /* once by requests, and once by the periodic task */
    server_check_log_count(&two, "keys_unreadable", 1);
    ck_assert(server_log_contains(&two, "zz.hs256"));
    ck_assert_int_eq(verify_status(&two, tokens.access), 200);
    make_token((struct made_up){ .kid = "zy" }, token);
    ck_assert_int_eq(verify_status(&two, token), 401);
    write_key("zz", sizeof key);
    make_token((struct made_up){ .kid = "zz" }, token);
    for (int i = 0; i < TRIES && verify_status(&two, token) == 503; i++)
        usleep(PAUSE_US);
    ck_assert_int_eq(verify_status(&two, token), 200);
    finish();
}
END_TEST

Suite *rotation_suite(void) {
    Suite *suite = suite_create("rotation");
    TCase *tcase = tcase_create("two instances");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, an_instance_reads_a_key_that_is_new_to_it_when_its_first_token_comes);
    tcase_add_test(tcase, a_new_refresh_key_logs_nobody_out);
    tcase_add_test(tcase, an_operator_sees_in_the_log_which_refresh_key_each_instance_has);
    tcase_add_test(tcase, a_file_that_only_looks_like_a_refresh_key_is_named_in_the_log);
    tcase_add_test(tcase, a_refresh_token_of_an_earlier_version_logs_nobody_out);
    tcase_add_test(tcase, rotations_on_one_of_two_instances_cost_no_token_a_refusal);
    tcase_add_test(tcase, only_a_token_that_would_be_good_has_the_keys_read);
    tcase_add_test(tcase, made_up_key_ids_never_have_the_keys_read);
    tcase_add_test(tcase, a_key_that_cannot_be_read_is_no_401_and_read_for_once_a_second);
    suite_add_tcase(suite, tcase);
    return suite;
}
