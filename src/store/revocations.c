#include "jwtd/revocations.h"

#include "db_values.h"

#include "jwtd/clock.h"

enum status revocations_read(struct db *db, int64_t deadline_us, int64_t window_s, struct revoked_sessions *set) {
    static const struct db_statement statement = {
        "revocations_read",
        "SELECT session_id FROM revocations WHERE revoked_at > clock_timestamp() - $1::bigint * interval '1 second'", 1
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
