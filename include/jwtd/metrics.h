/*
 * metrics: what the service counts and measures, in one table (src/base/metric_table.c), and its text for Prometheus.
 *
 * A row has a name, a type, a unit, labels, and a closed set of values for each label, so that no client can add a series.
 * Counters, histograms and some gauges are recorded when something happens; other rows are read at each scrape by a function of
 * the module that knows (metric_register).
 *
 * Recording. Each thread has its own block of cells, in pages of its own: it writes no cache line that another thread writes,
 * takes no lock and costs some nanoseconds (tests/bench/bench_metrics.c). The first recording of a thread allocates its block;
 * when the thread ends, its cells are added to a block of all ended threads. Without memory for a block the thread writes to that
 * one, atomically. A scrape adds up all blocks; a thread that records meanwhile may be seen with a part of what it recorded last.
 *
 * Indexes are those of label values: of a row with one label its value, of a row with two metric_pair, of a row without labels 0.
 * Any thread but in signal handlers, unless a function says otherwise.
 */
#ifndef JWTD_METRICS_H
#define JWTD_METRICS_H

#include "jwtd/arena.h"
#include "jwtd/text.h"

#include <stdint.h>

/* The rows. A comment names the enum, or the set, of its label values. */
enum metric {
    METRIC_HTTP_REQUESTS,         /* METRIC_SET_ROUTE, metric_index_of_status */
    METRIC_HTTP_REQUEST_DURATION, /* METRIC_SET_ROUTE */
    METRIC_HTTP_CONNECTIONS,      /* METRIC_SET_LISTENER, enum connection_state */
    METRIC_REQUESTS_SHED,         /* METRIC_SET_LISTENER, METRIC_SET_SHED_REASON */
    METRIC_READY,                 /* read, as the next two */
    METRIC_QUEUE_LENGTH,
    METRIC_EXECUTOR_CAPACITY,
    METRIC_QUEUE_WAIT,        /* METRIC_SET_EXECUTOR */
    METRIC_JOB_DURATION,      /* METRIC_SET_EXECUTOR */
    METRIC_LOGINS,            /* enum metric_login */
    METRIC_REGISTRATIONS,     /* enum metric_registration */
    METRIC_REFRESHES,         /* enum metric_refresh */
    METRIC_LIMITER_DECISIONS, /* METRIC_SET_LIMIT_CLASS, enum metric_decision */
    METRIC_LOCKOUTS,
    METRIC_DATABASE_CONNECTIONS, /* enum link_state */
    METRIC_DATABASE_RECONNECTS,
    METRIC_DATABASE_UP,        /* read */
    METRIC_STATEMENT_DURATION, /* METRIC_SET_STATEMENT */
    METRIC_HASHES_IN_FLIGHT,
    METRIC_HASH_DURATION,
    METRIC_REVOKED_SESSIONS, /* read, as the next four */
    METRIC_REVOCATIONS_AGE,
    METRIC_KEY,
    METRIC_KEY_ACTIVE_SINCE,
    METRIC_KEY_STANDBY,
    METRIC_RELOADS,             /* enum metric_reload */
    METRIC_RELOAD_LAST_SUCCESS, /* read */
    METRIC_AUDIT_EVENTS_LOST,   /* read */
    METRIC_LOG_LINES_LOST,
    METRIC_TRACE_SPANS, /* enum metric_span */
    METRIC_BUILD,       /* read, as all that follow */
    METRIC_PROCESS_CPU,
    METRIC_PROCESS_OPEN_FDS,
    METRIC_PROCESS_MAX_FDS,
    METRIC_PROCESS_VIRTUAL_MEMORY,
    METRIC_PROCESS_RESIDENT_MEMORY,
    METRIC_PROCESS_START_TIME,
    METRIC_PROCESS_THREADS,
    METRIC_COUNT
};

enum metric_login {
    METRIC_LOGIN_OK,
    METRIC_LOGIN_REFUSED, /* 401, whatever the reason: who reads it shall not learn which accounts exist; the log has the reason
                           */
    METRIC_LOGIN_LOCKED,  /* no attempt is left: of the account, or of the address */
    METRIC_LOGIN_CHANGE_REQUIRED
};

enum metric_registration {
    METRIC_REGISTRATION_CREATED,
    METRIC_REGISTRATION_REPEATED,   /* by the same Idempotency-Key */
    METRIC_REGISTRATION_EMAIL_TAKEN /* as the client is told */
};

enum metric_refresh {
    METRIC_REFRESH_ROTATED,
    METRIC_REFRESH_RETRIED, /* the parent was presented: within the retry window, or its successor was never used */
    METRIC_REFRESH_REUSED,  /* the session ends */
    METRIC_REFRESH_EXPIRED,
    METRIC_REFRESH_INVALID, /* made up, or of a session that has ended: also by a reuse before */
    METRIC_REFRESH_TOO_SOON /* 503: another refresh is under way */
};

enum metric_decision { METRIC_DECISION_ALLOWED, METRIC_DECISION_REFUSED };
enum metric_reload { METRIC_RELOAD_OK, METRIC_RELOAD_FAILED };

enum metric_span {
    METRIC_SPAN_SENT,
    METRIC_SPAN_DROPPED, /* the buffer was full */
    METRIC_SPAN_FAILED   /* the collector did not take it */
};

/* Sets of label values that are looked up, or given by a module. */
enum metric_set {
    METRIC_SET_NONE,        /* the row has no such label */
    METRIC_SET_READ,        /* the values come with each sample */
    METRIC_SET_ROUTE,       /* enum metric_route, then those given: method and path of the route table's rows */
    METRIC_SET_STATUS,      /* HTTP statuses; the last is "none": no reply was sent */
    METRIC_SET_STATEMENT,   /* given: names of the store's statements, as they are used; the last is "other" */
    METRIC_SET_EXECUTOR,    /* by the name of the pool; the last is "other" */
    METRIC_SET_LISTENER,    /* enum route_listener, without LISTENER_BOTH */
    METRIC_SET_SHED_REASON, /* names of statuses that mean 503 (status.h), and of refused connections */
    METRIC_SET_LIMIT_CLASS, /* the classes that limiter_take counts, from LIMIT_REGISTER on */
    METRIC_SET_CONNECTION_STATE,
    METRIC_SET_LINK_STATE,
    METRIC_SET_LOGIN,
    METRIC_SET_REGISTRATION,
    METRIC_SET_REFRESH,
    METRIC_SET_DECISION,
    METRIC_SET_RELOAD,
    METRIC_SET_SPAN,
    METRIC_SET_COUNT
};

#define METRIC_ROUTES_MAX 64
#define METRIC_STATEMENTS_MAX 128

/* ---- recording ---- */

void metric_add(enum metric counter, unsigned index, uint64_t n);
void metric_observe(enum metric histogram, unsigned index, int64_t ns); /* a negative time counts as 0 */

/* Of a gauge that is recorded: the sum of all changes, of all threads, is its value. */
void metric_change(enum metric gauge, unsigned index, int64_t change);
void metric_move(enum metric gauge, unsigned from, unsigned to); /* one of something has changed its state */

/* ---- label values ---- */

/* Index of a row with two labels. */
unsigned metric_pair(enum metric metric, unsigned first, unsigned second);

/* The value's index; that of the last, when the set does not have it. Not of sets that are given. */
unsigned metric_index_of(enum metric_set set, const char *value);
unsigned metric_index_of_status(unsigned http_status); /* 0: "none" */

/* Index of a statement, by the address of its name, which must live for ever; two of the same name would be two series. */
unsigned metric_index_of_statement(const char *name);

/* Where no row matched: "none", and "operations" on the operators' listener, so that nobody there spends the public one's error
 * budget; nor does "address_limit", refused because its address had too many connections. METRIC_ROUTE_FIRST is that of the first
 * row. */
enum metric_route { METRIC_ROUTE_NONE, METRIC_ROUTE_OPERATIONS, METRIC_ROUTE_ADDRESS_LIMIT, METRIC_ROUTE_FIRST };

/* Names the values from METRIC_ROUTE_FIRST on, less than METRIC_ROUTES_MAX in all, which is asserted; copied. Before the first
 * request. */
void metric_give_routes(const char *const *values, unsigned count);

/* The text of a value: of METRIC_SET_ROUTE for the log and for spans. NULL: there is none. */
const char *metric_value(enum metric_set set, unsigned index);

/* ---- rows that are read ---- */

struct metric_samples;

/* Called at each scrape, on its thread, from metric_register until metric_unregister has returned. It calls metric_sample, or not
 * when there is nothing to say; it must not record, register or write metrics. */
typedef void metric_reader(struct metric_samples *samples, void *context);

void metric_register(enum metric metric, metric_reader *read, void *context); /* one for each row; asserted */
void metric_unregister(enum metric metric);                                   /* does nothing without one */

/* `values` are of the row's labels, NULL without any; valid UTF-8, copied. */
void metric_sample(struct metric_samples *samples, double value, const char *const *values);

/* The rows of the process and of the program: process_*, jwtd_build. Once; metrics_unregister_process also without it. */
void metrics_register_process(void);
void metrics_unregister_process(void);

/* ---- the text (src/base/metrics_text.c) ---- */

enum metrics_format {
    METRICS_TEXT,       /* Prometheus 0.0.4 */
    METRICS_OPENMETRICS /* OpenMetrics 1.0.0 */
};

/* By the Accept header (RFC 9110 section 12.5.1), {NULL, 0} without one: OpenMetrics for a client that names it, in a version
 * that this is, and likes it as much as the text; else the text, whatever was asked for. */
enum metrics_format metrics_choose_format(struct text accept);
const char *metrics_content_type(enum metrics_format format);

/* All rows, in the arena: some tens of kilobytes. {NULL, 0}: out of memory. Any thread; a reader of a row runs on one at a time.
 */
struct text metrics_write(struct arena *arena, enum metrics_format format);

#endif
