/*
 * pipeline: runs the steps of a route in their order, each on its executor, until one has written the reply.
 *
 * A request always goes on where it began, on its HTTP thread: a step of another executor is handed to it with the connection
 * suspended, and its end resumes the connection. Both halves of a step ON_DATABASE run on the HTTP thread (route.h).
 *
 * Before a request leaves its HTTP thread for the first time, the executors of all its steps are asked whether they would admit
 * it, and a place in the queue of the first is reserved; a refusal (503 with Retry-After) therefore costs no suspension and no
 * work. A job whose turn comes after its deadline is not run and ends with 503; so does one whose client has disconnected, if it
 * hashes or follows a step that does.
 */
#ifndef JWTD_HTTP_PIPELINE_H
#define JWTD_HTTP_PIPELINE_H

#include <stdbool.h>

struct exchange;

/* Runs the steps of a RUNNING exchange from the first on, with those of its Idempotency-Key around them (idempotency.h). True: it
 * is ANSWERED. False: an executor owns it, and the caller must not touch it any more. On its HTTP thread. */
bool pipeline_run(struct exchange *exchange);

/* The same for one that is RETURNED, from the step on that an executor has done its part of. */
bool pipeline_continue(struct exchange *exchange);

#endif
