/*
 * objective: what "good" means: a list such as "p99<=250ms,err<=0.1%", each item for all requests or for one endpoint
 * ("login.p99<=1s"). Any percentile may be asked for ("p99.9<=2s"); err is the share of requests that were not answered as they
 * should be, shed ones included.
 */
#ifndef FAILPOINT_OBJECTIVE_H
#define FAILPOINT_OBJECTIVE_H

#include "api.h"
#include "tally.h"

#include <stdbool.h>

#define OBJECTIVES_MAX 16
#define OBJECTIVE_TEXT_SIZE 128

struct objective {
    bool of_errors;                 /* else of latency */
    int endpoint;                   /* enum endpoint, or -1: of all together */
    double share_allowed;           /* of requests that may be too slow, or fail: 0.01 for p99 */
    int64_t limit_ns;               /* of latency */
    char text[OBJECTIVE_TEXT_SIZE]; /* as it was written */
};

struct objectives {
    struct objective items[OBJECTIVES_MAX];
    size_t count;
};

/* The counts for one of them: of `requests`, `bad` broke it. */
struct objective_count {
    uint64_t requests, bad;
    uint64_t bad_without_generator; /* still bad when the generator's own delay is left out */
};

/* False, with a sentence in `error`, when the text is none. */
bool objectives_parse(const char *text, struct objectives *objectives, char *error, size_t error_size);

struct objective_count objective_count(const struct objective *objective, const struct tally tallies[ENDPOINTS]);
bool objective_is_met(const struct objective *objective, const struct objective_count *count);

/* The first that is missed, or NULL. */
const struct objective *objectives_first_missed(const struct objectives *objectives, const struct tally tallies[ENDPOINTS]);

/* "p99 1.02 s > 1 s", "errors 3.1 % > 0.1 %": the figure that was measured beside the one that was asked for, with as many digits
 * as tell them apart. Returns `text`. */
const char *objective_describe(const struct objective *objective, const struct tally tallies[ENDPOINTS],
                               char text[OBJECTIVE_TEXT_SIZE]);

/* The tightest latency that all requests are held to: what goodput is counted by. INT64_MAX when there is none. */
int64_t objectives_latency_ns(const struct objectives *objectives);

/* The share of requests that may be shed or fail; 0.001 when nothing is said of it. */
double objectives_error_share(const struct objectives *objectives);

/* Requests answered well and within that latency. */
uint64_t objectives_goodput(const struct objectives *objectives, const struct tally tallies[ENDPOINTS]);

#endif
