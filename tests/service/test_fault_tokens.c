/*
 * Each allocation fails once while a token is made, or checked by the service, or by the verifier library, one after the other,
 * and then all from it on. A token comes out whole or not at all; a good one is found good, or there is no memory for it, but it
 * is never called bad, since its client would log its user out. STRIDE=10 fails every tenth allocation, ONLY=1 takes ES256 alone.
 *
 * fault.so must be loaded before all else. So the test runs this program and suite once more, with fault.so in front of it; the
 * suite is another one there.
 */
#include "support/faults.h"
#include "support/server.h"
#include "tests/unit/key_fixture.h"

#include "jwtd-verify.h"
#include "jwtd/macros.h"
#include "jwtd/verifier.h"

#include <errno.h>
#include <pthread.h>

Suite *fault_tokens_suite(void);

#define CALLS_MAX 2000
#define OUTPUT_SIZE 8192

static struct faults faults;

/* ---- in front of fault.so ---- */

START_TEST(a_good_token_is_never_called_bad_whichever_allocation_fails) {
    char program[PATH_MAX] = "", output[OUTPUT_SIZE];
    struct scratch directory = scratch_create();
    ck_assert_int_gt(readlink("/proc/self/exe", program, sizeof program - 1), 0);
    faults_open(&faults, directory.path, "fault");
    const char *const words[] = {
        faults.wrapper[0], faults.wrapper[1], faults.wrapper[2], "CK_FORK=no", program, "fault_tokens", NULL
    };
    int code = command_run(words, NULL, output, sizeof output);
    ck_assert_msg(code == 0, "%s", output);
    printf("%s", output);
    faults_close(&faults);
    scratch_destroy(&directory);
}
END_TEST

/* ---- behind it: keys, and a token by them ---- */

static const char *const algorithms[] = { "hs256", "es256", "rs256" };

static const struct token_subject subject = { .user_id = { { 1 } },
                                              .session_id = { { 2 } },
                                              .roles_json = { "[\"admin\",\"ops\"]", 15 },
                                              .claims = { { "\"Ada\"", 5 }, { "{\"a\":[1,{\"b\":null}]}", 20 } } };

static struct scratch scratch;
static struct keyring *ring;
static struct verifier *verifier;
static struct jwtd_verifier *library;
static struct arena arena;
static size_t token_len; /* of every token of the key */

static void write_key_of(const char *algorithm) {
    char name[32];
    snprintf(name, sizeof name, "keys/k1.%s", algorithm);
    if (strcmp(algorithm, "hs256") == 0) {
        scratch_write_text(&scratch, name, FIXTURE_KEY_1);
        return;
    }
    EVP_PKEY *pair = strcmp(algorithm, "es256") == 0 ? ec_key("P-256") : rsa_key(2048, 65537);
    write_key(&scratch, name, pair, PEM_PKCS8);
    EVP_PKEY_free(pair);
}

static void begin(const char *algorithm) {
    char error[512], keys_dir[PATH_MAX], refresh_file[PATH_MAX];
    scratch = scratch_create();
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    write_key_of(algorithm);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
    ring = fixture_load(keys_dir, "", refresh_file, error, sizeof error);
    ck_assert_msg(ring != NULL, "%s", error);
    verifier = verifier_create(ring, &fixture_rules);
    ck_assert_ptr_nonnull(verifier);
    const struct jwtd_verify_options options = { .keys_dir = keys_dir };
    library = jwtd_verify_create(&options, sizeof options, error, sizeof error);
    ck_assert_msg(library != NULL, "%s", error);
}

static void end(void) {
    jwtd_verify_destroy(library);
    verifier_destroy(verifier);
    keyring_destroy(ring);
    scratch_destroy(&scratch);
}

/* ---- what is done while calls fail ---- */

static struct text token;
static enum status status; /* of making or checking it */
static struct access_claims claims;
static enum jwtd_verify_result result;
static struct jwtd_verify_claims library_claims;

static void make(void) {
    status = access_token_create_for(&arena, ring, &fixture_rules, &subject, clock_wall_s(), &token);
}

static void check(void) {
    char missing_kid[KID_MAX_LEN + 1];
    status = verifier_check(verifier, &arena, token, clock_wall_s(), &claims, missing_kid);
}

static void check_by_library(void) {
    result = jwtd_verify(library, token.bytes, token.len, &library_claims, sizeof library_claims);
}

/* ---- what it may come to ---- */

/* Whether it was done; if not, there was no memory. */
static bool was_done(const char *what) {
    bool has_failed = atomic_load(&faults.control->failed) > 0;
    ck_assert_msg(status == STATUS_OK || (status == STATUS_OUT_OF_MEMORY && has_failed), "%s: status %d", what, (int)status);
    return status == STATUS_OK;
}

static bool was_done_by_library(const char *what) {
    bool has_failed = atomic_load(&faults.control->failed) > 0;
    ck_assert_msg(result == JWTD_VERIFY_VALID || (result == JWTD_VERIFY_OUT_OF_MEMORY && has_failed), "%s: %s", what,
                  jwtd_verify_result_name(result));
    return result == JWTD_VERIFY_VALID;
}

static void expect_claims(const char *what) {
    check();
    ck_assert_msg(status == STATUS_OK, "%s: and then the service says %d", what, (int)status);
    ck_assert(text_equal(claims.roles_json, subject.roles_json));
}

static void expect_claims_by_library(const char *what) {
    check_by_library();
    ck_assert_msg(result == JWTD_VERIFY_VALID, "%s: and then the library says %s", what, jwtd_verify_result_name(result));
    ck_assert_str_eq(library_claims.roles, "admin,ops");
}

/* Tokens of one key differ in ids and times only, which all have the same length. */
static void expect_whole_token(const char *what) {
    ck_assert_msg(token.len == token_len, "%s: a token of %zu bytes, not %zu", what, token.len, token_len);
    expect_claims(what);
    expect_claims_by_library(what);
}

static void make_good(void) {
    make();
    ck_assert_int_eq(status, STATUS_OK);
    token_len = token.len;
}

static const struct operation {
    const char *name;
    void (*run)(void);
    bool (*was_done)(const char *what);
    void (*expect)(const char *what); /* afterwards, when nothing fails any more; of making: only if it was done */
} operations[] = {
    { "making", make, was_done, expect_whole_token },
    { "checking", check, was_done, expect_claims },
    { "checking by the library", check_by_library, was_done_by_library, expect_claims_by_library },
};

/* ---- each call ---- */

static const struct fault no_memory = { FAULT_MEMORY, ENOMEM };

struct attempt {
    const struct operation *operation;
    enum fault_mode mode;
    long wanted;
};

static void *run_armed(void *context) {
    const struct attempt *attempt = context;
    faults_arm(&faults, no_memory, FAULT_ANY_THREAD, attempt->mode, attempt->wanted);
    attempt->operation->run();
    faults_disarm(&faults);
    return NULL;
}

/* In a thread of its own, so that what a library allocates once for each thread fails, too; with a new token, since those that
 * were found good are cached. Returns whether it was done. */
static bool try_once(const struct attempt *attempt) {
    char what[256];
    pthread_t thread;
    arena_init(&arena, 1 << 20);
    make_good();
    ck_assert_int_eq(pthread_create(&thread, NULL, run_armed, (void *)(uintptr_t)attempt), 0);
    pthread_join(thread, NULL);
    snprintf(what, sizeof what, "%s, %s%s", attempt->operation->name, faults_describe(&faults, no_memory, attempt->wanted),
             attempt->mode == FAULT_ALL ? " and all that followed" : "");
    bool is_done = attempt->operation->was_done(what);
    if (is_done || attempt->operation->run != make)
        attempt->operation->expect(what);
    arena_fini(&arena);
    return is_done;
}

static void fail_each_call(const struct operation *operation, enum fault_mode mode) {
    unsigned refusals = 0;
    struct attempt attempt = { operation, mode, 1 };
    do {
        ck_assert_int_lt(attempt.wanted, CALLS_MAX);
        refusals += !try_once(&attempt);
        attempt.wanted += faults_stride();
    } while (atomic_load(&faults.control->failed) > 0);
    ck_assert_uint_gt(refusals, 0);
    printf("%s, %s: %ld calls, %u times no memory\n", operation->name, mode == FAULT_ALL ? "all allocations" : "allocations",
           atomic_load(&faults.control->seen), refusals);
}

START_TEST(whichever_allocation_fails_a_token_is_good_or_there_is_no_memory) {
    faults_join(&faults);
    begin(algorithms[_i]);
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        fail_each_call(&operations[i], FAULT_ONE);
        fail_each_call(&operations[i], FAULT_ALL);
    }
    end();
    faults_close(&faults);
}
END_TEST

Suite *fault_tokens_suite(void) {
    Suite *suite = suite_create("fault_tokens");
    TCase *tests = tcase_create("fault_tokens");
    tcase_set_timeout(tests, 60);
    if (getenv(FAULT_FILE_VARIABLE) == NULL)
        tcase_add_test(tests, a_good_token_is_never_called_bad_whichever_allocation_fails);
    else
        faults_add_test(tests, whichever_allocation_fails_a_token_is_good_or_there_is_no_memory, ARRAY_LEN(algorithms));
    suite_add_tcase(suite, tests);
    return suite;
}
