#include "src/token/token_cache.h"

#include "jwtd/macros.h"
#include "jwtd/thread.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

Suite *token_cache_suite(void);

#define NUMBERS (3 * TOKEN_CACHE_CAPACITY)
#define TOKEN_LEN 429
#define ROUNDS 50000

static struct token_cache *cache;

static void set_up(void) {
    cache = token_cache_create();
    ck_assert_ptr_nonnull(cache);
}

static void tear_down(void) {
    token_cache_destroy(cache);
}

/* As long as one of ours, and like no other anywhere. */
static struct text token_of(unsigned number, char bytes[TOKEN_LEN + 1]) {
    for (size_t i = 0; i < TOKEN_LEN; i++)
        bytes[i] = (char)('A' + (number >> i % 16 & 1) + 2 * (i % 7));
    snprintf(bytes + TOKEN_LEN - 10, 11, "%010u", number * 2654435761u);
    return (struct text){ bytes, TOKEN_LEN };
}

static struct token_claims claims_of(unsigned number) {
    struct token_claims claims = { .fixed = { .issued_at = number, .not_before = number, .expires_at = (int64_t)number + 900 } };
    memcpy(claims.fixed.user_id.bytes, &number, sizeof number);
    memcpy(claims.fixed.session_id.bytes + 8, &number, sizeof number);
    claims.roles_len = (size_t)snprintf(claims.roles, sizeof claims.roles, "[\"%0*u\"]", (int)(1 + number % 100), number);
    return claims;
}

static bool are_claims_of(unsigned number, const struct token_claims *claims) {
    struct token_claims wanted = claims_of(number);
    return memcmp(&claims->fixed, &wanted.fixed, sizeof wanted.fixed) == 0 && claims->roles_len == wanted.roles_len &&
           memcmp(claims->roles, wanted.roles, wanted.roles_len) == 0;
}

static void keep(unsigned number) {
    char bytes[TOKEN_LEN + 1];
    struct token_claims claims = claims_of(number);
    token_cache_keep(cache, token_of(number, bytes), &claims);
}

START_TEST(a_token_is_found_with_its_claims_and_no_other_token_is) {
    char bytes[TOKEN_LEN + 1];
    struct token_claims claims;
    ck_assert(!token_cache_find(cache, token_of(1, bytes), &claims));
    keep(1);
    ck_assert(token_cache_find(cache, token_of(1, bytes), &claims));
    ck_assert(are_claims_of(1, &claims));
    ck_assert(!token_cache_find(cache, token_of(2, bytes), &claims));
}
END_TEST

START_TEST(every_byte_of_a_token_counts) {
    char bytes[TOKEN_LEN + 1];
    struct token_claims claims;
    keep(1);
    struct text token = token_of(1, bytes);
    for (size_t i = 0; i < TOKEN_LEN; i++) {
        bytes[i] ^= 1;
        ck_assert_msg(!token_cache_find(cache, token, &claims), "byte %zu", i);
        bytes[i] ^= 1;
    }
    for (size_t len = 1; len < TOKEN_LEN; len++) {
        ck_assert(!token_cache_find(cache, (struct text){ bytes, len }, &claims));
        ck_assert(!token_cache_find(cache, (struct text){ bytes + TOKEN_LEN - len, len }, &claims));
    }
    ck_assert(token_cache_find(cache, token, &claims));
}
END_TEST

static const struct {
    size_t token_len, roles_len;
    bool is_kept;
} sizes[] = {
    { 1, 2, true },
    { 7, 2, true },
    { 8, 2, true },
    { 31, 2, true },
    { 33, 2, true },
    { 1220, 100, true }, /* RS256 with a key of 4096 bits and an issuer of 80 characters */
    { TOKEN_CACHE_TOKEN_MAX, TOKEN_CACHE_ROLES_MAX, true },
    { TOKEN_CACHE_TOKEN_MAX + 1, 2, false },
    { ACCESS_TOKEN_MAX_LEN, 2, false },
    { TOKEN_LEN, TOKEN_CACHE_ROLES_MAX + 1, false },
    { TOKEN_LEN, ROLES_JSON_MAX_LEN, false },
};

START_TEST(what_is_too_long_is_not_kept) {
    char bytes[ACCESS_TOKEN_MAX_LEN];
    struct token_claims claims = claims_of(1), found;
    memset(bytes, 'x', sizeof bytes);
    memset(claims.roles, 'r', sizeof claims.roles);
    claims.roles_len = sizes[_i].roles_len;
    struct text token = { bytes, sizes[_i].token_len };
    token_cache_keep(cache, token, &claims);
    ck_assert_int_eq(token_cache_find(cache, token, &found), sizes[_i].is_kept);
    if (sizes[_i].is_kept)
        ck_assert_mem_eq(found.roles, claims.roles, claims.roles_len);
}
END_TEST

START_TEST(a_full_cache_drops_those_that_expire_first) {
    char bytes[TOKEN_LEN + 1];
    struct token_claims claims;
    unsigned found = 0;
    for (unsigned number = 0; number < NUMBERS; number++) /* in the order in which they expire */
        keep(number);
    for (unsigned number = 0; number < NUMBERS; number++)
        if (token_cache_find(cache, token_of(number, bytes), &claims)) {
            ck_assert(are_claims_of(number, &claims));
            found++;
        }
    ck_assert_uint_le(found, TOKEN_CACHE_CAPACITY);
    ck_assert_uint_gt(found, TOKEN_CACHE_CAPACITY / 10 * 9);
    ck_assert(token_cache_find(cache, token_of(NUMBERS - 1, bytes), &claims));
}
END_TEST

static atomic_uint hits, mistakes;

/* One token, kept again and again with other claims, so that its entry is read while it is written. */
static void find_and_keep(void *context) {
    char bytes[TOKEN_LEN + 1];
    struct text token = token_of(1, bytes);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct token_claims claims = claims_of(i * *(const unsigned *)context);
        if (i % 4 == 0)
            token_cache_keep(cache, token, &claims);
        if (token_cache_find(cache, token, &claims)) {
            atomic_fetch_add(&hits, 1);
            if (!are_claims_of((unsigned)claims.fixed.issued_at, &claims))
                atomic_fetch_add(&mistakes, 1);
        }
    }
}

START_TEST(threads_that_read_an_entry_while_it_is_written_see_it_whole) {
    static const unsigned steps[] = { 1, 3, 7, 11 };
    struct thread threads[ARRAY_LEN(steps)];
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        ck_assert_int_eq(thread_start(&threads[i], "cache", find_and_keep, (void *)(uintptr_t)&steps[i]), STATUS_OK);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        thread_join(&threads[i]);
    ck_assert_uint_gt(atomic_load(&hits), 0);
    ck_assert_uint_eq(atomic_load(&mistakes), 0);
}
END_TEST

Suite *token_cache_suite(void) {
    Suite *suite = suite_create("token_cache");
    TCase *tests = tcase_create("token_cache");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_token_is_found_with_its_claims_and_no_other_token_is);
    tcase_add_test(tests, every_byte_of_a_token_counts);
    tcase_add_loop_test(tests, what_is_too_long_is_not_kept, 0, (int)ARRAY_LEN(sizes));
    tcase_add_test(tests, a_full_cache_drops_those_that_expire_first);
    tcase_add_test(tests, threads_that_read_an_entry_while_it_is_written_see_it_whole);
    suite_add_tcase(suite, tests);
    return suite;
}
