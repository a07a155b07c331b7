/* array: the number of elements of an array; a pointer does not compile. */
#ifndef FAILPOINT_ARRAY_H
#define FAILPOINT_ARRAY_H

#define ARRAY_IS_POINTER(array) __builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0]))
#define ARRAY_LEN(array) (sizeof(array) / sizeof(array)[0] + 0 * sizeof(char[ARRAY_IS_POINTER(array) ? -1 : 1]))

#endif
