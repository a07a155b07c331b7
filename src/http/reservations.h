/*
 * reservations: connections that have been accepted, and are counted, but that no HTTP thread has added yet; found by descriptor.
 * No lock of its own: for connections.c, under its lock. Time is an argument (clock_monotonic_us).
 */
#ifndef JWTD_HTTP_RESERVATIONS_H
#define JWTD_HTTP_RESERVATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* An HTTP thread adds its new connections within a millisecond, and many at a time. */
#define RESERVATIONS_MAX 64
#define RESERVATION_LIMIT_US INT64_C(500000)

struct address_count;

struct reservation {
    int fd;
    bool is_too_many, is_of_address;     /* of connection.h */
    struct address_count *address_count; /* NULL: not counted by address */
    int64_t since_us;
};

struct reservations {
    struct reservation items[RESERVATIONS_MAX]; /* the first `count` */
    unsigned count;
};

/* There must be fewer than RESERVATIONS_MAX, and none of this descriptor. */
void reservations_add(struct reservations *reservations, struct reservation reservation);

/* Removes the one of this descriptor and copies it to *taken; false: there is none. */
bool reservations_take(struct reservations *reservations, int fd, struct reservation *taken);

/* Removes one that is at least RESERVATION_LIMIT_US old and copies it to *taken; false: there is none. */
bool reservations_take_expired(struct reservations *reservations, int64_t now_us, struct reservation *taken);

#endif
