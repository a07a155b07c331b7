#include "jwtd/lanes.h"
#include "jwtd/macros.h"

#include <check.h>
#include <ctype.h>
#include <string.h>

Suite *lanes_suite(void);

struct letter {
    char name;
    struct lane_job job; /* not first: container_of finds the letter */
};

#define EVENTS_MAX 32
#define EMPTY '-'

/* A small letter is queued in the light lane, a capital in the heavy one; '.' takes a job. At the end all are taken. */
static const struct {
    const char *what, *events, *taken;
} cases[] = {
    { "an empty queue has no job", "..", "--" },
    { "a lane is first in, first out", "abc", "abc" },
    { "so is the other", "ABC", "ABC" },
    { "lanes take turns", "abcABC", "aAbBcC" },
    { "whatever the order of arrival", "ABCabc", "aAbBcC" },
    { "many jobs in one do not delay the other", "ABCDEFa.b.", "aAbBCDEF" },
    { "an empty lane is passed over", "AB.a", "AaB" },
    { "and keeps its turn", "A.Bb", "AbB" },
    { "as it does when there is no job", "..Aa", "--aA" },
    { "a queue that was empty is used again", "a.b.A.B.", "abAB" },
};

static char take(struct lanes *lanes) {
    const struct lane_job *first = lanes_first(lanes);
    unsigned count = lanes->count;
    ck_assert_ptr_eq(lanes_first(lanes), first); /* reading it changes nothing */
    struct lane_job *job = lanes_take(lanes);
    ck_assert_ptr_eq(job, first);
    ck_assert_uint_eq(lanes->count, job != NULL ? count - 1 : 0);
    return job != NULL ? container_of(job, struct letter, job)->name : EMPTY;
}

START_TEST(jobs_are_taken_in_turn_from_both_lanes) {
    struct letter letters[EVENTS_MAX];
    char taken[EVENTS_MAX] = "";
    size_t taken_count = 0, count = strlen(cases[_i].events);
    struct lanes lanes = { .count = 0 };
    for (size_t i = 0; i < count; i++) {
        char event = cases[_i].events[i];
        if (event == '.') {
            taken[taken_count++] = take(&lanes);
            continue;
        }
        /* what the link held before is of no account */
        letters[i] = (struct letter){ event, { .next = &letters[0].job, .lane = islower(event) ? LANE_LIGHT : LANE_HEAVY } };
        lanes_push(&lanes, &letters[i].job);
    }
    while (lanes.count > 0)
        taken[taken_count++] = take(&lanes);
    ck_assert_msg(strcmp(taken, cases[_i].taken) == 0, "%s: %s", cases[_i].what, taken);
    ck_assert_ptr_null(lanes_first(&lanes));
    ck_assert_ptr_null(lanes_take(&lanes));
}
END_TEST

START_TEST(a_job_that_was_taken_can_be_queued_again_in_either_lane) {
    struct letter a = { 'a', { .lane = LANE_LIGHT } }, b = { 'b', { .lane = LANE_LIGHT } };
    struct lanes lanes = { .count = 0 };
    lanes_push(&lanes, &a.job);
    lanes_push(&lanes, &b.job);
    ck_assert_int_eq(take(&lanes), 'a');
    lanes_push(&lanes, &a.job);
    ck_assert_int_eq(take(&lanes), 'b');
    b.job.lane = LANE_HEAVY;
    lanes_push(&lanes, &b.job);
    ck_assert_int_eq(take(&lanes), 'b'); /* its lane's turn */
    ck_assert_int_eq(take(&lanes), 'a');
    ck_assert_int_eq(take(&lanes), EMPTY);
}
END_TEST

Suite *lanes_suite(void) {
    Suite *suite = suite_create("lanes");
    TCase *tcase = tcase_create("lanes");
    tcase_add_loop_test(tcase, jobs_are_taken_in_turn_from_both_lanes, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tcase, a_job_that_was_taken_can_be_queued_again_in_either_lane);
    suite_add_tcase(suite, tcase);
    return suite;
}
