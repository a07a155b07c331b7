#include "cause.h"

#include "display.h"
#include "jwtd/macros.h"

#include <stdio.h>
#include <string.h>

#define LIMITER_SHARE 0.001 /* of replies that are 429: the limiter, not the machine, decides */
#define THROTTLED_SHARE 0.1

/* What the threads of this service do, by their names. */
static const struct {
    const char *group, *work;
} works[] = { { "crypto", "hashing" },           { "hash", "hashing" },       { "argon", "hashing" },
              { "database", "database access" }, { "db", "database access" }, { "http", "HTTP" } };

static const char *const cause_items[] = {
    [CAUSE_UNKNOWN] = "unknown",
    [CAUSE_NONE] = "none",
    [CAUSE_LIMITER] = "limiter",
    [CAUSE_CPU] = "cpu",
    [CAUSE_QUOTA] = "quota",
    [CAUSE_MEMORY] = "memory",
    [CAUSE_DESCRIPTORS] = "descriptors",
    [CAUSE_LISTEN_QUEUE] = "listen queue",
    [CAUSE_DATABASE] = "database",
};
const struct names cause_names = { cause_items, ARRAY_LEN(cause_items) };

static const char *work_of(const char *group) {
    for (size_t i = 0; i < ARRAY_LEN(works); i++)
        if (strstr(group, works[i].group) != NULL)
            return works[i].work;
    return group;
}

static void set(struct cause *cause, enum cause_kind kind, double utilisation) {
    cause->kind = kind;
    cause->utilisation = utilisation;
}

/* Who uses the cores. Without --pg the database is one of the others. */
static void describe_users(const struct usage *usage, char *text, size_t size) {
    const struct {
        const char *name;
        bool known;
        double cores;
    } users[] = {
        { "server", usage->server_known, usage->server_cores },
        { "PostgreSQL", usage->database_known, usage->database_cores },
        { "failpoint", true, usage->generator_cores },
        { "others", true, usage->machine_busy - usage->server_cores - usage->database_cores - usage->generator_cores },
    };
    const char *separator = ":";
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        if (!users[i].known || users[i].cores < 0.05 * usage->machine_cores)
            continue;
        int len = snprintf(text, size, "%s %s %.2f", separator, users[i].name, users[i].cores);
        if (len < 0 || (size_t)len >= size)
            return;
        text += len;
        size -= (size_t)len;
        separator = ",";
    }
}

/* All cores are busy: by whom, the largest share first in the sentence, with the server's busiest threads named. */
static bool machine_is_saturated(struct cause *cause, const struct usage *usage) {
    double part = usage->machine_cores > 0 ? usage->machine_busy / usage->machine_cores : 0;
    if (part < CAUSE_SATURATED)
        return false;
    set(cause, CAUSE_CPU, part);
    const struct usage_group *busiest = &usage->groups[0];
    if (usage->server_known && busiest->cores >= 0.7 * usage->machine_busy) {
        snprintf(cause->text, sizeof cause->text, "CPU saturates: %s uses %.2f of %.0f cores", work_of(busiest->name),
                 busiest->cores, usage->machine_cores);
        return true;
    }
    int len = snprintf(cause->text, sizeof cause->text, "the machine's CPU saturates (%.2f of %.0f cores)", usage->machine_busy,
                       usage->machine_cores);
    if (len > 0)
        describe_users(usage, cause->text + len, sizeof cause->text - (size_t)len);
    return true;
}

/* A kind of threads that is busy all the time, while cores may be free. */
static bool group_is_saturated(struct cause *cause, const struct usage *usage) {
    for (size_t i = 0; usage->server_known && i < usage->groups_count; i++) {
        const struct usage_group *group = &usage->groups[i];
        double part = group->cores / group->threads;
        if (part < CAUSE_SATURATED)
            continue;
        set(cause, CAUSE_CPU, part);
        snprintf(cause->text, sizeof cause->text, "CPU saturates: %s uses %.2f cores with %u thread%s (of %.0f cores)",
                 work_of(group->name), group->cores, group->threads, group->threads == 1 ? "" : "s", usage->machine_cores);
        return true;
    }
    return false;
}

static bool quota_is_used_up(struct cause *cause, const struct usage *usage) {
    if (!usage->cgroup_known || usage->quota_cores <= 0)
        return false;
    double part = usage->server_cores / usage->quota_cores;
    if (part < CAUSE_SATURATED && usage->throttled_share < THROTTLED_SHARE)
        return false;
    set(cause, CAUSE_QUOTA, part);
    snprintf(cause->text, sizeof cause->text,
             "the control group's CPU quota is used up: %.2f of %.2f cores, throttled %.0f %% of the time", usage->server_cores,
             usage->quota_cores, usage->throttled_share * 100);
    return true;
}

static bool memory_is_used_up(struct cause *cause, const struct usage *usage) {
    double part = usage->cgroup_known && usage->memory_limit_mib > 0 ? usage->rss_mib / usage->memory_limit_mib : 0;
    if (part < CAUSE_SATURATED)
        return false;
    set(cause, CAUSE_MEMORY, part);
    snprintf(cause->text, sizeof cause->text, "memory runs out: %.0f of %.0f MiB", usage->rss_mib, usage->memory_limit_mib);
    return true;
}

static bool descriptors_are_used_up(struct cause *cause, const struct usage *usage) {
    double part = usage->server_known && usage->descriptors_max > 0 ? usage->descriptors / usage->descriptors_max : 0;
    if (part < CAUSE_SATURATED)
        return false;
    set(cause, CAUSE_DESCRIPTORS, part);
    snprintf(cause->text, sizeof cause->text, "descriptors run out: %.0f of %.0f", usage->descriptors, usage->descriptors_max);
    return true;
}

static bool database_is_full(struct cause *cause, const struct usage *usage) {
    double part = usage->database_connections_max > 0 ? usage->database_connections / usage->database_connections_max : 0;
    if (!usage->database_known || part < CAUSE_SATURATED)
        return false;
    set(cause, CAUSE_DATABASE, part);
    snprintf(cause->text, sizeof cause->text, "PostgreSQL's connections run out: %.0f of %.0f", usage->database_connections,
             usage->database_connections_max);
    return true;
}

static bool listen_queue_overflows(struct cause *cause, const struct usage *usage) {
    if (usage->listen_overflows < 1)
        return false;
    set(cause, CAUSE_LISTEN_QUEUE, 1);
    snprintf(cause->text, sizeof cause->text, "the listen queue overflows: %.0f connections dropped", usage->listen_overflows);
    return true;
}

static bool limiter_answers(struct cause *cause, const struct tally *tally, double seconds) {
    double ended = (double)tally_ended(tally), limited = (double)tally->statuses[429];
    if (ended == 0 || limited < LIMITER_SHARE * ended || limited < (double)tally->statuses[503])
        return false;
    set(cause, CAUSE_LIMITER, 1);
    char rate[DISPLAY_NUMBER_SIZE];
    snprintf(cause->text, sizeof cause->text, "a rate limiter answers 429: it lets %s a second through, and refuses %.0f %%",
             display_load((double)tally->classes[REPLY_OK] / seconds, rate), limited / ended * 100);
    return true;
}

void cause_find(struct cause *cause, const struct usage *usage, const struct tally *tally, double seconds) {
    *cause = (struct cause){ .kind = CAUSE_NONE };
    if (limiter_answers(cause, tally, seconds) || quota_is_used_up(cause, usage) || memory_is_used_up(cause, usage) ||
        machine_is_saturated(cause, usage) || group_is_saturated(cause, usage) || descriptors_are_used_up(cause, usage) ||
        database_is_full(cause, usage) || listen_queue_overflows(cause, usage))
        return;
    if (!usage->server_known) {
        cause->kind = CAUSE_UNKNOWN;
        snprintf(
            cause->text, sizeof cause->text,
            "of something that failpoint cannot see: nothing on this machine is used up, and the server's process is not here");
        return;
    }
    snprintf(cause->text, sizeof cause->text,
             "of something that failpoint cannot see: no resource is used up (%.2f of %.0f cores, of which the server %.2f)",
             usage->machine_busy, usage->machine_cores, usage->server_cores);
}
