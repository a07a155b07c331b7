#include "jwtd/audit.h"

#include "audit_failures.h"
#include "audit_queue.h"

#include "jwtd/auth_events.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH 100u
#define MINUTE_US (60 * CLOCK_US_PER_S)
#define HOUR_US (60 * MINUTE_US)
#define BACK_OFF_MAX_US (8 * CLOCK_US_PER_S)

static const struct {
    enum session_refresh result;
    const char *name; /* in the detail of refreshes_counted */
} refresh_results[] = {
    { SESSION_ROTATED, "rotated" },   { SESSION_RETRIED, "retried" }, { SESSION_REPLACED, "replaced" },
    { SESSION_TOO_SOON, "too_soon" }, { SESSION_REUSED, "reused" },   { SESSION_ENDED, "ended" },
    { SESSION_EXPIRED, "expired" },
};

struct audit {
    void (*wake)(void *context);
    void *waker;
    atomic_ullong refreshes[ARRAY_LEN(refresh_results)];

    pthread_mutex_t lock; /* guards all up to `lost` */
    struct audit_queue queue;
    struct failure_table *failures; /* those that are counted now */
    uint64_t written, lost;

    /* of the thread that writes */
    struct failure_table *spare; /* empty */
    int64_t hour_ends_us;
    int64_t not_before_us; /* after a failure */
    int64_t back_off_us;
    uint64_t lost_noted; /* of `lost`, those that an event says */
    uint64_t lost_logged;
    int64_t lost_logged_us;
};

struct audit *audit_create(void) {
    struct audit *audit = calloc(1, sizeof *audit);
    if (audit == NULL)
        return NULL;
    pthread_mutex_init(&audit->lock, NULL);
    audit->hour_ends_us = clock_monotonic_us() + HOUR_US;
    audit->failures = calloc(1, sizeof *audit->failures);
    audit->spare = calloc(1, sizeof *audit->spare);
    if (audit->failures == NULL || audit->spare == NULL) {
        audit_destroy(audit);
        return NULL;
    }
    randombytes_buf(audit->failures->secret, sizeof audit->failures->secret);
    randombytes_buf(audit->spare->secret, sizeof audit->spare->secret);
    return audit;
}

static void free_failures(struct failure_table *table) {
    for (size_t i = 0; table != NULL && i < AUDIT_FAILURE_SLOTS; i++)
        free(table->slots[i].event);
    free(table);
}

void audit_destroy(struct audit *audit) {
    if (audit == NULL)
        return;
    audit_queue_remove(&audit->queue, audit->queue.count);
    free_failures(audit->failures);
    free_failures(audit->spare);
    pthread_mutex_destroy(&audit->lock);
    free(audit);
}

void audit_set_waker(struct audit *audit, void (*wake)(void *context), void *context) {
    audit->wake = wake;
    audit->waker = context;
}

struct audit_counts audit_counts(struct audit *audit) {
    pthread_mutex_lock(&audit->lock);
    struct audit_counts counts = { audit->written, audit->lost, audit->queue.count };
    pthread_mutex_unlock(&audit->lock);
    return counts;
}

/* ---- adding ---- */

/* Takes the event; NULL: there was no memory for it. */
static void append(struct audit *audit, struct queued_event *event) {
    pthread_mutex_lock(&audit->lock);
    bool fits = event != NULL && audit->queue.count < AUDIT_PENDING_MAX;
    if (fits)
        audit_queue_append(&audit->queue, event);
    else
        audit->lost++;
    bool must_wake = fits && (audit->queue.count == 1 || audit->queue.count == BATCH);
    pthread_mutex_unlock(&audit->lock);
    if (!fits)
        free(event);
    if (must_wake && audit->wake != NULL)
        audit->wake(audit->waker);
}

void audit_add(struct audit *audit, const struct audit_event *event) {
    append(audit, queued_event_create(event));
}

/* Whether it is counted with others before it. */
static bool count_again(struct audit *audit, const struct failure_key *key) {
    pthread_mutex_lock(&audit->lock);
    struct failure *failure = failure_table_find(audit->failures, key);
    bool is_counted = failure != NULL && failure->count > 0;
    if (is_counted)
        failure->count++;
    else if (failure == NULL)
        audit->lost++;
    pthread_mutex_unlock(&audit->lock);
    return is_counted || failure == NULL;
}

/* Takes the event. Another thread may have counted the same by now, or may have filled the table. */
static void count_first(struct audit *audit, const struct failure_key *key, struct queued_event *event) {
    pthread_mutex_lock(&audit->lock);
    struct failure_table *table = audit->failures;
    struct failure *failure = failure_table_find(table, key);
    bool is_first = failure != NULL && failure->count == 0 && event != NULL;
    if (is_first) {
        *failure = (struct failure){ .key = *key, .event = event };
        if (table->count++ == 0)
            table->first_us = clock_monotonic_us();
    }
    if (failure != NULL && (is_first || failure->count > 0))
        failure->count++;
    else
        audit->lost++;
    bool must_wake = is_first && table->count == 1;
    pthread_mutex_unlock(&audit->lock);
    if (!is_first)
        free(event);
    if (must_wake && audit->wake != NULL)
        audit->wake(audit->waker);
}

void audit_add_failure(struct audit *audit, const struct audit_event *event) {
    struct failure_key key = failure_key_of(event);
    assert(event->reason != NULL && event->detail == NULL);
    if (!count_again(audit, &key))
        count_first(audit, &key, queued_event_create(event));
}

void audit_count_refresh(struct audit *audit, enum session_refresh result) {
    for (size_t i = 0; i < ARRAY_LEN(refresh_results); i++)
        if (refresh_results[i].result == result)
            atomic_fetch_add_explicit(&audit->refreshes[i], 1, memory_order_relaxed);
}

/* ---- counts that become events ---- */

static void end_failures(struct audit *audit) {
    pthread_mutex_lock(&audit->lock);
    struct failure_table *ended = audit->failures;
    audit->failures = audit->spare;
    pthread_mutex_unlock(&audit->lock);
    for (size_t i = 0; i < AUDIT_FAILURE_SLOTS; i++) {
        struct failure *failure = &ended->slots[i];
        char detail[48];
        (void)snprintf(detail, sizeof detail, "{\"count\":%lld}", (long long)failure->count);
        if (failure->count > 0)
            append(audit, queued_event_add_detail(failure->event, detail));
        *failure = (struct failure){ .count = 0 };
    }
    ended->count = 0;
    audit->spare = ended;
}

/* INT64_MAX: none is counted. */
static int64_t failures_end_us(struct audit *audit) {
    pthread_mutex_lock(&audit->lock);
    int64_t end_us = audit->failures->count > 0 ? audit->failures->first_us + MINUTE_US : INT64_MAX;
    pthread_mutex_unlock(&audit->lock);
    return end_us;
}

static void end_refreshes(struct audit *audit) {
    char detail[64 + ARRAY_LEN(refresh_results) * 40] = "{";
    unsigned long long total = 0;
    size_t len = 1;
    for (size_t i = 0; i < ARRAY_LEN(refresh_results); i++) {
        unsigned long long count = atomic_exchange(&audit->refreshes[i], 0);
        len += (size_t)snprintf(detail + len, sizeof detail - len, "%s\"%s\":%llu", i > 0 ? "," : "", refresh_results[i].name,
                                count);
        total += count;
    }
    assert(len + 2 <= sizeof detail);
    detail[len++] = '}';
    detail[len] = '\0';
    if (total > 0)
        audit_add(audit, &(struct audit_event){ .event = "refreshes_counted", .detail = detail });
}

static void end_counts(struct audit *audit, int64_t now_us) {
    if (now_us >= failures_end_us(audit))
        end_failures(audit);
    if (now_us >= audit->hour_ends_us) {
        end_refreshes(audit);
        audit->hour_ends_us = now_us + HOUR_US;
    }
}

/* ---- writing ---- */

static void log_lost(struct audit *audit, uint64_t lost, int64_t now_us) {
    bool is_due = audit->lost_logged == 0 || now_us - audit->lost_logged_us >= MINUTE_US;
    if (lost == audit->lost_logged || !is_due)
        return;
    log_event(LOG_ERROR, "audit_events_lost", "count=%llu total=%llu", (unsigned long long)(lost - audit->lost_logged),
              (unsigned long long)lost);
    audit->lost_logged = lost;
    audit->lost_logged_us = now_us;
}

/* When the table can be written again: it says itself where it has a gap. */
static void note_lost(struct audit *audit) {
    uint64_t lost = audit_counts(audit).lost;
    char detail[48];
    if (lost == audit->lost_noted)
        return;
    (void)snprintf(detail, sizeof detail, "{\"count\":%llu}", (unsigned long long)(lost - audit->lost_noted));
    audit->lost_noted = lost;
    audit_add(audit, &(struct audit_event){ .event = "events_lost", .detail = detail });
}

/* The first `count` are taken out; others may have come behind them in the meantime. */
static void end_batch(struct audit *audit, unsigned count, bool is_written) {
    pthread_mutex_lock(&audit->lock);
    audit_queue_remove(&audit->queue, count);
    if (is_written)
        audit->written += count;
    else
        audit->lost += count;
    pthread_mutex_unlock(&audit->lock);
}

static enum status insert(const struct db_call *call, const struct queued_event *first, unsigned count) {
    char *batch = audit_queue_batch(first, count);
    if (batch == NULL)
        return STATUS_OUT_OF_MEMORY;
    enum status status = auth_events_insert(call, batch);
    free(batch);
    return status;
}

/* Text that the database cannot hold would fail for ever; any other failure may pass. */
static enum status write_batch(struct audit *audit, const struct db_call *call, const struct queued_event *first,
                               unsigned count) {
    enum status status = insert(call, first, count);
    if (status == STATUS_OK || status == STATUS_BAD_REQUEST)
        end_batch(audit, count, status == STATUS_OK);
    if (status == STATUS_OK)
        note_lost(audit);
    return status;
}

static void back_off(struct audit *audit, enum status status) {
    if (status == STATUS_OK || status == STATUS_BAD_REQUEST) {
        audit->back_off_us = audit->not_before_us = 0;
        return;
    }
    audit->back_off_us = audit->back_off_us == 0 ? CLOCK_US_PER_S : audit->back_off_us * 2;
    if (audit->back_off_us > BACK_OFF_MAX_US)
        audit->back_off_us = BACK_OFF_MAX_US;
    audit->not_before_us = clock_monotonic_us() + audit->back_off_us;
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The first events of the queue: how many make a batch, and since when the first one waits. Only this thread takes any out. */
static const struct queued_event *first_events(struct audit *audit, unsigned *count, uint64_t *lost) {
    pthread_mutex_lock(&audit->lock);
    const struct queued_event *first = audit->queue.first;
    *count = audit->queue.count < BATCH ? audit->queue.count : BATCH;
    *lost = audit->lost;
    pthread_mutex_unlock(&audit->lock);
    return first;
}

int64_t audit_write(struct audit *audit, const struct db_call *call, int64_t now_us) {
    unsigned count;
    uint64_t lost;
    end_counts(audit, now_us);
    const struct queued_event *first = first_events(audit, &count, &lost);
    log_lost(audit, lost, now_us);
    int64_t counts_us = earlier(failures_end_us(audit), audit->hour_ends_us);
    if (count == 0)
        return counts_us;
    int64_t due_us = count == BATCH ? now_us : first->added_us + AUDIT_LINGER_US;
    due_us = due_us > audit->not_before_us ? due_us : audit->not_before_us;
    if (due_us > now_us)
        return earlier(due_us, counts_us);
    back_off(audit, write_batch(audit, call, first, count));
    return audit->not_before_us > now_us ? audit->not_before_us : now_us;
}

void audit_write_all(struct audit *audit, const struct db_call *call) {
    unsigned count;
    uint64_t lost;
    end_failures(audit);
    end_refreshes(audit);
    enum status status = STATUS_OK;
    const struct queued_event *first = first_events(audit, &count, &lost);
    while (count > 0 && status == STATUS_OK && clock_monotonic_us() < call->deadline_us) {
        status = write_batch(audit, call, first, count);
        first = first_events(audit, &count, &lost);
    }
    while (count > 0) {
        end_batch(audit, count, false);
        first_events(audit, &count, &lost);
    }
    log_lost(audit, lost, INT64_MAX);
}
