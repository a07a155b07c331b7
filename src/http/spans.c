#include "spans.h"

#include "exchange.h"
#include "method.h"

#include "jwtd/clock.h"
#include "jwtd/services.h"
#include "jwtd/snapshot.h"
#include "jwtd/tracer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What PostgreSQL calls a connection has 63 bytes at most. */
#define NAME_PREFIX "jwtd "
#define NAME_SIZE (sizeof NAME_PREFIX - 1 + TRACEPARENT_SIZE)
_Static_assert(NAME_SIZE <= 64, "PostgreSQL would cut it");

struct span_record {
    unsigned open_step;      /* the index of its span; 0: none is open */
    const struct step *step; /* the last one that was begun */
    int64_t wait_us;         /* since when it waits */
    uint8_t statement_id[SPAN_ID_BYTES];
    char application_name[NAME_SIZE];
    struct trace trace;
};

/* ---- the request ---- */

/* Several fields are one list (RFC 9110 section 5.3). One that is longer than there is place for is not passed on. */
static void read_state(const struct exchange *exchange, char state[TRACE_STATE_MAX + 1]) {
    size_t len = 0;
    for (size_t i = 0; i < exchange->headers.count; i++) {
        const struct request_field *field = &exchange->headers.fields[i];
        if (!text_equal_ignoring_case(field->name, text_of("tracestate")))
            continue;
        int more = snprintf(state + len, TRACE_STATE_MAX + 1 - len, "%s%s", len > 0 ? "," : "", field->value.bytes);
        len += (size_t)more;
        if (len > TRACE_STATE_MAX)
            break;
    }
    if (len > TRACE_STATE_MAX || !trace_state_is_valid((struct text){ state, len }))
        state[0] = '\0';
}

static struct span *add_span(struct span_record *record, enum span_form form, int64_t begin_us) {
    struct trace *trace = &record->trace;
    if (trace->span_count == TRACE_SPANS_MAX) {
        trace->lost++;
        return NULL;
    }
    struct span *span = &trace->spans[trace->span_count++];
    *span = (struct span){ .form = form, .parent = form == SPAN_STEP ? 0 : record->open_step, .begin_us = begin_us };
    span_id_create(span->id);
    return span;
}

static void begin_record(struct exchange *exchange, const struct trace_context *own, const struct trace_context *caller) {
    struct span_record *record = arena_alloc(&exchange->arena, sizeof *record);
    if (record == NULL)
        return;
    struct trace *trace = &record->trace;
    exchange->spans = record;
    trace->context = *own;
    trace->context.flags |= TRACE_SAMPLED;
    trace->has_parent = caller != NULL;
    if (caller != NULL) {
        memcpy(trace->parent_id, caller->span_id, sizeof trace->parent_id);
        read_state(exchange, trace->state);
    }
    struct span *span = add_span(record, SPAN_REQUEST, exchange->started_us);
    assert(span != NULL);
    memcpy(span->id, own->span_id, sizeof span->id);
}

/* A field that stands there twice is none: which one counts, the next program may decide otherwise. */
static bool read_caller(const struct exchange *exchange, struct trace_context *caller) {
    struct text name = text_of("traceparent");
    struct text value = header_view_find(&exchange->headers, name);
    return value.len > 0 && trace_context_parse(value, caller) && header_view_count(&exchange->headers, name) == 1;
}

void spans_begin(struct exchange *exchange) {
    struct request *request = &exchange->request;
    struct tracer *tracer = request->services->tracer;
    struct trace_context caller, own;
    bool has_caller = read_caller(exchange, &caller);
    if (!has_caller && tracer == NULL)
        return;
    own = has_caller ? caller : trace_context_create();
    request->trace_id = trace_hex(own.trace_id, TRACE_ID_BYTES, exchange->trace_id);
    if (tracer == NULL)
        return;
    span_id_create(own.span_id);
    bool is_asked_for = has_caller && (caller.flags & TRACE_SAMPLED) != 0;
    if (tracer_samples(tracer, &request->snapshot->config, &own, is_asked_for))
        begin_record(exchange, &own, has_caller ? &caller : NULL);
}

void spans_end(struct exchange *exchange) {
    struct span_record *record = exchange->spans;
    if (record == NULL)
        return;
    const struct request *request = &exchange->request;
    struct trace *trace = &record->trace;
    spans_end_step(exchange);
    trace->spans[0].end_us = clock_monotonic_us();
    trace->method = method_words(exchange->method)->of_span;
    trace->route = request->route != NULL ? request->route->path : NULL;
    trace->http_status = exchange->sent_status;
    snprintf(trace->request_id, sizeof trace->request_id, "%s", request->request_id);
    tracer_add(request->services->tracer, trace);
    exchange->spans = NULL;
}

/* ---- its steps ---- */

void spans_begin_step(struct exchange *exchange, const struct step *step) {
    struct span_record *record = exchange->spans;
    if (record == NULL || (record->open_step != 0 && record->step == step))
        return;
    spans_end_step(exchange);
    struct span *span = add_span(record, SPAN_STEP, clock_monotonic_us());
    if (span == NULL)
        return;
    span->name = step->name;
    span->executor = executor_name(step->executor);
    record->step = step;
    record->open_step = record->trace.span_count - 1;
}

void spans_end_step(struct exchange *exchange) {
    struct span_record *record = exchange->spans;
    if (record == NULL || record->open_step == 0)
        return;
    record->trace.spans[record->open_step].end_us = clock_monotonic_us();
    record->open_step = 0;
}

void spans_begin_wait(struct exchange *exchange) {
    if (exchange->spans != NULL)
        exchange->spans->wait_us = clock_monotonic_us();
}

static void add_wait(struct span_record *record, int64_t end_us) {
    struct span *span = add_span(record, SPAN_WAIT, record->wait_us);
    if (span == NULL)
        return;
    span->executor = executor_name(record->step->executor);
    span->end_us = end_us;
}

void spans_end_wait(struct exchange *exchange) {
    if (exchange->spans != NULL)
        add_wait(exchange->spans, clock_monotonic_us());
}

/* ---- their statements ---- */

void spans_begin_query(struct exchange *exchange) {
    struct span_record *record = exchange->spans;
    if (record == NULL)
        return;
    struct trace_context context = record->trace.context;
    char text[TRACEPARENT_SIZE];
    span_id_create(record->statement_id);
    memcpy(context.span_id, record->statement_id, sizeof context.span_id);
    snprintf(record->application_name, sizeof record->application_name, NAME_PREFIX "%s", trace_context_text(&context, text));
    exchange->db_query->application_name = record->application_name;
    spans_begin_wait(exchange);
}

void spans_end_query(struct exchange *exchange) {
    struct span_record *record = exchange->spans;
    if (record == NULL)
        return;
    const struct db_query *query = exchange->db_query;
    int64_t now_us = clock_monotonic_us();
    bool was_sent = query->first_sent_us != 0;
    add_wait(record, was_sent ? query->first_sent_us : now_us);
    struct span *span = was_sent ? add_span(record, SPAN_STATEMENT, query->first_sent_us) : NULL;
    if (span == NULL)
        return;
    memcpy(span->id, record->statement_id, sizeof span->id);
    span->name = db_query_name(query);
    span->error = query->status != STATUS_OK ? status_info(query->status)->name : NULL;
    span->was_rerun = query->was_rerun || query->tries > 0;
    span->end_us = now_us;
}
