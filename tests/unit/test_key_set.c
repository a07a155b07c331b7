/* Keys that were revoked, in a set and in those that replace it. */
#include "token_fixture.h"

#include "jwtd/key_set.h"
#include "jwtd/macros.h"
#include "jwtd/revoked_keys.h"
#include "src/verify/keys.h"

Suite *key_set_suite(void);

#define OCT(kid) "{\"kty\":\"oct\",\"kid\":\"" kid "\",\"k\":\"" FIXTURE_KEY_1 "\"}"
#define EC                                                                                                                       \
    "{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define KEYS "{\"keys\":[" OCT("k1") "," OCT("k2") "]}"

static struct scratch scratch;
static struct arena arena;
static struct text tokens[2]; /* by k1 and k2 */
static struct keys *keys;
static char error[256];

static void set_up(void) {
    static const char *const files[] = { "keys/k1.hs256", "keys/k2.hs256" };
    char keys_dir[PATH_MAX], refresh_file[PATH_MAX];
    const struct uuid id = { .bytes = { 2 } };
    scratch = scratch_create();
    arena_init(&arena, 1 << 20);
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) { /* the last by name signs */
        scratch_write_text(&scratch, files[i], FIXTURE_KEY_1);
        struct keyring *ring = fixture_load(keys_dir, "", refresh_file, error, sizeof error);
        ck_assert_msg(ring != NULL, "%s", error);
        ck_assert_int_eq(access_token_create(&arena, ring, &fixture_rules, &id, &id, text_of("[]"), FIXTURE_NOW, &tokens[i]),
                         STATUS_OK);
        keyring_destroy(ring);
    }
    keys = keys_create(NULL, 0, text_of(KEYS), error, sizeof error);
    ck_assert_msg(keys != NULL, "%s", error);
}

static void tear_down(void) {
    keys_destroy(keys);
    arena_fini(&arena);
    scratch_destroy(&scratch);
}

static enum token_verdict check(size_t token) {
    struct verified_token found;
    enum token_verdict verdict = key_set_check(keys_begin(keys), &fixture_rules, tokens[token], FIXTURE_NOW, 0, &found);
    keys_end(keys);
    return verdict;
}

static void revoke_key(const char *kid) {
    keys_revoke(keys, text_of(kid));
}

static void revoke_others(unsigned count) {
    char kid[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(kid, sizeof kid, "other%u", i);
        revoke_key(kid);
    }
}

/* Each time another set. */
static void replace_set(void) {
    static bool has_key;
    has_key = !has_key;
    ck_assert_msg(keys_set_fetched(keys, text_of(has_key ? "{\"keys\":[" EC "]}" : "{\"keys\":[]}"), error, sizeof error), "%s",
                  error);
}

START_TEST(a_key_stays_revoked_however_many_follow_and_whatever_replaces_the_set) {
    ck_assert_int_eq(check(0), TOKEN_VALID);
    revoke_key("k1");
    ck_assert_int_eq(check(0), TOKEN_REVOKED_KEY);
    revoke_others(REVOKED_KEYS_MAX - 1);
    for (int i = 0; i < 3; i++, replace_set()) {
        ck_assert_int_eq(check(0), TOKEN_REVOKED_KEY);
        ck_assert_int_eq(check(1), TOKEN_VALID);
    }
}
END_TEST

START_TEST(a_key_that_is_revoked_again_takes_no_further_place) {
    for (unsigned i = 0; i < REVOKED_KEYS_MAX + 1; i++)
        revoke_key("k1");
    ck_assert_int_eq(check(1), TOKEN_VALID);
}
END_TEST

/* The key of a token may be one that there was no place for. */
START_TEST(with_more_than_there_is_place_for_no_token_is_valid) {
    ck_assert_int_eq(check(1), TOKEN_VALID); /* and remembered */
    revoke_key("k1");
    revoke_others(REVOKED_KEYS_MAX - 1);
    ck_assert(keys_have_all_revoked(keys));
    revoke_key("one more");
    for (int i = 0; i < 3; i++, replace_set()) {
        ck_assert(!keys_have_all_revoked(keys));
        ck_assert_int_eq(check(0), TOKEN_REVOKED_KEY);
        ck_assert_int_eq(check(1), TOKEN_REVOCATIONS_LOST);
    }
}
END_TEST

Suite *key_set_suite(void) {
    Suite *suite = suite_create("key_set");
    TCase *tests = tcase_create("key_set");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_key_stays_revoked_however_many_follow_and_whatever_replaces_the_set);
    tcase_add_test(tests, a_key_that_is_revoked_again_takes_no_further_place);
    tcase_add_test(tests, with_more_than_there_is_place_for_no_token_is_valid);
    suite_add_tcase(suite, tests);
    return suite;
}
