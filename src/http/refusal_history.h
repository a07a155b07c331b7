/*
 * refusal_history: how the client of a connection takes refusals with Retry-After. One that comes back at once, again and again,
 * is a loop; a person presses a button a few times, and must not wait for an answer. Pure functions; one owner, no lock.
 */
#ifndef JWTD_HTTP_REFUSAL_HISTORY_H
#define JWTD_HTTP_REFUSAL_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

/* A loop has come back at once more often than this, in a row. */
#define REFUSALS_AT_ONCE_MAX 3

/* All zero at the beginning. */
struct refusal_history {
    int64_t retry_at_us; /* when the client may retry, by the last Retry-After; 0: none was sent */
    int64_t sent_us;     /* when that was sent */
    unsigned at_once;    /* times in a row that the client came back before retry_at_us and within a second */
};

/* A request that began at `began_us` is to be refused once more. Returns whether its client is a loop. */
bool refusal_history_count(struct refusal_history *refusals, int64_t began_us, int64_t now_us);

/* A refusal is sent that asks the client to wait for so long. */
void refusal_history_sent(struct refusal_history *refusals, int64_t retry_after_us, int64_t now_us);

#endif
