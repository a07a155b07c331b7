#include "task.h"

#include "jwtd/clock.h"

#include <malloc.h>

/* The heap keeps what thousands of connections have freed, above all between a few small pieces that are still in use. */
#define INTERVAL_US (5 * CLOCK_US_PER_S)
#define FREE_MAX ((size_t)4 * 1024 * 1024)

/* Under load more is in use than free, and what is free is used again at once: then it stays. */
static int64_t run(const struct task_round *round) {
    (void)round;
    struct mallinfo2 heap = mallinfo2();
    if (heap.fordblks > FREE_MAX && heap.fordblks > heap.uordblks)
        malloc_trim(0);
    return clock_monotonic_us() + INTERVAL_US;
}

const struct task memory_task = { 0, run, NULL };
