/*
 * log_queue: the lines that wait to be written, in queues of which each has one thread that adds lines, its owner, and all have
 * one thread that takes them. Neither waits for the other. For log.c only.
 *
 * While lines do not wait for long, only the first half of a queue's memory is used, so that the kernel need not provide the
 * rest.
 */
#ifndef JWTD_BASE_LOG_QUEUE_H
#define JWTD_BASE_LOG_QUEUE_H

#include "jwtd/text.h"

#include <stdbool.h>
#include <stdint.h>

/* Which room a line may use. The reserve is a quarter of the queue. */
enum queue_room { QUEUE_ALL, QUEUE_WITH_HALF_THE_RESERVE, QUEUE_WITHOUT_RESERVE };

/* Adds a line to the calling thread's queue, which its first line creates, or takes over from a thread that has ended. False:
 * there is no room, or no memory for a queue. */
bool log_queues_add(int64_t time_us, struct text line, enum queue_room room);

/* The earliest of the lines that come next in their queues, in the memory of its queue until log_queues_remove. False: all are
 * empty. On one thread at a time, as the next. */
struct queued_line {
    struct log_queue *queue;
    int64_t time_us;
    struct text text;
};
bool log_queues_next(struct queued_line *line);
void log_queues_remove(const struct queued_line *line);

#endif
