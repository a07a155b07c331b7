/* audit_queue: events that wait to be written (audit.h), each as the JSON object that the database takes. No lock: its owner has
 * one. */
#ifndef JWTD_AUDIT_QUEUE_H
#define JWTD_AUDIT_QUEUE_H

#include "jwtd/audit.h"

#include <stddef.h>

struct queued_event {
    struct queued_event *next;
    int64_t added_us;
    size_t len;
    char json[]; /* no NUL behind it */
};

struct audit_queue {
    struct queued_event *first, *last;
    unsigned count;
};

/* One of the heap; NULL: out of memory. */
struct queued_event *queued_event_create(const struct audit_event *event);

/* Adds the member "detail", a JSON object; returns the event at its new place. NULL: out of memory, and it is freed. */
struct queued_event *queued_event_add_detail(struct queued_event *event, const char *detail);

/* Takes the event. */
void audit_queue_append(struct audit_queue *queue, struct queued_event *event);

/* A JSON array of the first `count` events, NUL-terminated, of the heap; NULL: out of memory. */
char *audit_queue_batch(const struct queued_event *first, unsigned count);

/* Takes out the first `count` events and frees them. */
void audit_queue_remove(struct audit_queue *queue, unsigned count);

#endif
