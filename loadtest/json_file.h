/*
 * json_file: a file of JSON, read whole and parsed by the rules of jwtd/json.h. The file owns the values.
 */
#ifndef FAILPOINT_JSON_FILE_H
#define FAILPOINT_JSON_FILE_H

#include "jwtd/arena.h"
#include "jwtd/json.h"

#include <stdbool.h>

#define JSON_FILE_MAX ((size_t)1 << 28)

struct json_file {
    struct arena arena;
    const struct json *root;
};

/* False, with a sentence in `error`, when the file cannot be read, is larger than JSON_FILE_MAX, or is not valid JSON.
 * json_file_close only after true. */
bool json_file_open(struct json_file *file, const char *path, char *error, size_t error_size);
void json_file_close(struct json_file *file);

#endif
