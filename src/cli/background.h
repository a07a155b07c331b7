/*
 * background: the two threads that do what no request asks for, each with a database connection of its own (the second one only while it has
 * something to do), so that neither waits behind requests or behind the other, nor requests behind them.
 *
 * One, twice a second, reads what other instances have revoked and whose roles have changed, and has the readiness of this one asked anew.
 * The first reading goes back for the life of an access token and may take many pages; once it is through, the revoked sessions are
 * ready, and so are the roles. The other deletes dead
 * sessions in small batches every database.cleanup_interval.
 */
#ifndef JWTD_CLI_BACKGROUND_H
#define JWTD_CLI_BACKGROUND_H

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
