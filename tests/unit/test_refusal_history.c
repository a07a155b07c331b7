#include "src/http/refusal_history.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>

Suite *refusal_history_suite(void);

#define NOW_US (1000 * CLOCK_US_PER_S)

/* A client that is refused for the first time and then comes back so long after each refusal; which of these it sees as a loop.
 */
static const struct {
    const char *who;
    int64_t retry_after_us;
    int64_t pauses_us[6];
    bool is_loop[6];
} clients[] = {
    { "loop", 60 * CLOCK_US_PER_S, { 0, 0, 0, 0, 0, 0 }, { false, false, false, true, true, true } },
    { "one that sleeps for a moment",
      60 * CLOCK_US_PER_S,
      { 900000, 900000, 900000, 900000, 900000, 900000 },
      { false, false, false, true, true, true } },
    { "person who presses twice, and once a second later on",
      60 * CLOCK_US_PER_S,
      { 300000, 300000, 1500000, 1500000, 1500000, 300000 },
      { false } },
    { "one that waits for Retry-After", CLOCK_US_PER_S / 2, { 500000, 500000, 500000, 500000, 500000, 500000 }, { false } },
    { "loop that rests in between", 60 * CLOCK_US_PER_S, { 0, 0, 0, 1000000, 0, 0 }, { false } },
};

START_TEST(a_loop_has_come_back_at_once_four_times_in_a_row) {
    struct refusal_history refusals = { .retry_at_us = 0 };
    int64_t now_us = NOW_US;
    ck_assert(!refusal_history_count(&refusals, now_us, now_us));
    refusal_history_sent(&refusals, clients[_i].retry_after_us, now_us);
    for (size_t i = 0; i < ARRAY_LEN(clients[_i].pauses_us); i++) {
        now_us += clients[_i].pauses_us[i];
        bool is_loop = refusal_history_count(&refusals, now_us, now_us);
        ck_assert_msg(is_loop == clients[_i].is_loop[i], "%s: %zu", clients[_i].who, i);
        refusal_history_sent(&refusals, clients[_i].retry_after_us, now_us);
    }
}
END_TEST

/* Under overload the refusal comes late; the client came back at once all the same. */
START_TEST(what_counts_is_when_the_request_began) {
    struct refusal_history refusals = { .at_once = REFUSALS_AT_ONCE_MAX };
    refusal_history_sent(&refusals, 60 * CLOCK_US_PER_S, NOW_US);
    ck_assert(refusal_history_count(&refusals, NOW_US + 100, NOW_US + 4 * CLOCK_US_PER_S));
}
END_TEST

Suite *refusal_history_suite(void) {
    Suite *suite = suite_create("refusal_history");
    TCase *tcase = tcase_create("refusal_history");
    tcase_add_loop_test(tcase, a_loop_has_come_back_at_once_four_times_in_a_row, 0, (int)ARRAY_LEN(clients));
    tcase_add_test(tcase, what_counts_is_when_the_request_began);
    suite_add_tcase(suite, tcase);
    return suite;
}
