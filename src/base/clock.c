#include "jwtd/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * CLOCK_US_PER_S + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void) {
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void) {
    return read_us(CLOCK_REALTIME);
}

int64_t clock_wall_s(void) {
    return clock_wall_us() / CLOCK_US_PER_S;
}

const char *clock_text(int64_t wall_us, char text[CLOCK_TEXT_SIZE]) {
    int64_t us = wall_us % CLOCK_US_PER_S;
    if (us < 0)
        us += CLOCK_US_PER_S; /* before 1970 the remainder is negative, and the second is the one before */
    time_t seconds = (time_t)((wall_us - us) / CLOCK_US_PER_S);
    struct tm parts;
    char date[24] = "";
    if (gmtime_r(&seconds, &parts) != NULL)
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, CLOCK_TEXT_SIZE, "%s.%03uZ", date, (unsigned)(us / 1000));
    return text;
}
