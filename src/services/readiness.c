#include "jwtd/readiness.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/migrations.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_US (CLOCK_US_PER_S / 2)
#define RETRY_US (CLOCK_US_PER_S / 10)
/* As long as it may take to open a connection, so that one can be opened even where it takes more than half a second. */
#define DEADLINE_US (2 * CLOCK_US_PER_S)
#define ANSWER_LIFE_US (CLOCK_US_PER_S * 3 / 2)

struct readiness {
    struct db_executor *database;
    struct db_query query; /* belongs to the executor while is_under_way; and so does all up to `logged` */
    struct schema schema;
    enum schema_state logged;
    char logged_missing[SCHEMA_MISSING_SIZE];
    atomic_bool is_under_way;
    _Atomic int64_t answered_us; /* the last good answer; 0: the last one was bad, or there is none */
    atomic_int state;            /* enum schema_state, by that answer */
};

struct readiness *readiness_create(struct db_executor *database) {
    struct readiness *readiness = calloc(1, sizeof *readiness);
    if (readiness == NULL)
        return NULL;
    readiness->database = database;
    readiness->logged = SCHEMA_CURRENT;
    return readiness;
}

void readiness_destroy(struct readiness *readiness) {
    free(readiness);
}

/* Once, when they have changed. Of tables that are not there no right is missing. */
static void log_rights(struct readiness *readiness) {
    const struct schema *schema = &readiness->schema;
    bool is_unknown = schema->state == SCHEMA_OLDER && schema->missing[0] == '\0';
    if (is_unknown || strcmp(schema->missing, readiness->logged_missing) == 0)
        return;
    memcpy(readiness->logged_missing, schema->missing, sizeof schema->missing);
    if (schema->missing[0] != '\0')
        log_event(LOG_ERROR, "rights_missing", "missing=%s cure=%s", schema->missing, schema->cure);
    else
        log_event(LOG_INFO, "rights_complete", "applied=%s", schema->newest);
}

/* Once, when it has changed. */
static void log_schema(struct readiness *readiness) {
    const struct schema *schema = &readiness->schema;
    if (schema->state == readiness->logged || schema->state == SCHEMA_FORBIDDEN)
        return;
    readiness->logged = schema->state;
    if (schema->state == SCHEMA_OLDER)
        log_event(LOG_ERROR, "schema_outdated", "applied=%s needed=%s cure=%s", schema->newest, migrations_newest(),
                  "run jwtd migrate as the owner of the tables");
    else
        log_event(schema->state == SCHEMA_NEWER ? LOG_WARN : LOG_INFO,
                  schema->state == SCHEMA_NEWER ? "schema_newer" : "schema_current", "applied=%s known=%s", schema->newest,
                  migrations_newest());
}

static void note_answer(struct readiness *readiness, bool answers) {
    if (answers) {
        log_rights(readiness);
        log_schema(readiness);
    }
    atomic_store(&readiness->state, readiness->schema.state);
    atomic_store(&readiness->answered_us, answers ? clock_monotonic_us() : 0);
    atomic_store(&readiness->is_under_way, false);
}

static void take_answer(struct db_query *query) {
    struct readiness *readiness = query->context;
    bool answers = db_take(query, NULL) == STATUS_OK;
    if (db_is_asked(query)) {
        admission_reserve_next(db_executor_admission(readiness->database));
        db_executor_submit(readiness->database, query);
        return;
    }
    note_answer(readiness, answers);
}

int64_t readiness_ask(struct readiness *readiness) {
    int64_t now_us = clock_monotonic_us(), retry_after_us;
    if (atomic_load(&readiness->is_under_way))
        return now_us + RETRY_US;
    /* while the queue is full no new answer comes, and the last one becomes too old */
    struct admission *admission = db_executor_admission(readiness->database);
    if (admission_reserve(admission, now_us + DEADLINE_US, &retry_after_us) != STATUS_OK)
        return now_us + RETRY_US;
    readiness->query = (struct db_query){ .is_probe = true,
                                          .turn_deadline_us = now_us + DEADLINE_US,
                                          .deadline_us = now_us + DEADLINE_US,
                                          .done = take_answer,
                                          .context = readiness };
    migrations_check(&readiness->query, &readiness->schema);
    atomic_store(&readiness->is_under_way, true);
    db_executor_submit(readiness->database, &readiness->query);
    return now_us + INTERVAL_US;
}

struct readiness_answer readiness_read(const struct readiness *readiness) {
    int64_t answered_us = atomic_load(&readiness->answered_us);
    bool answers = answered_us != 0 && clock_monotonic_us() - answered_us < ANSWER_LIFE_US;
    return (struct readiness_answer){ .database = answers, .schema = (enum schema_state)atomic_load(&readiness->state) };
}
