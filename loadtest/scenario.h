/*
 * scenario: what a request is, as a table: which endpoint with which weight, or which steps one after the other, and what must be
 * there before (accounts, sessions). Data only.
 */
#ifndef FAILPOINT_SCENARIO_H
#define FAILPOINT_SCENARIO_H

#include "api.h"

#define SCENARIO_STEPS 8

/* Who takes part in a request. */
enum scenario_actor {
    ACTOR_NEW,       /* an unused address */
    ACTOR_ACCOUNT,   /* an account, with its password; any number of requests at a time */
    ACTOR_SHARED,    /* a session, for any number of requests at a time */
    ACTOR_EXCLUSIVE, /* a session that has one such request in flight at a time */
};

struct scenario_step {
    enum endpoint endpoint;
    enum scenario_actor actor;
    unsigned weight; /* of a mix, of 100; 0: the steps follow each other */
};

struct scenario {
    const char *name, *summary, *unit; /* unit: "req/s" or "sessions/s" */
    const char *slo;                   /* the default */
    struct scenario_step steps[SCENARIO_STEPS];
    size_t steps_count;
    bool is_flow;      /* a scenario flow: the steps follow each other, with think time between */
    unsigned sessions; /* to open before, over all workers */
};

extern const struct scenario scenarios[];
extern const size_t scenarios_count;
const struct scenario *scenario_find(const char *name); /* NULL: there is none */

#endif
