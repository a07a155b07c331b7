/*
 * cores: how many threads that compute the process should have: as many as processors that the scheduler lets it use (its
 * affinity, sched_setaffinity(2)), but no more than the CPU quota of its control groups pays for (cgroup.h). More threads than
 * that would spend the quota at once and be stopped together for the rest of its period. A part of a processor counts as one.
 *
 * Safe from every thread; reads files in /proc and the groups' own. Read once at start: a quota that changes later takes a
 * restart.
 */
#ifndef JWTD_CORES_H
#define JWTD_CORES_H

#include "jwtd/cgroup.h"

struct cores {
    unsigned available; /* threads to run; at least 1 */
    unsigned affinity;  /* at least 1 */
    struct cgroup_quota quota;
};

void cores_read(struct cores *cores);

unsigned cores_available(void); /* as cores_read */
unsigned cores_affinity(void);  /* without the quota; 1 if it cannot be read */

/* The smaller of both, the quota rounded up; `quota_cores` 0 is no quota. */
unsigned cores_within_quota(unsigned affinity, double quota_cores);

#endif
