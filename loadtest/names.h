/* names: the texts of an enum, by its value: what records, options and API files call its members. */
#ifndef FAILPOINT_NAMES_H
#define FAILPOINT_NAMES_H

#include <stddef.h>

struct names {
    const char *const *items;
    size_t count;
};

const char *names_get(const struct names *names, int value); /* `value` must be one of the enum */
int names_find(const struct names *names, const char *name); /* -1: there is none */

#endif
