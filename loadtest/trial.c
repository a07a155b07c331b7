#include "trial.h"

#include "display.h"
#include "sequential.h"

#include <math.h>
#include <stdio.h>

#define PILE_MIN 20.0    /* requests: a queue's ordinary ups and downs */
#define PILE_SHARE 0.02  /* of those that came meanwhile */
#define PILE_CLEARLY 3.0 /* times that: need not be waited for */
#define CLEARLY_AFTER_S 2.0
#define REQUESTS_MIN 30 /* to decide by when the time is over */

static double pile(const struct trial *trial, const struct trial_progress *progress) {
    double due = 0;
    for (size_t i = 0; i < ENDPOINTS; i++)
        due += (double)progress->tallies[i].due;
    double allowed = fmax(PILE_MIN, PILE_SHARE * due / 2);
    return trial->open_loop ? progress->backlog_growth * progress->seconds / 2 / allowed : 0;
}

bool trial_piles_up(const struct trial *trial, const struct trial_progress *progress) {
    return pile(trial, progress) > 1;
}

const char *trial_describe_pile(double backlog_growth, char text[TRIAL_PILE_SIZE]) {
    char more[DISPLAY_NUMBER_SIZE];
    snprintf(text, TRIAL_PILE_SIZE, "every second %s more requests arrive than are answered", display_load(backlog_growth, more));
    return text;
}

static enum trial_verdict judge_objectives(const struct trial *trial, const struct trial_progress *progress) {
    enum trial_verdict verdict = TRIAL_GOOD;
    for (size_t i = 0; i < trial->objectives->count; i++) {
        const struct objective *objective = &trial->objectives->items[i];
        struct objective_count count = objective_count(objective, progress->tallies);
        if (objective->share_allowed <= 0) {
            if (count.bad > 0)
                return TRIAL_BAD;
            continue;
        }
        enum sequential_verdict one = sequential_test(objective->share_allowed, count.requests, count.bad);
        if (one == SEQUENTIAL_BAD)
            return TRIAL_BAD;
        if (one == SEQUENTIAL_UNDECIDED)
            verdict = TRIAL_UNDECIDED;
    }
    return verdict;
}

bool trial_has_held(const struct trial *trial, const struct trial_progress *progress) {
    return objectives_first_missed(trial->objectives, progress->tallies) == NULL && !trial_piles_up(trial, progress);
}

enum trial_verdict trial_judge(const struct trial *trial, const struct trial_progress *progress) {
    enum trial_verdict verdict = judge_objectives(trial, progress);
    double piled = pile(trial, progress);
    uint64_t ended = 0;
    for (size_t i = 0; i < ENDPOINTS; i++)
        ended += tally_ended(&progress->tallies[i]);
    if (verdict == TRIAL_BAD || (piled > PILE_CLEARLY && progress->seconds >= CLEARLY_AFTER_S))
        return TRIAL_BAD;
    if (verdict == TRIAL_GOOD && piled <= 1 && progress->seconds >= trial->seconds_min && ended >= trial->requests_min)
        return TRIAL_GOOD;
    if (progress->seconds < trial->seconds_max || (ended < REQUESTS_MIN && progress->seconds < 4 * trial->seconds_max))
        return TRIAL_UNDECIDED;
    return trial_has_held(trial, progress) ? TRIAL_GOOD : TRIAL_BAD;
}
