/*
 * clock: the clocks of the program. Deadlines and waits use the monotonic clock; claims of tokens use the wall clock; what must
 * be kept until tokens have expired uses the retention clock; sessions are timed by the database's own clock and never by these.
 * Safe from every thread; cannot fail.
 */
#ifndef JWTD_CLOCK_H
#define JWTD_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_US_PER_S INT64_C(1000000)
#define CLOCK_TEXT_SIZE 32

int64_t clock_monotonic_us(void); /* microseconds since some fixed point */
int64_t clock_boot_us(void);      /* the same, and goes on while the machine sleeps */
int64_t clock_wall_us(void);      /* microseconds since 1970-01-01 UTC */
int64_t clock_wall_s(void);       /* seconds since 1970-01-01 UTC */

/* The retention clock. Tokens expire by the wall clock, which may be set. What is kept by that clock alone is dropped too early
 * when it is set forward for a moment; by the time since the boot, when it is set back. This one never advances by more than
 * either of them, between any two moments at which it is read: it stands or steps back when the wall clock is set back, by a day
 * at most each time, and does not notice when that is set forward. Seconds from some point of its own, always positive. */
int64_t clock_retention_s(void);

struct clock_retention {
    int64_t wall_us, boot_us; /* at the last reading */
    int64_t now_us;           /* 0: there was none */
};

/* The same in microseconds, for given times of the two clocks. */
int64_t clock_retention_advance(struct clock_retention *clock, int64_t wall_us, int64_t boot_us);

/* Writes "2026-11-20T21:35:00.123Z" (RFC 3339, UTC, milliseconds) for a wall time in microseconds; returns `text`. */
const char *clock_text(int64_t wall_us, char text[CLOCK_TEXT_SIZE]);

#endif
