#include "task.h"

#include "jwtd/clock.h"
#include "jwtd/command_events.h"
#include "jwtd/log.h"

#include <stdio.h>

#define INTERVAL_US (2 * CLOCK_US_PER_S)
/* An audit that cannot be read, because it is locked, must not hold up the other tasks of this thread for long. */
#define DEADLINE_US (CLOCK_US_PER_S / 4)
#define PAUSE_US (10 * CLOCK_US_PER_S)

static void log_command(const struct command_event *event) {
    char name[64], id[UUID_TEXT_SIZE], user[UUID_TEXT_SIZE], session[UUID_TEXT_SIZE], at[CLOCK_TEXT_SIZE];
    clock_text(event->at_us, at);
    (void)snprintf(name, sizeof name, "%.*s", (int)event->event.len, event->event.bytes);
    log_event(LOG_INFO, name, "user_id=%s session_id=%s reason=%.*s kid=%.*s from=%.*s to=%.*s actor=%.*s at=%s event_id=%s",
              event->user_id != NULL ? uuid_text(event->user_id, user) : NULL,
              event->session_id != NULL ? uuid_text(event->session_id, session) : NULL, (int)event->reason.len,
              event->reason.bytes, (int)event->kid.len, event->kid.bytes, (int)event->from.len, event->from.bytes,
              (int)event->to.len, event->to.bytes, (int)event->actor.len, event->actor.bytes, at, uuid_text(&event->id, id));
}

/* What fails says so itself (db.h); that events of commands are not logged meanwhile is no harm to anything else. */
static int64_t run(const struct task_round *round) {
    struct command_events_cursor *cursor = round->state;
    int64_t now_us = clock_monotonic_us();
    struct db_call call = { .db = round->db, .deadline_us = now_us + DEADLINE_US };
    bool is_read = command_events_read(&call, cursor, log_command) == STATUS_OK;
    if (is_read && cursor->again_us != 0)
        return clock_monotonic_us(); /* behind the other tasks of the thread that are due */
    return now_us + (is_read ? INTERVAL_US : PAUSE_US);
}

const struct task command_task = { sizeof(struct command_events_cursor), run, NULL };
