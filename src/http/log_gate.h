/* log_gate: lets through at most one log line a second about something that any client can cause, and counts all. Any thread. */
#ifndef JWTD_HTTP_LOG_GATE_H
#define JWTD_HTTP_LOG_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero at the beginning. */
struct log_gate {
    atomic_uint count; /* since the start */
    _Atomic int64_t passed_us;
};

/* Counts; *count is how many there were since the start, this one included. Returns whether it is to be logged. `now_us` is of
 * clock_monotonic_us. */
bool log_gate_pass(struct log_gate *gate, int64_t now_us, unsigned *count);

#endif
