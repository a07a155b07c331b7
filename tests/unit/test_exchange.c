#include "exchange_fixture.h"

#include "src/http/context.h"
#include "src/http/delayed_replies.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"

#include <signal.h>

Suite *exchange_suite(void);

static const struct fixture_header no_headers[] = { { NULL, NULL } };

/* Those that the drawing in exchange.h has. */
static const enum exchange_state paths[][6] = {
    { EXCHANGE_NEW, EXCHANGE_RECEIVING, EXCHANGE_RUNNING, EXCHANGE_ANSWERED, EXCHANGE_QUEUED, EXCHANGE_STATES },
    { EXCHANGE_NEW, EXCHANGE_RUNNING, EXCHANGE_SUSPENDED, EXCHANGE_RETURNED, EXCHANGE_RUNNING, EXCHANGE_ANSWERED },
    { EXCHANGE_NEW, EXCHANGE_DISCARDING, EXCHANGE_ANSWERED, EXCHANGE_DELAYED, EXCHANGE_DUE, EXCHANGE_QUEUED },
    { EXCHANGE_NEW, EXCHANGE_ANSWERED, EXCHANGE_QUEUED, EXCHANGE_STATES },
    { EXCHANGE_NEW, EXCHANGE_RECEIVING, EXCHANGE_RUNNING, EXCHANGE_ANSWERED, EXCHANGE_STREAMING, EXCHANGE_STREAMED },
};

static bool is_drawn(enum exchange_state from, enum exchange_state to) {
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        for (size_t j = 0; j + 1 < ARRAY_LEN(paths[i]) && paths[i][j + 1] != EXCHANGE_STATES; j++)
            if (paths[i][j] == from && paths[i][j + 1] == to)
                return true;
    return false;
}

static void move(int transition) {
    struct exchange_fixture *fixture = exchange_fixture_create(no_headers);
    reply_empty(&fixture->exchange.request, 204);
    fixture->exchange.state = (enum exchange_state)(transition / EXCHANGE_STATES);
    exchange_set_state(&fixture->exchange, (enum exchange_state)(transition % EXCHANGE_STATES));
    exchange_fixture_destroy(fixture);
}

START_TEST(a_transition_that_is_drawn_is_allowed) {
    if (is_drawn((enum exchange_state)(_i / EXCHANGE_STATES), (enum exchange_state)(_i % EXCHANGE_STATES)))
        move(_i);
}
END_TEST

START_TEST(any_other_transition_aborts) {
    if (is_drawn((enum exchange_state)(_i / EXCHANGE_STATES), (enum exchange_state)(_i % EXCHANGE_STATES)))
        raise(SIGABRT);
    move(_i);
}
END_TEST

START_TEST(without_a_reply_nothing_is_answered) {
    struct exchange_fixture *fixture = exchange_fixture_create(no_headers);
    fixture->exchange.state = EXCHANGE_RUNNING;
    exchange_set_state(&fixture->exchange, EXCHANGE_ANSWERED);
}
END_TEST

START_TEST(a_queued_reply_is_not_replaced) {
    struct exchange_fixture *fixture = exchange_fixture_create(no_headers);
    fixture->exchange.state = EXCHANGE_QUEUED;
    reply_empty(&fixture->exchange.request, 204);
}
END_TEST

START_TEST(when_the_service_stops_nothing_is_suspended) {
    struct exchange_fixture *fixture = exchange_fixture_create(no_headers);
    struct http_context context = { .counters = { .suspension_closed = true } };
    fixture->exchange.context = &context;
    fixture->exchange.state = EXCHANGE_RUNNING;
    ck_assert(!exchange_suspend(&fixture->exchange, EXCHANGE_SUSPENDED));
    ck_assert_int_eq(fixture->exchange.state, EXCHANGE_RUNNING);
    ck_assert_uint_eq(atomic_load(&context.counters.suspended), 0);
    exchange_fixture_destroy(fixture);
}
END_TEST

#define NOW_US (1000 * CLOCK_US_PER_S)
#define CLIENT "192.0.2.1"
#define PROXY "192.0.2.9"
#define LIMIT_US (10 * CLOCK_US_PER_S) /* of the request, which has just come */

static const struct {
    int64_t retry_us; /* the last Retry-After of the connection, from now; 0: none was sent */
    int64_t delay_us; /* at most; up to 30 % less, so that a crowd scatters */
    bool is_refusal;
    const char *client, *peer; /* NULL: unknown */
} delays[] = {
    { 2 * CLOCK_US_PER_S, 2 * CLOCK_US_PER_S, true, CLIENT, CLIENT },
    { 3600 * CLOCK_US_PER_S, LIMIT_US * 4 / 5, true, CLIENT, CLIENT }, /* the client has a deadline, too */
    { -1, 0, true, CLIENT, CLIENT },                                   /* it has waited */
    { 0, 0, true, CLIENT, CLIENT },
    { 2 * CLOCK_US_PER_S, 0, false, CLIENT, CLIENT }, /* what is no refusal never waits */
    { 2 * CLOCK_US_PER_S, 0, true, CLIENT, PROXY },   /* it was sent to another client of the same connection */
    { 2 * CLOCK_US_PER_S, 0, true, CLIENT, NULL },    /* a proxy on a Unix socket */
    { 2 * CLOCK_US_PER_S, 0, true, NULL, PROXY },     /* which has not said who its client is */
    { 2 * CLOCK_US_PER_S, 0, true, NULL, NULL },
};

static struct address read_address(const char *text) {
    struct address address = { .known = false };
    ck_assert(text == NULL || address_parse(text_of(text), &address));
    return address;
}

START_TEST(a_refusal_is_delayed_until_the_last_retry_after_has_passed) {
    struct exchange_fixture *fixture = exchange_fixture_create(no_headers);
    struct exchange *exchange = &fixture->exchange;
    exchange->received_us = NOW_US;
    exchange->request.deadline_us = NOW_US + LIMIT_US;
    exchange->request.client = read_address(delays[_i].client);
    exchange->request.peer = read_address(delays[_i].peer);
    if (delays[_i].is_refusal)
        reply_problem(&exchange->request, STATUS_RATE_LIMITED);
    else
        reply_problem(&exchange->request, STATUS_INVALID_TOKEN);
    int64_t retry_at_us = delays[_i].retry_us != 0 ? NOW_US + delays[_i].retry_us : 0;
    for (int i = 0; i < 100; i++) {
        int64_t due_us = delayed_replies_due_us(exchange, retry_at_us, NOW_US);
        if (delays[_i].delay_us == 0) {
            ck_assert_int_eq(due_us, 0);
            continue;
        }
        ck_assert_int_le(due_us - NOW_US, delays[_i].delay_us);
        ck_assert_int_ge(due_us - NOW_US, delays[_i].delay_us * 7 / 10);
    }
    exchange_fixture_destroy(fixture);
}
END_TEST

static const char *find_in(const struct header_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->fields[i].name, name) == 0)
            return list->fields[i].value;
    return "";
}

static const struct {
    int64_t delay_us;
    const char *retry_after, *reset;
} lowered[] = {
    { 0, "60", "\"login\";r=0;t=600" },
    { 999999, "60", "\"login\";r=0;t=600" },
    { 1600000, "59", "\"login\";r=0;t=599" },
    { 3600 * CLOCK_US_PER_S, "1", "\"login\";r=0;t=1" },
};

START_TEST(a_delayed_refusal_asks_for_no_more_than_the_time_that_is_left) {
    struct exchange_fixture *fixture = exchange_fixture_create(no_headers);
    struct exchange *exchange = &fixture->exchange;
    struct limit_decision decision = { .is_limited = true,
                                       .name = "login",
                                       .quota = 10,
                                       .window_us = 600 * CLOCK_US_PER_S,
                                       .reset_us = 600 * CLOCK_US_PER_S,
                                       .retry_after_us = 60 * CLOCK_US_PER_S };
    ck_assert_int_eq(header_list_add(&exchange->common_headers, "RateLimit", "\"route\";r=5;t=7200"), STATUS_OK);
    reply_limited(&exchange->request, STATUS_RATE_LIMITED, &decision);
    delayed_replies_lower_times(exchange, lowered[_i].delay_us);
    ck_assert_str_eq(find_in(&exchange->reply.headers, "Retry-After"), lowered[_i].retry_after);
    ck_assert_str_eq(find_in(&exchange->reply.headers, "RateLimit"), lowered[_i].reset);
    ck_assert_int_eq(exchange->reply.retry_after_us, strtol(lowered[_i].retry_after, NULL, 10) * CLOCK_US_PER_S);
    ck_assert_int_eq(strcmp(find_in(&exchange->common_headers, "RateLimit"), "\"route\";r=5;t=7200") == 0,
                     lowered[_i].delay_us < CLOCK_US_PER_S);
    exchange_fixture_destroy(fixture);
}
END_TEST

Suite *exchange_suite(void) {
    Suite *suite = suite_create("exchange");
    TCase *tcase = tcase_create("exchange");
    int transitions = EXCHANGE_STATES * EXCHANGE_STATES;
    tcase_add_loop_test(tcase, a_transition_that_is_drawn_is_allowed, 0, transitions);
    tcase_add_loop_test_raise_signal(tcase, any_other_transition_aborts, SIGABRT, 0, transitions);
    tcase_add_test_raise_signal(tcase, without_a_reply_nothing_is_answered, SIGABRT);
    tcase_add_test_raise_signal(tcase, a_queued_reply_is_not_replaced, SIGABRT);
    tcase_add_test(tcase, when_the_service_stops_nothing_is_suspended);
    tcase_add_loop_test(tcase, a_refusal_is_delayed_until_the_last_retry_after_has_passed, 0, (int)ARRAY_LEN(delays));
    tcase_add_loop_test(tcase, a_delayed_refusal_asks_for_no_more_than_the_time_that_is_left, 0, (int)ARRAY_LEN(lowered));
    suite_add_tcase(suite, tcase);
    return suite;
}
