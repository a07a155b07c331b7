#include "src/http/exchange.h"
#include "src/http/http_thread.h"

#include "jwtd/macros.h"
#include "jwtd/thread.h"

#include <check.h>
#include <string.h>

Suite *http_thread_suite(void);

#define THREADS 4
#define LIMIT ((size_t)100000)
#define SECRET "a long walk by the sea"

static struct http_threads http_threads;

static void set_up(void) {
    ck_assert(http_threads_init(&http_threads, THREADS));
}

static void tear_down(void) {
    http_threads_fini(&http_threads, NULL);
}

START_TEST(an_exchange_that_has_ended_is_begun_again_empty) {
    struct http_thread *thread = http_thread_current(&http_threads);
    struct exchange *first = exchange_begin(thread, LIMIT);
    ck_assert_ptr_nonnull(first);
    char *secret = arena_copy(&first->arena, SECRET, strlen(SECRET));
    first->path = secret;
    first->state = EXCHANGE_QUEUED;
    exchange_end(first);
    ck_assert_int_eq(secret[0], '\0');
    struct exchange *second = exchange_begin(thread, LIMIT);
    ck_assert_ptr_eq(second, first);
    ck_assert_int_eq(second->state, EXCHANGE_NEW);
    ck_assert_ptr_null(second->path);
    ck_assert_ptr_eq(arena_alloc(&second->arena, 1), secret); /* its memory, without the heap */
    exchange_end(second);
}
END_TEST

START_TEST(a_thread_keeps_few_spares) {
    struct http_thread *thread = http_thread_current(&http_threads);
    struct exchange *exchanges[3 * HTTP_THREAD_SPARES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
        exchanges[i] = exchange_begin(thread, LIMIT);
    ck_assert_uint_eq(http_threads_in_flight(&http_threads), ARRAY_LEN(exchanges));
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
        exchange_end(exchanges[i]);
    ck_assert_uint_eq(thread->spare_count, HTTP_THREAD_SPARES_MAX);
    ck_assert_uint_eq(http_threads_in_flight(&http_threads), 0);
}
END_TEST

static struct http_thread *seen[THREADS];

static void begin_and_end(void *context) {
    struct http_thread **own = context;
    *own = http_thread_current(&http_threads);
    ck_assert_ptr_eq(http_thread_current(&http_threads), *own);
    for (int i = 0; i < 1000; i++)
        exchange_end(exchange_begin(*own, LIMIT));
}

START_TEST(each_thread_has_its_own_data_and_no_cache_line_with_another) {
    struct thread threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(thread_start(&threads[i], "http_thread", begin_and_end, &seen[i]), STATUS_OK);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    ck_assert_uint_eq(http_threads_in_flight(&http_threads), 0);
    ck_assert_uint_eq((uintptr_t)http_threads.items % HTTP_THREAD_CACHE_LINE, 0);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_ptr_ne(seen[i], seen[j]);
}
END_TEST

Suite *http_thread_suite(void) {
    Suite *suite = suite_create("http_thread");
    TCase *tcase = tcase_create("http_thread");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, an_exchange_that_has_ended_is_begun_again_empty);
    tcase_add_test(tcase, a_thread_keeps_few_spares);
    tcase_add_test(tcase, each_thread_has_its_own_data_and_no_cache_line_with_another);
    suite_add_tcase(suite, tcase);
    return suite;
}
