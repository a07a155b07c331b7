#include "jwtd/json.h"
#include "jwtd/json_writer.h"
#include "jwtd/macros.h"

#include "../../src/base/json_scan.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *json_suite(void);

static const struct json_limits limits = { .depth = 16, .containers = 6000 };
#define ARENA_LIMIT ((size_t)64 << 20)

static struct arena arena;
static const struct json *root;

static void begin(void) {
    arena_init(&arena, ARENA_LIMIT);
}

static void end(void) {
    arena_fini(&arena);
}

static enum status parse(const char *bytes, size_t len) {
    return json_parse(&arena, (struct text){ bytes, len }, limits, &root);
}

/* A block of exactly this size, so that a sanitizer sees a byte read behind it. */
static enum status parse_copy(const char *bytes, size_t len) {
    char *copy = malloc(len > 0 ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, len);
    enum status status = parse(copy, len);
    free(copy);
    return status;
}

struct verdict_case {
    const char *bytes;
    size_t len;
};

#define TEXT(text)                                                                                                               \
    { text, sizeof(text) - 1 }

static const struct verdict_case good[] = {
    TEXT("{}"),
    TEXT("[]"),
    TEXT(" \t\r\n{ \n} \t\r\n"),
    TEXT("[[]]"),
    TEXT("[null,true,false]"),
    TEXT("[ null , true ]"),
    TEXT("{\"\":0}"),
    TEXT("{\"a\":1,\"b\":2}"),
    TEXT("{\"a\":{\"a\":{\"a\":1}}}"),
    TEXT("[{\"a\":1},{\"a\":1}]"),
    TEXT("{\"a\":1,\"A\":2}"),
    TEXT("{\"e\xcc\x81\":1,\"\xc3\xa9\":2}"),
    TEXT("[0,-0,1,-1,10,1234567890]"),
    TEXT("[9223372036854775807,-9223372036854775808]"),
    TEXT("[0.0,-0.5,1.25e10,1E+2,1e-2,0e0,0E1,1e-999,1e308]"),
    TEXT("[123123123123123123123123123123.0]"),
    TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
    TEXT("[\"\\u0001\\u00e9\\uABCD\\uabcd\\uffff\"]"),
    TEXT("[\"\\ud83d\\ude00\\uDBFF\\uDFFF\"]"),
    TEXT("[\"\\\\u0000\"]"),
    TEXT("[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\"]"),
    TEXT("[\"\xef\xbf\xbd\xef\xbf\xbe\xe2\x80\xa8\x7f\"]"),
    TEXT("[\"'/*{[:,]}*/'\"]"),
    TEXT("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"),
    TEXT("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"),
    TEXT("{\"a\":\"[[[[[[[[[[[[[[[[[[[[\"}"),
};

/* The comment says who would accept it, if it is known. */
static const struct verdict_case bad[] = {
    /* no text, or no object or array */
    TEXT(""),
    TEXT(" "),
    TEXT("null"),
    TEXT("true"),
    TEXT("1"),
    TEXT("\"x\""),
    TEXT("\xef\xbb\xbf{}"),
    /* cut off */
    TEXT("{"),
    TEXT("["),
    TEXT("[1"),
    TEXT("[1,"),
    TEXT("[-"),
    TEXT("[1e"),
    TEXT("[\""),
    TEXT("[\"\\"),
    TEXT("[\"\\u"),
    TEXT("[\"\\u00"),
    TEXT("[\"\\ud83d"),
    TEXT("[\"\\ud83d\\"),
    TEXT("[\"\\ud83d\\u"),
    TEXT("[tru"),
    TEXT("{\"a\""),
    TEXT("{\"a\":"),
    TEXT("{\"a\":1"),
    TEXT("{\"a\":1,"),
    TEXT("[[]"),
    /* more behind the end */
    TEXT("{}x"),
    TEXT("{} {}"),
    TEXT("{}}"),
    TEXT("[]]"),
    TEXT("{},"),
    TEXT("{}\0"), /* json-c */
    TEXT("{}\0junk"),
    TEXT("{}\x0c"),
    TEXT("{} //"),
    /* brackets, commas and colons */
    TEXT("]"),
    TEXT("[}"),
    TEXT("{]"),
    TEXT("[{]}"),
    TEXT("[,]"),
    TEXT("[1,]"),
    TEXT("[,1]"),
    TEXT("[1,,2]"),
    TEXT("[1 2]"),
    TEXT("[1:2]"),
    TEXT("[\"a\" \"b\"]"),
    TEXT("[[][]]"),
    TEXT("{,}"),
    TEXT("{\"a\":1,}"),
    TEXT("{\"a\" 1}"),
    TEXT("{\"a\"::1}"),
    TEXT("{\"a\":1:2}"),
    TEXT("{:1}"),
    TEXT("{\"a\"}"),
    TEXT("{\"a\",\"b\"}"),
    TEXT("{1:1}"),
    TEXT("{a:1}"),
    TEXT("{null:1}"),
    TEXT("{\"a\":1 \"b\":2}"),
    TEXT("{[]:1}"),
    /* words */
    TEXT("[nul]"),
    TEXT("[nulll]"),
    TEXT("[truefalse]"),
    TEXT("[True]"),
    TEXT("[NULL]"),
    TEXT("[undefined]"),
    TEXT("[NaN]"), /* json-c */
    TEXT("[nan]"),
    TEXT("[Infinity]"),  /* json-c */
    TEXT("[-Infinity]"), /* json-c */
    TEXT("[inf]"),
    /* numbers */
    TEXT("[01]"),
    TEXT("[00]"),  /* json-c */
    TEXT("[-01]"), /* json-c */
    TEXT("[01.5]"),
    TEXT("[+1]"),
    TEXT("[-]"),
    TEXT("[--1]"),
    TEXT("[- 1]"),
    TEXT("[.5]"),
    TEXT("[-.5]"), /* json-c */
    TEXT("[1.]"),  /* json-c */
    TEXT("[1.e1]"),
    TEXT("[1e]"),
    TEXT("[1e+]"),
    TEXT("[1e1.5]"),
    TEXT("[1.2.3]"),
    TEXT("[0x10]"),
    TEXT("[1a]"),
    TEXT("[1-2]"),
    TEXT("[1_000]"),
    TEXT("[1\0]"),
    TEXT("[1/2]"),
    TEXT("[\xef\xbc\x91]"),
    TEXT("[9223372036854775808]"),  /* json-c, saturated */
    TEXT("[-9223372036854775809]"), /* json-c, saturated */
    TEXT("[18446744073709551616]"),
    TEXT("[100000000000000000000000000000000]"),
    TEXT("[1e999]"), /* json-c, infinite */
    TEXT("[-1e999]"),
    /* quotes and escapes */
    TEXT("['a']"),
    TEXT("{'a':1}"), /* json-c */
    TEXT("[\"a']"),
    TEXT("[\"\\x41\"]"),
    TEXT("[\"\\'\"]"),
    TEXT("[\"\\a\"]"),
    TEXT("[\"\\\0\"]"),
    TEXT("[\"\\U0041\"]"),
    TEXT("[\"\\u004\"]"),
    TEXT("[\"\\u004g\"]"),
    TEXT("[\"\\u00 1\"]"),
    TEXT("[\"\\u+041\"]"),
    TEXT("[\\u0041]"),
    /* NUL */
    TEXT("[\"\\u0000\"]"),
    TEXT("{\"a\\u0000\":1}"), /* json-c: the name is "a" */
    TEXT("[\"a\0b\"]"),
    TEXT("\0[]"),
    TEXT("[\0]"),
    /* surrogates */
    TEXT("[\"\\ud800\"]"),        /* json-c: U+FFFD */
    TEXT("[\"\\udc00\"]"),        /* json-c: U+FFFD */
    TEXT("[\"\\udbff x\"]"),      /* json-c */
    TEXT("[\"\\ud800\\u0041\"]"), /* json-c */
    TEXT("[\"\\ud800\\ud800\"]"),
    TEXT("[\"\\ud800\\n\"]"),
    TEXT("[\"\\ude00\\ud83d\"]"),
    TEXT("[\"\\ud83dude00\"]"),
    TEXT("{\"\\ud800\":1}"),
    /* UTF-8 */
    TEXT("[\"\xff\"]"),
    TEXT("[\"\x80\"]"),
    TEXT("[\"\xc3\"]"),
    TEXT("[\"\xe2\x82\"]"),
    TEXT("[\"\xc0\xaf\"]"),         /* json-c */
    TEXT("[\"\xe0\x80\xaf\"]"),     /* json-c */
    TEXT("[\"\xed\xa0\x80\"]"),     /* json-c */
    TEXT("[\"\xf4\x90\x80\x80\"]"), /* json-c */
    TEXT("[\"\xf8\x88\x80\x80\x80\"]"),
    TEXT("{\"\xc0\xaf\":1}"),
    TEXT("[\xc3\xa9]"),
    TEXT("[\xc2\xa0]"),
    /* control characters */
    TEXT("[\"\t\"]"),   /* json-c */
    TEXT("[\"\n\"]"),   /* json-c */
    TEXT("[\"\x01\"]"), /* json-c */
    TEXT("[\"\x1f\"]"), /* json-c */
    TEXT("{\"a\tb\":1}"),
    TEXT("[\x0b]"),
    TEXT("[\x0c]"),
    TEXT("[\x1f]"),
    /* comments */
    TEXT("[/**/]"),
    TEXT("[1//\n]"),
    TEXT("/* c */{}"),
    TEXT("#c\n{}"),
    /* members with one name; json-c keeps the last */
    TEXT("{\"a\":1,\"a\":1}"),
    TEXT("{\"a\":1,\"\\u0061\":2}"),
    TEXT("{\"\\/\":1,\"/\":2}"),
    TEXT("{\"\":1,\"\":2}"),
    TEXT("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"),
    TEXT("{\"a\":null,\"a\":null}"),
    TEXT("{\"x\":[{\"a\":1,\"b\":2,\"a\":3}]}"),
    TEXT("{\"a\":{\"b\":1,\"c\":2},\"a\":{\"b\":1}}"),
    /* depth */
    TEXT("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"),
    TEXT("{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"),
    TEXT("[[[[[[[[[[[[[[[[["),
};

/* json-c would shorten a name with NUL to what is before it. */
static const struct {
    const char *text;
    bool is_good;
} with_nul[] = {
    { "{\"a\":\"x\\u0000y\"}", true },
    { "{\"a\":\"\\u0000\",\"b\":\"\\u0000\"}", true },
    { "{\"a\":[\"\\u0000\"]}", false },
    { "{\"a\":{\"b\":\"\\u0000\"}}", false },
    { "{\"a\\u0000\":1}", false },
    { "{\"a\\u0000\" :\"b\"}", false },
    { "{\"a\":\"\\u0000\",\"b\\u0000\":1}", false },
    { "{\"a\":\"\\u0000\",\"b\":\"\\ud800\"}", false },
};

START_TEST(nul_is_accepted_in_a_text_on_the_first_level_for_those_who_allow_it) {
    struct json_limits allowing = { .depth = 16, .containers = 64, .allows_nul = true };
    struct text text = text_of(with_nul[_i].text);
    ck_assert_int_eq(json_parse(&arena, text, limits, &root), STATUS_INVALID_JSON);
    ck_assert_int_eq(json_parse(&arena, text, allowing, &root), with_nul[_i].is_good ? STATUS_OK : STATUS_INVALID_JSON);
    if (_i == 0) {
        struct text value = json_find_text(root, "a");
        ck_assert_uint_eq(value.len, 3);
        ck_assert_mem_eq(value.bytes, "x\0y", 4);
    }
}
END_TEST

static const struct {
    const char *beginning;
    const char *name; /* NULL: the cut is in no text of the outermost object */
    size_t value_len;
} cuts[] = {
    { "{\"a\":\"xyz", "a", 3 },
    { " { \"a\" : 1 , \"b\" : \"", "b", 0 },
    { "{\"a\":{\"c\":[\"]}\"]},\"b\":\"x", "b", 1 },
    { "{\"a\":\"x\\u00", "a", 5 },
    { "{\"a\":\"x\\", "a", 2 },
    { "{\"a\":null,\"b\":\"\\\"xy", "b", 4 },
    { "{\"a\":\"xyz\"", NULL, 0 },
    { "{\"a\":\"xyz\",", NULL, 0 },
    { "{\"a\":", NULL, 0 },
    { "{\"a", NULL, 0 },
    { "{\"a\":{\"b\":\"x", NULL, 0 },
    { "{\"a\":[\"x", NULL, 0 },
    { "{\"a\":12", NULL, 0 },
    { "{\"a\":\"\n and more", NULL, 0 },
    { "{\"a\" \"x", NULL, 0 },
    { "{1:\"x", NULL, 0 },
    { "[\"x", NULL, 0 },
    { "{", NULL, 0 },
    { "", NULL, 0 },
};

START_TEST(the_text_in_which_json_was_cut_is_found) {
    struct text name = { NULL, 0 };
    size_t value_len = 0;
    bool is_found = json_find_cut(text_of(cuts[_i].beginning), &name, &value_len);
    ck_assert_int_eq(is_found, cuts[_i].name != NULL);
    if (!is_found)
        return;
    ck_assert(text_equal(name, text_of(cuts[_i].name)));
    ck_assert_uint_eq(value_len, cuts[_i].value_len);
}
END_TEST

START_TEST(strict_json_is_accepted) {
    ck_assert_msg(parse_copy(good[_i].bytes, good[_i].len) == STATUS_OK, "%s", good[_i].bytes);
    ck_assert_ptr_nonnull(root);
}
END_TEST

START_TEST(anything_else_is_refused) {
    ck_assert_msg(parse_copy(bad[_i].bytes, bad[_i].len) == STATUS_INVALID_JSON, "%s", bad[_i].bytes);
    ck_assert_ptr_null(root);
}
END_TEST

START_TEST(no_text_at_all_is_refused) {
    ck_assert_int_eq(parse(NULL, 0), STATUS_INVALID_JSON);
    ck_assert_ptr_null(root);
}
END_TEST

START_TEST(a_text_that_is_cut_off_anywhere_is_refused) {
    static const char whole[] = "{\"a\":[1,-2.5e3,true,false,null,\"x\\ud83d\\ude00\\n\xc3\xa9\"],\"b\":{}}";
    ck_assert_int_eq(parse_copy(whole, sizeof whole - 1), STATUS_OK);
    for (size_t len = 0; len < sizeof whole - 1; len++)
        ck_assert_msg(parse_copy(whole, len) == STATUS_INVALID_JSON, "%.*s", (int)len, whole);
}
END_TEST

START_TEST(ten_thousand_brackets_are_refused_without_recursion) {
    enum { SIZE = 10000 };
    static char brackets[SIZE];
    for (int i = 0; i < 2; i++) {
        memset(brackets, "[{"[i], SIZE);
        ck_assert_int_eq(parse(brackets, SIZE), STATUS_INVALID_JSON);
    }
    ck_assert_int_eq(json_parse(&arena, text_of("[[]]"), (struct json_limits){ .depth = 1, .containers = 2 }, &root),
                     STATUS_INVALID_JSON);
    ck_assert_int_eq(json_parse(&arena, text_of("[]"), (struct json_limits){ .depth = 1, .containers = 1 }, &root), STATUS_OK);
}
END_TEST

static const char all_kinds[] =
    "{\"text\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00z\",\"empty\":\"\",\"yes\":true,\"no\":false,"
    "\"least\":-9223372036854775808,\"most\":9223372036854775807,\"real\":1.0,\"nothing\":null,"
    "\"escaped\\u0020name\":1,\"items\":[1,\"two\",null]}";

START_TEST(values_come_out_as_they_were_written) {
    const struct json *value;
    ck_assert_int_eq(parse_copy(all_kinds, sizeof all_kinds - 1), STATUS_OK);
    ck_assert_int_eq(json_kind(root), JSON_KIND_OBJECT);
    struct text text = json_find_text(root, "text");
    ck_assert_uint_eq(text.len, strlen("a\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80z"));
    ck_assert_str_eq(text.bytes, "a\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80z");
    ck_assert(json_find(root, "empty", &value) && json_as_text(value).bytes != NULL && json_as_text(value).len == 0);
    ck_assert(json_find(root, "yes", &value) && json_kind(value) == JSON_KIND_BOOLEAN && json_as_boolean(value));
    ck_assert(json_find(root, "no", &value) && json_kind(value) == JSON_KIND_BOOLEAN && !json_as_boolean(value));
    ck_assert(json_find(root, "least", &value) && json_kind(value) == JSON_KIND_INTEGER && json_as_int64(value) == INT64_MIN);
    ck_assert(json_find(root, "most", &value) && json_kind(value) == JSON_KIND_INTEGER && json_as_int64(value) == INT64_MAX);
    ck_assert(json_find(root, "real", &value) && json_kind(value) == JSON_KIND_REAL);
    ck_assert(json_find(root, "nothing", &value) && value == NULL && json_kind(value) == JSON_KIND_NULL);
    ck_assert(json_find(root, "escaped name", &value) && json_kind(value) == JSON_KIND_INTEGER);
    ck_assert(json_find(root, "items", &value) && json_kind(value) == JSON_KIND_ARRAY && json_item_count(value) == 3);
    ck_assert_str_eq(json_as_text(json_item(value, 1)).bytes, "two");
    ck_assert_ptr_null(json_item(value, 2));
}
END_TEST

START_TEST(a_value_of_another_kind_is_nothing) {
    const struct json *value;
    ck_assert_int_eq(json_parse(&arena, text_of("[1,\"1\",true,1.0,null,[1],{\"a\":1}]"), limits, &root), STATUS_OK);
    static const bool is_text[] = { [1] = true, [6] = false }, is_integer[] = { [0] = true, [6] = false };
    for (size_t i = 0; i < 7; i++) {
        const struct json *item = json_item(root, i);
        ck_assert_int_eq(json_as_text(item).bytes != NULL, is_text[i]);
        ck_assert_int_eq(json_as_int64(item), is_integer[i]);
        ck_assert_int_eq(json_as_boolean(item), i == 2);
        ck_assert_uint_eq(json_item_count(item), i == 5);
        ck_assert_int_eq(json_find(item, "a", &value), i == 6);
        ck_assert_int_eq(value != NULL, i == 6);
        ck_assert_ptr_null(json_find_text(item, "a").bytes);
    }
}
END_TEST

/* Many of everything, so that all that json-c grows is grown. */
static size_t write_large(char *bytes, size_t size) {
    int len = snprintf(bytes, size, "{\"password\":\"");
    for (int i = 0; i < 50; i++)
        len += snprintf(bytes + len, size - (size_t)len, "correct\\nhorse ");
    len += snprintf(bytes + len, size - (size_t)len, "\",\"items\":[");
    for (int i = 0; i < 100; i++)
        len += snprintf(bytes + len, size - (size_t)len, "%d.5,{\"a\":\"%d\",\"b\":[null]},", i, i);
    len += snprintf(bytes + len, size - (size_t)len, "true]");
    for (int i = 0; i < 100; i++)
        len += snprintf(bytes + len, size - (size_t)len, ",\"member %d\":null", i);
    return (size_t)len + (size_t)snprintf(bytes + len, size - (size_t)len, "}");
}

START_TEST(numbers_of_both_kinds_are_read_as_doubles) {
    static const char bytes[] = "[3, -0.5, 1e3, 9007199254740993, \"3\", null, true]";
    static const double expected[] = { 3, -0.5, 1000, 9007199254740992, 0, 0, 0 };
    ck_assert_int_eq(parse(bytes, sizeof bytes - 1), STATUS_OK);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        ck_assert_double_eq(json_as_double(json_item(root, i)), expected[i]);
}
END_TEST

struct visits {
    char names[16];
    size_t most;
};

static bool visit(void *context, const char *name, const struct json *value) {
    struct visits *visits = context;
    size_t len = strlen(visits->names);
    ck_assert_int_eq(json_as_int64(value), (int64_t)len + 1);
    snprintf(visits->names + len, sizeof visits->names - len, "%s", name);
    return len + 1 < visits->most;
}

START_TEST(members_are_visited_in_their_order_until_it_is_enough) {
    static const char bytes[] = "{\"b\":1,\"a\":2,\"c\":3}";
    struct visits all = { "", 9 }, two = { "", 2 }, none = { "", 9 };
    const struct json *number;
    ck_assert_int_eq(parse(bytes, sizeof bytes - 1), STATUS_OK);
    ck_assert(json_each_member(root, visit, &all));
    ck_assert_str_eq(all.names, "bac");
    ck_assert(!json_each_member(root, visit, &two));
    ck_assert_str_eq(two.names, "ba");
    ck_assert(json_find(root, "a", &number) && json_each_member(number, visit, &none));
    ck_assert_str_eq(none.names, "");
}
END_TEST

static const struct {
    const char *parsed, *written;
} rewritten[] = {
    { " { } ", "{}" },
    { "[ [ ] , {\"a\" : [ ] } ]", "[[],{\"a\":[]}]" },
    { "{\"b\":null,\"a\":true,\"c\":false}", "{\"b\":null,\"a\":true,\"c\":false}" },
    /* json-c alone writes 1e308 with 309 digits, and 0.1 with seventeen */
    { "[0.1,1e308,1.0,-0.0,1E+2,100000000000000000000.0]", "[0.1,1e308,1.0,-0.0,1E+2,100000000000000000000.0]" },
    { "[-9223372036854775808,9223372036854775807,-0]", "[-9223372036854775808,9223372036854775807,0]" },
    { "{\"\\u0061\\\"\":\"\\u00e9\\/\\ud83d\\ude00\\u000a\"}", "{\"a\\\"\":\"\xc3\xa9/\xf0\x9f\x98\x80\\n\"}" },
    { "[\"\x7f\"]", "[\"\\u007f\"]" },
};

static struct text write_value(const struct json *value) {
    struct json_writer writer;
    json_writer_init(&writer, &arena);
    json_write_value(&writer, value);
    return json_writer_finish(&writer);
}

START_TEST(a_value_is_written_without_blanks_and_each_number_as_it_was_given) {
    ck_assert_int_eq(parse_copy(rewritten[_i].parsed, strlen(rewritten[_i].parsed)), STATUS_OK);
    struct text written = write_value(root);
    ck_assert_str_eq(written.bytes, rewritten[_i].written);
    ck_assert_int_eq(parse_copy(written.bytes, written.len), STATUS_OK);
    ck_assert_str_eq(write_value(root).bytes, rewritten[_i].written);
}
END_TEST

START_TEST(however_little_memory_there_is_the_result_is_right_or_out_of_memory) {
    static char bytes[16384];
    size_t len = write_large(bytes, sizeof bytes), exhausted = 0;
    enum status status = STATUS_OUT_OF_MEMORY;
    for (size_t limit = 0; status != STATUS_OK; limit += 64) {
        struct arena small;
        arena_init(&small, limit);
        status = json_parse(&small, (struct text){ bytes, len }, limits, &root);
        ck_assert(status == STATUS_OK || status == STATUS_OUT_OF_MEMORY);
        ck_assert(status == STATUS_OK || root == NULL);
        exhausted += status == STATUS_OUT_OF_MEMORY;
        if (status == STATUS_OK)
            ck_assert_uint_eq(json_find_text(root, "password").len, 50 * strlen("correct\nhorse "));
        arena_fini(&small);
    }
    ck_assert_uint_gt(exhausted, 100);
}
END_TEST

/* Fills `bytes` with an array that repeats `unit`, which ends with a comma, up to `count` times. Returns its length. */
static size_t repeat(char *bytes, size_t size, const char *unit, size_t count) {
    struct text repeated = text_of(unit);
    size_t len = 1;
    bytes[0] = '[';
    for (; count > 0 && len + repeated.len < size; count--) {
        memcpy(bytes + len, repeated.bytes, repeated.len);
        len += repeated.len;
    }
    bytes[len - 1] = ']';
    return len;
}

/* What takes most memory, with the objects and arrays in each. */
static const struct {
    const char *unit;
    unsigned containers;
} hungry[] = { { "[],", 1 }, { "{},", 1 }, { "0,", 0 }, { "\"\",", 0 }, { "1e1,", 0 }, { "{\"\":0},", 1 }, { "[0],", 1 } };

START_TEST(no_text_exceeds_the_documented_limit) {
    static const unsigned containers[] = { 2, 64, 6000 };
    static char bytes[16384];
    for (size_t i = 0; i < ARRAY_LEN(containers); i++) {
        struct arena limited;
        size_t count = hungry[_i].containers > 0 ? containers[i] - 1 : SIZE_MAX;
        size_t len = repeat(bytes, sizeof bytes, hungry[_i].unit, count);
        arena_init(&limited, JSON_ARENA_LIMIT(len, containers[i]));
        struct json_limits exact = { .depth = 2, .containers = containers[i] };
        ck_assert_int_eq(json_parse(&limited, (struct text){ bytes, len }, exact, &root), STATUS_OK);
        ck_assert_uint_lt(limited.total, len * 64 + containers[i] * 1024 + 4096);
        arena_fini(&limited);
    }
}
END_TEST

static const struct {
    const char *text;
    unsigned containers; /* in it */
} counted[] = {
    { "{}", 1 }, { "[[],[]]", 3 }, { "{\"a\":{},\"b\":[]}", 3 }, { "[{\"a\":[{}]}]", 4 }, { "[\"[{\",\"\\\"{\"]", 1 },
};

START_TEST(objects_and_arrays_are_counted_and_one_too_many_is_refused) {
    struct json_limits exact = { .depth = 8, .containers = counted[_i].containers };
    struct json_limits fewer = { .depth = 8, .containers = counted[_i].containers - 1 };
    ck_assert_int_eq(json_parse(&arena, text_of(counted[_i].text), exact, &root), STATUS_OK);
    ck_assert_int_eq(json_parse(&arena, text_of(counted[_i].text), fewer, &root), STATUS_INVALID_JSON);
}
END_TEST

START_TEST(a_text_with_too_many_objects_takes_no_memory) {
    static char bytes[16384];
    size_t len = repeat(bytes, sizeof bytes, "{},", SIZE_MAX);
    ck_assert_int_eq(
        json_parse(&arena, (struct text){ bytes, len }, (struct json_limits){ .depth = 16, .containers = 64 }, &root),
        STATUS_INVALID_JSON);
    ck_assert_uint_eq(arena.total, 0);
}
END_TEST

/* Of the scanner itself: json-c, which reads behind it, would refuse them too. */
START_TEST(an_escape_is_made_of_hex_digits_only) {
    char escape[] = "[\"\\u004x\"]";
    for (int byte = 1; byte < 256; byte++) {
        size_t members;
        escape[7] = (char)byte;
        bool is_digit = strchr("0123456789abcdefABCDEF", byte) != NULL;
        ck_assert_msg(json_scan(text_of(escape), limits, &members) == is_digit, "%d", byte);
    }
}
END_TEST

Suite *json_suite(void) {
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("json");
    tcase_add_test(tcase, an_escape_is_made_of_hex_digits_only);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_loop_test(tcase, strict_json_is_accepted, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tcase, the_text_in_which_json_was_cut_is_found, 0, (int)ARRAY_LEN(cuts));
    tcase_add_loop_test(tcase, nul_is_accepted_in_a_text_on_the_first_level_for_those_who_allow_it, 0, (int)ARRAY_LEN(with_nul));
    tcase_add_loop_test(tcase, anything_else_is_refused, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tcase, no_text_at_all_is_refused);
    tcase_add_test(tcase, a_text_that_is_cut_off_anywhere_is_refused);
    tcase_add_test(tcase, ten_thousand_brackets_are_refused_without_recursion);
    tcase_add_test(tcase, values_come_out_as_they_were_written);
    tcase_add_test(tcase, a_value_of_another_kind_is_nothing);
    tcase_add_test(tcase, numbers_of_both_kinds_are_read_as_doubles);
    tcase_add_test(tcase, members_are_visited_in_their_order_until_it_is_enough);
    tcase_add_loop_test(tcase, a_value_is_written_without_blanks_and_each_number_as_it_was_given, 0, (int)ARRAY_LEN(rewritten));
    tcase_add_test(tcase, however_little_memory_there_is_the_result_is_right_or_out_of_memory);
    tcase_add_loop_test(tcase, objects_and_arrays_are_counted_and_one_too_many_is_refused, 0, (int)ARRAY_LEN(counted));
    tcase_add_test(tcase, a_text_with_too_many_objects_takes_no_memory);
    tcase_add_loop_test(tcase, no_text_exceeds_the_documented_limit, 0, (int)ARRAY_LEN(hungry));
    suite_add_tcase(suite, tcase);
    return suite;
}
