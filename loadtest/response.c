#include "response.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RFC 8446 section 5.1: the first byte of a record. */
#define TLS_ALERT 21
#define TLS_HANDSHAKE 22

void response_init(struct response *response) {
    char *body = response->body;
    size_t body_size = response->body_size;
    response->state = RESPONSE_STATUS_LINE;
    response->status = 0;
    response->keep_alive = false;
    response->chunked = response->has_length = false;
    response->retry_after_s = -1;
    response->left = 0;
    response->head_len = response->line_len = 0;
    response->body = body;
    response->body_size = body_size;
    response->body_len = 0;
    response->body_total = 0;
    if (body != NULL)
        body[0] = '\0';
}

void response_fini(struct response *response) {
    free(response->body);
    response->body = NULL;
    response->body_size = 0;
}

bool response_has_begun(const struct response *response) {
    return response->head_len > 0;
}

bool response_is_other_protocol(const struct response *response, bool *tls) {
    static const char beginning[] = "HTTP/1.";
    size_t len = response->head_len < sizeof beginning - 1 ? response->head_len : sizeof beginning - 1;
    *tls = len > 0 && (response->line[0] == TLS_ALERT || response->line[0] == TLS_HANDSHAKE);
    return response->status == 0 && memcmp(response->line, beginning, len) != 0;
}

/* ---- numbers ---- */

/* Digits only, so that "+5", "5 5" and "0x5" are none. */
static bool parse_decimal(const char *text, uint64_t *number) {
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *number = value;
    return true;
}

static int hexadecimal_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 9112 section 7.1: hexadecimal, then perhaps an extension behind white space or a semicolon. */
static bool parse_chunk_size(const char *line, uint64_t *size) {
    uint64_t value = 0;
    size_t i = 0;
    for (; hexadecimal_digit(line[i]) >= 0; i++) {
        if (value > UINT64_MAX >> 5)
            return false;
        value = value * 16 + (uint64_t)hexadecimal_digit(line[i]);
    }
    *size = value;
    return i > 0 && (line[i] == '\0' || line[i] == ';' || line[i] == ' ' || line[i] == '\t');
}

/* ---- lines ---- */

/* RFC 9112 section 4. */
static enum response_state read_status_line(struct response *response) {
    const char *line = response->line;
    if (response->line_len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
        return RESPONSE_BROKEN;
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return RESPONSE_BROKEN;
        status = status * 10 + (unsigned)(line[i] - '0');
    }
    if (status < 100 || status > 599 || (line[12] != ' ' && line[12] != '\0'))
        return RESPONSE_BROKEN;
    response->status = status;
    response->keep_alive = line[7] == '1';
    return RESPONSE_HEADER;
}

/* Whether a comma-separated list has an item. */
static bool list_has(const char *list, const char *word) {
    size_t len = strlen(word);
    while (*list != '\0') {
        list += strspn(list, ", \t");
        size_t item = strcspn(list, ",");
        size_t trimmed = item;
        while (trimmed > 0 && (list[trimmed - 1] == ' ' || list[trimmed - 1] == '\t'))
            trimmed--;
        if (trimmed == len && strncasecmp(list, word, len) == 0)
            return true;
        list += item;
    }
    return false;
}

static enum response_state read_content_length(struct response *response, const char *value) {
    uint64_t length;
    if (!parse_decimal(value, &length) || (response->has_length && response->left != length))
        return RESPONSE_BROKEN;
    response->has_length = true;
    response->left = length;
    return RESPONSE_HEADER;
}

static enum response_state read_header(struct response *response, char *line) {
    char *colon = strchr(line, ':');
    if (colon == NULL || colon == line)
        return RESPONSE_BROKEN;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t len = strlen(value);
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    uint64_t seconds;
    if (strcasecmp(line, "content-length") == 0)
        return read_content_length(response, value);
    if (strcasecmp(line, "transfer-encoding") == 0) {
        response->chunked = list_has(value, "chunked");
        return response->chunked ? RESPONSE_HEADER : RESPONSE_BROKEN;
    }
    if (strcasecmp(line, "connection") == 0) {
        if (list_has(value, "close"))
            response->keep_alive = false;
        else if (list_has(value, "keep-alive"))
            response->keep_alive = true;
    } else if (strcasecmp(line, "retry-after") == 0 && parse_decimal(value, &seconds) && seconds < 1000000) {
        response->retry_after_s = (int64_t)seconds;
    }
    return RESPONSE_HEADER;
}

/* RFC 9112 section 6.3: how long the body is. */
static enum response_state begin_body(struct response *response) {
    if (response->status < 200 && response->status != 101) {
        size_t head_len = response->head_len;
        response_init(response);
        response->head_len = head_len; /* so that endless 1xx replies end somewhere */
        return RESPONSE_STATUS_LINE;
    }
    if (response->status == 204 || response->status == 304)
        return RESPONSE_DONE;
    if (response->chunked) {
        if (response->has_length)
            response->keep_alive = false;
        return RESPONSE_CHUNK_SIZE;
    }
    if (response->has_length)
        return response->left == 0 ? RESPONSE_DONE : RESPONSE_BODY;
    response->keep_alive = false;
    return RESPONSE_UNTIL_CLOSE;
}

static enum response_state read_chunk_size(struct response *response) {
    if (!parse_chunk_size(response->line, &response->left))
        return RESPONSE_BROKEN;
    return response->left == 0 ? RESPONSE_TRAILER : RESPONSE_CHUNK;
}

/* A line is whole, without its end; one that was too long to be kept has its beginning. */
static enum response_state read_line(struct response *response) {
    bool cut = response->line_len >= RESPONSE_LINE_SIZE;
    size_t len = cut ? RESPONSE_LINE_SIZE - 1 : response->line_len;
    if (!cut && len > 0 && response->line[len - 1] == '\r')
        len--;
    response->line[len] = '\0';
    response->line_len = len;
    switch (response->state) {
    case RESPONSE_STATUS_LINE:
        return read_status_line(response);
    case RESPONSE_HEADER:
        if (len == 0)
            return begin_body(response);
        /* a continuation of the header before (obsolete folding), which no server that is well needs */
        if (response->line[0] == ' ' || response->line[0] == '\t')
            return RESPONSE_BROKEN;
        return cut ? RESPONSE_HEADER : read_header(response, response->line);
    case RESPONSE_CHUNK_SIZE:
        return cut ? RESPONSE_BROKEN : read_chunk_size(response);
    case RESPONSE_CHUNK_END:
        return len == 0 ? RESPONSE_CHUNK_SIZE : RESPONSE_BROKEN;
    case RESPONSE_TRAILER:
        return len == 0 ? RESPONSE_DONE : RESPONSE_TRAILER;
    default:
        return RESPONSE_BROKEN;
    }
}

static size_t feed_line(struct response *response, const char *bytes, size_t len) {
    const char *end = memchr(bytes, '\n', len);
    size_t taken = end != NULL ? (size_t)(end - bytes) : len;
    if (response->line_len < RESPONSE_LINE_SIZE) {
        size_t room = RESPONSE_LINE_SIZE - response->line_len;
        memcpy(response->line + response->line_len, bytes, taken < room ? taken : room);
    }
    response->line_len += taken;
    if (end != NULL)
        taken++;
    response->head_len += taken;
    bool too_long =
        response->line_len > RESPONSE_HEAD_MAX || (response->state <= RESPONSE_HEADER && response->head_len > RESPONSE_HEAD_MAX);
    if (too_long)
        response->state = RESPONSE_BROKEN;
    else if (end != NULL)
        response->state = read_line(response);
    if (end != NULL)
        response->line_len = 0;
    return taken;
}

/* ---- bodies ---- */

static bool grow_body(struct response *response, size_t needed) {
    if (needed < response->body_size)
        return true;
    size_t size = response->body_size == 0 ? 1024 : response->body_size;
    while (size <= needed)
        size *= 2;
    char *body = realloc(response->body, size);
    if (body == NULL)
        return false;
    response->body = body;
    response->body_size = size;
    return true;
}

static bool keep_body(struct response *response, const char *bytes, size_t len) {
    assert(response->body_len <= RESPONSE_BODY_KEPT);
    response->body_total += len;
    size_t room = RESPONSE_BODY_KEPT - response->body_len;
    size_t kept = len < room ? len : room;
    if (kept == 0)
        return true;
    if (!grow_body(response, response->body_len + kept))
        return false;
    memcpy(response->body + response->body_len, bytes, kept);
    response->body_len += kept;
    response->body[response->body_len] = '\0';
    return true;
}

static size_t feed_body(struct response *response, const char *bytes, size_t len) {
    size_t taken = len;
    if (response->state != RESPONSE_UNTIL_CLOSE && taken > response->left)
        taken = (size_t)response->left;
    if (!keep_body(response, bytes, taken)) {
        response->state = RESPONSE_BROKEN;
        return taken;
    }
    if (response->state == RESPONSE_UNTIL_CLOSE)
        return taken;
    response->left -= taken;
    if (response->left == 0)
        response->state = response->state == RESPONSE_CHUNK ? RESPONSE_CHUNK_END : RESPONSE_DONE;
    return taken;
}

size_t response_feed(struct response *response, const char *bytes, size_t len) {
    size_t taken = 0;
    while (taken < len && response->state != RESPONSE_DONE && response->state != RESPONSE_BROKEN) {
        bool in_body =
            response->state == RESPONSE_BODY || response->state == RESPONSE_UNTIL_CLOSE || response->state == RESPONSE_CHUNK;
        taken += in_body ? feed_body(response, bytes + taken, len - taken) : feed_line(response, bytes + taken, len - taken);
    }
    return taken;
}

void response_close(struct response *response) {
    if (response->state != RESPONSE_DONE)
        response->state = response->state == RESPONSE_UNTIL_CLOSE ? RESPONSE_DONE : RESPONSE_BROKEN;
}
