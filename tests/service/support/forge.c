#include "forge.h"

#include "jwtd/macros.h"

#include <check.h>
#include <dirent.h>
#include <json-c/json.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ES256_NUMBER 32
#define SIGNATURE_MAX 512
#define PEM_MAX 1024
#define LIFE_S 900

static const struct {
    const char *alg, *suffix;
} rows[SIGNER_COUNT] = { { "HS256", ".hs256" }, { "ES256", ".es256" }, { "RS256", ".rs256" } };

/* ---- keys ---- */

/* The newest by name, as the service chooses the key that signs. */
static void find_kid(const char *keys_dir, const char *suffix, char kid[80]) {
    DIR *directory = opendir(keys_dir);
    ck_assert_ptr_nonnull(directory);
    kid[0] = '\0';
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char *end = strstr(entry->d_name, suffix);
        if (end == NULL || strcmp(end, suffix) != 0)
            continue;
        *end = '\0';
        if (strcmp(entry->d_name, kid) > 0)
            snprintf(kid, 80, "%.79s", entry->d_name);
    }
    closedir(directory);
    ck_assert_msg(kid[0] != '\0', "%s has no key %s", keys_dir, suffix);
}

static FILE *open_key(const char *keys_dir, const char *kid, const char *suffix) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s%s", keys_dir, kid, suffix);
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s", path);
    return file;
}

static void read_secret(FILE *file, struct forger *forger) {
    char text[2 * FORGER_SECRET_MAX] = "";
    ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
    int result = sodium_base642bin(forger->secret, sizeof forger->secret, text, strlen(text), "\n", &forger->secret_len, NULL,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    ck_assert_int_eq(result, 0);
}

void forger_init(struct forger *forger, const char *keys_dir) {
    *forger = (struct forger){ .strange_keys = { NULL, EVP_EC_gen("P-256"), EVP_RSA_gen(2048) } };
    randombytes_buf(forger->strange_secret, sizeof forger->strange_secret);
    for (enum signer i = 0; i < SIGNER_COUNT; i++) {
        find_kid(keys_dir, rows[i].suffix, forger->kid[i]);
        FILE *file = open_key(keys_dir, forger->kid[i], rows[i].suffix);
        if (i == BY_HS256)
            read_secret(file, forger);
        else
            ck_assert_ptr_nonnull(forger->keys[i] = PEM_read_PrivateKey(file, NULL, NULL, NULL));
        fclose(file);
    }
}

void forger_fini(struct forger *forger) {
    for (size_t i = 0; i < SIGNER_COUNT; i++) {
        EVP_PKEY_free(forger->keys[i]);
        EVP_PKEY_free(forger->strange_keys[i]);
    }
}

/* ---- signatures ---- */

static size_t sign_hs256(const unsigned char *secret, size_t secret_len, const char *text, unsigned char *signature) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, secret, secret_len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)text, strlen(text));
    crypto_auth_hmacsha256_final(&state, signature);
    return crypto_auth_hmacsha256_BYTES;
}

static size_t sign_with_public_pem(EVP_PKEY *key, const char *text, unsigned char *signature) {
    unsigned char pem[PEM_MAX];
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_int_eq(PEM_write_bio_PUBKEY(bio, key), 1);
    int len = BIO_read(bio, pem, sizeof pem);
    ck_assert_int_gt(len, 0);
    BIO_free(bio);
    return sign_hs256(pem, (size_t)len, text, signature);
}

/* r and s, 32 bytes each, for the DER that OpenSSL writes (RFC 7518 section 3.4). */
static size_t unpack_es256(unsigned char *signature, size_t len) {
    const unsigned char *der = signature;
    ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &der, (long)len);
    ck_assert_ptr_nonnull(numbers);
    BN_bn2binpad(ECDSA_SIG_get0_r(numbers), signature, ES256_NUMBER);
    BN_bn2binpad(ECDSA_SIG_get0_s(numbers), signature + ES256_NUMBER, ES256_NUMBER);
    ECDSA_SIG_free(numbers);
    return 2 * ES256_NUMBER;
}

static size_t sign_by_openssl(EVP_PKEY *key, enum signer signer, const char *text, unsigned char *signature) {
    size_t len = SIGNATURE_MAX;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    ck_assert_int_eq(EVP_DigestSign(context, signature, &len, (const unsigned char *)text, strlen(text)), 1);
    EVP_MD_CTX_free(context);
    return signer == BY_ES256 ? unpack_es256(signature, len) : len;
}

static size_t sign(const struct forger *forger, enum signer signer, enum signed_with with, const char *text,
                   unsigned char *signature) {
    bool is_strange = with == SIGNED_WITH_STRANGE_KEY;
    if (with == SIGNED_WITH_NOTHING)
        return 0;
    if (with == SIGNED_WITH_PUBLIC_PEM)
        return sign_with_public_pem(forger->keys[signer], text, signature);
    if (signer == BY_HS256)
        return sign_hs256(is_strange ? forger->strange_secret : forger->secret, forger->secret_len, text, signature);
    return sign_by_openssl(is_strange ? forger->strange_keys[signer] : forger->keys[signer], signer, text, signature);
}

/* ---- tokens ---- */

static void append_base64(char token[FORGED_SIZE], const void *bytes, size_t len) {
    size_t used = strlen(token);
    ck_assert_uint_le(used + sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING), FORGED_SIZE);
    sodium_bin2base64(token + used, FORGED_SIZE - used, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static void append_dot(char token[FORGED_SIZE]) {
    size_t used = strlen(token);
    ck_assert_uint_lt(used + 1, FORGED_SIZE);
    token[used] = '.';
    token[used + 1] = '\0';
}

static void write_number(const EVP_PKEY *key, const char *parameter, char text[600]) {
    unsigned char bytes[256];
    BIGNUM *number = NULL;
    ck_assert_int_eq(EVP_PKEY_get_bn_param(key, parameter, &number), 1);
    int len = BN_bn2bin(number, bytes);
    BN_free(number);
    sodium_bin2base64(text, 600, bytes, (size_t)len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* ,"jwk":{...} */
static void write_jwk(const EVP_PKEY *key, char text[1500]) {
    char first[600], second[600];
    if (key == NULL) {
        snprintf(text, 1500, ",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}");
    } else if (EVP_PKEY_is_a(key, "EC")) {
        write_number(key, OSSL_PKEY_PARAM_EC_PUB_X, first);
        write_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, second);
        snprintf(text, 1500, ",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", first, second);
    } else {
        write_number(key, OSSL_PKEY_PARAM_RSA_N, first);
        write_number(key, OSSL_PKEY_PARAM_RSA_E, second);
        snprintf(text, 1500, ",\"jwk\":{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", first, second);
    }
}

static void append_header(const struct forger *forger, enum signer signer, const struct forged *forged, char token[FORGED_SIZE]) {
    static char header[FORGED_SIZE];
    char own_kid[96], jwk[1500] = "";
    const char *alg = forged->signed_with == SIGNED_WITH_PUBLIC_PEM ? "HS256" : rows[signer].alg;
    snprintf(own_kid, sizeof own_kid, "\"%s\"", forger->kid[signer]);
    const char *kid = forged->kid != NULL ? forged->kid : own_kid;
    if (forged->signed_with == SIGNED_WITH_STRANGE_KEY)
        write_jwk(forger->strange_keys[signer], jwk);
    int len = snprintf(header, sizeof header, "{\"alg\":\"%s\",\"typ\":\"JWT\"%s%s%s%s%s}",
                       forged->alg != NULL ? forged->alg : alg, kid[0] != '\0' ? ",\"kid\":" : "", kid,
                       forged->header != NULL ? "," : "", forged->header != NULL ? forged->header : "", jwk);
    ck_assert_int_lt(len, (int)sizeof header);
    append_base64(token, header, (size_t)len);
}

static void append_claims(const struct forged *forged, char token[FORGED_SIZE]) {
    int64_t now_s = (int64_t)time(NULL);
    struct json_object *claims = json_object_new_object(), *roles = json_object_new_array();
    json_object_array_add(roles, json_object_new_string("admin"));
    json_object_array_add(roles, json_object_new_string("editor"));
    json_object_object_add(claims, "iss", json_object_new_string(forged->issuer != NULL ? forged->issuer : "jwtd"));
    json_object_object_add(claims, "aud", json_object_new_string(forged->audience != NULL ? forged->audience : "jwtd"));
    json_object_object_add(claims, "sub", json_object_new_string("01a1fb20-4e0e-7d54-9961-6bfafcff7e01"));
    json_object_object_add(claims, "sid", json_object_new_string("01a1fb20-4e0e-7d54-9961-6bfafcff7e02"));
    json_object_object_add(claims, "jti", json_object_new_string("01a1fb20-4e0e-7d54-9961-6bfafcff7e03"));
    json_object_object_add(claims, "iat", json_object_new_int64(now_s));
    json_object_object_add(claims, "nbf", json_object_new_int64(now_s + forged->begins_s));
    json_object_object_add(claims, "exp", json_object_new_int64(now_s + (forged->lives_s != 0 ? forged->lives_s : LIFE_S)));
    json_object_object_add(claims, "roles", roles);
    if (forged->without != NULL)
        json_object_object_del(claims, forged->without);
    const char *text = json_object_to_json_string_ext(claims, JSON_C_TO_STRING_PLAIN);
    append_base64(token, text, strlen(text));
    json_object_put(claims);
}

void forge(const struct forger *forger, enum signer signer, const struct forged *forged, char token[FORGED_SIZE]) {
    unsigned char signature[SIGNATURE_MAX];
    token[0] = '\0';
    append_header(forger, signer, forged, token);
    append_dot(token);
    append_claims(forged, token);
    size_t len = sign(forger, signer, forged->signed_with, token, signature);
    append_dot(token);
    append_base64(token, signature, len);
}
