/*
 * waiting: replies that are held back.
 *
 * Whoever is told to come again later and comes at once is refused at once, again and again, tens of thousands of times a second,
 * and those refusals take the cores from the work that the service could do. So the second refusal of such a connection waits,
 * suspended, until about the time that the client was told (up to a third earlier, so that a crowd scatters), or until little is
 * left of the request's deadline.
 *
 * They are in a wheel (wheel.h), from which one thread takes those that are due. One lock guards it.
 */
#ifndef JWTD_HTTP_WAITING_H
#define JWTD_HTTP_WAITING_H

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct waiting;

/* NULL: memory or thread, as errno says. */
struct waiting *waiting_create(void);
void waiting_destroy(struct waiting *waiting); /* after waiting_release */

/* Until when an answered exchange must be held back: 0 for not at all. On the HTTP thread that holds it. */
int64_t waiting_time(const struct exchange *exchange);

/* Suspends an answered exchange until `until_us` (clock_monotonic_us) and takes it until then. False: it must be answered now. */
bool waiting_hold(struct waiting *waiting, struct exchange *exchange, int64_t until_us);

/* Lets everybody go, and holds nobody any more: the service stops. Any thread. */
void waiting_release(struct waiting *waiting);

#endif
