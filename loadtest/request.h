/*
 * request: one request of a worker, from its planning to the handling of its outcome.
 *
 *     TIMED -> WAITS_FOR_ACTOR, WAITS_FOR_CONNECTION, ON_CONNECTION (in any order, each perhaps more than once) -> ENDED
 *
 * Its owner is the module that holds it: timers until it is due, dispatch until it has ended, flow afterwards, which destroys it.
 */
#ifndef FAILPOINT_REQUEST_H
#define FAILPOINT_REQUEST_H

#include "actors.h"
#include "fault.h"
#include "tally.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct connection;

enum request_purpose {
    REQUEST_LOAD,     /* an arrival of the open loop */
    REQUEST_USER,     /* of a user of the closed loop */
    REQUEST_PREPARE,  /* registers an account or opens a session before the test; not counted */
    REQUEST_REHEARSE, /* a step of the scenario before the test, whose reply must be right; not counted */
    REQUEST_RENEW     /* replaces the tokens of a session before they expire; not counted */
};

enum request_state { REQUEST_TIMED, REQUEST_WAITS_FOR_ACTOR, REQUEST_WAITS_FOR_CONNECTION, REQUEST_ON_CONNECTION, REQUEST_ENDED };

struct request_outcome {
    enum reply_class reply_class;
    unsigned status; /* 0: there was no reply */
    enum reply_fault fault;
    bool nobody_listens;   /* the connection was refused */
    int64_t retry_after_s; /* -1: not said */
    int64_t ended_ns;
};

struct request {
    TAILQ_ENTRY(request) issued; /* among those in flight, the oldest first */
    TAILQ_ENTRY(request) queue;  /* of those that wait, or have ended */
    enum request_purpose purpose;
    enum request_state state;
    enum endpoint endpoint;
    enum scenario_actor actor_kind;
    unsigned step; /* of the scenario */
    unsigned user; /* whose connection it uses, from 1; 0: any connection */
    struct actor *actor;
    bool is_first;   /* of its user since the order began */
    bool owns_actor; /* else the actor belongs to the worker's sessions */
    bool retried;    /* sent again once, since the server had closed a kept connection */
    int64_t due_ns, issued_ns;
    int64_t waiting_since_ns; /* in one of the two waiting states */
    struct connection *connection;
    struct request_outcome outcome; /* in REQUEST_ENDED */
};

TAILQ_HEAD(request_queue, request);

/* In REQUEST_TIMED. NULL when memory is exhausted. */
struct request *request_create(enum request_purpose purpose, enum endpoint endpoint, int64_t due_ns);

/* In REQUEST_TIMED or REQUEST_ENDED, or at the end of the process. Destroys the actor that it owns. */
void request_destroy(struct request *request);

/* The successor continues with the same actor. */
void request_pass_actor(struct request *request, struct request *successor);

/* Whether it is part of the test, and so of the counts. */
bool request_is_counted(const struct request *request);

#endif
