/* The round trips of a connection: sending and receiving. */
#include "link.h"
#include "audit_lock.h"
#include "outage.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* ---- prepared statements ---- */

static bool is_prepared(const struct link *link, const struct db_statement *statement) {
    for (size_t i = 0; i < link->prepared_count; i++)
        if (link->prepared[i] == statement)
            return true;
    return false;
}

bool link_is_prepared(const struct link *link, const struct db_statement *statement) {
    return link->options.unprepared || is_prepared(link, statement);
}

static bool reserve_prepared(struct link *link, size_t more) {
    if (link->prepared_count + more <= link->prepared_capacity)
        return true;
    size_t capacity = link->prepared_capacity == 0 ? 32 : link->prepared_capacity * 2;
    const struct db_statement **grown = reallocarray(link->prepared, capacity, sizeof(void *));
    if (grown == NULL)
        return false;
    link->prepared = grown;
    link->prepared_capacity = capacity;
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

/* ---- sending ---- */

static void add_part(struct link *link, enum link_part_kind kind, const struct db_statement *statement, struct db_query *query) {
    assert(link->part_count < LINK_PARTS_MAX);
    link->parts[link->part_count++] = (struct link_part){ .kind = kind, .statement = statement, .query = query };
}

static bool send_prepare(struct link *link, const struct db_statement *statement, struct db_query *query) {
    if (statement == NULL || link_is_prepared(link, statement))
        return true;
    assert(count_parameters(statement->sql) == statement->parameters && statement->parameters <= DB_PARAMETERS_MAX);
    assert(audit_is_declared(statement));
    add_part(link, PART_PREPARE, statement, query);
    return PQsendPrepare(link->connection, statement->name, statement->sql, statement->parameters, NULL) == 1;
}

static bool send_statement(struct link *link, enum link_part_kind kind, const struct db_statement *statement,
                           const char *const *parameters, struct db_query *query) {
    add_part(link, kind, statement, query);
    if (link->options.unprepared)
        return PQsendQueryParams(link->connection, statement->sql, statement->parameters, NULL, parameters, NULL, NULL, 0) == 1;
    return PQsendQueryPrepared(link->connection, statement->name, statement->parameters, parameters, NULL, NULL, 0) == 1;
}

/* What link_open sets for a session, for one transaction. That is never idle, so it needs no limit: its end is sent along with
 * it.
 */
static bool send_settings(struct link *link, struct db_query *query) {
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
    const char *parameter = INTEGER_PARAMETER(link->options.statement_timeout_ms);
    return !link->options.unprepared || send_statement(link, PART_SETTINGS, &settings, &parameter, query);
}

/* For its transaction only: PostgreSQL's log and pg_stat_activity name it, and the statement, which stays prepared, is as it was.
 */
static bool send_application_name(struct link *link, struct db_query *query) {
    static const struct db_statement naming = {
        .name = "set_application_name", .parameters = 1, .columns = 1, .sql = "SELECT set_config('application_name', $1, true)"
    };
    return query->application_name == NULL ||
           (send_prepare(link, &naming, query) && send_statement(link, PART_SETTINGS, &naming, &query->application_name, query));
}

static bool send_lock(struct link *link, const struct db_statement *lock, struct db_query *query) {
    return lock == NULL || (send_prepare(link, lock, query) && send_statement(link, PART_LOCK, lock, query->parameters, query));
}

/* A lock is a statement of its own, so that the one behind it sees what was committed before the lock was granted. */
static bool send_query(struct link *link, struct db_query *query) {
    const struct db_statement *statement = query->statement;
    return reserve_prepared(link, 4) && send_application_name(link, query) && send_lock(link, audit_lock_of(statement), query) &&
           send_lock(link, statement->lock, query) && send_prepare(link, statement, query) &&
           send_statement(link, PART_STATEMENT, statement, query->parameters, query);
}

static bool flush(struct link *link) {
    int left = PQflush(link->connection);
    link->wants_write = left == 1;
    return left >= 0;
}

/* ---- the end of a round trip ---- */

static bool is_setup(const struct link *link) {
    return link->query_count == 1 && link->queries[0] == &link->setup;
}

static void end_queries(struct link *link) {
    if (is_setup(link)) {
        db_discard(&link->setup);
    } else {
        assert(link->ended_count == 0);
        memcpy(link->ended, link->queries, link->query_count * sizeof(struct db_query *));
        link->ended_count = link->query_count;
    }
    link->query_count = 0;
}

/* Also when it was lost or was late: what is slow is seen then. */
static void note_durations(const struct link *link) {
    int64_t now_us = clock_monotonic_us();
    for (unsigned i = 0; i < link->query_count; i++) {
        const struct db_query *query = link->queries[i];
        metric_observe(METRIC_STATEMENT_DURATION, metric_index_of_statement(query->statement->name),
                       (now_us - query->sent_us) * 1000);
    }
}

/* All its queries have unknown outcomes. */
static void lose(struct link *link, const char *reason) {
    for (unsigned i = 0; i < link->query_count; i++) {
        struct db_query *query = link->queries[i];
        db_discard(query);
        query->status = STATUS_DATABASE_UNAVAILABLE;
        query->remedy = REMEDY_RECONNECT;
    }
    /* one that cannot be replaced by another begins an outage, of which the log speaks by itself */
    log_event(LOG_DEBUG, "database_connection_lost", "statement=%s reason=%s", link->queries[0]->statement->name, reason);
    bool was_setup = is_setup(link);
    link->was_lost = true;
    note_durations(link);
    end_queries(link);
    if (was_setup)
        link_fail_opening(link, reason);
    else
        link_close(link);
}

void link_send(struct link *link, struct db_query *const *queries, unsigned count) {
    int64_t now_us = clock_monotonic_us();
    assert(link->state == LINK_IDLE && link->query_count == 0 && count > 0 && count <= LINK_QUERIES_MAX);
    link_set_state(link, LINK_BUSY);
    link->part_count = link->current_part = 0;
    memcpy(link->queries, queries, count * sizeof(struct db_query *));
    link->query_count = count;
    bool is_sent = send_settings(link, queries[0]);
    for (unsigned i = 0; i < count; i++) {
        struct db_query *query = queries[i];
        assert(count == 1 || (query->statement->only_reads && link_is_prepared(link, query->statement)));
        query->status = STATUS_OK;
        query->remedy = REMEDY_NONE;
        query->sent_us = now_us;
        if (query->first_sent_us == 0)
            query->first_sent_us = now_us;
        is_sent = is_sent && send_query(link, query);
    }
    if (!is_sent || PQpipelineSync(link->connection) != 1 || !flush(link))
        lose(link, PQerrorMessage(link->connection));
}

/* Behind a pooler that shares prepared statements by name, another version of the program may have made one of this name. */
static void check_columns(struct db_query *query) {
    const struct db_statement *statement = query->statement;
    int columns = query->rows.result == NULL ? -1 : PQnfields(query->rows.result);
    if (query->status != STATUS_OK || columns == statement->columns)
        return;
    log_set_context(query->log);
    log_event(LOG_ERROR, "database_answer_unexpected", "statement=%s columns=%d expected=%d", statement->name, columns,
              statement->columns);
    log_set_context(NULL);
    query->status = STATUS_INTERNAL;
    query->remedy = REMEDY_RECONNECT;
}

static void note_answer(void) {
    struct late_statements late;
    outage_note_answer();
    if (outage_take_late(&late))
        log_event(LOG_WARN, "database_too_slow", "statement=%s count=%llu", late.last, (unsigned long long)late.count);
}

static void end_round_trip(struct link *link) {
    bool is_answered = false, was_setup = is_setup(link);
    note_durations(link);
    for (unsigned i = 0; i < link->query_count; i++) {
        struct db_query *query = link->queries[i];
        check_columns(query);
        if (query->status != STATUS_OK)
            db_discard(query);
        is_answered = is_answered || query->status == STATUS_OK;
    }
    note_answer();
    link_set_state(link, LINK_IDLE);
    end_queries(link);
    if (is_answered) {
        link->has_answered = true;
        link_note_success(link);
    }
    if (was_setup && !is_answered)
        link_fail_opening(link, "the session could not be set up");
}

/* ---- receiving ---- */

/* An error behind the last part is one of the transaction's end, which nothing survives. */
static void receive_refusal(struct link *link, const PGresult *result) {
    if (link->current_part < link->part_count) {
        const struct link_part *part = &link->parts[link->current_part];
        link_refuse(link, part->query, part->statement, result);
        return;
    }
    for (unsigned i = 0; i < link->query_count; i++)
        link_refuse(link, link->queries[i], link->queries[i]->statement, result);
}

/* What follows a refusal is skipped: of the same query, which keeps its own outcome, or of another one. */
static void receive_skipped(const struct link_part *part) {
    if (part->query->status != STATUS_OK)
        return;
    part->query->status = STATUS_DATABASE_UNAVAILABLE;
    part->query->remedy = REMEDY_RUN_ALONE;
}

/* Takes the result if it is a query's rows; else the caller frees it. */
static bool receive_part(struct link *link, PGresult *result) {
    struct link_part *part = &link->parts[link->current_part];
    assert(link->current_part < link->part_count);
    if (part->kind == PART_PREPARE) {
        assert(link->prepared_count < link->prepared_capacity);
        link->prepared[link->prepared_count++] = part->statement;
    }
    if (part->kind != PART_STATEMENT || part->query->status != STATUS_OK)
        return false;
    assert(part->query->rows.result == NULL);
    part->query->rows.result = result;
    return true;
}

static void receive_result(struct link *link, PGresult *result) {
    bool is_taken = false;
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        end_round_trip(link);
        break;
    case PGRES_PIPELINE_ABORTED:
        if (link->current_part < link->part_count)
            receive_skipped(&link->parts[link->current_part]);
        break;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        is_taken = receive_part(link, result);
        break;
    default:
        /* an error of libpq's own, for want of memory, may stand for any result: the one that ends the round trip, for example */
        if (PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL)
            lose(link, PQresultErrorMessage(result));
        else
            receive_refusal(link, result);
    }
    if (!is_taken)
        PQclear(result);
}

/* A NULL ends the results of one part. */
static void receive(struct link *link) {
    while (link->state == LINK_BUSY && !PQisBusy(link->connection)) {
        PGresult *result = PQgetResult(link->connection);
        if (PQstatus(link->connection) != CONNECTION_OK) {
            PQclear(result);
            lose(link, PQerrorMessage(link->connection));
        } else if (result != NULL) {
            receive_result(link, result);
        } else {
            link->current_part++;
        }
    }
}

static bool is_readable(const struct link *link) {
    struct pollfd socket = { .fd = PQsocket(link->connection), .events = POLLIN };
    return poll(&socket, 1, 0) > 0;
}

/* Until the socket is empty, and once more: what is left of a TLS record stays in its library, where poll does not see it, and
 * fits into libpq's buffer then. */
static bool consume(struct link *link) {
    bool is_more = PQsslInUse(link->connection) == 1;
    do {
        is_more = is_more && is_readable(link);
        if (PQconsumeInput(link->connection) == 0)
            return false;
    } while (is_more);
    return !PQsslInUse(link->connection) || PQconsumeInput(link->connection) == 1;
}

/* What an idle connection receives is the reason why its server ends it, or a setting that has changed. One that ends before it
 * has answered anything would be opened again and again. */
static void progress_idle(struct link *link) {
    bool is_open = consume(link) && PQisBusy(link->connection) == 0 && PQstatus(link->connection) == CONNECTION_OK;
    if (is_open && link_has_wanted_role(link))
        return;
    if (!link->has_answered)
        link_back_off(link, PQerrorMessage(link->connection));
    link->was_lost = true;
    link_close(link);
}

static void progress_busy(struct link *link) {
    if (!consume(link) || (link->wants_write && !flush(link))) {
        lose(link, PQerrorMessage(link->connection));
        return;
    }
    receive(link);
    if (link->state == LINK_IDLE && !link_has_wanted_role(link))
        link_close(link);
}

/* PGTZ and PGDATESTYLE of the environment override the options of a connection; db_copy_time relies on these two. */
static bool has_times(const struct link *link) {
    if (link->options.unprepared)
        return true;
    const char *zone = PQparameterStatus(link->connection, "TimeZone");
    const char *style = PQparameterStatus(link->connection, "DateStyle");
    return zone != NULL && strcmp(zone, "UTC") == 0 && style != NULL && strncmp(style, "ISO", 3) == 0;
}

static void set_times(struct link *link) {
    /* clang-format off */
    static const struct db_statement statement = {
        .name = "set_times",
        .columns = 2,
        .sql = "SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false)",
    };
    /* clang-format on */
    struct db_query *setup = &link->setup;
    *setup = (struct db_query){ .deadline_us = link->connect_deadline_us };
    db_ask(setup, &statement, NULL, NULL);
    link_send(link, &setup, 1);
}

static void progress_connecting(struct link *link) {
    link_continue_opening(link);
    if (link->state == LINK_IDLE && !has_times(link))
        set_times(link);
}

void link_progress(struct link *link) {
    if (link->state == LINK_CONNECTING)
        progress_connecting(link);
    else if (link->state == LINK_IDLE)
        progress_idle(link);
    else if (link->state == LINK_BUSY)
        progress_busy(link);
}

bool link_is_alive(struct link *link) {
    while (link->state == LINK_IDLE && is_readable(link))
        progress_idle(link);
    return link->state == LINK_IDLE;
}

/* ---- waiting ---- */

short link_events(const struct link *link) {
    if (link->state == LINK_CLOSED)
        return 0;
    if (link->state == LINK_CONNECTING)
        return link->awaits == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    return link->wants_write ? POLLIN | POLLOUT : POLLIN;
}

int64_t link_sent_us(const struct link *link) {
    assert(link->query_count > 0);
    return link->queries[0]->sent_us;
}

int64_t link_deadline(const struct link *link) {
    int64_t deadline_us = link->state == LINK_CONNECTING ? link->connect_deadline_us : INT64_MAX;
    for (unsigned i = 0; i < link->query_count; i++)
        if (link->queries[i]->deadline_us < deadline_us)
            deadline_us = link->queries[i]->deadline_us;
    return deadline_us;
}

/* The reason is mostly empty, or libpq's: without memory for the mark of the end it reports none. What the log says without one
 * waits for what the server does next (outage.h). */
static void log_late(const struct link *link, const struct db_query *query) {
    const char *name = query->statement->name, *reason = PQerrorMessage(link->connection);
    log_set_context(query->log);
    if (reason[0] != '\0') {
        log_event(outage_is_on() ? LOG_DEBUG : LOG_WARN, "database_too_slow", "statement=%s reason=%s", name, reason);
    } else {
        log_event(LOG_DEBUG, "database_too_slow", "statement=%s", name);
        outage_note_late(name, query->sent_us);
    }
    log_set_context(NULL);
    if (outage_is_silence(query->sent_us) && outage_begin())
        log_event(LOG_WARN, "database_unavailable", "reason=%s statement=%s", "the server did not answer in time", name);
}

/* A reply that is still under way would be taken for that of the next statement, so the connection is closed. */
static void expire_round_trip(struct link *link, int64_t now_us) {
    bool was_setup = is_setup(link);
    link->was_lost = true;
    note_durations(link);
    for (unsigned i = 0; i < link->query_count; i++) {
        struct db_query *query = link->queries[i];
        bool is_late = query->deadline_us <= now_us;
        db_discard(query);
        query->status = is_late ? STATUS_DEADLINE_EXCEEDED : STATUS_DATABASE_UNAVAILABLE;
        query->remedy = is_late ? REMEDY_NONE : REMEDY_RECONNECT;
        if (is_late)
            log_late(link, query);
    }
    end_queries(link);
    if (was_setup)
        link_fail_opening(link, "the server did not answer in time");
    else
        link_close(link);
}

void link_expire(struct link *link, int64_t now_us) {
    if (link->state == LINK_CONNECTING)
        link_fail_opening(link, "the server did not answer in time");
    else if (link->state == LINK_BUSY)
        expire_round_trip(link, now_us);
}

unsigned link_take_ended(struct link *link, struct db_query *queries[LINK_QUERIES_MAX]) {
    unsigned count = link->ended_count;
    memcpy(queries, link->ended, count * sizeof(struct db_query *));
    link->ended_count = 0;
    return count;
}
