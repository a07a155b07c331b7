#include "jwtd/hasher.h"
#include "jwtd/macros.h"
#include "src/password/reusable_memory.h"
#include "tests/runner.h"

#include <check.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

Suite *hasher_suite(void);

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static const struct hash_parameters light = { .memory = 64 * KIB, .operations = 2 };
static const struct hash_parameters real = { .memory = 19 * MIB, .operations = 2 };

static struct hasher *hasher_with(struct hash_parameters parameters) {
    struct hasher *hasher = hasher_create(parameters);

    ck_assert_ptr_nonnull(hasher);
    return hasher;
}

/* ---- hashing and checking ---- */

START_TEST(a_hash_matches_its_password_and_no_other) {
    struct hasher *hasher = hasher_with(light);
    char hash[PASSWORD_HASH_SIZE];

    ck_assert_int_eq(hasher_hash(hasher, text_of("correct horse"), hash), STATUS_OK);
    ck_assert_int_eq(hasher_verify(hasher, text_of("correct horse"), hash), HASH_MATCHES);
    ck_assert_int_eq(hasher_verify(hasher, text_of("correct horsf"), hash), HASH_DIFFERS);
    ck_assert_int_eq(hasher_verify(hasher, text_of("correct hors"), hash), HASH_DIFFERS);
    ck_assert_int_eq(hasher_verify(hasher, text_of("Correct horse"), hash), HASH_DIFFERS);
    hasher_destroy(hasher);
}
END_TEST

START_TEST(a_password_is_taken_with_its_length) {
    struct hasher *hasher = hasher_with(light);
    char hash[PASSWORD_HASH_SIZE];

    ck_assert_int_eq(hasher_hash(hasher, (struct text){ "abc\0def", 7 }, hash), STATUS_OK);
    ck_assert_int_eq(hasher_verify(hasher, (struct text){ "abc\0def", 7 }, hash), HASH_MATCHES);
    ck_assert_int_eq(hasher_verify(hasher, (struct text){ "abc\0deg", 7 }, hash), HASH_DIFFERS);
    ck_assert_int_eq(hasher_verify(hasher, (struct text){ "abc", 3 }, hash), HASH_DIFFERS);
    hasher_destroy(hasher);
}
END_TEST

START_TEST(two_hashes_of_one_password_have_different_salts) {
    struct hasher *hasher = hasher_with(light);
    char first[PASSWORD_HASH_SIZE], second[PASSWORD_HASH_SIZE];

    ck_assert_int_eq(hasher_hash(hasher, text_of("password"), first), STATUS_OK);
    ck_assert_int_eq(hasher_hash(hasher, text_of("password"), second), STATUS_OK);
    ck_assert_str_ne(first, second);
    hasher_destroy(hasher);
}
END_TEST

START_TEST(a_hash_names_the_current_parameters) {
    struct hasher *hasher = hasher_with(real);
    char hash[PASSWORD_HASH_SIZE];
    static const char expected[] = "$argon2id$v=19$m=19456,t=2,p=1$";

    ck_assert_int_eq(hasher_hash(hasher, text_of("password"), hash), STATUS_OK);
    ck_assert_int_eq(strncmp(hash, expected, sizeof expected - 1), 0);
    hasher_destroy(hasher);
}
END_TEST

/* From test.c of the reference implementation (phc-winner-argon2, version 0x13). */
static const struct {
    const char *password, *hash;
} reference[] = {
    { "password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc" },
    { "password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4" },
    { "password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc" },
    { "password", "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg" },
};

START_TEST(hashes_of_the_reference_implementation_are_understood) {
    struct hasher *hasher = hasher_with(light); /* less than what some of them need */

    ck_assert_int_eq(hasher_verify(hasher, text_of(reference[_i].password), reference[_i].hash), HASH_MATCHES);
    ck_assert_int_eq(hasher_verify(hasher, text_of("passwore"), reference[_i].hash), HASH_DIFFERS);
    ck_assert(hasher_needs_rehash(hasher, reference[_i].hash));
    hasher_destroy(hasher);
}
END_TEST

START_TEST(reusable_memory_has_the_result_of_fresh_memory) {
    struct hasher *hasher = hasher_with(real);
    char hash[PASSWORD_HASH_SIZE];

    for (unsigned i = 0; i < 3; i++) { /* it has been written to from the second on */
        ck_assert_int_eq(hasher_hash(hasher, text_of("password"), hash), STATUS_OK);
        ck_assert_int_eq(crypto_pwhash_str_verify(hash, "password", 8), 0); /* not lent: libsodium maps its own */
        hasher_release_memory(hasher);
        ck_assert_int_eq(hasher_verify(hasher, text_of("password"), hash), HASH_MATCHES);
    }
    hasher_destroy(hasher);
}
END_TEST

#define HASH_THREADS 4

static void *hash_on_a_thread(void *context) {
    const char *password = context;
    struct hasher *hasher = hasher_create(light);
    char hash[PASSWORD_HASH_SIZE];
    bool good = hasher != NULL;

    for (unsigned i = 0; i < 20 && good; i++)
        good = hasher_hash(hasher, text_of(password), hash) == STATUS_OK &&
               hasher_verify(hasher, text_of(password), hash) == HASH_MATCHES &&
               hasher_verify(hasher, text_of("another"), hash) == HASH_DIFFERS;
    hasher_destroy(hasher);
    return good ? context : NULL;
}

START_TEST(hashers_of_several_threads_do_not_interfere) {
    static char passwords[HASH_THREADS][16];
    pthread_t threads[HASH_THREADS];

    for (unsigned i = 0; i < HASH_THREADS; i++) {
        snprintf(passwords[i], sizeof passwords[i], "password %u", i);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hash_on_a_thread, passwords[i]), 0);
    }
    for (unsigned i = 0; i < HASH_THREADS; i++) {
        void *result;
        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_eq(result, passwords[i]);
    }
}
END_TEST

/* ---- corrupt stored strings ---- */

static const char *const corrupt[] = {
    "",
    "x",
    "$argon2id$",
    "$argon2id$v=19$m=256,t=2,p=1$",
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/",    /* cut */
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4xx", /* longer */
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4 ",
    "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "$argon2id$v=19$m=256,t=65,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",    /* over the cap */
    "$argon2id$v=19$m=1048577,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", /* over the cap */
    "$argon2id$v=19$m=4294967295,t=4294967295,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "$argon2i$v=19$m=256,t=3,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
    "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
    /* longer than any that libsodium makes */
    // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one string
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

START_TEST(a_corrupt_hash_is_not_a_wrong_password) {
    struct hasher *hasher = hasher_with(light);

    ck_assert_int_eq(hasher_verify(hasher, text_of("password"), corrupt[_i]), HASH_CORRUPT);
    ck_assert(!hasher_needs_rehash(hasher, corrupt[_i]));
    hasher_destroy(hasher);
}
END_TEST

START_TEST(no_hash_at_all_differs) {
    struct hasher *hasher = hasher_with(light);

    ck_assert_int_eq(hasher_verify(hasher, text_of("password"), NULL), HASH_DIFFERS);
    hasher_destroy(hasher);
}
END_TEST

static int64_t cpu_ns_of_verify(struct hasher *hasher, const char *hash) {
    int64_t best_ns = INT64_MAX;
    struct timespec begin, end;

    for (unsigned i = 0; i < 5; i++) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
        ck_assert_int_ne(hasher_verify(hasher, text_of("password"), hash), HASH_MATCHES);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
        int64_t ns = (end.tv_sec - begin.tv_sec) * INT64_C(1000000000) + end.tv_nsec - begin.tv_nsec;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    return best_ns;
}

START_TEST(a_corrupt_hash_and_none_take_as_long_as_a_wrong_password) {
    struct hasher *hasher = hasher_with(real);
    char hash[PASSWORD_HASH_SIZE];

    ck_assert_int_eq(hasher_hash(hasher, text_of("the right one"), hash), STATUS_OK);
    int64_t wrong_ns = cpu_ns_of_verify(hasher, hash);
    int64_t none_ns = cpu_ns_of_verify(hasher, NULL);
    int64_t corrupt_ns = cpu_ns_of_verify(hasher, "$argon2id$v=19$m=19456,t=2,p=1$");
    hasher_destroy(hasher);
    ck_assert_int_gt(none_ns * 100, wrong_ns * 70);
    ck_assert_int_lt(none_ns * 70, wrong_ns * 100);
    ck_assert_int_gt(corrupt_ns * 100, wrong_ns * 70);
    ck_assert_int_lt(corrupt_ns * 70, wrong_ns * 100);
}
END_TEST

/* ---- parameters ---- */

START_TEST(a_hash_of_other_parameters_needs_a_new_one) {
    struct hasher *current = hasher_with(light);
    struct hasher *more_memory = hasher_with((struct hash_parameters){ light.memory * 2, light.operations });
    struct hasher *more_operations = hasher_with((struct hash_parameters){ light.memory, light.operations + 1 });
    char hash[PASSWORD_HASH_SIZE];

    ck_assert_int_eq(hasher_hash(current, text_of("password"), hash), STATUS_OK);
    ck_assert(!hasher_needs_rehash(current, hash));
    ck_assert(hasher_needs_rehash(more_memory, hash));
    ck_assert(hasher_needs_rehash(more_operations, hash));
    ck_assert_int_eq(hasher_verify(more_memory, text_of("password"), hash), HASH_MATCHES);
    hasher_destroy(current);
    hasher_destroy(more_memory);
    hasher_destroy(more_operations);
}
END_TEST

static const struct {
    struct hash_parameters parameters;
    bool possible;
} bounds[] = {
    { { 8 * KIB, 1 }, true },
    { { 8 * KIB - 1, 1 }, false },
    { { 8 * KIB, 0 }, false },
    { { HASH_MEMORY_MAX, 1 }, true }, /* nothing is touched */
    { { HASH_MEMORY_MAX + 1, 1 }, false },
    { { 8 * KIB, HASH_OPERATIONS_MAX }, true },
    { { 8 * KIB, HASH_OPERATIONS_MAX + 1 }, false },
};

START_TEST(impossible_parameters_make_no_hasher) {
    struct hasher *hasher = hasher_create(bounds[_i].parameters);

    ck_assert_int_eq(hasher != NULL, bounds[_i].possible);
    hasher_destroy(hasher);
}
END_TEST

/* ---- memory ---- */

static size_t statm_bytes(unsigned field) {
    unsigned long pages[2] = { 0, 0 };
    FILE *file = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%lu %lu", &pages[0], &pages[1]), 2);
    fclose(file);
    return pages[field] * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t resident_bytes(void) {
    return statm_bytes(1);
}

START_TEST(memory_is_allocated_by_the_first_hash_kept_and_released) {
    size_t before = resident_bytes();
    struct hasher *hasher = hasher_with(real);
    char hash[PASSWORD_HASH_SIZE];

    ck_assert_uint_lt(resident_bytes(), before + MIB);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(hasher_hash(hasher, text_of("password"), hash), STATUS_OK);
    ck_assert_uint_gt(resident_bytes(), before + 18 * MIB);
    ck_assert_uint_lt(resident_bytes(), before + 21 * MIB);
    hasher_release_memory(hasher);
    ck_assert_uint_lt(resident_bytes(), before + 2 * MIB);
    ck_assert_int_eq(hasher_verify(hasher, text_of("password"), hash), HASH_MATCHES);
    hasher_destroy(hasher);
    ck_assert_uint_lt(resident_bytes(), before + 2 * MIB);
}
END_TEST

static void *map(size_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

#define SANITIZERS_NEED_SPACE "the sanitizers need address space of their own"

#define NO_LIMIT_HERE "no limit of the address space is in force here, as under qemu-user"

/* False: the limit changes nothing. */
static bool limit_address_space(size_t spare) {
    rlim_t bytes = statm_bytes(0) + spare;

    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ bytes, RLIM_INFINITY }), 0);
    void *beyond = map(2 * spare);
    if (beyond != MAP_FAILED)
        munmap(beyond, 2 * spare);
    return beyond == MAP_FAILED;
}

/* From no memory at all to enough, so that each allocation is the first that fails once. */
START_TEST(a_failed_allocation_is_never_a_wrong_password) {
    if (test_is_sanitized())
        SKIP_TEST(SANITIZERS_NEED_SPACE);
    struct hasher *hasher = hasher_with(light);
    const char *hash = reference[3].hash; /* 64 MiB, and 128 KiB that libsodium takes by malloc */
    enum hash_match match = HASH_OUT_OF_MEMORY;
    unsigned failures = 0;

    for (size_t spare = 65 * MIB; match != HASH_MATCHES; spare += 64 * KIB, failures++) {
        if (!limit_address_space(spare))
            SKIP_TEST(NO_LIMIT_HERE);
        match = hasher_verify(hasher, text_of("password"), hash);
        ck_assert(match == HASH_OUT_OF_MEMORY || match == HASH_MATCHES);
        ck_assert_uint_lt(spare, 70 * MIB);
    }
    ck_assert_uint_gt(failures, 10);
    hasher_destroy(hasher);
}
END_TEST

START_TEST(a_hasher_without_memory_is_not_made) {
    if (test_is_sanitized())
        SKIP_TEST(SANITIZERS_NEED_SPACE);
    if (!limit_address_space(10 * MIB))
        SKIP_TEST(NO_LIMIT_HERE);
    ck_assert_ptr_null(hasher_create(real));
}
END_TEST

/* ---- reusable_memory ---- */

static struct reusable_memory reusable_of(size_t size) {
    struct reusable_memory reusable;

    ck_assert(reusable_memory_init(&reusable, size));
    return reusable;
}

START_TEST(lent_memory_serves_one_mapping_at_a_time) {
    struct reusable_memory reusable = reusable_of(MIB);

    reusable_memory_lend(&reusable);
    void *first = map(MIB);
    void *second = map(4 * KIB);
    ck_assert_ptr_eq(first, reusable.base);
    ck_assert_ptr_ne(second, reusable.base);
    ck_assert_ptr_ne(second, MAP_FAILED);
    ck_assert_int_eq(munmap(second, 4 * KIB), 0);
    ck_assert_int_eq(munmap(first, MIB), 0);
    ck_assert_ptr_eq(map(4 * KIB), reusable.base); /* free again */
    ck_assert_int_eq(munmap(reusable.base, 4 * KIB), 0);
    ck_assert(reusable_memory_return(&reusable));
    reusable.base[0] = 1; /* still mapped */
    reusable_memory_fini(&reusable);
}
END_TEST

START_TEST(memory_that_is_not_lent_serves_nothing) {
    struct reusable_memory reusable = reusable_of(MIB);

    reusable_memory_lend(&reusable);
    ck_assert(!reusable_memory_return(&reusable));
    void *memory = map(4 * KIB);
    ck_assert_ptr_ne(memory, reusable.base);
    ck_assert_int_eq(munmap(memory, 4 * KIB), 0);
    reusable_memory_fini(&reusable);
}
END_TEST

static const struct {
    size_t size;
    int protection, flags;
} foreign[] = {
    { 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS }, /* too large */
    { 4 * KIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS },
    { 4 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS },
    { 4 * KIB, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS },
};

START_TEST(other_mappings_pass_lent_memory_by) {
    struct reusable_memory reusable = reusable_of(MIB);

    reusable_memory_lend(&reusable);
    void *memory = mmap(NULL, foreign[_i].size, foreign[_i].protection, foreign[_i].flags, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_ptr_ne(memory, reusable.base);
    ck_assert_int_eq(munmap(memory, foreign[_i].size), 0);
    ck_assert(!reusable_memory_return(&reusable));
    reusable_memory_fini(&reusable);
}
END_TEST

START_TEST(unmapping_a_part_unmaps_nothing_and_frees_nothing) {
    struct reusable_memory reusable = reusable_of(MIB);

    reusable_memory_lend(&reusable);
    unsigned char *memory = map(MIB);
    ck_assert_int_eq(munmap(memory, 4 * KIB), 0);
    ck_assert_int_eq(munmap(memory + 8 * KIB, MIB - 8 * KIB), 0);
    memory[0] = memory[8 * KIB] = memory[MIB - 1] = 1;
    void *other = map(4 * KIB);
    ck_assert_ptr_ne(other, reusable.base);
    ck_assert_int_eq(munmap(other, 4 * KIB), 0);
    reusable_memory_return(&reusable);
    reusable_memory_lend(&reusable); /* whatever was left, the next user finds it free */
    ck_assert_ptr_eq(map(MIB), reusable.base);
    reusable_memory_return(&reusable);
    reusable_memory_fini(&reusable);
}
END_TEST

START_TEST(released_memory_holds_nothing) {
    struct reusable_memory reusable = reusable_of(5 * MIB); /* huge pages and small ones behind them */

    memset(reusable.base, 0x5a, reusable.size);
    reusable_memory_release(&reusable);
    ck_assert(sodium_is_zero(reusable.base, reusable.size));
    reusable_memory_fini(&reusable);
}
END_TEST

START_TEST(an_impossible_size_makes_no_memory) {
    struct reusable_memory reusable;

    ck_assert(!reusable_memory_init(&reusable, 0));
    ck_assert(!reusable_memory_init(&reusable, SIZE_MAX));
    ck_assert(!reusable_memory_init(&reusable, SIZE_MAX / 2));
}
END_TEST

static TCase *reusable_memory_case(void) {
    TCase *reusable = tcase_create("reusable memory");

    tcase_add_test(reusable, lent_memory_serves_one_mapping_at_a_time);
    tcase_add_test(reusable, memory_that_is_not_lent_serves_nothing);
    tcase_add_loop_test(reusable, other_mappings_pass_lent_memory_by, 0, (int)ARRAY_LEN(foreign));
    tcase_add_test(reusable, unmapping_a_part_unmaps_nothing_and_frees_nothing);
    tcase_add_test(reusable, released_memory_holds_nothing);
    tcase_add_test(reusable, an_impossible_size_makes_no_memory);
    return reusable;
}

Suite *hasher_suite(void) {
    Suite *suite = suite_create("hasher");
    TCase *hashes = tcase_create("hashes");
    TCase *memory = tcase_create("memory");

    tcase_add_test(hashes, a_hash_matches_its_password_and_no_other);
    tcase_add_test(hashes, a_password_is_taken_with_its_length);
    tcase_add_test(hashes, two_hashes_of_one_password_have_different_salts);
    tcase_add_test(hashes, a_hash_names_the_current_parameters);
    tcase_add_loop_test(hashes, hashes_of_the_reference_implementation_are_understood, 0, (int)ARRAY_LEN(reference));
    tcase_add_test(hashes, reusable_memory_has_the_result_of_fresh_memory);
    tcase_add_test(hashes, hashers_of_several_threads_do_not_interfere);
    tcase_add_loop_test(hashes, a_corrupt_hash_is_not_a_wrong_password, 0, (int)ARRAY_LEN(corrupt));
    tcase_add_test(hashes, no_hash_at_all_differs);
    tcase_add_test(hashes, a_corrupt_hash_and_none_take_as_long_as_a_wrong_password);
    tcase_add_test(hashes, a_hash_of_other_parameters_needs_a_new_one);
    tcase_add_loop_test(hashes, impossible_parameters_make_no_hasher, 0, (int)ARRAY_LEN(bounds));
    suite_add_tcase(suite, hashes);

    tcase_add_test(memory, memory_is_allocated_by_the_first_hash_kept_and_released);
    tcase_add_test(memory, a_failed_allocation_is_never_a_wrong_password);
    tcase_add_test(memory, a_hasher_without_memory_is_not_made);
    suite_add_tcase(suite, memory);
    suite_add_tcase(suite, reusable_memory_case());
    return suite;
}
