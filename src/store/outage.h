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

#endif
