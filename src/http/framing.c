#include "framing.h"

#include "jwtd/macros.h"

#include <limits.h>
#include <string.h>

/*
 * libmicrohttpd takes the first of two Content-Lengths, ignores Content-Length beside Transfer-Encoding, and accepts much that is
 * malformed. A client that makes two readers disagree on where a request ends can smuggle in a second one (RFC 9112
 * section 11.2), so every such request is refused before anything else reads it: by the scanner, which has read the bytes, and by
 * the rules for the fields here.
 */

#define LENGTH_DIGITS_MAX 18 /* as of the scanner */
#define HOST_MAX_LEN 255

static bool read_length(struct text value, uint64_t *length) {
    return value.len <= LENGTH_DIGITS_MAX && text_parse_unsigned(value, UINT64_MAX, length);
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

bool framing_is_host(struct text value) {
    /* letters, digits and -._~!$&'()*+,;=%:[] by RFC 3986 section 3.2.2, with the colon of the port */
    static const bool is_of_host[UCHAR_MAX + 1] = {
        ['!'] = true, ['$' ... '.'] = true, ['0' ... ';'] = true, ['='] = true, ['A' ... '['] = true,
        [']'] = true, ['_'] = true,         ['a' ... 'z'] = true, ['~'] = true,
    };
    for (size_t i = 0; i < value.len; i++)
        if (!is_of_host[(unsigned char)value.bytes[i]])
            return false;
    return value.len <= HOST_MAX_LEN;
}

static void note_host(struct header_summary *summary, struct text value) {
    summary->hosts++;
    while (value.len > 0 && (value.bytes[value.len - 1] == ' ' || value.bytes[value.len - 1] == '\t'))
        value.len--; /* the library leaves the blanks after a value */
    if (!framing_is_host(value))
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
    struct text name;
    void (*note)(struct header_summary *summary, struct text value);
} watched_headers[] = {
    { { "Host", 4 }, note_host },
    { { "Content-Length", 14 }, note_content_length },
    { { "Transfer-Encoding", 17 }, note_transfer_encoding },
    { { "Authorization", 13 }, note_authorization },
    { { "Content-Type", 12 }, note_content_type },
    { { "Expect", 6 }, note_expectation },
};

static void note_header(struct header_summary *summary, const struct request_field *field) {
    for (size_t i = 0; i < ARRAY_LEN(watched_headers); i++)
        if (field->name.len == watched_headers[i].name.len && text_equal_ignoring_case(field->name, watched_headers[i].name))
            watched_headers[i].note(summary, field->value);
}

enum status framing_check(const struct header_view *headers, const char *version, struct header_summary *summary) {
    *summary = (struct header_summary){ .malformed = false };
    for (size_t i = 0; i < headers->count; i++)
        note_header(summary, &headers->fields[i]);
    summary->has_body = summary->transfer_encodings > 0 || summary->content_length > 0;

    bool is_http_1_1 = strcmp(version, "HTTP/1.1") == 0;
    if (summary->malformed || (!is_http_1_1 && strcmp(version, "HTTP/1.0") != 0))
        return STATUS_BAD_REQUEST;
    if (summary->hosts > 1 || (is_http_1_1 && summary->hosts == 0))
        return STATUS_BAD_REQUEST;
    if (summary->content_lengths > 1 || summary->transfer_encodings > 1)
        return STATUS_BAD_REQUEST;
    bool is_unclear = summary->transfer_encodings > 0 && (summary->content_lengths > 0 || !is_http_1_1);
    return is_unclear ? STATUS_BAD_REQUEST : STATUS_OK;
}

enum status framing_check_fields(const struct header_summary *summary) {
    /* RFC 9110 section 10.1.1 forbids it; the library would invite a body, and close without a reply when another request comes
     */
    if (summary->expectations > 0 && !summary->has_body)
        return STATUS_BAD_REQUEST;
    /* a proxy may have checked one of them, and the service would use the other */
    return summary->authorizations > 1 || summary->content_types > 1 ? STATUS_BAD_REQUEST : STATUS_OK;
}
