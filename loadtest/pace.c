#include "pace.h"

#include <math.h>

#define TRIAL_MIN_S 1.0
#define LIMIT_GUESS 4.0 /* times where it begins: some requests at a time */
#define USERS_GUESS 40.0
#define RECOVERY_S 8.0      /* of a service that recovers */
#define CLEAR_REQUESTS 300. /* that decide far from the limit */
#define BAD_S 2.0           /* of a trial that is bad */
#define HOLDS 2.5           /* that it takes: the first is often bad, since it shows what short trials do not */
#define SIGMAS 2.0
#define CHANGED 1.5
#define TRIALS_MAX 200

const struct pace pace_thorough = { .precision = 0.02,
                                    .double_max_s = 4,
                                    .bisect_max_s = 8,
                                    .bisect_requests = 1500,
                                    .hold_requests = 6000,
                                    .hold_min_s = 3,
                                    .hold_max_s = 30,
                                    .overload_s = 15 };

const struct pace pace_quick = { .precision = 0.1,
                                 .double_max_s = 2,
                                 .bisect_max_s = 4,
                                 .bisect_requests = 500,
                                 .hold_requests = 1500,
                                 .hold_min_s = 3,
                                 .hold_max_s = 10,
                                 .overload_s = 5 };

static double hold_seconds(const struct pace *pace, double served) {
    double wanted = served > 0 ? pace->hold_requests / served : 2 * pace->bisect_max_s;
    return fmin(fmax(wanted, pace->hold_min_s), pace->hold_max_s);
}

void pace_trial(const struct pace *pace, const struct find *find, double served, struct trial *trial) {
    bool is_doubling = find->phase == FIND_DOUBLE;
    trial->seconds_min = TRIAL_MIN_S;
    trial->seconds_max = is_doubling ? pace->double_max_s : pace->bisect_max_s;
    trial->requests_min = is_doubling ? 0 : pace->bisect_requests;
    if (find->phase == FIND_HOLD)
        trial->seconds_min = trial->seconds_max = hold_seconds(pace, served);
}

double pace_uncertainty(const struct pace *pace, const struct find *find, double served) {
    double bracket = find->bad > find->good ? (find->bad - find->good) / find->good : 0;
    double requests = served * hold_seconds(pace, served);
    double by_chance = requests > 0 ? SIGMAS / sqrt(requests) : 0;
    return sqrt(bracket * bracket + by_chance * by_chance);
}

static double guess_trial_s(const struct pace *pace, const struct find *find, bool good, bool by_users) {
    struct trial trial;
    double rate = by_users ? 0 : find->load;
    pace_trial(pace, find, rate, &trial);
    if (!good)
        return fmin(BAD_S, trial.seconds_max);
    if (find->phase == FIND_HOLD)
        return trial.seconds_max * HOLDS;
    double requests = fmax(CLEAR_REQUESTS, (double)trial.requests_min);
    return rate > 0 ? fmin(fmax(requests / rate, trial.seconds_min), trial.seconds_max) : trial.seconds_max;
}

static double guess_limit_at_first(const struct pace_search *search) {
    return search->by_users ? USERS_GUESS : search->load_begin * LIMIT_GUESS;
}

static double guess_limit(const struct pace_search *search, const struct find *find) {
    if (find->phase == FIND_HOLD)
        return find->load;
    if (find->bad <= 0)
        return fmin(fmax(guess_limit_at_first(search), find->load), find->load_max);
    return find->hint > find->good && find->hint < find->bad ? find->hint : (find->good + find->bad) / 2;
}

/* By going on with a copy of it, against a service that has just that limit. */
double pace_remaining_s(const struct pace_search *search, const struct find *find) {
    struct find copy = *find;
    double limit = guess_limit(search, find), seconds = search->with_overload ? search->pace->overload_s + RECOVERY_S : 0;
    for (unsigned trials = 0; copy.phase != FIND_DONE && trials < TRIALS_MAX; trials++) {
        bool good = copy.load <= limit;
        seconds += guess_trial_s(search->pace, &copy, good, search->by_users);
        find_answer(&copy, good, search->by_users ? 0 : fmin(copy.load, limit));
    }
    return seconds;
}

double pace_estimate_s(const struct pace_search *search) {
    struct find find;
    find_init(&find, search->load_begin, search->load_begin / 2, guess_limit_at_first(search) * 100, search->precision,
              search->by_users);
    find.trial_s = search->by_users ? 0 : search->pace->bisect_max_s;
    return pace_remaining_s(search, &find);
}

bool pace_is_other(double said_s, double seconds) {
    return seconds > CHANGED * said_s || seconds * CHANGED < said_s;
}
