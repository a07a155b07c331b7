#include "shedding.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

/* A full pool refuses in bursts, as the queue gets room: a shorter pause is part of the same episode. */
#define QUIET_PERIOD_US (2 * CLOCK_US_PER_S)

static void record_event(struct shedding *shedding, int64_t now_us) {
    shedding->last_us = now_us;
    if (shedding->since_us != 0)
        return;
    shedding->since_us = now_us;
    log_event(LOG_WARN, "shedding_started", "pool=%s", shedding->pool);
}

void shedding_refuse(struct shedding *shedding, int64_t now_us) {
    record_event(shedding, now_us);
    shedding->refused++;
}

void shedding_drop(struct shedding *shedding, int64_t now_us) {
    record_event(shedding, now_us);
    shedding->dropped++;
}

int64_t shedding_check(struct shedding *shedding, int64_t now_us) {
    if (shedding->since_us == 0)
        return INT64_MAX;
    if (now_us < shedding->last_us + QUIET_PERIOD_US)
        return shedding->last_us + QUIET_PERIOD_US;
    log_event(LOG_WARN, "shedding_stopped", "pool=%s refused=%llu dropped=%llu ms=%lld", shedding->pool,
              (unsigned long long)shedding->refused, (unsigned long long)shedding->dropped,
              (long long)((shedding->last_us - shedding->since_us) / 1000));
    *shedding = (struct shedding){ .pool = shedding->pool };
    return INT64_MAX;
}
