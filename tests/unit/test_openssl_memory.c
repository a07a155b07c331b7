/*
 * Every allocation of OpenSSL fails once, one after the other, and then all from it on: what is good is found good or the service
 * has no memory for it, never bad. OpenSSL takes its allocator only before it has allocated anything, so each test is a process
 * of its own and makes its keys here.
 */
#include "key_fixture.h"

#include "jwtd/jwks.h"
#include "jwtd/macros.h"
#include "src/token/algorithm.h"
#include "src/token/jwk.h"

#include <errno.h>
#include <openssl/crypto.h>

Suite *openssl_memory_suite(void);

static struct {
    long calls, wanted; /* the call that fails; 0: none */
    bool and_all_after;
    long failed;
} allocations;

static bool fails(void) {
    allocations.calls++;
    bool is_it = allocations.wanted > 0 && (allocations.calls == allocations.wanted ||
                                            (allocations.and_all_after && allocations.calls > allocations.wanted));
    if (!is_it)
        return false;
    allocations.failed++;
    errno = ENOMEM;
    return true;
}

static void *allocate(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(size);
}

static void *reallocate(void *memory, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    return fails() ? NULL : realloc(memory, size);
}

static void release(void *memory, const char *file, int line) {
    (void)file;
    (void)line;
    free(memory);
}

static struct scratch scratch;
static char path[PATH_MAX], error[512];
static struct key_text text;

static const char *const rows[] = { "es256", "rs256" };

static const struct algorithm *algorithm_of(int row) {
    return algorithm_by_suffix(rows[row]);
}

static struct key_error reason(void) {
    error[0] = '\0';
    return (struct key_error){ error, sizeof error };
}

static void set_up(void) {
    ck_assert_int_eq(CRYPTO_set_mem_functions(allocate, reallocate, release), 1);
    scratch = scratch_create();
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "key"));
    text.path = path;
}

static void tear_down(void) {
    scratch_destroy(&scratch);
}

static void write_file(int row) {
    ck_assert_msg(algorithm_of(row)->generate(&text, reason()), "%s", error);
    scratch_write(&scratch, "key", text.bytes, text.len, 0600);
}

static bool load(struct signing_key *key, int row) {
    return signing_key_load(key, algorithm_of(row), text_of("k"), path, geteuid(), reason());
}

static void load_once(int row) {
    struct signing_key key;
    if (load(&key, row))
        signing_key_release(&key);
    else
        ck_assert_msg(strstr(error, "no memory") != NULL, "call %ld: %s", allocations.wanted, error);
}

static void generate_once(int row) {
    if (!algorithm_of(row)->generate(&text, reason()))
        ck_assert_msg(strstr(error, "memory") != NULL, "call %ld: %s", allocations.wanted, error);
}

static void read_set_once(int row);

/* Runs `work` until no allocation of it fails any more. To load or make a key takes thousands of them: every fifth. */
static void fail_each(bool and_all_after, void (*work)(int row), int row) {
    long stride = work == load_once || work == generate_once || work == read_set_once ? 5 : 1;
    long wanted = 1;
    do {
        allocations.calls = allocations.failed = 0;
        allocations.wanted = wanted;
        wanted += stride;
        allocations.and_all_after = and_all_after;
        work(row);
        allocations.wanted = 0;
    } while (allocations.failed > 0);
    ck_assert_int_gt(wanted, 3);
}

static void fail_each_alone_and_with_all_after(void (*work)(int row), int row) {
    fail_each(false, work, row);
    fail_each(true, work, row);
}

START_TEST(a_good_key_is_loaded_or_there_is_no_memory_for_it) {
    write_file(_i);
    fail_each_alone_and_with_all_after(load_once, _i);
}
END_TEST

START_TEST(a_key_is_made_or_there_is_no_memory_for_it) {
    generate_once(_i);
    fail_each_alone_and_with_all_after(generate_once, _i);
}
END_TEST

static struct signing_key key;
static uint8_t good_signature[ALGORITHM_SIGNATURE_MAX];
static const struct text message = { "header.payload", 14 };

static void expect_ok_or_no_memory(enum status status, const char *what) {
    ck_assert_msg(status == STATUS_OK || (status == STATUS_OUT_OF_MEMORY && allocations.failed > 0), "%s, call %ld: %d", what,
                  allocations.wanted, (int)status);
}

/* OpenSSL's blinding of an RSA key may be unusable for a while: no wrong signature comes out meanwhile. */
static void sign_once(int row) {
    uint8_t signature[ALGORITHM_SIGNATURE_MAX];
    (void)row;
    enum status status = key.algorithm->sign(&key, message, signature);
    ck_assert(status == STATUS_OK || status == STATUS_OUT_OF_MEMORY);
    allocations.wanted = 0;
    if (status == STATUS_OK)
        ck_assert_int_eq(key.algorithm->verify(&key, message, signature), STATUS_OK);
}

static void expect_to_sign_again(void) {
    uint8_t signature[ALGORITHM_SIGNATURE_MAX];
    enum status status = STATUS_INTERNAL;
    for (int i = 0; i < 33; i++)
        status = key.algorithm->sign(&key, message, signature);
    ck_assert_int_eq(status, STATUS_OK);
}

static void verify_once(int row) {
    (void)row;
    expect_ok_or_no_memory(key.algorithm->verify(&key, message, good_signature), "verify");
}

static void refuse_once(int row) {
    uint8_t bad[ALGORITHM_SIGNATURE_MAX];
    (void)row;
    memcpy(bad, good_signature, sizeof bad);
    bad[key.signature_size - 1] ^= 1;
    enum status status = key.algorithm->verify(&key, message, bad);
    ck_assert_int_ne(status, STATUS_OK);
    ck_assert_int_ne(status, allocations.failed == 0 ? STATUS_OUT_OF_MEMORY : STATUS_INTERNAL);
}

START_TEST(a_good_signature_is_never_called_bad_nor_a_bad_one_good) {
    write_file(_i);
    ck_assert_msg(load(&key, _i), "%s", error);
    ck_assert_int_eq(key.algorithm->sign(&key, message, good_signature), STATUS_OK);
    fail_each_alone_and_with_all_after(sign_once, _i);
    expect_to_sign_again();
    fail_each_alone_and_with_all_after(verify_once, _i);
    fail_each_alone_and_with_all_after(refuse_once, _i);
    signing_key_release(&key);
}
END_TEST

/* Of RFC 7515, appendices A.2 and A.3. */
static const char key_set[] =
    "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\",\"n\":\""
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"
    "pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca"
    "pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb5"
    "4h4FRWyuXpoQ"
    "\"}]}";

static void read_set_once(int row) {
    struct signing_key keys[2];
    size_t count;
    (void)row;
    enum status status = jwks_read(text_of(key_set), false, keys, ARRAY_LEN(keys), &count);
    expect_ok_or_no_memory(status, "read");
    ck_assert_msg(count == (status == STATUS_OK ? ARRAY_LEN(keys) : 0), "call %ld: %zu keys", allocations.wanted, count);
    while (count > 0)
        signing_key_release(&keys[--count]);
}

/* A set that lacks a key for want of memory would make good tokens unknown. */
START_TEST(a_set_of_keys_is_read_whole_or_there_is_no_memory_for_it) {
    read_set_once(0);
    fail_each_alone_and_with_all_after(read_set_once, 0);
}
END_TEST

Suite *openssl_memory_suite(void) {
    Suite *suite = suite_create("openssl_memory");
    TCase *tests = tcase_create("openssl_memory");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_good_key_is_loaded_or_there_is_no_memory_for_it, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tests, a_set_of_keys_is_read_whole_or_there_is_no_memory_for_it);
    tcase_add_loop_test(tests, a_key_is_made_or_there_is_no_memory_for_it, 0, 1); /* to make one of RSA takes too long */
    tcase_add_loop_test(tests, a_good_signature_is_never_called_bad_nor_a_bad_one_good, 0, (int)ARRAY_LEN(rows));
    suite_add_tcase(suite, tests);
    return suite;
}
