/*
 * run: the record of one run: what RUN.json holds and every report is made from.
 *
 * Written by the tester while it runs, read back by `report`, `compare` and `gate`. Times are seconds since the run began, rates
 * are per second of the scenario's unit, latencies are milliseconds unless a name says otherwise. Lists are on the heap and
 * belong to the run.
 */
#ifndef FAILPOINT_RUN_H
#define FAILPOINT_RUN_H

#include "api.h"
#include "cause.h"
#include "names.h"
#include "samples.h"
#include "schedule.h"
#include "tally.h"

#include <stdbool.h>
#include <stddef.h>

#define RUN_VERSION 1 /* of RUN.json; a reader refuses any other */
#define RUN_TEXT_SIZE 256
#define RUN_HEADLINE_SIZE 1024

enum run_by { BY_RATE, BY_USERS };
extern const struct names run_by_names;

/* What a step is for. */
enum run_phase {
    PHASE_WARM_UP,
    PHASE_DOUBLE,
    PHASE_BISECT,
    PHASE_HOLD,
    PHASE_OVERLOAD,
    PHASE_RECOVER,
    PHASE_RAMP,
    PHASE_SOAK,
    PHASE_IDLE,
    PHASE_CEILING, /* selftest: as many requests as it can send */
    PHASE_PACE,    /* selftest: a rate */
    PHASE_SLICE,   /* compare: of either service */
    PHASE_SIDE_A,  /* compare: in the record */
    PHASE_SIDE_B,
    PHASE_DAY
};
extern const struct names run_phase_names;

enum step_verdict { STEP_NOT_JUDGED, STEP_GOOD, STEP_BAD };
extern const struct names step_verdict_names; /* that of STEP_NOT_JUDGED is empty */

/* What was asked for. */
struct run_options {
    char command[16];             /* find, hold, ramp, soak, idle */
    char line[RUN_HEADLINE_SIZE]; /* the exact command to run it again, quoted for a shell */
    char url[RUN_TEXT_SIZE];
    char scenario[16], unit[16]; /* unit: "req/s", "sessions/s", "users" */
    char slo[RUN_TEXT_SIZE];
    enum arrivals arrivals;
    enum run_by by; /* what is varied */
    double seed;    /* below 2^53 */
    double workers, connections_max, timeout_s;
    bool new_connections, tls;
    double core_price;     /* of a core, for the time that the price is meant for; 0: not said */
    double slo_latency_ms; /* the tightest that holds for all requests; 0: none. The objective line of charts */
};

struct run_machine {
    char cpu[RUN_TEXT_SIZE], kernel[RUN_TEXT_SIZE], host[RUN_TEXT_SIZE];
    double cores, memory_mib;
    double server_idle_mib;              /* resident before the load; 0: not known */
    char server[RUN_TEXT_SIZE];          /* name of the server's program when it runs here, or empty */
    char hash_parameters[RUN_TEXT_SIZE]; /* "$argon2id$v=19$m=19456,t=2,p=1" when --pg showed it, or empty */
};

/* Counts and latencies of an interval, of all endpoints together. */
struct run_figures {
    double due, ok, good, shed, failed;     /* requests; good: ok and within the objective's latency */
    double offered, served, goodput;        /* per second: due, ok, good; of a step: until its arrivals were over */
    double p50, p90, p99, p999, max, mean;  /* latency from due */
    double in_flight, waiting, connections; /* means over the interval */
    double wait_ms;                         /* mean wait for a free connection: the server's doing */
    double lag_ms;                          /* p99 of the generator's own lag */
};

struct run_second {
    double at, seconds; /* its end, its length */
    struct run_figures figures;
    struct usage usage;
};

struct run_step {
    enum run_phase phase;
    double begin, seconds;
    double load, load_end; /* asked for, in the run's `by`: a rate or a number of users; they differ for ramps */
    enum step_verdict verdict;
    char why[RUN_TEXT_SIZE];             /* of a bad one: "p99 1.02 s > 1 s" */
    bool generator_limited;              /* bad only by the generator's own delay */
    double little_expected, little_seen; /* requests in flight: rate times mean latency, and as sampled */
    bool little_agrees;
    struct run_figures figures;
    struct usage usage;
    struct tally *tallies; /* ENDPOINTS of them */
};

enum run_collapse {
    COLLAPSE_UNKNOWN,   /* no load above the limit was tried, or none that was too much */
    COLLAPSE_SHEDS,     /* goodput holds, the rest is refused in good order */
    COLLAPSE_DEGRADES,  /* goodput holds, the rest is late */
    COLLAPSE_FAILS,     /* requests fail in other ways than 429 and 503 */
    COLLAPSE_COLLAPSES, /* goodput falls under half of what it was at the limit */
    COLLAPSE_CRASHES    /* the server is gone */
};
extern const struct names run_collapse_names;

/* Soak: does something grow? Per hour, 95 % interval. */
struct run_trend {
    char name[32], unit[16]; /* memory MiB, descriptors, p99 ms */
    double slope, low, high;
    double begin, end; /* medians of the first and the last tenth */
    double worth;      /* what it must have grown by, over the run, to matter; 0 in records from before that was kept */
    bool grows;        /* the interval is above 0 and the growth is large enough to matter */
};

struct run_cost {
    double errors_per_million; /* of requests: refused or failed */
    double memory_mib;   /* for 1,000 answered requests a second: that before the load, and of what the load added so much more */
    double cores, price; /* for as many; of server and database; 0: not known, as for memory */
};

struct run_verdict {
    int exit_code;
    char headline[RUN_HEADLINE_SIZE]; /* the result in one line */
    struct cause cause;
    double knee, limit, collapse, safe; /* loads; 0: not found */
    double uncertainty;                 /* of a quick search: how far the limit may be from the truth, as a share; else 0 */
    bool at_least;                      /* the limit was not reached: "at least" */
    enum run_collapse beyond;           /* above the limit */
    bool recovered;                     /* the objective was met again */
    bool recovering;                    /* it was not, by the end, but the queue was shrinking; never with `recovered` */
    double recovery;                    /* seconds that it took; 0 unless recovered */
    double overload_p50;       /* ms: what those waited who were answered above the limit; 0: nobody was, or it was not tried */
    char drift[RUN_TEXT_SIZE]; /* the sentence, when the capacity changed during the run; else empty */
    struct run_cost cost;
    bool generator_limited, interrupted;
};

struct run {
    double started; /* wall clock, seconds since 1970 */
    double seconds;
    struct run_options options;
    struct run_machine machine;
    struct run_step *steps;
    size_t steps_count;
    struct run_second *seconds_list;
    size_t seconds_count;
    struct run_trend *trends;
    size_t trends_count;
    struct metrics metrics;
    struct run_verdict verdict;
};

void run_init(struct run *run);
void run_fini(struct run *run);

/* A new one at the end, zeroed, with tallies; NULL when memory is exhausted. Pointers to earlier ones become invalid. */
struct run_step *run_add_step(struct run *run);
struct run_second *run_add_second(struct run *run);
struct run_trend *run_add_trend(struct run *run);

void run_read_machine(struct run_machine *machine);

/* All endpoints' counts of a step in one. */
void run_step_total(const struct run_step *step, struct tally *total);

/* It ended far from where it began, and not by an even growth. */
bool run_trend_is_uneven(const struct run_trend *trend);

/* "15.2 MiB", "10 min", "944 descriptors": so much of what the trend is about. Returns `text`. */
#define RUN_AMOUNT_SIZE 64
const char *run_describe_amount(const struct run_trend *trend, double amount, char text[RUN_AMOUNT_SIZE]);

/* "grows: 51.1 to 66.2 MiB, by 15.2 MiB an hour (95 %: 4.91 to 22.9 MiB)"; "uneven: 7.49 ms to 5.02 s (more at the end, ...)";
 * "falls: ..."; "steady: 51.1 to 51.3 MiB", with how much of a change counts as none. */
void run_describe_trend(const struct run_trend *trend, char text[RUN_TEXT_SIZE]);

/* The last step of that phase; NULL: there is none. */
const struct run_step *run_find_step(const struct run *run, enum run_phase phase);

/* Whether a second met the run's objective: p99 within its latency, and a share of at most `share_allowed` shed or failed. */
bool run_second_is_good(const struct run *run, const struct run_second *second, double share_allowed);

/* Why a step fails where it does, by the usage of the whole step or of a part of it. */
void run_find_cause(const struct run_step *step, const struct usage *usage, struct cause *cause);

const char *run_collapse_text(enum run_collapse beyond); /* "sheds with 503, no failures", ... */

/* RUN.json. False, with a sentence in `error`, when the file cannot be written; read, parsed, or is of another version. */
bool run_write(const struct run *run, const char *path, char *error, size_t error_size);
bool run_read(struct run *run, const char *path, char *error, size_t error_size); /* into a run that run_init prepared */

#endif
