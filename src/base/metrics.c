/* Recording, and the readers. */
#include "metric_table.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

/*
 * The cells of one thread, in pages of their own: those that are never written take no memory. Only the thread writes them, by a
 * load and a store; a scrape reads them, which is why they are atomic.
 */
struct block {
    struct block *next, **previous; /* guarded by blocks_lock */
    _Atomic uint64_t cells[METRIC_CELLS_MAX];
};

static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list, and the end of a thread against a scrape */
static struct block *blocks;
static _Atomic uint64_t ended[METRIC_CELLS_MAX]; /* of threads that have ended, or that have no block */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* whose destructor ends a thread's block */
static unsigned cell_count;
static struct { unsigned first, count; } places[METRIC_COUNT];

static _Thread_local struct {
    _Atomic uint64_t *cells; /* NULL: nothing was recorded yet */
    bool is_shared;          /* they are those of `ended` */
} own;

/* ---- blocks ---- */

static void end_block(void *argument) {
    struct block *block = argument;
    pthread_mutex_lock(&blocks_lock);
    for (unsigned i = 0; i < cell_count; i++) {
        uint64_t n = atomic_load_explicit(&block->cells[i], memory_order_relaxed);
        if (n != 0)
            atomic_fetch_add_explicit(&ended[i], n, memory_order_relaxed);
    }
    *block->previous = block->next;
    if (block->next != NULL)
        block->next->previous = block->previous;
    pthread_mutex_unlock(&blocks_lock);
    munmap(block, sizeof *block);
    own.cells = NULL; /* another destructor may record */
}

/* The rows of few series come first: with the head of the block they fill half a page, and most threads touch no other, or one of
 * the statements, or of the routes. */
static void set_up(void) {
    for (int is_wide = 0; is_wide <= 1; is_wide++) {
        for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
            const struct metric_row *row = &metric_rows[metric];
            if (row->is_read || row->hides_zeros != is_wide)
                continue;
            places[metric].first = cell_count;
            places[metric].count = metric_series(row) * (row->type == METRIC_HISTOGRAM ? METRIC_HISTOGRAM_CELLS : 1);
            cell_count += places[metric].count;
        }
    }
    assert(cell_count <= METRIC_CELLS_MAX);
    int error = pthread_key_create(&key, end_block);
    assert(error == 0);
}

static struct block *create_block(void) {
    struct block *block = mmap(NULL, sizeof *block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    if (pthread_setspecific(key, block) == 0)
        return block;
    munmap(block, sizeof *block);
    return NULL;
}

static void begin_recording(void) {
    pthread_once(&once, set_up);
    struct block *block = create_block();
    own.is_shared = block == NULL;
    own.cells = block != NULL ? block->cells : ended;
    if (block == NULL)
        return;
    pthread_mutex_lock(&blocks_lock);
    block->next = blocks;
    block->previous = &blocks;
    if (blocks != NULL)
        blocks->previous = &block->next;
    blocks = block;
    pthread_mutex_unlock(&blocks_lock);
}

/* ---- recording ---- */

static void add(unsigned cell, uint64_t n) {
    _Atomic uint64_t *place = &own.cells[cell];
    if (own.is_shared)
        atomic_fetch_add_explicit(place, n, memory_order_relaxed);
    else
        atomic_store_explicit(place, atomic_load_explicit(place, memory_order_relaxed) + n, memory_order_relaxed);
}

/* The row's first cell of this series. */
static unsigned cell_of(enum metric metric, unsigned index, unsigned cells_each) {
    if (own.cells == NULL)
        begin_recording();
    assert((index + 1) * cells_each <= places[metric].count);
    return places[metric].first + index * cells_each;
}

void metric_add(enum metric counter, unsigned index, uint64_t n) {
    add(cell_of(counter, index, 1), n);
}

void metric_change(enum metric gauge, unsigned index, int64_t change) {
    add(cell_of(gauge, index, 1), (uint64_t)change);
}

void metric_move(enum metric gauge, unsigned from, unsigned to) {
    metric_change(gauge, from, -1);
    metric_change(gauge, to, 1);
}

void metric_observe(enum metric histogram, unsigned index, int64_t ns) {
    unsigned first = cell_of(histogram, index, METRIC_HISTOGRAM_CELLS), bucket = 0;
    if (ns < 0)
        ns = 0;
    while (bucket < METRIC_BUCKETS && ns > metric_buckets[bucket].ns)
        bucket++;
    add(first + bucket, 1);
    add(first + METRIC_HISTOGRAM_CELLS - 1, (uint64_t)ns);
}

/* ---- reading ---- */

unsigned metric_first_cell(enum metric metric) {
    return places[metric].first;
}

void metric_sum_cells(uint64_t *sums) {
    pthread_once(&once, set_up);
    pthread_mutex_lock(&blocks_lock);
    for (unsigned i = 0; i < cell_count; i++)
        sums[i] = atomic_load_explicit(&ended[i], memory_order_relaxed);
    for (const struct block *block = blocks; block != NULL; block = block->next)
        for (unsigned i = 0; i < cell_count; i++)
            sums[i] += atomic_load_explicit(&block->cells[i], memory_order_relaxed);
    pthread_mutex_unlock(&blocks_lock);
}

static struct {
    metric_reader *read;
    void *context;
} readers[METRIC_COUNT];
static pthread_mutex_t readers_lock = PTHREAD_MUTEX_INITIALIZER;

void metric_register(enum metric metric, metric_reader *read, void *context) {
    assert(metric < METRIC_COUNT && metric_rows[metric].is_read);
    pthread_mutex_lock(&readers_lock);
    assert(readers[metric].read == NULL);
    readers[metric].read = read;
    readers[metric].context = context;
    pthread_mutex_unlock(&readers_lock);
}

void metric_unregister(enum metric metric) {
    assert(metric < METRIC_COUNT);
    pthread_mutex_lock(&readers_lock);
    readers[metric].read = NULL;
    pthread_mutex_unlock(&readers_lock);
}

void metric_read(enum metric metric, struct metric_samples *samples) {
    pthread_mutex_lock(&readers_lock);
    if (readers[metric].read != NULL)
        readers[metric].read(samples, readers[metric].context);
    pthread_mutex_unlock(&readers_lock);
}
