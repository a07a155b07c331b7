#include "jwtd/arena.h"

#include <assert.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK_SIZE ((size_t)2048)
#define LARGEST_BLOCK_SIZE ((size_t)32768)
#define PIECE_MAX (SIZE_MAX / 2) /* so that neither rounding it up nor adding a block's head can wrap around */

struct arena_block {
    struct arena_block *next;
    size_t size, used; /* of bytes */
    alignas(max_align_t) unsigned char bytes[];
};

void arena_init(struct arena *arena, size_t limit) {
    *arena = (struct arena){ .limit = limit };
}

static void wipe(struct arena_block *block) {
    assert(block->used <= block->size);
    sodium_memzero(block->bytes, block->used);
    block->used = 0;
}

void arena_clear(struct arena *arena) {
    struct arena_block *block = arena->blocks, *kept = NULL;
    while (block != NULL) {
        struct arena_block *next = block->next;
        wipe(block);
        if (kept == NULL && block->size == FIRST_BLOCK_SIZE)
            kept = block;
        else
            free(block);
        block = next;
    }
    *arena = (struct arena){ .limit = arena->limit, .blocks = kept, .total = kept != NULL ? kept->size : 0 };
    if (kept != NULL)
        kept->next = NULL;
}

void arena_fini(struct arena *arena) {
    arena_clear(arena);
    free(arena->blocks);
    *arena = (struct arena){ .limit = arena->limit };
}

static size_t next_block_size(const struct arena *arena) {
    if (arena->blocks == NULL)
        return FIRST_BLOCK_SIZE;
    return arena->blocks->size < LARGEST_BLOCK_SIZE / 2 ? arena->blocks->size * 2 : LARGEST_BLOCK_SIZE;
}

/* A piece too large for a usual block gets one of its own, behind the newest, whose free end stays in use. */
static struct arena_block *add_block(struct arena *arena, size_t needed) {
    assert(arena->total <= arena->limit);
    size_t left = arena->limit - arena->total;
    size_t usual = next_block_size(arena);
    size_t size = needed > usual ? needed : usual;
    if (size > left)
        size = left; /* the last bytes below the limit are used too */
    if (size < needed)
        return NULL;
    struct arena_block *block = malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->size = size;
    block->used = 0;
    struct arena_block **place = arena->blocks != NULL && needed > usual ? &arena->blocks->next : &arena->blocks;
    block->next = *place;
    *place = block;
    arena->total += size;
    return block;
}

static size_t rounded(size_t size) {
    size_t unit = alignof(max_align_t);
    return size == 0 ? unit : (size + unit - 1) / unit * unit;
}

void *arena_alloc(struct arena *arena, size_t size) {
    if (size > arena->limit || size > PIECE_MAX)
        return NULL;
    size_t needed = rounded(size);
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < needed)
        block = add_block(arena, needed);
    if (block == NULL)
        return NULL;
    assert(needed <= block->size - block->used);
    void *piece = block->bytes + block->used;
    block->used += needed;
    return memset(piece, 0, needed);
}

char *arena_copy(struct arena *arena, const void *bytes, size_t len) {
    if (len >= arena->limit)
        return NULL;
    char *copy = arena_alloc(arena, len + 1);
    if (copy != NULL && len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text == NULL)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return text;
}
