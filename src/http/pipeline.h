/* pipeline: runs the steps of a route, each on its executor. */
#ifndef JWTD_HTTP_PIPELINE_H
#define JWTD_HTTP_PIPELINE_H

#include <stdbool.h>

struct exchange;

/* Runs the steps from exchange->next_step on. True: the exchange is answered. False: a pool has it, do not touch it. */
bool pipeline_run(struct exchange *exchange);

/* Suspends the connection, unless the service stops (false). Whoever has the exchange then ends that by pipeline_resume. */
bool pipeline_suspend(struct exchange *exchange);
void pipeline_resume(struct exchange *exchange); /* from any thread; the exchange is answered, and may be gone on return */

#endif
