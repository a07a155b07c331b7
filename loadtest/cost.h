/*
 * cost: what requests cost, from the record: errors, memory and processor time, scaled to round numbers of requests.
 */
#ifndef FAILPOINT_COST_H
#define FAILPOINT_COST_H

#include "run.h"

/*
 * Of the load that the result is about: the limit that was held, of find; else the last step. NULL: there is none. The costs are
 * zeros then, and each of them where it is not known, or where fewer than 50 a second were answered: a server that idles says
 * nothing of 1,000. Memory is all of the server's, the resident part that does not depend on the load included: it is what the
 * server needs at that load, not what one request adds.
 */
const struct run_step *cost_find(const struct run *run, struct run_cost *cost);

/* Two lines, of which the second is left out or says why there is none: "  errors per million requests: 0", "  scaled to 1,000
 * requests a second: 464 MiB, 0.31 cores". */
void cost_print(const struct run *run);

#endif
