#include "json_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_BEGIN ((size_t)64 * 1024)

/* NULL with errno: EFBIG for one that is too large. The caller frees it. */
static char *read_all(FILE *file, size_t *len) {
    size_t size = SIZE_BEGIN;
    char *bytes = malloc(size);
    *len = 0;
    while (bytes != NULL) {
        *len += fread(bytes + *len, 1, size - *len, file);
        if (*len < size)
            break;
        size *= 2;
        char *larger = size > JSON_FILE_MAX ? NULL : realloc(bytes, size);
        if (larger == NULL) {
            free(bytes);
            errno = size > JSON_FILE_MAX ? EFBIG : ENOMEM;
            return NULL;
        }
        bytes = larger;
    }
    if (bytes == NULL || !ferror(file))
        return bytes;
    int reason = errno;
    free(bytes);
    errno = reason;
    return NULL;
}

static char *read_path(const char *path, size_t *len) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return NULL;
    char *bytes = read_all(file, len);
    int reason = errno;
    fclose(file);
    errno = reason;
    return bytes;
}

static const struct json_limits any_json = { .depth = JSON_DEPTH_MAX, .containers = UINT_MAX };

bool json_file_open(struct json_file *file, const char *path, char *error, size_t error_size) {
    size_t len;
    char *bytes = read_path(path, &len);
    if (bytes == NULL) {
        snprintf(error, error_size, "%s: %s", path, strerrordesc_np(errno));
        return false;
    }
    arena_init(&file->arena, JSON_ARENA_LIMIT(len, len / 2));
    enum status status = json_parse(&file->arena, (struct text){ bytes, len }, any_json, &file->root);
    free(bytes);
    if (status == STATUS_OK)
        return true;
    snprintf(error, error_size, "%s: %s", path, status == STATUS_OUT_OF_MEMORY ? "no memory" : "not valid JSON");
    arena_fini(&file->arena);
    return false;
}

void json_file_close(struct json_file *file) {
    arena_fini(&file->arena);
}
