/* Tokens of ES256 and RS256, and every way to confuse one algorithm, key or form with another. */
#include "key_fixture.h"

#include "jwtd/macros.h"
#include "jwtd/verifier.h"
#include "src/token/algorithm.h"
#include "src/token/token_cache.h"

#include <jwt.h>
#include <sys/wait.h>

Suite *signatures_suite(void);

#define PAYLOAD                                                                                                                  \
    "{\"iss\":\"jwtd\",\"aud\":\"jwtd\",\"sub\":\"0190a6e0-0000-7000-8000-000000000001\","                                       \
    "\"sid\":\"0190a6e0-0000-7000-8000-000000000002\",\"jti\":\"0190a6e0-0000-7000-8000-000000000003\","                         \
    "\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800000900,\"roles\":[\"admin\"]}"
#define HEADER(alg, kid) "{\"alg\":\"" alg "\",\"kid\":\"" kid "\",\"typ\":\"JWT\"}"
#define ES_WITH(members) "{\"alg\":\"ES256\",\"kid\":\"es\",\"typ\":\"JWT\"," members "}"

/* The ring has "hs", "es", "es2" and "rs"; of "es-public" it has the public key. */
static EVP_PKEY *es, *es2, *rs, *es_public;
static struct keyring *ring;
static struct verifier *verifier;
static struct arena arena;
static struct access_claims claims;
static char missing_kid[KID_MAX_LEN + 1];
static char token[FIXTURE_TOKEN_SIZE];

static struct keyring *load(const char *active_kid) {
    char refresh_key[PATH_MAX], reason[512];
    struct scratch scratch = scratch_create();
    scratch_write_text(&scratch, "hs.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, ".refresh.key", FIXTURE_KEY_1);
    write_key(&scratch, "es.es256", es, PEM_PKCS8);
    write_key(&scratch, "es2.es256", es2, PEM_PKCS8);
    write_key(&scratch, "rs.rs256", rs, PEM_PKCS8);
    write_key(&scratch, "es-public.es256", es_public, PEM_PUBLIC);
    snprintf(refresh_key, sizeof refresh_key, "%s", scratch_path(&scratch, ".refresh.key"));
    struct keyring *loaded = fixture_load(scratch.path, active_kid, refresh_key, reason, sizeof reason);
    ck_assert_msg(loaded != NULL, "%s", reason);
    scratch_destroy(&scratch);
    return loaded;
}

static struct scratch key_files;

/* In a child: OpenSSL must not be used in the process that other suites begin in (test_openssl_memory.c). */
static void make_keys(void) {
    int status;
    key_files = scratch_create();
    pid_t pid = fork();
    if (pid == 0) {
        write_key(&key_files, "es", ec_key("P-256"), PEM_PKCS8);
        write_key(&key_files, "es2", ec_key("P-256"), PEM_PKCS8);
        write_key(&key_files, "es-public", ec_key("P-256"), PEM_PKCS8);
        write_key(&key_files, "rs", rsa_key(2048, 65537), PEM_PKCS8);
        _exit(0);
    }
    ck_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void remove_keys(void) {
    scratch_destroy(&key_files);
}

static EVP_PKEY *read_key(const char *name) {
    FILE *file = fopen(scratch_path(&key_files, name), "r");
    ck_assert_ptr_nonnull(file);
    EVP_PKEY *pair = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    ck_assert_ptr_nonnull(pair);
    fclose(file);
    return pair;
}

static void free_keys(void) {
    EVP_PKEY_free(es);
    EVP_PKEY_free(es2);
    EVP_PKEY_free(es_public);
    EVP_PKEY_free(rs);
}

static void set_up(void) {
    es = read_key("es");
    es2 = read_key("es2");
    es_public = read_key("es-public");
    rs = read_key("rs");
    ring = load("es");
    verifier = verifier_create(ring, &fixture_rules);
    ck_assert_ptr_nonnull(verifier);
    arena_init(&arena, 8 << 20);
}

static void tear_down(void) {
    arena_fini(&arena);
    verifier_destroy(verifier);
    keyring_destroy(ring);
    free_keys();
}

static enum status check(struct text text) {
    return verifier_check(verifier, &arena, text, FIXTURE_NOW, &claims, missing_kid);
}

/* Twice, since a valid token is found in the cache the second time. */
static void expect(enum status expected, const char *what) {
    for (int round = 0; round < 2; round++)
        ck_assert_msg(check(text_of(token)) == expected, "%s: %s", what, token);
}

static void begin(const char *header) {
    token[0] = '\0';
    fixture_append_base64(token, header, strlen(header));
    fixture_append(token, ".");
    fixture_append_base64(token, PAYLOAD, strlen(PAYLOAD));
}

static void end(const uint8_t *signature, size_t len) {
    fixture_append(token, ".");
    fixture_append_base64(token, signature, len);
}

static void sign_es(const char *header, EVP_PKEY *pair, const EVP_MD *digest, int half) {
    uint8_t der[1024], raw[256];
    begin(header);
    raw_signature(der, sign_with(pair, digest, false, token, der), raw, half);
    end(raw, 2 * (size_t)half);
}

static void sign_rs(const char *header, EVP_PKEY *pair, const EVP_MD *digest, bool with_pss) {
    uint8_t signature[1024];
    begin(header);
    end(signature, sign_with(pair, digest, with_pss, token, signature));
}

static void sign_hs(const char *header, const void *secret, size_t len) {
    const struct signing_key key = { .bytes = secret, .len = len };
    fixture_sign(token, header, PAYLOAD, &key);
}

/* ---- what is good ---- */

START_TEST(a_token_of_another_maker_is_accepted) {
    sign_es(HEADER("ES256", "es"), es, EVP_sha256(), 32);
    expect(STATUS_OK, "ES256");
    ck_assert_str_eq(claims.roles_json.bytes, "[\"admin\"]");
    sign_es(HEADER("ES256", "es-public"), es_public, EVP_sha256(), 32);
    expect(STATUS_OK, "ES256 by its public key");
    sign_rs(HEADER("RS256", "rs"), rs, EVP_sha256(), false);
    expect(STATUS_OK, "RS256");
    sign_hs(HEADER("HS256", "hs"), keyring_find(ring, text_of("hs"))->bytes, 32);
    expect(STATUS_OK, "HS256");
}
END_TEST

static const char *const kids[] = { "hs", "es", "rs" };
static const char *const names[] = { "HS256", "ES256", "RS256" };

static struct text create(const struct keyring *by, const char *roles) {
    struct uuid user = { .bytes = { 1 } }, session = { .bytes = { 2 } };
    struct text created;
    ck_assert_int_eq(access_token_create(&arena, by, &fixture_rules, &user, &session, text_of(roles), FIXTURE_NOW, &created),
                     STATUS_OK);
    return created;
}

START_TEST(a_created_token_is_accepted_with_its_claims) {
    struct keyring *by = load(kids[_i]);
    for (int round = 0; round < 50; round++) { /* one of 128 signatures has a number with a zero in front */
        struct text created = create(by, "[\"admin\",\"ops\"]");
        ck_assert_uint_eq(strlen(created.bytes), created.len);
        ck_assert_int_eq(check(created), STATUS_OK);
        ck_assert_uint_eq(claims.user_id.bytes[0], 1);
        ck_assert_int_eq(claims.expires_at, FIXTURE_NOW + FIXTURE_TTL);
        ck_assert_str_eq(claims.roles_json.bytes, "[\"admin\",\"ops\"]");
    }
    keyring_destroy(by);
}
END_TEST

/* Read by libjwt with the public key, as a sibling service would. */
START_TEST(libjwt_accepts_a_created_token_with_the_public_key) {
    char pem[8192];
    jwt_t *jwt;
    EVP_PKEY *const pairs[] = { NULL, es, rs };
    struct keyring *by = load(kids[_i]);
    struct text created = create(by, "[]");
    size_t len = pem_of(pairs[_i], PEM_PUBLIC, pem, sizeof pem);
    ck_assert_int_eq(jwt_decode(&jwt, created.bytes, (const uint8_t *)pem, (int)len), 0);
    ck_assert_str_eq(jwt_get_header(jwt, "alg"), names[_i]);
    ck_assert_str_eq(jwt_get_header(jwt, "typ"), "JWT");
    ck_assert_str_eq(jwt_get_header(jwt, "kid"), kids[_i]);
    ck_assert_str_eq(jwt_get_grant(jwt, "iss"), "jwtd");
    jwt_free(jwt);
    keyring_destroy(by);
}
END_TEST

/* Header and claims are the same text, whatever signs, but for alg, kid and jti. */
START_TEST(tokens_of_all_algorithms_have_the_same_form) {
    struct keyring *by = load(kids[_i]);
    char header[256] = "", expected[256];
    size_t len;
    struct text created = create(by, "[]");
    size_t first = strcspn(created.bytes, ".");
    ck_assert_int_eq(sodium_base642bin((uint8_t *)header, sizeof header - 1, created.bytes, first, NULL, &len, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    header[len] = '\0';
    snprintf(expected, sizeof expected, "{\"alg\":\"%s\",\"kid\":\"%s\",\"typ\":\"JWT\"}", names[_i], kids[_i]);
    ck_assert_str_eq(header, expected);
    keyring_destroy(by);
}
END_TEST

/* ---- confusions ---- */

static void hs_with_pem(const char *header, EVP_PKEY *pair, enum pem_form form, bool with_last_newline) {
    char pem[8192];
    size_t len = pem_of(pair, form, pem, sizeof pem);
    sign_hs(header, pem, with_last_newline ? len : len - 1);
    expect(STATUS_INVALID_TOKEN, "HS256 with PEM as the secret");
}

static void hs_with_der(const char *header, EVP_PKEY *pair) {
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(pair, &der);
    sign_hs(header, der, (size_t)len);
    expect(STATUS_INVALID_TOKEN, "HS256 with the public key's DER as the secret");
    OPENSSL_free(der);
    der = NULL;
    len = i2d_PrivateKey(pair, &der);
    sign_hs(header, der, (size_t)len);
    expect(STATUS_INVALID_TOKEN, "HS256 with the private key's DER as the secret");
    OPENSSL_free(der);
}

START_TEST(what_everybody_knows_of_a_key_pair_is_no_secret_of_hs256) {
    static const char *const headers[] = { HEADER("HS256", "es"), HEADER("HS256", "rs"), HEADER("HS256", "hs"),
                                           HEADER("ES256", "es"), HEADER("RS256", "rs"), HEADER("hs256", "es") };
    EVP_PKEY *const pairs[] = { es, rs };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        for (int newline = 0; newline < 2; newline++) {
            hs_with_pem(headers[_i], pairs[i], PEM_PUBLIC, newline == 1);
            hs_with_pem(headers[_i], pairs[i], PEM_PKCS8, newline == 1);
        }
        hs_with_der(headers[_i], pairs[i]);
    }
}
END_TEST

/* A good signature by `es` over each of these headers. */
static const struct {
    const char *name, *header;
} bad_headers[] = {
    { "alg none", HEADER("none", "es") },
    { "alg RS256 with a key of ES256", HEADER("RS256", "es") },
    { "alg ES384", HEADER("ES384", "es") },
    { "alg ES256K", HEADER("ES256K", "es") },
    { "alg es256", HEADER("es256", "es") },
    { "alg Es256", HEADER("Es256", "es") },
    { "alg ES256 with a space", HEADER("ES256 ", "es") },
    { "alg empty", HEADER("", "es") },
    { "kid of another key of ES256", HEADER("ES256", "es2") },
    { "kid of a key that is a public key", HEADER("ES256", "es-public") },
    { "kid of a key of RS256", HEADER("ES256", "rs") },
    { "kid of a key of HS256", HEADER("ES256", "hs") },
    { "kid unknown", HEADER("ES256", "es3") },
    { "kid with its suffix", HEADER("ES256", "es.es256") },
    { "kid in upper case", HEADER("ES256", "ES") },
    { "jwk", ES_WITH("\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}") },
    { "jwk a string", ES_WITH("\"jwk\":\"AA\"") },
    { "jku", ES_WITH("\"jku\":\"http://127.0.0.1/jwks.json\"") },
    { "x5c", ES_WITH("\"x5c\":[\"AAAA\"]") },
    { "x5c a string", ES_WITH("\"x5c\":\"AAAA\"") },
    { "x5u", ES_WITH("\"x5u\":\"http://127.0.0.1/cert\"") },
    { "crit", ES_WITH("\"crit\":[\"b64\"]") },
    { "crit a string", ES_WITH("\"crit\":\"b64\"") },
    { "b64 false", ES_WITH("\"b64\":false") },
    { "b64 true", ES_WITH("\"b64\":true") },
    { "b64 with crit", ES_WITH("\"b64\":false,\"crit\":[\"b64\"]") },
};

START_TEST(a_header_that_means_another_key_or_algorithm_is_refused) {
    sign_es(bad_headers[_i].header, es, EVP_sha256(), 32);
    expect(STATUS_INVALID_TOKEN, bad_headers[_i].name);
}
END_TEST

START_TEST(a_signature_by_another_key_hash_or_padding_is_refused) {
    EVP_PKEY *p384 = ec_key("P-384"), *k1 = ec_key("secp256k1"), *other_rs = other_rsa_key(), *long_rs = rsa_key(3072, 65537);
    sign_es(HEADER("ES256", "es"), es2, EVP_sha256(), 32);
    expect(STATUS_INVALID_TOKEN, "another key of P-256");
    sign_es(HEADER("ES256", "es"), k1, EVP_sha256(), 32);
    expect(STATUS_INVALID_TOKEN, "secp256k1");
    sign_es(HEADER("ES256", "es"), p384, EVP_sha384(), 48);
    expect(STATUS_INVALID_TOKEN, "P-384");
    sign_es(HEADER("ES384", "es"), p384, EVP_sha384(), 48);
    expect(STATUS_INVALID_TOKEN, "P-384 as ES384");
    sign_es(HEADER("ES256", "es"), es, EVP_sha384(), 32);
    expect(STATUS_INVALID_TOKEN, "SHA-384");
    sign_es(HEADER("ES256", "es"), es, EVP_sha1(), 32);
    expect(STATUS_INVALID_TOKEN, "SHA-1");
    sign_rs(HEADER("RS256", "rs"), other_rs, EVP_sha256(), false);
    expect(STATUS_INVALID_TOKEN, "another RSA key");
    sign_rs(HEADER("RS256", "rs"), long_rs, EVP_sha256(), false);
    expect(STATUS_INVALID_TOKEN, "a longer RSA key");
    sign_rs(HEADER("RS256", "rs"), rs, EVP_sha512(), false);
    expect(STATUS_INVALID_TOKEN, "RS512");
    sign_rs(HEADER("RS256", "rs"), rs, EVP_sha256(), true);
    expect(STATUS_INVALID_TOKEN, "PSS");
    sign_rs(HEADER("PS256", "rs"), rs, EVP_sha256(), true);
    expect(STATUS_INVALID_TOKEN, "PS256");
    sign_rs(HEADER("RS256", "es"), rs, EVP_sha256(), false);
    expect(STATUS_INVALID_TOKEN, "RS256 with the kid of ES256");
    sign_rs(HEADER("ES256", "es"), rs, EVP_sha256(), false);
    expect(STATUS_INVALID_TOKEN, "RSA as ES256");
    sign_es(HEADER("RS256", "rs"), es, EVP_sha256(), 32);
    expect(STATUS_INVALID_TOKEN, "an elliptic curve as RS256");
    EVP_PKEY_free(p384);
    EVP_PKEY_free(k1);
    EVP_PKEY_free(other_rs);
    EVP_PKEY_free(long_rs);
}
END_TEST

/* ---- forms of an ES256 signature ---- */

START_TEST(the_der_form_of_a_signature_is_refused) {
    uint8_t der[1024];
    begin(HEADER("ES256", "es"));
    end(der, sign_with(es, EVP_sha256(), false, token, der));
    expect(STATUS_INVALID_TOKEN, "DER");
}
END_TEST

/* The order of P-256 (SEC 2): r and s are from 1 to this less 1. */
static const uint8_t order[32] = {
    0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51
};

enum number { GOOD, ZERO, ONE, ORDER, OVER_ORDER, ALL_ONES };

static void put_number(uint8_t number[32], enum number kind) {
    if (kind == GOOD)
        return;
    memset(number, kind == ALL_ONES ? 0xff : 0, 32);
    if (kind == ONE)
        number[31] = 1;
    if (kind == ORDER || kind == OVER_ORDER)
        memcpy(number, order, 32);
    if (kind == OVER_ORDER)
        number[31]++;
}

START_TEST(numbers_out_of_range_are_refused) {
    uint8_t der[1024], good[64], raw[64];
    for (int r = GOOD; r <= ALL_ONES; r++)
        for (int s = GOOD; s <= ALL_ONES; s++) {
            begin(HEADER("ES256", "es"));
            raw_signature(der, sign_with(es, EVP_sha256(), false, token, der), good, 32);
            memcpy(raw, good, sizeof raw);
            put_number(raw, (enum number)r);
            put_number(raw + 32, (enum number)s);
            end(raw, sizeof raw);
            expect(r == GOOD && s == GOOD ? STATUS_OK : STATUS_INVALID_TOKEN, "r and s");
        }
}
END_TEST

/* r plus the order is congruent to r. */
START_TEST(a_number_has_one_form_only) {
    uint8_t der[1024], raw[66];
    begin(HEADER("ES256", "es"));
    raw_signature(der, sign_with(es, EVP_sha256(), false, token, der), raw, 33);
    end(raw, 66);
    expect(STATUS_INVALID_TOKEN, "33 bytes each");
    for (size_t len = 60; len < 70; len++) {
        uint8_t padded[70] = { 0 };
        begin(HEADER("ES256", "es"));
        raw_signature(der, sign_with(es, EVP_sha256(), false, token, der), len >= 64 ? padded + len - 64 : padded, 32);
        end(padded, len);
        expect(len == 64 ? STATUS_OK : STATUS_INVALID_TOKEN, "another length");
    }
}
END_TEST

/* Signs again until r begins with a zero: one time in 256. */
START_TEST(a_number_that_begins_with_a_zero_keeps_its_place) {
    unsigned found = 0;
    struct keyring *by = load("es");
    for (int i = 0; i < 20000 && found < 2; i++) {
        uint8_t signature[64];
        struct text text = { (const char *)&i, sizeof i };
        const struct signing_key *key = keyring_active(by);
        ck_assert_int_eq(key->algorithm->sign(key, text, signature), STATUS_OK);
        if (signature[0] != 0 && signature[32] != 0)
            continue;
        ck_assert_int_eq(key->algorithm->verify(key, text, signature), STATUS_OK);
        found++;
    }
    ck_assert_uint_eq(found, 2);
    keyring_destroy(by);
}
END_TEST

START_TEST(every_character_of_a_token_counts) {
    static const char *const tails[] = { "=", "==", "A", ".", " ", "\n", "%3D" };
    struct keyring *by = load(kids[_i]);
    struct text created = create(by, "[]");
    memcpy(token, created.bytes, created.len + 1);
    for (size_t at = 0; at < created.len; at++) {
        char good = token[at];
        token[at] = good == 'A' ? 'B' : 'A';
        ck_assert_msg(check(text_of(token)) == STATUS_INVALID_TOKEN, "character %zu", at);
        token[at] = good;
        ck_assert_msg(check((struct text){ token, at }) == STATUS_INVALID_TOKEN, "cut to %zu", at);
    }
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(token + created.len, sizeof token - created.len, "%s", tails[i]);
        ck_assert_msg(check(text_of(token)) == STATUS_INVALID_TOKEN, "tail %zu", i);
    }
    ck_assert_int_eq(check(created), STATUS_OK);
    keyring_destroy(by);
}
END_TEST

START_TEST(a_signature_has_one_text_only) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=";
    unsigned taken = 0;
    struct keyring *by = load(kids[_i]);
    struct text created = create(by, "[]");
    memcpy(token, created.bytes, created.len + 1);
    for (size_t i = 0; i < sizeof alphabet - 1; i++) {
        token[created.len - 1] = alphabet[i];
        taken += check(text_of(token)) == STATUS_OK;
    }
    ck_assert_uint_eq(taken, 1);
    keyring_destroy(by);
}
END_TEST

/* ---- resources ---- */

/* A token that does not fit costs a whole check each time. */
START_TEST(a_token_of_every_algorithm_fits_the_cache) {
    enum { LEN_OF_256_BYTES = 342, LEN_OF_512_BYTES = 683 };
    struct token_rules rules = fixture_rules;
    struct uuid id = { .bytes = { 1 } };
    struct text created;
    rules.issuer = "https://accounts.example.org/tenant-0001";
    rules.audience = "https://api.example.org";
    struct keyring *by = load(kids[_i]);
    const char *roles = "[\"administrator\",\"operations\",\"support\"]";
    ck_assert_int_eq(access_token_create(&arena, by, &rules, &id, &id, text_of(roles), FIXTURE_NOW, &created), STATUS_OK);
    size_t longest = strcmp(names[_i], "RS256") == 0 ? created.len - LEN_OF_256_BYTES + LEN_OF_512_BYTES : created.len;
    ck_assert_msg(longest <= TOKEN_CACHE_TOKEN_MAX, "%zu", longest);
    keyring_destroy(by);
}
END_TEST

START_TEST(a_token_too_long_for_the_verifier_is_not_made) {
    char issuer[ACCESS_TOKEN_MAX_LEN];
    struct uuid id = { .bytes = { 1 } };
    struct text created;
    memset(issuer, 'i', sizeof issuer - 1);
    issuer[sizeof issuer - 1] = '\0';
    struct token_rules rules = fixture_rules;
    rules.issuer = issuer;
    struct keyring *by = load(kids[_i]);
    ck_assert_int_eq(access_token_create(&arena, by, &rules, &id, &id, text_of("[]"), FIXTURE_NOW, &created), STATUS_INTERNAL);
    keyring_destroy(by);
}
END_TEST

START_TEST(a_full_arena_is_out_of_memory) {
    struct arena full;
    struct uuid id = { .bytes = { 1 } };
    struct keyring *by = load(kids[_i]);
    struct text created = create(by, "[]");
    arena_init(&full, 0);
    ck_assert_int_eq(verifier_check(verifier, &full, created, FIXTURE_NOW, &claims, missing_kid), STATUS_OUT_OF_MEMORY);
    ck_assert_int_eq(access_token_create(&full, by, &fixture_rules, &id, &id, text_of("[]"), FIXTURE_NOW, &created),
                     STATUS_OUT_OF_MEMORY);
    arena_fini(&full);
    keyring_destroy(by);
}
END_TEST

Suite *signatures_suite(void) {
    Suite *suite = suite_create("signatures");
    TCase *tests = tcase_create("signatures");
    tcase_add_unchecked_fixture(tests, make_keys, remove_keys);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_token_of_another_maker_is_accepted);
    tcase_add_loop_test(tests, a_created_token_is_accepted_with_its_claims, 0, (int)ARRAY_LEN(kids));
    tcase_add_loop_test(tests, libjwt_accepts_a_created_token_with_the_public_key, 1, (int)ARRAY_LEN(kids));
    tcase_add_loop_test(tests, tokens_of_all_algorithms_have_the_same_form, 0, (int)ARRAY_LEN(kids));
    tcase_add_loop_test(tests, what_everybody_knows_of_a_key_pair_is_no_secret_of_hs256, 0, 6);
    tcase_add_loop_test(tests, a_header_that_means_another_key_or_algorithm_is_refused, 0, (int)ARRAY_LEN(bad_headers));
    tcase_add_test(tests, a_signature_by_another_key_hash_or_padding_is_refused);
    tcase_add_test(tests, the_der_form_of_a_signature_is_refused);
    tcase_add_test(tests, numbers_out_of_range_are_refused);
    tcase_add_test(tests, a_number_has_one_form_only);
    tcase_add_test(tests, a_number_that_begins_with_a_zero_keeps_its_place);
    tcase_add_loop_test(tests, every_character_of_a_token_counts, 0, (int)ARRAY_LEN(kids));
    tcase_add_loop_test(tests, a_signature_has_one_text_only, 0, (int)ARRAY_LEN(kids));
    tcase_add_loop_test(tests, a_token_of_every_algorithm_fits_the_cache, 0, (int)ARRAY_LEN(kids));
    tcase_add_loop_test(tests, a_token_too_long_for_the_verifier_is_not_made, 0, (int)ARRAY_LEN(kids));
    tcase_add_loop_test(tests, a_full_arena_is_out_of_memory, 0, (int)ARRAY_LEN(kids));
    suite_add_tcase(suite, tests);
    return suite;
}
