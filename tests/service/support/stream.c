#include "stream.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REQUESTS_MAX 4
#define BODY_MAX 1200
#define MARKER_SIZE 20

/* SplitMix64. */
uint64_t stream_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(struct stream *stream, size_t limit) {
    return (size_t)(stream_random(&stream->random) % limit);
}

static bool one_in(struct stream *stream, size_t count) {
    return below(stream, count) == 0;
}

static void add_bytes(struct stream *stream, const char *bytes, size_t len) {
    ck_assert_uint_le(stream->len + len, STREAM_SIZE);
    memcpy(stream->bytes + stream->len, bytes, len);
    stream->len += len;
}

__attribute__((format(printf, 2, 3))) static void add(struct stream *stream, const char *format, ...) {
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ck_assert_int_lt(len, (int)sizeof text);
    add_bytes(stream, text, (size_t)len);
}

/* Names one request of one stream: a changed one is no other's. */
static const char *make_marker(struct stream *stream, char marker[MARKER_SIZE]) {
    snprintf(marker, MARKER_SIZE, "s%016llx", (unsigned long long)stream_random(&stream->random));
    return marker;
}

struct piece {
    const char *bytes;
    size_t len;
};

#define PIECE(text)                                                                                                              \
    { text, sizeof(text) - 1 }

/* None makes a login answer 400, which is the answer to bytes that make no sense. */
static const char *const good_lines[] = {
    "Accept: */*\r\n",
    "user-agent: differential\r\n",
    "X-Empty:\r\n",
    "X-Blank: \t \r\n",
    "X-Padded: \t a b \t \r\n",
    "Cookie: a=b; c=\"d\"; e; =f; g=\r\n",
    "Authorization: Bearer x.y.z\r\n",
    "X-Text: GET /m/inside HTTP/1.1 Host: x Content-Length: 5\r\n",
    "X-High: \xc3\xb6\r\n",
    "Connection: keep-alive\r\n",
    "X-Content-Length: 5\r\n",
    "Content-Lengths: 5\r\n",
};

/* What readers have been made to disagree about. */
static const struct piece bad_lines[] = {
    PIECE("Content-Len: 38\r\n gth\r\n"),
    PIECE("Transfer-Enc: chunked\r\n oding\r\n"),
    PIECE("X: a\r\n b\r\n"),
    PIECE("X: a\r\n\tContent-Length: 7\r\n"),
    PIECE("X: a\r\n \r\n"),
    PIECE("X:\r\n Y\r\n"),
    PIECE(" X: a\r\n"),
    PIECE(": x\r\n"),
    PIECE(":\r\n"),
    PIECE(":\n"),
    PIECE("\0\r\n"),
    PIECE("\0\n"),
    PIECE("\0x: y\r\n"),
    PIECE("X: a\0\n"),
    PIECE("X: a\0b\r\n"),
    PIECE("X\0: a\r\n"),
    PIECE("X: a\n"),
    PIECE("X: a\r\r\n"),
    PIECE("X: a\rContent-Length: 5\r\n"),
    PIECE("X: a\x0b\r\n"),
    PIECE("\n"),
    PIECE("\r\n"),
    PIECE("\r"),
    PIECE("X\r\n"),
    PIECE("X y: z\r\n"),
    PIECE("Host: y\r\n"),
    PIECE("Content-Length: 0\r\n"),
    PIECE("Content-Length: 5\r\n"),
    PIECE("Content-Length: 5\r\nContent-Length: 6\r\n"),
    PIECE("Content-Length: 5\r\nContent-Length: 5\r\n"),
    PIECE("Content-Length : 5\r\n"),
    PIECE("Content-Length\t: 5\r\n"),
    PIECE("Content-Length: +5\r\n"),
    PIECE("Content-Length: -5\r\n"),
    PIECE("Content-Length: 5, 5\r\n"),
    PIECE("Content-Length: 0x5\r\n"),
    PIECE("Content-Length: 5\t\r\n"),
    PIECE("Content-Length:\r\n"),
    PIECE("Content-Length: 18446744073709551616\r\n"),
    PIECE("Content_Length: 5\r\n"),
    PIECE("\x0b"
          "Content-Length: 5\r\n"),
    PIECE("Transfer-Encoding: chunked\r\n"),
    PIECE("Transfer-Encoding: Chunked\r\n"),
    PIECE("Transfer-Encoding : chunked\r\n"),
    PIECE("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    PIECE("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    PIECE("Transfer-Encoding: identity\r\n"),
    PIECE("Transfer-Encoding: gzip, chunked\r\n"),
    PIECE("Transfer-Encoding: xchunked\r\n"),
    PIECE("Transfer-Encoding:\x0b"
          "chunked\r\n"),
    PIECE("Transfer-Encoding:\r\n chunked\r\n"),
    PIECE("Transfer-Encoding: \"chunked\"\r\n"),
    PIECE("Transfer_Encoding: chunked\r\n"),
    PIECE("Connection: close\r\n"),
    PIECE("Connection: Content-Length\r\n"),
    PIECE("Connection: Transfer-Encoding, keep-alive\r\n"),
};

/* The same for a chunked body: what stands for the CR LF behind a size, and for the trailer. */
static const struct piece bad_size_ends[] = {
    PIECE("\n"),     PIECE("\r"),     PIECE(";a=b\n"), PIECE(";\nx\r\n"), PIECE(" \r\n"),    PIECE(";a=\"\r\n\"\r\n"),
    PIECE("\r\r\n"), PIECE("\0\r\n"), PIECE("x\r\n"),  PIECE(".0\r\n"),   PIECE("\x0b\r\n"),
};
static const struct piece bad_trailers[] = {
    PIECE("A: b\r\n\r\n"),
    PIECE("A: b\r\n:\r\n"),
    PIECE("A: b\r\n:\n"),
    PIECE("A: b\r\n c\r\n\r\n"),
    PIECE("\n"),
    PIECE("\0\r\n"),
    PIECE("A: b\r\n\0\n"),
    PIECE("X"),
    PIECE(""),
    PIECE("\r\r\n"),
    PIECE("Content-Length: 5\r\n\r\n"),
};

static const struct piece bad_beginnings[] = {
    PIECE("\n"), PIECE("\0junk\r\n"), PIECE("junk\r\n"), PIECE(" "),
    PIECE("\r"), PIECE("\r\n\n"),     PIECE("\0"),       PIECE("0\r\n\r\n"),
};

static void add_one_of(struct stream *stream, const struct piece *pieces, size_t count) {
    const struct piece *piece = &pieces[below(stream, count)];
    add_bytes(stream, piece->bytes, piece->len);
}

/* Requests that stand in a body, or bytes of all kinds. */
static size_t make_body(struct stream *stream, char body[BODY_MAX]) {
    char marker[MARKER_SIZE];
    if (one_in(stream, 4))
        return (size_t)snprintf(body, BODY_MAX, "{\"a\":%zu}", below(stream, 1000));
    size_t len = 0;
    for (size_t count = 1 + below(stream, 2); count > 0; count--)
        len += (size_t)snprintf(body + len, BODY_MAX - len, "GET /m/%s HTTP/1.1\r\nHost: x\r\nX-Request-Id: inside\r\n\r\n",
                                make_marker(stream, marker));
    if (one_in(stream, 4))
        body[below(stream, len)] = (char)below(stream, 256);
    return one_in(stream, 3) ? below(stream, len) : len;
}

enum flaw { FLAW_NONE, FLAW_BEGINNING, FLAW_LINE, FLAW_CHUNK, FLAW_TRAILER, FLAWS };

static void add_chunks(struct stream *stream, const char *body, size_t len, enum flaw flaw) {
    size_t first = len > 1 ? 1 + below(stream, len - 1) : len;
    size_t sizes[] = { first, len - first };
    for (size_t i = 0; i < 2 && sizes[i] > 0; i++) {
        add(stream, i == 0 ? "%zx" : "%02zX", sizes[i]);
        if (flaw == FLAW_CHUNK && one_in(stream, 2))
            add_one_of(stream, bad_size_ends, ARRAY_LEN(bad_size_ends));
        else
            add(stream, "\r\n");
        add_bytes(stream, i == 0 ? body : body + first, sizes[i]);
        add(stream, flaw == FLAW_CHUNK && one_in(stream, 4) ? "\n" : "\r\n");
    }
    add(stream, flaw == FLAW_CHUNK && one_in(stream, 4) ? "0\n" : "0\r\n");
    if (flaw == FLAW_TRAILER)
        add_one_of(stream, bad_trailers, ARRAY_LEN(bad_trailers));
    else
        add(stream, "\r\n");
}

static void add_lines(struct stream *stream, bool with_flaw) {
    size_t count = below(stream, 5);
    size_t place = below(stream, count + 1);
    for (size_t i = 0; i <= count; i++) {
        if (with_flaw && i == place)
            add_one_of(stream, bad_lines, ARRAY_LEN(bad_lines));
        if (i < count)
            add(stream, "%s", good_lines[below(stream, ARRAY_LEN(good_lines))]);
    }
}

/* In a row, so that none comes twice: that is not in order for some. */
static void add_good_lines(struct stream *stream) {
    size_t at = below(stream, ARRAY_LEN(good_lines));
    for (size_t count = below(stream, 5); count > 0; count--)
        add(stream, "%s", good_lines[at++ % ARRAY_LEN(good_lines)]);
}

static void add_request(struct stream *stream, enum flaw flaw) {
    static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH" };
    char marker[MARKER_SIZE], body[BODY_MAX];
    make_marker(stream, marker);
    const char *method = methods[below(stream, ARRAY_LEN(methods))];
    if (flaw == FLAW_BEGINNING)
        add_one_of(stream, bad_beginnings, ARRAY_LEN(bad_beginnings));
    else if (one_in(stream, 12))
        add(stream, "\r\n");
    if (one_in(stream, 6))
        add(stream, "POST /auth/login HTTP/1.1\r\n");
    else
        add(stream, "%s /%s/%s%s HTTP/1.1\r\n", method, one_in(stream, 3) ? "auth/verify" : "m", marker,
            one_in(stream, 4) ? "?a=b&c+d=%zz&e" : "");
    add(stream, "Host: x\r\nX-Request-Id: %s\r\n", marker);
    if (flaw == FLAW_LINE)
        add_lines(stream, true);
    else
        add_good_lines(stream);
    size_t kind = flaw >= FLAW_CHUNK ? 2 : below(stream, 3);
    size_t len = make_body(stream, body);
    if (kind == 0) {
        add(stream, "\r\n");
    } else if (kind == 1) {
        add(stream, "Content-Length: %zu\r\n\r\n", len);
        add_bytes(stream, body, len);
    } else {
        add(stream, "Transfer-Encoding: chunked\r\n\r\n");
        add_chunks(stream, body, len, flaw);
    }
}

static void insert(struct stream *stream, size_t at, const char *bytes, size_t len) {
    if (stream->len + len > STREAM_SIZE)
        return;
    memmove(stream->bytes + at + len, stream->bytes + at, stream->len - at);
    memmove(stream->bytes + at, bytes, len);
    stream->len += len;
}

static void erase(struct stream *stream, size_t at, size_t len) {
    memmove(stream->bytes + at, stream->bytes + at + len, stream->len - at - len);
    stream->len -= len;
}

/* Somewhere in a line's end half of the time: there it matters. */
static size_t choose_place(struct stream *stream) {
    size_t at = below(stream, stream->len);
    if (one_in(stream, 2))
        return at;
    const char *end = memchr(stream->bytes + at, '\r', stream->len - at);
    size_t found = end != NULL ? (size_t)(end - stream->bytes) + below(stream, 4) : at;
    return found < stream->len ? found : at;
}

static void mutate(struct stream *stream) {
    static const char bytes[] = "\r\n\0 \t:;,=\x0b\x0c\x85\xff\"0159aA/?#%-_";
    char copy[64];
    size_t at = choose_place(stream);
    size_t len = 1 + below(stream, 40);
    len = len < stream->len - at ? len : stream->len - at;
    char byte = bytes[below(stream, sizeof bytes - 1)];
    switch (below(stream, 7)) {
    case 0:
    case 1:
        stream->bytes[at] = byte;
        break;
    case 2:
        insert(stream, at, &byte, 1);
        break;
    case 3:
        erase(stream, at, 1);
        break;
    case 4:
        erase(stream, at, len);
        break;
    case 5:
        memcpy(copy, stream->bytes + at, len);
        insert(stream, below(stream, stream->len), copy, len);
        break;
    default:
        stream->bytes[at] = (char)below(stream, 256);
        break;
    }
}

void stream_make(uint64_t seed, uint64_t number, struct stream *stream) {
    stream->random = seed + number * 0x2545f4914f6cdd1du;
    stream_random(&stream->random);
    stream->len = 0;
    size_t kind = below(stream, 3);
    stream->is_in_order = kind == 0;
    size_t count = 1 + below(stream, REQUESTS_MAX);
    size_t flawed = below(stream, count);
    for (size_t i = 0; i < count; i++)
        add_request(stream, kind == 1 && i == flawed ? 1 + below(stream, FLAWS - 1) : FLAW_NONE);
    for (size_t mutations = kind == 2 ? 1 + below(stream, 3) : 0; mutations > 0 && stream->len > 0; mutations--)
        mutate(stream);
    size_t way = below(stream, 8);
    stream->piece_max = way == 0 ? 1 : way < 4 ? 1 + below(stream, 200) : 0;
}
