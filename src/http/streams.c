#include "streams.h"

#include "connection.h"
#include "context.h"
#include "exchange.h"
#include "library.h"
#include "reply_build.h"

#include "jwtd/activity.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/services.h"
#include "jwtd/stream.h"
#include "jwtd/thread.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64
/* Of one follower, until the next one has its turn. */
#define PARTS_AT_A_TIME 2
#define STOP_US CLOCK_US_PER_S
#define END_OF_BODY "0\r\n\r\n"
/* In front of a part, the length in hexadecimal and a line end, and behind it another; END_OF_BODY may follow. */
#define CHUNK_HEAD_MAX 8
#define CHUNK_SIZE (CHUNK_HEAD_MAX + STREAM_PART_SIZE + 2 + sizeof END_OF_BODY)

struct stream {
    TAILQ_ENTRY(stream) link;
    struct exchange *exchange;
    int fd;
    bool is_chunked;
    bool has_more;  /* it was not asked for its next part yet */
    bool is_ending; /* nothing follows what is pending */
    int64_t due_us;
    int64_t blocked_us;  /* since when its socket takes nothing; 0: it takes all */
    struct text pending; /* what the socket has not taken yet: in the reply's header, or in `rest` */
    char *rest;          /* CHUNK_SIZE bytes; NULL until they are needed */
};

TAILQ_HEAD(stream_list, stream);

struct streams {
    const struct services *services;
    const struct stream_kind *kind;
    unsigned limit;
    int epoll_fd, wake_fd;
    atomic_uint count; /* those that were taken and have not ended */
    bool has_thread;
    struct thread thread;
    pthread_mutex_t lock;     /* guards the next two */
    struct stream_list taken; /* by HTTP threads, not yet by the thread */
    bool is_stopping;
    _Atomic int64_t asked_us; /* since when the thread has been asked for a round; 0: it has completed one */
    /* these belong to the thread */
    struct stream_list list;
    int64_t due_us;  /* when the next of them is due */
    int64_t stop_us; /* by when all must have ended; 0: the service does not stop */
};

/* ---- writing to one of them ---- */

/* What the socket does not take remains pending. False: the connection is lost. */
static bool flush(const struct streams *streams, struct stream *stream, int64_t now_us) {
    ssize_t sent = send(stream->fd, stream->pending.bytes, stream->pending.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    size_t taken = sent > 0 ? (size_t)sent : 0;
    stream->pending = (struct text){ stream->pending.bytes + taken, stream->pending.len - taken };
    bool was_blocked = stream->blocked_us != 0, is_blocked = stream->pending.len > 0;
    if (!is_blocked)
        stream->blocked_us = 0;
    else if (!was_blocked || taken > 0)
        stream->blocked_us = now_us;
    if (was_blocked == is_blocked)
        return true;
    struct epoll_event event = { .events = EPOLLRDHUP | (is_blocked ? EPOLLOUT : 0), .data.ptr = stream };
    return epoll_ctl(streams->epoll_fd, EPOLL_CTL_MOD, stream->fd, &event) == 0;
}

static size_t put(char *target, struct text text) {
    memcpy(target, text.bytes, text.len);
    return text.len;
}

/* Adds the framing around `len` bytes that lie at CHUNK_HEAD_MAX; returns where it begins. */
static struct text frame(const struct stream *stream, char chunk[CHUNK_SIZE], size_t len) {
    char *begin = chunk + CHUNK_HEAD_MAX;
    size_t end = CHUNK_HEAD_MAX + len;
    if (stream->is_chunked && len > 0) {
        char head[CHUNK_HEAD_MAX + 1];
        int head_len = snprintf(head, sizeof head, "%zx\r\n", len);
        assert(head_len > 0 && head_len <= CHUNK_HEAD_MAX);
        begin -= head_len;
        put(begin, text_of(head));
        end += put(chunk + end, text_of("\r\n"));
    }
    if (stream->is_chunked && stream->is_ending)
        end += put(chunk + end, text_of(END_OF_BODY));
    return (struct text){ begin, (size_t)(chunk + end - begin) };
}

/* Keeps in memory of its own what the socket has not taken. */
static bool keep_pending(struct stream *stream) {
    if (stream->rest == NULL)
        stream->rest = arena_alloc(&stream->exchange->arena, CHUNK_SIZE);
    if (stream->rest == NULL)
        return false;
    memcpy(stream->rest, stream->pending.bytes, stream->pending.len);
    stream->pending.bytes = stream->rest;
    return true;
}

/* Nothing is pending. False: the stream is lost. */
static bool send_part(const struct streams *streams, struct stream *stream, char chunk[CHUNK_SIZE], size_t len, int64_t now_us) {
    stream->pending = frame(stream, chunk, len);
    if (stream->pending.len == 0)
        return true;
    return flush(streams, stream, now_us) && (stream->pending.len == 0 || keep_pending(stream));
}

/* False: the stream is lost. */
static bool write_parts(const struct streams *streams, struct stream *stream, int64_t now_us) {
    char chunk[CHUNK_SIZE];
    stream->has_more = true;
    for (int i = 0; i < PARTS_AT_A_TIME && stream->has_more && stream->pending.len == 0 && !stream->is_ending; i++) {
        struct stream_part part =
            streams->kind->write(streams->services, stream->exchange->reply.stream, chunk + CHUNK_HEAD_MAX, now_us);
        assert(part.len <= STREAM_PART_SIZE);
        stream->due_us = part.due_us;
        stream->is_ending = part.is_last;
        stream->has_more = part.len > 0 && !part.is_last;
        if (!send_part(streams, stream, chunk, part.len, now_us))
            return false;
    }
    return true;
}

/* Nothing is pending. False: the stream is lost. */
static bool write_last_part(const struct streams *streams, struct stream *stream, int64_t now_us) {
    char chunk[CHUNK_SIZE];
    size_t len = streams->kind->write_last_part(stream->exchange->reply.stream, chunk + CHUNK_HEAD_MAX);
    assert(len <= STREAM_PART_SIZE);
    stream->is_ending = true;
    return send_part(streams, stream, chunk, len, now_us);
}

/* ---- their beginning and end ---- */

static void end_stream(struct streams *streams, struct stream *stream) {
    struct exchange *exchange = stream->exchange;
    struct linger none = { .l_onoff = 1, .l_linger = 0 };
    if (stream->pending.len > 0) /* or the kernel would try for minutes to send the rest */
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    epoll_ctl(streams->epoll_fd, EPOLL_CTL_DEL, stream->fd, NULL);
    TAILQ_REMOVE(&streams->list, stream, link);
    log_set_context(&exchange->request.log);
    streams->kind->end(streams->services, exchange->reply.stream);
    log_set_context(NULL);
    atomic_fetch_sub(&streams->count, 1);
    exchange_resume(exchange, EXCHANGE_STREAMED);
}

/* Does what is to be done for one stream now, and ends it when there is nothing left to do. */
static void advance(struct streams *streams, struct stream *stream, int64_t now_us) {
    log_set_context(&stream->exchange->request.log);
    bool is_alive = stream->pending.len == 0 || flush(streams, stream, now_us);
    bool is_stalled = stream->blocked_us != 0 && now_us - stream->blocked_us >= STREAM_STALL_US;
    if (is_alive && stream->pending.len == 0 && !stream->is_ending)
        is_alive = streams->stop_us != 0 ? write_last_part(streams, stream, now_us) : write_parts(streams, stream, now_us);
    bool has_ended = stream->is_ending && stream->pending.len == 0;
    bool is_overdue = streams->stop_us != 0 && now_us >= streams->stop_us;
    if (!is_alive || is_stalled || has_ended || is_overdue) {
        if (is_stalled)
            log_event(LOG_INFO, "stream_stalled", "us=%lld", (long long)(now_us - stream->blocked_us));
        end_stream(streams, stream);
        return;
    }
    log_set_context(NULL);
    int64_t due_us = stream->blocked_us != 0 ? stream->blocked_us + STREAM_STALL_US : stream->has_more ? now_us : stream->due_us;
    if (due_us < streams->due_us)
        streams->due_us = due_us;
}

static void begin_stream(struct streams *streams, struct stream *stream, int64_t now_us) {
    struct epoll_event event = { .events = EPOLLRDHUP, .data.ptr = stream };
    TAILQ_INSERT_TAIL(&streams->list, stream, link);
    streams->kind->begin(streams->services, stream->exchange->reply.stream);
    if (epoll_ctl(streams->epoll_fd, EPOLL_CTL_ADD, stream->fd, &event) == 0)
        advance(streams, stream, now_us);
    else
        end_stream(streams, stream);
}

/* ---- the thread ---- */

static void take_in(struct streams *streams, int64_t now_us) {
    struct stream_list taken = TAILQ_HEAD_INITIALIZER(taken);
    pthread_mutex_lock(&streams->lock);
    TAILQ_CONCAT(&taken, &streams->taken, link);
    if (streams->is_stopping && streams->stop_us == 0) {
        streams->stop_us = now_us + STOP_US;
        streams->due_us = now_us;
    }
    pthread_mutex_unlock(&streams->lock);
    while (!TAILQ_EMPTY(&taken)) {
        struct stream *stream = TAILQ_FIRST(&taken);
        TAILQ_REMOVE(&taken, stream, link);
        begin_stream(streams, stream, now_us);
    }
}

static void advance_all(struct streams *streams, int64_t now_us) {
    struct stream *next;
    streams->due_us = streams->stop_us != 0 ? streams->stop_us : INT64_MAX;
    for (struct stream *stream = TAILQ_FIRST(&streams->list); stream != NULL; stream = next) {
        next = TAILQ_NEXT(stream, link);
        if (stream->pending.len == 0 || now_us - stream->blocked_us >= STREAM_STALL_US || streams->stop_us != 0)
            advance(streams, stream, now_us);
        else if (stream->blocked_us + STREAM_STALL_US < streams->due_us)
            streams->due_us = stream->blocked_us + STREAM_STALL_US;
    }
}

/* A stream's own event: its client has gone, or its socket takes bytes again. */
static void handle(struct streams *streams, struct stream *stream, uint32_t events, int64_t now_us) {
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        end_stream(streams, stream);
    else
        advance(streams, stream, now_us);
}

static int timeout_ms(const struct streams *streams) {
    int64_t left_us = streams->due_us == INT64_MAX ? INT64_MAX : streams->due_us - clock_monotonic_us();
    if (left_us <= 0)
        return 0;
    return left_us > CLOCK_US_PER_S * 60 ? -1 : (int)(left_us / 1000) + 1;
}

static void streams_main(void *context) {
    struct streams *streams = context;
    int changed_fd = streams->kind->changed_fd(streams->services);
    while (streams->stop_us == 0 || !TAILQ_EMPTY(&streams->list)) {
        struct epoll_event events[EVENTS_MAX];
        activity_set(ACTIVITY_WAITS);
        int count = epoll_wait(streams->epoll_fd, events, EVENTS_MAX, timeout_ms(streams));
        activity_set("writes to followers");
        int64_t now_us = clock_monotonic_us();
        bool has_changed = false, is_woken = false;
        eventfd_t ignored;
        /* those of streams first: each is named once, and may end here */
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr == &streams->wake_fd)
                is_woken = eventfd_read(streams->wake_fd, &ignored) == 0;
            else if (events[i].data.ptr == streams)
                has_changed = eventfd_read(changed_fd, &ignored) == 0;
            else
                handle(streams, events[i].data.ptr, events[i].events, now_us);
        if (is_woken)
            take_in(streams, now_us);
        if (has_changed || now_us >= streams->due_us)
            advance_all(streams, now_us);
        atomic_store(&streams->asked_us, 0);
    }
}

bool streams_are_alive(struct streams *streams, int64_t limit_us) {
    int64_t now_us = clock_monotonic_us(), asked_us = streams != NULL ? atomic_load(&streams->asked_us) : 0;
    if (streams != NULL && asked_us == 0) {
        atomic_store(&streams->asked_us, now_us);
        eventfd_write(streams->wake_fd, 1);
    }
    return asked_us == 0 || now_us - asked_us <= limit_us;
}

static bool watch(const struct streams *streams, int fd, void *name) {
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = name };
    return fd >= 0 && epoll_ctl(streams->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct streams *streams_create(const struct services *services, const struct stream_kind *kind, unsigned limit) {
    struct streams *streams = calloc(1, sizeof *streams);
    if (streams == NULL)
        return NULL;
    streams->services = services;
    streams->kind = kind;
    streams->limit = limit;
    streams->due_us = INT64_MAX;
    TAILQ_INIT(&streams->taken);
    TAILQ_INIT(&streams->list);
    pthread_mutex_init(&streams->lock, NULL);
    streams->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    streams->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (streams->epoll_fd >= 0 && watch(streams, streams->wake_fd, &streams->wake_fd) &&
        watch(streams, kind->changed_fd(services), streams) &&
        thread_start(&streams->thread, "streams", streams_main, streams) == STATUS_OK)
        streams->has_thread = true;
    if (streams->has_thread)
        return streams;
    streams_destroy(streams);
    return NULL;
}

void streams_stop(struct streams *streams) {
    if (streams == NULL || !streams->has_thread)
        return;
    pthread_mutex_lock(&streams->lock);
    streams->is_stopping = true;
    pthread_mutex_unlock(&streams->lock);
    eventfd_write(streams->wake_fd, 1);
    thread_join(&streams->thread);
    streams->has_thread = false;
}

void streams_destroy(struct streams *streams) {
    if (streams == NULL)
        return;
    streams_stop(streams);
    assert(atomic_load(&streams->count) == 0);
    if (streams->epoll_fd >= 0)
        close(streams->epoll_fd);
    if (streams->wake_fd >= 0)
        close(streams->wake_fd);
    pthread_mutex_destroy(&streams->lock);
    free(streams);
}

/* ---- the HTTP threads ---- */

/* Small writes go out at once, and few bytes wait in the kernel for a client that does not read. */
static void set_socket_options(int fd) {
    int on = 1, size = STREAM_SOCKET_BUFFER;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static struct stream *make_stream(struct exchange *exchange) {
    struct stream *stream = arena_alloc(&exchange->arena, sizeof *stream);
    if (stream == NULL)
        return NULL;
    *stream = (struct stream){ .exchange = exchange,
                               .fd = library_fd(exchange->library_connection),
                               .is_chunked = exchange->accepts_chunks };
    stream->pending = reply_write_stream_header(exchange);
    return stream->pending.bytes != NULL ? stream : NULL;
}

/* Under the lock, so that streams_stop, once it has it, finds every stream that was taken. The exchange is suspended first: from
 * the insertion on it belongs to the thread. */
static enum status hand_over(struct streams *streams, struct exchange *exchange, struct stream *stream) {
    enum status status = STATUS_SHUTTING_DOWN;
    pthread_mutex_lock(&streams->lock);
    if (!streams->is_stopping && exchange_suspend(exchange, EXCHANGE_STREAMING)) {
        exchange_release_snapshot(exchange);
        TAILQ_INSERT_TAIL(&streams->taken, stream, link);
        status = STATUS_OK;
    }
    pthread_mutex_unlock(&streams->lock);
    return status;
}

enum status streams_take(struct streams *streams, struct exchange *exchange) {
    if (atomic_fetch_add(&streams->count, 1) >= streams->limit) {
        atomic_fetch_sub(&streams->count, 1);
        return STATUS_OVERLOADED;
    }
    bool must_close = exchange->must_close;
    exchange->must_close = true; /* the connection is not used again: clients may have sent more than this request */
    struct stream *stream = make_stream(exchange);
    enum status status = STATUS_OUT_OF_MEMORY;
    if (stream != NULL) {
        set_socket_options(stream->fd);
        status = hand_over(streams, exchange, stream);
    }
    if (status == STATUS_OK) {
        eventfd_write(streams->wake_fd, 1);
        return STATUS_OK;
    }
    exchange->must_close = must_close;
    atomic_fetch_sub(&streams->count, 1);
    return status;
}
