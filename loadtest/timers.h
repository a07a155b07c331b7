/*
 * timers: the requests of a worker that are not due yet, as a binary heap with the earliest on top. It owns what it holds.
 */
#ifndef FAILPOINT_TIMERS_H
#define FAILPOINT_TIMERS_H

#include "request.h"

#include <stddef.h>

struct timer {
    int64_t due_ns; /* a copy, so that comparing stays within the heap */
    struct request *request;
};

/* Zeroed: empty. */
struct timers {
    struct timer *items;
    size_t count, size;
};

void timers_fini(struct timers *timers);

/* Until request->due_ns. False when memory is exhausted; then the request stays with the caller. */
bool timers_add(struct timers *timers, struct request *request);

/* The earliest, if it is due; else NULL. */
struct request *timers_take_due(struct timers *timers, int64_t now_ns);
int64_t timers_next_ns(const struct timers *timers); /* INT64_MAX: there is none */

/* All but the renewals of tokens, which are not part of the test. */
void timers_drop_load(struct timers *timers);
bool timers_have_load(const struct timers *timers);

#endif
