/*
 * search: what find found, turned into numbers and one sentence. Pure computation over the record.
 */
#ifndef FAILPOINT_SEARCH_H
#define FAILPOINT_SEARCH_H

#include "find.h"
#include "run.h"

/* The highest good load up to which latency (p90) stays within three times that of the lowest load; 0 when nothing was good. */
double search_knee(const struct run *run);

/* What the steps "overload" and "recover" of the record say: verdict's beyond, recovered, recovery, collapse. */
void search_judge_overload(struct run *run, double error_share_allowed);

/* The headline and the exit code, when everything else of the verdict is there. `why` and `cause` are of the load that failed. */
void search_conclude(struct run *run, const struct find *find, const char *why, const struct cause *cause);

#endif
