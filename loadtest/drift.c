#include "drift.h"

#include <math.h>

#define REQUESTS_MIN 300.0 /* answered in a step: what fewer show is chance */
#define NEAR 1.3           /* times the limit: what answers less because it has far too much has not drifted */
#define DRIFTED 1.15

static bool is_about_capacity(const struct run_step *step) {
    bool is_trial = step->phase == PHASE_DOUBLE || step->phase == PHASE_BISECT || step->phase == PHASE_HOLD;
    return is_trial && step->figures.ok >= REQUESTS_MIN && !step->generator_limited;
}

static bool is_all_it_could(const struct run *run, const struct run_step *step) {
    bool is_near = run->options.by == BY_USERS || step->load <= NEAR * run->verdict.limit;
    return is_about_capacity(step) && step->verdict == STEP_BAD && is_near;
}

bool drift_find(const struct run *run, struct drift *drift) {
    struct drift first = { .least = INFINITY }, second = { .least = INFINITY };
    for (size_t i = 0; i < run->steps_count; i++) {
        const struct run_step *step = &run->steps[i];
        double served = step->figures.served;
        if (is_about_capacity(step) && served > first.most) {
            second.most = first.most;
            second.most_at = first.most_at;
            first.most = served;
            first.most_at = step->begin;
        } else if (is_about_capacity(step) && served > second.most) {
            second.most = served;
            second.most_at = step->begin;
        }
        if (is_all_it_could(run, step) && served < first.least) {
            second.least = first.least;
            second.least_at = first.least_at;
            first.least = served;
            first.least_at = step->begin;
        } else if (is_all_it_could(run, step) && served < second.least) {
            second.least = served;
            second.least_at = step->begin;
        }
    }
    *drift = second;
    return isfinite(second.least) && second.most > DRIFTED * second.least;
}
