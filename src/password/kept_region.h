/*
 * kept_region: memory that libsodium's argon2id is given instead of a fresh mapping for every hash.
 *
 * The linker (--wrap=mmap, --wrap=munmap) leads the two calls in libsodium.a, and those of this program, through kept_region.c.
 * While a region is armed on a thread, that thread's first private anonymous mapping that fits gets the region's memory, and
 * unmapping it does nothing; every other call reaches the C library unchanged. Shared libraries are not touched at all.
 *
 * A region belongs to one thread. Its pages are had from the kernel when they are first used, are left out of core dumps, and
 * keep what was last written to them until kept_region_release.
 */
#ifndef JWTD_KEPT_REGION_H
#define JWTD_KEPT_REGION_H

#include <stdbool.h>
#include <stddef.h>

struct kept_region {
    unsigned char *base; /* aligned for huge pages */
    size_t size;
    void *mapping; /* what was mapped, with room for the alignment */
    size_t mapping_size;
    size_t lent_size; /* 0: free */
    bool was_lent;    /* since kept_region_arm */
};

/* False when there is no room for `size` bytes of address space; nothing is touched yet. */
bool kept_region_init(struct kept_region *region, size_t size) __attribute__((warn_unused_result));
void kept_region_fini(struct kept_region *region);

/* Lends the region to the calling thread's next mapping, until disarmed. */
void kept_region_arm(struct kept_region *region);

/* Gives whether anybody took it since it was armed. */
bool kept_region_disarm(struct kept_region *region);

/* Gives the pages back to the kernel, and with them what they hold; the region stays usable. */
void kept_region_release(struct kept_region *region);

#endif
