#include "http_thread.h"

#include "exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct {
    const struct http_threads *owner;
    struct http_thread *thread;
} own;

bool http_threads_init(struct http_threads *threads, unsigned count) {
    size_t size = count * sizeof *threads->items;
    *threads = (struct http_threads){ .items = aligned_alloc(alignof(struct http_thread), size), .count = count };
    if (threads->items == NULL)
        return false;
    memset(threads->items, 0, size);
    return true;
}

void http_threads_fini(struct http_threads *threads, struct snapshot_holder *snapshots) {
    for (unsigned i = 0; i < threads->count && threads->items != NULL; i++) {
        struct http_thread *thread = &threads->items[i];
        assert(thread->in_flight == 0 && thread->lease.uses == 0);
        snapshot_lease_fini(snapshots, &thread->lease);
        while (thread->spare_count > 0)
            exchange_free(thread->spares[--thread->spare_count]);
    }
    free(threads->items);
    *threads = (struct http_threads){ .count = 0 };
}

struct http_thread *http_thread_current(struct http_threads *threads) {
    if (own.owner != threads) {
        unsigned index = atomic_fetch_add(&threads->taken, 1);
        assert(index < threads->count);
        own.owner = threads;
        own.thread = &threads->items[index];
    }
    return own.thread;
}

unsigned http_threads_in_flight(struct http_threads *threads) {
    unsigned sum = 0;
    for (unsigned i = 0; i < threads->count; i++)
        sum += atomic_load(&threads->items[i].in_flight);
    return sum;
}
