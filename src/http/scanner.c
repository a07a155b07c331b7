#include "scanner.h"

#include "header_memory.h"

#include "jwtd/macros.h"
#include "jwtd/text.h"

enum state {
    BEFORE_REQUEST,
    BEFORE_REQUEST_LF, /* after a CR */
    METHOD,
    TARGET,
    VERSION,
    REQUEST_LINE_LF,
    LINE_LF, /* of a field line */
    LINE_START,
    NAME,
    VALUE_START,
    VALUE,
    HEADER_LF, /* of the empty line */
    BODY,
    WRONG_LINE, /* in the rest of a request line */
    STOPPED,    /* after a header with Transfer-Encoding */
    WRONG
};

/* The fields that say where a request ends, and the one that is renamed. Bit i of `names`, and field i + 1. */
static const struct {
    const char *name; /* in lower case */
    uint8_t len;
} watched[] = { { "content-length", 14 }, { "transfer-encoding", 17 }, { "cookie", 6 } };

enum field { OTHER_FIELD, CONTENT_LENGTH, TRANSFER_ENCODING, COOKIE };

#define WATCHED_COUNT ARRAY_LEN(watched)
#define ALL_NAMES ((1u << WATCHED_COUNT) - 1)
#define LENGTH_DIGITS_MAX 18
#define VALUE_STEP ((size_t)32)
#define VERSION_LEN 8
#define MAJOR_AT 5
#define METHOD_DIFFERS 5 /* more than "HEAD" has letters */

enum { IN_TOKEN = 1, IN_TARGET = 2, IN_VALUE = 4 };

#define T (IN_TOKEN | IN_TARGET | IN_VALUE)
#define V (IN_TARGET | IN_VALUE)
#define B IN_VALUE

/* Of a token (RFC 9110 section 5.6.2); of a target: what is visible in ASCII; of a value (section 5.5): also blanks, and
 * bytes above ASCII. */
static const unsigned char classes[256] = {
    ['\t'] = B,        [' '] = B,         ['!'] = T,         ['"'] = V,         ['#' ... '\''] = T,
    ['(' ... ')'] = V, ['*' ... '+'] = T, [','] = V,         ['-' ... '.'] = T, ['/'] = V,
    ['0' ... '9'] = T, [':' ... '@'] = V, ['A' ... 'Z'] = T, ['[' ... ']'] = V, ['^' ... 'z'] = T,
    ['{'] = V,         ['|'] = T,         ['}'] = V,         ['~'] = T,         [0x80 ... 0xff] = B,
};

#undef T
#undef V
#undef B

static bool is_in(unsigned char c, unsigned char wanted) {
    return (classes[c] & wanted) != 0;
}

static unsigned char lower(unsigned char c) {
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

/* One more byte of an element that ends with `end` and is not empty. */
static enum state read_element(struct scanner *scanner, unsigned char c, unsigned char wanted, unsigned char end,
                               enum state current, enum state next) {
    if (c == end && scanner->run > 0) {
        scanner->run = 0;
        return next;
    }
    if (!is_in(c, wanted))
        return WRONG;
    scanner->run = 1;
    return current;
}

static enum state read_method(struct scanner *scanner, unsigned char c) {
    static const unsigned char head[] = "HEAD";
    if (c != ' ')
        scanner->head_matched = scanner->head_matched < METHOD_DIFFERS - 1 && head[scanner->head_matched] == c
                                    ? (uint8_t)(scanner->head_matched + 1)
                                    : METHOD_DIFFERS;
    return read_element(scanner, c, IN_TOKEN, ' ', METHOD, TARGET);
}

/* ---- the request line as the library reads it: up to a line feed, and divided by spaces ---- */

enum line_part {
    LINE_IS_EMPTY,
    LINE_IS_SKIPPED,
    AT_METHOD,
    WITHOUT_METHOD,
    BEFORE_TARGET,
    AT_TARGET,
    BEFORE_VERSION,
    AT_VERSION
};

static void match_version(struct scanner *scanner, unsigned char c) {
    static const char version[VERSION_LEN + 1] = "HTTP/1.1"; /* with any digits */
    unsigned at = scanner->version_len;
    bool is_digit = c >= '0' && c <= '9';
    bool fits = at < VERSION_LEN && (version[at] == '1' ? is_digit : (unsigned char)version[at] == c);
    if (fits && at == MAJOR_AT)
        scanner->major = c;
    scanner->version_len = fits ? (uint8_t)(at + 1) : UINT8_MAX;
}

static void divide_line(struct scanner *scanner, unsigned char c) {
    static const uint8_t behind_space[] = {
        [LINE_IS_EMPTY] = WITHOUT_METHOD,  [LINE_IS_SKIPPED] = LINE_IS_SKIPPED, [AT_METHOD] = BEFORE_TARGET,
        [WITHOUT_METHOD] = WITHOUT_METHOD, [BEFORE_TARGET] = BEFORE_TARGET,     [AT_TARGET] = BEFORE_VERSION,
        [BEFORE_VERSION] = BEFORE_VERSION, [AT_VERSION] = BEFORE_VERSION
    };
    static const uint8_t behind_other[] = { [LINE_IS_EMPTY] = AT_METHOD,   [LINE_IS_SKIPPED] = LINE_IS_SKIPPED,
                                            [AT_METHOD] = AT_METHOD,       [WITHOUT_METHOD] = WITHOUT_METHOD,
                                            [BEFORE_TARGET] = AT_TARGET,   [AT_TARGET] = AT_TARGET,
                                            [BEFORE_VERSION] = AT_VERSION, [AT_VERSION] = AT_VERSION };
    uint8_t before = scanner->line_part;
    scanner->line_part = c == ' ' ? behind_space[before] : behind_other[before];
    if (before == LINE_IS_EMPTY && c == '\0')
        scanner->line_part = LINE_IS_SKIPPED;
    if (c == ' ') {
        scanner->is_split = scanner->is_split || before == BEFORE_VERSION || before == AT_VERSION;
        scanner->version_len = 0;
    } else if (scanner->line_part == AT_VERSION) {
        match_version(scanner, c);
    }
}

static enum line_refusal line_refusal(const struct scanner *scanner) {
    if (scanner->line_part == AT_METHOD || scanner->line_part == WITHOUT_METHOD)
        return LINE_IS_DROPPED;
    if (scanner->line_part != AT_VERSION || scanner->version_len != VERSION_LEN)
        return LINE_IS_MALFORMED;
    if (scanner->major != '1')
        return LINE_HAS_OTHER_VERSION;
    return scanner->is_split ? LINE_IS_DROPPED : LINE_IS_READ;
}

static void begin_line_parts(struct scanner *scanner) {
    scanner->line_part = LINE_IS_EMPTY;
    scanner->version_len = 0;
    scanner->is_split = scanner->has_cr = false;
}

/* The library skips an empty line, and takes one that begins with a NUL for empty. */
static void end_line_parts(struct scanner *scanner) {
    enum line_refusal refusal = line_refusal(scanner);
    if (scanner->line_part == LINE_IS_EMPTY || scanner->line_part == LINE_IS_SKIPPED)
        return;
    if (refusal != LINE_IS_READ && scanner->refusal == LINE_IS_READ) {
        scanner->refusal = (uint8_t)refusal;
        scanner->refused_at = scanner->lines;
    }
    scanner->lines++;
}

/* A CR belongs to the line unless a line feed follows. */
static void read_line_part(struct scanner *scanner, unsigned char c) {
    if (c == '\n') {
        end_line_parts(scanner);
        begin_line_parts(scanner);
        return;
    }
    if (scanner->has_cr)
        divide_line(scanner, '\r');
    scanner->has_cr = c == '\r';
    if (!scanner->has_cr)
        divide_line(scanner, c);
}

/* ---- as the standard has it ---- */

static enum state end_empty_line(struct scanner *scanner, unsigned char c) {
    if (c != '\n')
        return WRONG;
    if (scanner->empty_lines < UINT8_MAX)
        scanner->empty_lines++;
    return BEFORE_REQUEST;
}

static enum state begin_request(struct scanner *scanner, unsigned char c) {
    if (c == '\r')
        return BEFORE_REQUEST_LF;
    scanner->empty_lines = 0;
    scanner->head_matched = 0;
    scanner->content_length = 0;
    scanner->lengths = 0;
    scanner->has_coding = false;
    scanner->run = 0;
    scanner->header_len = 0;
    scanner->fields = 0;
    return read_method(scanner, c);
}

static enum state read_name(struct scanner *scanner, unsigned char c) {
    if (c == ':' && scanner->run > 0) {
        scanner->field = OTHER_FIELD;
        for (size_t i = 0; i < WATCHED_COUNT; i++)
            if ((scanner->names & (1u << i)) != 0 && scanner->run == watched[i].len)
                scanner->field = (uint8_t)(i + 1);
        return VALUE_START;
    }
    if (!is_in(c, IN_TOKEN))
        return WRONG;
    for (size_t i = 0; scanner->names != 0 && i < WATCHED_COUNT; i++)
        if (scanner->run >= watched[i].len || (unsigned char)watched[i].name[scanner->run] != lower(c))
            scanner->names &= (uint8_t) ~(1u << i);
    scanner->run = scanner->run < UINT8_MAX ? (uint8_t)(scanner->run + 1) : UINT8_MAX;
    return NAME;
}

static enum state begin_line(struct scanner *scanner, unsigned char c) {
    if (c == '\r')
        return HEADER_LF;
    scanner->fields++;
    scanner->names = ALL_NAMES;
    scanner->run = 0;
    return read_name(scanner, c);
}

static enum state read_length(struct scanner *scanner, unsigned char c) {
    if (text_is_blank((char)c)) {
        scanner->is_over = scanner->run > 0;
        return VALUE;
    }
    if (c < '0' || c > '9' || scanner->is_over || scanner->run == LENGTH_DIGITS_MAX)
        return WRONG;
    scanner->content_length = scanner->content_length * 10 + (uint64_t)(c - '0');
    scanner->run++;
    return VALUE;
}

static enum state read_value(struct scanner *scanner, unsigned char c) {
    if (c == '\r')
        return scanner->field == CONTENT_LENGTH && scanner->run == 0 ? WRONG : LINE_LF;
    if (scanner->field == CONTENT_LENGTH)
        return read_length(scanner, c);
    return is_in(c, IN_VALUE) ? VALUE : WRONG;
}

static enum state begin_value(struct scanner *scanner, unsigned char c) {
    scanner->run = 0;
    scanner->is_over = false;
    if (scanner->field == TRANSFER_ENCODING)
        scanner->has_coding = true;
    /* even when they agree: the library would take the first, and others the last */
    if (scanner->field == CONTENT_LENGTH && scanner->lengths++ > 0)
        return WRONG;
    return read_value(scanner, c);
}

static bool has_large_header(const struct scanner *scanner) {
    return (uint64_t)scanner->header_len + (uint64_t)scanner->fields * HEADER_FIELD_RECORD > HEADER_MEMORY_MAX;
}

/* All requests before the header that is being read have been answered. */
static bool has_turn(const struct scanner *scanner) {
    return scanner->pending == 0 && !scanner->began_in_body;
}

static enum state end_header(struct scanner *scanner, unsigned char c) {
    if (c != '\n')
        return WRONG;
    scanner->is_too_large = scanner->is_too_large || (has_turn(scanner) && has_large_header(scanner));
    scanner->pending++;
    if (scanner->has_coding)
        return STOPPED;
    scanner->body_left = scanner->content_length;
    return scanner->body_left > 0 ? BODY : BEFORE_REQUEST;
}

static enum state read_byte(struct scanner *scanner, unsigned char c) {
    switch ((enum state)scanner->state) {
    case BEFORE_REQUEST:
        return begin_request(scanner, c);
    case BEFORE_REQUEST_LF:
        return end_empty_line(scanner, c);
    case METHOD:
        return read_method(scanner, c);
    case TARGET:
        return read_element(scanner, c, IN_TARGET, ' ', TARGET, VERSION);
    case VERSION:
        return read_element(scanner, c, IN_TARGET, '\r', VERSION, REQUEST_LINE_LF);
    case REQUEST_LINE_LF:
    case LINE_LF:
        return c == '\n' ? LINE_START : WRONG;
    case LINE_START:
        return begin_line(scanner, c);
    case NAME:
        return read_name(scanner, c);
    case VALUE_START:
        return begin_value(scanner, c);
    case VALUE:
        return read_value(scanner, c);
    case HEADER_LF:
        return end_header(scanner, c);
    case WRONG_LINE:
        return WRONG_LINE;
    case BODY:
    case STOPPED:
    case WRONG:
        break;
    }
    return WRONG;
}

/* How many of the next bytes are in a class. */
static size_t count_bytes(const char *bytes, size_t len, unsigned char wanted) {
    size_t count = 0;
    while (count < len && is_in((unsigned char)bytes[count], wanted))
        count++;
    return count;
}

/* How many of the next bytes belong to a value. Many at a time, which the compiler vectorizes: most bytes of a header are of a
 * bearer token. */
static size_t count_value_bytes(const char *bytes, size_t len) {
    size_t count = 0;
    unsigned char wrong = 0;
    while (count + VALUE_STEP <= len) {
        for (size_t i = 0; i < VALUE_STEP; i++) {
            unsigned char c = (unsigned char)bytes[count + i];
            wrong |= (unsigned char)(c < ' ') | (unsigned char)(c == 0x7f);
        }
        if (wrong != 0)
            break;
        count += VALUE_STEP;
    }
    return count + count_bytes(bytes + count, len - count, IN_VALUE);
}

static size_t skip_body(struct scanner *scanner, size_t len) {
    size_t skipped = scanner->body_left < len ? (size_t)scanner->body_left : len;
    scanner->body_left -= skipped;
    if (scanner->body_left == 0)
        scanner->state = BEFORE_REQUEST;
    return skipped;
}

/* How many of the next bytes change nothing but what is left of the body; most bytes are among these. The first byte of an
 * element is not. */
static size_t skip_plain(struct scanner *scanner, const char *bytes, size_t len) {
    switch ((enum state)scanner->state) {
    case BODY:
        return skip_body(scanner, len);
    case VALUE:
        return scanner->field != CONTENT_LENGTH ? count_value_bytes(bytes, len) : 0;
    case NAME: /* which is no watched one */
        return scanner->names == 0 ? count_bytes(bytes, len, IN_TOKEN) : 0;
    case TARGET:
        return scanner->run > 0 ? count_bytes(bytes, len, IN_TARGET) : 0;
    default:
        return 0;
    }
}

void scanner_init(struct scanner *scanner) {
    *scanner = (struct scanner){ .state = BEFORE_REQUEST };
}

/* Whether the bytes of the name so far are "cookie". */
static bool has_named_cookie(const struct scanner *scanner) {
    return scanner->state == NAME && scanner->run == watched[COOKIE - 1].len && (scanner->names & (1u << (COOKIE - 1))) != 0;
}

static bool is_in_line(enum state state) {
    return state <= REQUEST_LINE_LF || state == WRONG_LINE;
}

/* The next byte, which may be changed. A wrong line that the library skips is not the request's. */
static void read_and_change(struct scanner *scanner, char *byte) {
    enum state before = (enum state)scanner->state, after = read_byte(scanner, (unsigned char)*byte);
    if (is_in_line(before)) {
        uint32_t lines = scanner->lines;
        read_line_part(scanner, (unsigned char)*byte);
        if (after == WRONG || after == WRONG_LINE)
            after = scanner->lines > lines ? WRONG : WRONG_LINE;
    }
    scanner->state = (uint8_t)after;
    if (has_named_cookie(scanner))
        *byte = 'x';
    if (scanner->state == WRONG_LINE && *byte == '\0' && scanner->line_part != LINE_IS_SKIPPED)
        *byte = '\1';
}

/* One that would overflow is too large long before. */
static void count_header(struct scanner *scanner, size_t len) {
    if (__builtin_add_overflow(scanner->header_len, len, &scanner->header_len))
        scanner->header_len = UINT32_MAX;
}

void scanner_read(struct scanner *scanner, char *bytes, size_t len) {
    size_t at = 0;
    scanner->began_in_body = scanner->state == BODY;
    while (at < len && scanner->state < STOPPED) {
        bool is_body = scanner->state == BODY;
        size_t plain = skip_plain(scanner, bytes + at, len - at);
        count_header(scanner, is_body ? 0 : plain);
        at += plain;
        if (at == len || scanner->state == BODY)
            continue;
        read_and_change(scanner, &bytes[at++]);
        count_header(scanner, 1);
    }
}

bool scanner_is_too_large(const struct scanner *scanner) {
    bool is_in_header = scanner->state >= METHOD && scanner->state <= HEADER_LF;
    return scanner->is_too_large || (is_in_header && has_turn(scanner) && has_large_header(scanner));
}

bool scanner_is_in_target(const struct scanner *scanner) {
    return scanner->state == TARGET;
}

bool scanner_take_request(struct scanner *scanner) {
    if (scanner->pending == 0)
        return false;
    scanner->pending--;
    return true;
}

bool scanner_has_begun(const struct scanner *scanner) {
    bool is_between = scanner->state == BEFORE_REQUEST || scanner->state == BEFORE_REQUEST_LF;
    return !is_between || scanner->empty_lines > 1;
}

enum line_refusal scanner_line_refusal(const struct scanner *scanner, uint32_t begun) {
    return scanner->refused_at == begun ? (enum line_refusal)scanner->refusal : LINE_IS_READ;
}

bool scanner_is_head(const struct scanner *scanner) {
    return scanner->head_matched == METHOD_DIFFERS - 1;
}
