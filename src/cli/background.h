/*
 * background: the one thread that does what no request asks for: it reads the revocations of other instances twice a second, and
 * deletes dead sessions in small batches every database.cleanup_interval. It has a database connection of its own, so that it
 * neither waits behind requests nor they behind it.
 */
#ifndef JWTD_CLI_BACKGROUND_H
#define JWTD_CLI_BACKGROUND_H

#include "jwtd/db.h"
#include "jwtd/services.h"

struct background;

/* Borrows both for its life. NULL: memory or thread; the reason is logged. */
struct background *background_start(const struct services *services, const struct db_options *db_options);
void background_stop(struct background *background); /* waits for the statement in hand */

#endif
