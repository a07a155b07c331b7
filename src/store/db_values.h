/* Parameters as PostgreSQL wants them: text. Each writes into the caller's buffer and gives it. */
#ifndef JWTD_STORE_DB_VALUES_H
#define JWTD_STORE_DB_VALUES_H

#include "jwtd/db.h"
#include "jwtd/users.h"

#define INTEGER_TEXT_SIZE 24

const char *integer_text(int64_t value, char text[INTEGER_TEXT_SIZE]);

/* Copies the ids of a column into the arena. STATUS_OUT_OF_MEMORY leaves an empty list. */
enum status copy_session_ids(const struct db_rows *rows, int column, struct arena *arena, struct session_ids *ids);

#endif
