/* The table known_addresses: its cleanup. Statements of users and sessions read and write it. */
#include "cleanup_tables.h"
#include "sql.h"
#include "statement.h"

#include "jwtd/users.h"

/* clang-format off */

static const struct db_statement delete_old = {
    .name = "known_addresses_delete_old",
    .parameters = 1,
    .columns = 1,
    .read = db_read_integer,
    .sql = "WITH old AS ("
           "   SELECT user_id, network"
           "   FROM known_addresses"
           "   WHERE last_login_day < current_date - " TEXT_OF_MACRO(KNOWN_ADDRESS_DAYS)
           "   LIMIT $1"
           "   FOR UPDATE SKIP LOCKED"
           " ),"
           " deleted AS ("
           "   DELETE FROM known_addresses"
           "   WHERE (user_id, network) IN (SELECT user_id, network FROM old)"
           "   RETURNING user_id"
           " )"
           " SELECT count(*) FROM deleted",
};

/* clang-format on */

enum status known_addresses_delete_old(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted) {
    const char *batch = INTEGER_PARAMETER(rules->batch);
    return db_run_statement(call, &delete_old, &batch, deleted);
}
