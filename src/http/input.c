#include "input.h"

#include "direct_reply.h"
#include "scanner.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* The kernel's default limit (fs.nr_open). Only the memory of descriptors in use is touched. */
#define DESCRIPTORS_MAX (1 << 20)
#define CACHE_LINE 64
#define DISCARDS_MAX 32

/* Each in a cache line of its own: descriptors next to each other belong to different threads. */
static struct {
    alignas(CACHE_LINE) struct scanner scanner;
    enum status refusal;            /* that has been sent */
    uint32_t lines;                 /* that the library has read */
    atomic_bool is_open;            /* read in every call of recv, on any thread */
    atomic_bool has_begun, is_head; /* of the scanner, for other threads */
} inputs[DESCRIPTORS_MAX];

static bool has_place(int fd) {
    return fd >= 0 && fd < DESCRIPTORS_MAX;
}

static void publish(int fd) {
    atomic_store_explicit(&inputs[fd].has_begun, scanner_has_begun(&inputs[fd].scanner), memory_order_relaxed);
    atomic_store_explicit(&inputs[fd].is_head, scanner_is_head(&inputs[fd].scanner), memory_order_relaxed);
}

bool input_begin(int fd) {
    if (!has_place(fd))
        return false;
    /* the descriptor may have been one of the other listener, and the place that of another thread: what it wrote comes before */
    (void)atomic_load_explicit(&inputs[fd].is_open, memory_order_acquire);
    scanner_init(&inputs[fd].scanner);
    inputs[fd].refusal = STATUS_OK;
    inputs[fd].lines = 0;
    publish(fd);
    atomic_store_explicit(&inputs[fd].is_open, true, memory_order_relaxed);
    return true;
}

void input_end(int fd) {
    if (has_place(fd))
        atomic_store_explicit(&inputs[fd].is_open, false, memory_order_release);
}

bool input_take_request(int fd) {
    return has_place(fd) && scanner_take_request(&inputs[fd].scanner);
}

void input_note_line(int fd) {
    if (has_place(fd))
        inputs[fd].lines++;
}

bool input_is_line_refused(int fd, unsigned *page) {
    static const unsigned pages[] = {
        [LINE_IS_READ] = 0, [LINE_HAS_OTHER_VERSION] = 505, [LINE_IS_MALFORMED] = 400, [LINE_IS_DROPPED] = 0
    };
    enum line_refusal refusal = has_place(fd) ? scanner_line_refusal(&inputs[fd].scanner, inputs[fd].lines) : LINE_IS_READ;
    *page = pages[refusal];
    return refusal != LINE_IS_READ;
}

bool input_has_begun(int fd) {
    return has_place(fd) && atomic_load_explicit(&inputs[fd].has_begun, memory_order_relaxed);
}

bool input_is_head(int fd) {
    return has_place(fd) && atomic_load_explicit(&inputs[fd].is_head, memory_order_relaxed);
}

bool input_is_refused(int fd) {
    return has_place(fd) && scanner_is_too_large(&inputs[fd].scanner);
}

enum status input_take_refusal(int fd) {
    enum status refusal = has_place(fd) ? inputs[fd].refusal : STATUS_OK;
    if (has_place(fd))
        inputs[fd].refusal = STATUS_OK;
    return refusal;
}

/* All requests before this one have been answered. To the library the client has closed the connection. What has been sent
 * already is read, since a connection that is closed with unread bytes is reset, and the reply may be lost. */
static ssize_t refuse(int fd, void *bytes, size_t size) {
    enum status status = scanner_is_in_target(&inputs[fd].scanner) ? STATUS_TARGET_TOO_LONG : STATUS_HEADER_TOO_LARGE;
    direct_reply_send(fd, status, scanner_is_head(&inputs[fd].scanner));
    inputs[fd].refusal = status;
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < DISCARDS_MAX && recvfrom(fd, bytes, size, MSG_DONTWAIT, NULL, NULL) > 0; i++)
        continue;
    return 0;
}

__attribute__((visibility("default"))) ssize_t recv(int fd, void *bytes, size_t size, int flags) {
    ssize_t got = recvfrom(fd, bytes, size, flags, NULL, NULL);
    if (got <= 0 || (flags & MSG_PEEK) != 0 || !has_place(fd) || !atomic_load_explicit(&inputs[fd].is_open, memory_order_relaxed))
        return got;
    scanner_read(&inputs[fd].scanner, bytes, (size_t)got);
    publish(fd);
    return scanner_is_too_large(&inputs[fd].scanner) ? refuse(fd, bytes, size) : got;
}
