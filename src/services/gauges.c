#include "jwtd/gauges.h"

#include "jwtd/audit.h"
#include "jwtd/clock.h"
#include "jwtd/condition.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"
#include "jwtd/readiness.h"
#include "jwtd/services.h"

#include <stddef.h>

/* On the others nothing waits. */
static const enum executor executors[] = { ON_DATABASE, ON_CRYPTO, ON_DISPATCH };

static void read_queues(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    for (size_t i = 0; i < ARRAY_LEN(executors); i++) {
        struct admission_load load;
        admission_read_load(services->admissions[executors[i]], &load);
        metric_sample(samples, load.queued, (const char *const[]){ executor_name(executors[i]) });
    }
}

/* How many of its jobs can run at once. */
static void read_capacities(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    for (size_t i = 0; i < ARRAY_LEN(executors); i++) {
        struct admission_load load;
        admission_read_load(services->admissions[executors[i]], &load);
        metric_sample(samples, load.servers, (const char *const[]){ executor_name(executors[i]) });
    }
}

static void read_ready(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    const struct snapshot *snapshot = snapshot_acquire(services->snapshots);
    metric_sample(samples, condition_is_healthy(services, snapshot) ? 1 : 0, NULL);
    snapshot_release(services->snapshots, snapshot);
}

static void read_database(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    metric_sample(samples, readiness_read(services->readiness).database ? 1 : 0, NULL);
}

static void read_revoked_sessions(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    metric_sample(samples, (double)revoked_sessions_count(services->revoked), NULL);
}

/* Before they were read for the first time, there is no age. */
static void read_revocations_age(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    if (revoked_sessions_are_ready(services->revoked) && revoked_keys_are_ready(services->revoked_keys))
        metric_sample(samples, (double)services_revocations_age_us(services, clock_monotonic_us()) / CLOCK_US_PER_S, NULL);
}

/* Without keys.conf the key that signs is known by its being used. */
static const char *state_of(const struct signing_key *key, const struct signing_key *active) {
    return key_state_name(key == active ? KEY_ACTIVE : key->state);
}

static void read_keys(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    const struct snapshot *snapshot = snapshot_acquire(services->snapshots);
    const struct signing_key *active = keyring_active(snapshot->keyring);
    for (size_t i = 0; i < keyring_count(snapshot->keyring); i++) {
        const struct signing_key *key = keyring_key(snapshot->keyring, i);
        metric_sample(samples, 1, (const char *const[]){ key->kid, signing_key_algorithm(key), state_of(key, active) });
    }
    snapshot_release(services->snapshots, snapshot);
}

static void read_active_key(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    const struct snapshot *snapshot = snapshot_acquire(services->snapshots);
    const struct signing_key *active = keyring_active(snapshot->keyring);
    if (active != NULL)
        metric_sample(samples, (double)active->since_s, NULL);
    snapshot_release(services->snapshots, snapshot);
}

static void read_standby_key(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    const struct snapshot *snapshot = snapshot_acquire(services->snapshots);
    const struct signing_key *active = keyring_active(snapshot->keyring);
    bool has_standby = false;
    for (size_t i = 0; i < keyring_count(snapshot->keyring); i++) {
        const struct signing_key *key = keyring_key(snapshot->keyring, i);
        has_standby = has_standby || (key != active && key->can_sign && key->state == KEY_STANDBY);
    }
    metric_sample(samples, has_standby ? 1 : 0, NULL);
    snapshot_release(services->snapshots, snapshot);
}

static void read_last_reload(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    metric_sample(samples, snapshot_is_outdated(services->snapshots) ? 0 : 1, NULL);
}

static void read_audit(struct metric_samples *samples, void *context) {
    const struct services *services = context;
    metric_sample(samples, (double)audit_counts(services->audit).lost, NULL);
}

static const struct {
    enum metric metric;
    metric_reader *read;
} gauges[] = {
    { METRIC_READY, read_ready },
    { METRIC_QUEUE_LENGTH, read_queues },
    { METRIC_EXECUTOR_CAPACITY, read_capacities },
    { METRIC_DATABASE_UP, read_database },
    { METRIC_REVOKED_SESSIONS, read_revoked_sessions },
    { METRIC_REVOCATIONS_AGE, read_revocations_age },
    { METRIC_KEY, read_keys },
    { METRIC_KEY_ACTIVE_SINCE, read_active_key },
    { METRIC_KEY_STANDBY, read_standby_key },
    { METRIC_RELOAD_LAST_SUCCESS, read_last_reload },
    { METRIC_AUDIT_EVENTS_LOST, read_audit },
};

void gauges_start(struct services *services) {
    metrics_register_process();
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++)
        metric_register(gauges[i].metric, gauges[i].read, services);
}

void gauges_stop(void) {
    metrics_unregister_process();
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++)
        metric_unregister(gauges[i].metric);
}

void gauges_note_reload(bool is_good) {
    metric_add(METRIC_RELOADS, is_good ? METRIC_RELOAD_OK : METRIC_RELOAD_FAILED, 1);
}
