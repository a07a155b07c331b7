#include "db_internal.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES_MAX 6
#define PAUSE_MAX_US 20000u

/* libpq must not be used by two threads at once on one connection, and does not notice. */
static void begin_use(struct db *db) {
    bool was_in_use = atomic_exchange_explicit(&db->is_in_use, true, memory_order_acquire);
    assert(!was_in_use);
}

static void end_use(struct db *db) {
    atomic_store_explicit(&db->is_in_use, false, memory_order_release);
}

struct db *db_create(const struct db_options *options) {
    struct db *db = calloc(1, sizeof *db);
    if (db != NULL)
        db->options = *options;
    return db;
}

void db_destroy(struct db *db) {
    begin_use(db);
    db_disconnect(db);
    free(db->prepared);
    free(db);
}

void db_recover(struct db *db) {
    begin_use(db);
    if (db_connect(db, clock_monotonic_us() + db->options.connect_timeout_ms * 1000) != STATUS_OK)
        log_event(LOG_DEBUG, "database_still_unavailable", "pause_us=%lld", (long long)db->backoff_us);
    end_use(db);
}

bool db_was_rerun(const struct db *db) {
    return db->was_rerun;
}

static bool is_prepared(const struct db *db, const struct db_statement *statement) {
    for (size_t i = 0; i < db->prepared_count; i++)
        if (db->prepared[i] == statement)
            return true;
    return false;
}

static bool reserve_prepared(struct db *db) {
    if (db->prepared_count < db->prepared_capacity)
        return true;
    size_t capacity = db->prepared_capacity == 0 ? 32 : db->prepared_capacity * 2;
    const struct db_statement **grown = reallocarray(db->prepared, capacity, sizeof(void *));
    if (grown == NULL)
        return false;
    db->prepared = grown;
    db->prepared_capacity = capacity;
    return true;
}

/* The highest n of the "$n" in a statement. */
static int count_parameters(const char *sql) {
    int highest = 0;
    for (const char *mark = strchr(sql, '$'); mark != NULL; mark = strchr(mark + 1, '$')) {
        int number = (int)strtol(mark + 1, NULL, 10);
        highest = number > highest ? number : highest;
    }
    return highest;
}

static enum status prepare(struct db *db, const struct db_statement *statement, int64_t deadline_us, enum db_remedy *remedy) {
    if (statement == NULL || db->options.unprepared || is_prepared(db, statement))
        return STATUS_OK;
    assert(count_parameters(statement->sql) == statement->parameters);
    if (!reserve_prepared(db))
        return STATUS_OUT_OF_MEMORY;
    int sent = PQsendPrepare(db->connection, statement->name, statement->sql, statement->parameters, NULL);
    enum status status = db_round_trip(db, sent, statement, deadline_us, remedy);
    if (status == STATUS_OK)
        db->prepared[db->prepared_count++] = statement;
    db_release(db);
    return status;
}

static int send_statement(struct db *db, const struct db_statement *statement, const char *const *parameters) {
    if (db->options.unprepared)
        return PQsendQueryParams(db->connection, statement->sql, statement->parameters, NULL, parameters, NULL, NULL, 0);
    return PQsendQueryPrepared(db->connection, statement->name, statement->parameters, parameters, NULL, NULL, 0);
}

/* What db_connect sets for a session, for one transaction. That is never idle, so it needs no limit: its end is sent along with
 * it. */
static bool send_settings(struct db *db) {
    /* clang-format off */
    static const struct db_statement settings = {
        .name = "transaction_settings",
        .parameters = 1,
        .columns = 4,
        .sql = "SELECT set_config('TimeZone', 'UTC', true),"
               " set_config('DateStyle', 'ISO', true),"
               " set_config('statement_timeout', $1, true),"
               " set_config('lock_timeout', $1, true)",
    };
    /* clang-format on */
    const char *parameter = INTEGER_PARAMETER(db->options.statement_timeout_ms);
    return send_statement(db, &settings, &parameter) == 1;
}

/* The statements of a pipeline up to its end are one transaction, and each sees what was committed before it began. */
static int send_call(struct db *db, const struct db_statement *statement, const char *const *parameters) {
    if (statement->lock == NULL && !db->options.unprepared)
        return send_statement(db, statement, parameters);
    bool sent = PQenterPipelineMode(db->connection) == 1 && (!db->options.unprepared || send_settings(db)) &&
                (statement->lock == NULL || send_statement(db, statement->lock, parameters) == 1) &&
                send_statement(db, statement, parameters) == 1 && PQpipelineSync(db->connection) == 1;
    return sent ? 1 : 0;
}

/* Behind a pooler that shares prepared statements by name, another version of the program may have made one of this name. */
static enum status check_columns(const struct db *db, const struct db_statement *statement, enum db_remedy *remedy) {
    int columns = PQnfields(db->rows.result);
    if (columns == statement->columns)
        return STATUS_OK;
    log_event(LOG_ERROR, "database_answer_unexpected", "statement=%s columns=%d expected=%d", statement->name, columns,
              statement->columns);
    *remedy = REMEDY_RECONNECT;
    return STATUS_INTERNAL;
}

static enum status run_once(const struct db_call *call, const struct db_statement *statement, const char *const *parameters,
                            enum db_remedy *remedy) {
    struct db *db = call->db;
    *remedy = REMEDY_NONE;
    if (clock_monotonic_us() >= call->deadline_us)
        return STATUS_DEADLINE_EXCEEDED;
    enum status status = db_connect(db, call->deadline_us);
    if (status == STATUS_OK)
        status = prepare(db, statement->lock, call->deadline_us, remedy);
    if (status == STATUS_OK)
        status = prepare(db, statement, call->deadline_us, remedy);
    if (status == STATUS_OK)
        status = db_round_trip(db, send_call(db, statement, parameters), statement, call->deadline_us, remedy);
    return status == STATUS_OK ? check_columns(db, statement, remedy) : status;
}

/* A random pause, so that the transactions that were in conflict are not in conflict again at once. */
static void pause_before_retry(int64_t deadline_us) {
    int64_t pause_us = 1000 + (int64_t)randombytes_uniform(PAUSE_MAX_US), left_us = deadline_us - clock_monotonic_us();
    if (left_us > 0)
        usleep((useconds_t)(pause_us < left_us ? pause_us : left_us));
}

/*
 * A connection that cannot be used again is closed: a late reply may still be under way, and would be taken for that of the next
 * statement. When the next connection fails as well (a server that is read-only, for example), it is closed, too, and no other is
 * opened until the back-off has passed.
 */
static bool may_run_again(struct db *db, int64_t deadline_us, enum status status, enum db_remedy remedy) {
    if (remedy == REMEDY_RETRY) {
        pause_before_retry(deadline_us);
        return true;
    }
    if (remedy == REMEDY_NONE)
        return false;
    db_disconnect(db);
    if (status == STATUS_DEADLINE_EXCEEDED)
        return false;
    if (db->was_rerun || db->backoff_us != 0) {
        db_back_off(db, "no connection is usable");
        return false;
    }
    db->was_rerun = true;
    return true;
}

static enum status run_until_done(const struct db_call *call, const struct db_statement *statement,
                                  const char *const *parameters) {
    struct db *db = call->db;
    enum status status = STATUS_INTERNAL;
    db->was_rerun = false;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        enum db_remedy remedy;
        db_release(db);
        status = run_once(call, statement, parameters, &remedy);
        if (status == STATUS_OK) {
            db_note_success(db);
            return STATUS_OK;
        }
        if (!may_run_again(db, call->deadline_us, status, remedy))
            break;
    }
    db_release(db);
    return status;
}

enum status db_run(const struct db_call *call, const struct db_statement *statement, const char *const *parameters,
                   void *result) {
    struct db *db = call->db;
    begin_use(db);
    enum status status = run_until_done(call, statement, parameters);
    if (status == STATUS_OK && statement->read != NULL)
        status = statement->read(&db->rows, call->arena, result);
    db_release(db);
    end_use(db);
    return status;
}

enum status db_run_script(struct db *db, int64_t deadline_us, const char *name, const char *script, const struct db_rows **rows) {
    const struct db_statement statement = { .name = name };
    enum db_remedy remedy;
    *rows = NULL;
    begin_use(db);
    db_release(db);
    enum status status = STATUS_DATABASE_UNAVAILABLE;
    if (db->connection != NULL)
        status = db_round_trip(db, PQsendQuery(db->connection, script), &statement, deadline_us, &remedy);
    if (status == STATUS_OK)
        *rows = &db->rows;
    else
        db_disconnect(db); /* and with it any open transaction */
    end_use(db);
    return status;
}
