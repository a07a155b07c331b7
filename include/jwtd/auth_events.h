/*
 * auth_events: the table of the audit: who changed what, when, from where and why; a row for each event, in a partition for each
 * month (0017_auth_events.sql). No e-mail address, password or token is in it.
 *
 * What changes state adds its events in its own statement (NOTE_EVENTS in src/store/sql.h); what only happened (logins, failures,
 * locks) is added in batches by one thread (audit.h). The role of the service can add events and read them, not change or remove
 * them. Fails as db.h says.
 */
#ifndef JWTD_AUTH_EVENTS_H
#define JWTD_AUTH_EVENTS_H

#include "jwtd/db.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTH_EVENTS_PAGE_MAX 100
#define AUTH_EVENTS_CURSOR_SIZE 64

/* Inserts a batch, a JSON array of objects that have the table's columns for members; NUL-terminated. Those that are there
 * already, by `at` and `id`, stay as they are. */
enum status auth_events_insert(const struct db_call *call, const char *events_json) MUST_CHECK;

/* Adds key_changed, by the actor of the call's change context; `kid` NULL: none. For changes of keys that are files, which have
 * no transaction of their own. */
enum status auth_events_note_key(const struct db_call *call, const char *reason, const char *kid) MUST_CHECK;

/* What to list. */
struct auth_event_filter {
    struct uuid user_id;
    const struct uuid *session_id; /* NULL: of all sessions, and of none */
    const char *event;             /* NULL: of every kind */
    const char *cursor;            /* the `next` of the page before; NULL: the first page */
    unsigned limit;                /* 1 to AUTH_EVENTS_PAGE_MAX */
};

struct auth_event {
    struct uuid id;
    struct text at, event;
    bool has_session;
    struct uuid session_id;
    struct text actor, ip, user_agent, request_id, reason; /* {NULL, 0}: there is none */
    struct text detail;                                    /* a JSON object, or {NULL, 0} */
};

struct auth_event_list {
    struct auth_event *events;
    size_t count;
    char next[AUTH_EVENTS_CURSOR_SIZE]; /* empty: there are no more */
};

/* Whether a text is a cursor of auth_events_list. */
bool auth_events_cursor_is_valid(struct text cursor);

/* Asks (db.h): the newest first. The cursor must be valid. The texts of the filter, but for its ids, live until the query is
 * taken; what the list points to is in the arena of db_take. */
void auth_events_list(struct db_query *query, const struct auth_event_filter *filter, struct auth_event_list *list);

struct auth_events_partitions {
    int64_t made, removed;
    int64_t waiting; /* those of either that must wait, since a lock could not be had at once */
};

/* Makes the partitions of this month and the next three, and removes those of months that ended before now() - keep_ms; 0: none.
 * Nothing is done while another instance does it. */
enum status auth_events_maintain(const struct db_call *call, int64_t keep_ms,
                                 struct auth_events_partitions *partitions) MUST_CHECK;

#endif
