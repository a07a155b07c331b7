#include "key_fixture.h"

#include "jwtd/issuer.h"
#include "jwtd/jwks.h"
#include "jwtd/macros.h"
#include "src/token/algorithm.h"
#include "src/token/base64url.h"

#include <json-c/json.h>

Suite *jwks_suite(void);

static struct scratch scratch;
static char refresh_file[PATH_MAX];

static void set_up(void) {
    scratch = scratch_create();
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, ".refresh.key"));
    scratch_write_text(&scratch, ".refresh.key", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "hs.hs256", FIXTURE_KEY_2);
}

static void tear_down(void) {
    scratch_destroy(&scratch);
}

static void put_key(const char *name, EVP_PKEY *pair, enum pem_form form) {
    write_key(&scratch, name, pair, form);
    EVP_PKEY_free(pair);
}

static struct keyring *load(void) {
    char error[512];
    struct keyring *ring = fixture_load(scratch.path, "", refresh_file, error, sizeof error);
    ck_assert_msg(ring != NULL, "%s", error);
    return ring;
}

static struct jwks *create(void) {
    struct keyring *ring = load();
    struct jwks *jwks = jwks_create(ring);
    ck_assert_ptr_nonnull(jwks);
    keyring_destroy(ring); /* it keeps nothing of the ring */
    return jwks;
}

START_TEST(a_ring_of_secrets_has_an_empty_set) {
    struct jwks *jwks = create();
    ck_assert_str_eq(jwks_text(jwks).bytes, "{\"keys\":[]}");
    jwks_destroy(jwks);
}
END_TEST

static const char *member(struct json_object *key, const char *name) {
    return json_object_get_string(json_object_object_get(key, name));
}

static void expect_members(struct json_object *key, const char *const *names) {
    size_t count = 0;
    while (names[count] != NULL)
        ck_assert_msg(member(key, names[count++]) != NULL, "%s", names[count - 1]);
    ck_assert_uint_eq((size_t)json_object_object_length(key), count);
}

static BIGNUM *number(struct json_object *key, const char *name, size_t len) {
    uint8_t bytes[512];
    size_t decoded;
    ck_assert_msg(base64url_decode(text_of(member(key, name)), bytes, sizeof bytes, &decoded), "%s", name);
    ck_assert_uint_eq(decoded, len);
    return BN_bin2bn(bytes, (int)len, NULL);
}

static void expect_number(struct json_object *key, const char *name, size_t len, EVP_PKEY *pair, const char *parameter) {
    BIGNUM *expected = NULL, *found = number(key, name, len);
    ck_assert_int_eq(EVP_PKEY_get_bn_param(pair, parameter, &expected), 1);
    ck_assert_int_eq(BN_cmp(expected, found), 0);
    BN_free(expected);
    BN_free(found);
}

START_TEST(a_set_has_the_public_numbers_of_every_key_pair_and_nothing_secret) {
    static const char *const of_es[] = { "kid", "use", "alg", "kty", "crv", "x", "y", NULL };
    static const char *const of_rs[] = { "kid", "use", "alg", "kty", "n", "e", NULL };
    EVP_PKEY *es = ec_key("P-256"), *only_public = ec_key("P-256"), *rs = rsa_key(2048, 65537);
    write_key(&scratch, "a.es256", es, PEM_PKCS8);
    write_key(&scratch, "b.rs256", rs, PEM_PKCS8);
    write_key(&scratch, "c.es256", only_public, PEM_PUBLIC);
    struct jwks *jwks = create();
    struct json_object *set = json_tokener_parse(jwks_text(jwks).bytes), *keys = json_object_object_get(set, "keys");
    ck_assert_uint_eq(strlen(jwks_text(jwks).bytes), jwks_text(jwks).len);
    ck_assert_uint_eq(json_object_array_length(keys), 3);

    struct json_object *key = json_object_array_get_idx(keys, 0);
    expect_members(key, of_es);
    ck_assert_str_eq(member(key, "kid"), "a");
    ck_assert_str_eq(member(key, "use"), "sig");
    ck_assert_str_eq(member(key, "alg"), "ES256");
    ck_assert_str_eq(member(key, "kty"), "EC");
    ck_assert_str_eq(member(key, "crv"), "P-256");
    expect_number(key, "x", 32, es, OSSL_PKEY_PARAM_EC_PUB_X);
    expect_number(key, "y", 32, es, OSSL_PKEY_PARAM_EC_PUB_Y);

    key = json_object_array_get_idx(keys, 1);
    expect_members(key, of_rs);
    ck_assert_str_eq(member(key, "alg"), "RS256");
    ck_assert_str_eq(member(key, "kty"), "RSA");
    ck_assert_str_eq(member(key, "e"), "AQAB");
    expect_number(key, "n", 256, rs, OSSL_PKEY_PARAM_RSA_N);

    key = json_object_array_get_idx(keys, 2);
    ck_assert_str_eq(member(key, "kid"), "c");
    expect_number(key, "x", 32, only_public, OSSL_PKEY_PARAM_EC_PUB_X);
    json_object_put(set);
    jwks_destroy(jwks);
    EVP_PKEY_free(es);
    EVP_PKEY_free(rs);
    EVP_PKEY_free(only_public);
}
END_TEST

/* One coordinate of 256 begins with a zero, which must not be lost (RFC 7518 section 6.2.1.2). */
START_TEST(a_coordinate_always_has_32_bytes) {
    struct signing_key key = { .kid = "k", .algorithm = algorithm_by_name(text_of("ES256")) };
    unsigned found = 0;
    for (int i = 0; i < 20000 && found == 0; i++) {
        BIGNUM *x = NULL;
        struct arena arena;
        struct json_writer writer;
        key.pair = ec_key("P-256");
        ck_assert_int_eq(EVP_PKEY_get_bn_param(key.pair, OSSL_PKEY_PARAM_EC_PUB_X, &x), 1);
        if (BN_num_bytes(x) < 32) {
            arena_init(&arena, 4096);
            json_writer_init(&writer, &arena);
            json_begin_object(&writer);
            ck_assert(key.algorithm->write_jwk(&key, &writer));
            json_end_object(&writer);
            struct json_object *object = json_tokener_parse(json_writer_finish(&writer).bytes);
            expect_number(object, "x", 32, key.pair, OSSL_PKEY_PARAM_EC_PUB_X);
            json_object_put(object);
            arena_fini(&arena);
            found++;
        }
        BN_free(x);
        EVP_PKEY_free(key.pair);
    }
    ck_assert_uint_eq(found, 1);
}
END_TEST

START_TEST(the_tag_is_that_of_the_keys) {
    put_key("a.es256", ec_key("P-256"), PEM_PKCS8);
    struct jwks *first = create(), *again = create();
    put_key("b.es256", ec_key("P-256"), PEM_PKCS8);
    struct jwks *more = create();
    ck_assert_str_eq(jwks_tag(first), jwks_tag(again));
    ck_assert_str_ne(jwks_tag(first), jwks_tag(more));
    ck_assert(jwks_tag(first)[0] == '"' && jwks_tag(first)[strlen(jwks_tag(first)) - 1] == '"');
    ck_assert_uint_eq(strlen(jwks_tag(first)), 24);
    jwks_destroy(first);
    jwks_destroy(again);
    jwks_destroy(more);
}
END_TEST

START_TEST(as_many_keys_as_a_ring_has_are_published) {
    char name[32];
    EVP_PKEY *pair = rsa_key(4096, 65537);
    for (int i = 1; i < KEYS_MAX; i++) {
        snprintf(name, sizeof name, "k%02d.rs256", i);
        write_key(&scratch, name, pair, PEM_PUBLIC);
    }
    struct jwks *jwks = create();
    struct json_object *set = json_tokener_parse(jwks_text(jwks).bytes);
    ck_assert_uint_eq(json_object_array_length(json_object_object_get(set, "keys")), KEYS_MAX - 1);
    json_object_put(set);
    jwks_destroy(jwks);
    EVP_PKEY_free(pair);
}
END_TEST

/* ---- the issuer ---- */

static const struct {
    const char *issuer;
    const char *base; /* NULL: it cannot be discovered */
} issuers[] = {
    { "https://auth.example.org", "https://auth.example.org" },
    { "https://auth.example.org/", "https://auth.example.org" },
    { "https://auth.example.org:8443/a/b", "https://auth.example.org:8443/a/b" },
    { "https://[2001:db8::1]", "https://[2001:db8::1]" },
    { "http://localhost", "http://localhost" },
    { "http://localhost:8080", "http://localhost:8080" },
    { "http://127.0.0.1:8080/", "http://127.0.0.1:8080" },
    { "http://[::1]:8080", "http://[::1]:8080" },
    { "https://h:65535", "https://h:65535" },
    { "jwtd", NULL },
    { "", NULL },
    { "https://", NULL },
    { "https:///path", NULL },
    { "https:/auth.example.org", NULL },
    { "HTTPS://auth.example.org", NULL }, /* compared as it is written, and written in lower case everywhere else */
    { "http://auth.example.org", NULL },
    { "http://localhost.example.org", NULL },
    { "http://127.0.0.10", NULL },
    { "ftp://auth.example.org", NULL },
    { "urn:example:jwtd", NULL },
    { "https://user@auth.example.org", NULL },
    { "https://auth.example.org?tenant=1", NULL },
    { "https://auth.example.org/a?b", NULL },
    { "https://auth.example.org#a", NULL },
    { "https://auth.example.org/a b", NULL },
    { "https://auth.example.org\\a", NULL },
    { "https://:443", NULL },
    { "https://%", NULL },
    { "https://h:x:y", NULL },
    { "https://h:", NULL },
    { "https://h:0", NULL },
    { "https://h:65536", NULL },
    { "https://a]b", NULL },
    { "https://[]", NULL },
    { "https://[::1", NULL },
    { "https://[::1]a", NULL },
    { "https://[h]", NULL },
    { "http://127.0.0.1:x", NULL },
    { "https://auth.ex\xc3\xa4mple.org", NULL },
};

START_TEST(only_an_https_address_can_be_discovered) {
    const char *obstacle = issuer_obstacle(issuers[_i].issuer);
    ck_assert_msg((obstacle == NULL) == (issuers[_i].base != NULL), "%s", issuers[_i].issuer);
    if (obstacle == NULL)
        ck_assert(text_equal(issuer_base(issuers[_i].issuer), text_of(issuers[_i].base)));
}
END_TEST

Suite *jwks_suite(void) {
    Suite *suite = suite_create("jwks");
    TCase *tests = tcase_create("jwks");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_ring_of_secrets_has_an_empty_set);
    tcase_add_test(tests, a_set_has_the_public_numbers_of_every_key_pair_and_nothing_secret);
    tcase_add_test(tests, a_coordinate_always_has_32_bytes);
    tcase_add_test(tests, the_tag_is_that_of_the_keys);
    tcase_add_test(tests, as_many_keys_as_a_ring_has_are_published);
    tcase_add_loop_test(tests, only_an_https_address_can_be_discovered, 0, (int)ARRAY_LEN(issuers));
    suite_add_tcase(suite, tests);
    return suite;
}
