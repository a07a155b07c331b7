/*
 * delayed_replies: refusals that are held back.
 *
 * A client that receives Retry-After and retries at once is refused at once, again and again, tens of thousands of times a
 * second, and those refusals take the cores from the work that the service could do. So the second refusal of such a connection
 * waits, suspended, until about the time of that Retry-After (up to a third earlier, so that a crowd scatters), or until a
 * fifth is left of the request's time.
 *
 * One thread, "delayed", resumes the exchanges whose time has come. One lock guards their timer wheel; inside it exchange_suspend
 * takes one of the library, and nothing is resumed under it.
 */
#ifndef JWTD_HTTP_DELAYED_REPLIES_H
#define JWTD_HTTP_DELAYED_REPLIES_H

#include <stdbool.h>
#include <stdint.h>

struct delayed_replies;
struct exchange;

/* NULL: no memory or no thread, as errno says. */
struct delayed_replies *delayed_replies_create(void);
void delayed_replies_destroy(struct delayed_replies *delayed); /* after delayed_replies_release, when all of them have ended */

/* Until when the reply of an answered exchange is to be held back, whose connection may retry at `retry_at_us`: 0 for not
 * at all. Behind a proxy, whose connection carries the requests of many clients, never: only one of them was refused. Pure but
 * for the scattering. */
int64_t delayed_replies_due_us(const struct exchange *exchange, int64_t retry_at_us, int64_t now_us);

/* Takes an ANSWERED exchange until `due_us`. False: it must be answered now, since the service stops. On its HTTP thread. */
bool delayed_replies_hold(struct delayed_replies *delayed, struct exchange *exchange, int64_t due_us);

/* Resumes all of them, and holds none any more: the service stops. Any thread. */
void delayed_replies_release(struct delayed_replies *delayed);

#endif
