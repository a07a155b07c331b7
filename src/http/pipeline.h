/*
 * pipeline: runs the steps of a route in their order, each on its executor, until one has written the reply.
 *
 * Before a request leaves its HTTP thread, a place in the next executor's queue is reserved, and the pools of all later steps are
 * asked whether they would admit it; a refusal (503 with Retry-After) therefore costs no suspension and no work. When the turn of
 * its job comes after the deadline, or its client has gone before a hash or behind one, it ends unrun with 503.
 */
#ifndef JWTD_HTTP_PIPELINE_H
#define JWTD_HTTP_PIPELINE_H

#include <stdbool.h>

struct exchange;

/* Runs the steps of a RUNNING exchange from exchange->next_step on. True: it is ANSWERED. False: a pool has it, and must not be
 * raced: do not touch it. On its HTTP thread. */
bool pipeline_run(struct exchange *exchange);

#endif
