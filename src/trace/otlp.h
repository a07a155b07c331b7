/*
 * otlp: the JSON of OTLP/HTTP (opentelemetry-proto 1.x, ExportTraceServiceRequest and its response): ids in hexadecimal,
 * 64-bit numbers as strings, enums as numbers, names in lowerCamelCase. Safe from every thread.
 */
#ifndef JWTD_TRACE_OTLP_H
#define JWTD_TRACE_OTLP_H

#include "jwtd/arena.h"
#include "jwtd/text.h"
#include "jwtd/tracer.h"

/* An arena limit for so many traces, each with all its spans and the longest state, escaped: the text, its buffer, which doubles
 * as it grows, and the buffers before it. */
#define OTLP_ARENA_LIMIT(traces) ((size_t)(traces)*TRACE_SPANS_MAX * 2048 * 4 + 65536)

/* `wall_us` is what is to be added to the times of spans for the time since 1970. {NULL, 0}: out of memory. */
struct text otlp_write(struct arena *arena, const char *instance_id, int64_t wall_us, const struct trace *const *traces,
                       size_t count);

/* How many spans the collector has rejected, by the body of its reply with 200: 0 for one without rejectedSpans. Whatever else is
 * in it does not matter: its message may have any bytes. */
uint64_t otlp_rejected_spans(struct text reply);

#endif
