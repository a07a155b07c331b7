#include "public_key.h"

#include "openssl_errors.h"
#include "signature.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#define RS256_BITS_NEW 2048
#define RS256_EXPONENT 65537
#define COORDINATE_BYTES 32
#define NUMBER_MAX (RS256_BITS_MAX / 8) /* bytes */
#define GROUP_NAME_SIZE 64

static const char no_memory[] = "no memory for the key";
static const char begin_line[] = "-----BEGIN ";

/* ---- checks ---- */

static bool is_public_number_good(EVP_PKEY *pair) {
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pair, NULL);
    bool is_good = context != NULL && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return is_good;
}

static bool has_small_number(EVP_PKEY *pair, const char *name, unsigned long expected) {
    BIGNUM *number = NULL;
    bool is_equal = EVP_PKEY_get_bn_param(pair, name, &number) == 1 && BN_is_word(number, expected) == 1;
    BN_free(number);
    return is_equal;
}

static const char *check_es256(EVP_PKEY *pair) {
    char group[GROUP_NAME_SIZE];
    int is_explicit = 0;
    if (EVP_PKEY_is_a(pair, "EC") != 1)
        return "holds no key of an elliptic curve; ES256 takes P-256";
    if (EVP_PKEY_get_group_name(pair, group, sizeof group, NULL) != 1 || strcmp(group, "prime256v1") != 0)
        return "holds a key of another curve than P-256, the one of ES256";
    if (EVP_PKEY_get_int_param(pair, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) == 1 && is_explicit != 0)
        return "describes its curve by parameters instead of naming it P-256";
    return NULL;
}

static const char *check_rs256(EVP_PKEY *pair) {
    if (EVP_PKEY_is_a(pair, "RSA") != 1)
        return "holds no RSA key; RS256 takes one of 2048 to 4096 bits";
    if (EVP_PKEY_get_bits(pair) < RS256_BITS_MIN || EVP_PKEY_get_bits(pair) > RS256_BITS_MAX)
        return "holds an RSA key that has not 2048 to 4096 bits";
    if (!has_small_number(pair, OSSL_PKEY_PARAM_RSA_E, RS256_EXPONENT))
        return "holds an RSA key whose exponent is not 65537";
    return NULL;
}

struct kind {
    const char *(*check)(EVP_PKEY *pair);
    enum status (*sign)(const struct signing_key *key, struct text text, uint8_t *signature);
    enum status (*verify)(const struct signing_key *key, struct text text, const uint8_t *signature);
};

static const struct kind es256 = { check_es256, signature_sign_es256, signature_verify_es256 };
static const struct kind rs256 = { check_rs256, signature_sign_rs256, signature_verify_rs256 };

/* Whether a token that the key signs would be valid: STATUS_OK, STATUS_INVALID_TOKEN, STATUS_OUT_OF_MEMORY. */
static enum status verify_itself(const struct signing_key *key, const struct kind *kind) {
    uint8_t signature[NUMBER_MAX];
    const struct text text = text_of(key->kid);
    enum status status = kind->sign(key, text, signature);
    if (status == STATUS_OK)
        return kind->verify(key, text, signature);
    return status == STATUS_OUT_OF_MEMORY ? status : STATUS_INVALID_TOKEN;
}

static const char *check(const struct signing_key *key, const struct kind *kind) {
    const struct openssl_errors before = openssl_errors_begin();
    const char *reason = kind->check(key->pair);
    if (reason == NULL && !is_public_number_good(key->pair))
        reason = "holds a public key that is none";
    if (openssl_errors_end(&before))
        return no_memory;
    if (reason != NULL || !key->can_sign)
        return reason;
    enum status status = verify_itself(key, kind);
    if (status == STATUS_OUT_OF_MEMORY)
        return no_memory;
    return status == STATUS_OK ? NULL : "holds a private key that does not belong to its public key";
}

const char *public_key_adopt_es256(struct signing_key *key, EVP_PKEY *pair, bool is_private) {
    key->pair = pair;
    key->can_sign = is_private;
    key->signature_size = ES256_SIGNATURE_BYTES;
    return check(key, &es256);
}

const char *public_key_adopt_rs256(struct signing_key *key, EVP_PKEY *pair, bool is_private) {
    key->pair = pair;
    key->can_sign = is_private;
    key->signature_size = (size_t)EVP_PKEY_get_size(pair);
    return check(key, &rs256);
}

void public_key_free(EVP_PKEY *pair) {
    EVP_PKEY_free(pair);
}

/* ---- reading ---- */

struct block {
    char *name, *header;
    uint8_t *bytes;
    long len;
};

static void free_block(struct block *block) {
    OPENSSL_secure_free(block->name);
    OPENSSL_secure_free(block->header);
    OPENSSL_secure_clear_free(block->bytes, (size_t)block->len);
}

/* PEM_FLAG_SECURE makes OpenSSL wipe its buffers. */
static const char *read_block(const struct key_text *text, struct block *block) {
    BIO *bio = BIO_new_mem_buf(text->bytes, (int)text->len);
    if (bio == NULL)
        return no_memory;
    const char *reason = NULL;
    if (text->len < sizeof begin_line || memcmp(text->bytes, begin_line, sizeof begin_line - 1) != 0 ||
        PEM_read_bio_ex(bio, &block->name, &block->header, &block->bytes, &block->len, PEM_FLAG_SECURE) != 1)
        reason = "not PEM";
    else if (BIO_pending(bio) > 0)
        reason = "holds more than one block of PEM";
    BIO_free(bio);
    return reason;
}

static EVP_PKEY *parse_private(const struct block *block) {
    const uint8_t *at = block->bytes;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, block->len);
    bool is_whole = info != NULL && at == block->bytes + block->len;
    EVP_PKEY *pair = is_whole ? EVP_PKCS82PKEY(info) : NULL;
    PKCS8_PRIV_KEY_INFO_free(info);
    return pair;
}

static EVP_PKEY *parse_public(const struct block *block) {
    const uint8_t *at = block->bytes;
    EVP_PKEY *pair = d2i_PUBKEY(NULL, &at, block->len);
    if (at == block->bytes + block->len)
        return pair;
    EVP_PKEY_free(pair);
    return NULL;
}

static const struct {
    const char *name; /* of a PEM block */
    EVP_PKEY *(*parse)(const struct block *block);
    bool is_private;
    const char *refusal; /* where there is no `parse` */
} blocks[] = {
    { "PRIVATE KEY", parse_private, true, NULL },
    { "PUBLIC KEY", parse_public, false, NULL },
    { "ENCRYPTED PRIVATE KEY", NULL, false, "the key has a passphrase; run openssl pkcs8 -in FILE -out FILE without one" },
    { "EC PRIVATE KEY", NULL, false, "not PKCS #8; run openssl pkcs8 -topk8 -nocrypt on it" },
    { "RSA PRIVATE KEY", NULL, false, "not PKCS #8; run openssl pkcs8 -topk8 -nocrypt on it" },
    { "EC PARAMETERS", NULL, false, "begins with parameters; run openssl pkcs8 -topk8 -nocrypt on it" },
};

static const char *parse_block(const struct block *block, EVP_PKEY **pair, bool *is_private) {
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        if (strcmp(block->name, blocks[i].name) != 0)
            continue;
        if (blocks[i].parse == NULL)
            return blocks[i].refusal;
        *pair = blocks[i].parse(block);
        *is_private = blocks[i].is_private;
        return *pair == NULL ? "holds no key that OpenSSL can read" : NULL;
    }
    return "neither a private key in PKCS #8 nor a public key";
}

static const char *read_pair(const struct key_text *text, EVP_PKEY **pair, bool *is_private) {
    struct block block = { 0 };
    const struct openssl_errors before = openssl_errors_begin();
    const char *reason = read_block(text, &block);
    if (reason == NULL)
        reason = parse_block(&block, pair, is_private);
    free_block(&block);
    return openssl_errors_end(&before) ? no_memory : reason; /* also of a key that seems to be whole */
}

static bool load(struct signing_key *key, const struct key_text *text,
                 const char *(*adopt)(struct signing_key *key, EVP_PKEY *pair, bool is_private), struct key_error error) {
    EVP_PKEY *pair = NULL;
    bool is_private = false;
    const char *reason = read_pair(text, &pair, &is_private);
    if (reason == NULL)
        reason = adopt(key, pair, is_private);
    else
        EVP_PKEY_free(pair);
    if (reason != NULL)
        return key_refuse(error, text->path, reason);
    return !is_private || key_text_check_private(text, error);
}

bool public_key_load_es256(struct signing_key *key, const struct key_text *text, struct key_error error) {
    return load(key, text, public_key_adopt_es256, error);
}

bool public_key_load_rs256(struct signing_key *key, const struct key_text *text, struct key_error error) {
    return load(key, text, public_key_adopt_rs256, error);
}

/* ---- writing ---- */

/* Memory of BIO_s_secmem is wiped when it is freed. Takes `pair`. */
static bool write_new(struct key_text *text, EVP_PKEY *pair, const struct openssl_errors *before, struct key_error error) {
    BIO *bio = BIO_new(BIO_s_secmem());
    bool written = pair != NULL && bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL) == 1;
    if (written) {
        char *bytes;
        long len = BIO_get_mem_data(bio, &bytes);
        assert(len > 0 && len <= KEY_TEXT_MAX);
        memcpy(text->bytes, bytes, (size_t)len);
        text->len = (size_t)len;
    }
    BIO_free(bio);
    EVP_PKEY_free(pair);
    bool lacked_memory = openssl_errors_end(before);
    return written ||
           key_refuse(error, text->path, lacked_memory ? no_memory : "OpenSSL can make no key, perhaps for want of memory");
}

bool public_key_generate_es256(struct key_text *text, struct key_error error) {
    const struct openssl_errors before = openssl_errors_begin();
    return write_new(text, EVP_EC_gen("P-256"), &before, error);
}

bool public_key_generate_rs256(struct key_text *text, struct key_error error) {
    const struct openssl_errors before = openssl_errors_begin();
    return write_new(text, EVP_RSA_gen(RS256_BITS_NEW), &before, error);
}

/* `bytes` long, with zeros in front (RFC 7518 section 6.2.1.2), or, if that is 0, as short as the number (section 6.3.1.1). */
static bool write_number(struct json_writer *writer, const char *member, EVP_PKEY *pair, const char *name, size_t bytes) {
    uint8_t number[NUMBER_MAX];
    char encoded[sodium_base64_ENCODED_LEN(NUMBER_MAX, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    BIGNUM *value = NULL;
    if (EVP_PKEY_get_bn_param(pair, name, &value) != 1)
        return false;
    size_t len = bytes != 0 ? bytes : (size_t)BN_num_bytes(value);
    assert(len <= sizeof number);
    bool is_whole = BN_bn2binpad(value, number, (int)len) == (int)len;
    BN_free(value);
    if (!is_whole)
        return false;
    sodium_bin2base64(encoded, sizeof encoded, number, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    json_member_string(writer, member, encoded);
    return true;
}

bool public_key_write_es256(const struct signing_key *key, struct json_writer *writer) {
    json_member_string(writer, "kty", "EC");
    json_member_string(writer, "crv", "P-256");
    return write_number(writer, "x", key->pair, OSSL_PKEY_PARAM_EC_PUB_X, COORDINATE_BYTES) &&
           write_number(writer, "y", key->pair, OSSL_PKEY_PARAM_EC_PUB_Y, COORDINATE_BYTES);
}

bool public_key_write_rs256(const struct signing_key *key, struct json_writer *writer) {
    json_member_string(writer, "kty", "RSA");
    return write_number(writer, "n", key->pair, OSSL_PKEY_PARAM_RSA_N, 0) &&
           write_number(writer, "e", key->pair, OSSL_PKEY_PARAM_RSA_E, 0);
}
