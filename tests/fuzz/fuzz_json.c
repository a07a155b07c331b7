/*
 * json.h against Jansson: both accept a text or both reject it, and what they accept is the same tree, also after it was written.
 * The first byte is not part of the text: it is how many times the arena's limit is halved, so that any allocation may fail: then
 * the result is "out of memory", or the same as with memory.
 *
 * json_find_cut of the text and of its beginnings: what it finds lies inside of them, and when Jansson reads the beginning with a
 * quote and a brace behind it, so that it is cut in a text of the outermost object, it is found.
 */
#include "jwtd/json.h"
#include "jwtd/json_writer.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct json_limits limits = { .depth = 16, .containers = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* json-c has a function of this name too, and its are those of this program: Jansson's is that of the library. */
static void *next_member(json_t *object, void *member) {
    static void *(*next)(json_t * object, void *member);
    if (next == NULL)
        next = (void *(*)(json_t *, void *))dlsym(RTLD_NEXT, "json_object_iter_next");
    return next(object, member);
}

/* libjwt's Jansson recurses up to 2048 levels; the limits are those of the module. */
static bool is_deeper(const json_t *value, unsigned left) {
    json_t *parent = (json_t *)value;
    if (!json_is_array(value) && !json_is_object(value))
        return false;
    if (left == 0)
        return true;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (is_deeper(json_array_get(value, i), left - 1))
            return true;
    for (void *member = json_object_iter(parent); member != NULL; member = next_member(parent, member))
        if (is_deeper(json_object_iter_value(member), left - 1))
            return true;
    return false;
}

static unsigned count_containers(const json_t *value) {
    json_t *parent = (json_t *)value;
    unsigned count = json_is_array(value) || json_is_object(value);
    for (size_t i = 0; i < json_array_size(value); i++)
        count += count_containers(json_array_get(value, i));
    for (void *member = json_object_iter(parent); member != NULL; member = next_member(parent, member))
        count += count_containers(json_object_iter_value(member));
    return count;
}

static void require(bool condition) {
    if (!condition)
        abort();
}

static void compare_text(const struct json *ours, const json_t *theirs) {
    struct text text = json_as_text(ours);
    require(text.len == json_string_length(theirs) && strlen(text.bytes) == text.len &&
            memcmp(text.bytes, json_string_value(theirs), text.len) == 0);
}

static void compare(const struct json *ours, json_t *theirs) {
    static const json_type types[] = {
        [JSON_KIND_NULL] = JSON_NULL,   [JSON_KIND_INTEGER] = JSON_INTEGER, [JSON_KIND_REAL] = JSON_REAL,
        [JSON_KIND_TEXT] = JSON_STRING, [JSON_KIND_ARRAY] = JSON_ARRAY,     [JSON_KIND_OBJECT] = JSON_OBJECT,
    };
    enum json_kind kind = json_kind(ours);
    if (kind == JSON_KIND_BOOLEAN) {
        require(json_is_boolean(theirs) && json_as_boolean(ours) == json_is_true(theirs));
        return;
    }
    require(types[kind] == json_typeof(theirs));
    require(json_as_int64(ours) == json_integer_value(theirs));
    require(json_item_count(ours) == json_array_size(theirs));
    for (size_t i = 0; i < json_item_count(ours); i++)
        compare(json_item(ours, i), json_array_get(theirs, i));
    if (kind == JSON_KIND_TEXT)
        compare_text(ours, theirs);
    /* the number of members is that of the colons, which the module has compared */
    for (void *member = json_object_iter(theirs); member != NULL; member = next_member(theirs, member)) {
        const struct json *value;
        require(json_find(ours, json_object_iter_key(member), &value));
        compare(value, json_object_iter_value(member));
    }
}

static void compare_written(const struct json *ours, json_t *theirs) {
    struct arena arena;
    struct json_writer writer;
    const struct json *again;
    arena_init(&arena, (size_t)1 << 26);
    json_writer_init(&writer, &arena);
    json_write_value(&writer, ours);
    struct text written = json_writer_finish(&writer);
    require(written.bytes != NULL && json_parse(&arena, written, limits, &again) == STATUS_OK);
    compare(again, theirs);
    arena_fini(&arena);
}

static bool is_cut_in_text(struct text beginning) {
    char *ended = malloc(beginning.len + 2);
    require(ended != NULL);
    memcpy(ended, beginning.bytes, beginning.len);
    ended[beginning.len] = '"';
    ended[beginning.len + 1] = '}';
    json_t *whole = json_loadb(ended, beginning.len + 2, 0, NULL);
    bool is_cut = json_is_object(whole) && json_object_size(whole) > 0 && !is_deeper(whole, JSON_DEPTH_MAX) &&
                  memchr(beginning.bytes, '\0', beginning.len) == NULL;
    json_decref(whole);
    free(ended);
    return is_cut;
}

static void check_cut(struct text text, size_t len) {
    struct text name = { NULL, 0 };
    size_t value_len = 0;
    char *copy = malloc(len > 0 ? len : 1); /* of that size, so that a read behind its end is found */
    require(copy != NULL);
    memcpy(copy, text.bytes, len);
    bool is_found = json_find_cut((struct text){ copy, len }, &name, &value_len);
    if (is_found) {
        require(value_len < len && copy[len - value_len - 1] == '"');
        require(name.bytes > copy && name.bytes + name.len < copy + len - value_len - 1);
        require(name.bytes[-1] == '"' && name.bytes[name.len] == '"');
    }
    require(is_found || !is_cut_in_text((struct text){ copy, len }));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0)
        return 0;
    struct text text = { (const char *)bytes + 1, size - 1 };
    struct arena arena;
    const struct json *ours;
    arena_init(&arena, JSON_ARENA_LIMIT(text.len, limits.containers));
    enum status status = json_parse(&arena, text, limits, &ours);
    json_t *theirs = json_loadb(text.bytes, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool has_nul = memchr(text.bytes, '\0', text.len) != NULL; /* Jansson 2.14 swallows one behind a number */
    if (theirs == NULL || has_nul || is_deeper(theirs, limits.depth) || count_containers(theirs) > limits.containers) {
        require(status == STATUS_INVALID_JSON && ours == NULL);
    } else {
        require(status == STATUS_OK);
        compare(ours, theirs);
        compare_written(ours, theirs);
    }
    arena_fini(&arena);
    json_decref(theirs);

    arena_init(&arena, JSON_ARENA_LIMIT(text.len, limits.containers) >> (bytes[0] % 32));
    enum status with_less = json_parse(&arena, text, limits, &ours);
    require(with_less == status || (with_less == STATUS_OUT_OF_MEMORY && ours == NULL));
    arena_fini(&arena);

    check_cut(text, text.len);
    for (size_t parts = 2; parts <= 8; parts++)
        check_cut(text, text.len - text.len / parts);
    return 0;
}
