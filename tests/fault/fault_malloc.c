/*
 * fault_malloc: a library that is loaded in front of the program's own (LD_PRELOAD) and makes the allocation fail that fault.h
 * asks for. It stands for every allocation of the program and its libraries, since all of them call malloc by name.
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* glibc's own, under the names by which it exports them for such libraries. */
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

static struct fault_control *control; /* NULL until the constructor has run, and without a file */

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv(FAULT_FILE_VARIABLE);
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    control = memory != MAP_FAILED ? memory : NULL;
}

/* Those that carry a request; the others allocate when they like, and so would make two runs differ. */
static bool serves_requests(void) {
    static const char *const names[] = { "accept", "MHD-", "database-", "crypto-" };
    static __thread bool serves; /* only a yes is kept: a thread gets its name after its first allocations */
    char name[17] = "";
    if (serves || prctl(PR_GET_NAME, name) != 0)
        return serves;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        serves = serves || strncmp(name, names[i], strlen(names[i])) == 0;
    return serves;
}

static bool takes_what_was_freed(size_t size) {
    long left = atomic_fetch_sub(&control->freed, (long)size) - (long)size;
    if (left < 0)
        atomic_fetch_add(&control->freed, (long)size);
    return left >= 0;
}

static bool must_fail(size_t size) {
    if (control == NULL || atomic_load(&control->mode) == FAULT_NONE || !serves_requests())
        return false;
    long number = atomic_fetch_add(&control->seen, 1) + 1;
    long wanted = atomic_load(&control->wanted);
    bool is_one = atomic_load(&control->mode) == FAULT_ONE;
    bool fails = is_one ? number == wanted : number >= wanted && !takes_what_was_freed(size);
    if (fails) {
        atomic_fetch_add(&control->failed, 1);
        errno = ENOMEM;
    }
    return fails;
}

static void note_freed(void *memory) {
    if (control == NULL || memory == NULL || atomic_load(&control->mode) != FAULT_ALL)
        return;
    if (atomic_load(&control->seen) >= atomic_load(&control->wanted) && serves_requests())
        atomic_fetch_add(&control->freed, (long)malloc_usable_size(memory));
}

__attribute__((visibility("default"))) void *malloc(size_t size) {
    return must_fail(size) ? NULL : __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size) {
    return must_fail(count * size) ? NULL : __libc_calloc(count, size);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t size) {
    return must_fail(size) ? NULL : __libc_realloc(memory, size);
}

__attribute__((visibility("default"))) void *memalign(size_t alignment, size_t size) {
    return must_fail(size) ? NULL : __libc_memalign(alignment, size);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t size) {
    return must_fail(size) ? NULL : __libc_memalign(alignment, size);
}

__attribute__((visibility("default"))) int posix_memalign(void **memory, size_t alignment, size_t size) {
    void *made = must_fail(size) ? NULL : __libc_memalign(alignment, size);
    if (made == NULL)
        return ENOMEM;
    *memory = made;
    return 0;
}

__attribute__((visibility("default"))) void free(void *memory) {
    note_freed(memory);
    __libc_free(memory);
}
