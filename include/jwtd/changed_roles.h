/*
 * changed_roles: reads changes of roles, so that they take effect on every instance: a trigger writes into the user's row when
 * its roles were changed, and by which transaction (0011_roles_order.sql has its function; 0006 has an older version of it), also
 * for changes in SQL; every instance reads the changed rows twice a second. Roles that a user is inserted with are no change,
 * since no token has others.
 *
 * A pass reads the changes in pages, so that each statement is short and memory bounded however many there are. The first pass of
 * an instance is by time. Each later one is by transaction, from the oldest that was running when the pass before began: that
 * pass has read all that had ended by then. So a change is read within a pass of its commit, however long its transaction lasted,
 * and changes are read again only while a transaction older than theirs is running. Only an instance that starts less than an
 * access token's life after such a commit misses it, if the change was made CHANGED_ROLES_LATE_S or more before. Where
 * transaction numbers are lower than before (a standby that had not received all transactions was promoted), a pass continues by
 * time.
 */
#ifndef JWTD_CHANGED_ROLES_H
#define JWTD_CHANGED_ROLES_H

#include "jwtd/current_roles.h"
#include "jwtd/db.h"
#include "jwtd/uuid.h"

#define CHANGED_ROLES_PAGE 5000
#define CHANGED_ROLES_LATE_S 3600 /* between a change in SQL and its commit */

/* The position of a pass. */
struct changed_roles_cursor {
    int64_t window_s; /* of a pass by time */
    int64_t since;    /* the oldest transaction of a pass by transaction; 0: by time */
    int64_t horizon;  /* the oldest transaction of the pass after it; 0: no page was read */
    char behind[40];  /* the time or transaction of the last row, and its id; empty: none was read */
    char id[UUID_TEXT_SIZE];
};

/* The beginning of a pass by time, over what was committed in the last `window_s` seconds. */
struct changed_roles_cursor changed_roles_from(int64_t window_s);

/* The beginning of the pass that follows one that is complete. */
struct changed_roles_cursor changed_roles_after(const struct changed_roles_cursor *last);

/* Sets in `map` the roles of the next CHANGED_ROLES_PAGE users and moves the cursor behind them; *is_last: there are no more.
 * On failure the cursor stays, and the same page may be read again. Fails as db.h says, and as current_roles_set. */
enum status changed_roles_read_page(const struct db_call *call, struct changed_roles_cursor *cursor, struct current_roles *map,
                                    bool *is_last) MUST_CHECK;

#endif
