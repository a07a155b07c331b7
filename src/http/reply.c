#include "jwtd/reply.h"

#include "exchange.h"

#include "jwtd/clock.h"

#include <stdio.h>
#include <string.h>

static struct reply *start_reply(struct request *request, unsigned http_status) {
    struct reply *reply = &exchange_of(request)->reply;
    reply->written = true;
    reply->http_status = http_status;
    reply->content_type = NULL;
    reply->body = (struct text){ NULL, 0 };
    return reply;
}

enum step_result reply_bytes(struct request *request, unsigned http_status, const char *content_type, struct text body) {
    struct reply *reply = start_reply(request, http_status);
    reply->content_type = content_type;
    reply->body = body;
    return STEP_DONE;
}

enum step_result reply_empty(struct request *request, unsigned http_status) {
    start_reply(request, http_status);
    return STEP_DONE;
}

enum step_result reply_json(struct request *request, unsigned http_status, struct json_writer *writer) {
    struct text body = json_writer_finish(writer);
    if (body.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    return reply_bytes(request, http_status, "application/json", body);
}

static bool is_header_value(const char *value) {
    for (; *value != '\0'; value++)
        if (*value < ' ' || *value > '~')
            return false;
    return true;
}

enum status reply_header(struct request *request, const char *name, const char *value) {
    struct reply *reply = &exchange_of(request)->reply;
    if (value == NULL || !is_header_value(value) || reply->header_count == REPLY_HEADERS_MAX)
        return STATUS_INTERNAL;
    /* the library refuses an empty value; a blank is the same on the wire (RFC 9110 section 5.5), and a proxy that copies the
     * header must find it even when there is nothing to say, or it passes on what the client made up */
    const char *said = value[0] != '\0' ? value : " ";
    char *copy = arena_copy(request->arena, said, strlen(said));
    if (copy == NULL)
        return STATUS_OUT_OF_MEMORY;
    reply->headers[reply->header_count++] = (struct reply_header){ name, copy };
    return STATUS_OK;
}

static long long seconds_up(int64_t us) {
    return (us + CLOCK_US_PER_S - 1) / CLOCK_US_PER_S;
}

/* The quota is a full bucket and the window the time in which it fills: together they are the rate, and no client sees more left
 * than its quota. */
enum status reply_limit(struct request *request, const struct limit_decision *decision) {
    if (!decision->is_limited)
        return STATUS_OK;
    char text[96];
    snprintf(text, sizeof text, "\"%s\";q=%u;w=%lld", decision->name, decision->quota, seconds_up(decision->window_us));
    reply_header(request, "RateLimit-Policy", text);
    snprintf(text, sizeof text, "\"%s\";r=%u;t=%lld", decision->name, decision->remaining, seconds_up(decision->reset_us));
    reply_header(request, "RateLimit", text);
    if (decision->allowed)
        return STATUS_OK;
    exchange_of(request)->reply.retry_after_us = decision->retry_after_us;
    return STATUS_RATE_LIMITED;
}

static void add_status_headers(struct request *request, enum status status, const struct status_info *info) {
    if (info->http == 401) {
        reply_header(request, "WWW-Authenticate",
                     status == STATUS_INVALID_TOKEN ? "Bearer realm=\"jwtd\", error=\"invalid_token\"" : "Bearer realm=\"jwtd\"");
    }
    if (info->retry_later) {
        struct reply *reply = &exchange_of(request)->reply;
        long long seconds = reply->retry_after_us > CLOCK_US_PER_S ? seconds_up(reply->retry_after_us) : 1;
        char text[24];
        snprintf(text, sizeof text, "%lld", seconds);
        reply->retry_after_us = seconds * CLOCK_US_PER_S;
        reply->is_refusal = true;
        reply_header(request, "Retry-After", text);
    }
}

static void begin_problem(struct request *request, struct json_writer *writer, enum status status) {
    const struct status_info *info = status_info(status);
    char type[96];
    snprintf(type, sizeof type, "/docs#%s", info->name);
    json_writer_init(writer, request->arena);
    json_begin_object(writer);
    json_member_string(writer, "type", type);
    json_member_string(writer, "title", info->title);
    json_member_integer(writer, "status", info->http);
    json_member_string(writer, "detail", info->detail);
    json_member_string(writer, "code", info->name);
    json_member_string(writer, "request_id", request->request_id);
}

/* When there is no memory for a problem there is still this one. */
static const char last_words[] = "{\"type\":\"/docs#out_of_memory\",\"title\":\"Out of memory\",\"status\":503,"
                                 "\"detail\":\"The service is short of memory; try again.\",\"code\":\"out_of_memory\"}";

static enum step_result end_problem(struct request *request, struct json_writer *writer, enum status status) {
    json_end_object(writer);
    struct text body = json_writer_finish(writer);
    unsigned http_status = status_info(status)->http;
    if (body.bytes == NULL) {
        body = (struct text){ last_words, sizeof last_words - 1 };
        http_status = 503;
    }
    return reply_bytes(request, http_status, "application/problem+json", body);
}

enum step_result reply_problem(struct request *request, enum status status) {
    struct json_writer writer;
    begin_problem(request, &writer, status);
    add_status_headers(request, status, status_info(status));
    return end_problem(request, &writer, status);
}

enum step_result reply_retry_later(struct request *request, enum status status, int64_t retry_after_us) {
    exchange_of(request)->reply.retry_after_us = retry_after_us;
    return reply_problem(request, status);
}

enum step_result reply_invalid_fields(struct request *request, const struct field_problem *problems, size_t count) {
    struct json_writer writer;
    begin_problem(request, &writer, STATUS_INVALID_BODY);
    json_name(&writer, "errors");
    json_begin_array(&writer);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&writer);
        json_member_string(&writer, "pointer", problems[i].pointer);
        json_member_string(&writer, "code", problems[i].code);
        json_member_string(&writer, "detail", problems[i].detail);
        json_end_object(&writer);
    }
    json_end_array(&writer);
    return end_problem(request, &writer, STATUS_INVALID_BODY);
}

enum step_result reply_invalid_field(struct request *request, const char *pointer, const char *code, const char *detail) {
    return reply_invalid_fields(request, &(struct field_problem){ pointer, code, detail }, 1);
}
