#include "worker.h"

#include "exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct {
    const struct workers *owner;
    struct worker *worker;
} own;

bool workers_init(struct workers *workers, unsigned count) {
    size_t size = count * sizeof *workers->items;
    *workers = (struct workers){ .items = aligned_alloc(alignof(struct worker), size), .count = count };
    if (workers->items == NULL)
        return false;
    memset(workers->items, 0, size);
    return true;
}

void workers_fini(struct workers *workers, struct snapshot_holder *snapshots) {
    for (unsigned i = 0; i < workers->count && workers->items != NULL; i++) {
        struct worker *worker = &workers->items[i];
        assert(worker->in_flight == 0 && worker->lease.uses == 0);
        snapshot_lease_fini(snapshots, &worker->lease);
        while (worker->spare_count > 0)
            exchange_free(worker->spares[--worker->spare_count]);
    }
    free(workers->items);
    *workers = (struct workers){ .count = 0 };
}

struct worker *worker_of_thread(struct workers *workers) {
    if (own.owner != workers) {
        unsigned index = atomic_fetch_add(&workers->taken, 1);
        assert(index < workers->count);
        own.owner = workers;
        own.worker = &workers->items[index];
    }
    return own.worker;
}

unsigned workers_in_flight(struct workers *workers) {
    unsigned sum = 0;
    for (unsigned i = 0; i < workers->count; i++)
        sum += atomic_load(&workers->items[i].in_flight);
    return sum;
}
