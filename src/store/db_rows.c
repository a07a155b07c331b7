#include "link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *db_integer_text(int64_t value, char text[INTEGER_TEXT_SIZE]) {
    snprintf(text, INTEGER_TEXT_SIZE, "%lld", (long long)value);
    return text;
}

static const char *value_at(const struct db_rows *rows, size_t row, int column) {
    assert(row < db_row_count(rows) && column >= 0 && column < PQnfields(rows->result));
    return PQgetvalue(rows->result, (int)row, column);
}

size_t db_row_count(const struct db_rows *rows) {
    return (size_t)PQntuples(rows->result);
}

bool db_is_null(const struct db_rows *rows, size_t row, int column) {
    assert(row < db_row_count(rows) && column >= 0 && column < PQnfields(rows->result));
    return PQgetisnull(rows->result, (int)row, column) == 1;
}

struct text db_text(const struct db_rows *rows, size_t row, int column) {
    if (db_is_null(rows, row, column))
        return (struct text){ NULL, 0 };
    return (struct text){ value_at(rows, row, column), (size_t)PQgetlength(rows->result, (int)row, column) };
}

int64_t db_integer(const struct db_rows *rows, size_t row, int column) {
    return db_is_null(rows, row, column) ? 0 : strtoll(value_at(rows, row, column), NULL, 10);
}

bool db_boolean(const struct db_rows *rows, size_t row, int column) {
    return value_at(rows, row, column)[0] == 't';
}

struct uuid db_uuid(const struct db_rows *rows, size_t row, int column) {
    struct uuid id = { { 0 } };
    struct text text = db_text(rows, row, column);
    return text.bytes != NULL && uuid_parse(text.bytes, text.len, &id) ? id : (struct uuid){ { 0 } };
}

struct text db_copy_text(const struct db_rows *rows, size_t row, int column, struct arena *arena) {
    struct text text = db_text(rows, row, column);
    if (text.bytes == NULL)
        return text;
    const char *copy = arena_copy(arena, text.bytes, text.len);
    return (struct text){ copy, copy == NULL ? 0 : text.len };
}

/* With the connection's DateStyle and TimeZone every time has the form "2026-11-20 21:35:00.123456+00". */
struct text db_copy_time(const struct db_rows *rows, size_t row, int column, struct arena *arena) {
    struct text text = db_text(rows, row, column);
    if (text.len < strlen("2026-11-20 21:35:00+00") || text.bytes[10] != ' ')
        return db_copy_text(rows, row, column, arena);
    char *copy = arena_copy(arena, text.bytes, text.len - 2);
    if (copy == NULL)
        return (struct text){ NULL, 0 };
    copy[10] = 'T';
    copy[text.len - 3] = 'Z';
    return (struct text){ copy, text.len - 2 };
}

enum status db_copy_uuids(const struct db_rows *rows, int column, struct arena *arena, struct uuid **ids, size_t *count) {
    size_t row_count = db_row_count(rows);
    *count = 0;
    *ids = arena_alloc(arena, row_count * sizeof **ids);
    if (*ids == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (size_t row = 0; row < row_count; row++)
        if (!db_is_null(rows, row, column))
            (*ids)[(*count)++] = db_uuid(rows, row, column);
    return STATUS_OK;
}

enum status db_read_found(const struct db_rows *rows, struct arena *arena, void *result) {
    bool *found = result;
    (void)arena;
    *found = db_row_count(rows) > 0;
    return STATUS_OK;
}

enum status db_read_integer(const struct db_rows *rows, struct arena *arena, void *result) {
    int64_t *value = result;
    (void)arena;
    assert(db_row_count(rows) == 1);
    *value = db_integer(rows, 0, 0);
    return STATUS_OK;
}
