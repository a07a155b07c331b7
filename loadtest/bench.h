/*
 * bench: what every command that makes load has: the plan from the options, the engine, the samples, the record, the display; and
 * the one way to run a step: send an order, poll its progress 20 times a second, record a line a second, stop it when
 * the command has seen enough.
 *
 * Ctrl-C is noticed here: the step is stopped, and bench_interrupted says so.
 */
#ifndef FAILPOINT_BENCH_H
#define FAILPOINT_BENCH_H

#include "display.h"
#include "engine.h"
#include "options.h"
#include "trial.h"

struct bench {
    const struct options *options;
    struct plan plan;
    struct engine *engine;
    struct samples samples;
    struct run run;
    struct display display;
    int64_t begin_ns;
    struct engine_view *before, *now, *mark; /* scratch: at the step's beginning, now, a second ago */
    double backlog_growth;                   /* of the last step: trial.h */
    bool crashed;                            /* the server's process has gone */
};

/* The progress of a step, by which a command decides whether it goes on. */
struct bench_progress {
    enum run_phase phase;           /* of the two steps that an order can make */
    const struct engine_view *view; /* since the step began */
    struct trial_progress trial;
};

/* An order of two segments makes two steps, the second of next_phase. */
struct bench_step {
    enum run_phase phase, next_phase;
    struct order order;
    double load, load_end; /* load_end 0: the same */
    double next_load;
    /* Asked 20 times a second; true ends the arrivals. NULL: goes on to its end. */
    bool (*enough)(void *context, const struct bench_progress *progress);
    void *context;
};

/* How a command that makes load differs from the others. */
struct bench_command {
    const char *name;
    const char *unit;                 /* of the load; NULL: the scenario's, or users */
    bool needs_load;                  /* --rate or --users */
    bool without_accounts;            /* bench_prepare is left out */
    void (*run)(struct bench *bench); /* runs the steps, and says in the verdict what came of them */
};

/* EXIT_FINE, or why the run must not begin: both kinds of load are asked for, or --out or --html cannot be written. */
int bench_check_options(const struct options *options, const char *command);

/* The whole of such a command; returns its exit code. What follows are its parts, for commands of another shape. */
int bench_run_command(const struct bench_command *command, const struct options *options, const char *line);

/* Reads the options, finds the target, starts workers. Otherwise prints why and returns the exit code; EXIT_FINE is success.
 * bench_fini in any case. */
int bench_init(struct bench *bench, const struct options *options, const char *command, const char *line);
void bench_fini(struct bench *bench);

/* Accounts, sessions. EXIT_FINE, or the exit code; then the verdict says why, and bench_finish is next. */
int bench_prepare(struct bench *bench);

/* An order of one load for so long: users of the closed loop, or requests a second of the open loop. */
struct order bench_order(enum run_by by, double load, double seconds, uint64_t seed);
double bench_seconds(const struct bench *bench, double by_default);  /* --duration, if it was given */
void bench_show(struct bench *bench, const char *what, double load); /* "hold 100 req/s" on the display */

/* NULL when memory is exhausted or the engine is in trouble (which the verdict says). The step is the last of bench->run. */
struct run_step *bench_run(struct bench *bench, const struct bench_step *step);

bool bench_interrupted(void);

/* The engine cannot go on: says why in the verdict, and returns its exit code. */
int bench_trouble(struct bench *bench);

/* The figures of what a view holds, which came within `seconds`; in_flight, waiting and connections stay as they are. */
void bench_figures(const struct objectives *objectives, const struct engine_view *view, double seconds,
                   struct run_figures *figures);

/* At the end: prints the headline, writes RUN.json and RUN.html, and returns the exit code of the headline; EXIT_MISSED if that
 * is EXIT_FINE and a file could not be written. */
int bench_finish(struct bench *bench);

#endif
