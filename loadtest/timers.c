#include "timers.h"

#include <assert.h>
#include <stdlib.h>

#define SIZE_BEGIN 1024

static void sift_up(struct timer *items, size_t at) {
    struct timer timer = items[at];
    for (; at > 0 && items[(at - 1) / 2].due_ns > timer.due_ns; at = (at - 1) / 2)
        items[at] = items[(at - 1) / 2];
    items[at] = timer;
}

/* Puts `timer` into the heap whose top is vacant. */
static void sift_down(struct timer *items, size_t count, struct timer timer) {
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && items[child + 1].due_ns < items[child].due_ns)
            child++;
        if (items[child].due_ns >= timer.due_ns)
            break;
        items[at] = items[child];
        at = child;
    }
    items[at] = timer;
}

static bool grow(struct timers *timers) {
    size_t size = timers->size == 0 ? SIZE_BEGIN : timers->size * 2;
    struct timer *items = reallocarray(timers->items, size, sizeof *items);
    if (items == NULL)
        return false;
    timers->items = items;
    timers->size = size;
    return true;
}

bool timers_add(struct timers *timers, struct request *request) {
    assert(request->state == REQUEST_TIMED);
    if (timers->count == timers->size && !grow(timers))
        return false;
    timers->items[timers->count] = (struct timer){ request->due_ns, request };
    sift_up(timers->items, timers->count++);
    return true;
}

int64_t timers_next_ns(const struct timers *timers) {
    return timers->count == 0 ? INT64_MAX : timers->items[0].due_ns;
}

struct request *timers_take_due(struct timers *timers, int64_t now_ns) {
    if (timers_next_ns(timers) > now_ns)
        return NULL;
    struct request *request = timers->items[0].request;
    struct timer last = timers->items[--timers->count];
    if (timers->count > 0)
        sift_down(timers->items, timers->count, last);
    return request;
}

static bool is_load(const struct request *request) {
    return request->purpose != REQUEST_RENEW;
}

void timers_drop_load(struct timers *timers) {
    size_t count = timers->count;
    timers->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct timer timer = timers->items[i];
        if (is_load(timer.request)) {
            request_destroy(timer.request);
        } else {
            timers->items[timers->count] = timer;
            sift_up(timers->items, timers->count++);
        }
    }
}

bool timers_have_load(const struct timers *timers) {
    for (size_t i = 0; i < timers->count; i++)
        if (is_load(timers->items[i].request))
            return true;
    return false;
}

void timers_fini(struct timers *timers) {
    for (size_t i = 0; i < timers->count; i++)
        request_destroy(timers->items[i].request);
    free(timers->items);
    *timers = (struct timers){ .items = NULL };
}
