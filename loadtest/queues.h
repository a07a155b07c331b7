/*
 * queues: the lists that requests and idle connections are in: each in its order, left from any place. For dispatch.c only.
 */
#ifndef FAILPOINT_QUEUES_H
#define FAILPOINT_QUEUES_H

#include "workshop.h"

static inline void queue_append(struct request_queue *queue, struct request *request, enum place place) {
    request->place = place;
    request->next = NULL;
    request->previous = queue->last;
    if (queue->last == NULL)
        queue->first = request;
    else
        queue->last->next = request;
    queue->last = request;
}

static inline void queue_remove(struct request_queue *queue, struct request *request) {
    if (request->previous == NULL)
        queue->first = request->next;
    else
        request->previous->next = request->next;
    if (request->next == NULL)
        queue->last = request->previous;
    else
        request->next->previous = request->previous;
}

static inline void add_to_issued(struct worker *worker, struct request *request) {
    request->newer = NULL;
    request->older = worker->newest;
    if (worker->newest == NULL)
        worker->oldest = request;
    else
        worker->newest->newer = request;
    worker->newest = request;
}

static inline void remove_from_issued(struct worker *worker, struct request *request) {
    if (request->older == NULL)
        worker->oldest = request->newer;
    else
        request->older->newer = request->newer;
    if (request->newer == NULL)
        worker->newest = request->older;
    else
        request->newer->older = request->older;
}

static inline void idle_push(struct worker *worker, struct connection *connection) {
    connection->previous_idle = NULL;
    connection->next_idle = worker->idle;
    if (worker->idle != NULL)
        worker->idle->previous_idle = connection;
    worker->idle = connection;
}

static inline void idle_remove(struct worker *worker, struct connection *connection) {
    if (connection->previous_idle == NULL)
        worker->idle = connection->next_idle;
    else
        connection->previous_idle->next_idle = connection->next_idle;
    if (connection->next_idle != NULL)
        connection->next_idle->previous_idle = connection->previous_idle;
}

#endif
