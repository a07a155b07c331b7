#include "jwk.h"

#include "algorithm.h"
#include "base64url.h"
#include "jwtd/json.h"
#include "jwtd/macros.h"
#include "openssl_errors.h"
#include "public_key.h"
#include "secret_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <string.h>

#define COORDINATE_BYTES 32 /* of P-256; RFC 7518 section 6.2.1.2: always as many */
#define MODULUS_BYTES_MAX (RS256_BITS_MAX / 8)
#define EXPONENT_BYTES_MAX 8

/* A key may have a few arrays: certificates (x5c), operations (key_ops). */
static const struct json_limits set_limits = { .depth = 4, .containers = 8 * KEY_SET_MAX + 2 };

/* The EVP_PKEY of public numbers; NULL if OpenSSL refuses them, or if out of memory. */
static EVP_PKEY *make_public_key(const char *type, OSSL_PARAM *params) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

static bool read_number(const struct json *jwk, const char *name, uint8_t *bytes, size_t size, size_t *len) {
    struct text text = json_find_text(jwk, name);
    return text.len > 0 && base64url_decode(text, bytes, size, len);
}

static bool read_ec(struct signing_key *key, const struct json *jwk) {
    uint8_t point[1 + 2 * COORDINATE_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
    size_t x_len, y_len;
    if (!text_equal(json_find_text(jwk, "crv"), text_of("P-256")) ||
        !read_number(jwk, "x", point + 1, COORDINATE_BYTES, &x_len) || x_len != COORDINATE_BYTES ||
        !read_number(jwk, "y", point + 1 + COORDINATE_BYTES, COORDINATE_BYTES, &y_len) || y_len != COORDINATE_BYTES)
        return false;
    char group[] = "P-256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *pair = make_public_key("EC", params);
    return pair != NULL && public_key_adopt_es256(key, pair, false) == NULL;
}

static EVP_PKEY *make_rsa(const BIGNUM *modulus, const BIGNUM *exponent) {
    EVP_PKEY *pair = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder == NULL || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
        goto done;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    pair = params == NULL ? NULL : make_public_key("RSA", params);
    OSSL_PARAM_free(params);
done:
    OSSL_PARAM_BLD_free(builder);
    return pair;
}

static bool read_rsa(struct signing_key *key, const struct json *jwk) {
    uint8_t modulus[MODULUS_BYTES_MAX], exponent[EXPONENT_BYTES_MAX];
    size_t modulus_len, exponent_len;
    if (!read_number(jwk, "n", modulus, sizeof modulus, &modulus_len) ||
        !read_number(jwk, "e", exponent, sizeof exponent, &exponent_len))
        return false;
    BIGNUM *n = BN_bin2bn(modulus, (int)modulus_len, NULL), *e = BN_bin2bn(exponent, (int)exponent_len, NULL);
    EVP_PKEY *pair = n == NULL || e == NULL ? NULL : make_rsa(n, e);
    BN_free(n);
    BN_free(e);
    return pair != NULL && public_key_adopt_rs256(key, pair, false) == NULL;
}

static bool read_oct(struct signing_key *key, const struct json *jwk) {
    struct key_text text = { .path = "jwks" };
    struct text secret = json_find_text(jwk, "k");
    char reason[128];
    if (secret.len > KEY_TEXT_MAX)
        return false;
    if (secret.len > 0)
        memcpy(text.bytes, secret.bytes, secret.len);
    text.len = secret.len;
    bool is_read = secret.len > 0 && secret_key_load_hs256(key, &text, (struct key_error){ reason, sizeof reason });
    key_text_wipe(&text);
    return is_read;
}

static const struct kind {
    const char *kty;
    const char *algorithm;
    bool is_secret;
    bool (*read)(struct signing_key *key, const struct json *jwk);
} kinds[] = {
    { "EC", "ES256", false, read_ec },
    { "RSA", "RS256", false, read_rsa },
    { "oct", "HS256", true, read_oct },
};

static const struct kind *kind_of(const struct json *jwk, bool with_secrets) {
    const struct json *alg, *use;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct kind *kind = &kinds[i];
        if (!text_equal(json_find_text(jwk, "kty"), text_of(kind->kty)) || (kind->is_secret && !with_secrets))
            continue;
        bool is_other = json_find(jwk, "alg", &alg) && !text_equal(json_as_text(alg), text_of(kind->algorithm));
        bool is_for_other = json_find(jwk, "use", &use) && !text_equal(json_as_text(use), text_of("sig"));
        return is_other || is_for_other ? NULL : kind;
    }
    return NULL;
}

static bool has_kid(const struct signing_key *keys, size_t count, struct text kid) {
    for (size_t i = 0; i < count; i++)
        if (text_equal(text_of(keys[i].kid), kid))
            return true;
    return false;
}

/* False: it is left out, or there is no memory for it. */
static bool read_key(const struct json *jwk, bool with_secrets, const struct signing_key *others, size_t count,
                     struct signing_key *key, bool *lacked_memory) {
    struct text kid = json_find_text(jwk, "kid");
    const struct kind *kind = kind_of(jwk, with_secrets);
    if (kind == NULL || !kid_is_valid(kid) || has_kid(others, count, kid))
        return false;
    *key = (struct signing_key){ .algorithm = algorithm_by_name(text_of(kind->algorithm)) };
    memcpy(key->kid, kid.bytes, kid.len);
    const struct openssl_errors before = openssl_errors_begin();
    bool is_read = kind->read(key, jwk);
    *lacked_memory = openssl_errors_end(&before) && !is_read;
    if (!is_read)
        signing_key_release(key);
    return is_read;
}

enum status jwks_read(struct text jwks, bool with_secrets, struct signing_key *keys, size_t max, size_t *count) {
    struct arena arena;
    const struct json *set, *members;
    *count = 0;
    if (jwks.len > JWKS_TEXT_MAX)
        return STATUS_INVALID_JSON;
    arena_init(&arena, JSON_ARENA_LIMIT(jwks.len, set_limits.containers));
    enum status status = json_parse(&arena, jwks, set_limits, &set);
    if (status == STATUS_OK && (!json_find(set, "keys", &members) || json_kind(members) != JSON_KIND_ARRAY))
        status = STATUS_INVALID_JSON;
    for (size_t i = 0; status == STATUS_OK && i < json_item_count(members) && *count < max; i++) {
        bool lacked_memory = false;
        *count += read_key(json_item(members, i), with_secrets, keys, *count, &keys[*count], &lacked_memory);
        if (lacked_memory)
            status = STATUS_OUT_OF_MEMORY;
    }
    while (status != STATUS_OK && *count > 0)
        signing_key_release(&keys[--*count]);
    arena_fini(&arena);
    return status;
}
