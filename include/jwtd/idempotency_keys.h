/*
 * idempotency_keys: the table of requests that were carried out under an Idempotency-Key.
 *
 * A row is inserted by the statement that makes the change, in its transaction (REMEMBER_KEY in src/store/sql.h), from the change
 * context (change_context.h): so there is a row if and only if the change was made. A statement whose key has a row already fails
 * with STATUS_IDEMPOTENCY_IN_PROGRESS and changes nothing; one whose key another transaction is about to insert waits for its end
 * first, as long as for any lock. A row stays for at least IDEMPOTENCY_KEEP_HOURS, until the next cleanup.
 */
#ifndef JWTD_IDEMPOTENCY_KEYS_H
#define JWTD_IDEMPOTENCY_KEYS_H

#include "jwtd/db.h"
#include "jwtd/uuid.h"

#include <stdbool.h>

#define IDEMPOTENCY_KEEP_HOURS 24

/* A request that was carried out, and what its reply is made of. */
struct remembered_request {
    bool found;
    bool is_same;                    /* the same request: its fingerprint is the one that was asked about */
    struct uuid user_id, session_id; /* zeros if the reply does not need them */
};

/* Both as hexadecimal digits, `digest` of the key and its owner, `fingerprint` of the request; they live until the query is
 * taken. Waits for up to a second while a statement that inserts the row is under way, on any connection; then
 * STATUS_IDEMPOTENCY_IN_PROGRESS. Else fails as db.h says. */
void idempotency_keys_find(struct db_query *query, const char *digest, const char *fingerprint,
                           struct remembered_request *remembered);

#endif
