/*
 * wheel: a timer wheel: a ring of slots of a twentieth of a second, each a list of the entries that are due in it.
 *
 * An entry is a member of the caller's struct (container_of) and belongs to the wheel from wheel_add until a function returns it.
 * It is returned up to a slot later than it is due, never earlier, unless it is due later than one turn of the wheel (12.8 s):
 * then after one turn. Time is an argument, in microseconds of clock_monotonic_us. No locks: the caller has one. Nothing fails.
 */
#ifndef JWTD_HTTP_WHEEL_H
#define JWTD_HTTP_WHEEL_H

#include "jwtd/clock.h"

#include <stdint.h>

#define WHEEL_SLOT_US (CLOCK_US_PER_S / 20)
#define WHEEL_SLOTS 256

struct wheel_entry {
    struct wheel_entry *next; /* also of the lists that are returned; NULL after the last */
};

struct wheel {
    struct wheel_entry *slots[WHEEL_SLOTS];
    unsigned count;       /* of all entries */
    int64_t current_slot; /* time / WHEEL_SLOT_US: the slots up to this one are empty */
};

void wheel_init(struct wheel *wheel, int64_t now_us);
void wheel_add(struct wheel *wheel, struct wheel_entry *entry, int64_t due_us, int64_t now_us);

/* The entries that are due, in no order; NULL: none. */
struct wheel_entry *wheel_take_due(struct wheel *wheel, int64_t now_us);
struct wheel_entry *wheel_take_all(struct wheel *wheel);

/* When the next slot ends: the time for the next wheel_take_due. INT64_MAX: the wheel is empty. */
int64_t wheel_next_us(const struct wheel *wheel);

#endif
