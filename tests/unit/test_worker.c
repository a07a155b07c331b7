#include "src/http/exchange.h"
#include "src/http/worker.h"

#include "jwtd/macros.h"
#include "jwtd/thread.h"

#include <check.h>
#include <string.h>

Suite *worker_suite(void);

#define THREADS 4
#define LIMIT ((size_t)100000)
#define SECRET "a long walk by the sea"

static struct workers workers;

static void set_up(void) {
    ck_assert(workers_init(&workers, THREADS));
}

static void tear_down(void) {
    workers_fini(&workers, NULL);
}

START_TEST(an_exchange_that_has_ended_is_begun_again_empty) {
    struct worker *worker = worker_of_thread(&workers);
    struct exchange *first = exchange_begin(worker, LIMIT);
    ck_assert_ptr_nonnull(first);
    char *secret = arena_copy(&first->arena, SECRET, strlen(SECRET));
    first->path = secret;
    first->state = EXCHANGE_QUEUED;
    exchange_end(first);
    ck_assert_int_eq(secret[0], '\0');
    struct exchange *second = exchange_begin(worker, LIMIT);
    ck_assert_ptr_eq(second, first);
    ck_assert_int_eq(second->state, EXCHANGE_NEW);
    ck_assert_ptr_null(second->path);
    ck_assert_ptr_eq(arena_alloc(&second->arena, 1), secret); /* its memory, without the heap */
    exchange_end(second);
}
END_TEST

START_TEST(a_worker_keeps_few_spares) {
    struct worker *worker = worker_of_thread(&workers);
    struct exchange *exchanges[3 * WORKER_SPARES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
        exchanges[i] = exchange_begin(worker, LIMIT);
    ck_assert_uint_eq(workers_in_flight(&workers), ARRAY_LEN(exchanges));
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
        exchange_end(exchanges[i]);
    ck_assert_uint_eq(worker->spare_count, WORKER_SPARES_MAX);
    ck_assert_uint_eq(workers_in_flight(&workers), 0);
}
END_TEST

static struct worker *seen[THREADS];

static void begin_and_end(void *context) {
    struct worker **own = context;
    *own = worker_of_thread(&workers);
    ck_assert_ptr_eq(worker_of_thread(&workers), *own);
    for (int i = 0; i < 1000; i++)
        exchange_end(exchange_begin(*own, LIMIT));
}

START_TEST(each_thread_has_a_worker_of_its_own_and_no_cache_line_with_another) {
    struct thread threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(thread_start(&threads[i], "worker", begin_and_end, &seen[i]), STATUS_OK);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    ck_assert_uint_eq(workers_in_flight(&workers), 0);
    ck_assert_uint_eq((uintptr_t)workers.items % WORKER_CACHE_LINE, 0);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_ptr_ne(seen[i], seen[j]);
}
END_TEST

Suite *worker_suite(void) {
    Suite *suite = suite_create("worker");
    TCase *tcase = tcase_create("worker");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, an_exchange_that_has_ended_is_begun_again_empty);
    tcase_add_test(tcase, a_worker_keeps_few_spares);
    tcase_add_test(tcase, each_thread_has_a_worker_of_its_own_and_no_cache_line_with_another);
    suite_add_tcase(suite, tcase);
    return suite;
}
