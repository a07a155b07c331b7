/*
 * arena: memory that belongs to one request and vanishes with it, wiped.
 *
 * Nobody frees a piece; arena_fini wipes and frees all of it. One owner at a time, no lock: whoever holds the request holds its
 * arena. The total is bounded (`limit` bytes), so that no input can grow a request without end.
 */
#ifndef JWTD_ARENA_H
#define JWTD_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t total;               /* bytes taken from the heap */
    size_t limit;
};

void arena_init(struct arena *arena, size_t limit);
void arena_fini(struct arena *arena);

/* Zeroed memory aligned for any type; NULL when the heap or the limit is exhausted. for size 0 a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of `len` bytes with a NUL behind them; NULL as above. */
char *arena_copy(struct arena *arena, const void *bytes, size_t len);

/* printf into the arena; NULL as above. */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
