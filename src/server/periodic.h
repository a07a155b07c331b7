/*
 * periodic: a thread that does one thing over and over, each round when it is due. `serve` has a few of them; they wait neither
 * for requests nor for each other. Signals are blocked on the thread.
 */
#ifndef JWTD_SERVER_PERIODIC_H
#define JWTD_SERVER_PERIODIC_H

#include <stdbool.h>
#include <stdint.h>

struct periodic;

/* `run` does one round on the thread and returns when the next one is due (clock_monotonic_us); what has passed already means at
 * once. The first round begins now. `name`: at most 15 characters. Borrows `context` until periodic_stop. NULL: out of memory, or
 * no thread; it is logged. */
struct periodic *periodic_start(const char *name, int64_t (*run)(void *context), void *context);

/* Waits for the round in hand. NULL is none. */
void periodic_stop(struct periodic *periodic);

/* Whether the thread has been in one round, or has not begun the one that was due, for longer than `limit_us`. Any thread. */
bool periodic_is_late(const struct periodic *periodic, int64_t limit_us);

#endif
