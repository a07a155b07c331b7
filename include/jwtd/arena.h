/*
 * arena: memory that is freed all at once, and wiped: that of one request, as a rule.
 *
 * No piece is freed by itself. An arena has one owner at a time and no lock: the owner of a request owns its arena. The total is
 * bounded (`limit` bytes), so that no input can grow a request without end.
 */
#ifndef JWTD_ARENA_H
#define JWTD_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t total;               /* bytes of all blocks, without their heads; at most `limit` */
    size_t limit;
};

/* Allocates nothing. */
void arena_init(struct arena *arena, size_t limit);

/* Wipes and frees everything. The arena is then empty and can be used again. */
void arena_fini(struct arena *arena);

/* Wipes everything, and frees it but for one block of the size of a first one: the arena is then empty, and its next pieces need
 * no memory of the heap. */
void arena_clear(struct arena *arena);

/* Zeroed memory aligned for any type; NULL when the heap or the limit is exhausted. For size 0 a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of `len` bytes with a NUL behind them; NULL as above. `bytes` may be NULL if len is 0. */
char *arena_copy(struct arena *arena, const void *bytes, size_t len);

/* printf into the arena; NULL as above. */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
