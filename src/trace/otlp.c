#include "otlp.h"

#include "jwtd/json_writer.h"
#include "jwtd/version.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STATUS_CODE_ERROR 2
/* Of Span.flags: that the next bit has a meaning; that the parent is of another process. */
#define FLAG_HAS_REMOTE 0x100
#define FLAG_IS_REMOTE 0x200
#define SERVER_ERROR 500
#define NUMBER_SIZE 24

enum kind { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CLIENT = 3 };

static const struct {
    enum kind kind;
    const char *prefix; /* of the name, in front of that of the span, or else of its executor */
} forms[SPAN_FORMS] = {
    [SPAN_REQUEST] = { KIND_SERVER, "" },
    [SPAN_STEP] = { KIND_INTERNAL, "" },
    [SPAN_WAIT] = { KIND_INTERNAL, "wait for " },
    [SPAN_STATEMENT] = { KIND_CLIENT, "" },
};

/* ---- values ---- */

static void member_hex(struct json_writer *writer, const char *name, const uint8_t *bytes, size_t len) {
    char text[TRACE_ID_TEXT_SIZE];
    json_member_string(writer, name, trace_hex(bytes, len, text));
}

static void member_time(struct json_writer *writer, const char *name, int64_t us) {
    char text[NUMBER_SIZE];
    snprintf(text, sizeof text, "%" PRId64 "000", us);
    json_member_string(writer, name, text);
}

static void begin_attribute(struct json_writer *writer, const char *key) {
    json_begin_object(writer);
    json_member_string(writer, "key", key);
    json_name(writer, "value");
    json_begin_object(writer);
}

static void end_attribute(struct json_writer *writer) {
    json_end_object(writer);
    json_end_object(writer);
}

/* NULL: there is no such attribute. */
static void add_string(struct json_writer *writer, const char *key, const char *value) {
    if (value == NULL)
        return;
    begin_attribute(writer, key);
    json_member_string(writer, "stringValue", value);
    end_attribute(writer);
}

static void add_number(struct json_writer *writer, const char *key, unsigned value) {
    char text[NUMBER_SIZE];
    snprintf(text, sizeof text, "%u", value);
    begin_attribute(writer, key);
    json_member_string(writer, "intValue", text);
    end_attribute(writer);
}

static void add_true(struct json_writer *writer, const char *key) {
    begin_attribute(writer, key);
    json_member_boolean(writer, "boolValue", true);
    end_attribute(writer);
}

/* ---- a span ---- */

/* The names of OpenTelemetry's semantic conventions, where they have one. */
static void write_request_attributes(struct json_writer *writer, const struct trace *trace) {
    char status[NUMBER_SIZE];
    snprintf(status, sizeof status, "%u", trace->http_status);
    add_string(writer, "http.request.method", trace->method);
    add_string(writer, "http.route", trace->route);
    if (trace->http_status > 0)
        add_number(writer, "http.response.status_code", trace->http_status);
    if (trace->http_status >= SERVER_ERROR)
        add_string(writer, "error.type", status);
    add_string(writer, "jwtd.request_id", trace->request_id);
    if (trace->lost > 0)
        add_number(writer, "jwtd.spans_lost", trace->lost);
}

static void write_attributes(struct json_writer *writer, const struct trace *trace, const struct span *span) {
    json_name(writer, "attributes");
    json_begin_array(writer);
    if (span->form == SPAN_REQUEST)
        write_request_attributes(writer, trace);
    if (span->form == SPAN_STATEMENT) {
        add_string(writer, "db.system.name", "postgresql");
        add_string(writer, "db.query.summary", span->name);
    }
    add_string(writer, "jwtd.executor", span->executor);
    if (span->was_rerun)
        add_true(writer, "jwtd.rerun");
    if (span->form != SPAN_REQUEST)
        add_string(writer, "error.type", span->error);
    json_end_array(writer);
}

static void write_name(struct json_writer *writer, const struct trace *trace, const struct span *span) {
    char name[256];
    if (span->form == SPAN_REQUEST)
        snprintf(name, sizeof name, "%s%s%s", trace->method, trace->route != NULL ? " " : "",
                 trace->route != NULL ? trace->route : "");
    else
        snprintf(name, sizeof name, "%s%s", forms[span->form].prefix, span->name != NULL ? span->name : span->executor);
    json_member_string(writer, "name", name);
}

static void write_parent(struct json_writer *writer, const struct trace *trace, const struct span *span) {
    bool is_remote = span->form == SPAN_REQUEST && trace->has_parent;
    if (is_remote)
        member_hex(writer, "parentSpanId", trace->parent_id, SPAN_ID_BYTES);
    else if (span->form != SPAN_REQUEST)
        member_hex(writer, "parentSpanId", trace->spans[span->parent].id, SPAN_ID_BYTES);
    json_member_integer(writer, "flags", trace->context.flags | FLAG_HAS_REMOTE | (is_remote ? FLAG_IS_REMOTE : 0));
    if (trace->state[0] != '\0')
        json_member_string(writer, "traceState", trace->state);
}

static void write_status(struct json_writer *writer, const struct trace *trace, const struct span *span) {
    bool is_error = span->form == SPAN_REQUEST ? trace->http_status >= SERVER_ERROR : span->error != NULL;
    if (!is_error)
        return;
    json_name(writer, "status");
    json_begin_object(writer);
    json_member_integer(writer, "code", STATUS_CODE_ERROR);
    json_end_object(writer);
}

static void write_span(struct json_writer *writer, int64_t wall_us, const struct trace *trace, const struct span *span) {
    json_begin_object(writer);
    member_hex(writer, "traceId", trace->context.trace_id, TRACE_ID_BYTES);
    member_hex(writer, "spanId", span->id, SPAN_ID_BYTES);
    write_parent(writer, trace, span);
    write_name(writer, trace, span);
    json_member_integer(writer, "kind", forms[span->form].kind);
    member_time(writer, "startTimeUnixNano", span->begin_us + wall_us);
    member_time(writer, "endTimeUnixNano", span->end_us + wall_us);
    write_attributes(writer, trace, span);
    write_status(writer, trace, span);
    json_end_object(writer);
}

/* ---- a batch ---- */

static void write_resource(struct json_writer *writer, const char *instance_id) {
    json_name(writer, "resource");
    json_begin_object(writer);
    json_name(writer, "attributes");
    json_begin_array(writer);
    add_string(writer, "service.name", "jwtd");
    add_string(writer, "service.version", JWTD_VERSION);
    add_string(writer, "service.instance.id", instance_id);
    json_end_array(writer);
    json_end_object(writer);
}

static void write_scope(struct json_writer *writer) {
    json_name(writer, "scope");
    json_begin_object(writer);
    json_member_string(writer, "name", "jwtd");
    json_member_string(writer, "version", JWTD_VERSION);
    json_end_object(writer);
}

static void begin_list(struct json_writer *writer, const char *name) {
    json_name(writer, name);
    json_begin_array(writer);
}

struct text otlp_write(struct arena *arena, const char *instance_id, int64_t wall_us, const struct trace *const *traces,
                       size_t count) {
    struct json_writer writer;
    json_writer_init(&writer, arena);
    json_begin_object(&writer);
    begin_list(&writer, "resourceSpans");
    json_begin_object(&writer);
    write_resource(&writer, instance_id);
    begin_list(&writer, "scopeSpans");
    json_begin_object(&writer);
    write_scope(&writer);
    begin_list(&writer, "spans");
    for (size_t i = 0; i < count; i++)
        for (unsigned j = 0; j < traces[i]->span_count; j++)
            write_span(&writer, wall_us, traces[i], &traces[i]->spans[j]);
    json_end_array(&writer);
    json_end_object(&writer);
    json_end_array(&writer);
    json_end_object(&writer);
    json_end_array(&writer);
    json_end_object(&writer);
    return json_writer_finish(&writer);
}

/* ---- the reply ---- */

static size_t run_of(const char *bytes, const char *end, const char *set) {
    size_t len = 0;
    while (bytes + len < end && bytes[len] != '\0' && strchr(set, bytes[len]) != NULL)
        len++;
    return len;
}

/*
 * Searched, and not parsed, since the message beside it is often not UTF-8, or cut, and the count must not be lost with it. In a
 * string each quote has a backslash in front, so that only a name begins and ends as this does.
 */
uint64_t otlp_rejected_spans(struct text reply) {
    static const char name[] = "\"rejectedSpans\"";
    const char *end = reply.bytes + reply.len;
    const char *found = reply.len > 0 ? memmem(reply.bytes, reply.len, name, strlen(name)) : NULL;
    uint64_t count = 0;
    if (found == NULL)
        return 0;
    const char *digits = found + strlen(name);
    digits += run_of(digits, end, " \t\r\n:\""); /* 64-bit numbers are strings, though not of every collector */
    (void)text_parse_unsigned((struct text){ digits, run_of(digits, end, "0123456789") }, UINT64_MAX, &count);
    return count;
}
