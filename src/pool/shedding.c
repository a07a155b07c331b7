#include "shedding.h"

#include "jwtd/log.h"

static void note(struct shedding *shedding, int64_t now_us) {
    if (overload_episode_note(&shedding->episode, now_us))
        shedding->has_begun = true;
}

void shedding_refuse(struct shedding *shedding, int64_t now_us) {
    note(shedding, now_us);
    shedding->refused++;
}

void shedding_drop(struct shedding *shedding, int64_t now_us) {
    note(shedding, now_us);
    shedding->dropped++;
}

bool shedding_check(struct shedding *shedding, int64_t now_us, struct shedding_report *report) {
    *report = (struct shedding_report){ .has_begun = shedding->has_begun };
    shedding->has_begun = false;
    if (overload_episode_has_ended(&shedding->episode, now_us, &report->lasted_us)) {
        report->has_ended = true;
        report->refused = shedding->refused;
        report->dropped = shedding->dropped;
        *shedding = (struct shedding){ .refused = 0 };
    }
    return report->has_begun || report->has_ended;
}

void shedding_log(const char *queue, const struct shedding_report *report) {
    if (report->has_begun)
        log_event(LOG_WARN, "shedding_started", "pool=%s", queue);
    if (report->has_ended)
        log_event(LOG_WARN, "shedding_stopped", "pool=%s refused=%llu dropped=%llu ms=%lld", queue,
                  (unsigned long long)report->refused, (unsigned long long)report->dropped,
                  (long long)(report->lasted_us / 1000));
}
