#include "jwtd/json_writer.h"
#include "jwtd/macros.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

Suite *json_writer_suite(void);

static struct arena arena;

static void begin(void) {
    arena_init(&arena, 1 << 22);
}

static void end(void) {
    arena_fini(&arena);
}

START_TEST(members_and_items_are_separated_by_commas) {
    struct json_writer writer;
    json_writer_init(&writer, &arena);
    json_begin_object(&writer);
    json_member_string(&writer, "a", "x");
    json_name(&writer, "b");
    json_begin_array(&writer);
    json_write_integer(&writer, -1);
    json_write_boolean(&writer, true);
    json_begin_object(&writer);
    json_end_object(&writer);
    json_write_string(&writer, NULL);
    json_end_array(&writer);
    json_member_raw(&writer, "c", text_of("[1]"));
    json_member_integer(&writer, "d", INT64_MIN);
    json_end_object(&writer);
    ck_assert_str_eq(json_writer_finish(&writer).bytes,
                     "{\"a\":\"x\",\"b\":[-1,true,{},null],\"c\":[1],\"d\":-9223372036854775808}");
}
END_TEST

START_TEST(any_bytes_come_back_as_they_were_or_as_replacement) {
    srand(3);
    for (int round = 0; round < 500; round++) {
        char bytes[300];
        size_t len = (size_t)(rand() % (int)sizeof bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(rand() % (round % 2 == 0 ? 128 : 256));
        struct json_writer writer;
        json_writer_init(&writer, &arena);
        json_begin_array(&writer);
        json_write_text(&writer, (struct text){ bytes, len });
        json_end_array(&writer);
        struct text text = json_writer_finish(&writer);
        json_t *json = json_loadb(text.bytes, text.len, JSON_ALLOW_NUL, NULL);
        ck_assert_ptr_nonnull(json);
        const json_t *item = json_array_get(json, 0);
        if (text_is_utf8((struct text){ bytes, len })) {
            ck_assert_uint_eq(json_string_length(item), len);
            ck_assert_int_eq(memcmp(json_string_value(item), bytes, len), 0);
        } else {
            ck_assert_ptr_nonnull(memmem(json_string_value(item), json_string_length(item), "\xef\xbf\xbd", 3));
        }
        json_decref(json);
    }
}
END_TEST

static struct text array_of(struct text item) {
    struct json_writer writer;
    json_writer_init(&writer, &arena);
    json_begin_array(&writer);
    json_write_text(&writer, item);
    json_end_array(&writer);
    return json_writer_finish(&writer);
}

#define BYTES(bytes)                                                                                                             \
    { bytes, sizeof(bytes) - 1 }

static const struct {
    struct text bytes;
    const char *json;
} spellings[] = {
    { BYTES(""), "[\"\"]" },
    { BYTES("a\0b"), "[\"a\\u0000b\"]" },
    { BYTES("\"\\/"), "[\"\\\"\\\\/\"]" },
    { BYTES("\b\f\n\r\t"), "[\"\\b\\f\\n\\r\\t\"]" },
    { BYTES("\v\x1f\x7f"), "[\"\\u000b\\u001f\\u007f\"]" },
    { BYTES("\xf0\x9f\x98\x80"), "[\"\xf0\x9f\x98\x80\"]" },
    { BYTES("a\xff\xfe"), "[\"a\\ufffd\\ufffd\"]" },
    { BYTES("\xed\xa0\x80"), "[\"\\ufffd\\ufffd\\ufffd\"]" },
    { BYTES("\xe2\x82"), "[\"\\ufffd\\ufffd\"]" },
    { BYTES("\xe2\x82z"), "[\"\\ufffd\\ufffdz\"]" },
};

START_TEST(each_text_has_one_spelling) {
    ck_assert_str_eq(array_of(spellings[_i].bytes).bytes, spellings[_i].json);
}
END_TEST

START_TEST(a_large_text_is_written_whole) {
    enum { SIZE = 500000 };
    char *big = malloc(SIZE);
    ck_assert_ptr_nonnull(big);
    for (int i = 0; i < SIZE; i++)
        big[i] = "ab\"\xc3\xa9"[i % 5];
    struct text text = array_of((struct text){ big, SIZE });
    json_t *json = json_loadb(text.bytes, text.len, 0, NULL);
    const json_t *item = json_array_get(json, 0);
    ck_assert_uint_eq(json_string_length(item), SIZE);
    ck_assert_int_eq(memcmp(json_string_value(item), big, SIZE), 0);
    json_decref(json);
    free(big);
}
END_TEST

START_TEST(what_is_missing_is_written_as_null) {
    struct json_writer writer;
    json_writer_init(&writer, &arena);
    json_begin_array(&writer);
    json_write_string(&writer, NULL);
    json_write_text(&writer, (struct text){ NULL, 0 });
    json_write_raw(&writer, (struct text){ NULL, 0 });
    json_end_array(&writer);
    ck_assert_str_eq(json_writer_finish(&writer).bytes, "[null,null,null]");
}
END_TEST

static struct text write_nested(struct json_writer *writer, int depth) {
    json_writer_init(writer, &arena);
    for (int i = 0; i < depth; i++)
        json_begin_array(writer);
    for (int i = 0; i < depth; i++)
        json_end_array(writer);
    return json_writer_finish(writer);
}

/* As deep as a document that describes an interface, and no deeper than is said. */
START_TEST(values_nest_as_deep_as_the_header_says) {
    struct json_writer writer;
    ck_assert_str_eq(write_nested(&writer, 8).bytes, "[[[[[[[[]]]]]]]]");
    ck_assert_uint_eq(write_nested(&writer, 20).len, 40);
    ck_assert_uint_eq(write_nested(&writer, JSON_WRITER_DEPTH_MAX).len, (size_t)2 * JSON_WRITER_DEPTH_MAX);
    ck_assert_ptr_null(write_nested(&writer, JSON_WRITER_DEPTH_MAX + 1).bytes);
}
END_TEST

START_TEST(an_unclosed_value_is_no_value) {
    struct json_writer writer;
    json_writer_init(&writer, &arena);
    json_begin_object(&writer);
    ck_assert_ptr_null(json_writer_finish(&writer).bytes);
    json_writer_init(&writer, &arena);
    json_end_array(&writer);
    ck_assert_ptr_null(json_writer_finish(&writer).bytes);
}
END_TEST

START_TEST(a_failure_for_memory_sticks) {
    struct arena small;
    arena_init(&small, 2048);
    struct json_writer writer;
    json_writer_init(&writer, &small);
    json_begin_array(&writer);
    for (int i = 0; i < 1000; i++)
        json_write_string(&writer, "0123456789");
    json_end_array(&writer);
    ck_assert_ptr_null(json_writer_finish(&writer).bytes);
    arena_fini(&small);
}
END_TEST

Suite *json_writer_suite(void) {
    Suite *suite = suite_create("json_writer");
    TCase *tcase = tcase_create("json_writer");
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, members_and_items_are_separated_by_commas);
    tcase_add_test(tcase, any_bytes_come_back_as_they_were_or_as_replacement);
    tcase_add_loop_test(tcase, each_text_has_one_spelling, 0, (int)ARRAY_LEN(spellings));
    tcase_add_test(tcase, a_large_text_is_written_whole);
    tcase_add_test(tcase, what_is_missing_is_written_as_null);
    tcase_add_test(tcase, values_nest_as_deep_as_the_header_says);
    tcase_add_test(tcase, an_unclosed_value_is_no_value);
    tcase_add_test(tcase, a_failure_for_memory_sticks);
    suite_add_tcase(suite, tcase);
    return suite;
}
