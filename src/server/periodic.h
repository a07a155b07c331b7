/*
 * periodic: a thread that calls one function again and again, each time when it is due. Signals are blocked on the thread.
 */
#ifndef JWTD_SERVER_PERIODIC_H
#define JWTD_SERVER_PERIODIC_H

#include <stdbool.h>
#include <stdint.h>

struct periodic;

/* `run` does one round on the thread and returns when the next one is due (clock_monotonic_us); a time in the past means at once.
 * The first round begins now. `name` is that of the thread: at most 15 characters. Borrows `context` until periodic_stop. NULL:
 * out of memory, or no thread; it is logged. */
struct periodic *periodic_start(const char *name, int64_t (*run)(void *context), void *context);

/* Makes the next round due now. Any thread. */
void periodic_wake(struct periodic *periodic);

/* Waits for a round that has begun, ends the thread and frees. NULL is allowed. */
void periodic_stop(struct periodic *periodic);

/* Whether the thread has been in one round, or late for the next one, for longer than `limit_us`. Any thread. */
bool periodic_is_late(const struct periodic *periodic, int64_t limit_us);

#endif
