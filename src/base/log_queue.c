#include "log_queue.h"

#include "jwtd/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define CACHE_LINE 64

/* In front of the bytes of each line. Entries have a multiple of its size, so that there is always room for one at the end. */
struct entry {
    int64_t time_us;
    uint32_t len; /* SKIP: the next entry is at the beginning of the memory */
    uint32_t padding;
};

#define SKIP UINT32_MAX

#define RESERVE (LOG_QUEUE_SIZE / 4)

/* An empty queue is used from its beginning again from here on: what is skipped counts as used until the next removal, and twice
 * the reserve shall be left. */
#define ANEW_FROM (LOG_QUEUE_SIZE / 2)

/* Bytes that a line of each room leaves. */
static const size_t left_by[] = {
    [QUEUE_ALL] = 0, [QUEUE_WITH_HALF_THE_RESERVE] = RESERVE / 2, [QUEUE_WITHOUT_RESERVE] = RESERVE
};

_Static_assert(LOG_QUEUE_SIZE % sizeof(struct entry) == 0, "an entry's head is never divided");

/* Positions count bytes since the beginning; they never wrap. */
struct log_queue {
    struct log_queue *next; /* of the list, which only grows */
    atomic_bool is_owned;
    char padding[CACHE_LINE];
    _Atomic uint64_t added; /* written by the owner, as `bytes` */
    char more_padding[CACHE_LINE];
    _Atomic uint64_t removed; /* written by who removes */
    char bytes[LOG_QUEUE_SIZE];
};

static _Atomic(struct log_queue *) queues;
static _Thread_local struct log_queue *own;
static pthread_key_t at_end_of_thread;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

/* What another destructor of this thread logs after this goes into another queue, which is given up in turn. */
static void give_up(void *queue) {
    own = NULL;
    atomic_store_explicit(&((struct log_queue *)queue)->is_owned, false, memory_order_release);
}

static void create_key(void) {
    int error = pthread_key_create(&at_end_of_thread, give_up);
    assert(error == 0);
}

static struct log_queue *take_over(void) {
    for (struct log_queue *queue = atomic_load(&queues); queue != NULL; queue = queue->next)
        if (!atomic_exchange_explicit(&queue->is_owned, true, memory_order_acquire))
            return queue;
    return NULL;
}

/* Mapped, so that the kernel provides a page only when it is touched. */
static struct log_queue *create(void) {
    struct log_queue *queue =
        mmap(NULL, sizeof *queue, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (queue == MAP_FAILED)
        return NULL;
    atomic_store(&queue->is_owned, true);
    queue->next = atomic_load(&queues);
    while (!atomic_compare_exchange_weak(&queues, &queue->next, queue))
        ;
    return queue;
}

static struct log_queue *own_queue(void) {
    if (own != NULL)
        return own;
    pthread_once(&key_once, create_key);
    struct log_queue *queue = take_over();
    if (queue == NULL)
        queue = create();
    if (queue != NULL && pthread_setspecific(at_end_of_thread, queue) != 0) {
        give_up(queue);
        return NULL;
    }
    own = queue;
    return queue;
}

static size_t entry_size(size_t len) {
    size_t excess = len % sizeof(struct entry);
    return sizeof(struct entry) + len + (excess > 0 ? sizeof(struct entry) - excess : 0);
}

static struct entry *entry_at(struct log_queue *queue, uint64_t position) {
    return (struct entry *)(void *)(queue->bytes + position % LOG_QUEUE_SIZE);
}

bool log_queues_add(int64_t time_us, struct text line, enum queue_room room) {
    struct log_queue *queue = own_queue();
    if (queue == NULL)
        return false;
    uint64_t begin = atomic_load_explicit(&queue->added, memory_order_relaxed);
    uint64_t used = begin - atomic_load_explicit(&queue->removed, memory_order_acquire);
    size_t room_to_end = LOG_QUEUE_SIZE - begin % LOG_QUEUE_SIZE;
    size_t size = entry_size(line.len);
    bool begins_anew = used == 0 && begin % LOG_QUEUE_SIZE >= ANEW_FROM;
    size_t skipped = begins_anew || room_to_end < size ? room_to_end : 0;
    if (used + skipped + size > LOG_QUEUE_SIZE - left_by[room])
        return false;
    if (skipped > 0)
        *entry_at(queue, begin) = (struct entry){ .len = SKIP };
    struct entry *entry = entry_at(queue, begin + skipped);
    *entry = (struct entry){ .time_us = time_us, .len = (uint32_t)line.len };
    memcpy(entry + 1, line.bytes, line.len);
    atomic_store(&queue->added, begin + skipped + size); /* sequentially consistent, for log.c's wake_writer, as the load */
    return true;
}

static struct entry *first_entry(struct log_queue *queue) {
    uint64_t begin = atomic_load_explicit(&queue->removed, memory_order_relaxed);
    if (begin == atomic_load(&queue->added))
        return NULL;
    struct entry *entry = entry_at(queue, begin);
    if (entry->len != SKIP)
        return entry;
    begin += LOG_QUEUE_SIZE - begin % LOG_QUEUE_SIZE;
    atomic_store_explicit(&queue->removed, begin, memory_order_release);
    return entry_at(queue, begin); /* it was added together with the entry that says SKIP */
}

bool log_queues_next(struct queued_line *line) {
    line->queue = NULL;
    for (struct log_queue *queue = atomic_load(&queues); queue != NULL; queue = queue->next) {
        const struct entry *entry = first_entry(queue);
        if (entry != NULL && (line->queue == NULL || entry->time_us < line->time_us))
            *line = (struct queued_line){ queue, entry->time_us, { (const char *)(entry + 1), entry->len } };
    }
    return line->queue != NULL;
}

void log_queues_remove(const struct queued_line *line) {
    atomic_fetch_add_explicit(&line->queue->removed, entry_size(line->text.len), memory_order_release);
}
