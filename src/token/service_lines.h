/* service_lines: the lines of the file of service_credentials.h, in memory. For src/token/service_*.c only. */
#ifndef JWTD_TOKEN_SERVICE_LINES_H
#define JWTD_TOKEN_SERVICE_LINES_H

#include "jwtd/service_credentials.h"

#include <sodium.h>
#include <stdint.h>

struct service_line {
    char name[SERVICE_NAME_MAX_LEN + 1]; /* zeroes behind the name, since it is compared whole */
    uint8_t hash[crypto_hash_sha256_BYTES];
};

struct service_credentials {
    size_t count;
    struct service_line lines[SERVICE_SECRETS_MAX];
};

#define SERVICE_LINE_SIZE (SERVICE_NAME_MAX_LEN + 1 + 2 * (size_t)crypto_hash_sha256_BYTES + 1) /* with its newline */

/* Reads the open file; false, with the reason in `error`. `path` is for the reason only. */
bool service_lines_read(int fd, const char *path, struct service_credentials *set, char *error, size_t error_size) MUST_CHECK;

#endif
