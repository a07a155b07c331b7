/* Login bodies that one thread parses a second, e-mail and password read: first by Jansson as the service did before it used
 * json-c, then by json.h; then replies that json_writer writes and json-c writes. Medians of rounds in turn. */
#include "jwtd/clock.h"
#include "jwtd/json.h"
#include "jwtd/json_writer.h"
#include "jwtd/macros.h"
#include "jwtd/text.h"

#include <jansson.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 11
#define OPERATIONS 100000
#define DEPTH_MAX 16

/* Of json-c, whose headers cannot stand beside Jansson's. */
struct json_object;
struct json_object *json_object_new_object(void);
struct json_object *json_object_new_string_len(const char *bytes, int len);
struct json_object *json_object_new_string(const char *string);
struct json_object *json_object_new_int64(int64_t value);
int json_object_object_add(struct json_object *object, const char *name, struct json_object *value);
const char *json_object_to_json_string_length(struct json_object *value, int flags, size_t *len);
int json_object_put(struct json_object *value);
#define PLAIN 0
#define NO_SLASH_ESCAPE (1 << 4)

static const char body[] = "{\"email\":\"somebody@example.org\",\"password\":\"correct horse battery staple\"}";

static char access_token[430], refresh_token[120];

static void free_wiped(void *memory) {
    if (memory != NULL)
        sodium_memzero(memory, malloc_usable_size(memory));
    free(memory);
}

static bool nests_too_deeply(void) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < sizeof body - 1; i++) {
        char c = body[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '[') && ++depth > DEPTH_MAX)
            return true;
        else if (!in_string && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return false;
}

/* json_object_getn, since json_object_get is json-c's in this program. */
static size_t parse_with_jansson(void) {
    json_t *parsed = nests_too_deeply() ? NULL : json_loadb(body, sizeof body - 1, JSON_REJECT_DUPLICATES, NULL);
    size_t len = json_string_length(json_object_getn(parsed, "email", strlen("email"))) +
                 json_string_length(json_object_getn(parsed, "password", strlen("password")));
    json_decref(parsed);
    return len;
}

static size_t parse_with_json_c(void) {
    struct arena arena;
    const struct json *parsed;
    arena_init(&arena, JSON_ARENA_LIMIT(sizeof body, 1));
    if (json_parse(&arena, (struct text){ body, sizeof body - 1 }, (struct json_limits){ .depth = DEPTH_MAX, .containers = 1 },
                   &parsed) != STATUS_OK)
        abort();
    size_t len = json_find_text(parsed, "email").len + json_find_text(parsed, "password").len;
    arena_fini(&arena);
    return len;
}

static size_t write_with_arena(void) {
    struct arena arena;
    struct json_writer writer;
    arena_init(&arena, 65536);
    json_writer_init(&writer, &arena);
    json_begin_object(&writer);
    json_member_string(&writer, "access_token", access_token);
    json_member_string(&writer, "token_type", "Bearer");
    json_member_integer(&writer, "expires_in", 900);
    json_member_string(&writer, "refresh_token", refresh_token);
    json_end_object(&writer);
    size_t len = json_writer_finish(&writer).len;
    arena_fini(&arena);
    return len;
}

static size_t write_with_json_c(void) {
    struct arena arena;
    size_t len;
    arena_init(&arena, 65536);
    struct json_object *reply = json_object_new_object();
    json_object_object_add(reply, "access_token", json_object_new_string(access_token));
    json_object_object_add(reply, "token_type", json_object_new_string("Bearer"));
    json_object_object_add(reply, "expires_in", json_object_new_int64(900));
    json_object_object_add(reply, "refresh_token", json_object_new_string(refresh_token));
    const char *text = json_object_to_json_string_length(reply, PLAIN | NO_SLASH_ESCAPE, &len);
    if (arena_copy(&arena, text, len) == NULL)
        abort();
    json_object_put(reply);
    arena_fini(&arena);
    return len;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double rate_of(size_t (*operation)(void)) {
    static volatile size_t sink;
    int64_t begin_us = clock_monotonic_us();
    for (int i = 0; i < OPERATIONS; i++)
        sink += operation();
    return OPERATIONS * 1e6 / (double)(clock_monotonic_us() - begin_us);
}

int main(void) {
    static const struct {
        const char *name;
        size_t (*run)(void);
    } operations[] = {
        { "parse, Jansson", parse_with_jansson },
        { "parse, json.h", parse_with_json_c },
        { "write, json_writer", write_with_arena },
        { "write, json-c", write_with_json_c },
    };
    enum { COUNT = ARRAY_LEN(operations) };
    double rates[COUNT][ROUNDS];
    json_set_alloc_funcs(malloc, free_wiped);
    memset(access_token, 'a', sizeof access_token - 1);
    memset(refresh_token, 'r', sizeof refresh_token - 1);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < COUNT; i++)
            rates[i][round] = rate_of(operations[i].run);
    for (int i = 0; i < COUNT; i++) {
        qsort(rates[i], ROUNDS, sizeof rates[i][0], compare);
        printf("%-20s %8.0f a second\n", operations[i].name, rates[i][ROUNDS / 2]);
    }
    return 0;
}
