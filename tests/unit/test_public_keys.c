#include "key_fixture.h"

#include "jwtd/macros.h"
#include "src/token/algorithm.h"

#include <time.h>

Suite *public_keys_suite(void);

static struct scratch scratch;
static char keys_dir[PATH_MAX], refresh_file[PATH_MAX], error[512];

static void set_up(void) {
    scratch = scratch_create();
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
    error[0] = '\0';
}

static void tear_down(void) {
    scratch_destroy(&scratch);
}

static struct keyring *load(const char *active_kid) {
    return fixture_load(keys_dir, active_kid, refresh_file, error, sizeof error);
}

static struct keyring *load_good(const char *active_kid) {
    struct keyring *ring = load(active_kid);
    ck_assert_msg(ring != NULL, "%s", error);
    return ring;
}

static void check_refused(const char *part_of_error) {
    struct keyring *ring = load("");
    ck_assert_msg(ring == NULL, "loaded, but should say: %s", part_of_error);
    ck_assert_msg(strstr(error, part_of_error) != NULL, "\"%s\" does not say \"%s\"", error, part_of_error);
}

static void put_key(const char *name, EVP_PKEY *pair, enum pem_form form) {
    write_key(&scratch, name, pair, form);
    EVP_PKEY_free(pair);
}

static const struct {
    const char *file;
    enum pem_form form;
    unsigned bits; /* 0: P-256 */
    size_t signature_size;
} good_keys[] = {
    { "keys/k.es256", PEM_PKCS8, 0, 64 },      { "keys/k.es256", PEM_PUBLIC, 0, 64 },
    { "keys/k.rs256", PEM_PKCS8, 2048, 256 },  { "keys/k.rs256", PEM_PUBLIC, 2048, 256 },
    { "keys/k.rs256", PEM_PKCS8, 3072, 384 },  { "keys/k.rs256", PEM_PUBLIC, 3072, 384 },
    { "keys/k.rs256", PEM_PUBLIC, 2056, 257 }, { "keys/k.rs256", PEM_PKCS8, 4096, 512 },
};

START_TEST(a_key_pair_signs_and_verifies_and_a_public_key_verifies) {
    unsigned bits = good_keys[_i].bits;
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    put_key(good_keys[_i].file, bits == 0 ? ec_key("P-256") : rsa_key(bits, 65537), good_keys[_i].form);
    struct keyring *ring = load_good("");
    const struct signing_key *key = keyring_find(ring, text_of("k"));
    ck_assert_ptr_nonnull(key);
    ck_assert_uint_eq(key->signature_size, good_keys[_i].signature_size);
    ck_assert_int_eq(key->can_sign, good_keys[_i].form == PEM_PKCS8);
    ck_assert_str_eq(keyring_active(ring)->kid, key->can_sign ? "k" : "a");
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_public_key_is_never_the_active_key) {
    put_key("keys/a.es256", ec_key("P-256"), PEM_PKCS8);
    put_key("keys/b.es256", ec_key("P-256"), PEM_PUBLIC);
    struct keyring *ring = load_good("");
    ck_assert_str_eq(keyring_active(ring)->kid, "a");
    keyring_destroy(ring);
    ck_assert_ptr_null(load("b"));
    ck_assert_msg(strstr(error, "token.active_kid names \"b\", but b.es256 is a public key") != NULL, "%s", error);
    unlink(scratch_path(&scratch, "keys/a.es256"));
    check_refused("keys: holds public keys only");
}
END_TEST

START_TEST(two_keys_of_one_name_are_refused) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    put_key("keys/a.es256", ec_key("P-256"), PEM_PKCS8);
    check_refused("another key file with this name");
}
END_TEST

/* Keys that OpenSSL makes, in the file of an algorithm that does not take them. */
static EVP_PKEY *p256(void) {
    return ec_key("P-256");
}
static EVP_PKEY *p384(void) {
    return ec_key("P-384");
}
static EVP_PKEY *p521(void) {
    return ec_key("P-521");
}
static EVP_PKEY *secp256k1(void) {
    return ec_key("secp256k1");
}
static EVP_PKEY *brainpool(void) {
    return ec_key("brainpoolP256r1");
}
static EVP_PKEY *explicit_p256(void) {
    EVP_PKEY *pair = ec_key("P-256");
    ck_assert_int_eq(EVP_PKEY_set_utf8_string_param(pair, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"), 1);
    return pair;
}
static EVP_PKEY *ed25519(void) {
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}
static EVP_PKEY *x25519(void) {
    return EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
}
static EVP_PKEY *rsa_2048(void) {
    return rsa_key(2048, 65537);
}
static EVP_PKEY *rsa_1024(void) {
    return rsa_key(1024, 65537);
}
static EVP_PKEY *rsa_2040(void) {
    return rsa_key(2040, 65537);
}
static EVP_PKEY *rsa_4104(void) {
    return rsa_key(4104, 65537);
}
static EVP_PKEY *rsa_exponent_3(void) {
    return rsa_key(2048, 3);
}
static EVP_PKEY *rsa_exponent_257(void) {
    return rsa_key(2048, 257);
}
static EVP_PKEY *rsa_pss(void) {
    EVP_PKEY *pair = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    ck_assert_int_eq(EVP_PKEY_keygen_init(context), 1);
    ck_assert_int_eq(EVP_PKEY_generate(context, &pair), 1);
    EVP_PKEY_CTX_free(context);
    return pair;
}

static const struct {
    const char *file;
    EVP_PKEY *(*make)(void);
    enum pem_form form;
    const char *reason;
} bad_keys[] = {
    { "keys/b.es256", p384, PEM_PKCS8, "another curve than P-256" },
    { "keys/b.es256", p384, PEM_PUBLIC, "another curve than P-256" },
    { "keys/b.es256", p521, PEM_PKCS8, "another curve than P-256" },
    { "keys/b.es256", secp256k1, PEM_PKCS8, "another curve than P-256" },
    { "keys/b.es256", secp256k1, PEM_PUBLIC, "another curve than P-256" },
    { "keys/b.es256", brainpool, PEM_PKCS8, "another curve than P-256" },
    { "keys/b.es256", explicit_p256, PEM_PKCS8, "by parameters" },
    { "keys/b.es256", explicit_p256, PEM_PUBLIC, "by parameters" },
    { "keys/b.es256", ed25519, PEM_PKCS8, "no key of an elliptic curve" },
    { "keys/b.es256", x25519, PEM_PKCS8, "no key of an elliptic curve" },
    { "keys/b.es256", rsa_2048, PEM_PKCS8, "no key of an elliptic curve" },
    { "keys/b.es256", rsa_2048, PEM_PUBLIC, "no key of an elliptic curve" },
    { "keys/b.rs256", p256, PEM_PKCS8, "no RSA key" },
    { "keys/b.rs256", p256, PEM_PUBLIC, "no RSA key" },
    { "keys/b.rs256", rsa_pss, PEM_PKCS8, "no RSA key" },
    { "keys/b.rs256", rsa_1024, PEM_PKCS8, "not 2048 to 4096 bits" },
    { "keys/b.rs256", rsa_2040, PEM_PUBLIC, "not 2048 to 4096 bits" },
    { "keys/b.rs256", rsa_4104, PEM_PUBLIC, "not 2048 to 4096 bits" },
    { "keys/b.rs256", rsa_exponent_3, PEM_PKCS8, "exponent is not 65537" },
    { "keys/b.rs256", rsa_exponent_3, PEM_PUBLIC, "exponent is not 65537" },
    { "keys/b.rs256", rsa_exponent_257, PEM_PUBLIC, "exponent is not 65537" },
    { "keys/b.es256", p256, PEM_TRADITIONAL, "not PKCS #8" },
    { "keys/b.rs256", rsa_2048, PEM_TRADITIONAL, "not PKCS #8" },
    { "keys/b.es256", p256, PEM_ENCRYPTED, "has a passphrase" },
    { "keys/b.rs256", rsa_2048, PEM_ENCRYPTED, "has a passphrase" },
    { "keys/b.hs256", p256, PEM_PUBLIC, "not base64url" },
};

START_TEST(another_kind_of_key_is_refused_by_name) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    put_key(bad_keys[_i].file, bad_keys[_i].make(), bad_keys[_i].form);
    check_refused(bad_keys[_i].file);
    check_refused(bad_keys[_i].reason);
}
END_TEST

START_TEST(what_is_no_pem_is_refused_by_name) {
    static const char *const texts[] = {
        "x",
        FIXTURE_KEY_1,
        "-----BEGIN",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----",
    };
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        scratch_write_text(&scratch, "keys/b.es256", texts[i]);
        check_refused("keys/b.es256: ");
    }
}
END_TEST

START_TEST(nothing_but_one_block_may_be_in_a_file) {
    char text[8192];
    EVP_PKEY *pair = ec_key("P-256");
    size_t len = pem_of(pair, PEM_PKCS8, text + 2, sizeof text - 2);
    text[0] = 'x';
    text[1] = '\n';
    scratch_write(&scratch, "keys/b.es256", text, len + 2, 0600);
    check_refused("keys/b.es256: not PEM");
    pem_of(pair, PEM_PUBLIC, text + 2 + len, sizeof text - 2 - len);
    scratch_write_text(&scratch, "keys/b.es256", text + 2);
    check_refused("keys/b.es256: holds more than one block");
    snprintf(text + 2 + len, sizeof text - 2 - len, " \n\n");
    scratch_write_text(&scratch, "keys/b.es256", text + 2);
    keyring_destroy(load_good(""));
    EVP_PKEY_free(pair);
}
END_TEST

/* A PKCS #8 file of P-256 as OpenSSL writes it: the private number at 36, the public point at 73. */
#define PRIVATE_AT 36
#define PUBLIC_AT 73
#define PKCS8_LEN 138

static void write_der(const char *name, const uint8_t *der, size_t len) {
    char text[8192];
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    ck_assert_int_gt(PEM_write_bio(bio, "PRIVATE KEY", "", der, (long)len), 0);
    size_t text_len = (size_t)BIO_get_mem_data(bio, &bytes);
    memcpy(text, bytes, text_len);
    scratch_write(&scratch, name, text, text_len, 0600);
    BIO_free(bio);
}

static size_t pkcs8_of(EVP_PKEY *pair, uint8_t der[4096]) {
    uint8_t *at = der;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pair);
    int len = i2d_PKCS8_PRIV_KEY_INFO(info, &at);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(pair);
    ck_assert_int_gt(len, 0);
    return (size_t)len;
}

START_TEST(a_private_key_must_belong_to_the_public_key_beside_it) {
    uint8_t one[4096], other[4096];
    ck_assert_uint_eq(pkcs8_of(ec_key("P-256"), one), PKCS8_LEN);
    ck_assert_uint_eq(pkcs8_of(ec_key("P-256"), other), PKCS8_LEN);
    write_der("keys/b.es256", one, PKCS8_LEN);
    keyring_destroy(load_good(""));
    memcpy(one + PUBLIC_AT, other + PUBLIC_AT, PKCS8_LEN - PUBLIC_AT);
    write_der("keys/b.es256", one, PKCS8_LEN);
    check_refused("keys/b.es256: holds a private key that does not belong to its public key");
    one[PUBLIC_AT + 5] ^= 1; /* no point of the curve */
    write_der("keys/b.es256", one, PKCS8_LEN);
    check_refused("keys/b.es256: ");
    pkcs8_of(ec_key("P-256"), one);
    memset(one + PRIVATE_AT, 0, 32);
    write_der("keys/b.es256", one, PKCS8_LEN);
    check_refused("keys/b.es256: ");
    memset(one + PRIVATE_AT, 0xff, 32); /* above the order of the curve */
    write_der("keys/b.es256", one, PKCS8_LEN);
    check_refused("keys/b.es256: ");
    pkcs8_of(ec_key("P-256"), one);
    write_der("keys/b.es256", one, PKCS8_LEN + 1);
    check_refused("keys/b.es256: holds no key that OpenSSL can read");
}
END_TEST

/* What is damaged behind the modulus does not matter while the key signs what it verifies. */
START_TEST(an_rsa_key_with_a_damaged_modulus_is_refused) {
    enum { MODULUS_AT = 38, MODULUS_LEN = 256 };
    uint8_t der[4096];
    size_t len = pkcs8_of(rsa_key(2048, 65537), der);
    for (size_t at = MODULUS_AT; at < MODULUS_AT + MODULUS_LEN; at += 50) {
        der[at] ^= 4;
        write_der("keys/b.rs256", der, len);
        check_refused("keys/b.rs256: ");
        der[at] ^= 4;
    }
    write_der("keys/b.rs256", der, len);
    keyring_destroy(load_good(""));
}
END_TEST

static const struct {
    enum pem_form form;
    mode_t mode;
    bool good;
} modes[] = {
    { PEM_PKCS8, 0600, true },   { PEM_PKCS8, 0640, true },   { PEM_PKCS8, 0604, false },  { PEM_PKCS8, 0644, false },
    { PEM_PKCS8, 0602, false },  { PEM_PUBLIC, 0600, true },  { PEM_PUBLIC, 0644, true },  { PEM_PUBLIC, 0444, true },
    { PEM_PUBLIC, 0602, false }, { PEM_PUBLIC, 0646, false }, { PEM_PUBLIC, 0666, false },
};

START_TEST(all_may_read_a_public_key_and_nobody_a_private_one) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    put_key("keys/b.es256", ec_key("P-256"), modes[_i].form);
    ck_assert_int_eq(chmod(scratch_path(&scratch, "keys/b.es256"), modes[_i].mode), 0);
    if (modes[_i].good)
        keyring_destroy(load_good(""));
    else
        check_refused("keys/b.es256: mode 0");
}
END_TEST

static const struct {
    const char *algorithm;
    size_t signature_size;
} made[] = { { "hs256", 32 }, { "es256", 64 }, { "rs256", 256 } };

START_TEST(keygen_makes_keys_of_every_algorithm) {
    char kid[KID_MAX_LEN + 1], path[KID_MAX_LEN + 32];
    struct stat status;
    rmdir(keys_dir);
    ck_assert_msg(keyring_generate(keys_dir, refresh_file, made[_i].algorithm, kid, error, sizeof error), "%s", error);
    snprintf(path, sizeof path, "keys/%s.%s", kid, made[_i].algorithm);
    ck_assert_int_eq(stat(scratch_path(&scratch, path), &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    struct keyring *ring = load_good("");
    ck_assert_str_eq(keyring_active(ring)->kid, kid);
    ck_assert_uint_eq(keyring_active(ring)->signature_size, made[_i].signature_size);
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_key_of_any_algorithm_is_enough) {
    char kid[KID_MAX_LEN + 1];
    put_key("keys/a.rs256", rsa_key(2048, 65537), PEM_PKCS8);
    ck_assert_msg(keyring_complete(keys_dir, refresh_file, "hs256", kid, error, sizeof error), "%s", error);
    ck_assert_str_eq(kid, "");
}
END_TEST

START_TEST(algorithms_have_the_names_of_their_suffixes) {
    static const char *const unknown[] = { "", "none", "HS256", "ES256", ".es256", "es384", "rs512", "es256 ", "eddsa" };
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        ck_assert(keyring_has_algorithm(made[i].algorithm));
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        ck_assert_msg(!keyring_has_algorithm(unknown[i]), "%s", unknown[i]);
}
END_TEST

Suite *public_keys_suite(void) {
    Suite *suite = suite_create("public_keys");
    TCase *tests = tcase_create("public_keys");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60); /* to make an RSA key of 4096 bits */
    tcase_add_loop_test(tests, a_key_pair_signs_and_verifies_and_a_public_key_verifies, 0, (int)ARRAY_LEN(good_keys));
    tcase_add_test(tests, a_public_key_is_never_the_active_key);
    tcase_add_test(tests, two_keys_of_one_name_are_refused);
    tcase_add_loop_test(tests, another_kind_of_key_is_refused_by_name, 0, (int)ARRAY_LEN(bad_keys));
    tcase_add_test(tests, what_is_no_pem_is_refused_by_name);
    tcase_add_test(tests, nothing_but_one_block_may_be_in_a_file);
    tcase_add_test(tests, a_private_key_must_belong_to_the_public_key_beside_it);
    tcase_add_test(tests, an_rsa_key_with_a_damaged_modulus_is_refused);
    tcase_add_loop_test(tests, all_may_read_a_public_key_and_nobody_a_private_one, 0, (int)ARRAY_LEN(modes));
    tcase_add_loop_test(tests, keygen_makes_keys_of_every_algorithm, 0, (int)ARRAY_LEN(made));
    tcase_add_test(tests, a_key_of_any_algorithm_is_enough);
    tcase_add_test(tests, algorithms_have_the_names_of_their_suffixes);
    suite_add_tcase(suite, tests);
    return suite;
}
