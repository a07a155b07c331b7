#include "names.h"

#include <assert.h>
#include <string.h>

const char *names_get(const struct names *names, int value) {
    assert(value >= 0 && (size_t)value < names->count);
    return names->items[value];
}

int names_find(const struct names *names, const char *name) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return (int)i;
    return -1;
}
