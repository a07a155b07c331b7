#include "exchange_fixture.h"

#include "src/http/context.h"
#include "src/http/pipeline.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"

#include <signal.h>

Suite *pipeline_suite(void);

static const struct fixture_header no_headers[] = { { NULL, NULL } };
static struct exchange_fixture *fixture;
static struct http_context context;
static char ran[16]; /* a letter for each step */

static void set_up(void) {
    fixture = exchange_fixture_create(no_headers);
    context = (struct http_context){ .services = &fixture->services };
    struct exchange *exchange = &fixture->exchange;
    exchange->context = &context;
    exchange->state = EXCHANGE_RUNNING;
    exchange->received_us = clock_monotonic_us();
    exchange->request.deadline_us = exchange->received_us + 10 * CLOCK_US_PER_S;
    ran[0] = '\0';
}

static void tear_down(void) {
    for (size_t i = 0; i < EXECUTOR_COUNT; i++)
        if (fixture->services.pools[i] != NULL)
            pool_destroy(fixture->services.pools[i]);
    exchange_fixture_destroy(fixture);
}

static void note(const char *step) {
    strncat(ran, step, sizeof ran - strlen(ran) - 1);
}

static enum step_result go_on(struct request *request) {
    (void)request;
    note("n");
    return STEP_NEXT;
}

static enum step_result answer(struct request *request) {
    note("a");
    return reply_empty(request, 204);
}

static enum step_result write_and_go_on(struct request *request) {
    reply_empty(request, 204);
    return STEP_NEXT;
}

static enum step_result never(struct request *request) {
    (void)request;
    ck_abort_msg("a step ran on a thread that is not its executor's");
    return STEP_DONE;
}

static const struct step next = { "next", ON_HTTP, go_on };
static const struct step done = { "done", ON_HTTP, answer };
static const struct step muddled = { "muddled", ON_HTTP, write_and_go_on };
static const struct step queries = { "queries", ON_DATABASE, never };
static const struct step hashes = { "hashes", ON_CRYPTO, never };

static void make_pool(enum executor executor) {
    fixture->services.pools[executor] = pool_create(&(struct pool_options){ .name = "test", .threads = 1, .queue_limit = 1 });
    ck_assert_ptr_nonnull(fixture->services.pools[executor]);
}

static void fill(enum executor executor) {
    int64_t retry_after_us;
    ck_assert_int_eq(pool_reserve(fixture->services.pools[executor], INT64_MAX, &retry_after_us), STATUS_OK);
}

static bool has_place(enum executor executor) {
    int64_t retry_after_us;
    bool has = pool_reserve(fixture->services.pools[executor], INT64_MAX, &retry_after_us) == STATUS_OK;
    if (has)
        pool_cancel(fixture->services.pools[executor]);
    return has;
}

static const struct {
    const struct step *steps[ROUTE_STEPS_MAX];
    const char *ran;
    unsigned http_status;
} routes_here[] = {
    { { &done }, "a", 204 },
    { { &next, &next, &done }, "nna", 204 },
    { { &done, &next }, "a", 204 },                          /* the reply ends it */
    { { &next, &next, &next, &next, &next }, "nnnnn", 500 }, /* a route without a reply is an internal error */
    { { &next, &next, &next, &next, &done }, "nnnna", 204 }, /* the last of as many as there can be */
};

START_TEST(steps_run_in_their_order_until_one_has_replied) {
    memcpy(fixture->route.steps, routes_here[_i].steps, sizeof fixture->route.steps);
    ck_assert(pipeline_run(&fixture->exchange));
    ck_assert_str_eq(ran, routes_here[_i].ran);
    ck_assert_uint_eq(fixture->exchange.reply.http_status, routes_here[_i].http_status);
    ck_assert_int_eq(fixture->exchange.state, EXCHANGE_ANSWERED);
}
END_TEST

/* Whichever of the two pools is full: the first that the request needs, or a later one. */
START_TEST(a_request_that_a_pool_would_not_admit_is_refused_before_it_is_suspended) {
    static const enum executor full[] = { ON_DATABASE, ON_CRYPTO };
    fixture->route.steps[0] = &next;
    fixture->route.steps[1] = &queries;
    fixture->route.steps[2] = &hashes;
    make_pool(ON_DATABASE);
    make_pool(ON_CRYPTO);
    fill(full[_i]);
    ck_assert(pipeline_run(&fixture->exchange));
    ck_assert_str_eq(ran, "n");
    ck_assert_uint_eq(fixture->exchange.reply.http_status, 503);
    ck_assert_int_gt(fixture->exchange.reply.retry_after_us, 0);
    ck_assert_int_eq(fixture->exchange.state, EXCHANGE_ANSWERED);
    ck_assert_uint_eq(atomic_load(&context.counters.suspended), 0);
    ck_assert(has_place(full[1 - _i]));
    pool_cancel(fixture->services.pools[full[_i]]);
}
END_TEST

START_TEST(when_the_service_stops_the_place_is_given_back) {
    fixture->route.steps[0] = &queries;
    make_pool(ON_DATABASE);
    atomic_store(&context.counters.suspension_closed, true);
    ck_assert(pipeline_run(&fixture->exchange));
    ck_assert_uint_eq(fixture->exchange.reply.http_status, 503);
    ck_assert(has_place(ON_DATABASE));
}
END_TEST

START_TEST(a_step_that_replies_and_goes_on_aborts) {
    fixture->route.steps[0] = &muddled;
    fixture->route.steps[1] = &done;
    pipeline_run(&fixture->exchange);
}
END_TEST

START_TEST(a_request_that_holds_the_database_on_an_http_thread_aborts) {
    fixture->route.steps[0] = &done;
    fixture->exchange.request.db = (struct db *)fixture;
    pipeline_run(&fixture->exchange);
}
END_TEST

Suite *pipeline_suite(void) {
    Suite *suite = suite_create("pipeline");
    TCase *tcase = tcase_create("pipeline");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, steps_run_in_their_order_until_one_has_replied, 0, (int)ARRAY_LEN(routes_here));
    tcase_add_loop_test(tcase, a_request_that_a_pool_would_not_admit_is_refused_before_it_is_suspended, 0, 2);
    tcase_add_test(tcase, when_the_service_stops_the_place_is_given_back);
    tcase_add_test_raise_signal(tcase, a_step_that_replies_and_goes_on_aborts, SIGABRT);
    tcase_add_test_raise_signal(tcase, a_request_that_holds_the_database_on_an_http_thread_aborts, SIGABRT);
    suite_add_tcase(suite, tcase);
    return suite;
}
