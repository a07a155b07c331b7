/*
 * engine: starts the processes of the workers, sends them orders, and adds up what they count.
 *
 * One thread, the tester's. The kernel kills the workers when the tester ends, and the tester detects when one ends.
 */
#ifndef FAILPOINT_ENGINE_H
#define FAILPOINT_ENGINE_H

#include "worker.h"

#include <stdbool.h>

#define ENGINE_WORKERS_MAX 64

struct engine;

/* All workers' counts together, at one moment. Large (0.7 MB): not for the stack. */
struct engine_view {
    int64_t taken_ns;
    unsigned in_flight, waiting, connections, users_done, sessions;
    uint64_t opened, retried, issued, wait_sum_ns;
    struct turns turns;
    struct histogram lag, logged_in;
    struct tally tallies[ENDPOINTS];
};

enum engine_state {
    ENGINE_BUSY,
    ENGINE_DONE,   /* every worker has finished the order */
    ENGINE_TROUBLE /* see engine_trouble */
};

/* NULL, with a sentence in `error`, when memory or processes cannot be had. `plan` must outlive it. */
struct engine *engine_create(const struct plan *plan, char *error, size_t error_size);
void engine_destroy(struct engine *engine);

/* Begins an order 20 ms from now, so that every worker begins at the same moment, which it returns. */
int64_t engine_begin(struct engine *engine, const struct order *order);
void engine_stop(struct engine *engine);
enum engine_state engine_state(struct engine *engine);

/* What the trouble is, as a sentence; NULL: there is none. */
const char *engine_trouble(struct engine *engine);
enum worker_trouble engine_trouble_kind(const struct engine *engine);

/* The first reply of the test that said something else than it should. False: there was none. */
bool engine_describe_wrong_reply(const struct engine *engine, char *text, size_t size);

void engine_read(const struct engine *engine, struct engine_view *view);
void engine_view_subtract(struct engine_view *later, const struct engine_view *earlier); /* the present values stay */

/* Processes, for the samples. */
size_t engine_pids(const struct engine *engine, int pids[ENGINE_WORKERS_MAX]);

#endif
