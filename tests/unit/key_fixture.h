/*
 * key_fixture: keys of OpenSSL's making for the tests of src/token: any curve, any size, in any form of PEM, and signatures by
 * them, good and bad.
 */
#ifndef JWTD_TESTS_KEY_FIXTURE_H
#define JWTD_TESTS_KEY_FIXTURE_H

#include "token_fixture.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum pem_form { PEM_PKCS8, PEM_PUBLIC, PEM_TRADITIONAL, PEM_ENCRYPTED };

static inline EVP_PKEY *ec_key(const char *curve) {
    EVP_PKEY *pair = EVP_EC_gen(curve);
    ck_assert_ptr_nonnull(pair);
    return pair;
}

static inline EVP_PKEY *rsa_key(unsigned bits, unsigned long exponent) {
    BIGNUM *e = BN_new();
    EVP_PKEY *pair = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    ck_assert_int_eq(BN_set_word(e, exponent), 1);
    ck_assert_int_eq(EVP_PKEY_keygen_init(context), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)bits), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e), 1);
    ck_assert_int_eq(EVP_PKEY_generate(context, &pair), 1);
    EVP_PKEY_CTX_free(context);
    BN_free(e);
    return pair;
}

static inline size_t pem_of(EVP_PKEY *pair, enum pem_form form, char *text, size_t size) {
    BIO *bio = BIO_new(BIO_s_mem());
    char passphrase[] = "passphrase";
    int done = 0;
    switch (form) {
    case PEM_PKCS8:
        done = PEM_write_bio_PKCS8PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL);
        break;
    case PEM_PUBLIC:
        done = PEM_write_bio_PUBKEY(bio, pair);
        break;
    case PEM_TRADITIONAL:
        done = PEM_write_bio_PrivateKey_traditional(bio, pair, NULL, NULL, 0, NULL, NULL);
        break;
    case PEM_ENCRYPTED:
        done = PEM_write_bio_PKCS8PrivateKey(bio, pair, EVP_aes_128_cbc(), passphrase, (int)strlen(passphrase), NULL, NULL);
        break;
    }
    ck_assert_int_eq(done, 1);
    char *bytes;
    size_t len = (size_t)BIO_get_mem_data(bio, &bytes);
    ck_assert_uint_lt(len, size);
    memcpy(text, bytes, len);
    text[len] = '\0';
    BIO_free(bio);
    return len;
}

static inline void write_key(const struct scratch *scratch, const char *name, EVP_PKEY *pair, enum pem_form form) {
    char text[8192];
    scratch_write(scratch, name, text, pem_of(pair, form, text, sizeof text), 0600);
}

/* DER for an elliptic curve. Returns its bytes. */
static inline size_t sign_with(EVP_PKEY *pair, const EVP_MD *digest, bool with_pss, const char *text, uint8_t signature[1024]) {
    size_t len = 1024;
    EVP_PKEY_CTX *parameters;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestSignInit(context, &parameters, digest, NULL, pair), 1);
    if (with_pss)
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING), 1);
    ck_assert_int_eq(EVP_DigestSign(context, signature, &len, (const uint8_t *)text, strlen(text)), 1);
    EVP_MD_CTX_free(context);
    return len;
}

/* r and s, `half` bytes each. */
static inline void raw_signature(const uint8_t *der, size_t len, uint8_t *raw, int half) {
    ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &der, (long)len);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(numbers), raw, half), half);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(numbers), raw + half, half), half);
    ECDSA_SIG_free(numbers);
}

#endif
