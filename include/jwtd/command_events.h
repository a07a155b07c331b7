/*
 * command_events: what commands (jwtd user, jwtd key) have noted in the audit (auth_events.h), for the log of the service, where
 * its operator looks. Blocking, for a periodic task.
 *
 * At least once: each instance visits each event that was noted from COMMAND_EVENTS_LATE_S before its first reading on. One that
 * is restarted so visits again what the stopped process has visited in the last seconds; what was noted while none ran is in the
 * audit alone. Which are the same is seen by their ids.
 */
#ifndef JWTD_COMMAND_EVENTS_H
#define JWTD_COMMAND_EVENTS_H

#include "jwtd/db.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stdint.h>

#define COMMAND_EVENTS_PAGE 200
#define COMMAND_EVENTS_LATE_S 5 /* between the beginning of a command's transaction and its commit */
/* What readings 2 s apart find within that time, so that none of it is visited twice. */
#define COMMAND_EVENTS_SEEN (5 * COMMAND_EVENTS_PAGE)

/* What was read. Zeroes: nothing; what is older than the first reading by more than COMMAND_EVENTS_LATE_S is never visited. */
struct command_events_cursor {
    int64_t from_us;   /* of the database's clock, since 1970; 0: nothing was read yet */
    int64_t again_us;  /* while a reading of several pages is under way: from when on the next one reads; 0: none is */
    struct uuid after; /* of the events at from_us those with a greater id are still to be read; zeroes: all */
    struct uuid seen[COMMAND_EVENTS_SEEN];
    unsigned seen_count, next_seen; /* the oldest is replaced */
};

struct command_event {
    struct uuid id;
    struct text event, actor, reason; /* reason {NULL, 0}: none; borrowed, as the ids, until the visit returns */
    struct text kid;                  /* of key_changed; {NULL, 0}: none */
    /* of roles_changed and password_change_required: JSON, cut off behind 512 characters; {NULL, 0}: none */
    struct text from, to;
    const struct uuid *user_id, *session_id; /* NULL: none */
    int64_t at_us;                           /* of the database's clock, since 1970 */
};

/* Calls `visit` for each event since the last reading, in their order, at most COMMAND_EVENTS_PAGE of them, and moves the cursor;
 * again_us shows that there are more. One that is committed more than COMMAND_EVENTS_LATE_S after its transaction began may be
 * missed; of more than COMMAND_EVENTS_SEEN within that time some may be visited again. Fails as db.h says; the cursor stays then.
 */
enum status command_events_read(const struct db_call *call, struct command_events_cursor *cursor,
                                void (*visit)(const struct command_event *event)) MUST_CHECK;

#endif
