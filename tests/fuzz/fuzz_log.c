/*
 * One line of the log with two hostile values (src/base/log_line.h). The first byte selects where the input is divided, and
 * whether the line is JSON or text.
 *
 * Checked: it is one line, at most as long as a pipe takes in one piece, UTF-8, without control characters and without those that
 * turn the direction of text, so that no value can forge a line; a JSON line is an object that has what was logged, and a value
 * that is in order and short comes out as it was.
 */
#include "fuzz.h"

#include "jwtd/json.h"

#include "src/base/log_line.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SHORT 512

static void assert_is_one_line(const struct log_line *line) {
    struct text rest = { line->bytes, line->len - 1 };
    assert(line->len > 0 && line->len <= LOG_LINE_SIZE && line->bytes[line->len - 1] == '\n');
    assert(text_is_utf8(rest));
    while (rest.len > 0) {
        uint32_t c;
        size_t len = text_code_point(rest, &c);
        assert(len > 0 && c >= ' ' && !(c >= 0x7f && c < 0xa0) && c != 0x2028 && c != 0x2029);
        assert(!(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069));
        rest = (struct text){ rest.bytes + len, rest.len - len };
    }
}

static bool is_plain(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.bytes[i] < ' ' || text.bytes[i] > '~')
            return false;
    return text.len <= SHORT;
}

static void assert_is_json(const struct log_line *line, struct text first, struct text second) {
    struct arena arena;
    const struct json *root;
    arena_init(&arena, JSON_ARENA_LIMIT(LOG_LINE_SIZE, 1));
    enum status status = json_parse(&arena, (struct text){ line->bytes, line->len - 1 },
                                    (struct json_limits){ .depth = 1, .containers = 1 }, &root);
    assert(status == STATUS_OK && json_kind(root) == JSON_KIND_OBJECT);
    assert(text_equal(json_find_text(root, "level"), text_of("warn")));
    assert(text_equal(json_find_text(root, "event"), text_of("fuzz")));
    if (is_plain(first))
        assert(text_equal(json_find_text(root, "first"), first));
    if (is_plain(first) && is_plain(second))
        assert(text_equal(json_find_text(root, "second"), second));
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct log_line line;
    if (len == 0)
        return 0;
    bool is_json = bytes[0] % 2 == 0;
    struct text rest = { (const char *)bytes + 1, len - 1 };
    size_t cut = rest.len * (bytes[0] / 2u) / 127;
    char *first = fuzz_string((struct text){ rest.bytes, cut });
    char *second = fuzz_string((struct text){ rest.bytes + cut, rest.len - cut });
    log_line_begin(&line, is_json, "2026-11-21T17:00:00.000Z", LOG_WARN, "fuzz");
    log_line_add_text(&line, "first", (struct text){ first, cut });
    log_line_add_number(&line, "number", -(long long)len);
    log_line_add_text(&line, "second", (struct text){ second, rest.len - cut });
    log_line_end(&line);
    assert_is_one_line(&line);
    /* which is \u0000 in the line, and json.h takes none */
    bool has_nul = memchr(bytes + 1, '\0', len - 1) != NULL;
    if (is_json && !has_nul)
        assert_is_json(&line, (struct text){ first, cut }, (struct text){ second, rest.len - cut });
    free(first);
    free(second);
    return 0;
}
