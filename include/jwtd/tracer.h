/*
 * tracer: takes the traces of requests that have ended and sends them to a collector (OTLP/HTTP, JSON).
 *
 * Whoever answers a request decides with tracer_samples whether its spans are recorded, records them in a struct trace of its
 * own, and hands that over with tracer_add when the request has ended. tracer_add copies it into a queue of TRACER_QUEUE traces
 * and never waits for the collector: what does not fit is lost. A thread sends what is queued in batches: when there are
 * TRACER_BATCH traces, and at the latest a second after the first. A batch that the collector is too busy for (429, 502, 503,
 * 504), or that does not reach it, is sent again after its Retry-After or a growing pause, five times in all; one that it refuses
 * is not. Every span of a trace that was added is counted once: as sent, as dropped, since the queue was full or the trace had
 * too many, or as failed (METRIC_TRACE_SPANS). The last two are lost. One warning reports the beginning of an outage of the
 * collector, one line of its end, and one a minute of the spans that it rejects of batches that it takes.
 *
 * Nothing of a user is in a span: no address, name, token, header or query; the id of the request leads to its line in the log.
 */
#ifndef JWTD_TRACER_H
#define JWTD_TRACER_H

#include "jwtd/config.h"
#include "jwtd/trace_context.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACER_QUEUE 512
#define TRACER_BATCH 64

/* ---- what is recorded ---- */

enum span_form {
    SPAN_REQUEST,   /* from the request line to the end of the reply; the first of a trace, and the parent of its steps */
    SPAN_STEP,      /* of a route, with the time until it goes on on the HTTP thread; the parent of the next two */
    SPAN_WAIT,      /* in the queue of an executor */
    SPAN_STATEMENT, /* from when it was sent to the database to its reply */
    SPAN_FORMS
};

struct span {
    enum span_form form;
    uint8_t id[SPAN_ID_BYTES];
    unsigned parent;          /* the index of its parent in the trace; not of the first one */
    const char *name;         /* of a step or a statement, static */
    const char *executor;     /* where a step runs, or which queue it waits in, static */
    const char *error;        /* why a statement failed, static; NULL: it did not */
    bool was_rerun;           /* a statement: its time is that of all runs */
    int64_t begin_us, end_us; /* clock_monotonic_us */
};

#define TRACE_SPANS_MAX 32
#define TRACE_STATE_MAX 512
#define TRACE_REQUEST_ID_SIZE 65

struct trace {
    struct trace_context context; /* with the id of its first span */
    bool has_parent;
    uint8_t parent_id[SPAN_ID_BYTES]; /* the caller's span */
    char state[TRACE_STATE_MAX + 1];  /* the caller's tracestate; "": none */
    char request_id[TRACE_REQUEST_ID_SIZE];
    const char *method;   /* one that is known, or "_OTHER"; static */
    const char *route;    /* the path of its row, static; NULL: there is none */
    unsigned http_status; /* 0: nothing was answered */
    unsigned lost;        /* spans that did not fit */
    unsigned span_count;
    struct span spans[TRACE_SPANS_MAX];
};

/* ---- where it goes ---- */

struct tracer;

/* Sends to `endpoint`/v1/traces. NULL: no memory, no thread or no libcurl, which is loaded here; the reason is logged. */
struct tracer *tracer_start(const char *endpoint);

/* Sends what is queued, for at most two seconds; what is left is lost. No other call may follow. NULL is ignored. */
void tracer_stop(struct tracer *tracer);

/* Whether the spans of a request are to be recorded: by chance, as often as `sample` says; and if its caller asks for it, within
 * the rate `sample_callers` of all callers, since any client can ask. The id of the request's span is the chance: it is random
 * and made here, while the trace's id may be chosen by the caller. Any thread. */
bool tracer_samples(struct tracer *tracer, const struct config *config, const struct trace_context *own, bool is_asked_for);

/* Copies the trace. Any thread; waits for no more than the copies of others. */
void tracer_add(struct tracer *tracer, const struct trace *trace);

#endif
