/* The opening and closing of a connection. */
#include "link.h"
#include "outage.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/metrics.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_US INT64_C(50000)
/* PgBouncer about the `options` of a connection, which it cannot keep for one of its own. */
#define POOLER_COMPLAINT "unsupported startup parameter"
/* Root's commands included: PostgreSQL compares the role with the user of the system whose process connects. */
#define PEER_COMPLAINT "Peer authentication failed"
#define PEER_CURE                                                                                                                \
    "run as the user jwtd (runuser -u jwtd -- jwtd ...), or let root be jwtd by a map in pg_ident.conf (operators.md)"
#define BACKOFF_LAST_US INT64_C(2000000)

void link_init(struct link *link, const struct db_options *options) {
    *link = (struct link){ .options = *options };
    metric_change(METRIC_DATABASE_CONNECTIONS, LINK_CLOSED, 1);
}

void link_fini(struct link *link) {
    link_close(link);
    metric_change(METRIC_DATABASE_CONNECTIONS, LINK_CLOSED, -1);
    free(link->prepared);
}

void link_set_state(struct link *link, enum link_state state) {
    metric_move(METRIC_DATABASE_CONNECTIONS, link->state, state);
    link->state = state;
}

void link_close(struct link *link) {
    assert(link->query_count == 0);
    if (link->connection != NULL)
        PQfinish(link->connection);
    link->connection = NULL;
    link->address[0] = '\0';
    link->has_answered = false;
    link->prepared_count = 0;
    link->wants_write = false;
    link_set_state(link, LINK_CLOSED);
}

/* An outage hits every connection of the process, and each notices it when it is used next. */
void link_note_success(struct link *link) {
    struct outage outage;
    if (outage_end(&outage))
        log_event(LOG_WARN, "database_available", "host=%s ms=%lld refused=%llu late=%llu", PQhost(link->connection),
                  (long long)(outage.lasted_us / 1000), (unsigned long long)outage.refused, (unsigned long long)outage.late);
    else if (link->backoff_us != 0)
        log_event(LOG_DEBUG, "database_available", "host=%s", PQhost(link->connection));
    link->backoff_us = 0;
}

/* By PostgreSQL's messages in English; without one that is known, none. */
static const char *cure_of(const char *reason) {
    if (strstr(reason, POOLER_COMPLAINT) != NULL)
        return POOLER_CURE;
    return strstr(reason, PEER_COMPLAINT) != NULL ? PEER_CURE : NULL;
}

/* With jitter, so that instances that lost the same server do not all connect at the same moment. */
void link_back_off(struct link *link, const char *reason) {
    bool is_first = link->backoff_us == 0 && outage_begin();
    enum log_level level = is_first ? LOG_WARN : LOG_DEBUG;
    log_event(level, "database_unavailable", "reason=%s cure=%s", reason, cure_of(reason));
    link->backoff_us = link->backoff_us == 0 ? BACKOFF_FIRST_US : link->backoff_us * 2;
    if (link->backoff_us > BACKOFF_LAST_US)
        link->backoff_us = BACKOFF_LAST_US;
    int64_t half_us = link->backoff_us / 2;
    link->retry_us = clock_monotonic_us() + half_us + (int64_t)randombytes_uniform((uint32_t)half_us);
}

static void log_notice(void *context, const char *message) {
    (void)context;
    log_event(LOG_DEBUG, "database_notice", "message=%s", message);
}

/*
 * The options of a conninfo or URL stay in force; these are behind them. The statements search for a few rows by an index,
 * always:
 * - no sequential scans. The plan of a prepared statement is kept: one that is made while a table is empty or unknown to the
 *   planner would read all of it, however large it has become, until the table is analysed the next time;
 * - no bitmap scans, since only plain index scans mark the entries of dead rows that they find, so that the next one skips them.
 *   Without that, each login of a user with a hundred sessions reads all that were ended since the last vacuum;
 * - no compilation: it costs more than any of these statements, and the planner does it where it finds no index to use.
 */
static char *session_options(const char *given, int64_t statement_timeout_ms) {
    static const char format[] = "%s -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off -c TimeZone=UTC -c DateStyle=ISO"
                                 " -c statement_timeout=%lld -c lock_timeout=%lld -c idle_in_transaction_session_timeout=%lld";
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

/* Name resolution is the only part that libpq does without a deadline, and not at all with a hostaddr. The name is still the one
 * of the server's certificate and of the password file. */
static PGconn *begin_connecting(const struct link *link, const PQconninfoOption *parsed, const struct db_hosts *hosts) {
    const struct db_options *options = &link->options;
    const char *known_address = link->address[0] != '\0' ? link->address : NULL;
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
    const char *const values[] = {
        "jwtd",      "10",         "5",         "3",
        timeout_ms,  options->url, hosts->host, hosts->hostaddr != NULL ? hosts->hostaddr : known_address,
        hosts->port, "UTF8",       session,     NULL
    };
    PGconn *connection = PQconnectStartParams(keywords, values, 1);
    free(session);
    return connection;
}

/* libpq does not go on to the next host when one is silent, hangs up or rejects the user, and would begin with it each time. */
void link_fail_opening(struct link *link, const char *reason) {
    link->first_host++;
    link_back_off(link, reason);
    link_close(link);
}

bool link_may_open(const struct link *link, int64_t now_us) {
    return link->state == LINK_CLOSED && now_us >= link->retry_us;
}

void link_open(struct link *link, int64_t now_us, int64_t deadline_us) {
    int64_t own_deadline_us = now_us + link->options.connect_timeout_ms * 1000;
    assert(link->state == LINK_CLOSED);
    /* parsed here first, since libpq's own error messages quote the text, and with it the password */
    PQconninfoOption *parsed = db_parse_url(link->options.url);
    if (parsed == NULL) {
        link_back_off(link, errno == ENOMEM ? "out of memory" : "database.url " DB_URL_ERROR);
        return;
    }
    struct db_hosts hosts;
    if (db_order_hosts(parsed, link->first_host, &hosts))
        link->connection = begin_connecting(link, parsed, &hosts);
    db_free_hosts(&hosts);
    PQconninfoFree(parsed);
    if (link->connection == NULL) {
        link_back_off(link, "out of memory");
        return;
    }
    PQsetNoticeProcessor(link->connection, log_notice, NULL);
    link_set_state(link, LINK_CONNECTING);
    link->awaits = PGRES_POLLING_WRITING;
    link->connect_deadline_us = own_deadline_us < deadline_us ? own_deadline_us : deadline_us;
    if (PQstatus(link->connection) == CONNECTION_BAD)
        link_fail_opening(link, PQerrorMessage(link->connection));
}

static void finish_connecting(struct link *link) {
    if (PQsetnonblocking(link->connection, 1) != 0 || PQenterPipelineMode(link->connection) != 1) {
        link_fail_opening(link, PQerrorMessage(link->connection));
        return;
    }
    link_note_address(link);
    link_note_wanted_role(link);
    link_set_state(link, LINK_IDLE);
    if (link->was_lost)
        metric_add(METRIC_DATABASE_RECONNECTS, 0, 1);
    link->was_lost = false;
}

void link_continue_opening(struct link *link) {
    link->awaits = PQconnectPoll(link->connection);
    if (link->awaits == PGRES_POLLING_OK)
        finish_connecting(link);
    else if (link->awaits == PGRES_POLLING_FAILED || PQstatus(link->connection) == CONNECTION_BAD)
        link_fail_opening(link, PQerrorMessage(link->connection));
}
