/*
 * outage: whether the database can be used, for the whole process: so that the log has one line at the beginning of an outage and
 * one at its end, however many connections notice it. Any thread.
 *
 * A server that is frozen answers on no connection, while others than the one that waits for a lock are answered. So what the log
 * says of a statement that is late waits for what comes first: the next answer, or an outage, which counts it.
 */
#ifndef JWTD_STORE_OUTAGE_H
#define JWTD_STORE_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

struct outage {
    int64_t lasted_us;
    uint64_t
        refused;   /* requests that were answered 503 meanwhile: their queries failed, or did not even find room in the queue */
    uint64_t late; /* statements that were not answered in time: also those before it was noticed */
};

bool outage_begin(void); /* false: it has begun already */
bool outage_is_on(void);
void outage_note_refusal(void);         /* counts nothing while there is none */
bool outage_end(struct outage *outage); /* false: there was none */

/* A statement was answered; or was late, sent at sent_us, which counts nothing when an outage has ended since. The name lives for
 * ever. */
void outage_note_answer(void);
void outage_note_late(const char *name, int64_t sent_us);
bool outage_is_silence(int64_t sent_us); /* nothing was answered for a second and a half: since then, if nothing ever was */

struct late_statements {
    const char *last; /* the name of one of the last */
    uint64_t count;
};

/* Those that were late since the last call, for the log, once something is answered. False: there were none, or an outage has
 * begun. */
bool outage_take_late(struct late_statements *late);

#endif
