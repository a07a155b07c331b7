#include "log_gate.h"

#include "jwtd/clock.h"

bool log_gate_pass(struct log_gate *gate, int64_t now_us, unsigned *count) {
    int64_t passed_us = atomic_load(&gate->passed_us);
    *count = atomic_fetch_add(&gate->count, 1) + 1;
    return (passed_us == 0 || now_us - passed_us >= CLOCK_US_PER_S) &&
           atomic_compare_exchange_strong(&gate->passed_us, &passed_us, now_us);
}
