/*
 * cause: why the load fails there: the resource that is used to 90 % or more while it does. Where none is, it says that and does
 * not guess. Pure computation over usage and counts.
 */
#ifndef FAILPOINT_CAUSE_H
#define FAILPOINT_CAUSE_H

#include "names.h"
#include "samples.h"
#include "tally.h"

#define CAUSE_TEXT_SIZE 256
#define CAUSE_SATURATED 0.9

enum cause_kind {
    CAUSE_UNKNOWN, /* nothing was sampled */
    CAUSE_NONE,    /* sampled, and nothing is at 90 % */
    CAUSE_LIMITER, /* 429 */
    CAUSE_CPU,     /* the server's threads, or the machine */
    CAUSE_QUOTA,   /* the control group's */
    CAUSE_MEMORY,
    CAUSE_DESCRIPTORS,
    CAUSE_LISTEN_QUEUE,
    CAUSE_DATABASE
};
extern const struct names cause_names;

struct cause {
    enum cause_kind kind;
    double utilisation;         /* 0 to 1 of that resource */
    char text[CAUSE_TEXT_SIZE]; /* continues "... because ": "CPU saturates: hashing uses 1.93 of 2 cores" */
};

/* `tally` is of all requests of the step that failed; `seconds` its length. */
void cause_find(struct cause *cause, const struct usage *usage, const struct tally *tally, double seconds);

#endif
