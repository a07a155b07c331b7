#include "method.h"

#include "jwtd/macros.h"

#include <stddef.h>
#include <string.h>

static const struct method_words methods[] = {
    { "GET", "GET" },   { "POST", "POST" },       { "PATCH", "PATCH" },     { "DELETE", "DELETE" }, { "PUT", "PUT" },
    { "HEAD", "HEAD" }, { "OPTIONS", "OPTIONS" }, { "CONNECT", "CONNECT" }, { "TRACE", "TRACE" },   { "other", "_OTHER" },
};

const struct method_words *method_words(const char *method) {
    size_t i = 0;
    while (i < ARRAY_LEN(methods) - 1 && strcmp(methods[i].of_log, method) != 0)
        i++;
    return &methods[i];
}
