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

/* Makes the key that signs if there is none. False, with the reason in `error`. */
bool refresh_key_create(const char *file, struct key_error error) MUST_CHECK;

#endif
