/*
 * tally: what became of the requests to one endpoint: each reply in exactly one class, each status counted, and how long they
 * took.
 *
 * Every count only grows for as long as a worker lives. What happened in an interval is the difference of two copies; what
 * several workers did is their sum. Plain data, for shared memory: one writer, and readers that copy.
 */
#ifndef FAILPOINT_TALLY_H
#define FAILPOINT_TALLY_H

#include "histogram.h"

#define STATUS_CODES 600 /* 100 to 599; a reply with any other is a bad one */

enum reply_class {
    REPLY_OK,      /* the expected status with the expected content */
    REPLY_SHED,    /* 429 and 503: the server said "later" */
    REPLY_CLIENT,  /* any other 4xx */
    REPLY_SERVER,  /* any other 5xx */
    REPLY_REFUSED, /* the connection was not accepted */
    REPLY_RESET,   /* the connection ended before the reply did */
    REPLY_TIMEOUT, /* no whole reply in time */
    REPLY_BAD,     /* not HTTP, or not what it should say */
    REPLY_LOCAL,   /* the generator's own trouble: no port, no descriptor, no memory */
    REPLY_CLASSES
};

struct tally {
    uint64_t due; /* requests whose moment came; those that are in no class are still under way */
    uint64_t classes[REPLY_CLASSES];
    uint64_t statuses[STATUS_CODES];
    struct histogram latency; /* from the moment a request was due, of ok replies and of timeouts */
    struct histogram service; /* the same less what the generator itself took: the server's part, at least */
    struct histogram shed;    /* from the moment a request was due, of shed ones */
};

const char *reply_class_name(enum reply_class class); /* "ok", "shed", ...: as records name it */
const char *reply_class_text(enum reply_class class); /* "ok", "other 5xx", ...: for people */

/* Failed: in any class but ok and shed. */
uint64_t tally_failed(const struct tally *tally);
uint64_t tally_ended(const struct tally *tally);

void tally_add(struct tally *sum, const struct tally *other);
void tally_subtract(struct tally *later, const struct tally *earlier);

#endif
