/*
 * The scanner of HTTP requests (src/http/scanner.h), by itself.
 *
 * Checked: it finds as many well-formed headers as a second reading of the same bytes by whole lines, below; however the bytes
 * are cut into pieces it comes to the same state and leaves the same bytes; it changes nothing but the name of a Cookie field and
 * a NUL in a request line.
 */
#include "fuzz.h"

#include "src/http/scanner.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the second reading, by whole lines and whole bodies (RFC 9112) ---- */

static bool has_only(struct text text, const char *others, bool alphanumerics) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.bytes[i];
        bool is_alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!(alphanumerics && is_alphanumeric) && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return text.len > 0;
}

static bool is_token(struct text text) {
    return has_only(text, "!#$%&'*+-.^_`|~", true);
}

static bool is_visible(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.bytes[i] < '!' || text.bytes[i] > '~')
            return false;
    return text.len > 0;
}

static bool is_value(struct text text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool take_until(struct text *rest, const char *mark, struct text *word) {
    const char *end = rest->len > 0 ? memmem(rest->bytes, rest->len, mark, strlen(mark)) : NULL;
    if (end == NULL)
        return false;
    *word = (struct text){ rest->bytes, (size_t)(end - rest->bytes) };
    rest->len -= word->len + strlen(mark);
    rest->bytes = end + strlen(mark);
    return true;
}

/* False: it is no length. */
static bool read_length(struct text value, uint64_t *length) {
    while (value.len > 0 && strchr(" \t", value.bytes[0]) != NULL && value.bytes[0] != '\0')
        value = (struct text){ value.bytes + 1, value.len - 1 };
    while (value.len > 0 && strchr(" \t", value.bytes[value.len - 1]) != NULL && value.bytes[value.len - 1] != '\0')
        value.len--;
    if (!has_only(value, "0123456789", false) || value.len > 18)
        return false;
    char digits[19] = "";
    memcpy(digits, value.bytes, value.len);
    *length = strtoull(digits, NULL, 10);
    return true;
}

static bool name_is(struct text name, const char *expected) {
    return name.len == strlen(expected) && strncasecmp(name.bytes, expected, name.len) == 0;
}

static bool read_header(struct text *rest, uint64_t *length, bool *has_coding) {
    struct text line, word;
    bool has_length = false;
    if (!take_until(rest, "\r\n", &line) || !take_until(&line, " ", &word) || !is_token(word) || !take_until(&line, " ", &word) ||
        !is_visible(word) || !is_visible(line))
        return false;
    while (take_until(rest, "\r\n", &line)) {
        if (line.len == 0)
            return true;
        if (!take_until(&line, ":", &word) || !is_token(word) || !is_value(line))
            return false;
        *has_coding = *has_coding || name_is(word, "Transfer-Encoding");
        if (name_is(word, "Content-Length") && (has_length || !read_length(line, length)))
            return false;
        has_length = has_length || name_is(word, "Content-Length");
    }
    return false;
}

static size_t count_requests(struct text rest) {
    size_t count = 0;
    for (;;) {
        uint64_t length = 0;
        bool has_coding = false;
        while (rest.len >= 2 && memcmp(rest.bytes, "\r\n", 2) == 0)
            rest = (struct text){ rest.bytes + 2, rest.len - 2 };
        if (!read_header(&rest, &length, &has_coding))
            return count;
        count++;
        if (has_coding || length > rest.len)
            return count;
        rest = (struct text){ rest.bytes + length, rest.len - length };
    }
}

/* ---- what must hold ---- */

static void assert_changes_are_allowed(const uint8_t *before, const char *after, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if ((char)before[i] == after[i])
            continue;
        bool is_cookie = i >= 5 && after[i] == 'x' && strncasecmp((const char *)before + i - 5, "cookie", 6) == 0;
        assert(is_cookie || (before[i] == '\0' && after[i] == '\1'));
    }
}

static void assert_same(const struct scanner *one, const struct scanner *other) {
    assert(one->content_length == other->content_length && one->body_left == other->body_left && one->pending == other->pending);
    assert(one->state == other->state && one->run == other->run && one->names == other->names && one->field == other->field);
    assert(one->lengths == other->lengths && one->has_coding == other->has_coding && one->is_over == other->is_over);
}

static void assert_pieces_agree(const uint8_t *bytes, size_t len, size_t first, size_t piece, const struct scanner *whole,
                                const char *left) {
    struct scanner scanner;
    char *copy = fuzz_string((struct text){ (const char *)bytes, len });
    scanner_init(&scanner);
    scanner_read(&scanner, copy, first);
    for (size_t at = first; at < len; at += piece)
        scanner_read(&scanner, copy + at, piece < len - at ? piece : len - at);
    assert_same(whole, &scanner);
    assert(memcmp(copy, left, len) == 0);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct scanner scanner;
    char *copy = fuzz_string((struct text){ (const char *)bytes, len });
    scanner_init(&scanner);
    scanner_read(&scanner, copy, len);
    assert_changes_are_allowed(bytes, copy, len);
    assert(scanner.pending == count_requests((struct text){ (const char *)bytes, len }));
    assert_pieces_agree(bytes, len, 0, 1, &scanner, copy);
    assert_pieces_agree(bytes, len, 0, 7, &scanner, copy);
    size_t step = len / 16 + 1;
    for (size_t first = len > 0 ? bytes[0] % step : 0; first <= len; first += step)
        assert_pieces_agree(bytes, len, first, len, &scanner, copy);
    for (uint32_t left = scanner.pending; left > 0; left--) {
        bool taken = scanner_take_request(&scanner);
        assert(taken);
    }
    bool taken = scanner_take_request(&scanner);
    assert(!taken);
    free(copy);
    return 0;
}
