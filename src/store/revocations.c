#include "jwtd/revocations.h"

#include "db_values.h"

#include "jwtd/clock.h"

enum status revocations_read(struct db *db, int64_t deadline_us, int64_t window_s, struct revoked_sessions *set) {
    /* By index, whatever the planner knows of the table: now() is the same for all rows, as clock_timestamp() is not, and a range with two
     * ends is taken for a small part of it. */
    static const struct db_statement statement = {
        "revocations_read",
        "SELECT session_id FROM revocations WHERE revoked_at BETWEEN now() - $1::bigint * interval '1 second' AND 'infinity'", 1
    };
    char window_text[INTEGER_TEXT_SIZE];
    const struct db_rows *rows;
    const char *parameter = integer_text(window_s, window_text);
    enum status status = db_run(db, deadline_us, &statement, &parameter, &rows);
    if (status != STATUS_OK)
        return status;
    int64_t now_s = clock_wall_s();
    size_t count = db_row_count(rows);
    for (size_t row = 0; status == STATUS_OK && row < count; row++) {
        struct uuid id = db_uuid(rows, row, 0);
        status = revoked_sessions_add(set, &id, now_s);
    }
    db_release(db);
    return status;
}
