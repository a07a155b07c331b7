#include "jwtd/activity.h"

#include "jwtd/clock.h"

#include <dirent.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#define CACHE_LINE 64
#define STAT_SIZE 512

struct cell {
    alignas(CACHE_LINE) _Atomic(const char *) what; /* written by its thread only */
    _Atomic int64_t since_us;
    pid_t id;
    LIST_ENTRY(cell) link;
};

static _Thread_local struct cell own;

static LIST_HEAD(cell_list, cell) cells = LIST_HEAD_INITIALIZER(cells);
static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards the list: a cell in it belongs to a thread that has not ended */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its destructor is called when a thread ends, also one that a library has started */
static bool has_key;

static void leave(void *value) {
    struct cell *cell = value;
    pthread_mutex_lock(&lock);
    LIST_REMOVE(cell, link);
    pthread_mutex_unlock(&lock);
}

static void make_key(void) {
    has_key = pthread_key_create(&key, leave) == 0;
}

/* A thread that would not leave must not join. */
static void join(struct cell *cell) {
    pthread_once(&once, make_key);
    cell->id = gettid();
    if (!has_key || pthread_setspecific(key, cell) != 0)
        return;
    pthread_mutex_lock(&lock);
    LIST_INSERT_HEAD(&cells, cell, link);
    pthread_mutex_unlock(&lock);
}

/* That of the last tick, which costs a fraction of clock_monotonic_us. */
static int64_t coarse_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * CLOCK_US_PER_S + now.tv_nsec / 1000;
}

const char *activity_set(const char *what) {
    if (own.id == 0)
        join(&own);
    const char *before = atomic_load_explicit(&own.what, memory_order_relaxed);
    atomic_store_explicit(&own.since_us, coarse_us(), memory_order_relaxed);
    atomic_store_explicit(&own.what, what, memory_order_relaxed);
    return before;
}

static void read_cell(struct thread_activity *thread) {
    pthread_mutex_lock(&lock);
    const struct cell *cell = LIST_FIRST(&cells);
    while (cell != NULL && cell->id != thread->id)
        cell = LIST_NEXT(cell, link);
    if (cell != NULL) {
        thread->what = atomic_load_explicit(&cell->what, memory_order_relaxed);
        thread->for_us = coarse_us() - atomic_load_explicit(&cell->since_us, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
}

/* proc(5): "id (name) state ... utime stime ...", where the name may have blanks and brackets, and utime is the 14th. */
static bool parse_stat(const char *text, struct thread_activity *thread) {
    const char *name = strchr(text, '('), *end = strrchr(text, ')'), *at = end;
    for (int field = 2; at != NULL && field < 14; field++) {
        at = strchr(at, ' ');
        at += at != NULL;
    }
    if (name == NULL || at == NULL || end < name)
        return false;
    char *behind;
    unsigned long user = strtoul(at, &behind, 10), kernel = strtoul(behind, NULL, 10);
    (void)snprintf(thread->name, sizeof thread->name, "%.*s", (int)(end - name - 1), name + 1);
    thread->state = end[2];
    thread->cpu_ms = (int64_t)(user + kernel) * 1000 / sysconf(_SC_CLK_TCK);
    return true;
}

/* False: the thread has ended. */
static bool read_kernel(const char *id, struct thread_activity *thread) {
    char path[64], text[STAT_SIZE];
    (void)snprintf(path, sizeof path, "/proc/self/task/%.16s/stat", id);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t len = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    return parse_stat(text, thread);
}

static int by_id(const struct dirent **a, const struct dirent **b) {
    long first = strtol((*a)->d_name, NULL, 10), second = strtol((*b)->d_name, NULL, 10);
    return (first > second) - (first < second);
}

bool activity_visit(void (*visit)(const struct thread_activity *thread, void *context), void *context) {
    struct dirent **entries;
    int count = scandir("/proc/self/task", &entries, NULL, by_id);
    for (int i = 0; i < count; i++) {
        struct thread_activity thread = { .id = (pid_t)strtol(entries[i]->d_name, NULL, 10) };
        if (thread.id > 0 && read_kernel(entries[i]->d_name, &thread)) {
            read_cell(&thread);
            visit(&thread, context);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return count >= 0;
}
