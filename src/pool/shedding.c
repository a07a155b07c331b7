#include "shedding.h"

#include "jwtd/log.h"

void shedding_refuse(struct shedding *shedding, int64_t now_us, struct shedding_report *report) {
    report->has_begun = overload_episode_note(&shedding->episode, now_us);
    shedding->refused++;
}

void shedding_drop(struct shedding *shedding, int64_t now_us, struct shedding_report *report) {
    report->has_begun = overload_episode_note(&shedding->episode, now_us);
    shedding->dropped++;
}

int64_t shedding_check(struct shedding *shedding, int64_t now_us, struct shedding_report *report) {
    if (!overload_episode_has_ended(&shedding->episode, now_us, &report->lasted_us))
        return overload_episode_ends_us(&shedding->episode);
    report->has_ended = true;
    report->refused = shedding->refused;
    report->dropped = shedding->dropped;
    *shedding = (struct shedding){ .refused = 0 };
    return INT64_MAX;
}

void shedding_log(const char *pool, const struct shedding_report *report) {
    if (report->has_begun)
        log_event(LOG_WARN, "shedding_started", "pool=%s", pool);
    if (report->has_ended)
        log_event(LOG_WARN, "shedding_stopped", "pool=%s refused=%llu dropped=%llu ms=%lld", pool,
                  (unsigned long long)report->refused, (unsigned long long)report->dropped,
                  (long long)(report->lasted_us / 1000));
}
