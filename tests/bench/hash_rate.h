/*
 * hash_rate: the loop that the hashing benchmarks share, in a header since each of them is a program of one file. It runs one
 * hasher on each thread for some seconds and prints one line of JSON with the rate.
 */
#ifndef HASH_RATE_H
#define HASH_RATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HASH_RATE_THREADS_MAX 256

struct hash_rate {
    const char *name;
    void *(*start)(size_t memory, unsigned operations); /* on the thread that hashes; NULL fails the run */
    bool (*hash)(void *state);
    void (*stop)(void *state);
    size_t memory;
    unsigned operations;
    int64_t end_ns;
};

static atomic_uint_fast64_t hash_rate_hashes;
static atomic_bool hash_rate_failed;

static int64_t hash_rate_now_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *hash_rate_thread(void *argument) {
    const struct hash_rate *rate = argument;
    void *state = rate->start(rate->memory, rate->operations);
    uint64_t hashes = 0;

    if (state == NULL) {
        hash_rate_failed = true;
        return NULL;
    }
    while (!hash_rate_failed && hash_rate_now_ns() < rate->end_ns) {
        if (!rate->hash(state))
            hash_rate_failed = true;
        hashes++;
    }
    hash_rate_hashes += hashes;
    rate->stop(state);
    return NULL;
}

static bool hash_rate_run(struct hash_rate *rate, unsigned threads) {
    pthread_t ids[HASH_RATE_THREADS_MAX];
    unsigned running = 0;

    while (running < threads && pthread_create(&ids[running], NULL, hash_rate_thread, rate) == 0)
        running++;
    for (unsigned i = 0; i < running; i++)
        pthread_join(ids[i], NULL);
    return running == threads && !hash_rate_failed;
}

/* Arguments: threads, seconds, memory in bytes, operations. Returns the exit code. */
static int hash_rate_main(struct hash_rate rate, int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: %s THREADS SECONDS MEMORY OPERATIONS\n", argv[0]);
        return 2;
    }
    unsigned long threads = strtoul(argv[1], NULL, 10);
    double seconds = strtod(argv[2], NULL);
    rate.memory = strtoul(argv[3], NULL, 10);
    rate.operations = (unsigned)strtoul(argv[4], NULL, 10);
    if (threads < 1 || threads > HASH_RATE_THREADS_MAX || !(seconds > 0)) {
        fprintf(stderr, "%s: 1 to %d threads, more than 0 seconds\n", argv[0], HASH_RATE_THREADS_MAX);
        return 2;
    }

    int64_t begin_ns = hash_rate_now_ns();
    rate.end_ns = begin_ns + (int64_t)(seconds * 1e9);
    if (!hash_rate_run(&rate, (unsigned)threads)) {
        fprintf(stderr, "%s: a hash or a thread failed\n", argv[0]);
        return 1;
    }
    double elapsed_s = (double)(hash_rate_now_ns() - begin_ns) / 1e9;
    printf("{\"name\":\"%s\",\"threads\":%lu,\"seconds\":%.3f,\"memory\":%zu,\"operations\":%u,\"hashes\":%llu,"
           "\"hashes_per_second\":%.1f}\n",
           rate.name, threads, elapsed_s, rate.memory, rate.operations, (unsigned long long)hash_rate_hashes,
           (double)hash_rate_hashes / elapsed_s);
    return 0;
}

#endif
