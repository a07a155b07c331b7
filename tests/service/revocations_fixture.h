/*
 * revocations_fixture: what the tests of GET /auth/revocations share: a server with the service "orders", and rows of the table
 * that it reads, made by hand.
 */
#ifndef JWTD_REVOCATIONS_FIXTURE_H
#define JWTD_REVOCATIONS_FIXTURE_H

#include "support/follower.h"

#define SOON_MS 5000

extern struct service orders;

/* The shared server; followers send the credentials of `orders`. */
void revocations_start(void);

/* GET /auth/revocations with them, of a server that is expected to refuse. */
struct reply revocations_ask(const struct server *server);

/* A statement without parameters. */
void run_sql(const char *statement);

void empty_table(void);
void revoke_made_up_sessions(unsigned count);

#endif
