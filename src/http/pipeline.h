/*
 * pipeline: runs the steps of a route in their order, each on its executor, until one has written the reply.
 *
 * Before a request leaves its HTTP thread, the pools of all later steps are asked whether they would admit it, and a place in the
 * next executor's queue is reserved; a refusal (503 with Retry-After) therefore costs no suspension and no work. A job whose turn
 * comes after its deadline is not run and ends with 503; so does one whose client has disconnected, if it hashes or follows a
 * step that does.
 */
#ifndef JWTD_HTTP_PIPELINE_H
#define JWTD_HTTP_PIPELINE_H

#include <stdbool.h>

struct exchange;

/* Runs the steps of a RUNNING exchange from exchange->next_step on. True: it is ANSWERED. False: a pool owns it, and the caller
 * must not touch it any more. On its HTTP thread. */
bool pipeline_run(struct exchange *exchange);

#endif
