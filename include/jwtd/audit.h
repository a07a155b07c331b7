/*
 * audit: what happened and is no change of state: sessions opened, wrong passwords, locks; on its way into the audit
 * (auth_events.h).
 *
 * A request adds an event and goes on: it never waits for the database, whatever is wrong with the table. One thread writes what
 * has come, in batches (audit_write). While that fails, up to AUDIT_PENDING_MAX events wait, and those that come then are lost,
 * which is counted, logged at most once a minute, and, as soon as events can be written again, an event itself (events_lost).
 * What waits when the process is killed is lost uncounted.
 *
 * Wrong passwords are counted for each account, network (IPv4 whole, IPv6 /64) and reason, for a minute from the first, and are
 * one event then (login_failed, with detail.count), so that guessing does not fill the table. At most AUDIT_FAILURES_MAX are
 * counted at a time. Refreshes are counted for the whole process, by their results, and are one event an hour
 * (refreshes_counted); how often a session was refreshed is in the detail of its end.
 *
 * Any thread but those that hash, which run at low priority and would keep a lock from those that serve. Times are of the
 * program's clock; those of events that are written with what they change are the database's.
 */
#ifndef JWTD_AUDIT_H
#define JWTD_AUDIT_H

#include "jwtd/db.h"
#include "jwtd/network.h"
#include "jwtd/sessions.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdint.h>

#define AUDIT_PENDING_MAX 8192
#define AUDIT_FAILURES_MAX 1024

struct audit;

struct audit *audit_create(void); /* NULL: out of memory */
void audit_destroy(struct audit *audit);

/* Called by whoever adds an event that must be written: from any thread, with no lock. Set before the first event; NULL when only
 * the caller adds any. */
void audit_set_waker(struct audit *audit, void (*wake)(void *context), void *context);

/* What is added. All is copied. */
struct audit_event {
    const char *event;
    const struct uuid *user_id, *session_id; /* NULL: none */
    bool is_of_user;                         /* the actor is the user; else the service ("system") */
    const struct address *client;
    struct text user_agent; /* {NULL, 0}: none; valid UTF-8 */
    const char *request_id;
    const char *reason; /* NULL: none */
    const char *detail; /* a JSON object; NULL: none */
};

void audit_add(struct audit *audit, const struct audit_event *event);

/* Counts one wrong password. The reason is a constant text, and not NULL; `detail` is not used. */
void audit_add_failure(struct audit *audit, const struct audit_event *event);

void audit_count_refresh(struct audit *audit, enum session_refresh result);

struct audit_counts {
    uint64_t written, lost; /* events, since the start */
    unsigned pending;       /* events that wait to be written */
};

struct audit_counts audit_counts(struct audit *audit);

/* One round: writes a batch if there is a whole one, or if the first event that waits has waited for AUDIT_LINGER_US. Returns
 * when the next round is due; one that comes before does no harm. `now_us` is of clock_monotonic_us. One thread at a time, as the
 * next. */
#define AUDIT_LINGER_US 100000
int64_t audit_write(struct audit *audit, const struct db_call *call, int64_t now_us);

/* Before the service ends: writes all that is there until the deadline of the call. What is left is logged, and counts as lost.
 */
void audit_write_all(struct audit *audit, const struct db_call *call);

#endif
