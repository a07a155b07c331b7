/* A service whose key is of each algorithm, what it publishes of its keys, and what it refuses. */
#include "support/account.h"
#include "support/load.h"

#include "jwtd/macros.h"

#include <check.h>
#include <json-c/json.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *algorithms_suite(void);

#define JWKS "/.well-known/jwks.json"
#define OPENID "/.well-known/openid-configuration"
#define OAUTH "/.well-known/oauth-authorization-server"
#define SETTINGS_MAX 8
#define TRIES 400
#define PAUSE_US 5000

static struct server server;
static char keys[96], kid[80]; /* the setting of the directory; the newest key */

/* In a directory of its own, since that of the server has a key. Sets kid. */
static void make_key(const char *algorithm) {
    char refresh[128], output[512];
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s.refresh", keys + strlen("token.keys_dir="));
    const char *const words[] = { "--set", keys, "--set", refresh, "keygen", "--algorithm", algorithm, NULL };
    int code = program_run(words, NULL, output, sizeof output);
    ck_assert_msg(code == 0, "%s", output);
    snprintf(kid, sizeof kid, "%.*s", (int)strcspn(output, "\n"), output);
}

static void start(const char *algorithm, const char *setting, const char *other) {
    static unsigned count;
    ck_assert_int_ge(sodium_init(), 0);
    snprintf(keys, sizeof keys, "token.keys_dir=/tmp/jwtd-test-keys-%ld-%u", (long)getpid(), count++);
    make_key(algorithm);
    const char *const settings[SETTINGS_MAX] = { keys, setting, setting != NULL ? other : NULL };
    server = server_start(settings);
    await_ready(&server);
}

static void remove_keys(void) {
    char command[512];
    const char *directory = keys + strlen("token.keys_dir=");
    snprintf(command, sizeof command, "rm -rf '%s' '%s.refresh'", directory, directory);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a test's own directory */
}

static void finish(void) {
    remove_keys();
    server_finish(&server);
}

static struct reply get(const char *path, const char *header, const char *other) {
    const char *const headers[] = { header, header != NULL ? other : NULL, NULL };
    return http_send(&server, "GET", path, headers, NULL);
}

static const struct {
    const char *algorithm, *name, *key_type; /* NULL: it is not published */
    size_t signature_len;                    /* characters */
} algorithms[] = { { "hs256", "HS256", NULL, 43 }, { "es256", "ES256", "EC", 86 }, { "rs256", "RS256", "RSA", 342 } };

static void expect_header(const char *token, const char *name) {
    char header[256] = "";
    size_t len;
    ck_assert_int_eq(sodium_base642bin((uint8_t *)header, sizeof header - 1, token, strcspn(token, "."), NULL, &len, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    struct json_object *object = json_tokener_parse(header);
    ck_assert_str_eq(json_string_at(object, "alg"), name);
    ck_assert_str_eq(json_string_at(object, "kid"), kid);
    ck_assert_str_eq(json_string_at(object, "typ"), "JWT");
    json_object_put(object);
}

START_TEST(a_user_has_tokens_of_the_algorithm_of_the_key) {
    start(algorithms[_i].algorithm, NULL, NULL);
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    expect_header(tokens.access, algorithms[_i].name);
    ck_assert_uint_eq(strlen(strrchr(tokens.access, '.') + 1), algorithms[_i].signature_len);
    for (int round = 0; round < 2; round++) {
        ck_assert_int_eq(me_status(&server, tokens.access), 200);
        expect_status(http_json(&server, "GET", "/auth/verify", tokens.access, NULL), 200);
    }
    expect_status(refresh_with(&server, tokens.refresh), 200);
    char *middle = strrchr(tokens.access, '.') + algorithms[_i].signature_len / 2;
    *middle = *middle == 'A' ? 'B' : 'A';
    expect_problem(http_json(&server, "GET", "/auth/verify", tokens.access, NULL), 401, "invalid_token");
    finish();
}
END_TEST

START_TEST(a_key_pair_is_published_and_a_secret_is_not) {
    start(algorithms[_i].algorithm, NULL, NULL);
    struct reply reply = get(JWKS, NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    struct json_object *set = json_object_object_get(reply.json, "keys");
    ck_assert_uint_eq(json_object_array_length(set), algorithms[_i].key_type != NULL);
    ck_assert_ptr_null(strstr(reply.body, "oct"));
    ck_assert_ptr_null(strstr(reply.body, "\"d\""));
    if (algorithms[_i].key_type != NULL) {
        const struct json_object *key = json_object_array_get_idx(set, 0);
        ck_assert_str_eq(json_string_at(key, "kid"), kid);
        ck_assert_str_eq(json_string_at(key, "alg"), algorithms[_i].name);
        ck_assert_str_eq(json_string_at(key, "kty"), algorithms[_i].key_type);
        ck_assert_str_eq(json_string_at(key, "use"), "sig");
    }
    http_free(&reply);
    finish();
}
END_TEST

/* ---- what the published keys are good for, and what not ---- */

static void append_encoded(char token[TOKEN_SIZE], const void *bytes, size_t len) {
    size_t at = strlen(token);
    ck_assert_ptr_nonnull(sodium_bin2base64(token + at, TOKEN_SIZE - at, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING));
}

/* The payload of a good token below another header, with an HMAC whose key is what was published. */
static void forge(char token[TOKEN_SIZE], const char *header, const char *good, const char *secret, size_t secret_len) {
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    const char *payload = strchr(good, '.');
    token[0] = '\0';
    append_encoded(token, header, strlen(header));
    size_t at = strlen(token), len = (size_t)(strrchr(good, '.') - payload);
    memcpy(token + at, payload, len);
    token[at + len] = '\0';
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret, secret_len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)token, strlen(token));
    crypto_auth_hmacsha256_final(&state, mac);
    strncat(token, ".", 2);
    append_encoded(token, mac, sizeof mac);
}

/* The public key as an attacker finds it (RFC 8725 section 2.1). */
START_TEST(what_is_published_signs_nothing) {
    static const char *const names[] = { "HS256", "hs256", "ES256", "none" };
    char header[256], token[TOKEN_SIZE], path[256], pem[1024], output[1024];
    start("es256", NULL, NULL);
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    struct reply set = get(JWKS, NULL, NULL);
    snprintf(path, sizeof path, "%s/%s.es256", keys + strlen("token.keys_dir="), kid);
    const char *const words[] = { "/usr/bin/openssl", "pkey", "-in", path, "-pubout", NULL };
    ck_assert_int_eq(command_run(words, NULL, output, sizeof output), 0);
    snprintf(pem, sizeof pem, "%s", output);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}", names[i], kid);
        const struct {
            const char *bytes;
            size_t len;
        } secrets[] = { { pem, strlen(pem) }, { pem, strlen(pem) - 1 }, { set.body, set.body_len }, { "", 0 } };
        for (size_t j = 0; j < ARRAY_LEN(secrets); j++) {
            forge(token, header, tokens.access, secrets[j].bytes, secrets[j].len);
            expect_problem(http_json(&server, "GET", "/auth/verify", token, NULL), 401, "invalid_token");
        }
    }
    expect_status(http_json(&server, "GET", "/auth/verify", tokens.access, NULL), 200);
    http_free(&set);
    finish();
}
END_TEST

/* ---- caching ---- */

static const struct {
    const char *front, *behind; /* of the tag; NULL: without it */
    long status;
} conditions[] = {
    { "If-None-Match: ", "", 304 },
    { "If-None-Match: W/", "", 304 }, /* as a proxy that compresses writes it */
    { "If-None-Match: \"other\", ", "", 304 },
    { "If-None-Match: \"other\",", " ,\"another\"", 304 },
    { "If-None-Match: *", NULL, 304 },
    { "If-None-Match: \"other\"", NULL, 200 },
    { "If-None-Match: x", "", 200 },
    { "If-None-Match: ,,", NULL, 200 },
    { "If-Match: ", "", 200 },
};

START_TEST(keys_that_a_client_has_are_not_sent_again) {
    char tag[64], value[128], header[256];
    start("es256", NULL, NULL);
    struct reply first = get(JWKS, NULL, NULL);
    http_header(&first, "ETag", tag, sizeof tag);
    ck_assert_uint_eq(strlen(tag), 24);
    ck_assert_str_eq(http_header(&first, "Cache-Control", value, sizeof value), "public, max-age=300");
    ck_assert_str_eq(http_header(&first, "Content-Type", value, sizeof value), "application/jwk-set+json");
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
        bool has_tag = conditions[i].behind != NULL;
        snprintf(header, sizeof header, "%s%s%s", conditions[i].front, has_tag ? tag : "", has_tag ? conditions[i].behind : "");
        struct reply reply = get(JWKS, header, NULL);
        ck_assert_msg(reply.status == conditions[i].status, "%s: %ld", header, reply.status);
        ck_assert_uint_eq(reply.body_len, reply.status == 200 ? first.body_len : 0);
        ck_assert_str_eq(http_header(&reply, "ETag", value, sizeof value), tag);
        ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), "public, max-age=300");
        http_free(&reply);
    }
    http_free(&first);
    finish();
}
END_TEST

START_TEST(a_new_key_is_published_with_the_next_reload) {
    char before[64], after[64], old_kid[80];
    start("es256", NULL, NULL);
    struct reply reply = get(JWKS, NULL, NULL);
    http_header(&reply, "ETag", before, sizeof before);
    http_free(&reply);
    snprintf(old_kid, sizeof old_kid, "%s", kid);
    make_key("rs256");
    kill(server.pid, SIGHUP);
    server_await_log(&server, "\"event\":\"reloaded\"", 10000);
    reply = get(JWKS, NULL, NULL);
    ck_assert_str_ne(http_header(&reply, "ETag", after, sizeof after), before);
    ck_assert_ptr_nonnull(strstr(reply.body, old_kid));
    ck_assert_ptr_nonnull(strstr(reply.body, kid));
    http_free(&reply);
    finish();
}
END_TEST

/* ---- scripts of other origins ---- */

static void expect_origin(const char *path, const char *origin, const char *allowed) {
    char value[128], header[128];
    snprintf(header, sizeof header, "Origin: %s", origin);
    struct reply reply = get(path, header, NULL);
    ck_assert_str_eq(http_header(&reply, "Access-Control-Allow-Origin", value, sizeof value), allowed);
    const char *first = strstr(reply.headers, "Access-Control-Allow-Origin");
    ck_assert_ptr_null(strstr(first + 1, "Access-Control-Allow-Origin"));
    http_free(&reply);
}

START_TEST(scripts_of_every_origin_may_read_what_is_public) {
    start("es256", "token.issuer=https://auth.example.org", NULL);
    expect_origin(JWKS, "https://any.example.org", "*");
    expect_origin(OPENID, "https://any.example.org", "*");
    finish();
    start("es256", "token.issuer=https://auth.example.org", "cors.allowed_origins=https://app.example.org");
    expect_origin(JWKS, "https://any.example.org", "*");
    expect_origin(JWKS, "https://app.example.org", "https://app.example.org");
    finish();
}
END_TEST

/* ---- discovery ---- */

static const struct {
    const char *setting, *issuer, *jwks_uri; /* NULL: nothing to discover */
} issuers[] = {
    { "token.issuer=https://auth.example.org", "https://auth.example.org", "https://auth.example.org" JWKS },
    { "token.issuer=https://example.org/auth/", "https://example.org/auth/", "https://example.org/auth" JWKS },
    { "token.issuer=http://localhost:8080", "http://localhost:8080", "http://localhost:8080" JWKS },
    { "token.issuer=jwtd", NULL, NULL },
    { "token.issuer=http://auth.example.org", NULL, NULL },
};

/* Whatever is in front of it, there is such a route, and it takes what is said of it. */
static void expect_endpoint(const struct reply *discovered, const char *member) {
    char methods_member[96], value[128];
    snprintf(methods_member, sizeof methods_member, "%s_auth_methods_supported", member);
    const struct json_object *methods = json_object_object_get(discovered->json, methods_member);
    ck_assert_uint_eq(json_object_array_length(methods), 1);
    ck_assert_str_eq(json_object_get_string(json_object_array_get_idx(methods, 0)), "client_secret_basic");
    const char *path = strstr(http_member(discovered, member), "/auth/");
    struct reply reply = http_send(&server, "POST", path + (strncmp(path, "/auth/auth/", 11) == 0 ? 5 : 0), NULL, "token=x");
    ck_assert_int_eq(reply.status, 401);
    ck_assert_int_eq(strncmp(http_header(&reply, "WWW-Authenticate", value, sizeof value), "Basic ", 6), 0);
    http_free(&reply);
}

static void expect_discovered(const char *path, const char *issuer, const char *jwks_uri) {
    char value[128];
    struct reply reply = get(path, NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(http_member(&reply, "issuer"), issuer);
    ck_assert_str_eq(http_member(&reply, "jwks_uri"), jwks_uri);
    ck_assert_uint_eq(json_object_array_length(json_object_object_get(reply.json, "response_types_supported")), 0);
    ck_assert_uint_eq(json_object_array_length(json_object_object_get(reply.json, "grant_types_supported")), 0);
    const struct json_object *names = json_object_object_get(reply.json, "access_token_signing_alg_values_supported");
    ck_assert_str_eq(json_object_to_json_string_ext((struct json_object *)(uintptr_t)names, JSON_C_TO_STRING_PLAIN),
                     "[\"ES256\"]");
    expect_endpoint(&reply, "introspection_endpoint");
    expect_endpoint(&reply, "revocation_endpoint");
    ck_assert(!json_object_object_get_ex(reply.json, "token_endpoint", NULL));
    ck_assert(!json_object_object_get_ex(reply.json, "authorization_endpoint", NULL));
    ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), "public, max-age=300");
    http_free(&reply);
}

static void expect_nothing(const char *path) {
    char value[128];
    struct reply reply = get(path, NULL, NULL);
    assert_problem(&reply, 404, "not_discoverable");
    ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), "no-store");
    http_free(&reply);
}

START_TEST(a_service_is_discovered_by_the_issuer_that_is_its_address) {
    start("es256", issuers[_i].setting, NULL);
    if (issuers[_i].issuer != NULL) {
        expect_discovered(OPENID, issuers[_i].issuer, issuers[_i].jwks_uri);
        expect_discovered(OAUTH, issuers[_i].issuer, issuers[_i].jwks_uri);
    } else {
        expect_nothing(OPENID);
        expect_nothing(OAUTH);
    }
    expect_status(get(JWKS, NULL, NULL), 200);
    finish();
}
END_TEST

START_TEST(check_config_says_what_keeps_clients_from_discovering) {
    char output[16384];
    const char *const words[] = { "--set", issuers[_i].setting, "check-config", NULL };
    ck_assert_int_eq(program_run(words, NULL, output, sizeof output), 0);
    ck_assert_int_eq(strstr(output, "\n# token.issuer is ") == NULL, issuers[_i].issuer != NULL);
}
END_TEST

START_TEST(check_config_says_that_there_is_no_key_to_publish) {
    char output[16384];
    const char *const words[] = { "--set", keys, "--set", "token.issuer=https://auth.example.org", "check-config", NULL };
    snprintf(keys, sizeof keys, "token.keys_dir=/tmp/jwtd-test-keys-%ld-check", (long)getpid());
    make_key("hs256");
    ck_assert_int_eq(program_run(words, NULL, output, sizeof output), 0);
    ck_assert_ptr_nonnull(strstr(output, "\n# token.keys_dir has keys of HS256 only"));
    make_key("es256");
    ck_assert_int_eq(program_run(words, NULL, output, sizeof output), 0);
    ck_assert_ptr_null(strstr(output, "\n# token.keys_dir"));
    remove_keys();
}
END_TEST

Suite *algorithms_suite(void) {
    Suite *suite = suite_create("algorithms");
    TCase *tests = tcase_create("algorithms");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, a_user_has_tokens_of_the_algorithm_of_the_key, 0, (int)ARRAY_LEN(algorithms));
    tcase_add_loop_test(tests, a_key_pair_is_published_and_a_secret_is_not, 0, (int)ARRAY_LEN(algorithms));
    tcase_add_test(tests, what_is_published_signs_nothing);
    tcase_add_test(tests, keys_that_a_client_has_are_not_sent_again);
    tcase_add_test(tests, a_new_key_is_published_with_the_next_reload);
    tcase_add_test(tests, scripts_of_every_origin_may_read_what_is_public);
    tcase_add_loop_test(tests, a_service_is_discovered_by_the_issuer_that_is_its_address, 0, (int)ARRAY_LEN(issuers));
    tcase_add_test(tests, check_config_says_that_there_is_no_key_to_publish);
    tcase_add_loop_test(tests, check_config_says_what_keeps_clients_from_discovering, 0, (int)ARRAY_LEN(issuers));
    suite_add_tcase(suite, tests);
    return suite;
}
