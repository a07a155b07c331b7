/*
 * key_files: one secret key in one file, as base64url text (with or without padding; white space at the end is ignored).
 *
 * Reading follows symbolic links, since Kubernetes mounts secrets so; mode and owner of the target are checked. Buffers that held
 * key text are wiped. For keyring.c only, at start, at a reload and by `jwtd keygen`; any thread.
 */
#ifndef JWTD_TOKEN_KEY_FILES_H
#define JWTD_TOKEN_KEY_FILES_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a key of min_len to max_len bytes into sodium_malloc'ed, read-only memory (to be freed by sodium_free). NULL, with the
 * reason and the file's name in `error`, when the file is missing, no regular file, open to others than owner and group, owned
 * by others than root and the user of this process, or holds no such key. */
uint8_t *key_file_read(const char *path, size_t min_len, size_t max_len, size_t *len, char *error, size_t error_size);

/* Whether only root, the user of this process and the directory's group can add a key to it: it must belong to one of the first
 * two and not be writable by others, unless it is mounted read-only. False, with the reason in `error`. */
bool key_directory_check(int fd, const char *path, char *error, size_t error_size) MUST_CHECK;

enum key_file_result { KEY_FILE_CREATED, KEY_FILE_EXISTS, KEY_FILE_FAILED };

/* Writes a new random key of `len` bytes (at most 64) to a file of mode 0600 that appears whole or not at all; a file that is
 * there already stays as it is. `directory` is open, `name` a name in it, and `path` is for the reason of a failure. */
enum key_file_result key_file_create(int directory, const char *name, const char *path, size_t len, char *error,
                                     size_t error_size) MUST_CHECK;

#endif
