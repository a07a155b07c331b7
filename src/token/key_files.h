/*
 * key_files: the files that hold keys: whom they may belong to, who may read them, and how they are written.
 *
 * Reading follows symbolic links, since Kubernetes mounts secrets so; mode and owner of the target are checked. The text of a key
 * is in a buffer of the caller, who wipes it. At start, at a reload and by commands; any thread.
 */
#ifndef JWTD_TOKEN_KEY_FILES_H
#define JWTD_TOKEN_KEY_FILES_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#define KEY_TEXT_MAX 4096 /* characters in a file; an RSA key of 4096 bits has 3272 */

/* Where a function writes its reason, which names the file; 512 bytes are enough but for long paths. */
struct key_error {
    char *text;
    size_t size;
};

/* The text of a key file. */
struct key_text {
    const char *path; /* borrowed; for reasons */
    mode_t mode;
    size_t len;
    char bytes[KEY_TEXT_MAX + 1]; /* no NUL behind them */
};

void key_text_wipe(struct key_text *text);

/* Writes "path: reason" and returns false, so that a refusal is one line. */
bool key_refuse(struct key_error error, const char *path, const char *reason);

/* The same with errno, from an attempt to open it; when it is one that this user may not read, with its owner and mode. */
bool key_refuse_open(struct key_error error, const char *path);

/* Reads a file without the white space at its end. False, with the reason in `error`, when it is missing, no regular file,
 * writable by others than owner and group, owned by others than root and `owner`, empty or too long. Others may be able to read
 * it: who finds a secret in it calls key_text_check_private. The text is to be wiped in both cases. */
bool key_file_read(const char *path, uid_t owner, struct key_text *text, struct key_error error) MUST_CHECK;

/* Reads a file up to its end or to `size` bytes, which is one more than it may have, so that the caller notices one that is too
 * long. False and errno. */
bool key_read_whole(int fd, char *bytes, size_t size, size_t *len) MUST_CHECK;

/* Whether only owner and group can read the file; false, with the reason in `error`. */
bool key_text_check_private(const struct key_text *text, struct key_error error) MUST_CHECK;

/* The checks of both for an open file of secrets that is no key; `path` is for the reason. */
bool key_file_check(int fd, const char *path, struct key_error error) MUST_CHECK;

/* Whether only root, `owner` and the directory's group can add a key to it: it must belong to one of the first
 * two and not be writable by others, unless it is mounted read-only. False, with the reason in `error`. */
bool key_directory_check(int fd, const char *path, uid_t owner, struct key_error error) MUST_CHECK;

enum key_file_result { KEY_FILE_CREATED, KEY_FILE_EXISTS, KEY_FILE_FAILED };

/* Writes a key to a file that appears whole or not at all; a file that is there already stays as it is. `directory` is open,
 * `name` a name in it; `path` is for the reason of a failure. Mode and group are those of the file `like` in the directory; if
 * that is NULL or missing, the mode is 0600, or, in a directory of root that another group may read, and not all users, 0640 with
 * that group. */
enum key_file_result key_file_create(int directory, const char *name, const char *like, const char *path,
                                     const struct key_text *text, struct key_error error) MUST_CHECK;

#endif
