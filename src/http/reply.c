#include "jwtd/reply.h"

#include "exchange.h"
#include "limit_headers.h"
#include "problem.h"

#include "jwtd/clock.h"
#include "jwtd/services.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Nothing of an earlier reply, which could not be completed, is sent with it. */
static struct reply *start_reply(struct request *request, unsigned http_status) {
    struct exchange *exchange = exchange_of(request);
    assert(http_status >= 200 && http_status <= 599);
    assert(exchange->state != EXCHANGE_QUEUED);
    exchange->reply = (struct reply){ .http_status = http_status };
    return &exchange->reply;
}

enum step_result reply_bytes(struct request *request, unsigned http_status, const char *content_type, struct text body) {
    struct reply *reply = start_reply(request, http_status);
    reply->content_type = content_type;
    reply->body = body;
    return STEP_DONE;
}

/* Of a 304 the library sends only the length of the body. */
enum step_result reply_unless_kept(struct request *request, const char *tag, const char *content_type, struct text body) {
    bool is_kept = request_has_tag(request, tag);
    return reply_bytes(request, is_kept ? 304 : 200, is_kept ? NULL : content_type, body);
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

enum step_result reply_json_with_header(struct request *request, unsigned http_status, struct json_writer *writer,
                                        const char *name, const char *value) {
    struct text body = json_writer_finish(writer);
    if (body.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    reply_bytes(request, http_status, "application/json", body);
    enum status status = reply_header(request, name, value);
    return status == STATUS_OK ? STEP_DONE : reply_problem(request, status);
}

enum status reply_header(struct request *request, const char *name, const char *value) {
    struct reply *reply = &exchange_of(request)->reply;
    assert(reply_is_written(reply));
    const char *copy = arena_copy(request->arena, value, strlen(value));
    return copy != NULL ? header_list_add(&reply->headers, name, copy) : STATUS_OUT_OF_MEMORY;
}

/* A header whose value is valid, in a reply that has just begun. */
static void add_own_header(struct reply *reply, const char *name, const char *value) {
    enum status status = header_list_add(&reply->headers, name, value);
    assert(status == STATUS_OK);
}

void reply_set_retry_after(struct reply *reply, int64_t us) {
    long long seconds = us > CLOCK_US_PER_S ? (us + CLOCK_US_PER_S - 1) / CLOCK_US_PER_S : 1;
    snprintf(reply->retry_after, sizeof reply->retry_after, "%lld", seconds);
    reply->retry_after_us = seconds * CLOCK_US_PER_S;
}

static void add_retry_after(struct reply *reply, int64_t us) {
    reply_set_retry_after(reply, us);
    add_own_header(reply, "Retry-After", reply->retry_after);
}

/* RFC 6750 section 3; RFC 6749 section 5.2 of a service. NULL: none. */
static const char *challenge(enum status status) {
    if (status == STATUS_INVALID_CLIENT)
        return "Basic realm=\"jwtd\"";
    if (status == STATUS_INVALID_TOKEN)
        return "Bearer realm=\"jwtd\", error=\"invalid_token\"";
    if (status == STATUS_INSUFFICIENT_SCOPE)
        return "Bearer realm=\"jwtd\", error=\"insufficient_scope\"";
    return status_info(status)->http == 401 ? "Bearer realm=\"jwtd\"" : NULL;
}

/* They ask for application/json (RFC 6749 section 5.2) and may not know that a problem is JSON, too. */
static const char *problem_type(const struct request *request, enum status status) {
    static const char json[] = "application/json", problem[] = "application/problem+json";
    struct text accept = status_is_oauth_error(status) ? request_header(request, "Accept") : (struct text){ NULL, 0 };
    bool wants_json = accept.len > 0 && strcasestr(accept.bytes, json) != NULL && strcasestr(accept.bytes, problem) == NULL;
    return wants_json ? json : problem;
}

/* `subject` as problem_write_members has it. */
static void begin_problem(struct request *request, struct json_writer *writer, enum status status, const char *subject) {
    json_writer_init(writer, request->arena);
    json_begin_object(writer);
    problem_write_members(writer, status, subject, request->services->config->server.public_url, request->request_id);
}

/* Sent when there is no memory for another problem. */
static const char oom_problem[] = "{\"type\":\"/docs#out_of_memory\",\"title\":\"Out of memory\",\"status\":503,"
                                  "\"detail\":\"The service is short of memory; try again.\",\"code\":\"out_of_memory\"}";

/* False: it has become 503 for lack of memory. */
static bool end_problem(struct request *request, struct json_writer *writer, enum status status, int64_t retry_after_us) {
    json_end_object(writer);
    struct text body = json_writer_finish(writer);
    bool has_memory = body.bytes != NULL;
    if (!has_memory) {
        status = STATUS_OUT_OF_MEMORY;
        retry_after_us = 0;
        body = (struct text){ oom_problem, sizeof oom_problem - 1 };
    }
    const struct status_info *info = status_info(status);
    reply_bytes(request, info->http, problem_type(request, status), body);
    struct reply *reply = &exchange_of(request)->reply;
    reply->problem = status;
    if (challenge(status) != NULL)
        add_own_header(reply, "WWW-Authenticate", challenge(status));
    if (info->retry_later)
        add_retry_after(reply, retry_after_us);
    return has_memory;
}

static bool write_problem(struct request *request, enum status status, int64_t retry_after_us) {
    struct json_writer writer;
    begin_problem(request, &writer, status, NULL);
    return end_problem(request, &writer, status, retry_after_us);
}

enum step_result reply_problem(struct request *request, enum status status) {
    assert(status != STATUS_OK);
    write_problem(request, status, 0);
    return STEP_DONE;
}

enum step_result reply_problem_about(struct request *request, enum status status, const char *subject) {
    struct json_writer writer;
    assert(status != STATUS_OK);
    begin_problem(request, &writer, status, subject);
    end_problem(request, &writer, status, 0);
    return STEP_DONE;
}

enum step_result reply_retry_later(struct request *request, enum status status, int64_t retry_after_us) {
    assert(status_info(status)->retry_later);
    write_problem(request, status, retry_after_us);
    return STEP_DONE;
}

enum step_result reply_limited(struct request *request, enum status status, const struct limit_decision *decision) {
    assert(!decision->allowed && status_info(status)->http == 429);
    struct header_list headers = { .count = 0 };
    enum status added = limit_headers_add(&headers, request->arena, decision);
    if (added != STATUS_OK)
        return reply_problem(request, added);
    int64_t refill_us = exchange_of(request)->refill_us;
    if (!write_problem(request, status, decision->retry_after_us > refill_us ? decision->retry_after_us : refill_us))
        return STEP_DONE;
    exchange_of(request)->reply.limit = decision->name;
    for (size_t i = 0; i < headers.count; i++)
        add_own_header(&exchange_of(request)->reply, headers.fields[i].name, headers.fields[i].value);
    return STEP_DONE;
}

enum step_result reply_invalid_fields(struct request *request, const struct field_problem *problems, size_t count) {
    struct json_writer writer;
    enum status status = request->route->body_format == BODY_FORM ? STATUS_INVALID_REQUEST : STATUS_INVALID_BODY;
    begin_problem(request, &writer, status, NULL);
    problem_write_errors(&writer, problems, count);
    end_problem(request, &writer, status, 0);
    return STEP_DONE;
}

enum step_result reply_invalid_field(struct request *request, const struct field_problem *problem) {
    return reply_invalid_fields(request, problem, 1);
}
