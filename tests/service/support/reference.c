#include "reference.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *at, *end;
};

struct reading {
    struct span rest;
    struct reference_request request;
    bool has_host, has_id, has_length, has_coding, keeps_alive, closes, is_1_1;
    uint64_t length;
};

static size_t length_of(struct span span) {
    return (size_t)(span.end - span.at);
}

static bool is_word(struct span span, const char *word) {
    return length_of(span) == strlen(word) && strncasecmp(span.at, word, length_of(span)) == 0;
}

/* Takes what stands before the next CR LF. */
static bool take_line(struct span *rest, struct span *line) {
    const char *end = memmem(rest->at, length_of(*rest), "\r\n", 2);
    if (end == NULL)
        return false;
    *line = (struct span){ rest->at, end };
    rest->at = end + 2;
    return true;
}

/* Takes what stands before the next `mark`. */
static bool take_word(struct span *rest, char mark, struct span *word) {
    const char *end = memchr(rest->at, mark, length_of(*rest));
    if (end == NULL)
        return false;
    *word = (struct span){ rest->at, end };
    rest->at = end + 1;
    return true;
}

static bool is_token(struct span span) {
    for (const char *c = span.at; c < span.end; c++) {
        bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!is_letter && (*c == '\0' || strchr("!#$%&'*+-.^_`|~", *c) == NULL))
            return false;
    }
    return span.at < span.end;
}

static bool is_value(struct span span) {
    for (const char *c = span.at; c < span.end; c++) {
        unsigned char byte = (unsigned char)*c;
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

static bool is_target(struct span span) {
    for (const char *c = span.at; c < span.end; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return span.at < span.end;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static struct span trimmed(struct span span) {
    while (span.at < span.end && is_blank(*span.at))
        span.at++;
    while (span.at < span.end && is_blank(span.end[-1]))
        span.end--;
    return span;
}

void reference_id(const char *path, size_t path_len, const char *request_id, size_t request_id_len, char id[REFERENCE_ID_SIZE]) {
    size_t len = 0;
    while (len < path_len && len < REFERENCE_ID_SIZE / 2 &&
           (is_token((struct span){ path + len, path + len + 1 }) || path[len] == '/') &&
           strchr("#%|`'^*!$&~+", path[len]) == NULL)
        len++;
    bool is_ours = request_id_len > 0 && request_id_len <= 40 && request_id[0] == 's';
    for (size_t i = 0; i < request_id_len && is_ours; i++)
        is_ours = is_token((struct span){ request_id + i, request_id + i + 1 }) && strchr("!#$%&'*+^`|~", request_id[i]) == NULL;
    if (len == strlen("/auth/login") && memcmp(path, "/auth/login", len) == 0)
        snprintf(id, REFERENCE_ID_SIZE, "/auth/login %.*s", is_ours ? (int)request_id_len : 1, is_ours ? request_id : "?");
    else
        snprintf(id, REFERENCE_ID_SIZE, "%.*s", (int)len, path);
}

static struct span path_of(struct span target) {
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (length_of(target) < len || memcmp(target.at, schemes[i], len) != 0)
            continue;
        const char *slash = memchr(target.at + len, '/', length_of(target) - len);
        target.at = slash != NULL ? slash : target.end;
    }
    const char *query = memchr(target.at, '?', length_of(target));
    return (struct span){ target.at, query != NULL ? query : target.end };
}

/* method SP request-target SP HTTP-version CRLF (section 3). */
static bool read_request_line(struct reading *reading, struct span *target) {
    struct span line, method;
    if (!take_line(&reading->rest, &line) || !take_word(&line, ' ', &method) || !take_word(&line, ' ', target))
        return false;
    reading->is_1_1 = is_word(line, "HTTP/1.1") && memcmp(line.at, "HTTP", 4) == 0;
    bool is_1_0 = is_word(line, "HTTP/1.0") && memcmp(line.at, "HTTP", 4) == 0;
    return is_token(method) && is_target(*target) && (reading->is_1_1 || is_1_0);
}

static bool read_length(struct reading *reading, struct span value) {
    uint64_t length = 0;
    if (reading->has_length || value.at == value.end || length_of(value) > 18)
        return false;
    for (const char *c = value.at; c < value.end; c++) {
        if (*c < '0' || *c > '9')
            return false;
        length = length * 10 + (uint64_t)(*c - '0');
    }
    reading->has_length = true;
    reading->length = length;
    return true;
}

static bool note_field(struct reading *reading, struct span name, struct span field) {
    struct span value = trimmed(field);
    bool was_there = false;
    if (is_word(name, "Content-Length"))
        return read_length(reading, value);
    if (is_word(name, "Transfer-Encoding")) {
        was_there = reading->has_coding;
        reading->has_coding = true;
        return !was_there && is_word(value, "chunked");
    }
    if (is_word(name, "Host")) {
        was_there = reading->has_host;
        reading->has_host = true;
    }
    if (is_word(name, "Connection")) {
        reading->closes = reading->closes || is_word(value, "close");
        reading->keeps_alive = reading->keeps_alive || is_word(value, "keep-alive");
    }
    /* an id with blanks behind it is no good one for the service */
    if (is_word(name, "X-Request-Id") && !reading->has_id) {
        reading->has_id = true;
        snprintf(reading->request.request_id, sizeof reading->request.request_id, "%.*s", (int)(field.end - value.at), value.at);
    }
    return !was_there;
}

/* Lines up to the empty one: field-name ":" OWS field-value OWS CRLF (section 5). */
static bool read_fields(struct span *rest, struct reading *reading) {
    struct span line, name;
    while (take_line(rest, &line)) {
        if (line.at == line.end)
            return true;
        if (!take_word(&line, ':', &name) || !is_token(name) || !is_value(line))
            return false;
        if (reading != NULL && !note_field(reading, name, line))
            return false;
    }
    return false;
}

/* chunk-size [ chunk-ext ] CRLF chunk-data CRLF, last-chunk, trailer section (section 7.1). */
static bool skip_chunks(struct span *rest) {
    struct span line;
    while (take_line(rest, &line)) {
        uint64_t size = 0;
        const char *c = line.at;
        for (; c < line.end && strchr("0123456789abcdefABCDEF", *c) != NULL && *c != '\0' && c - line.at < 8; c++)
            size = size * 16 + (uint64_t)(*c <= '9' ? *c - '0' : (*c | 0x20) - 'a' + 10);
        if (c == line.at || (c < line.end && *c != ';') || !is_value((struct span){ c, line.end }))
            return false;
        if (size == 0)
            return read_fields(rest, NULL);
        if (length_of(*rest) < size + 2 || memcmp(rest->at + size, "\r\n", 2) != 0)
            return false;
        rest->at += size + 2;
    }
    return false;
}

static bool skip_body(struct reading *reading) {
    if (reading->has_coding)
        return skip_chunks(&reading->rest);
    if (length_of(reading->rest) < reading->length)
        return false;
    reading->rest.at += reading->length;
    return true;
}

static bool read_header(struct reading *reading) {
    struct span target;
    if (!read_request_line(reading, &target) || !read_fields(&reading->rest, reading))
        return false;
    if (reading->has_coding && (reading->has_length || !reading->is_1_1))
        return false;
    struct span path = path_of(target);
    const char *request_id = reading->request.request_id;
    reference_id(path.at, length_of(path), request_id, strlen(request_id), reading->request.id);
    reading->request.is_chunked = reading->has_coding;
    reading->request.has_body = reading->has_coding || reading->length > 0;
    reading->request.is_last = reading->closes || (!reading->is_1_1 && !reading->keeps_alive);
    return reading->has_host || !reading->is_1_1;
}

void reference_read(const char *bytes, size_t len, struct reference *reference) {
    struct span rest = { bytes, bytes + len };
    *reference = (struct reference){ .count = 0 };
    while (reference->count < REFERENCE_MAX) {
        while (length_of(rest) >= 2 && memcmp(rest.at, "\r\n", 2) == 0)
            rest.at += 2;
        reference->is_in_order = rest.at == rest.end;
        struct reading reading = { .rest = rest };
        if (reference->is_in_order || !read_header(&reading))
            return;
        reference->requests[reference->count++] = reading.request;
        if (!skip_body(&reading))
            return;
        rest = reading.rest;
    }
}
