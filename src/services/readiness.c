#include "jwtd/readiness.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/migrations.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define INTERVAL_US (CLOCK_US_PER_S / 2)
#define RETRY_US (CLOCK_US_PER_S / 10)
/* As long as it may take to open a connection, so that one can be opened even where it takes more than half a second. */
#define DEADLINE_US (2 * CLOCK_US_PER_S)
#define ANSWER_LIFE_US (CLOCK_US_PER_S * 3 / 2)

struct readiness {
    struct pool *pool;
    struct pool_job job; /* belongs to the pool while is_under_way */
    atomic_bool is_under_way;
    _Atomic int64_t answered_us; /* the last good answer; 0: the last one was bad, or there is none */
    atomic_bool has_schema;      /* by that answer */
    bool is_logged;              /* that it has not; belongs to the job */
};

struct readiness *readiness_create(struct pool *database) {
    struct readiness *readiness = calloc(1, sizeof *readiness);
    if (readiness != NULL)
        readiness->pool = database;
    return readiness;
}

void readiness_destroy(struct readiness *readiness) {
    free(readiness);
}

static void ask_database(struct pool_job *job, void *db, bool late) {
    struct readiness *readiness = container_of(job, struct readiness, job);
    bool has_schema = false;
    struct db_call call = { .db = db, .deadline_us = job->deadline_us };
    bool answers = !late && migrations_are_applied(&call, &has_schema) == STATUS_OK;
    if (answers && !has_schema && !readiness->is_logged)
        log_event(LOG_ERROR, "schema_outdated", "cure=%s", "run jwtd migrate as the owner of the tables");
    readiness->is_logged = answers && !has_schema;
    atomic_store(&readiness->has_schema, has_schema);
    atomic_store(&readiness->answered_us, answers ? clock_monotonic_us() : 0);
    atomic_store(&readiness->is_under_way, false);
}

int64_t readiness_ask(struct readiness *readiness) {
    int64_t now_us = clock_monotonic_us(), retry_after_us;
    if (atomic_load(&readiness->is_under_way))
        return now_us + RETRY_US;
    /* while the pool is full no new answer comes, and the last one becomes too old */
    if (pool_reserve(readiness->pool, now_us + DEADLINE_US, &retry_after_us) != STATUS_OK)
        return now_us + RETRY_US;
    readiness->job = (struct pool_job){ .lane = LANE_LIGHT, .deadline_us = now_us + DEADLINE_US, .run = ask_database };
    atomic_store(&readiness->is_under_way, true);
    pool_submit(readiness->pool, &readiness->job);
    return now_us + INTERVAL_US;
}

struct readiness_answer readiness_read(const struct readiness *readiness) {
    int64_t answered_us = atomic_load(&readiness->answered_us);
    bool answers = answered_us != 0 && clock_monotonic_us() - answered_us < ANSWER_LIFE_US;
    return (struct readiness_answer){ .database = answers, .schema = answers && atomic_load(&readiness->has_schema) };
}
