#include "db_internal.h"

#include <stdlib.h>
#include <string.h>

size_t db_row_count(const struct db_rows *rows) {
    return (size_t)PQntuples(rows->result);
}

bool db_is_null(const struct db_rows *rows, size_t row, int column) {
    return PQgetisnull(rows->result, (int)row, column) == 1;
}

struct text db_text(const struct db_rows *rows, size_t row, int column) {
    if (db_is_null(rows, row, column))
        return (struct text){ NULL, 0 };
    return (struct text){ PQgetvalue(rows->result, (int)row, column), (size_t)PQgetlength(rows->result, (int)row, column) };
}

int64_t db_integer(const struct db_rows *rows, size_t row, int column) {
    return db_is_null(rows, row, column) ? 0 : strtoll(PQgetvalue(rows->result, (int)row, column), NULL, 10);
}

bool db_boolean(const struct db_rows *rows, size_t row, int column) {
    return PQgetvalue(rows->result, (int)row, column)[0] == 't';
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

/* The connection's DateStyle and TimeZone make every time look like "2026-11-20 21:35:00.123456+00". */
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
