/*
 * audit_lock: the statement in front of each that adds events to the audit or lists them (statement.h: .audit), in the same
 * transaction. While another transaction has a lock on what is needed of that table, it does not wait, and is refused after some
 * tries: what waits would occupy the connections that logins need. Pure data.
 */
#ifndef JWTD_STORE_AUDIT_LOCK_H
#define JWTD_STORE_AUDIT_LOCK_H

#include "statement.h"

/* NULL: the statement has nothing to do with the audit. */
const struct db_statement *audit_lock_of(const struct db_statement *statement);

/* Whether it is one that audit_lock_of returns. */
bool audit_is_lock(const struct db_statement *statement);

/* Whether .audit says what the SQL does: to be asserted of every statement, so that none is forgotten. */
bool audit_is_declared(const struct db_statement *statement);

#endif
