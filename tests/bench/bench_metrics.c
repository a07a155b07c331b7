/* Nanoseconds of processor time to record one event: prints those of a counter, on one thread and while as many threads as the
 * argument says record the same, then those of a histogram, and last the microseconds to write the text of all metrics. */
#include "jwtd/metrics.h"
#include "jwtd/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RECORDINGS 20000000
#define THREADS_MAX 64
#define ROUTES 25
#define STATEMENTS 40
#define TEXTS 20

struct recorder {
    void (*record)(unsigned i);
    struct thread thread;
    double ns;
};

static void count(unsigned i) {
    metric_add(METRIC_HTTP_REQUESTS, i % 8, 1);
}

static void observe(unsigned i) {
    metric_observe(METRIC_HTTP_REQUEST_DURATION, i % 8, i % 1000000); /* up to 1 ms: a request that is answered at once */
}

/* Of this thread, so that others on the machine do not count. */
static double processor_ns(void) {
    struct timespec used;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0)
        exit(1);
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static void run(void *context) {
    struct recorder *recorder = context;
    double begin_ns = processor_ns();
    for (unsigned i = 0; i < RECORDINGS; i++)
        recorder->record(i);
    recorder->ns = (processor_ns() - begin_ns) / RECORDINGS;
}

/* The mean of all threads. */
static double nanoseconds(void (*record)(unsigned i), unsigned threads) {
    static struct recorder recorders[THREADS_MAX];
    double sum = 0;
    for (unsigned i = 0; i < threads; i++) {
        recorders[i].record = record;
        if (thread_start(&recorders[i].thread, "recorder", run, &recorders[i]) != STATUS_OK)
            exit(1);
    }
    for (unsigned i = 0; i < threads; i++) {
        thread_join(&recorders[i].thread);
        sum += recorders[i].ns;
    }
    return sum / threads;
}

static double microseconds_of_text(void) {
    static char names[ROUTES + STATEMENTS][16];
    const char *routes[ROUTES];
    for (unsigned i = 0; i < ROUTES + STATEMENTS; i++)
        snprintf(names[i], sizeof names[i], "name_%u", i);
    for (unsigned i = 0; i < ROUTES; i++)
        routes[i] = names[i];
    metric_give_routes(routes, ROUTES);
    for (unsigned i = 0; i < ROUTES; i++)
        metric_observe(METRIC_HTTP_REQUEST_DURATION, i + 1, 1);
    for (unsigned i = ROUTES; i < ROUTES + STATEMENTS; i++)
        metric_observe(METRIC_STATEMENT_DURATION, metric_index_of_statement(names[i]), 1);
    double begin_ns = processor_ns();
    for (unsigned i = 0; i < TEXTS; i++) {
        struct arena arena;
        arena_init(&arena, (size_t)4 * 1024 * 1024);
        if (metrics_write(&arena, METRICS_TEXT).bytes == NULL)
            exit(1);
        arena_fini(&arena);
    }
    return (processor_ns() - begin_ns) / 1000 / TEXTS;
}

int main(int argc, char **argv) {
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    if (threads == 0 || threads > THREADS_MAX)
        return 2;
    printf("%.1f %.1f ", nanoseconds(count, 1), nanoseconds(count, threads));
    printf("%.1f %.1f ", nanoseconds(observe, 1), nanoseconds(observe, threads));
    printf("%.0f\n", microseconds_of_text());
    return 0;
}
