/*
 * json-c 0.16 takes its memory from malloc and has no hook for another allocator. When malloc fails it dereferences NULL (the
 * name of a member), drops a member, cuts a string off, or returns the inner half of the text as a success; and it wipes nothing.
 * So it is linked statically, and the linker routes its calls of malloc, calloc, realloc, strdup and free here (--wrap): while a
 * text is parsed they allocate from the caller's arena, and leave json-c by longjmp when that is exhausted. Nothing leaks:
 * whatever json-c holds at that moment belongs to the arena. The rest of the program is linked to the same functions, which then
 * call the C library's.
 */
#include "jwtd/json.h"

#include "json_scan.h"

#include <assert.h>
#include <json-c/json.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

struct loan {
    struct arena *arena;
    jmp_buf exhausted;
    bool was_used;
};

static __thread struct loan *loan; /* NULL: this thread does not parse */

/* In front of each piece, for realloc. */
struct piece {
    alignas(max_align_t) size_t size;
};

static void *take(size_t size) {
    struct loan *mine = loan;
    assert(mine != NULL);
    loan = NULL; /* the arena itself calls malloc */
    struct piece *piece = size > SIZE_MAX - sizeof *piece ? NULL : arena_alloc(mine->arena, sizeof *piece + size);
    loan = mine;
    if (piece == NULL)
        longjmp(mine->exhausted, 1);
    mine->was_used = true;
    piece->size = size;
    return piece + 1;
}

static void *take_copy(const void *bytes, size_t len, size_t size) {
    return memcpy(take(size), bytes, len);
}

/* The names are the linker's (--wrap). NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *string);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *string);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size) {
    return loan == NULL ? __real_malloc(size) : take(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    if (loan == NULL)
        return __real_calloc(count, size);
    return take(count > 0 && size > SIZE_MAX / count ? SIZE_MAX : count * size); /* the arena's memory is zeroed */
}

void *__wrap_realloc(void *memory, size_t size) {
    if (loan == NULL)
        return __real_realloc(memory, size);
    if (memory == NULL)
        return take(size);
    size_t old_size = ((const struct piece *)memory - 1)->size;
    return take_copy(memory, old_size < size ? old_size : size, size);
}

char *__wrap_strdup(const char *string) {
    if (loan == NULL)
        return __real_strdup(string);
    size_t size = strlen(string) + 1;
    return take_copy(string, size, size);
}

void __wrap_free(void *memory) {
    if (loan == NULL)
        __real_free(memory);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- parsing ---- */

/* NULL: the tokens are in no order that RFC 8259 knows. The tokener is the arena's, and so never freed. */
static struct json_object *tokenize(struct text text) {
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2); /* it counts the scalar and the text as levels */
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *root = json_tokener_parse_ex(tokener, text.bytes, (int)text.len);
    bool is_whole = json_tokener_get_error(tokener) == json_tokener_success && json_tokener_get_parse_end(tokener) == text.len;
    return is_whole ? root : NULL;
}

static enum status tokenize_in(struct arena *arena, struct text text, struct json_object **root) {
    struct loan mine = { .arena = arena };
    if (setjmp(mine.exhausted) != 0) {
        loan = NULL;
        return STATUS_OUT_OF_MEMORY;
    }
    loan = &mine;
    *root = tokenize(text);
    loan = NULL;
    assert(mine.was_used); /* json-c is linked statically, and its calls are wrapped */
    return *root == NULL ? STATUS_INVALID_JSON : STATUS_OK;
}

/* Adds the members of all objects below a value. False: a number is infinite, which is how json-c reads 1e999. The value is no
 * deeper than the scan allowed. */
static bool count_members(const struct json_object *value, size_t *members) {
    bool is_finite = !json_object_is_type(value, json_type_double) || isfinite(json_object_get_double(value));
    if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++)
            is_finite = count_members(json_object_array_get_idx(value, i), members) && is_finite;
    } else if (json_object_is_type(value, json_type_object)) {
        const struct lh_entry *entry;
        *members += (size_t)json_object_object_length(value);
        lh_foreach(json_object_get_object(value), entry) {
            is_finite = count_members(lh_entry_v(entry), members) && is_finite;
        }
    }
    return is_finite;
}

enum status json_parse(struct arena *arena, struct text text, struct json_limits limits, const struct json **root) {
    size_t members, kept = 0;
    struct json_object *parsed = NULL;
    assert(loan == NULL && limits.depth <= JSON_DEPTH_MAX);
    *root = NULL;
    if (text.len > INT_MAX || !json_scan(text, limits, &members))
        return STATUS_INVALID_JSON;
    /* For each text json-c makes a locale of its own, under a lock of the process and with memory that longjmp would lose; not so
     * when the thread is in the C locale, which is a constant. */
    locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    enum status status = tokenize_in(arena, text, &parsed);
    uselocale(before);
    if (status != STATUS_OK)
        return status;
    if (!count_members(parsed, &kept) || kept != members) /* of two members with one name json-c keeps the last */
        return STATUS_INVALID_JSON;
    *root = (const struct json *)parsed;
    return STATUS_OK;
}

/* ---- reading ---- */

static const struct json_object *object_of(const struct json *value) {
    return (const struct json_object *)value;
}

enum json_kind json_kind(const struct json *value) {
    static const enum json_kind kinds[] = {
        [json_type_null] = JSON_KIND_NULL,   [json_type_boolean] = JSON_KIND_BOOLEAN, [json_type_double] = JSON_KIND_REAL,
        [json_type_int] = JSON_KIND_INTEGER, [json_type_object] = JSON_KIND_OBJECT,   [json_type_array] = JSON_KIND_ARRAY,
        [json_type_string] = JSON_KIND_TEXT,
    };
    return kinds[json_object_get_type(object_of(value))];
}

bool json_find(const struct json *object, const char *name, const struct json **value) {
    struct json_object *found = NULL;
    bool has_member = json_object_object_get_ex(object_of(object), name, &found);
    *value = (const struct json *)found;
    return has_member;
}

struct text json_find_text(const struct json *object, const char *name) {
    const struct json *value;
    json_find(object, name, &value);
    return json_as_text(value);
}

struct text json_as_text(const struct json *value) {
    if (json_kind(value) != JSON_KIND_TEXT)
        return (struct text){ NULL, 0 };
    struct json_object *string = (struct json_object *)value; /* json-c would write to a value of another type only */
    return (struct text){ json_object_get_string(string), (size_t)json_object_get_string_len(string) };
}

bool json_as_boolean(const struct json *value) {
    return json_kind(value) == JSON_KIND_BOOLEAN && json_object_get_boolean(object_of(value));
}

int64_t json_as_int64(const struct json *value) {
    return json_kind(value) == JSON_KIND_INTEGER ? json_object_get_int64(object_of(value)) : 0;
}

size_t json_item_count(const struct json *array) {
    return json_kind(array) == JSON_KIND_ARRAY ? json_object_array_length(object_of(array)) : 0;
}

const struct json *json_item(const struct json *array, size_t index) {
    assert(index < json_item_count(array));
    return (const struct json *)json_object_array_get_idx(object_of(array), index);
}

double json_as_double(const struct json *value) {
    bool is_number = json_kind(value) == JSON_KIND_INTEGER || json_kind(value) == JSON_KIND_REAL;
    return is_number ? json_object_get_double(object_of(value)) : 0;
}

/* json-c keeps the text of such a number beside its value; its own functions would allocate. */
struct text json_as_real_text(const struct json *value) {
    if (json_kind(value) != JSON_KIND_REAL)
        return (struct text){ NULL, 0 };
    const char *source = json_object_get_userdata((struct json_object *)value);
    assert(source != NULL);
    return text_of(source);
}

bool json_each_member(const struct json *object, json_visit *visit, void *context) {
    const struct lh_entry *entry;
    if (json_kind(object) != JSON_KIND_OBJECT)
        return true;
    lh_foreach(json_object_get_object(object_of(object)), entry) {
        if (!visit(context, lh_entry_k(entry), (const struct json *)lh_entry_v(entry)))
            return false;
    }
    return true;
}
