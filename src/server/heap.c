#include "heap.h"

#include <malloc.h>

#define START_MAPPED_MIN_BYTES (64 * 1024)
#define START_END_BYTES (32 * 1024)
#define START_END_MAX_BYTES (512 * 1024)

#define MAPPED_MIN_BYTES (1024 * 1024)
#define END_BYTES (128 * 1024)
#define END_MAX_BYTES (64 * 1024 * 1024)

/* From `mapped_min` bytes on a piece is mapped by itself. The heap grows by `end` bytes more than are needed, and shrinks when
 * more than `end_max` are free at its end. */
static void set(int mapped_min, int end, int end_max) {
    mallopt(M_MMAP_THRESHOLD, mapped_min);
    mallopt(M_TOP_PAD, end);
    mallopt(M_TRIM_THRESHOLD, end_max);
}

void heap_begin_start(void) {
    set(START_MAPPED_MIN_BYTES, START_END_BYTES, START_END_MAX_BYTES);
    malloc_trim(0); /* the end of now, which the libraries' starts have made larger */
}

void heap_end_start(void) {
    set(MAPPED_MIN_BYTES, END_BYTES, END_MAX_BYTES);
}
