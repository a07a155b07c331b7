/* refresh_keys: the keys of refresh tokens, which are in the file token.refresh_key_file and beside it (keyring.h). Used in
 * src/token only; refresh_key_create is for commands. */
#ifndef JWTD_TOKEN_REFRESH_KEYS_H
#define JWTD_TOKEN_REFRESH_KEYS_H

#include "jwtd/keyring.h"
#include "key_files.h"

struct refresh_keys {
    struct refresh_key keys[REFRESH_KEYS_MAX]; /* the first signs */
    size_t count;
};

/* False, with the reason in `error`; refresh_keys_fini is due in both cases. */
bool refresh_keys_load(struct refresh_keys *keys, const char *file, struct key_error error) MUST_CHECK;
void refresh_keys_fini(struct refresh_keys *keys);

/* The first step to replace the key that signs: makes "FILE.next", which every instance must read before the second. It is
 * refused when there are REFRESH_KEYS_MAX already. False, with the reason in `error`. */
bool refresh_key_prepare(const char *file, struct key_error error) MUST_CHECK;

/* The time of "FILE.next", seconds; 0: there is none. */
int64_t refresh_key_prepared(const char *file);

/* The second step: FILE.next takes the place of FILE, in one rename, and the key that signed before stays beside it as "FILE.ID",
 * ID being that of the log line keys_read, which is written to `former`. Both are there at any moment, and a call that was killed
 * may be repeated. False, with the reason in `error`. */
#define REFRESH_ID_SIZE (2 * REFRESH_KEY_ID_BYTES + 1)
bool refresh_key_replace(const char *file, char former[REFRESH_ID_SIZE], struct key_error error) MUST_CHECK;

/* Makes the key that signs if there is none. False, with the reason in `error`. */
bool refresh_key_create(const char *file, struct key_error error) MUST_CHECK;

#endif
