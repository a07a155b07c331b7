/* Forged access tokens, against the running service: each is refused by both endpoints that read one. */
#include "support/account.h"

#include "jwtd/macros.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

Suite *tokens_suite(void);

static unsigned char key[512];
static size_t key_len;
static char kid[80];
static char user_id[40], session_id[40];

static void read_key_file(const char *path) {
    char text[1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ssize_t len = read(fd, text, sizeof text);
    close(fd);
    ck_assert_int_gt(len, 0);
    ck_assert_int_eq(
        sodium_base642bin(key, sizeof key, text, (size_t)len, " \r\n", &key_len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
        0);
}

/* The one key that the shared server signs with. */
static void read_key(void) {
    char directory[128], path[512];
    snprintf(directory, sizeof directory, "%s/keys", shared_server.directory);
    DIR *files = opendir(directory);
    ck_assert_ptr_nonnull(files);
    for (struct dirent *file = readdir(files); file != NULL; file = readdir(files)) {
        char *suffix = strstr(file->d_name, ".hs256");
        if (suffix == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, file->d_name);
        snprintf(kid, sizeof kid, "%.*s", (int)(suffix - file->d_name), file->d_name);
        read_key_file(path);
    }
    closedir(files);
    ck_assert_uint_ge(key_len, 32);
}

static void start(void) {
    ck_assert_int_ge(sodium_init(), 0);
    shared_server_start();
    read_key();
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    struct reply reply = http_json(&shared_server, "GET", "/auth/sessions", tokens.access, NULL);
    const struct json_object *session = json_object_array_get_idx(json_object_object_get(reply.json, "sessions"), 0);
    snprintf(session_id, sizeof session_id, "%s", json_string_at(session, "id"));
    snprintf(user_id, sizeof user_id, "%s", account.id);
    http_free(&reply);
}

static void encode(const void *bytes, size_t len, char *text, size_t size) {
    sodium_bin2base64(text, size, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

enum signature { HS256, HS512, OTHER_KEY, EMPTY, NONE };

static size_t make_mac(enum signature signature, const char *signed_part, unsigned char mac[64]) {
    const unsigned char *bytes = (const unsigned char *)signed_part;
    unsigned long long len = strlen(signed_part);
    if (signature == HS512) {
        crypto_auth_hmacsha512_state state;
        crypto_auth_hmacsha512_init(&state, key, key_len);
        crypto_auth_hmacsha512_update(&state, bytes, len);
        crypto_auth_hmacsha512_final(&state, mac);
        return 64;
    }
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, key_len - (signature == OTHER_KEY ? 1 : 0));
    crypto_auth_hmacsha256_update(&state, bytes, len);
    crypto_auth_hmacsha256_final(&state, mac);
    return signature == EMPTY || signature == NONE ? 0 : 32;
}

/* `header` and `claims` are JSON. */
static void make_token(const char *header, const char *claims, enum signature signature, char token[TOKEN_SIZE]) {
    char head[1024], body[2048], tail[128];
    unsigned char mac[64];
    encode(header, strlen(header), head, sizeof head);
    encode(claims, strlen(claims), body, sizeof body);
    snprintf(token, TOKEN_SIZE, "%s.%s", head, body);
    size_t mac_len = make_mac(signature, token, mac);
    encode(mac, mac_len, tail, sizeof tail);
    if (signature != NONE)
        snprintf(token, TOKEN_SIZE, "%s.%s.%s", head, body, tail);
}

/* In the templates: KID, USER, SESSION, and NOW+seconds as N<seconds>; are replaced. */
static void fill(const char *template, char *text, size_t size) {
    size_t len = 0;
    while (*template != '\0' && len + 64 < size) {
        int seconds, used = 0;
        if (strncmp(template, "KID", 3) == 0) {
            len += (size_t)snprintf(text + len, size - len, "%s", kid);
            template += 3;
        } else if (strncmp(template, "USER", 4) == 0) {
            len += (size_t)snprintf(text + len, size - len, "%s", user_id);
            template += 4;
        } else if (strncmp(template, "SESSION", 7) == 0) {
            len += (size_t)snprintf(text + len, size - len, "%s", session_id);
            template += 7;
        } else if (sscanf(template, "N<%d>%n", &seconds, &used) == 1 && used > 0) {
            len += (size_t)snprintf(text + len, size - len, "%lld", (long long)time(NULL) + seconds);
            template += used;
        } else {
            text[len++] = *template ++;
        }
    }
    text[len] = '\0';
}

#define HEADER "{\"alg\":\"HS256\",\"kid\":\"KID\",\"typ\":\"JWT\"}"
#define ISSUED "\"iss\":\"jwtd\",\"aud\":\"jwtd\",\"jti\":\"01a1fb20-4e0e-7d54-9961-6bfafcff7e27\","
#define NAMES "\"sub\":\"USER\",\"sid\":\"SESSION\",\"roles\":[],"
#define TIMES "\"iat\":N<0>,\"nbf\":N<0>,\"exp\":N<600>"
#define CLAIMS "{" ISSUED NAMES TIMES "}"

static const struct {
    const char *name;
    const char *header, *claims;
    enum signature signature;
} forged[] = {
    { "alg none", "{\"alg\":\"none\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, EMPTY },
    { "alg None", "{\"alg\":\"None\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, EMPTY },
    { "alg NONE", "{\"alg\":\"NONE\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "alg nOnE without a third part", "{\"alg\":\"nOnE\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, NONE },
    { "no alg", "{\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "HS512 with the same key", "{\"alg\":\"HS512\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, HS512 },
    { "HS384", "{\"alg\":\"HS384\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "hs256 in lower case", "{\"alg\":\"hs256\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "RS256 with the key as secret", "{\"alg\":\"RS256\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "a list of algs", "{\"alg\":[\"HS256\"],\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "another key", HEADER, CLAIMS, OTHER_KEY },
    { "no signature", HEADER, CLAIMS, EMPTY },
    { "no third part", HEADER, CLAIMS, NONE },
    { "an unknown kid", "{\"alg\":\"HS256\",\"kid\":\"other\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "a kid that is a path", "{\"alg\":\"HS256\",\"kid\":\"../keys/KID\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "no kid", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "another typ", "{\"alg\":\"HS256\",\"kid\":\"KID\",\"typ\":\"refresh\"}", CLAIMS, HS256 },
    { "crit", "{\"alg\":\"HS256\",\"kid\":\"KID\",\"typ\":\"JWT\",\"crit\":[\"exp\"]}", CLAIMS, HS256 },
    { "a key in the header", "{\"alg\":\"HS256\",\"kid\":\"KID\",\"typ\":\"JWT\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}",
      CLAIMS, HS256 },
    { "a key's address", "{\"alg\":\"HS256\",\"kid\":\"KID\",\"typ\":\"JWT\",\"jku\":\"https://evil.example\"}", CLAIMS, HS256 },
    { "alg twice", "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"KID\",\"typ\":\"JWT\"}", CLAIMS, HS256 },
    { "no exp", HEADER, "{" ISSUED NAMES "\"iat\":N<0>,\"nbf\":N<0>}", HS256 },
    { "exp as a string", HEADER, "{" ISSUED NAMES "\"iat\":N<0>,\"nbf\":N<0>,\"exp\":\"N<600>\"}", HS256 },
    { "exp as a float", HEADER, "{" ISSUED NAMES "\"iat\":N<0>,\"nbf\":N<0>,\"exp\":N<600>.5}", HS256 },
    { "exp null", HEADER, "{" ISSUED NAMES "\"iat\":N<0>,\"nbf\":N<0>,\"exp\":null}", HS256 },
    { "exp -1", HEADER, "{" ISSUED NAMES "\"iat\":N<0>,\"nbf\":N<0>,\"exp\":-1}", HS256 },
    { "exp past", HEADER, "{" ISSUED NAMES "\"iat\":N<-900>,\"nbf\":N<-900>,\"exp\":N<-60>}", HS256 },
    { "exp beyond all numbers", HEADER, "{" ISSUED NAMES "\"iat\":N<0>,\"nbf\":N<0>,\"exp\":9223372036854775807}", HS256 },
    { "a longer life than tokens have here", HEADER, "{" ISSUED NAMES "\"iat\":N<0>,\"nbf\":N<0>,\"exp\":N<901>}", HS256 },
    { "exp twice", HEADER, "{" ISSUED NAMES "\"exp\":1," TIMES "}", HS256 },
    { "nbf in the future", HEADER, "{" ISSUED NAMES "\"iat\":N<0>,\"nbf\":N<300>,\"exp\":N<600>}", HS256 },
    { "iat in the future", HEADER, "{" ISSUED NAMES "\"iat\":N<300>,\"nbf\":N<0>,\"exp\":N<600>}", HS256 },
    { "another issuer", HEADER,
      "{\"iss\":\"other\",\"aud\":\"jwtd\",\"jti\":\"01a1fb20-4e0e-7d54-9961-6bfafcff7e27\"," NAMES TIMES "}", HS256 },
    { "another audience", HEADER,
      "{\"iss\":\"jwtd\",\"aud\":\"other\",\"jti\":\"01a1fb20-4e0e-7d54-9961-6bfafcff7e27\"," NAMES TIMES "}", HS256 },
    { "neither", HEADER, "{" NAMES TIMES "}", HS256 },
    { "no sub", HEADER, "{" ISSUED "\"sid\":\"SESSION\",\"roles\":[]," TIMES "}", HS256 },
    { "sub that is no id", HEADER, "{" ISSUED "\"sub\":\"1' OR 1=1\",\"sid\":\"SESSION\",\"roles\":[]," TIMES "}", HS256 },
    { "sid as a number", HEADER, "{" ISSUED "\"sub\":\"USER\",\"sid\":7,\"roles\":[]," TIMES "}", HS256 },
    { "roles as a string", HEADER, "{" ISSUED "\"sub\":\"USER\",\"sid\":\"SESSION\",\"roles\":\"admin\"," TIMES "}", HS256 },
    { "a payload that is no object", HEADER, "[1,2,3]", HS256 },
    { "a payload that is no JSON", HEADER, "{", HS256 },
};

static long status_of(const char *path, const char *token) {
    struct reply reply = http_json(&shared_server, "GET", path, token, NULL);
    if (reply.status != 200)
        assert_problem(&reply, 401, "invalid_token");
    long status = reply.status;
    http_free(&reply);
    return status;
}

START_TEST(a_forged_token_is_refused) {
    char header[1024], claims[2048], token[TOKEN_SIZE];
    fill(forged[_i].header, header, sizeof header);
    fill(forged[_i].claims, claims, sizeof claims);
    make_token(header, claims, forged[_i].signature, token);
    ck_assert_msg(status_of("/auth/verify", token) == 401, "%s", forged[_i].name);
    ck_assert_msg(status_of("/auth/me", token) == 401, "%s", forged[_i].name);
}
END_TEST

static void make_good_token(char token[TOKEN_SIZE]) {
    char header[1024], claims[2048];
    fill(HEADER, header, sizeof header);
    fill(CLAIMS, claims, sizeof claims);
    make_token(header, claims, HS256, token);
}

/* Nor does one that has expired: the session that it names lives on. */
START_TEST(a_forged_token_logs_nobody_out) {
    char header[1024], claims[2048], token[TOKEN_SIZE];
    fill(forged[_i].header, header, sizeof header);
    fill(forged[_i].claims, claims, sizeof claims);
    make_token(header, claims, forged[_i].signature, token);
    struct reply reply = http_json(&shared_server, "POST", "/auth/logout", token, "{\"all\":true}");
    ck_assert_msg(reply.status == 401, "%s gave %ld", forged[_i].name, reply.status);
    http_free(&reply);
    make_good_token(token);
    ck_assert_int_eq(status_of("/auth/me", token), 200);
}
END_TEST

/* Without this the tests above would pass if the forged tokens were malformed. */
START_TEST(the_forgers_hand_is_good_enough) {
    char token[TOKEN_SIZE];
    make_good_token(token);
    ck_assert_int_eq(status_of("/auth/verify", token), 200);
    ck_assert_int_eq(status_of("/auth/me", token), 200);
}
END_TEST

START_TEST(a_good_token_that_was_changed_is_refused) {
    static const char *const suffixes[] = { "=", ".x", "A", ".", "%20" };
    char token[TOKEN_SIZE], changed[4200];
    make_good_token(token);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        snprintf(changed, sizeof changed, "%s%s", token, suffixes[i]);
        ck_assert_msg(status_of("/auth/verify", changed) == 401, "%s", suffixes[i]);
    }
    for (size_t i = 0; i < strlen(token); i += 7) {
        memcpy(changed, token, TOKEN_SIZE);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        ck_assert_int_eq(status_of("/auth/verify", changed), 401);
    }
    token[strlen(token) - 1] = '\0';
    ck_assert_int_eq(status_of("/auth/verify", token), 401);
}
END_TEST

/* RFC 9110 section 5.5: they are no part of a field's value. */
START_TEST(blanks_around_a_token_do_not_matter) {
    static const char *const blanks[] = { "Bearer %s ", "Bearer %s\t", "Bearer %s \t ", "  Bearer   %s  ", "bearer %s" };
    char token[TOKEN_SIZE], line[TOKEN_SIZE + 128];
    make_good_token(token);
    for (size_t i = 0; i < ARRAY_LEN(blanks); i++) {
        const char *place = strstr(blanks[i], "%s");
        snprintf(line, sizeof line, "Authorization: %.*s%s%s", (int)(place - blanks[i]), blanks[i], token, place + 2);
        struct reply reply = http_send(&shared_server, "GET", "/auth/verify", (const char *const[]){ line, NULL }, NULL);
        ck_assert_msg(reply.status == 200, "%s: %ld", blanks[i], reply.status);
        http_free(&reply);
    }
}
END_TEST

START_TEST(a_token_of_a_user_who_never_was_is_no_token) {
    char header[1024], claims[2048], token[TOKEN_SIZE];
    fill(HEADER, header, sizeof header);
    fill("{" ISSUED "\"sub\":\"01a1fb20-0000-7000-8000-000000000000\",\"sid\":\"01a1fb20-0000-7000-8000-000000000001\","
         "\"roles\":[]," TIMES "}",
         claims, sizeof claims);
    make_token(header, claims, HS256, token);
    ck_assert_int_eq(status_of("/auth/me", token), 401);
}
END_TEST

Suite *tokens_suite(void) {
    Suite *suite = suite_create("tokens");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, shared_server_finish);
    tcase_add_test(tcase, the_forgers_hand_is_good_enough);
    tcase_add_loop_test(tcase, a_forged_token_is_refused, 0, (int)ARRAY_LEN(forged));
    tcase_add_loop_test(tcase, a_forged_token_logs_nobody_out, 0, (int)ARRAY_LEN(forged));
    tcase_add_test(tcase, a_good_token_that_was_changed_is_refused);
    tcase_add_test(tcase, blanks_around_a_token_do_not_matter);
    tcase_add_test(tcase, a_token_of_a_user_who_never_was_is_no_token);
    suite_add_tcase(suite, tcase);
    return suite;
}
