/* db_blocking: what migrations.c needs of db.c besides db.h: statements that are no rows of a table. */
#ifndef JWTD_STORE_DB_BLOCKING_H
#define JWTD_STORE_DB_BLOCKING_H

#include "link.h"

enum status db_connect(struct db *db, int64_t deadline_us) MUST_CHECK; /* a usable connection, new or kept */

/* Several statements at once, on the connection that there is and on no other; never run again. *rows: how many the last one has
 * returned. On failure the connection is closed. */
enum status db_run_script(struct db *db, int64_t deadline_us, const char *name, const char *script, size_t *rows) MUST_CHECK;

/* What the server has refused of the last script, for operators; "": nothing. */
struct db_failure {
    char sqlstate[8], role[64], message[256];
};
const struct db_failure *db_failure(const struct db *db);

#endif
