/*
 * collector: a collector of traces on 127.0.0.1, which takes OTLP/HTTP with JSON, checks the form of all that it takes, and keeps
 * the spans. A thread of its own does the work, one connection after the other. All functions may be called from any other
 * thread, and fail the test on any error, also on a body that has not the form.
 */
#ifndef JWTD_TEST_COLLECTOR_H
#define JWTD_TEST_COLLECTOR_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct collector;

enum collector_mode {
    COLLECTOR_TAKES,
    COLLECTOR_IS_SILENT, /* reads and never answers */
    COLLECTOR_IS_BUSY,   /* 503 with Retry-After: 2 */
    COLLECTOR_REFUSES,   /* 400 */
    COLLECTOR_REJECTS,   /* 200, with one span rejected (partialSuccess) */
    COLLECTOR_IS_ENDLESS /* 200, with a body that ends when the connection does */
};

struct collected_span {
    const char *trace_id, *id, *parent_id, *state, *name; /* "" for what is not there */
    int kind;
    int64_t begin_ns, end_ns;
    bool is_error;
    struct json_object *attributes;
};

struct collector *collector_start(void);
void collector_stop(struct collector *collector);

/* As a setting of the service: "trace.otlp_endpoint=..."; it lives as long as the collector. */
const char *collector_setting(const struct collector *collector);
int collector_port(const struct collector *collector);

void collector_set_mode(struct collector *collector, enum collector_mode mode);

/* How many bodies it has read, in whatever mode, and how many connections they came by. */
unsigned collector_bodies(struct collector *collector);
unsigned collector_connections(struct collector *collector);
void collector_await_bodies(struct collector *collector, unsigned count);
double collector_pause_s(struct collector *collector); /* between the first two */

/* The spans that it has taken: of one trace, or all with NULL. They live as long as the collector. */
#define COLLECTED_MAX 4096
size_t collector_spans(struct collector *collector, const char *trace_id, struct collected_span spans[COLLECTED_MAX]);

/* The same when so many have come. Those of one trace come together. */
size_t collector_await_spans(struct collector *collector, const char *trace_id, size_t least,
                             struct collected_span spans[COLLECTED_MAX]);

/* The value of an attribute; "" when there is none. */
const char *collected_attribute(const struct collected_span *span, const char *key);

#endif
