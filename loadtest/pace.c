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

double pace_estimate_s(const struct pace *pace, double load_begin, double precision, bool by_users, bool with_overload) {
    struct find find;
    double limit = by_users ? USERS_GUESS : load_begin * LIMIT_GUESS;
    double seconds = with_overload ? pace->overload_s + RECOVERY_S : 0;
    find_init(&find, load_begin, load_begin / 2, limit * 100, precision, by_users);
    find.trial_s = by_users ? 0 : pace->bisect_max_s;
    while (find.phase != FIND_DONE) {
        bool good = find.load <= limit;
        seconds += guess_trial_s(pace, &find, good, by_users);
        find_answer(&find, good, by_users ? 0 : fmin(find.load, limit));
    }
    return seconds;
}
