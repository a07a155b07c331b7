#include "jwtd/revoked_keys.h"

#include "jwtd/verifier.h"
#include "token_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

Suite *revoked_keys_suite(void);

static struct revoked_keys *set;
static struct arena arena;

static void set_up(void) {
    set = revoked_keys_create();
    ck_assert_ptr_nonnull(set);
    arena_init(&arena, 1 << 20);
}

static void tear_down(void) {
    arena_fini(&arena);
    revoked_keys_destroy(set);
}

START_TEST(a_key_is_in_the_set_once_for_good_and_in_the_order_of_revocation) {
    ck_assert_uint_eq(revoked_keys_count(set), 0);
    ck_assert(!revoked_keys_contain(set, text_of("k1")));
    ck_assert_int_eq(revoked_keys_add(set, text_of("k1"), 7), STATUS_OK);
    ck_assert_int_eq(revoked_keys_add(set, text_of("k2"), 8), STATUS_OK);
    ck_assert_int_eq(revoked_keys_add(set, text_of("k1"), 9), STATUS_OK);
    ck_assert_uint_eq(revoked_keys_count(set), 2);
    ck_assert_str_eq(revoked_keys_at(set, 0)->kid, "k1");
    ck_assert_int_eq(revoked_keys_at(set, 0)->revoked_at_s, 7);
    ck_assert_str_eq(revoked_keys_at(set, 1)->kid, "k2");
    ck_assert(revoked_keys_contain(set, text_of("k1")) && !revoked_keys_contain(set, text_of("k")));
    ck_assert(!revoked_keys_are_ready(set));
    revoked_keys_set_read(set, 1000000);
    ck_assert(revoked_keys_are_ready(set));
    ck_assert_int_eq(revoked_keys_age_us(set, 3500000), 2500000);
    ck_assert_int_eq(revoked_keys_age_us(set, 999999), 0);
}
END_TEST

START_TEST(a_set_that_is_full_says_so_and_keeps_what_it_has) {
    char kid[16];
    for (int i = 0; i < REVOKED_KEYS_MAX; i++) {
        snprintf(kid, sizeof kid, "k%d", i);
        ck_assert_int_eq(revoked_keys_add(set, text_of(kid), i), STATUS_OK);
    }
    ck_assert_int_eq(revoked_keys_add(set, text_of("one-more"), 0), STATUS_OUT_OF_MEMORY);
    ck_assert_int_eq(revoked_keys_add(set, text_of("k7"), 0), STATUS_OK);
    ck_assert_uint_eq(revoked_keys_count(set), REVOKED_KEYS_MAX);
}
END_TEST

/* A ring of k1 and k2, which signs, that knows the set; in a directory that is gone. */
static struct keyring *ring_with_set(const char *states) {
    struct scratch scratch = scratch_create();
    char refresh_key[PATH_MAX], error[512];
    scratch_write_text(&scratch, "k1.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "k2.hs256", FIXTURE_KEY_2);
    scratch_write_text(&scratch, ".refresh", FIXTURE_KEY_1);
    if (states != NULL)
        scratch_write_text(&scratch, "keys.conf", states);
    snprintf(refresh_key, sizeof refresh_key, "%s", scratch_path(&scratch, ".refresh"));
    struct key_rules rules = { .keys_dir = scratch.path, .active_kid = "", .refresh_key_file = refresh_key, .revoked = set };
    struct keyring *ring = keyring_load(&rules, FIXTURE_NOW, error, sizeof error);
    ck_assert_msg(ring != NULL, "%s", error);
    scratch_destroy(&scratch);
    return ring;
}

static enum status create(const struct keyring *ring, struct text *token) {
    struct uuid id = { .bytes = { 1 } };
    return access_token_create(&arena, ring, &fixture_rules, &id, &id, text_of("[]"), FIXTURE_NOW, token);
}

START_TEST(from_its_revocation_on_no_token_of_a_key_is_good_cached_or_not_and_none_is_signed) {
    struct access_claims claims;
    char missing_kid[KID_MAX_LEN + 1];
    struct text token, other;
    struct keyring *ring = ring_with_set(NULL);
    struct verifier *verifier = verifier_create(ring, &fixture_rules);
    ck_assert_int_eq(create(ring, &token), STATUS_OK);
    ck_assert_int_eq(create(ring, &other), STATUS_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(verifier_check(verifier, &arena, token, FIXTURE_NOW, &claims, missing_kid), STATUS_OK);
    ck_assert_int_eq(revoked_keys_add(set, text_of("k1"), 0), STATUS_OK);
    ck_assert_int_eq(verifier_check(verifier, &arena, token, FIXTURE_NOW, &claims, missing_kid), STATUS_OK);
    ck_assert_int_eq(create(ring, &other), STATUS_OK);
    ck_assert_str_eq(keyring_outdated(ring, FIXTURE_NOW), "key_revoked");

    ck_assert_int_eq(revoked_keys_add(set, text_of("k2"), 0), STATUS_OK);
    ck_assert_int_eq(verifier_check(verifier, &arena, token, FIXTURE_NOW, &claims, missing_kid), STATUS_INVALID_TOKEN);
    ck_assert_str_eq(missing_kid, ""); /* its file must not be looked for */
    ck_assert_int_eq(verifier_check(verifier, &arena, other, FIXTURE_NOW, &claims, missing_kid), STATUS_INVALID_TOKEN);
    ck_assert_int_eq(create(ring, &other), STATUS_KEYS_UNAVAILABLE);
    verifier_destroy(verifier);
    keyring_destroy(ring);
}
END_TEST

START_TEST(the_next_ring_signs_with_the_next_key) {
    ck_assert_int_eq(revoked_keys_add(set, text_of("k2"), 0), STATUS_OK);
    struct keyring *ring = ring_with_set(NULL);
    ck_assert_str_eq(keyring_active(ring)->kid, "k1");
    ck_assert_ptr_null(keyring_outdated(ring, FIXTURE_NOW));
    keyring_destroy(ring);
    ring = ring_with_set("k2 active 2026-11-21T21:46:40Z\n");
    ck_assert_str_eq(keyring_active(ring)->kid, "k1"); /* standby */
    keyring_destroy(ring);
    ck_assert_int_eq(revoked_keys_add(set, text_of("k1"), 0), STATUS_OK);
    ring = ring_with_set(NULL);
    ck_assert_ptr_null(keyring_active(ring));
    keyring_destroy(ring);
}
END_TEST

START_TEST(what_a_file_has_revoked_stays_so_when_the_line_is_gone) {
    keyring_destroy(ring_with_set("k2 revoked 2026-11-21T21:46:40Z\n"));
    ck_assert(revoked_keys_contain(set, text_of("k2")));
    struct keyring *ring = ring_with_set(NULL);
    ck_assert_ptr_null(keyring_find(ring, text_of("k2")));
    keyring_destroy(ring);
}
END_TEST

#define THREADS 4

static void *add_many(void *context) {
    char kid[16];
    for (int i = 0; i < 200; i++) {
        snprintf(kid, sizeof kid, "k%d", i);
        ck_assert_int_eq(revoked_keys_add(context, text_of(kid), i), STATUS_OK);
        ck_assert(revoked_keys_contain(context, text_of(kid)));
    }
    return NULL;
}

START_TEST(threads_add_and_search_at_once) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, set), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(revoked_keys_count(set), 200);
}
END_TEST

Suite *revoked_keys_suite(void) {
    Suite *suite = suite_create("revoked_keys");
    TCase *tests = tcase_create("set");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_key_is_in_the_set_once_for_good_and_in_the_order_of_revocation);
    tcase_add_test(tests, a_set_that_is_full_says_so_and_keeps_what_it_has);
    tcase_add_test(tests, from_its_revocation_on_no_token_of_a_key_is_good_cached_or_not_and_none_is_signed);
    tcase_add_test(tests, the_next_ring_signs_with_the_next_key);
    tcase_add_test(tests, what_a_file_has_revoked_stays_so_when_the_line_is_gone);
    tcase_add_test(tests, threads_add_and_search_at_once);
    suite_add_tcase(suite, tests);
    return suite;
}
