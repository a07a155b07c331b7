/*
 * cost: what requests cost, from the record: errors, memory and processor time, scaled to round numbers of requests.
 */
#ifndef FAILPOINT_COST_H
#define FAILPOINT_COST_H

#include "run.h"

/*
 * Of the load that the result is about: the limit that was held, of find; else the last step. NULL: there is none. The costs are
 * zeros then, and each of them where it is not known, or where fewer than 50 a second were answered: a server that idles says
 * nothing of 1,000. Of memory only what the load added is scaled: most of it is there without any.
 */
const struct run_step *cost_find(const struct run *run, struct run_cost *cost);

/* What stands beside errors per million: "refused or failed, at 200 answered a second", "none of 3000 requests, so under 1000
 * with 95 % certainty". Returns `text`. */
#define COST_TEXT_SIZE 128
const char *cost_explain_errors(const struct run_cost *cost, const struct run_step *step, char text[COST_TEXT_SIZE]);

/* Two lines, of which the second is left out or says why there is none: "  errors per million requests: 12.5 (...)", "  scaled to
 * 1,000 requests a second: 0.31 cores, 46.4 MiB (40 MiB before the load, 41.3 MiB at 200/s)". */
void cost_print(const struct run *run);

#endif
