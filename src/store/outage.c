#include "outage.h"

#include "jwtd/clock.h"

#include <stdatomic.h>

static _Atomic int64_t since_us; /* 0: there is none */
static _Atomic uint64_t refused;

bool outage_begin(void) {
    int64_t none = 0;
    if (!atomic_compare_exchange_strong(&since_us, &none, clock_monotonic_us()))
        return false;
    atomic_store(&refused, 0);
    return true;
}

bool outage_is_on(void) {
    return atomic_load_explicit(&since_us, memory_order_relaxed) != 0;
}

void outage_note_refusal(void) {
    if (outage_is_on())
        atomic_fetch_add(&refused, 1);
}

/* Of several connections that work again one ends it. */
bool outage_end(struct outage *outage) {
    int64_t began_us = outage_is_on() ? atomic_exchange(&since_us, 0) : 0;
    if (began_us == 0)
        return false;
    *outage = (struct outage){ .lasted_us = clock_monotonic_us() - began_us, .refused = atomic_load(&refused) };
    return true;
}
