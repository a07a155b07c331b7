#include "reservations.h"

#include <assert.h>

static unsigned find(const struct reservations *reservations, int fd) {
    unsigned index = 0;
    while (index < reservations->count && reservations->items[index].fd != fd)
        index++;
    return index;
}

static struct reservation take(struct reservations *reservations, unsigned index) {
    assert(index < reservations->count && reservations->count <= RESERVATIONS_MAX);
    struct reservation taken = reservations->items[index];
    reservations->items[index] = reservations->items[--reservations->count];
    return taken;
}

void reservations_add(struct reservations *reservations, struct reservation reservation) {
    assert(reservations->count < RESERVATIONS_MAX && find(reservations, reservation.fd) == reservations->count);
    reservations->items[reservations->count++] = reservation;
}

bool reservations_take(struct reservations *reservations, int fd, struct reservation *taken) {
    unsigned index = find(reservations, fd);
    if (index == reservations->count)
        return false;
    *taken = take(reservations, index);
    return true;
}

bool reservations_take_expired(struct reservations *reservations, int64_t now_us, struct reservation *taken) {
    for (unsigned i = 0; i < reservations->count; i++) {
        if (now_us - reservations->items[i].since_us < RESERVATION_LIMIT_US)
            continue;
        *taken = take(reservations, i);
        return true;
    }
    return false;
}
