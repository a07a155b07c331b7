/* key_revocations: the table of revoked signing keys (revoked_keys.h). Blocking, for commands and periodic tasks. */
#ifndef JWTD_KEY_REVOCATIONS_H
#define JWTD_KEY_REVOCATIONS_H

#include "jwtd/db.h"
#include "jwtd/revoked_keys.h"

/* Adds every row to the set. */
enum status key_revocations_read(const struct db_call *call, struct revoked_keys *set) MUST_CHECK;

/* Adds a row; one that is there stays. */
enum status key_revocations_insert(const struct db_call *call, const char *kid) MUST_CHECK;

#endif
