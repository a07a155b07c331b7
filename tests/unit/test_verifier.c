#include "jwtd/access_token.h"
#include "jwtd/macros.h"
#include "jwtd/verifier.h"
#include "token_fixture.h"

#include <pthread.h>

Suite *verifier_suite(void);

#define MORE_THAN_CACHED 9000 /* the cache holds 8192 */
#define THREADS 4

static struct keyring *ring;
static struct verifier *verifier;
static struct arena arena;
static struct access_claims claims;
static char missing_kid[KID_MAX_LEN + 1];

static void set_up(void) {
    ring = fixture_keyring();
    verifier = verifier_create(ring, &fixture_rules);
    ck_assert_ptr_nonnull(verifier);
    arena_init(&arena, 64 << 20);
}

static void tear_down(void) {
    arena_fini(&arena);
    verifier_destroy(verifier);
    keyring_destroy(ring);
}

static struct text create(struct arena *where, uint8_t user, const char *roles_json, int64_t now_s) {
    struct uuid user_id = { .bytes = { user } };
    struct uuid session_id = uuid_create();
    struct text token;
    ck_assert_int_eq(access_token_create(where, ring, &fixture_rules, &user_id, &session_id, text_of(roles_json), now_s, &token),
                     STATUS_OK);
    return token;
}

static enum status check_at(struct text token, int64_t now_s) {
    return verifier_check(verifier, &arena, token, now_s, &claims, missing_kid);
}

START_TEST(a_cached_token_has_the_same_claims) {
    struct text token = create(&arena, 9, "[\"admin\",\"ops\"]", FIXTURE_NOW);
    ck_assert_int_eq(check_at(token, FIXTURE_NOW), STATUS_OK);
    struct access_claims first = claims;
    memset(&claims, 0xff, sizeof claims);
    ck_assert_int_eq(check_at(token, FIXTURE_NOW), STATUS_OK);
    ck_assert(uuid_equal(&first.user_id, &claims.user_id));
    ck_assert(uuid_equal(&first.session_id, &claims.session_id));
    ck_assert_int_eq(first.issued_at, claims.issued_at);
    ck_assert_int_eq(first.expires_at, claims.expires_at);
    ck_assert_str_eq(first.roles_json.bytes, claims.roles_json.bytes);
    ck_assert_uint_eq(first.roles_json.len, claims.roles_json.len);
    ck_assert_ptr_ne(first.roles_json.bytes, claims.roles_json.bytes);
}
END_TEST

static const struct {
    int64_t after_s; /* since the token was signed */
    enum status status;
} times[] = {
    { -ACCESS_TOKEN_LEEWAY_S - 1, STATUS_INVALID_TOKEN },
    { -ACCESS_TOKEN_LEEWAY_S, STATUS_OK },
    { 0, STATUS_OK },
    { FIXTURE_TTL + ACCESS_TOKEN_LEEWAY_S - 1, STATUS_OK },
    { FIXTURE_TTL + ACCESS_TOKEN_LEEWAY_S, STATUS_INVALID_TOKEN },
    { INT64_C(1) << 40, STATUS_INVALID_TOKEN },
};

START_TEST(times_are_checked_when_a_token_is_new) {
    struct text token = create(&arena, 1, "[]", FIXTURE_NOW);
    ck_assert_int_eq(check_at(token, FIXTURE_NOW + times[_i].after_s), times[_i].status);
}
END_TEST

START_TEST(times_are_checked_when_a_token_is_cached) {
    struct text token = create(&arena, 1, "[]", FIXTURE_NOW);
    ck_assert_int_eq(check_at(token, FIXTURE_NOW), STATUS_OK);
    ck_assert_int_eq(check_at(token, FIXTURE_NOW + times[_i].after_s), times[_i].status);
    ck_assert_int_eq(check_at(token, FIXTURE_NOW), STATUS_OK);
}
END_TEST

START_TEST(a_refused_token_is_not_cached) {
    struct text token = create(&arena, 1, "[]", FIXTURE_NOW);
    char *changed = arena_copy(&arena, token.bytes, token.len);
    changed[token.len - 5] = changed[token.len - 5] == 'A' ? 'B' : 'A';
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(check_at((struct text){ changed, token.len }, FIXTURE_NOW), STATUS_INVALID_TOKEN);
        ck_assert_int_eq(check_at(token, FIXTURE_NOW), STATUS_OK);
    }
}
END_TEST

START_TEST(roles_too_long_for_the_cache_are_returned_all_the_same) {
    char roles[ROLES_JSON_MAX_LEN + 1];
    for (size_t len = 120; len < 140; len++) {
        int first = (int)(len - strlen("[\"\",\"\",\"\"]")) - 100;
        snprintf(roles, sizeof roles, "[\"%0*d\",\"%050d\",\"%050d\"]", first, 1, 2, 3);
        ck_assert_uint_eq(strlen(roles), len);
        struct text token = create(&arena, 1, roles, FIXTURE_NOW);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(check_at(token, FIXTURE_NOW), STATUS_OK);
            ck_assert_str_eq(claims.roles_json.bytes, roles);
        }
    }
}
END_TEST

START_TEST(more_tokens_than_the_cache_holds_are_all_accepted) {
    struct arena scratch;
    for (int i = 0; i < MORE_THAN_CACHED; i++) {
        arena_init(&scratch, 1 << 20);
        struct text token = create(&scratch, (uint8_t)i, "[]", FIXTURE_NOW + i % 3);
        for (int round = 0; round < 2; round++) {
            ck_assert_int_eq(verifier_check(verifier, &scratch, token, FIXTURE_NOW, &claims, missing_kid), STATUS_OK);
            ck_assert_uint_eq(claims.user_id.bytes[0], (uint8_t)i);
        }
        arena_fini(&scratch);
    }
}
END_TEST

START_TEST(a_verifier_of_another_audience_refuses) {
    static const struct token_rules other_rules = { .issuer = "jwtd", .audience = "shop", .access_ttl_s = FIXTURE_TTL };
    struct verifier *other = verifier_create(ring, &other_rules);
    struct text token = create(&arena, 1, "[]", FIXTURE_NOW);
    ck_assert_int_eq(check_at(token, FIXTURE_NOW), STATUS_OK);
    ck_assert_int_eq(verifier_check(other, &arena, token, FIXTURE_NOW, &claims, missing_kid), STATUS_INVALID_TOKEN);
    verifier_destroy(other);
}
END_TEST

START_TEST(a_token_of_the_older_key_is_accepted_beside_the_newer) {
    struct scratch scratch = scratch_create();
    char refresh_file[PATH_MAX];
    char error[512] = "";
    scratch_write_text(&scratch, "k1.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, ".refresh", FIXTURE_KEY_1);
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, ".refresh"));
    struct keyring *older = fixture_load(scratch.path, "", refresh_file, error, sizeof error);
    ck_assert_msg(older != NULL, "%s", error);
    struct uuid id = { .bytes = { 1 } };
    struct text token;
    ck_assert_int_eq(access_token_create(&arena, older, &fixture_rules, &id, &id, text_of("[]"), FIXTURE_NOW, &token), STATUS_OK);
    ck_assert_int_eq(check_at(token, FIXTURE_NOW), STATUS_OK);
    struct verifier *older_verifier = verifier_create(older, &fixture_rules);
    token = create(&arena, 1, "[]", FIXTURE_NOW); /* signed by k2, which the older ring does not have, nor its directory */
    ck_assert_int_eq(verifier_check(older_verifier, &arena, token, FIXTURE_NOW, &claims, missing_kid), STATUS_INVALID_TOKEN);
    ck_assert_str_eq(missing_kid, "");
    scratch_write_text(&scratch, "k2.hs256", FIXTURE_KEY_2);
    ck_assert_int_eq(verifier_check(older_verifier, &arena, token, FIXTURE_NOW, &claims, missing_kid), STATUS_INVALID_TOKEN);
    ck_assert_str_eq(missing_kid, "k2");
    ck_assert_int_eq(verifier_check(older_verifier, &arena, token, FIXTURE_NOW + 1000, &claims, missing_kid),
                     STATUS_INVALID_TOKEN);
    ck_assert_str_eq(missing_kid, ""); /* something else speaks against it */
    verifier_destroy(older_verifier);
    keyring_destroy(older);
    scratch_destroy(&scratch);
}
END_TEST

struct check_job {
    struct text tokens[16];
    unsigned failures;
};

static void *check_many(void *argument) {
    struct check_job *job = argument;
    struct arena own;
    for (unsigned i = 0; i < 2000; i++) {
        struct access_claims read;
        char kid[KID_MAX_LEN + 1];
        arena_init(&own, 1 << 20);
        uint8_t number = (uint8_t)(i % 16);
        if (verifier_check(verifier, &own, job->tokens[number], FIXTURE_NOW, &read, kid) != STATUS_OK ||
            read.user_id.bytes[0] != number)
            job->failures++;
        arena_fini(&own);
    }
    return NULL;
}

START_TEST(many_threads_check_at_once) {
    pthread_t threads[THREADS];
    struct check_job jobs[THREADS];
    struct check_job first = { .failures = 0 };
    for (uint8_t i = 0; i < 16; i++)
        first.tokens[i] = create(&arena, i, "[]", FIXTURE_NOW);
    for (size_t i = 0; i < THREADS; i++) {
        jobs[i] = first;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, check_many, &jobs[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(jobs[i].failures, 0);
    }
}
END_TEST

Suite *verifier_suite(void) {
    Suite *suite = suite_create("verifier");
    TCase *tests = tcase_create("verifier");
    int time_rows = (int)ARRAY_LEN(times);
    tcase_set_timeout(tests, 60); /* thousands of tokens, which a sanitizer signs slowly */
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_cached_token_has_the_same_claims);
    tcase_add_loop_test(tests, times_are_checked_when_a_token_is_new, 0, time_rows);
    tcase_add_loop_test(tests, times_are_checked_when_a_token_is_cached, 0, time_rows);
    tcase_add_test(tests, a_refused_token_is_not_cached);
    tcase_add_test(tests, roles_too_long_for_the_cache_are_returned_all_the_same);
    tcase_add_test(tests, more_tokens_than_the_cache_holds_are_all_accepted);
    tcase_add_test(tests, a_verifier_of_another_audience_refuses);
    tcase_add_test(tests, a_token_of_the_older_key_is_accepted_beside_the_newer);
    tcase_add_test(tests, many_threads_check_at_once);
    suite_add_tcase(suite, tests);
    return suite;
}
