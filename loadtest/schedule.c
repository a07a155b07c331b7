#include "schedule.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <math.h>

static const char *const arrivals_items[] = { [ARRIVALS_POISSON] = "poisson", [ARRIVALS_UNIFORM] = "uniform" };
const struct names arrivals_names = { arrivals_items, ARRAY_LEN(arrivals_items) };

/* splitmix64, which the authors of xoshiro recommend for its first state: no seed leads to a bad one. */
void random_init(struct random *random, uint64_t seed) {
    for (size_t i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        random->state[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate(uint64_t value, unsigned bits) {
    return (value << bits) | (value >> (64 - bits));
}

uint64_t random_next(struct random *random) {
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double random_unit(struct random *random) {
    return (double)((random_next(random) >> 11) + 1) * 0x1.0p-53;
}

void schedule_init(struct schedule *schedule, enum arrivals arrivals, const struct segment *segments, size_t segments_count,
                   uint64_t seed, unsigned worker, unsigned workers) {
    assert(segments_count <= SCHEDULE_SEGMENTS && worker < workers);
    *schedule = (struct schedule){ .arrivals = arrivals, .segments_count = segments_count, .worker = worker, .workers = workers };
    for (size_t i = 0; i < segments_count; i++)
        schedule->segments[i] = segments[i];
    random_init(&schedule->random, seed * 1009 + worker);
    /* uniform arrivals of worker w come at (w + 0.5) / W of the common gap */
    schedule->mass = arrivals == ARRIVALS_UNIFORM ? ((double)worker + 0.5) / (double)workers - 1 : 0;
}

/* Arrivals of one worker that a segment holds: the area under its rate. */
static double segment_mass(const struct schedule *schedule, const struct segment *segment) {
    double seconds = (double)segment->duration_ns / 1e9;
    return (segment->rate_begin + segment->rate_end) / 2 * seconds / (double)schedule->workers;
}

/* The time in a segment by which `mass` arrivals have come: the root of begin * t + slope * t^2 / 2 = mass, in the form that is
 * stable for small slopes. */
static double segment_time(const struct schedule *schedule, const struct segment *segment, double mass) {
    double seconds = (double)segment->duration_ns / 1e9;
    double begin = segment->rate_begin / (double)schedule->workers;
    double slope = (segment->rate_end - segment->rate_begin) / (double)schedule->workers / seconds;
    double root = sqrt(fmax(begin * begin + 2 * slope * mass, 0));
    return begin + root > 0 ? 2 * mass / (begin + root) : 0;
}

int64_t schedule_next(struct schedule *schedule) {
    schedule->mass += schedule->arrivals == ARRIVALS_UNIFORM ? 1 : -log(random_unit(&schedule->random));
    double mass = schedule->mass;
    int64_t begin = 0;
    for (size_t i = 0; i < schedule->segments_count; i++) {
        const struct segment *segment = &schedule->segments[i];
        double whole = segment_mass(schedule, segment);
        if (mass < whole)
            return begin + (int64_t)(segment_time(schedule, segment, mass) * 1e9);
        mass -= whole;
        begin += segment->duration_ns;
    }
    return -1;
}
