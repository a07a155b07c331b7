#include "wheel.h"

void wheel_init(struct wheel *wheel, int64_t now_us) {
    *wheel = (struct wheel){ .current_slot = now_us / WHEEL_SLOT_US };
}

void wheel_add(struct wheel *wheel, struct wheel_entry *entry, int64_t due_us, int64_t now_us) {
    if (wheel->count == 0) /* the current slot of an empty wheel is out of date: nothing was taken from it */
        wheel->current_slot = now_us / WHEEL_SLOT_US;
    int64_t slot = due_us / WHEEL_SLOT_US + 1;
    if (slot <= wheel->current_slot)
        slot = wheel->current_slot + 1;
    if (slot > wheel->current_slot + WHEEL_SLOTS)
        slot = wheel->current_slot + WHEEL_SLOTS;
    entry->next = wheel->slots[slot % WHEEL_SLOTS];
    wheel->slots[slot % WHEEL_SLOTS] = entry;
    wheel->count++;
}

static struct wheel_entry *take_until(struct wheel *wheel, int64_t now_slot) {
    struct wheel_entry *due = NULL;
    int64_t last = now_slot - wheel->current_slot > WHEEL_SLOTS ? wheel->current_slot + WHEEL_SLOTS : now_slot;
    for (int64_t slot = wheel->current_slot + 1; slot <= last; slot++) {
        struct wheel_entry **list = &wheel->slots[slot % WHEEL_SLOTS];
        while (*list != NULL) {
            struct wheel_entry *entry = *list;
            *list = entry->next;
            entry->next = due;
            due = entry;
            wheel->count--;
        }
    }
    wheel->current_slot = now_slot;
    return due;
}

struct wheel_entry *wheel_take_due(struct wheel *wheel, int64_t now_us) {
    return take_until(wheel, now_us / WHEEL_SLOT_US);
}

struct wheel_entry *wheel_take_all(struct wheel *wheel) {
    return take_until(wheel, wheel->current_slot + WHEEL_SLOTS);
}

int64_t wheel_next_us(const struct wheel *wheel) {
    return wheel->count == 0 ? INT64_MAX : (wheel->current_slot + 1) * WHEEL_SLOT_US;
}
