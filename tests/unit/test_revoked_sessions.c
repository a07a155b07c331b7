#include "jwtd/access_token.h"
#include "jwtd/revoked_sessions.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>

Suite *revoked_sessions_suite(void);

#define TTL INT64_C(900)
#define NOW INT64_C(1800000000)
#define MANY UINT32_C(20000)
#define OF_EACH_THREAD UINT32_C(2000)
#define LONG_AFTER (NOW + 2 * TTL)

static struct revoked_sessions *set;

static void set_up(void) {
    set = revoked_sessions_create(TTL);
    ck_assert_ptr_nonnull(set);
}

static void tear_down(void) {
    revoked_sessions_destroy(set);
}

static struct uuid id_of(uint32_t number) {
    struct uuid id = { .bytes = { 1 } };
    for (unsigned i = 0; i < 4; i++)
        id.bytes[12 + i] = (uint8_t)(number >> (8 * i));
    return id;
}

static void add(uint32_t number, int64_t now_s) {
    struct uuid id = id_of(number);
    ck_assert_int_eq(revoked_sessions_add(set, &id, now_s), STATUS_OK);
}

static bool contains(uint32_t number) {
    struct uuid id = id_of(number);
    return revoked_sessions_contain(set, &id);
}

START_TEST(a_session_is_in_the_set_once_it_was_added) {
    ck_assert(!contains(1));
    add(1, NOW);
    ck_assert(contains(1));
    ck_assert(!contains(2));
}
END_TEST

START_TEST(adding_again_is_the_same_as_once) {
    add(1, NOW);
    add(1, NOW + 1);
    ck_assert_uint_eq(revoked_sessions_count(set), 1);
    ck_assert(contains(1));
}
END_TEST

START_TEST(the_id_of_zeros_is_an_id_like_others) {
    struct uuid zero = { .bytes = { 0 } };
    ck_assert(!revoked_sessions_contain(set, &zero));
    ck_assert_int_eq(revoked_sessions_add(set, &zero, NOW), STATUS_OK);
    ck_assert(revoked_sessions_contain(set, &zero));
}
END_TEST

START_TEST(the_set_grows_and_loses_none) {
    for (uint32_t i = 0; i < MANY; i++)
        add(i, NOW + i / 100);
    ck_assert_uint_eq(revoked_sessions_count(set), MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        ck_assert(contains(i));
        ck_assert(!contains(MANY + i));
    }
}
END_TEST

START_TEST(expired_sessions_are_removed_and_the_set_stays_small) {
    for (uint32_t i = 0; i < MANY; i++)
        add(i, NOW);
    for (uint32_t i = 0; i < 2 * MANY; i++)
        add(MANY + i, LONG_AFTER);
    size_t count = revoked_sessions_count(set);
    ck_assert_uint_ge(count, (size_t)2 * MANY);
    ck_assert_uint_lt(count, (size_t)3 * MANY);
    for (uint32_t i = 0; i < 2 * MANY; i++)
        ck_assert(contains(MANY + i));
}
END_TEST

START_TEST(a_steady_stream_keeps_the_set_bounded) {
    for (uint32_t i = 0; i < 10 * MANY; i++)
        add(i, NOW + i); /* one a second: never more than TTL and a margin alive */
    ck_assert_uint_lt(revoked_sessions_count(set), 4 * (TTL + 100));
}
END_TEST

START_TEST(a_session_is_kept_beyond_its_last_token) {
    add(1, NOW);
    /* tokens may be signed by a clock that is ahead and checked by one that is behind; so many make every shard drop the expired
     */
    for (uint32_t i = 0; i < MANY; i++)
        add(MANY + i, NOW + TTL + INT64_C(2) * ACCESS_TOKEN_LEEWAY_S);
    ck_assert(contains(1));
    for (uint32_t i = 0; i < MANY; i++)
        add(2 * MANY + i, LONG_AFTER);
    ck_assert(!contains(1));
}
END_TEST

START_TEST(adding_again_keeps_a_session_longer_and_never_shorter) {
    add(1, NOW);
    add(1, NOW + TTL);
    add(1, NOW - TTL);
    for (uint32_t i = 0; i < MANY; i++)
        add(MANY + i, NOW + TTL + TTL / 2);
    ck_assert(contains(1));
}
END_TEST

START_TEST(the_set_is_ready_when_it_was_read_and_grows_old_from_then_on) {
    ck_assert(!revoked_sessions_are_ready(set));
    add(1, NOW);
    ck_assert(!revoked_sessions_are_ready(set));
    revoked_sessions_set_read(set, 1000000);
    ck_assert(revoked_sessions_are_ready(set));
    ck_assert_int_eq(revoked_sessions_age_us(set, 1000000), 0);
    ck_assert_int_eq(revoked_sessions_age_us(set, 3500000), 2500000);
    add(2, NOW);
    ck_assert_int_eq(revoked_sessions_age_us(set, 3500000), 2500000);
    revoked_sessions_set_read(set, 3000000);
    ck_assert_int_eq(revoked_sessions_age_us(set, 3500000), 500000);
    ck_assert_int_eq(revoked_sessions_age_us(set, 2999999), 0);
}
END_TEST

static void *add_and_look(void *argument) {
    uint32_t base = *(const uint32_t *)argument;
    for (uint32_t i = 0; i < OF_EACH_THREAD; i++) {
        struct uuid id = id_of(base + i);
        if (revoked_sessions_add(set, &id, NOW) != STATUS_OK || !revoked_sessions_contain(set, &id))
            return argument;
    }
    return NULL;
}

START_TEST(many_threads_add_and_search_at_once) {
    pthread_t threads[4];
    uint32_t bases[4];
    for (uint32_t i = 0; i < 4; i++) {
        bases[i] = i * MANY;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_and_look, &bases[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_uint_eq(revoked_sessions_count(set), (size_t)4 * OF_EACH_THREAD);
}
END_TEST

static atomic_uint_fast32_t added; /* sessions from 0 on */
static atomic_bool is_over;

static void *search_what_was_added(void *argument) {
    (void)argument;
    while (!atomic_load(&is_over)) {
        uint32_t count = (uint32_t)atomic_load(&added);
        for (uint32_t i = 0; i < count; i += 1 + count / 64)
            if (!contains(i))
                return &added;
    }
    return NULL;
}

START_TEST(what_was_added_is_found_at_every_moment_while_the_set_grows) {
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, search_what_was_added, NULL), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        add(i, NOW);
        atomic_store(&added, i + 1);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < 2; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
}
END_TEST

Suite *revoked_sessions_suite(void) {
    Suite *suite = suite_create("revoked_sessions");
    TCase *tests = tcase_create("revoked_sessions");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_session_is_in_the_set_once_it_was_added);
    tcase_add_test(tests, adding_again_is_the_same_as_once);
    tcase_add_test(tests, the_id_of_zeros_is_an_id_like_others);
    tcase_add_test(tests, the_set_grows_and_loses_none);
    tcase_add_test(tests, expired_sessions_are_removed_and_the_set_stays_small);
    tcase_add_test(tests, a_steady_stream_keeps_the_set_bounded);
    tcase_add_test(tests, a_session_is_kept_beyond_its_last_token);
    tcase_add_test(tests, adding_again_keeps_a_session_longer_and_never_shorter);
    tcase_add_test(tests, the_set_is_ready_when_it_was_read_and_grows_old_from_then_on);
    tcase_add_test(tests, many_threads_add_and_search_at_once);
    tcase_add_test(tests, what_was_added_is_found_at_every_moment_while_the_set_grows);
    suite_add_tcase(suite, tests);
    return suite;
}
