#include "src/base/log_line.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *log_suite(void);

static struct log_line line_with(bool json, const char *value, size_t len) {
    struct log_line line;
    log_line_begin(&line, json, "2026-11-20T21:35:00.123Z", LOG_INFO, "tested");
    log_line_add_text(&line, "value", (struct text){ value, len });
    log_line_add_number(&line, "number", -7);
    log_line_end(&line);
    return line;
}

/* json_object_get is json-c's in this program; what is written is read by another parser than the program's own. */
static json_t *json_member(const json_t *object, const char *name) {
    return json_object_getn(object, name, strlen(name));
}

static json_t *parsed(const struct log_line *line) {
    ck_assert_uint_le(line->len, LOG_LINE_SIZE);
    ck_assert_int_eq(line->bytes[line->len - 1], '\n');
    json_t *json = json_loadb(line->bytes, line->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    ck_assert_msg(json != NULL, "no JSON: %.*s", (int)line->len, line->bytes);
    return json;
}

#define HOSTILE(bytes)                                                                                                           \
    { bytes, sizeof(bytes) - 1 }

static const struct {
    const char *bytes;
    size_t len;
} hostile[] = {
    HOSTILE("plain"),
    HOSTILE(""),
    HOSTILE("a\r\nlevel=error forged"),
    HOSTILE("\x1b[2J\x1b]0;title\x07"),
    HOSTILE("nul\0behind"),
    HOSTILE("quote \" backslash \\"),
    HOSTILE("\xff\xfe\xc0\xaf\xed\xa0\x80"),
    HOSTILE("c1 \xc2\x85 \xc2\x9b"),
    HOSTILE("separators \xe2\x80\xa8 \xe2\x80\xa9"),
    HOSTILE("turned \xe2\x80\xae around \xe2\x81\xa6"),
    HOSTILE("caf\xc3\xa9 \xf0\x9f\x98\x80"),
    HOSTILE("cut \xf0\x9f\x98"),
};

START_TEST(no_value_can_end_a_line_or_hide_in_it) {
    for (int json = 0; json < 2; json++) {
        struct log_line line = line_with(json != 0, hostile[_i].bytes, hostile[_i].len);
        for (size_t i = 0; i + 1 < line.len; i++)
            ck_assert_msg((unsigned char)line.bytes[i] >= ' ' && line.bytes[i] != 0x7f, "control byte at %zu", i);
        ck_assert_ptr_null(memmem(line.bytes, line.len, "\xe2\x80\xae", 3));
        ck_assert_ptr_null(memmem(line.bytes, line.len, "\xc2\x85", 2));
        if (json != 0)
            json_decref(parsed(&line));
    }
}
END_TEST

START_TEST(random_bytes_give_valid_lines) {
    srand(7);
    for (int round = 0; round < 2000; round++) {
        char bytes[6000];
        size_t len = (size_t)(rand() % (int)sizeof bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(rand() % 256);
        struct log_line line = line_with(true, bytes, len);
        json_decref(parsed(&line));
    }
}
END_TEST

/* Around the end of the line each length once: the closing quote, brace and newline must always fit. */
START_TEST(a_line_that_is_cut_is_still_valid) {
    char bytes[5000];
    memset(bytes, 'a', sizeof bytes);
    for (size_t len = 3900; len < 4200; len++) {
        struct log_line line;
        log_line_begin(&line, true, "t", LOG_INFO, "tested");
        log_line_add_text(&line, "first", (struct text){ bytes, len });
        log_line_add_text(&line, "second", (struct text){ bytes, 40 });
        log_line_add_text(&line, "third", (struct text){ "\x01", 1 });
        log_line_add_number(&line, "fourth", 4);
        log_line_end(&line);
        json_decref(parsed(&line));
    }
}
END_TEST

static const struct {
    enum log_level level;
    const char *value, *line;
} texts[] = {
    { LOG_INFO, "word", "2026-11-20T21:35:00.123Z INFO  tested value=word number=-7\n" },
    { LOG_WARN, "two words", "2026-11-20T21:35:00.123Z WARN  tested value=\"two words\" number=-7\n" },
    { LOG_ERROR, "", "2026-11-20T21:35:00.123Z ERROR tested value=\"\" number=-7\n" },
    { LOG_DEBUG, "a=b", "2026-11-20T21:35:00.123Z DEBUG tested value=\"a=b\" number=-7\n" },
    { LOG_INFO, "say \"x\"\n", "2026-11-20T21:35:00.123Z INFO  tested value=\"say \\\"x\\\"\\n\" number=-7\n" },
    { LOG_INFO, "\x1b[2J", "2026-11-20T21:35:00.123Z INFO  tested value=\"\\u001b[2J\" number=-7\n" },
    { LOG_INFO, "soft\xc2\xadhyphen", "2026-11-20T21:35:00.123Z INFO  tested value=\"soft\\u00adhyphen\" number=-7\n" },
    { LOG_INFO, "tag \xf3\xa0\x81\x81", "2026-11-20T21:35:00.123Z INFO  tested value=\"tag \\udb40\\udc41\" number=-7\n" },
    { LOG_INFO, "caf\xc3\xa9", "2026-11-20T21:35:00.123Z INFO  tested value=\"caf\xc3\xa9\" number=-7\n" },
};

START_TEST(text_is_quoted_only_where_it_must_be) {
    struct log_line line;
    log_line_begin(&line, false, "2026-11-20T21:35:00.123Z", texts[_i].level, "tested");
    log_line_add_text(&line, "value", text_of(texts[_i].value));
    log_line_add_number(&line, "number", -7);
    log_line_end(&line);
    ck_assert_uint_eq(line.len, strlen(texts[_i].line));
    ck_assert_int_eq(memcmp(line.bytes, texts[_i].line, line.len), 0);
}
END_TEST

START_TEST(a_long_word_is_cut_and_not_lost) {
    static char word[8000];
    memset(word, 'w', sizeof word);
    for (int json = 0; json < 2; json++) {
        struct log_line line = line_with(json != 0, word, sizeof word);
        ck_assert_uint_gt(line.len, LOG_LINE_SIZE - 8);
        ck_assert_uint_le(line.len, LOG_LINE_SIZE);
        ck_assert_int_eq(line.bytes[line.len - 1], '\n');
    }
}
END_TEST

START_TEST(not_even_an_event_can_break_a_line) {
    static char event[8000];
    memset(event, '"', sizeof event - 1);
    static const char *const events[] = { "\",\"forged\":\"", "line\nbreak", event };
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        struct log_line line;
        log_line_begin(&line, true, "t", LOG_INFO, events[i]);
        log_line_add_text(&line, "value", text_of("x"));
        log_line_end(&line);
        json_t *json = parsed(&line);
        ck_assert_ptr_null(json_member(json, "forged"));
        json_decref(json);
    }
}
END_TEST

/* The log writes to standard error: for a test, into a pipe. */
struct capture {
    int pipe_end;
    int saved;
};

static struct capture capture_begin(void) {
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    struct capture capture = { ends[0], dup(STDERR_FILENO) };
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    return capture;
}

static size_t capture_read(const struct capture *capture, char *bytes, size_t size) {
    size_t len = 0;
    ssize_t got;
    while (len < size - 1 && (got = read(capture->pipe_end, bytes + len, size - 1 - len)) > 0)
        len += (size_t)got;
    bytes[len] = '\0';
    return len;
}

static void capture_end(const struct capture *capture) {
    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    close(capture->pipe_end);
}

START_TEST(each_conversion_arrives_with_its_type) {
    const char *volatile nothing = NULL; /* volatile: the compiler warns of a NULL that it sees */
    struct capture capture = capture_begin();
    char text[4096];
    log_init(LOG_INFO, LOG_JSON);
    log_event(LOG_WARN, "typed", "s=%s d=%d u=%u ld=%ld lu=%lu lld=%lld llu=%llu zu=%zu cut=%.*s none=%s", "text", -1, 2u, -3L,
              4UL, -5LL, 6ULL, (size_t)7, 2, "abc", nothing);
    capture_read(&capture, text, sizeof text);
    capture_end(&capture);
    json_t *json = json_loads(text, 0, NULL);
    ck_assert_str_eq(json_string_value(json_member(json, "level")), "warn");
    ck_assert_str_eq(json_string_value(json_member(json, "event")), "typed");
    ck_assert_str_eq(json_string_value(json_member(json, "s")), "text");
    ck_assert_str_eq(json_string_value(json_member(json, "cut")), "ab");
    ck_assert_ptr_null(json_member(json, "none"));
    static const char *const numbers[] = { "d", "u", "ld", "lu", "lld", "llu", "zu" };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        ck_assert_int_eq(llabs(json_integer_value(json_member(json, numbers[i]))), (long long)i + 1);
    json_decref(json);
}
END_TEST

START_TEST(counted_bytes_are_taken_behind_a_nul_too) {
    struct capture capture = capture_begin();
    char text[4096];
    log_init(LOG_INFO, LOG_JSON);
    log_event(LOG_INFO, "counted", "value=%.*s none=%.*s", 3, "a\0b", -1, "abc");
    capture_read(&capture, text, sizeof text);
    capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(text, "\"value\":\"a\\u0000b\",\"none\":\"\"}\n"));
}
END_TEST

START_TEST(a_format_is_chosen_by_the_kind_of_sink) {
    struct capture capture = capture_begin();
    char text[4096];
    log_init(LOG_INFO, LOG_AUTO);
    log_event(LOG_INFO, "automatic", "a=%d", 1);
    log_init(LOG_INFO, LOG_TEXT);
    log_event(LOG_INFO, "asked_for", "a=%d", 1);
    capture_read(&capture, text, sizeof text);
    capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(text, "\"event\":\"automatic\",\"a\":1}\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z INFO  asked_for a=1\n"));
}
END_TEST

START_TEST(what_is_below_the_level_is_not_written) {
    struct capture capture = capture_begin();
    char text[4096];
    log_init(LOG_WARN, LOG_JSON);
    log_event(LOG_INFO, "quiet", "a=%d", 1);
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "loud", "a=%d", 1);
    capture_read(&capture, text, sizeof text);
    capture_end(&capture);
    ck_assert_ptr_null(strstr(text, "quiet"));
    ck_assert_ptr_nonnull(strstr(text, "loud"));
}
END_TEST

/* Nobody reads meanwhile: a thread that waited for the sink would wait until Check ends the test. */
START_TEST(a_full_sink_blocks_no_thread_and_the_loss_is_logged) {
    struct capture capture = capture_begin();
    static char text[1024 * 1024];
    log_init(LOG_INFO, LOG_JSON);
    for (int i = 0; i < 20000; i++)
        log_event(LOG_INFO, "many", "number=%d", i);
    capture_read(&capture, text, sizeof text);
    log_event(LOG_INFO, "after", "number=%d", 1);
    size_t len = capture_read(&capture, text, sizeof text);
    capture_end(&capture);
    ck_assert_uint_gt(len, 0);
    ck_assert_ptr_nonnull(strstr(text, "\"event\":\"log_lines_lost\""));
    ck_assert_ptr_nonnull(strstr(text, "\"event\":\"after\""));
}
END_TEST

/* Lines that could not be written are counted, each once. */
START_TEST(written_and_lost_lines_add_up) {
    enum { LINES = 3000 };
    static char text[1024 * 1024];
    struct capture capture = capture_begin();
    log_init(LOG_INFO, LOG_JSON);
    for (int i = 0; i < LINES; i++)
        log_event(LOG_INFO, "many", "number=%d", i);
    capture_read(&capture, text, sizeof text);
    int written = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        written++;
    log_event(LOG_INFO, "after", "number=%d", 1);
    capture_read(&capture, text, sizeof text);
    log_event(LOG_INFO, "later", "number=%d", 1);
    static char later[4096];
    capture_read(&capture, later, sizeof later);
    capture_end(&capture);
    json_t *json = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
    ck_assert_str_eq(json_string_value(json_member(json, "event")), "log_lines_lost");
    ck_assert_int_eq(written + json_integer_value(json_member(json, "count")), LINES);
    ck_assert_int_gt(written, 0);
    ck_assert_int_lt(written, LINES);
    ck_assert_ptr_null(strstr(later, "log_lines_lost"));
    json_decref(json);
}
END_TEST

START_TEST(a_closed_pipe_does_not_end_the_process) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        struct capture capture = capture_begin();
        close(capture.pipe_end);
        log_init(LOG_INFO, LOG_JSON);
        log_event(LOG_INFO, "unheard", "a=%d", 1);
        _exit(0);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

enum { WRITERS = 4, LINES_EACH = 50 };

static void *write_lines(void *unused) {
    (void)unused;
    for (int i = 0; i < LINES_EACH; i++)
        log_event(LOG_INFO, "shared", "text=%s number=%d", "some words", i);
    return NULL;
}

START_TEST(lines_of_many_threads_stay_whole_and_in_order) {
    static char text[256 * 1024];
    struct capture capture = capture_begin();
    pthread_t threads[WRITERS];
    log_init(LOG_INFO, LOG_JSON);
    for (int i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    capture_read(&capture, text, sizeof text);
    capture_end(&capture);
    int lines = 0;
    char before[CLOCK_TEXT_SIZE] = "";
    for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        json_t *json = json_loadb(at, (size_t)(end - at), 0, NULL);
        ck_assert_msg(json != NULL, "no JSON: %.*s", (int)(end - at), at);
        const char *time = json_string_value(json_member(json, "time"));
        ck_assert_int_ge(strcmp(time, before), 0);
        snprintf(before, sizeof before, "%s", time);
        json_decref(json);
        lines++;
    }
    ck_assert_int_eq(lines, WRITERS * LINES_EACH);
}
END_TEST

Suite *log_suite(void) {
    Suite *suite = suite_create("log");
    TCase *lines = tcase_create("lines");
    tcase_add_loop_test(lines, no_value_can_end_a_line_or_hide_in_it, 0, (int)ARRAY_LEN(hostile));
    tcase_add_test(lines, random_bytes_give_valid_lines);
    tcase_add_test(lines, a_line_that_is_cut_is_still_valid);
    tcase_add_loop_test(lines, text_is_quoted_only_where_it_must_be, 0, (int)ARRAY_LEN(texts));
    tcase_add_test(lines, a_long_word_is_cut_and_not_lost);
    tcase_add_test(lines, not_even_an_event_can_break_a_line);
    suite_add_tcase(suite, lines);
    TCase *sink = tcase_create("sink");
    tcase_add_test(sink, each_conversion_arrives_with_its_type);
    tcase_add_test(sink, what_is_below_the_level_is_not_written);
    tcase_add_test(sink, a_full_sink_blocks_no_thread_and_the_loss_is_logged);
    tcase_add_test(sink, counted_bytes_are_taken_behind_a_nul_too);
    tcase_add_test(sink, a_format_is_chosen_by_the_kind_of_sink);
    tcase_add_test(sink, written_and_lost_lines_add_up);
    tcase_add_test(sink, a_closed_pipe_does_not_end_the_process);
    tcase_add_test(sink, lines_of_many_threads_stay_whole_and_in_order);
    suite_add_tcase(suite, sink);
    return suite;
}
