#include "outage.h"

#include "jwtd/clock.h"

#include <stdatomic.h>

static _Atomic int64_t since_us; /* 0: there is none */
static _Atomic int64_t ended_us; /* the last one; 0: there was none */
static _Atomic uint64_t refused, late;
static _Atomic(const char *) last_late;
static _Atomic int64_t answered_us;

/* Of three probes (readiness.c) one at least is answered in this time by a server that is well. */
#define SILENCE_US (CLOCK_US_PER_S * 3 / 2)

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
    if (!outage_is_on())
        return false;
    uint64_t late_until_now = atomic_exchange(&late, 0); /* before its end, since outage_take_late would take them then */
    int64_t began_us = atomic_exchange(&since_us, 0);
    if (began_us == 0) {
        atomic_fetch_add(&late, late_until_now);
        return false;
    }
    int64_t now_us = clock_monotonic_us();
    atomic_store(&ended_us, now_us);
    *outage = (struct outage){ now_us - began_us, atomic_load(&refused), late_until_now };
    return true;
}

void outage_note_answer(void) {
    atomic_store_explicit(&answered_us, clock_monotonic_us(), memory_order_relaxed);
}

bool outage_is_silence(int64_t sent_us) {
    int64_t last_us = atomic_load_explicit(&answered_us, memory_order_relaxed);
    return clock_monotonic_us() - (last_us > 0 ? last_us : sent_us) >= SILENCE_US;
}

void outage_note_late(const char *name, int64_t sent_us) {
    if (sent_us < atomic_load(&ended_us))
        return;
    atomic_store(&last_late, name);
    atomic_fetch_add(&late, 1);
}

bool outage_take_late(struct late_statements *taken) {
    if (atomic_load_explicit(&late, memory_order_relaxed) == 0 || outage_is_on())
        return false;
    *taken = (struct late_statements){ atomic_load(&last_late), atomic_exchange(&late, 0) };
    return taken->count > 0;
}
