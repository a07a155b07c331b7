#include "jwtd/current_roles.h"
#include "jwtd/macros.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

Suite *current_roles_suite(void);

#define TTL INT64_C(900)
#define NOW INT64_C(1800000000)
#define MANY UINT32_C(20000)
#define ROUNDS 2000
#define CHANGES 100000

static struct current_roles *map;
static struct arena arena;

static void set_up(void) {
    map = current_roles_create(TTL);
    ck_assert_ptr_nonnull(map);
    arena_init(&arena, 64 << 20);
}

static void tear_down(void) {
    arena_fini(&arena);
    current_roles_destroy(map);
}

static struct uuid id_of(uint32_t number) {
    struct uuid id = { .bytes = { 1 } };
    memcpy(id.bytes + 12, &number, sizeof number);
    return id;
}

static void set_at(uint32_t number, const char *roles_json, int64_t now_s) {
    struct uuid id = id_of(number);
    ck_assert_int_eq(current_roles_set(map, &id, text_of(roles_json), now_s), STATUS_OK);
}

static void set(uint32_t number, const char *roles_json) {
    set_at(number, roles_json, NOW);
}

/* The roles of a token of this user, which says ["old"]. */
static void expect(uint32_t number, const char *roles_json) {
    struct access_claims claims = { .user_id = id_of(number), .roles_json = text_of("[\"old\"]") };
    ck_assert_int_eq(current_roles_apply(map, &arena, &claims), STATUS_OK);
    ck_assert_msg(text_equal(claims.roles_json, text_of(roles_json)), "%.*s and not %s", (int)claims.roles_json.len,
                  claims.roles_json.bytes, roles_json);
}

START_TEST(a_token_has_its_own_roles_until_they_change) {
    expect(1, "[\"old\"]");
    set(1, "[\"new\", \"newer\"]");
    expect(1, "[\"new\",\"newer\"]");
    expect(2, "[\"old\"]");
    set(1, "[]");
    expect(1, "[]");
    ck_assert_uint_eq(current_roles_count(map), 1);
}
END_TEST

START_TEST(what_is_no_role_is_left_out_and_what_is_no_list_refused) {
    static const char *const bad[] = { "", "null", "[1]", "{}", "[\"a\"" };
    struct uuid id = id_of(1);
    set(1, "[\"a b\",\"good\",\"gr\xc3\xb6\xc3\x9f\"]");
    expect(1, "[\"good\"]");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_int_eq(current_roles_set(map, &id, text_of(bad[i]), NOW), STATUS_INTERNAL);
    expect(1, "[\"good\"]");
}
END_TEST

static void forget_all(int64_t now_s) {
    for (unsigned i = 0; i < CURRENT_ROLES_SHARDS; i++)
        current_roles_expire(map, now_s);
}

START_TEST(they_are_kept_for_the_life_of_a_token_and_then_removed) {
    for (uint32_t i = 0; i < MANY; i++)
        set_at(i, "[\"new\"]", NOW + (i % 2 == 0 ? 0 : TTL));
    ck_assert_uint_eq(current_roles_count(map), MANY);
    forget_all(NOW + TTL + ACCESS_TOKEN_LEEWAY_S);
    ck_assert_uint_eq(current_roles_count(map), MANY);
    forget_all(NOW + TTL + 60);
    ck_assert_uint_eq(current_roles_count(map), MANY / 2);
    for (uint32_t i = 0; i < MANY; i++)
        expect(i, i % 2 == 0 ? "[\"old\"]" : "[\"new\"]");
    forget_all(NOW + 2 * TTL + 60);
    ck_assert_uint_eq(current_roles_count(map), 0);
}
END_TEST

START_TEST(a_change_that_is_read_again_is_kept_for_longer) {
    set(1, "[\"new\"]");
    set_at(1, "[\"new\"]", NOW + TTL);
    forget_all(NOW + TTL + 60);
    expect(1, "[\"new\"]");
}
END_TEST

START_TEST(a_full_arena_is_out_of_memory) {
    struct arena full;
    struct access_claims claims = { .user_id = id_of(1) };
    set(1, "[\"new\"]");
    arena_init(&full, 1);
    ck_assert_int_eq(current_roles_apply(map, &full, &claims), STATUS_OUT_OF_MEMORY);
    arena_fini(&full);
}
END_TEST

static void *change_and_look(void *argument) {
    struct arena own;
    (void)argument;
    arena_init(&own, 64 << 20);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct access_claims claims = { .user_id = id_of(i % 7), .roles_json = { NULL, 0 } };
        set(i % 7, i % 2 == 0 ? "[\"even\"]" : "[\"odd\",\"x\"]");
        ck_assert_int_eq(current_roles_apply(map, &own, &claims), STATUS_OK);
        ck_assert(text_equal(claims.roles_json, text_of("[\"even\"]")) ||
                  text_equal(claims.roles_json, text_of("[\"odd\",\"x\"]")));
        current_roles_expire(map, NOW);
    }
    arena_fini(&own);
    return NULL;
}

START_TEST(several_threads_may_change_and_read) {
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, change_and_look, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(current_roles_count(map), 7);
}
END_TEST

static atomic_bool is_over;

/* Without assertions of Check, which take longer than the change and a lock. */
static void *change_again_and_again(void *argument) {
    struct uuid id = id_of(1);
    bool *is_changed = argument;
    *is_changed = true;
    for (uint32_t i = 0; i < CHANGES; i++)
        *is_changed = current_roles_set(map, &id, text_of("[\"new\"]"), NOW) == STATUS_OK && *is_changed;
    atomic_store(&is_over, true);
    return NULL;
}

/* A role that was withdrawn would be effective for a moment. */
START_TEST(while_they_change_again_a_token_never_has_its_own_roles) {
    pthread_t thread;
    bool is_changed;
    unsigned stale = 0;
    set(1, "[\"new\"]");
    atomic_store(&is_over, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, change_again_and_again, &is_changed), 0);
    while (!atomic_load(&is_over)) {
        struct access_claims claims = { .user_id = id_of(1), .roles_json = text_of("[\"old\"]") };
        stale += current_roles_apply(map, &arena, &claims) == STATUS_OK && text_equal(claims.roles_json, text_of("[\"old\"]"));
        arena_clear(&arena);
    }
    pthread_join(thread, NULL);
    ck_assert(is_changed);
    ck_assert_uint_eq(stale, 0);
    ck_assert_uint_eq(current_roles_count(map), 1);
}
END_TEST

Suite *current_roles_suite(void) {
    Suite *suite = suite_create("current_roles");
    TCase *tests = tcase_create("current_roles");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_token_has_its_own_roles_until_they_change);
    tcase_add_test(tests, what_is_no_role_is_left_out_and_what_is_no_list_refused);
    tcase_add_test(tests, they_are_kept_for_the_life_of_a_token_and_then_removed);
    tcase_add_test(tests, a_change_that_is_read_again_is_kept_for_longer);
    tcase_add_test(tests, a_full_arena_is_out_of_memory);
    tcase_add_test(tests, several_threads_may_change_and_read);
    tcase_add_test(tests, while_they_change_again_a_token_never_has_its_own_roles);
    suite_add_tcase(suite, tests);
    return suite;
}
