/*
 * outage: whether the database can be used, for the whole process: so that the log has one line at the beginning of an outage and
 * one at its end, however many connections notice it. Any thread.
 */
#ifndef JWTD_STORE_OUTAGE_H
#define JWTD_STORE_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

struct outage {
    int64_t lasted_us;
    uint64_t refused; /* queries of requests that failed meanwhile: requests that were answered 503 */
};

bool outage_begin(void); /* false: it has begun already */
bool outage_is_on(void);
void outage_note_refusal(void);         /* counts nothing while there is none */
bool outage_end(struct outage *outage); /* false: there was none */

/* A server that is frozen answers on no connection, while others than the one that waits for a lock are answered. */
void outage_note_answer(void);
bool outage_is_silence(int64_t sent_us); /* nothing was answered for a second and a half: since then, if nothing ever was */

#endif
