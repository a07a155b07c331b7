#include "db_values.h"

#include <stdio.h>

const char *integer_text(int64_t value, char text[INTEGER_TEXT_SIZE]) {
    snprintf(text, INTEGER_TEXT_SIZE, "%lld", (long long)value);
    return text;
}

enum status copy_session_ids(const struct db_rows *rows, int column, struct arena *arena, struct session_ids *ids) {
    size_t count = db_row_count(rows);
    *ids = (struct session_ids){ NULL, 0 };
    struct uuid *copies = arena_alloc(arena, count * sizeof *copies);
    if (copies == NULL)
        return STATUS_OUT_OF_MEMORY;
    ids->ids = copies;
    for (size_t row = 0; row < count; row++)
        if (!db_is_null(rows, row, column))
            copies[ids->count++] = db_uuid(rows, row, column);
    return STATUS_OK;
}
