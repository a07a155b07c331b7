#include "db_internal.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_US INT64_C(50000)
#define BACKOFF_LAST_US INT64_C(2000000)

void db_disconnect(struct db *db) {
    db_release(db);
    if (db->connection != NULL)
        PQfinish(db->connection);
    db->connection = NULL;
    db->prepared_count = 0;
}

static void log_notice(void *context, const char *message) {
    (void)context;
    log_event(LOG_DEBUG, "database_notice", "message=%s", message);
}

/* The options of a conninfo or URL stay in force; these are behind them. No bitmap scans: the statements search for a few rows by
 * an index, and only plain index scans mark the entries of dead rows that they find, so that the next one skips them. Without
 * that, each login of a user with a hundred sessions reads all that were revoked since the last vacuum. */
static char *session_options(const char *given, int64_t statement_timeout_ms) {
    static const char format[] = "%s -c enable_bitmapscan=off -c TimeZone=UTC -c DateStyle=ISO -c statement_timeout=%lld"
                                 " -c lock_timeout=%lld -c idle_in_transaction_session_timeout=%lld";
    size_t size = strlen(given) + sizeof format + 72;
    char *options = malloc(size);
    long long timeout = statement_timeout_ms;
    if (options != NULL)
        snprintf(options, size, format, given, timeout, timeout, timeout > 0 ? timeout * 5 : 0);
    return options;
}

static const char *given_options(const PQconninfoOption *parsed) {
    const char *given = db_option(parsed, "options");
    const char *from_environment = getenv("PGOPTIONS");
    if (given != NULL)
        return given;
    return from_environment != NULL ? from_environment : "";
}

/* Name resolution is the only part that libpq does without a deadline. */
static PGconn *begin_connecting(const struct db_options *options, const PQconninfoOption *parsed, const struct db_hosts *hosts) {
    char *session = session_options(given_options(parsed), options->statement_timeout_ms);
    char timeout_ms[24];
    if (session == NULL)
        return NULL;
    /* half of the whole time, so that one silent host of several leaves time for the next */
    snprintf(timeout_ms, sizeof timeout_ms, "%lld", (long long)options->connect_timeout_ms / 2);
    /* a pooler rejects options, or drops them when it assigns another connection: see send_settings */
    const char *own_options = options->unprepared ? NULL : "options";
    /* what stands before dbname is overridden by the url, what stands behind it overrides the url unless it is NULL */
    const char *const keywords[] = { "fallback_application_name",
                                     "keepalives_idle",
                                     "keepalives_interval",
                                     "keepalives_count",
                                     "tcp_user_timeout",
                                     "dbname",
                                     "host",
                                     "hostaddr",
                                     "port",
                                     "client_encoding",
                                     own_options,
                                     NULL };
    const char *const values[] = { "jwtd",          "10",        "5",    "3",     timeout_ms, options->url, hosts->host,
                                   hosts->hostaddr, hosts->port, "UTF8", session, NULL };
    PGconn *connection = PQconnectStartParams(keywords, values, 1);
    free(session);
    return connection;
}

static bool finish_connecting(struct db *db, int64_t deadline_us) {
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    while (wanted != PGRES_POLLING_OK) {
        if (wanted == PGRES_POLLING_FAILED || PQstatus(db->connection) == CONNECTION_BAD)
            return false;
        if (!db_wait(db, wanted == PGRES_POLLING_WRITING, deadline_us)) {
            db->first_host++; /* libpq would begin with the same host again, and never try the next */
            return false;
        }
        wanted = PQconnectPoll(db->connection);
    }
    return PQsetnonblocking(db->connection, 1) == 0;
}

/* An outage hits every connection of the process, and each notices it when it is used next: only the first one warns. */
static atomic_bool is_outage;

void db_note_success(struct db *db) {
    bool ends_outage = atomic_load(&is_outage) && atomic_exchange(&is_outage, false);
    if (ends_outage || db->backoff_us != 0)
        log_event(ends_outage ? LOG_INFO : LOG_DEBUG, "database_available", "host=%s", PQhost(db->connection));
    db->backoff_us = 0;
}

/* With jitter, so that instances that lost the same server do not all connect at the same moment. */
void db_back_off(struct db *db, const char *reason) {
    bool is_first = db->backoff_us == 0 && !atomic_exchange(&is_outage, true);
    log_event(is_first ? LOG_WARN : LOG_DEBUG, "database_unavailable", "reason=%s", reason);
    db->backoff_us = db->backoff_us == 0 ? BACKOFF_FIRST_US : db->backoff_us * 2;
    if (db->backoff_us > BACKOFF_LAST_US)
        db->backoff_us = BACKOFF_LAST_US;
    db->retry_us = clock_monotonic_us() + db->backoff_us / 2 + (int64_t)randombytes_uniform((uint32_t)db->backoff_us / 2);
}

/* PGTZ and PGDATESTYLE of the environment override the options of a connection; db_copy_time relies on these two. */
static bool settle_times(struct db *db, int64_t deadline_us) {
    if (db->options.unprepared)
        return true;
    const char *zone = PQparameterStatus(db->connection, "TimeZone");
    const char *style = PQparameterStatus(db->connection, "DateStyle");
    if (zone != NULL && strcmp(zone, "UTC") == 0 && style != NULL && strncmp(style, "ISO", 3) == 0)
        return true;
    static const struct db_statement statement = { .name = "set_times", .sql = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'" };
    enum db_remedy remedy;
    enum status status = db_round_trip(db, PQsendQuery(db->connection, statement.sql), &statement, deadline_us, &remedy);
    db_release(db);
    return status == STATUS_OK;
}

static enum status connect_as(struct db *db, const PQconninfoOption *parsed, int64_t deadline_us) {
    struct db_hosts hosts;
    if (db_order_hosts(parsed, db->first_host, &hosts))
        db->connection = begin_connecting(&db->options, parsed, &hosts);
    db_free_hosts(&hosts);
    if (db->connection == NULL)
        return STATUS_OUT_OF_MEMORY;
    PQsetNoticeProcessor(db->connection, log_notice, NULL);
    if (finish_connecting(db, deadline_us) && settle_times(db, deadline_us)) {
        db_note_wanted_role(db);
        return STATUS_OK;
    }
    db_back_off(db, db->connection != NULL ? PQerrorMessage(db->connection) : "the session could not be set up");
    db_disconnect(db);
    return STATUS_DATABASE_UNAVAILABLE;
}

static enum status connect_anew(struct db *db, int64_t deadline_us) {
    int64_t now_us = clock_monotonic_us();
    if (now_us < db->retry_us)
        return STATUS_DATABASE_UNAVAILABLE;
    /* parsed here first, since libpq's own error messages quote the text, and with it the password */
    PQconninfoOption *parsed = db_parse_url(db->options.url);
    if (parsed == NULL && errno == ENOMEM)
        return STATUS_OUT_OF_MEMORY;
    if (parsed == NULL) {
        db_back_off(db, "database.url " DB_URL_ERROR);
        return STATUS_DATABASE_UNAVAILABLE;
    }
    int64_t own_deadline_us = now_us + db->options.connect_timeout_ms * 1000;
    enum status status = connect_as(db, parsed, own_deadline_us < deadline_us ? own_deadline_us : deadline_us);
    PQconninfoFree(parsed);
    return status;
}

/* When a server has ended the connection, its message, and then the end of the stream, can be read by now. */
static bool is_alive(const struct db *db) {
    struct pollfd socket = { .fd = PQsocket(db->connection), .events = POLLIN };
    while (poll(&socket, 1, 0) > 0)
        if (PQconsumeInput(db->connection) == 0 || PQstatus(db->connection) != CONNECTION_OK)
            return false;
    return true;
}

int64_t db_unhealthy_until(const struct db *db) {
    return db->connection == NULL && db->backoff_us != 0 ? db->retry_us : 0;
}

enum status db_connect(struct db *db, int64_t deadline_us) {
    if (db->connection != NULL && is_alive(db) && db_has_wanted_role(db))
        return STATUS_OK;
    db_disconnect(db);
    return connect_anew(db, deadline_us);
}
