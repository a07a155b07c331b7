/*
 * cleanup: deletes the rows that nothing needs any more: sessions a day after they ended (until then a refresh returns why they
 * ended), revocations a day after the last access token that they concern has expired, known addresses after KNOWN_ADDRESS_DAYS
 * without a login. One statement a table, in a list in cleanup.c; each deletes a batch, so that it is short. An expired session
 * that was used to its end may stay until it would have been idle.
 */
#ifndef JWTD_CLEANUP_H
#define JWTD_CLEANUP_H

#include "jwtd/db.h"
#include "jwtd/sessions.h"

struct cleanup_rules {
    const struct session_limits *sessions;
    int64_t access_ttl_ms;
    unsigned batch; /* rows of one statement */
};

/*
 * Deletes a batch from each table in turn, and again from those that had a full one, until none has or half of the time to the
 * deadline has passed: so the last statement has as much time left as all before it took. *is_complete: no table has more. Logs
 * what was deleted. Fails as db.h says; what was deleted before stays deleted.
 */
enum status cleanup_run(const struct db_call *call, const struct cleanup_rules *rules, bool *is_complete) MUST_CHECK;

#endif
