/*
 * algorithm: what the service must know of a signature algorithm (RFC 7518 section 3), one row each. A key belongs to one row, by
 * the name of its file, and a token is checked with the row of its key: the token's header must name the same algorithm, and
 * never selects one (RFC 8725 section 3.1). Used in src/token only. Constant data; any thread.
 */
#ifndef JWTD_TOKEN_ALGORITHM_H
#define JWTD_TOKEN_ALGORITHM_H

#include "jwtd/text.h"

#include <jwt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct algorithm {
    const char *name;   /* alg of the header; compared byte by byte */
    const char *suffix; /* of its key files */
    jwt_alg_t jwt_alg;
    size_t signature_size;   /* bytes */
    size_t key_min, key_max; /* bytes */
    size_t new_key_size;     /* bytes, random */
    /* Whether this is the signature, signature_size bytes, of the text. In a time that does not depend on where they differ. */
    bool (*verify)(const uint8_t *key, size_t key_len, struct text text, const uint8_t *signature);
};

#define ALGORITHM_SIGNATURE_MAX 64 /* bytes; no row has a longer signature */

/* The algorithm of the keys that keygen makes. */
const struct algorithm *algorithm_default(void);

/* NULL if no row has this name. */
const struct algorithm *algorithm_by_name(struct text name);

/* The algorithm of a key file by its suffix, and the kid in front of that, borrowed from file_name. NULL if the file is no key.
 */
const struct algorithm *algorithm_of_file(const char *file_name, struct text *kid);

#endif
