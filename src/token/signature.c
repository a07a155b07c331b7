#include "signature.h"

#include "openssl_errors.h"

#include <assert.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <sodium.h>

#define HALF (ES256_SIGNATURE_BYTES / 2)
#define DER_MAX 72 /* a sequence of two integers of 33 bytes */

enum status signature_sign_hs256(const struct signing_key *key, struct text text, uint8_t *signature) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key->bytes, key->len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)text.bytes, text.len);
    crypto_auth_hmacsha256_final(&state, signature);
    sodium_memzero(&state, sizeof state);
    return STATUS_OK;
}

enum status signature_verify_hs256(const struct signing_key *key, struct text text, const uint8_t *signature) {
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    enum status status = signature_sign_hs256(key, text, mac);
    if (status == STATUS_OK && sodium_memcmp(mac, signature, sizeof mac) != 0)
        status = STATUS_INVALID_TOKEN;
    sodium_memzero(mac, sizeof mac);
    return status;
}

/* ---- OpenSSL ---- */

/* To prepare can only fail for want of memory: the kind of key was checked when it was loaded. */
static enum status verify(const struct signing_key *key, struct text text, const uint8_t *signature, size_t size) {
    enum status status = STATUS_OUT_OF_MEMORY;
    const struct openssl_errors before = openssl_errors_begin();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->pair) == 1) {
        int result = EVP_DigestVerify(context, signature, size, (const uint8_t *)text.bytes, text.len);
        status = result == 1 ? STATUS_OK : STATUS_INVALID_TOKEN;
    }
    EVP_MD_CTX_free(context);
    if (openssl_errors_end(&before) && status != STATUS_OK)
        status = STATUS_OUT_OF_MEMORY;
    return status;
}

/* *size is the space, then what was written. */
static enum status sign(const struct signing_key *key, struct text text, uint8_t *signature, size_t *size) {
    enum status status = STATUS_OUT_OF_MEMORY;
    assert(key->can_sign);
    const struct openssl_errors before = openssl_errors_begin();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->pair) == 1) {
        int result = EVP_DigestSign(context, signature, size, (const uint8_t *)text.bytes, text.len);
        status = result == 1 ? STATUS_OK : STATUS_INTERNAL;
    }
    EVP_MD_CTX_free(context);
    if (openssl_errors_end(&before) && status != STATUS_OK)
        status = STATUS_OUT_OF_MEMORY;
    return status;
}

enum status signature_verify_rs256(const struct signing_key *key, struct text text, const uint8_t *signature) {
    return verify(key, text, signature, key->signature_size);
}

/* Where OpenSSL 3.0 has once lacked memory to update the blinding of a key, its next signatures by that key are wrong, up to 32
 * of them, and it reports nothing. To verify takes a tenth of the time of signing. */
enum status signature_sign_rs256(const struct signing_key *key, struct text text, uint8_t *signature) {
    size_t size = key->signature_size;
    enum status status = sign(key, text, signature, &size);
    assert(status != STATUS_OK || size == key->signature_size);
    if (status == STATUS_OK && signature_verify_rs256(key, text, signature) != STATUS_OK)
        return STATUS_OUT_OF_MEMORY;
    return status;
}

/* ---- the two forms of an ECDSA signature ---- */

/* Bytes of DER; 0 if out of memory. Any two numbers have a form; whether they are in range is checked with the signature. */
static size_t der_of_raw(const uint8_t raw[ES256_SIGNATURE_BYTES], uint8_t der[DER_MAX]) {
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, HALF, NULL), *s = BN_bin2bn(raw + HALF, HALF, NULL);
    int len = 0;
    if (numbers == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(numbers, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else {
        len = i2d_ECDSA_SIG(numbers, &der);
    }
    ECDSA_SIG_free(numbers);
    return len > 0 ? (size_t)len : 0;
}

static bool raw_of_der(const uint8_t *der, size_t len, uint8_t raw[ES256_SIGNATURE_BYTES]) {
    const uint8_t *at = der;
    ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &at, (long)len);
    bool done = numbers != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(numbers), raw, HALF) == HALF &&
                BN_bn2binpad(ECDSA_SIG_get0_s(numbers), raw + HALF, HALF) == HALF;
    ECDSA_SIG_free(numbers);
    return done;
}

enum status signature_verify_es256(const struct signing_key *key, struct text text, const uint8_t *signature) {
    uint8_t der[DER_MAX];
    size_t len = der_of_raw(signature, der);
    return len > 0 ? verify(key, text, der, len) : STATUS_OUT_OF_MEMORY;
}

enum status signature_sign_es256(const struct signing_key *key, struct text text, uint8_t *signature) {
    uint8_t der[DER_MAX];
    size_t len = sizeof der;
    enum status status = sign(key, text, der, &len);
    if (status == STATUS_OK && !raw_of_der(der, len, signature))
        status = STATUS_OUT_OF_MEMORY;
    return status;
}
