/*
 * reusable_memory: memory that libsodium's argon2id uses instead of a fresh mapping for every hash.
 *
 * The linker (--wrap=mmap, --wrap=munmap) routes the two calls in libsodium.a, and those of this program, through
 * reusable_memory.c. While one is lent on a thread, the first private anonymous mapping of that thread that fits receives its
 * pages, and unmapping them does nothing; every other call reaches the C library unchanged. Shared libraries are not affected.
 *
 * Each belongs to one thread. Its pages come from the kernel when they are first used, are left out of core dumps, and keep what
 * was last written to them until reusable_memory_release.
 */
#ifndef JWTD_PASSWORD_REUSABLE_MEMORY_H
#define JWTD_PASSWORD_REUSABLE_MEMORY_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct reusable_memory {
    unsigned char *base; /* aligned for huge pages */
    size_t size;
    void *mapping; /* what was mapped: the memory, and what precedes it for its alignment */
    size_t mapping_size;
    size_t used_size; /* 0: free */
    bool was_used;    /* since reusable_memory_lend */
};

/* False if `size` bytes of address space cannot be mapped, or size is 0. No page is allocated yet. */
bool reusable_memory_init(struct reusable_memory *memory, size_t size) MUST_CHECK;
void reusable_memory_fini(struct reusable_memory *memory);

/* Lends the memory to the calling thread's next mapping, until reusable_memory_return. One at a time on a thread. */
void reusable_memory_lend(struct reusable_memory *memory);

/* Ends the loan. Returns whether a mapping has used the memory since it was lent. */
bool reusable_memory_return(struct reusable_memory *memory);

/* Releases the pages to the kernel, and with them what they hold; the memory stays usable. */
void reusable_memory_release(struct reusable_memory *memory);

#endif
