/*
 * fault: a library that is loaded in front of the program's own (LD_PRELOAD) and makes the call fail that fault.h asks for. It
 * stands for every such call of the program and its libraries, since they make them by name. What libc does inside itself is out
 * of reach, except its allocations: getaddrinfo's files and sockets, and what stdio writes.
 */
#include "fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
#define WATCHED_MAX 1024
#define TAKERS 4096

enum function {
    FREE, /* first, since dlsym itself frees its error of a name that a sanitizer did not find */
    MALLOC,
    CALLOC,
    REALLOC,
    MEMALIGN,
    MMAP,
    PTHREAD_CREATE,
    PTHREAD_GETATTR,
    OPEN,
    OPEN64,
    OPENAT,
    FOPEN,
    FOPEN64,
    OPENDIR,
    FDOPENDIR,
    SOCKET,
    SOCKETPAIR,
    ACCEPT4,
    EPOLL_CREATE1,
    EVENTFD,
    FCNTL,
    WRITE,
    FSYNC,
    LINKAT,
    RENAMEAT,
    SEND,
    SENDTO,
    SENDMSG,
    EPOLL_CTL,
    MUTEX_LOCK,
    RWLOCK_RDLOCK,
    RWLOCK_WRLOCK,
    FUNCTIONS
};

static const struct {
    const char *name;
    enum fault_kind kind;
} functions[FUNCTIONS] = {
    [MALLOC] = { "malloc", FAULT_MEMORY },
    [CALLOC] = { "calloc", FAULT_MEMORY },
    [REALLOC] = { "realloc", FAULT_MEMORY },
    [MEMALIGN] = { "memalign", FAULT_MEMORY },
    [MMAP] = { "mmap", FAULT_MEMORY },
    [PTHREAD_CREATE] = { "pthread_create", FAULT_THREADS },
    [OPEN] = { "open", FAULT_DESCRIPTORS },
    [OPEN64] = { "open64", FAULT_DESCRIPTORS },
    [OPENAT] = { "openat", FAULT_DESCRIPTORS },
    [FOPEN] = { "fopen", FAULT_DESCRIPTORS },
    [FOPEN64] = { "fopen64", FAULT_DESCRIPTORS },
    [OPENDIR] = { "opendir", FAULT_DESCRIPTORS },
    [FDOPENDIR] = { "fdopendir", FAULT_DESCRIPTORS },
    [SOCKET] = { "socket", FAULT_DESCRIPTORS },
    [SOCKETPAIR] = { "socketpair", FAULT_DESCRIPTORS },
    [ACCEPT4] = { "accept4", FAULT_DESCRIPTORS },
    [EPOLL_CREATE1] = { "epoll_create1", FAULT_DESCRIPTORS },
    [EVENTFD] = { "eventfd", FAULT_DESCRIPTORS },
    [FCNTL] = { "fcntl", FAULT_DESCRIPTORS }, /* F_DUPFD_CLOEXEC */
    [WRITE] = { "write", FAULT_WRITES },
    [FSYNC] = { "fsync", FAULT_WRITES },
    [LINKAT] = { "linkat", FAULT_WRITES },
    [RENAMEAT] = { "renameat", FAULT_WRITES },
    [SEND] = { "send", FAULT_SENDS },
    [SENDTO] = { "sendto", FAULT_SENDS },
    [SENDMSG] = { "sendmsg", FAULT_SENDS },
    /* these never fail */
    [PTHREAD_GETATTR] = { "pthread_getattr_np", FAULT_THREADS },
    [FREE] = { "free", FAULT_MEMORY },
    [EPOLL_CTL] = { "epoll_ctl", FAULT_DESCRIPTORS },
    [MUTEX_LOCK] = { "pthread_mutex_lock", FAULT_SHARED_LOCKS },
    [RWLOCK_RDLOCK] = { "pthread_rwlock_rdlock", FAULT_SHARED_LOCKS },
    [RWLOCK_WRLOCK] = { "pthread_rwlock_wrlock", FAULT_SHARED_LOCKS },
};

static struct fault_control *control; /* NULL until the constructor has run, and without a file */
static _Atomic(void *) others[FUNCTIONS];

/* All at once, in the order of the table. */
static void find_others(void) {
    for (size_t i = 0; i < FUNCTIONS; i++)
        atomic_store_explicit(&others[i], dlsym(RTLD_NEXT, functions[i].name), memory_order_relaxed);
}

/* The function of this name that would have been called without this library: libc's, or a sanitizer's. */
static void *next(enum function function) {
    if (atomic_load_explicit(&others[function], memory_order_relaxed) == NULL)
        find_others();
    return atomic_load_explicit(&others[function], memory_order_relaxed);
}

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv(FAULT_FILE_VARIABLE);
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    control = memory != MAP_FAILED ? memory : NULL;
}

/* ---- which call ---- */

/* Beginnings of the names of threads, NULL after the last. */
static const char *const request_threads[] = { "accept", "MHD-", "database-", "crypto-", NULL };
static const char *const http_threads[] = { "MHD-", NULL };
static const char *const hashing_threads[] = { "crypto-", NULL };
static const char *const other_connecting_threads[] = { "database-", "cleanup", NULL };

static bool is_one_of(const char *const *beginnings) {
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    for (; *beginnings != NULL; beginnings++)
        if (strncmp(name, *beginnings, strlen(*beginnings)) == 0)
            return true;
    return false;
}

static bool is_in_scope(void) {
    switch (atomic_load(&control->scope)) {
    case FAULT_MAIN_THREAD:
        return gettid() == getpid();
    case FAULT_REQUEST_THREADS:
        return is_one_of(request_threads);
    case FAULT_HASHING_THREADS:
        return is_one_of(hashing_threads);
    case FAULT_HTTP_THREADS:
        return is_one_of(http_threads);
    case FAULT_START_THREADS:
        return !is_one_of(other_connecting_threads);
    default:
        return true;
    }
}

/* The thread is in a call that the program does not make: nothing may fail in it. */
static __thread __attribute__((tls_model("initial-exec"))) bool is_exempt;

static bool is_armed(enum function function) {
    return !is_exempt && control != NULL && atomic_load(&control->mode) != FAULT_NONE &&
           atomic_load(&control->kind) == (int)functions[function].kind && is_in_scope();
}

static bool takes_what_was_freed(size_t size) {
    long left = atomic_fetch_sub(&control->freed, (long)size) - (long)size;
    if (left < 0)
        atomic_fetch_add(&control->freed, (long)size);
    return left >= 0;
}

/* `size` of an allocation, 0 for all else. */
static bool must_fail(enum function function, size_t size) {
    if (!is_armed(function))
        return false;
    long number = atomic_fetch_add(&control->seen, 1) + 1;
    long wanted = atomic_load(&control->wanted);
    bool is_one = atomic_load(&control->mode) == FAULT_ONE;
    bool fails = is_one ? number == wanted : number >= wanted && !(size > 0 && takes_what_was_freed(size));
    if (fails) {
        strncpy(control->last_failed, functions[function].name, sizeof control->last_failed - 1);
        prctl(PR_GET_NAME, control->last_thread);
        atomic_fetch_add(&control->failed, 1);
        errno = atomic_load(&control->error);
    }
    return fails;
}

/* How many bytes of `len` are to be written before this call ends; -1: none, it fails. */
static ssize_t let_through(enum function function, size_t len) {
    if (!must_fail(function, 0))
        return (ssize_t)len;
    return errno == FAULT_SHORT ? (ssize_t)(len - len / 2) : -1;
}

/* ---- memory ---- */

static void note_freed(void *memory) {
    if (memory == NULL || !is_armed(FREE) || atomic_load(&control->mode) != FAULT_ALL)
        return;
    if (atomic_load(&control->seen) >= atomic_load(&control->wanted))
        atomic_fetch_add(&control->freed, (long)malloc_usable_size(memory));
}

EXPORTED void *malloc(size_t size) {
    void *(*other)(size_t) = next(MALLOC);
    return must_fail(MALLOC, size) ? NULL : other(size);
}

EXPORTED void *calloc(size_t count, size_t size) {
    void *(*other)(size_t, size_t) = next(CALLOC);
    return must_fail(CALLOC, count * size) ? NULL : other(count, size);
}

EXPORTED void *realloc(void *memory, size_t size) {
    void *(*other)(void *, size_t) = next(REALLOC);
    return must_fail(REALLOC, size) ? NULL : other(memory, size);
}

EXPORTED void *memalign(size_t alignment, size_t size) {
    void *(*other)(size_t, size_t) = next(MEMALIGN);
    return must_fail(MEMALIGN, size) ? NULL : other(alignment, size);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

EXPORTED int posix_memalign(void **memory, size_t alignment, size_t size) {
    void *made = memalign(alignment, size);
    if (made == NULL)
        return ENOMEM;
    *memory = made;
    return 0;
}

EXPORTED void free(void *memory) {
    void (*other)(void *) = next(FREE);
    note_freed(memory);
    other(memory);
}

EXPORTED void *mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset) {
    void *(*other)(void *, size_t, int, int, int, off_t) = next(MMAP);
    return must_fail(MMAP, len) ? MAP_FAILED : other(address, len, protection, flags, fd, offset);
}

/* ---- threads ---- */

EXPORTED int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context) {
    int (*other)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = next(PTHREAD_CREATE);
    return must_fail(PTHREAD_CREATE, 0) ? errno : other(thread, attributes, run, context);
}

/* The address sanitizer calls it in each thread that begins, and ends the process when there is no memory. */
EXPORTED int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes) {
    int (*other)(pthread_t, pthread_attr_t *) = next(PTHREAD_GETATTR);
    is_exempt = true;
    int error = other(thread, attributes);
    is_exempt = false;
    return error;
}

/* ---- descriptors ---- */

static int open_as(enum function function, const char *path, int flags, va_list more) {
    int (*other)(const char *, int, ...) = next(function);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    return must_fail(function, 0) ? -1 : other(path, flags, mode);
}

EXPORTED int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = open_as(OPEN, path, flags, more);
    va_end(more);
    return fd;
}

EXPORTED int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = open_as(OPEN64, path, flags, more);
    va_end(more);
    return fd;
}

EXPORTED int openat(int directory, const char *path, int flags, ...) {
    int (*other)(int, const char *, int, ...) = next(OPENAT);
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    return must_fail(OPENAT, 0) ? -1 : other(directory, path, flags, mode);
}

EXPORTED FILE *fopen(const char *path, const char *mode) {
    FILE *(*other)(const char *, const char *) = next(FOPEN);
    return must_fail(FOPEN, 0) ? NULL : other(path, mode);
}

EXPORTED FILE *fopen64(const char *path, const char *mode) {
    FILE *(*other)(const char *, const char *) = next(FOPEN64);
    return must_fail(FOPEN64, 0) ? NULL : other(path, mode);
}

EXPORTED DIR *opendir(const char *path) {
    DIR *(*other)(const char *) = next(OPENDIR);
    return must_fail(OPENDIR, 0) ? NULL : other(path);
}

EXPORTED DIR *fdopendir(int fd) {
    DIR *(*other)(int) = next(FDOPENDIR);
    return must_fail(FDOPENDIR, 0) ? NULL : other(fd);
}

EXPORTED int socket(int family, int type, int protocol) {
    int (*other)(int, int, int) = next(SOCKET);
    return must_fail(SOCKET, 0) ? -1 : other(family, type, protocol);
}

EXPORTED int socketpair(int family, int type, int protocol, int ends[2]) {
    int (*other)(int, int, int, int[2]) = next(SOCKETPAIR);
    return must_fail(SOCKETPAIR, 0) ? -1 : other(family, type, protocol, ends);
}

EXPORTED int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    int (*other)(int, struct sockaddr *, socklen_t *, int) = next(ACCEPT4);
    return must_fail(ACCEPT4, 0) ? -1 : other(fd, address, len, flags);
}

EXPORTED int epoll_create1(int flags) {
    int (*other)(int) = next(EPOLL_CREATE1);
    return must_fail(EPOLL_CREATE1, 0) ? -1 : other(flags);
}

EXPORTED int eventfd(unsigned value, int flags) {
    int (*other)(unsigned, int) = next(EVENTFD);
    return must_fail(EVENTFD, 0) ? -1 : other(value, flags);
}

/* All that is asked of it takes a long, a pointer or nothing. */
EXPORTED int fcntl(int fd, int command, ...) {
    int (*other)(int, int, ...) = next(FCNTL);
    va_list more;
    va_start(more, command);
    long argument = va_arg(more, long);
    va_end(more);
    return command == F_DUPFD_CLOEXEC && must_fail(FCNTL, 0) ? -1 : other(fd, command, argument);
}

/* ---- files ---- */

/* An eventfd always takes what is written to it. */
static bool is_file_or_pipe(int fd) {
    struct stat file;
    return fstat(fd, &file) == 0 && (S_ISREG(file.st_mode) || S_ISFIFO(file.st_mode));
}

EXPORTED ssize_t write(int fd, const void *bytes, size_t len) {
    ssize_t (*other)(int, const void *, size_t) = next(WRITE);
    if (!is_armed(WRITE) || !is_file_or_pipe(fd))
        return other(fd, bytes, len);
    ssize_t part = let_through(WRITE, len);
    return part < 0 ? -1 : other(fd, bytes, (size_t)part);
}

EXPORTED int fsync(int fd) {
    int (*other)(int) = next(FSYNC);
    return let_through(FSYNC, 1) < 0 ? -1 : other(fd);
}

EXPORTED int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
    int (*other)(int, const char *, int, const char *, int) = next(LINKAT);
    return let_through(LINKAT, 1) < 0 ? -1 : other(from_directory, from, to_directory, to, flags);
}

EXPORTED int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    int (*other)(int, const char *, int, const char *) = next(RENAMEAT);
    return let_through(RENAMEAT, 1) < 0 ? -1 : other(from_directory, from, to_directory, to);
}

/* ---- sockets ---- */

static struct watched {
    _Atomic(int) epoll_fd; /* 0: none */
    struct epoll_event event;
} watched[WATCHED_MAX];

EXPORTED int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event) {
    int (*other)(int, int, int, struct epoll_event *) = next(EPOLL_CTL);
    if (fd < WATCHED_MAX && operation != EPOLL_CTL_DEL) {
        watched[fd].event = *event;
        atomic_store(&watched[fd].epoll_fd, epoll_fd);
    }
    return other(epoll_fd, operation, fd, event);
}

/* The kernel accepts only a part when its buffer is full, and signals an edge when there is space again: so must this. */
static void raise_edge(int fd) {
    int (*other)(int, int, int, struct epoll_event *) = next(EPOLL_CTL);
    int epoll_fd = fd < WATCHED_MAX ? atomic_load(&watched[fd].epoll_fd) : 0;
    if (epoll_fd > 0)
        other(epoll_fd, EPOLL_CTL_MOD, fd, &watched[fd].event);
}

static ssize_t send_part(enum function function, int fd, const void *bytes, size_t len, int flags, const struct sockaddr *address,
                         socklen_t address_len) {
    ssize_t (*other)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = next(SENDTO);
    ssize_t part = let_through(function, len);
    ssize_t sent = part < 0 ? -1 : other(fd, bytes, (size_t)part, flags, address, address_len);
    if (part >= 0 && (size_t)part < len)
        raise_edge(fd);
    return sent;
}

EXPORTED ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    return send_part(SEND, fd, bytes, len, flags, NULL, 0);
}

EXPORTED ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *address, socklen_t address_len) {
    return send_part(SENDTO, fd, bytes, len, flags, address, address_len);
}

/* The first piece alone is the part. */
EXPORTED ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    ssize_t (*other)(int, const struct msghdr *, int) = next(SENDMSG);
    struct msghdr part = *message;
    if (let_through(SENDMSG, 2) == 2)
        return other(fd, message, flags);
    if (errno != FAULT_SHORT)
        return -1;
    part.msg_iovlen = part.msg_iovlen > 0 ? 1 : 0;
    ssize_t sent = other(fd, &part, flags);
    raise_edge(fd);
    return sent;
}

/* ---- locks ---- */

/* Who took a lock last, by its address; of two with one place the earlier is forgotten. */
static struct {
    _Atomic(void *) lock;
    _Atomic(pthread_t) thread;
} takers[TAKERS];

/* The lock is held. */
static void count_taken(enum function function, void *lock) {
    if (!is_armed(function))
        return;
    size_t place = (uintptr_t)lock / sizeof(void *) % TAKERS;
    bool is_known = atomic_exchange(&takers[place].lock, lock) == lock;
    bool is_own = atomic_exchange(&takers[place].thread, pthread_self()) == pthread_self();
    if (is_known && !is_own)
        atomic_fetch_add(&control->seen, 1);
}

EXPORTED int pthread_mutex_lock(pthread_mutex_t *lock) {
    int (*other)(pthread_mutex_t *) = next(MUTEX_LOCK);
    int error = other(lock);
    count_taken(MUTEX_LOCK, lock);
    return error;
}

EXPORTED int pthread_rwlock_rdlock(pthread_rwlock_t *lock) {
    int (*other)(pthread_rwlock_t *) = next(RWLOCK_RDLOCK);
    int error = other(lock);
    count_taken(RWLOCK_RDLOCK, lock);
    return error;
}

EXPORTED int pthread_rwlock_wrlock(pthread_rwlock_t *lock) {
    int (*other)(pthread_rwlock_t *) = next(RWLOCK_WRLOCK);
    int error = other(lock);
    count_taken(RWLOCK_WRLOCK, lock);
    return error;
}

/* ---- what the address sanitizer asks, when there is one ---- */

/* It wants to be the first library. Behind this one it still gets every call that is to succeed. Without frame pointers, as
 * libraries are, only the slow way through the stack finds the function that a suppression names. */
EXPORTED const char *__asan_default_options(void) {
    return "verify_asan_link_order=0:fast_unwind_on_malloc=0:print_suppressions=0";
}

/* libjwt 1.10.2 forgets the text of a header or payload, by json_dumps, when there is no memory for its copy. */
EXPORTED const char *__lsan_default_suppressions(void) {
    return "leak:json_dumps\n";
}
