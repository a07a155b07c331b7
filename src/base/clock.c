#include "jwtd/clock.h"

#include <pthread.h>
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

int64_t clock_boot_us(void) {
    return read_us(CLOCK_BOOTTIME);
}

int64_t clock_wall_us(void) {
    return read_us(CLOCK_REALTIME);
}

int64_t clock_wall_s(void) {
    return clock_wall_us() / CLOCK_US_PER_S;
}

#define RETENTION_START_US (INT64_C(1000000000) * CLOCK_US_PER_S) /* far enough from 0 for every step back */
#define RETENTION_STEP_MAX_US (INT64_C(86400) * CLOCK_US_PER_S)

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

int64_t clock_retention_advance(struct clock_retention *clock, int64_t wall_us, int64_t boot_us) {
    int64_t step_us = smaller(wall_us - clock->wall_us, boot_us - clock->boot_us);
    if (clock->now_us == 0)
        clock->now_us = RETENTION_START_US;
    else
        clock->now_us = larger(clock->now_us + larger(step_us, -RETENTION_STEP_MAX_US), CLOCK_US_PER_S);
    clock->wall_us = wall_us;
    clock->boot_us = boot_us;
    return clock->now_us;
}

int64_t clock_retention_s(void) {
    static struct clock_retention clock;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    int64_t now_us = clock_retention_advance(&clock, clock_wall_us(), clock_boot_us());
    pthread_mutex_unlock(&lock);
    return now_us / CLOCK_US_PER_S;
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
