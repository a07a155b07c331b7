/*
 * clock: the two clocks of the program. Deadlines and waits use the monotonic clock; claims of tokens use the wall clock;
 * sessions are timed by the database's own clock and never by these. Safe from every thread; cannot fail.
 */
#ifndef JWTD_CLOCK_H
#define JWTD_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_US_PER_S INT64_C(1000000)
#define CLOCK_TEXT_SIZE 32

int64_t clock_monotonic_us(void); /* microseconds since some fixed point */
int64_t clock_wall_us(void);      /* microseconds since 1970-01-01 UTC */
int64_t clock_wall_s(void);       /* seconds since 1970-01-01 UTC */

/* Writes "2026-11-20T21:35:00.123Z" (RFC 3339, UTC, milliseconds) for a wall time in microseconds; returns `text`. */
const char *clock_text(int64_t wall_us, char text[CLOCK_TEXT_SIZE]);

#endif
