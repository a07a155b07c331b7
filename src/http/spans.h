/*
 * spans: records what a request does and waits for, when its trace is sampled, for the tracer (tracer.h).
 *
 * A record is in the arena of the exchange and belongs to the exchange's owner, on whichever thread. Of an exchange without one,
 * every function but the first returns at once.
 */
#ifndef JWTD_HTTP_SPANS_H
#define JWTD_HTTP_SPANS_H

#include "jwtd/executor.h"

#include <stdint.h>

struct exchange;
struct span_record;
struct step;

/* Reads traceparent and tracestate, sets request.trace_id, and begins a record if the tracer, or chance, wants one. Without
 * memory there is none. When the header of the request is complete. */
void spans_begin(struct exchange *exchange);

/* Hands the record to the tracer. When the exchange ends, with its route and reply in place. */
void spans_end(struct exchange *exchange);

/* A step, which ends when the next one begins, unless it has ended before; the first call for a step counts. */
void spans_begin_step(struct exchange *exchange, const struct step *step);
void spans_end_step(struct exchange *exchange);

/* In the queue of the step's executor, from the submission to the beginning of the work. */
void spans_begin_wait(struct exchange *exchange);
void spans_end_wait(struct exchange *exchange);

/* In front of the submission of exchange->db_query: sends PostgreSQL the trace and the span of the statement. And when it is
 * done, on the executor's thread: its wait and its run. */
void spans_begin_query(struct exchange *exchange);
void spans_end_query(struct exchange *exchange);

#endif
