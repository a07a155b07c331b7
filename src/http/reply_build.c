#include "reply_build.h"

#include "exchange.h"

#include "jwtd/clock.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define OWN_FIELDS_MAX 6
#define FIELDS_MAX (OWN_FIELDS_MAX + 2 * HEADER_LIST_MAX)

#define DATE_SIZE sizeof "Sun, 06 Nov 1994 08:49:37 GMT"

struct fields {
    struct header_field items[FIELDS_MAX];
    size_t count;
};

/* Only where the row says so: most replies are of one user, or of this moment, as every problem is. */
static bool is_cacheable(const struct exchange *exchange) {
    return exchange->request.route != NULL && exchange->request.route->is_cacheable && exchange->reply.http_status < 400;
}

static void add(struct fields *fields, const char *name, const char *value) {
    assert(fields->count < FIELDS_MAX);
    fields->items[fields->count++] = (struct header_field){ name, value };
}

static void add_list(struct fields *fields, const struct header_list *list) {
    for (size_t i = 0; i < list->count; i++)
        add(fields, list->fields[i].name, list->fields[i].value);
}

static void collect_fields(const struct exchange *exchange, struct fields *fields) {
    const struct reply *reply = &exchange->reply;
    fields->count = 0;
    add(fields, "X-Content-Type-Options", "nosniff");
    add(fields, "X-Request-Id", exchange->request.request_id);
    if (reply->content_type != NULL)
        add(fields, "Content-Type", reply->content_type);
    if (!is_cacheable(exchange))
        add(fields, "Cache-Control", "no-store");
    if (exchange->must_close)
        add(fields, "Connection", "close");
    add_list(fields, &exchange->common_headers);
    add_list(fields, &reply->headers);
}

static struct MHD_Response *build(struct text body, const struct fields *fields) {
    /* persistent: the bytes lie in the arena, which outlives the reply */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.bytes, MHD_RESPMEM_PERSISTENT);
    for (size_t i = 0; response != NULL && i < fields->count; i++) {
        if (MHD_add_response_header(response, fields->items[i].name, fields->items[i].value) == MHD_YES)
            continue;
        MHD_destroy_response(response);
        response = NULL;
    }
    return response;
}

/* ---- the kept one ---- */

/* What the library has to treat by itself, a body or the header Connection, cannot be written again. */
static bool can_be_kept(const struct exchange *exchange, const struct fields *fields) {
    return exchange->reply.body.len == 0 && !exchange->must_close && fields->count <= KEPT_FIELDS_MAX;
}

static bool is_taken(const struct kept_reply *kept, const char *value) {
    for (size_t i = 0; i < kept->count; i++)
        if (kept->fields[i].value == value)
            return true;
    return false;
}

void kept_reply_fini(struct kept_reply *kept) {
    if (kept->response != NULL)
        MHD_destroy_response(kept->response);
    *kept = (struct kept_reply){ .response = NULL };
}

/* Unless two headers have one name: the library finds only the first of them. */
static void keep(struct kept_reply *kept, struct MHD_Response *response, const struct fields *fields) {
    kept_reply_fini(kept);
    for (size_t i = 0; i < fields->count; i++) {
        const char *name = fields->items[i].name;
        /* the library's own copy, const only for those who read it */
        char *value = (char *)(uintptr_t)MHD_get_response_header(response, name);
        if (value == NULL || is_taken(kept, value))
            return;
        kept->fields[i].name = name;
        kept->fields[i].value = value;
        kept->fields[i].len = strlen(value);
        kept->count++;
    }
    kept->response = response;
}

static bool fits(const struct kept_reply *kept, const struct fields *fields) {
    if (kept->response == NULL || kept->count != fields->count)
        return false;
    for (size_t i = 0; i < fields->count; i++)
        if (kept->fields[i].name != fields->items[i].name || kept->fields[i].len != strlen(fields->items[i].value))
            return false;
    return true;
}

/* Of the request before nothing is being sent any more: it has ended. */
static struct MHD_Response *write_again(struct kept_reply *kept, const struct fields *fields) {
    for (size_t i = 0; i < fields->count; i++)
        memcpy(kept->fields[i].value, fields->items[i].value, kept->fields[i].len);
    return kept->response;
}

struct MHD_Response *reply_build(struct exchange *exchange) {
    struct kept_reply *kept = &exchange->kept_reply;
    struct fields fields;
    collect_fields(exchange, &fields);
    bool is_keepable = can_be_kept(exchange, &fields);
    if (is_keepable && fits(kept, &fields))
        return write_again(kept, &fields);
    struct MHD_Response *response = build(exchange->reply.body, &fields);
    if (response != NULL && is_keepable)
        keep(kept, response, &fields);
    return response;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7), since the program stays in the locale "C". */
static const char *write_date(char date[DATE_SIZE]) {
    time_t now = (time_t)clock_wall_s();
    struct tm utc;
    size_t len = strftime(date, DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    assert(len == DATE_SIZE - 1);
    return date;
}

struct text reply_write_stream_header(struct exchange *exchange) {
    static const char status_line[] = "HTTP/1.1 200 OK\r\n", chunked[] = "Transfer-Encoding: chunked\r\n";
    char date[DATE_SIZE];
    struct fields fields;
    collect_fields(exchange, &fields);
    add(&fields, "Date", write_date(date)); /* which the library adds to the replies that it writes (RFC 9110 section 6.6.1) */
    size_t size = sizeof status_line + sizeof chunked + sizeof "\r\n";
    for (size_t i = 0; i < fields.count; i++)
        size += strlen(fields.items[i].name) + strlen(fields.items[i].value) + sizeof ": \r\n";
    char *text = arena_alloc(&exchange->arena, size);
    if (text == NULL)
        return (struct text){ NULL, 0 };
    int len = snprintf(text, size, "%s%s", status_line, exchange->accepts_chunks ? chunked : "");
    for (size_t i = 0; i < fields.count; i++)
        len += snprintf(text + len, size - (size_t)len, "%s: %s\r\n", fields.items[i].name, fields.items[i].value);
    len += snprintf(text + len, size - (size_t)len, "\r\n");
    assert(len > 0 && (size_t)len < size);
    return (struct text){ text, (size_t)len };
}

void reply_release(const struct exchange *exchange, struct MHD_Response *response) {
    if (response != exchange->kept_reply.response)
        MHD_destroy_response(response);
}
