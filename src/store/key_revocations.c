#include "jwtd/key_revocations.h"

#include "sql.h"
#include "statement.h"

/* ---- reading rows ---- */

enum { KEY_KID, KEY_REVOKED_AT_S, KEY_COLUMNS };

static enum status add_all(const struct db_rows *rows, struct arena *arena, void *result) {
    struct revoked_keys *set = result;
    enum status status = STATUS_OK;
    (void)arena;
    for (size_t row = 0; status == STATUS_OK && row < db_row_count(rows); row++)
        status = revoked_keys_add(set, db_text(rows, row, KEY_KID), db_integer(rows, row, KEY_REVOKED_AT_S));
    return status;
}

/* ---- statements ---- */

/* clang-format off */

/* One more than there are places, so that too many are noticed. */
static const struct db_statement read_all = {
    .name = "revoked_keys_read",
    .columns = KEY_COLUMNS,
    .read = add_all,
    .sql = "SELECT kid, extract(epoch FROM revoked_at)::bigint"
           " FROM revoked_keys"
           " ORDER BY revoked_at"
           " LIMIT 1 + " TEXT_OF_MACRO(REVOKED_KEYS_MAX),
};

enum { INSERT_KID /* $1 */, INSERT_CHANGE /* $2 */, INSERT_PARAMETERS };

static const struct db_statement insert = {
    .name = "revoked_keys_insert",
    .audit = AUDIT_ADDS,
    .parameters = INSERT_PARAMETERS,
    .columns = 0,
    .sql = "WITH inserted AS ("
           "   INSERT INTO revoked_keys (kid)"
           "   VALUES ($1)"
           "   ON CONFLICT (kid) DO NOTHING"
           "   RETURNING kid"
           " ),"
             NOTE_EVENTS("$2", EVENT("key_changed", "NULL::uuid, NULL::uuid, 'revoked', jsonb_build_object('kid', kid)", "inserted"))
           " SELECT",
};

/* clang-format on */

/* ---- calls ---- */

enum status key_revocations_read(const struct db_call *call, struct revoked_keys *set) {
    return db_run_statement(call, &read_all, NULL, set);
}

enum status key_revocations_insert(const struct db_call *call, const char *kid) {
    const char *const parameters[INSERT_PARAMETERS] = { [INSERT_KID] = kid, [INSERT_CHANGE] = call->change };
    return db_run_statement(call, &insert, parameters, NULL);
}
