#include "jwtd/log.h"

#include "log_line.h"
#include "log_queue.h"

#include "jwtd/activity.h"
#include "jwtd/clock.h"
#include "jwtd/metrics.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* So that one wake-up of the writer and one call of the kernel serve many lines, when there are many. */
#define WRITER_PAUSE_MS 2

enum { FORMAT_UNKNOWN, FORMAT_TEXT, FORMAT_JSON };

static _Atomic(enum log_level) minimum_level = LOG_INFO;
static atomic_int format; /* FORMAT_ */
static _Atomic uint64_t lost, lost_and_reported;
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the sink while there is no writer */
static _Thread_local const struct log_context *own_context;

/* ---- the writer's state; see wake_writer ---- */

static _Atomic(enum { WRITER_NONE, WRITER_RUNS, WRITER_HAS_ENDED }) writer;
static atomic_bool writer_is_ending;
static atomic_bool writer_waits; /* all lines are written, and it waits for writer_wake */
static sem_t writer_wake;

/* ---- lines ---- */

static int choose_format(enum log_format wanted) {
    bool is_json = wanted == LOG_JSON || (wanted == LOG_AUTO && isatty(STDERR_FILENO) == 0);
    return is_json ? FORMAT_JSON : FORMAT_TEXT;
}

static bool writes_json(void) {
    int chosen = atomic_load_explicit(&format, memory_order_relaxed);
    if (chosen == FORMAT_UNKNOWN) {
        chosen = choose_format(LOG_AUTO);
        atomic_store_explicit(&format, chosen, memory_order_relaxed);
    }
    return chosen == FORMAT_JSON;
}

void log_init(enum log_level level, enum log_format wanted) {
    log_set_level(level);
    atomic_store_explicit(&format, choose_format(wanted), memory_order_relaxed);
}

void log_set_level(enum log_level level) {
    atomic_store_explicit(&minimum_level, level, memory_order_relaxed);
}

void log_set_context(const struct log_context *context) {
    own_context = context;
}

bool log_has_level(enum log_level level) {
    return level >= atomic_load_explicit(&minimum_level, memory_order_relaxed) ||
           (own_context != NULL && own_context->is_detailed);
}

/* A quarter of what a line costs would be its time: of the thread's last line, only the milliseconds differ mostly. */
static const char *time_text(int64_t wall_us) {
    static _Thread_local int64_t second = -1;
    static _Thread_local char text[CLOCK_TEXT_SIZE];
    if (wall_us / CLOCK_US_PER_S != second) {
        clock_text(wall_us, text);
        second = wall_us / CLOCK_US_PER_S;
    }
    unsigned ms = (unsigned)(wall_us / 1000 % 1000);
    char *digits = text + strlen("2026-11-20T21:35:00.");
    digits[0] = (char)('0' + ms / 100);
    digits[1] = (char)('0' + ms / 10 % 10);
    digits[2] = (char)('0' + ms % 10);
    return text;
}

static void begin_line(struct log_line *line, int64_t wall_us, enum log_level level, const char *event) {
    log_line_begin(line, writes_json(), time_text(wall_us), level, event);
}

/* Those that were lost since the count was written last. 0: none. */
static uint64_t begin_loss(struct log_line *line) {
    uint64_t now_lost = atomic_load(&lost), before = atomic_load(&lost_and_reported);
    if (now_lost == before)
        return 0;
    begin_line(line, clock_wall_us(), LOG_WARN, "log_lines_lost");
    log_line_add_number(line, "count", (long long)(now_lost - before));
    log_line_end(line);
    return now_lost - before;
}

static void count_lost(uint64_t count) {
    atomic_fetch_add(&lost, count);
    metric_add(METRIC_LOG_LINES_LOST, 0, count);
}

uint64_t log_lines_lost(void) {
    return atomic_load(&lost);
}

/* ---- half a line, which a full disk has left: the next one begins a line of its own ---- */

static bool has_half_line; /* of the thread that writes, or guarded by sink_lock */

static bool end_half_line(void) {
    has_half_line = has_half_line && write(STDERR_FILENO, "\n", 1) != 1;
    return !has_half_line;
}

static void note_written(const char *bytes, size_t len, size_t written) {
    has_half_line = written > 0 && written < len && bytes[written - 1] != '\n';
}

/* ---- without a writer ---- */

/*
 * A pipe is writable when PIPE_BUF bytes fit, and no line is longer: a write after this check does not block. A pipe whose reader
 * has closed it is writable too, with POLLERR; writing to it would raise SIGPIPE.
 */
static bool sink_takes_a_line(void) {
    struct pollfd sink = { .fd = STDERR_FILENO, .events = POLLOUT };
    return poll(&sink, 1, 0) == 1 && sink.revents == POLLOUT;
}

static bool write_line(const struct log_line *line) {
    if (!sink_takes_a_line() || !end_half_line())
        return false;
    ssize_t written = write(STDERR_FILENO, line->bytes, line->len);
    note_written(line->bytes, line->len, written < 0 ? 0 : (size_t)written);
    return written == (ssize_t)line->len;
}

static void write_here(const struct log_line *line) {
    struct log_line loss;
    uint64_t count = begin_loss(&loss);
    if (count > 0 && write_line(&loss))
        atomic_fetch_add(&lost_and_reported, count);
    if (!write_line(line))
        count_lost(1);
}

/* ---- the writer ---- */

/* A line and then the flag are written by who logs, the flag and then the lines are read by the writer, or the other way round:
 * each in the order of the program (sequentially consistent), so that one of them notices the other. */
static void wake_writer(void) {
    if (atomic_load(&writer_waits) && atomic_exchange(&writer_waits, false))
        sem_post(&writer_wake);
}

/* Whatever it takes; less than `len` when the sink is broken. SIGPIPE is ignored in the service. */
static size_t write_all(const char *bytes, size_t len) {
    size_t done = 0;
    while (done < len) {
        ssize_t written = end_half_line() ? write(STDERR_FILENO, bytes + done, len - done) : -1;
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno == EAGAIN) {
            struct pollfd sink = { .fd = STDERR_FILENO, .events = POLLOUT };
            (void)poll(&sink, 1, -1);
        } else if (errno != EINTR) {
            break;
        }
    }
    if (done > 0)
        note_written(bytes, len, done);
    return done;
}

/* Whole lines, no longer together than a pipe takes in one piece: others may write to it, too. */
struct batch {
    size_t len;
    char bytes[LOG_LINE_SIZE];
};

static void write_batch(struct batch *batch) {
    uint64_t lost_lines = 0;
    for (size_t i = write_all(batch->bytes, batch->len); i < batch->len; i++)
        lost_lines += batch->bytes[i] == '\n';
    if (lost_lines > 0)
        count_lost(lost_lines);
    batch->len = 0;
}

static void add_to_batch(struct batch *batch, struct text line) {
    if (batch->len + line.len > sizeof batch->bytes)
        write_batch(batch);
    memcpy(batch->bytes + batch->len, line.bytes, line.len);
    batch->len += line.len;
}

static void write_loss(void) {
    struct log_line loss;
    uint64_t count = begin_loss(&loss);
    if (count > 0 && write_all(loss.bytes, loss.len) == loss.len)
        atomic_fetch_add(&lost_and_reported, count);
}

/* False: there was none. */
static bool write_waiting_lines(void) {
    struct batch batch = { .len = 0 };
    struct queued_line line;
    bool is_any = false;
    for (; log_queues_next(&line); is_any = true) {
        if (!is_any)
            write_loss();
        add_to_batch(&batch, line.text);
        log_queues_remove(&line);
    }
    write_batch(&batch);
    return is_any;
}

static void wait_for_lines(void) {
    struct queued_line line;
    atomic_store(&writer_waits, true);
    if ((log_queues_next(&line) || atomic_load(&writer_is_ending)) && atomic_exchange(&writer_waits, false))
        return;
    activity_set(ACTIVITY_WAITS);
    while (sem_wait(&writer_wake) != 0)
        ;
    activity_set("writes");
}

static void pause_ms(int64_t ms) {
    (void)nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

void log_write_lines(void *unused) {
    (void)unused;
    sem_init(&writer_wake, 0, 0);
    atomic_store(&writer, WRITER_RUNS);
    for (;;)
        if (write_waiting_lines())
            pause_ms(WRITER_PAUSE_MS);
        else if (atomic_load(&writer_is_ending))
            break;
        else
            wait_for_lines();
    atomic_store(&writer, WRITER_HAS_ENDED);
}

void log_flush(int64_t wait_us) {
    int64_t end_us = clock_monotonic_us() + wait_us;
    while (atomic_load(&writer) == WRITER_RUNS && !atomic_load(&writer_waits) && clock_monotonic_us() < end_us)
        pause_ms(1);
}

bool log_end_writing(int64_t wait_us) {
    int64_t end_us = clock_monotonic_us() + wait_us;
    atomic_store(&writer_is_ending, true);
    wake_writer();
    while (atomic_load(&writer) != WRITER_HAS_ENDED && clock_monotonic_us() < end_us)
        pause_ms(1);
    return atomic_exchange(&writer, WRITER_NONE) == WRITER_HAS_ENDED;
}

/* ---- events ---- */

struct event {
    enum log_level level;
    const char *name;
    enum queue_room room;
};

static void make_line(struct log_line *line, int64_t wall_us, const struct event *event, const char *fields, va_list values) {
    begin_line(line, wall_us, event->level, event->name);
    log_line_add_fields(line, fields, values);
    log_line_add_context(line, own_context);
    log_line_end(line);
}

static void log_here(const struct event *event, const char *fields, va_list values) {
    struct log_line line;
    pthread_mutex_lock(&sink_lock);
    make_line(&line, clock_wall_us(), event, fields,
              values); /* under the lock, so that lines stand in the order of their times */
    write_here(&line);
    pthread_mutex_unlock(&sink_lock);
}

static void log_to_writer(const struct event *event, const char *fields, va_list values) {
    struct log_line line;
    int64_t wall_us = clock_wall_us();
    make_line(&line, wall_us, event, fields, values);
    if (log_queues_add(wall_us, (struct text){ line.bytes, line.len }, event->room))
        wake_writer();
    else
        count_lost(1);
}

static void log_values(const struct event *event, const char *fields, va_list values) {
    if (!log_has_level(event->level))
        return;
    if (atomic_load_explicit(&writer, memory_order_relaxed) == WRITER_RUNS)
        log_to_writer(event, fields, values);
    else
        log_here(event, fields, values);
}

void log_event(enum log_level level, const char *event, const char *fields, ...) {
    static const enum queue_room rooms[] = { [LOG_DEBUG] = QUEUE_WITHOUT_RESERVE,
                                             [LOG_INFO] = QUEUE_WITH_HALF_THE_RESERVE,
                                             [LOG_WARN] = QUEUE_ALL,
                                             [LOG_ERROR] = QUEUE_ALL };
    va_list values;
    va_start(values, fields);
    log_values(&(struct event){ level, event, rooms[level] }, fields, values);
    va_end(values);
}

void log_request(const char *fields, ...) {
    va_list values;
    va_start(values, fields);
    log_values(&(struct event){ LOG_INFO, "request", QUEUE_WITHOUT_RESERVE }, fields, values);
    va_end(values);
}
