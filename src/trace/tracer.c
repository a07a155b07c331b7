#include "jwtd/tracer.h"

#include "exporter.h"
#include "otlp.h"

#include "jwtd/activity.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/metrics.h"
#include "jwtd/thread.h"
#include "jwtd/uuid.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LATEST_US CLOCK_US_PER_S /* a batch is sent at the latest so long after its first trace */
#define TRIES_MAX 5
#define PAUSE_FIRST_US CLOCK_US_PER_S
#define PAUSE_LAST_US (60 * CLOCK_US_PER_S) /* also of what the collector asks for */
#define STOP_US CLOCK_US_PER_S
#define REJECTED_PAUSE_US (60 * CLOCK_US_PER_S)

struct tracer {
    struct exporter *exporter;
    struct thread thread;
    char instance_id[UUID_TEXT_SIZE];
    _Atomic int64_t callers_us;  /* when the bucket of sample_callers will be full again (clock_monotonic_us) */
    _Atomic int64_t until_us;    /* of transfers: INT64_MAX, until the service stops */
    atomic_uint_fast64_t lost;   /* spans, dropped or failed */
    bool is_outage;              /* of the thread: the last batch could not be sent */
    uint64_t lost_before_outage; /* of the thread */
    uint64_t rejected;           /* of the thread: spans of batches that the collector took, which no line reports yet */
    int64_t next_rejected_us;    /* of the thread: before this moment no other line reports them */

    pthread_mutex_t lock; /* guards all below, but the thread reads the traces from `first` on without it */
    pthread_cond_t changed;
    bool is_stopping;
    int64_t due_us; /* when the batch is sent at the latest; of no meaning without traces */
    size_t first, count;
    struct trace traces[TRACER_QUEUE]; /* a ring */
};

/* ---- sampling ---- */

#define MILLIONTHS 1000000

/* The bucket is one moment, at which it will be full; each token moves that on. */
static bool take_callers_token(struct tracer *tracer, const struct limit_rate *rate) {
    if (rate->amount == 0)
        return false;
    int64_t token_us = rate->period_ms * 1000 / rate->amount, now_us = clock_monotonic_us();
    int64_t full_us = atomic_load_explicit(&tracer->callers_us, memory_order_relaxed), next_us;
    do {
        int64_t from_us = full_us > now_us ? full_us : now_us;
        if (from_us - now_us > token_us * (int64_t)(rate->burst - 1))
            return false;
        next_us = from_us + token_us;
    } while (!atomic_compare_exchange_weak_explicit(&tracer->callers_us, &full_us, next_us, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

bool tracer_samples(struct tracer *tracer, const struct config *config, const struct trace_context *own, bool is_asked_for) {
    uint32_t chance;
    memcpy(&chance, own->span_id + SPAN_ID_BYTES - sizeof chance, sizeof chance);
    if ((uint64_t)chance * MILLIONTHS >> 32 < config->trace.sample)
        return true;
    return is_asked_for && take_callers_token(tracer, &config->trace.sample_callers);
}

/* ---- the queue ---- */

static void count_lost(struct tracer *tracer, enum metric_span outcome, uint64_t spans) {
    if (spans == 0)
        return;
    metric_add(METRIC_TRACE_SPANS, outcome, spans);
    atomic_fetch_add_explicit(&tracer->lost, spans, memory_order_relaxed);
}

void tracer_add(struct tracer *tracer, const struct trace *trace) {
    assert(trace->span_count > 0 && trace->span_count <= TRACE_SPANS_MAX);
    pthread_mutex_lock(&tracer->lock);
    bool has_place = tracer->count < TRACER_QUEUE;
    if (has_place) {
        struct trace *place = &tracer->traces[(tracer->first + tracer->count) % TRACER_QUEUE];
        memcpy(place, trace, offsetof(struct trace, spans) + trace->span_count * sizeof trace->spans[0]);
        if (tracer->count == 0)
            tracer->due_us = clock_monotonic_us() + LATEST_US;
        tracer->count++;
        if (tracer->count == 1 || tracer->count == TRACER_BATCH)
            pthread_cond_signal(&tracer->changed);
    }
    pthread_mutex_unlock(&tracer->lock);
    count_lost(tracer, METRIC_SPAN_DROPPED, trace->lost + (has_place ? 0 : trace->span_count));
}

/* How many traces the next batch has; 0: the service stops, and none is left. */
static size_t await_batch(struct tracer *tracer) {
    pthread_mutex_lock(&tracer->lock);
    while (!tracer->is_stopping && tracer->count < TRACER_BATCH && (tracer->count == 0 || clock_monotonic_us() < tracer->due_us))
        condition_wait_until(&tracer->changed, &tracer->lock, tracer->count > 0 ? tracer->due_us : INT64_MAX);
    size_t count = tracer->count < TRACER_BATCH ? tracer->count : TRACER_BATCH;
    pthread_mutex_unlock(&tracer->lock);
    return count;
}

static void release_batch(struct tracer *tracer, size_t count) {
    pthread_mutex_lock(&tracer->lock);
    tracer->first = (tracer->first + count) % TRACER_QUEUE;
    tracer->count -= count;
    tracer->due_us = clock_monotonic_us() + LATEST_US;
    pthread_mutex_unlock(&tracer->lock);
}

/* ---- sending ---- */

/* False: the service stops before that moment. */
static bool pause_until(struct tracer *tracer, int64_t moment_us) {
    pthread_mutex_lock(&tracer->lock);
    while (!tracer->is_stopping && clock_monotonic_us() < moment_us)
        condition_wait_until(&tracer->changed, &tracer->lock, moment_us);
    bool is_stopping = tracer->is_stopping;
    pthread_mutex_unlock(&tracer->lock);
    return !is_stopping;
}

/* From half of it to all of it, so that instances that lost the same collector do not all come back at the same moment. */
static int64_t pause_after(unsigned tries, const struct export_result *result) {
    int64_t pause_us = PAUSE_FIRST_US << (tries - 1);
    pause_us = pause_us / 2 + randombytes_uniform((uint32_t)(pause_us / 2));
    if (pause_us < result->retry_after_us)
        pause_us = result->retry_after_us;
    return pause_us < PAUSE_LAST_US ? pause_us : PAUSE_LAST_US;
}

static void note_outage(struct tracer *tracer, const struct export_result *result) {
    if (tracer->is_outage)
        return;
    tracer->is_outage = true;
    tracer->lost_before_outage = atomic_load(&tracer->lost);
    log_event(LOG_WARN, "traces_not_exported", "reason=%s", result->reason);
}

static void note_success(struct tracer *tracer) {
    if (!tracer->is_outage)
        return;
    tracer->is_outage = false;
    uint64_t lost = atomic_load(&tracer->lost) - tracer->lost_before_outage;
    log_event(LOG_INFO, "traces_exported_again", "spans_lost=%llu", (unsigned long long)lost);
}

static void note_rejected(struct tracer *tracer, uint64_t rejected) {
    int64_t now_us = clock_monotonic_us();
    tracer->rejected += rejected;
    if (tracer->rejected == 0 || now_us < tracer->next_rejected_us)
        return;
    log_event(LOG_WARN, "spans_rejected", "by=%s count=%llu", "the collector (partialSuccess)",
              (unsigned long long)tracer->rejected);
    tracer->rejected = 0;
    tracer->next_rejected_us = now_us + REJECTED_PAUSE_US;
}

/* Until it is taken or refused, or has been tried often enough. */
static void send_body(struct tracer *tracer, struct text body, struct export_result *result) {
    for (unsigned tries = 1;; tries++) {
        exporter_send(tracer->exporter, body, &tracer->until_us, result);
        if (result->outcome != EXPORT_DONE)
            note_outage(tracer, result);
        if (result->outcome != EXPORT_LATER || tries == TRIES_MAX ||
            !pause_until(tracer, clock_monotonic_us() + pause_after(tries, result)))
            return;
    }
}

static void count_spans(struct tracer *tracer, uint64_t spans, const struct export_result *result) {
    uint64_t rejected = result->outcome == EXPORT_DONE ? otlp_rejected_spans(result->reply) : spans;
    if (rejected > spans)
        rejected = spans;
    count_lost(tracer, METRIC_SPAN_FAILED, rejected);
    metric_add(METRIC_TRACE_SPANS, METRIC_SPAN_SENT, spans - rejected);
    if (result->outcome != EXPORT_DONE)
        return;
    note_rejected(tracer, rejected);
    note_success(tracer);
}

static void export_batch(struct tracer *tracer, size_t count) {
    const struct trace *traces[TRACER_BATCH];
    struct export_result result = { .outcome = EXPORT_LATER, .reason = "out of memory" };
    struct arena arena;
    uint64_t spans = 0;
    for (size_t i = 0; i < count; i++) {
        traces[i] = &tracer->traces[(tracer->first + i) % TRACER_QUEUE]; /* which nobody else writes now */
        spans += traces[i]->span_count;
    }
    activity_set("sends traces");
    arena_init(&arena, OTLP_ARENA_LIMIT(TRACER_BATCH));
    struct text body = otlp_write(&arena, tracer->instance_id, clock_wall_us() - clock_monotonic_us(), traces, count);
    if (body.bytes != NULL)
        send_body(tracer, body, &result);
    else
        note_outage(tracer, &result);
    count_spans(tracer, spans, &result);
    arena_fini(&arena);
}

static void run(void *context) {
    struct tracer *tracer = context;
    size_t count;
    while ((count = await_batch(tracer)) > 0) {
        export_batch(tracer, count);
        release_batch(tracer, count);
    }
}

/* ---- making and ending ---- */

static void free_tracer(struct tracer *tracer) {
    exporter_destroy(tracer->exporter);
    pthread_cond_destroy(&tracer->changed);
    pthread_mutex_destroy(&tracer->lock);
    free(tracer);
}

struct tracer *tracer_start(const char *endpoint) {
    struct tracer *tracer = calloc(1, sizeof *tracer);
    struct uuid instance = uuid_create();
    if (tracer == NULL) {
        log_event(LOG_ERROR, "tracer_start_failed", "error=%s", "out of memory");
        return NULL;
    }
    uuid_text(&instance, tracer->instance_id);
    atomic_init(&tracer->until_us, INT64_MAX);
    pthread_mutex_init(&tracer->lock, NULL);
    condition_init_monotonic(&tracer->changed);
    tracer->exporter = exporter_create(endpoint);
    if (tracer->exporter != NULL && thread_start(&tracer->thread, "tracer", run, tracer) == STATUS_OK)
        return tracer;
    free_tracer(tracer);
    return NULL;
}

void tracer_stop(struct tracer *tracer) {
    if (tracer == NULL)
        return;
    atomic_store(&tracer->until_us, clock_monotonic_us() + STOP_US);
    pthread_mutex_lock(&tracer->lock);
    tracer->is_stopping = true;
    pthread_cond_signal(&tracer->changed);
    pthread_mutex_unlock(&tracer->lock);
    thread_join(&tracer->thread);
    if (atomic_load(&tracer->lost) > 0)
        log_event(LOG_WARN, "spans_lost", "since_start=%llu", (unsigned long long)atomic_load(&tracer->lost));
    free_tracer(tracer);
}
