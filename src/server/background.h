/*
 * background: the three threads that do what no request asks for, each with a database connection of its own (the last one only
 * while it has something to do), so that none waits behind requests or behind another, nor requests behind them.
 *
 * One, twice a second, reads what other instances have revoked, and has the readiness of this one asked anew. One, as often,
 * reads whose roles have changed. The first reading of each goes back for the life of an access token and may take many pages;
 * once it is through, the revoked sessions, or the roles, are ready. The last deletes dead rows (cleanup.h) in rounds, every
 * database.cleanup_interval, and a second after one that left some.
 */
#ifndef JWTD_SERVER_BACKGROUND_H
#define JWTD_SERVER_BACKGROUND_H

#include "jwtd/db.h"
#include "jwtd/services.h"

#include <stdbool.h>
#include <stdint.h>

struct background;

/* Borrows both for its life. NULL: memory or thread; the reason is logged. */
struct background *background_start(const struct services *services, const struct db_options *db_options);
void background_stop(struct background *background); /* waits for the statements in hand */

/* Whether each of its threads has begun the round that was due, and come to its end, within `limit_us`. Any thread. */
bool background_is_alive(const struct background *background, int64_t limit_us);

#endif
