/*
 * instant: time as the tester counts it: nanoseconds of the monotonic clock, since a reply can take 20 us and a microsecond would
 * be 5 % of it. Every worker process reads the same clock. Any thread; cannot fail.
 */
#ifndef FAILPOINT_INSTANT_H
#define FAILPOINT_INSTANT_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

static inline int64_t instant_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static inline double ns_to_s(int64_t ns) {
    return (double)ns / (double)NS_PER_S;
}

static inline int64_t s_to_ns(double seconds) {
    return (int64_t)(seconds * (double)NS_PER_S);
}

#endif
