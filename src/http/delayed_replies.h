/*
 * delayed_replies: refusals that are sent later than they are decided.
 *
 * A client that receives Retry-After and retries at once would be refused at once, tens of thousands of times a second, and those
 * refusals would take the cores from other requests. So a refusal on a connection whose client has come back at once several
 * times in a row (refusal_history.h) is delayed, with the connection suspended, until about the end of the last Retry-After, or
 * until a fifth of the request's time is left, whichever is first; up to 30 percent earlier, at random, so that clients that were
 * refused together do not retry together.
 *
 * One thread, "delayed", resumes the exchanges that are due. One lock guards their timer wheel; inside it exchange_suspend takes
 * one of the library, and nothing is resumed under it.
 */
#ifndef JWTD_HTTP_DELAYED_REPLIES_H
#define JWTD_HTTP_DELAYED_REPLIES_H

#include <stdbool.h>
#include <stdint.h>

struct delayed_replies;
struct exchange;

/* NULL: no memory or no thread, as errno says. */
struct delayed_replies *delayed_replies_create(void);
/* After delayed_replies_release, when all of them have ended. NULL is allowed. */
void delayed_replies_destroy(struct delayed_replies *delayed);

/* Until when the reply of an ANSWERED exchange is to be delayed whose connection may retry at `retry_at_us`; 0: not at all, since
 * it is no refusal with Retry-After, or that time has passed, or the client's address is not that of the connection, or
 * one of them is unknown: the connection of a proxy carries the requests of many clients, of which only one was refused. Pure
 * except for the random part. */
int64_t delayed_replies_due_us(const struct exchange *exchange, int64_t retry_at_us, int64_t now_us);

/* Suspends an ANSWERED exchange, as DELAYED, until `due_us`. False: the service stops, or `delayed` is NULL, and the reply must
 * be sent now. On its HTTP thread, which must not touch the exchange after true. */
bool delayed_replies_hold(struct delayed_replies *delayed, struct exchange *exchange, int64_t due_us);

/* For a reply that was delayed by `delay_us`: lowers its Retry-After and the t= of its RateLimit by that, to 1 s at least. */
void delayed_replies_lower_times(struct exchange *exchange, int64_t delay_us);

/* For the stop of the service: resumes all of them, and delays none from now on. NULL is allowed. Any thread. */
void delayed_replies_release(struct delayed_replies *delayed);

#endif
