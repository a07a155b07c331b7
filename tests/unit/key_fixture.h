/*
 * key_fixture: keys for the tests of src/token: any curve, RSA of the sizes in rsa_primes.h, in any form of PEM, and signatures
 * by them, good and bad.
 */
#ifndef JWTD_TESTS_KEY_FIXTURE_H
#define JWTD_TESTS_KEY_FIXTURE_H

#include "rsa_primes.h"
#include "token_fixture.h"

#include "jwtd/macros.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum pem_form { PEM_PKCS8, PEM_PUBLIC, PEM_TRADITIONAL, PEM_ENCRYPTED };

static inline EVP_PKEY *ec_key(const char *curve) {
    EVP_PKEY *pair = EVP_EC_gen(curve);
    ck_assert_ptr_nonnull(pair);
    return pair;
}

static inline EVP_PKEY *rsa_key_of(const struct rsa_primes *primes) {
    enum { N, E, D, P, Q, DP, DQ, QINV, NUMBERS };
    static const char *const names[] = { OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
                                         OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
                                         OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
                                         OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1 };
    BIGNUM *numbers[NUMBERS], *p1 = BN_new(), *q1 = BN_new(), *phi = BN_new();
    BN_CTX *scratch = BN_CTX_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pair = NULL;
    for (int i = 0; i < NUMBERS; i++)
        numbers[i] = BN_new();
    ck_assert_int_gt(BN_hex2bn(&numbers[P], primes->p), 0);
    ck_assert_int_gt(BN_hex2bn(&numbers[Q], primes->q), 0);
    ck_assert(BN_set_word(numbers[E], primes->exponent) && BN_mul(numbers[N], numbers[P], numbers[Q], scratch));
    ck_assert(BN_sub(p1, numbers[P], BN_value_one()) && BN_sub(q1, numbers[Q], BN_value_one()) && BN_mul(phi, p1, q1, scratch));
    ck_assert_ptr_nonnull(BN_mod_inverse(numbers[D], numbers[E], phi, scratch));
    ck_assert(BN_mod(numbers[DP], numbers[D], p1, scratch) && BN_mod(numbers[DQ], numbers[D], q1, scratch));
    ck_assert_ptr_nonnull(BN_mod_inverse(numbers[QINV], numbers[Q], numbers[P], scratch));
    for (int i = 0; i < NUMBERS; i++)
        ck_assert_int_eq(OSSL_PARAM_BLD_push_BN(builder, names[i], numbers[i]), 1);
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    ck_assert_int_eq(EVP_PKEY_fromdata_init(context), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(context, &pair, EVP_PKEY_KEYPAIR, parameters), 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    for (int i = 0; i < NUMBERS; i++)
        BN_free(numbers[i]);
    BN_free(p1);
    BN_free(q1);
    BN_free(phi);
    BN_CTX_free(scratch);
    return pair;
}

/* Those of 2048 bits and 65537 are two: `is_other` returns the second. */
static inline EVP_PKEY *find_rsa_key(unsigned bits, unsigned long exponent, bool is_other) {
    const struct rsa_primes *found = NULL;
    for (size_t i = 0; i < ARRAY_LEN(rsa_primes); i++)
        if (rsa_primes[i].bits == bits && rsa_primes[i].exponent == exponent && (found == NULL || is_other))
            found = &rsa_primes[i];
    ck_assert_msg(found != NULL, "rsa_primes.h has no key of %u bits with the exponent %lu", bits, exponent);
    return found != NULL ? rsa_key_of(found) : NULL;
}

/* Always the same key. */
static inline EVP_PKEY *rsa_key(unsigned bits, unsigned long exponent) {
    return find_rsa_key(bits, exponent, false);
}

static inline EVP_PKEY *other_rsa_key(void) {
    return find_rsa_key(2048, 65537, true);
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
