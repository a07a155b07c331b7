#include "metric_table.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- sets of label values ---- */

/* What a busy service sends most comes first: the search is linear. */
static const char *const statuses[] = {
    "200", "204", "201", "401", "503", "429", "304", "303", "400", "403", "404", "405", "406",
    "408", "409", "412", "413", "414", "415", "421", "422", "428", "431", "500", "505", "none"
};
static const char *const executors[] = { "database", "crypto", "dispatch", "other" };
static const char *const listeners[] = { "public", "operations" };
static const char *const shed_reasons[] = { "overloaded",        "deadline_exceeded", "database_unavailable",
                                            "out_of_memory",     "starting",          "revocations_stale",
                                            "keys_unavailable",  "shutting_down",     "too_many_connections",
                                            "connection_closed", "address_limit" };
static const char *const limit_classes[] = { "register",         "login",          "refresh",         "account", "service",
                                             "address_failures", "login_failures", "account_failures" };
static const char *const connection_states[] = { "idle", "header", "body", "busy", "answer" };
static const char *const link_states[] = { "closed", "connecting", "idle", "busy" };
static const char *const logins[] = { "ok", "refused", "locked", "change_required" };
static const char *const registrations[] = { "created", "repeated", "email_taken" };
static const char *const refreshes[] = { "rotated", "retried", "reused", "expired", "invalid", "too_soon" };
static const char *const decisions[] = { "allowed", "refused" };
static const char *const reloads[] = { "ok", "failed" };
static const char *const spans[] = { "sent", "dropped", "failed" };

#define VALUES(array)                                                                                                            \
    { (array), ARRAY_LEN(array) }

static const struct {
    const char *const *values; /* NULL: they are given */
    unsigned size;
} sets[METRIC_SET_COUNT] = {
    [METRIC_SET_NONE] = { NULL, 1 },
    [METRIC_SET_ROUTE] = { NULL, METRIC_ROUTES_MAX },
    [METRIC_SET_STATUS] = VALUES(statuses),
    [METRIC_SET_STATEMENT] = { NULL, METRIC_STATEMENTS_MAX },
    [METRIC_SET_EXECUTOR] = VALUES(executors),
    [METRIC_SET_LISTENER] = VALUES(listeners),
    [METRIC_SET_SHED_REASON] = VALUES(shed_reasons),
    [METRIC_SET_LIMIT_CLASS] = VALUES(limit_classes),
    [METRIC_SET_CONNECTION_STATE] = VALUES(connection_states),
    [METRIC_SET_LINK_STATE] = VALUES(link_states),
    [METRIC_SET_LOGIN] = VALUES(logins),
    [METRIC_SET_REGISTRATION] = VALUES(registrations),
    [METRIC_SET_REFRESH] = VALUES(refreshes),
    [METRIC_SET_DECISION] = VALUES(decisions),
    [METRIC_SET_RELOAD] = VALUES(reloads),
    [METRIC_SET_SPAN] = VALUES(spans),
};

static const char *const no_routes[] = {
    [METRIC_ROUTE_NONE] = "none", [METRIC_ROUTE_OPERATIONS] = "operations", [METRIC_ROUTE_ADDRESS_LIMIT] = "address_limit"
};

/* Each is written once, and read by any thread after. */
static _Atomic(const char *) routes[METRIC_ROUTES_MAX], statements[METRIC_STATEMENTS_MAX];

unsigned metric_set_size(enum metric_set set) {
    assert(set < METRIC_SET_COUNT && sets[set].size > 0);
    return sets[set].size;
}

const char *metric_value(enum metric_set set, unsigned index) {
    assert(index < metric_set_size(set));
    if (set == METRIC_SET_ROUTE)
        return index < METRIC_ROUTE_FIRST ? no_routes[index] : atomic_load_explicit(&routes[index], memory_order_acquire);
    if (set == METRIC_SET_STATEMENT)
        return index == METRIC_STATEMENTS_MAX - 1 ? "other" : atomic_load_explicit(&statements[index], memory_order_acquire);
    return sets[set].values != NULL ? sets[set].values[index] : NULL;
}

unsigned metric_index_of(enum metric_set set, const char *value) {
    unsigned last = metric_set_size(set) - 1;
    assert(sets[set].values != NULL);
    for (unsigned i = 0; i < last; i++)
        if (strcmp(sets[set].values[i], value) == 0)
            return i;
    return last;
}

unsigned metric_index_of_status(unsigned http_status) {
    unsigned last = ARRAY_LEN(statuses) - 1;
    for (unsigned i = 0; i < last; i++) {
        const char *digits = statuses[i];
        if ((unsigned)(digits[0] * 100 + digits[1] * 10 + digits[2] - '0' * 111) == http_status)
            return i;
    }
    return last;
}

/* In the order of their first use, so that threads that use a few of them touch few pages of cells. */
unsigned metric_index_of_statement(const char *name) {
    unsigned last = METRIC_STATEMENTS_MAX - 1;
    for (unsigned i = 0; i < last; i++) {
        const char *other = atomic_load_explicit(&statements[i], memory_order_acquire);
        if (other == NULL && atomic_compare_exchange_strong(&statements[i], &other, name))
            return i;
        if (other == name)
            return i;
    }
    return last;
}

/* A server that is started again in the same process, by a test, has the same routes, or others. */
void metric_give_routes(const char *const *values, unsigned count) {
    assert(count <= METRIC_ROUTES_MAX - METRIC_ROUTE_FIRST);
    for (unsigned i = 0; i < count; i++) {
        const char *old = atomic_load(&routes[METRIC_ROUTE_FIRST + i]);
        if (old != NULL && strcmp(old, values[i]) == 0)
            continue;
        char *copy = strdup(values[i]);
        atomic_store_explicit(&routes[METRIC_ROUTE_FIRST + i], copy != NULL ? copy : "out of memory", memory_order_release);
    }
}

unsigned metric_pair(enum metric metric, unsigned first, unsigned second) {
    unsigned size = metric_set_size(metric_rows[metric].labels[1].set);
    assert(second < size);
    return first * size + second;
}

/* ---- rows ---- */

unsigned metric_series(const struct metric_row *row) {
    unsigned series = 1;
    for (unsigned i = 0; i < METRIC_LABELS_MAX; i++)
        series *= metric_set_size(row->labels[i].set);
    return series;
}

const struct metric_bucket metric_buckets[METRIC_BUCKETS] = {
    { 100000, "0.0001" },  { 250000, "0.00025" }, { 500000, "0.0005" },  { 1000000, "0.001" },  { 2500000, "0.0025" },
    { 5000000, "0.005" },  { 10000000, "0.01" },  { 25000000, "0.025" }, { 50000000, "0.05" },  { 100000000, "0.1" },
    { 250000000, "0.25" }, { 500000000, "0.5" },  { 1000000000, "1.0" }, { 2500000000, "2.5" }, { 5000000000, "5.0" },
};

const struct metric_row metric_rows[METRIC_COUNT] = {
    [METRIC_HTTP_REQUESTS] = { "jwtd_http_requests",
                               METRIC_COUNTER,
                               NULL,
                               "Requests that have ended, by route and HTTP status; none, or operations on the listener of "
                               "operators: no route matched, or no reply was sent; address_limit: the address had too many "
                               "connections.",
                               { { "route", METRIC_SET_ROUTE }, { "status", METRIC_SET_STATUS } },
                               .hides_zeros = true },
    [METRIC_HTTP_REQUEST_DURATION] = { "jwtd_http_request_duration_seconds",
                                       METRIC_HISTOGRAM,
                                       "seconds",
                                       "Time from the last byte of a request to its reply, without streams.",
                                       { { "route", METRIC_SET_ROUTE } },
                                       .hides_zeros = true },
    [METRIC_HTTP_CONNECTIONS] = { "jwtd_http_connections", METRIC_GAUGE, NULL,
                                  "Open connections of clients, by listener and state.",
                                  .labels = { { "listener", METRIC_SET_LISTENER }, { "state", METRIC_SET_CONNECTION_STATE } } },
    [METRIC_REQUESTS_SHED] = { "jwtd_requests_shed", METRIC_COUNTER, NULL,
                               "Requests that were answered 503, and connections that were refused, by listener and reason.",
                               .labels = { { "listener", METRIC_SET_LISTENER }, { "reason", METRIC_SET_SHED_REASON } } },
    [METRIC_READY] = { "jwtd_ready", METRIC_GAUGE, NULL, "1 if /health/ready answers 200, else 0.", .is_read = true },
    [METRIC_EXECUTOR_CAPACITY] = { "jwtd_executor_capacity",
                                   METRIC_GAUGE,
                                   NULL,
                                   "Jobs that can run at once, by executor: threads that hash, connections to PostgreSQL.",
                                   { { "executor", METRIC_SET_READ } },
                                   .is_read = true },
    [METRIC_QUEUE_LENGTH] = { "jwtd_queue_length",
                              METRIC_GAUGE,
                              NULL,
                              "Jobs that wait for their turn, by executor.",
                              { { "executor", METRIC_SET_READ } },
                              .is_read = true },
    [METRIC_QUEUE_WAIT] = { "jwtd_queue_wait_seconds", METRIC_HISTOGRAM, "seconds",
                            "Time that a job waited for its turn, by executor.",
                            .labels = { { "executor", METRIC_SET_EXECUTOR } } },
    [METRIC_JOB_DURATION] = { "jwtd_job_duration_seconds", METRIC_HISTOGRAM, "seconds",
                              "Time that a job took when its turn had come, by executor; of the database that of its round trip.",
                              .labels = { { "executor", METRIC_SET_EXECUTOR } } },
    [METRIC_LOGINS] = { "jwtd_logins", METRIC_COUNTER, NULL, "Logins, by outcome.",
                        .labels = { { "outcome", METRIC_SET_LOGIN } } },
    [METRIC_REGISTRATIONS] = { "jwtd_registrations", METRIC_COUNTER, NULL, "Registrations, by outcome.",
                               .labels = { { "outcome", METRIC_SET_REGISTRATION } } },
    [METRIC_REFRESHES] = { "jwtd_refreshes", METRIC_COUNTER, NULL,
                           "Refresh tokens that were presented, by outcome; reused: that has ended its session.",
                           .labels = { { "outcome", METRIC_SET_REFRESH } } },
    [METRIC_LIMITER_DECISIONS] = { "jwtd_limiter_decisions", METRIC_COUNTER, NULL, "Decisions of the rate limiter, by class.",
                                   .labels = { { "class", METRIC_SET_LIMIT_CLASS }, { "decision", METRIC_SET_DECISION } } },
    [METRIC_LOCKOUTS] = { "jwtd_lockouts", METRIC_COUNTER, NULL,
                          .help = "Accounts and addresses locked after too many wrong passwords." },
    [METRIC_DATABASE_CONNECTIONS] = { "jwtd_database_connections", METRIC_GAUGE, NULL, "Connections to PostgreSQL, by state.",
                                      .labels = { { "state", METRIC_SET_LINK_STATE } } },
    [METRIC_DATABASE_RECONNECTS] = { "jwtd_database_reconnects", METRIC_COUNTER, NULL,
                                     .help = "Connections to PostgreSQL that were opened again after they were lost." },
    [METRIC_DATABASE_UP] = { "jwtd_database_up", METRIC_GAUGE, NULL, "1 while PostgreSQL answers, else 0.", .is_read = true },
    [METRIC_STATEMENT_DURATION] = { "jwtd_statement_duration_seconds",
                                    METRIC_HISTOGRAM,
                                    "seconds",
                                    "Time from the sending of a statement to the end of its transaction.",
                                    { { "statement", METRIC_SET_STATEMENT } },
                                    .hides_zeros = true },
    [METRIC_HASHES_IN_FLIGHT] = { "jwtd_hashes_in_flight", METRIC_GAUGE, NULL, .help = "Passwords that are being hashed." },
    [METRIC_HASH_DURATION] = { "jwtd_hash_duration_seconds", METRIC_HISTOGRAM, "seconds", .help = "Time to hash one password." },
    [METRIC_REVOKED_SESSIONS] = { "jwtd_revoked_sessions", METRIC_GAUGE, NULL,
                                  "Revoked sessions that this instance knows of and that still matter.", .is_read = true },
    [METRIC_REVOCATIONS_AGE] = { "jwtd_revocations_age_seconds", METRIC_GAUGE, "seconds",
                                 "Age of the knowledge of what is revoked.", .is_read = true },
    [METRIC_KEY] = { "jwtd_key",
                     METRIC_INFO,
                     NULL,
                     "The signing keys, with algorithm and state.",
                     { { "kid", METRIC_SET_READ }, { "alg", METRIC_SET_READ }, { "state", METRIC_SET_READ } },
                     .is_read = true },
    [METRIC_KEY_ACTIVE_SINCE] = { "jwtd_key_active_since_timestamp_seconds", METRIC_GAUGE, "seconds",
                                  "When the key that signs became active.", .is_read = true },
    [METRIC_KEY_STANDBY] = { "jwtd_key_standby", METRIC_GAUGE, NULL, "1 if there is a key that can become active next, else 0.",
                             .is_read = true },
    [METRIC_RELOADS] = { "jwtd_reloads", METRIC_COUNTER, NULL, "Reloads of the configuration, by outcome.",
                         .labels = { { "outcome", METRIC_SET_RELOAD } } },
    [METRIC_RELOAD_LAST_SUCCESS] = { "jwtd_reload_last_success", METRIC_GAUGE, NULL,
                                     "0 if the last reload, of the configuration or of keys, failed; else 1.", .is_read = true },
    [METRIC_AUDIT_EVENTS_LOST] = { "jwtd_audit_events_lost", METRIC_COUNTER, NULL,
                                   "Events that could not be written to the audit.", .is_read = true },
    [METRIC_LOG_LINES_LOST] = { "jwtd_log_lines_lost", METRIC_COUNTER, NULL, .help = "Lines that the log did not take." },
    [METRIC_TRACE_SPANS] = { "jwtd_trace_spans", METRIC_COUNTER, NULL, "Spans of sampled traces, by what became of them.",
                             .labels = { { "outcome", METRIC_SET_SPAN } } },
    [METRIC_BUILD] = { "jwtd_build",
                       METRIC_INFO,
                       NULL,
                       "The program's version.",
                       { { "version", METRIC_SET_READ }, { "commit", METRIC_SET_READ } },
                       .is_read = true },
    [METRIC_PROCESS_CPU] = { "process_cpu_seconds", METRIC_COUNTER, "seconds", "Processor time that was used.", .is_read = true },
    [METRIC_PROCESS_OPEN_FDS] = { "process_open_fds", METRIC_GAUGE, NULL, "Open file descriptors.", .is_read = true },
    [METRIC_PROCESS_MAX_FDS] = { "process_max_fds", METRIC_GAUGE, NULL, "File descriptors that may be open.", .is_read = true },
    [METRIC_PROCESS_VIRTUAL_MEMORY] = { "process_virtual_memory_bytes", METRIC_GAUGE, "bytes", "Virtual memory.",
                                        .is_read = true },
    [METRIC_PROCESS_RESIDENT_MEMORY] = { "process_resident_memory_bytes", METRIC_GAUGE, "bytes", "Resident memory.",
                                         .is_read = true },
    [METRIC_PROCESS_START_TIME] = { "process_start_time_seconds", METRIC_GAUGE, "seconds", "When the process was started.",
                                    .is_read = true },
    [METRIC_PROCESS_THREADS] = { "process_threads", METRIC_GAUGE, NULL, "Threads.", .is_read = true },
};
