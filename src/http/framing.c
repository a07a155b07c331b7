#include "exchange.h"

#include "input.h"

#include "jwtd/macros.h"

#include <string.h>

/*
 * libmicrohttpd takes the first of two Content-Lengths, prefers neither of Content-Length and Transfer-Encoding in a way that
 * a proxy before it would, and forgives much in how a header is written. Whoever can make two readers disagree on where a
 * request ends can slip in a second one, so every such request is refused here, before anything else looks at it: by the
 * scanner, which has seen the bytes, and by what the fields say.
 */

static bool read_length(struct text value, uint64_t *length) {
    if (value.len == 0 || value.len > 18)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9')
            return false;
        sum = sum * 10 + (uint64_t)(value.bytes[i] - '0');
    }
    *length = sum;
    return true;
}

static void note_content_length(struct header_summary *summary, struct text value) {
    summary->content_lengths++;
    if (!read_length(value, &summary->content_length))
        summary->malformed = true;
}

static void note_transfer_encoding(struct header_summary *summary, struct text value) {
    summary->transfer_encodings++;
    if (!text_equal_ignoring_case(value, text_of("chunked")))
        summary->malformed = true;
}

static void note_host(struct header_summary *summary, struct text value) {
    summary->hosts++;
    if (value.len > 255 || memchr(value.bytes, '/', value.len) != NULL || memchr(value.bytes, '@', value.len) != NULL)
        summary->malformed = true;
}

static void note_authorization(struct header_summary *summary, struct text value) {
    (void)value;
    summary->authorizations++;
}

static void note_content_type(struct header_summary *summary, struct text value) {
    (void)value;
    summary->content_types++;
}

static void note_expectation(struct header_summary *summary, struct text value) {
    (void)value;
    summary->expectations++;
}

static const struct {
    const char *name;
    void (*note)(struct header_summary *summary, struct text value);
} watched_headers[] = {
    { "Host", note_host },
    { "Content-Length", note_content_length },
    { "Transfer-Encoding", note_transfer_encoding },
    { "Authorization", note_authorization },
    { "Content-Type", note_content_type },
    { "Expect", note_expectation },
};

static enum MHD_Result note_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                                   size_t value_len) {
    struct header_summary *summary = context;
    (void)kind;
    if (value == NULL)
        value = "";
    struct text field = { name, name_len };
    for (size_t i = 0; i < ARRAY_LEN(watched_headers); i++)
        if (text_equal_ignoring_case(field, text_of(watched_headers[i].name)))
            watched_headers[i].note(summary, (struct text){ value, value_len });
    return MHD_YES;
}

#define FIELD_RECORD ((size_t)64) /* of the library, on 64-bit machines */

bool framing_leaves_room_for_reply(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t header = info != NULL ? info->header_size : 0;
    size_t fields = (size_t)MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL);
    return header + fields * FIELD_RECORD <= CONNECTION_MEMORY - REPLY_HEADER_MEMORY;
}

static bool is_well_formed(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL && input_take_request(info->connect_fd);
}

enum status framing_check(struct MHD_Connection *connection, const char *version, struct header_summary *summary) {
    *summary = (struct header_summary){ .malformed = !is_well_formed(connection) };
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, note_header, summary);
    summary->has_body = summary->transfer_encodings > 0 || summary->content_length > 0;

    bool is_http_1_1 = strcmp(version, "HTTP/1.1") == 0;
    if (summary->malformed || (!is_http_1_1 && strcmp(version, "HTTP/1.0") != 0))
        return STATUS_BAD_REQUEST;
    if (summary->hosts > 1 || (is_http_1_1 && summary->hosts == 0))
        return STATUS_BAD_REQUEST;
    if (summary->content_lengths > 1 || summary->transfer_encodings > 1 || summary->content_types > 1)
        return STATUS_BAD_REQUEST;
    if (summary->transfer_encodings > 0 && (summary->content_lengths > 0 || !is_http_1_1))
        return STATUS_BAD_REQUEST;
    /* RFC 9110 section 10.1.1 forbids it; the library would invite a body, and close without a reply when another request comes
     */
    if (summary->expectations > 0 && !summary->has_body)
        return STATUS_BAD_REQUEST;
    /* two Authorization headers: a proxy may have checked the one and we would obey the other */
    return summary->authorizations > 1 ? STATUS_BAD_REQUEST : STATUS_OK;
}
