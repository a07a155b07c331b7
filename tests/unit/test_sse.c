/* The parser of server-sent events: what WHATWG HTML section 9.2.6 says, whatever the pieces in which the bytes come. */
#include "jwtd/macros.h"
#include "src/verify/sse.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *sse_suite(void);

struct trace {
    char text[4096];
    bool refuses; /* events named "refused" */
};

static void append(struct trace *trace, struct text text) {
    size_t len = strlen(trace->text);
    snprintf(trace->text + len, sizeof trace->text - len, "%.*s", (int)text.len, text.bytes == NULL ? "" : text.bytes);
}

static bool on_event(void *context, struct text name, struct text data) {
    struct trace *trace = context;
    append(trace, text_of("event("));
    append(trace, name);
    append(trace, text_of("|"));
    append(trace, data);
    append(trace, text_of(")"));
    return !trace->refuses || !text_equal(name, text_of("refused"));
}

static bool on_comment(void *context, struct text comment) {
    append(context, text_of("comment("));
    append(context, comment);
    append(context, text_of(")"));
    return true;
}

static bool parse_in_pieces(struct sse_parser *parser, const char *stream, size_t len, size_t piece, struct trace *trace) {
    const struct sse_handlers handlers = { on_event, on_comment, trace };
    for (size_t at = 0; at < len; at += piece)
        if (!sse_parse(parser, (struct text){ stream + at, len - at < piece ? len - at : piece }, &handlers))
            return false;
    return true;
}

static const struct {
    const char *stream, *trace, *id;
    int64_t retry_ms;
} streams[] = {
    { "data: a\n\n", "event(|a)", "", -1 },
    { "data:a\n\n", "event(|a)", "", -1 },
    { "data:  a\n\n", "event(| a)", "", -1 },
    { "event: x\ndata: a\nid: 7\n\n", "event(x|a)", "7", -1 },
    { "event: x\r\ndata: a\r\nid: 7\r\n\r\n", "event(x|a)", "7", -1 },
    { "event: x\rdata: a\rid: 7\r\r", "event(x|a)", "7", -1 },
    { "data: a\ndata: b\n\n", "event(|a\nb)", "", -1 },
    { "data\n\n", "event(|)", "", -1 },
    { "event: x\n\ndata: a\n\n", "event(|a)", "", -1 }, /* an event without data is none, and its name is forgotten */
    { ": stale-for 0\nid: 9\n\n", "comment(stale-for 0)", "9", -1 }, /* the heartbeat of the service */
    { "id: 1\ndata: a\n\nid: 2\ndata: b\n", "event(|a)", "1", -1 },  /* cut off: the second is not handled, nor its id */
    { "id: 1\ndata: a\n\nid\ndata: b\n\n", "event(|a)event(|b)", "", -1 },
    { "data: a\nother: b\nnothing\n\n", "event(|a)", "", -1 },
    { "retry: 250\n\n", "", "", 250 },
    { "retry: 1x\nretry: -1\nretry:\n\n", "", "", -1 },
    { "\xef\xbb\xbf"
      "data: a\n\n",
      "event(|a)", "", -1 },
    { "data: a\n\n\n\n", "event(|a)", "", -1 },
    { ":\n:x\n", "comment()comment(x)", "", -1 },
    { "", "", "", -1 },
};

START_TEST(a_stream_is_read_alike_in_pieces_of_any_size) {
    for (size_t piece = 1; piece < 40; piece++) {
        struct sse_parser parser;
        struct trace trace = { .text = "" };
        sse_init(&parser);
        ck_assert(parse_in_pieces(&parser, streams[_i].stream, strlen(streams[_i].stream), piece, &trace));
        ck_assert_str_eq(trace.text, streams[_i].trace);
        ck_assert_str_eq(parser.id, streams[_i].id);
        ck_assert_int_eq(parser.retry_ms, streams[_i].retry_ms);
    }
}
END_TEST

/* A field of so many bytes of value, in a whole event. */
static bool accepts(const char *field, size_t value_len) {
    struct sse_parser parser;
    struct trace trace = { .text = "" };
    char *stream = calloc(1, value_len + 64);
    size_t field_len = strlen(field);
    snprintf(stream, field_len + 1, "%s", field);
    memset(stream + field_len, 'x', value_len);
    memset(stream + field_len + value_len, '\n', 2);
    sse_init(&parser);
    bool is_accepted = parse_in_pieces(&parser, stream, field_len + value_len + 2, 100, &trace);
    free(stream);
    return is_accepted;
}

static const struct {
    const char *field;
    size_t longest;
} bounds[] = {
    { "data: ", SSE_LINE_MAX - 6 }, { ": ", SSE_LINE_MAX - 2 }, { "unknown: ", SSE_LINE_MAX - 9 },
    { "event: ", SSE_NAME_MAX },    { "id: ", SSE_ID_MAX },
};

START_TEST(what_a_hostile_server_sends_is_bounded) {
    ck_assert(accepts(bounds[_i].field, bounds[_i].longest));
    ck_assert(!accepts(bounds[_i].field, bounds[_i].longest + 1));
}
END_TEST

START_TEST(the_data_of_an_event_is_bounded_over_all_its_lines) {
    struct sse_parser parser;
    struct trace trace = { .text = "" };
    sse_init(&parser);
    for (size_t i = 0; i < SSE_DATA_MAX / 2; i++)
        ck_assert(parse_in_pieces(&parser, "data: a\n", 8, 8, &trace));
    ck_assert(!parse_in_pieces(&parser, "data: a\n", 8, 8, &trace));
}
END_TEST

START_TEST(bytes_that_no_sane_server_sends_end_the_stream) {
    static const struct text refused[] = { { "data: a\0b\n\n", 11 }, { "id: a\x01\n\n", 8 }, { "id: \xc3\xa9\n\n", 8 } };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct sse_parser parser;
        struct trace trace = { .text = "" };
        sse_init(&parser);
        ck_assert(!parse_in_pieces(&parser, refused[i].bytes, refused[i].len, 3, &trace));
        ck_assert_str_eq(trace.text, "");
    }
}
END_TEST

START_TEST(an_event_that_is_refused_keeps_its_id_back) {
    struct sse_parser parser;
    struct trace trace = { .refuses = true };
    static const char stream[] = "id: 1\ndata: a\n\nid: 2\nevent: refused\ndata: b\n\n";
    sse_init(&parser);
    ck_assert(!parse_in_pieces(&parser, stream, sizeof stream - 1, 5, &trace));
    ck_assert_str_eq(parser.id, "1");
    sse_restart(&parser);
    ck_assert(parse_in_pieces(&parser, "data: c\n\n", 9, 9, &trace));
    ck_assert_str_eq(parser.id, "1");
    ck_assert_str_eq(trace.text, "event(|a)event(refused|b)event(|c)");
}
END_TEST

Suite *sse_suite(void) {
    Suite *suite = suite_create("sse");
    TCase *tests = tcase_create("sse");
    tcase_add_loop_test(tests, a_stream_is_read_alike_in_pieces_of_any_size, 0, (int)ARRAY_LEN(streams));
    tcase_add_loop_test(tests, what_a_hostile_server_sends_is_bounded, 0, (int)ARRAY_LEN(bounds));
    tcase_add_test(tests, the_data_of_an_event_is_bounded_over_all_its_lines);
    tcase_add_test(tests, bytes_that_no_sane_server_sends_end_the_stream);
    tcase_add_test(tests, an_event_that_is_refused_keeps_its_id_back);
    suite_add_tcase(suite, tests);
    return suite;
}
