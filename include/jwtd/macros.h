/* macros: what the language lacks, and no function or table can do. */
#ifndef JWTD_MACROS_H
#define JWTD_MACROS_H

#include <stddef.h>

#ifdef NDEBUG
#error "assertions stay on: a process whose state is inconsistent must stop"
#endif

/* The number of elements of an array, as a constant. A pointer in its place does not compile. */
#define ARRAY_LEN(array)                                                                                                         \
    (sizeof(array) / sizeof((array)[0]) +                                                                                        \
     0 * sizeof(char[1 - 2 * __builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0]))]))

/* The struct of `type` whose `member` the pointer points to. A pointer to something else does not compile. */
#define container_of(pointer, type, member)                                                                                      \
    ((type *)((char *)(pointer)-offsetof(type, member) + 0 * sizeof((pointer) == (__typeof__(&((type *)0)->member))NULL)))

#endif
