#include "exchange_fixture.h"

#include "src/http/context.h"
#include "src/http/pipeline.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"
#include "jwtd/users.h"

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
        admission_destroy(fixture->services.admissions[i]);
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

static enum step_result ask(struct request *request, struct db_query *query) {
    static const struct uuid id;
    static struct found_user found;
    (void)request;
    note("q");
    users_find_by_id(query, &id, &found);
    return STEP_NEXT;
}

static enum step_result ask_nothing(struct request *request, struct db_query *query) {
    (void)request;
    (void)query;
    note("-");
    return STEP_NEXT;
}

static enum step_result answer_instead(struct request *request, struct db_query *query) {
    (void)query;
    return answer(request);
}

static bool is_needless(const struct request *request) {
    (void)request;
    return false;
}

static const struct step next = { .name = "next", .executor = ON_HTTP, .run = go_on };
static const struct step done = { .name = "done", .executor = ON_HTTP, .run = answer };
static const struct step muddled = { .name = "muddled", .executor = ON_HTTP, .run = write_and_go_on };
static const struct step queries = { .name = "queries", .executor = ON_DATABASE, .ask = ask, .run = never };
static const struct step skipped = { .name = "skipped", .executor = ON_DATABASE, .ask = ask_nothing, .run = never };
static const struct step refuses = { .name = "refuses", .executor = ON_DATABASE, .ask = answer_instead, .run = never };
static const struct step hashes = { .name = "hashes", .executor = ON_CRYPTO, .run = never };

static const struct step needless = { .name = "needless", .executor = ON_HTTP, .run = never, .applies = is_needless };
static const struct step needless_query = { .name = "needless", .executor = ON_DATABASE, .ask = ask, .applies = is_needless };
static const struct step needless_hash = { .name = "needless", .executor = ON_CRYPTO, .run = never, .applies = is_needless };

static void make_queue(enum executor executor) {
    fixture->services.admissions[executor] =
        admission_create(&(struct admission_options){ .name = "test", .servers = 1, .queue_limit = 1 });
    ck_assert_ptr_nonnull(fixture->services.admissions[executor]);
}

static bool has_place(enum executor executor) {
    int64_t retry_after_us;
    return admission_reserve(fixture->services.admissions[executor], INT64_MAX, &retry_after_us) == STATUS_OK;
}

static const struct {
    const struct step *steps[ROUTE_STEPS_MAX + 1];
    const char *ran;
    unsigned http_status;
} routes_here[] = {
    { { &done }, "a", 204 },
    { { &next, &next, &done }, "nna", 204 },
    { { &done, &next }, "a", 204 },             /* the reply ends it */
    { { &skipped, &next, &done }, "-na", 204 }, /* a step that asks the database nothing is over */
    { { &refuses, &next }, "a", 204 },          /* a reply instead of a question */
    { { &needless, &next, &needless_query, &needless_hash, &done }, "na", 204 }, /* on no executor at all */
    { { &next, &next, &next, &next, &next, &next, &next }, "nnnnnnn", 500 }, /* a route without a reply is an internal error */
    { { &next, &next, &next, &next, &next, &next, &done }, "nnnnnna", 204 }, /* the last of as many as there can be */
};

START_TEST(steps_run_in_their_order_until_one_has_replied) {
    memcpy(fixture->route.steps, routes_here[_i].steps, sizeof fixture->route.steps);
    ck_assert(pipeline_run(&fixture->exchange));
    ck_assert_str_eq(ran, routes_here[_i].ran);
    ck_assert_uint_eq(fixture->exchange.reply.http_status, routes_here[_i].http_status);
    ck_assert_int_eq(fixture->exchange.state, EXCHANGE_ANSWERED);
}
END_TEST

/* Whichever of the two queues is full: the first that the request needs, or a later one. */
START_TEST(a_request_that_an_executor_would_not_admit_is_refused_before_it_is_suspended) {
    static const enum executor full[] = { ON_DATABASE, ON_CRYPTO };
    fixture->route.steps[0] = &next;
    fixture->route.steps[1] = &queries;
    fixture->route.steps[2] = &hashes;
    make_queue(ON_DATABASE);
    make_queue(ON_CRYPTO);
    ck_assert(has_place(full[_i])); /* the only one */
    ck_assert(pipeline_run(&fixture->exchange));
    ck_assert_str_eq(ran, "nq");
    ck_assert_uint_eq(fixture->exchange.reply.http_status, 503);
    ck_assert_int_gt(fixture->exchange.reply.retry_after_us, 0);
    ck_assert_int_eq(fixture->exchange.state, EXCHANGE_ANSWERED);
    ck_assert_uint_eq(atomic_load(&context.counters.suspended), 0);
    ck_assert(has_place(full[1 - _i]));
}
END_TEST

/* A change of the name does not wait for the logins that fill the queue. */
START_TEST(a_step_that_does_not_apply_needs_no_admission) {
    fixture->route.steps[0] = &queries;
    fixture->route.steps[1] = &needless_hash;
    make_queue(ON_DATABASE);
    make_queue(ON_CRYPTO);
    ck_assert(has_place(ON_CRYPTO));                         /* the only one */
    atomic_store(&context.counters.suspension_closed, true); /* reached behind admission, before a connection is needed */
    ck_assert(pipeline_run(&fixture->exchange));
    ck_assert(fixture->exchange.is_admitted);
    ck_assert(has_place(ON_DATABASE));
}
END_TEST

START_TEST(when_the_service_stops_the_place_is_given_back) {
    fixture->route.steps[0] = &queries;
    make_queue(ON_DATABASE);
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

Suite *pipeline_suite(void) {
    Suite *suite = suite_create("pipeline");
    TCase *tcase = tcase_create("pipeline");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, steps_run_in_their_order_until_one_has_replied, 0, (int)ARRAY_LEN(routes_here));
    tcase_add_loop_test(tcase, a_request_that_an_executor_would_not_admit_is_refused_before_it_is_suspended, 0, 2);
    tcase_add_test(tcase, a_step_that_does_not_apply_needs_no_admission);
    tcase_add_test(tcase, when_the_service_stops_the_place_is_given_back);
    tcase_add_test_raise_signal(tcase, a_step_that_replies_and_goes_on_aborts, SIGABRT);
    suite_add_tcase(suite, tcase);
    return suite;
}
