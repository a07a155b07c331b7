#include "shedding.h"

#include "jwtd/log.h"

static void record_event(struct shedding *shedding, int64_t now_us) {
    if (overload_episode_note(&shedding->episode, now_us))
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
    int64_t lasted_us;
    if (!overload_episode_has_ended(&shedding->episode, now_us, &lasted_us))
        return overload_episode_ends_us(&shedding->episode);
    log_event(LOG_WARN, "shedding_stopped", "pool=%s refused=%llu dropped=%llu ms=%lld", shedding->pool,
              (unsigned long long)shedding->refused, (unsigned long long)shedding->dropped, (long long)(lasted_us / 1000));
    *shedding = (struct shedding){ .pool = shedding->pool };
    return INT64_MAX;
}
