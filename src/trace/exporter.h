/*
 * exporter: one POST after the other to the collector, over a connection that is kept. libcurl is known here, and in src/verify,
 * only. One thread at a time.
 */
#ifndef JWTD_TRACE_EXPORTER_H
#define JWTD_TRACE_EXPORTER_H

#include "jwtd/text.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct exporter;

#define EXPORT_REASON_SIZE 320
#define EXPORT_REPLY_MAX 65536

struct export_result {
    enum export_outcome {
        EXPORT_DONE,
        EXPORT_LATER,  /* the collector was not reached, did not answer in time, or says that it may be tried again */
        EXPORT_REFUSED /* any other reply */
    } outcome;
    int64_t retry_after_us; /* with EXPORT_LATER: what the collector asks for; 0: nothing */
    struct text reply;      /* with EXPORT_DONE: the body, until the next call; no more than EXPORT_REPLY_MAX bytes are read */
    char reason[EXPORT_REASON_SIZE]; /* why it is not EXPORT_DONE */
};

/* For `endpoint`/v1/traces. NULL: out of memory, there is no libcurl, or it refuses an option; the reason is logged. One thread
 * at a time. */
struct exporter *exporter_create(const char *endpoint);
void exporter_destroy(struct exporter *exporter); /* NULL is ignored */

/* Waits for the collector's reply for ten seconds, and no longer than a second beyond *until_us (clock_monotonic_us), which
 * another thread may set meanwhile. */
void exporter_send(struct exporter *exporter, struct text body, const _Atomic int64_t *until_us, struct export_result *result);

#endif
