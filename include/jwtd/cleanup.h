/*
 * cleanup: deletes rows that are no longer needed: sessions a day after they ended (until then a refresh returns why they ended),
 * revocations a day after the last access token that they concern has expired, known addresses after KNOWN_ADDRESS_DAYS without a
 * login, idempotency keys after IDEMPOTENCY_KEEP_HOURS. One statement for each table, in a list in cleanup.c; each deletes a
 * batch, so that it is short. An expired session that was used shortly before its end may stay until its idle time has passed,
 * too.
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
 * Deletes a batch from each table in turn, and again from those where it was full, until none was or half of the time to the
 * deadline has passed; the other half is left for the last statement. *is_complete: no table has more. Logs how many rows were
 * deleted. Fails as db.h says; what was deleted before stays deleted.
 */
enum status cleanup_run(const struct db_call *call, const struct cleanup_rules *rules, bool *is_complete) MUST_CHECK;

#endif
