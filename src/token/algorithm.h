/*
 * algorithm: what the service must know of a signature algorithm (RFC 7518 section 3), one row each. A key belongs to one row, by
 * the name of its file, and a token is checked with the row of its key: the token's header must name the same algorithm, and
 * never selects one (RFC 8725 section 3.1). Used in src/token and by the verifier library only. Constant data; any thread.
 */
#ifndef JWTD_TOKEN_ALGORITHM_H
#define JWTD_TOKEN_ALGORITHM_H

#include "jwtd/json_writer.h"
#include "jwtd/keyring.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

#include "key_files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct algorithm {
    const char *name;                    /* alg of the header; compared byte by byte */
    const char *suffix;                  /* of its key files */
    size_t signature_min, signature_max; /* bytes; that of one key is signing_key.signature_size */

    /* Reads the text of a key file into the key, whose kid and algorithm are set. False, with the reason in `error`; the key is
     * released by signing_key_release in both cases. */
    bool (*load)(struct signing_key *key, const struct key_text *text, struct key_error error);

    /* Writes the text of a file with a new private or secret key. False, with the reason in `error`, if out of memory. */
    bool (*generate)(struct key_text *text, struct key_error error);

    /* Writes key->signature_size bytes of signature, by a key that can_sign. STATUS_OUT_OF_MEMORY, or STATUS_INTERNAL. */
    enum status (*sign)(const struct signing_key *key, struct text text, uint8_t *signature);

    /* STATUS_OK if this is the signature, key->signature_size bytes, of the text; STATUS_INVALID_TOKEN, or STATUS_OUT_OF_MEMORY.
     * That of HS256 takes a time that does not depend on where they differ. */
    enum status (*verify)(const struct signing_key *key, struct text text, const uint8_t *signature);

    /* Writes the members of a JSON Web Key that the algorithm has beside those of every key: kty and the public numbers (RFC 7518
     * section 6). False if out of memory. NULL: keys of this row are secret and are never published. */
    bool (*write_jwk)(const struct signing_key *key, struct json_writer *writer);
};

#define ALGORITHM_SIGNATURE_MAX 512 /* bytes; no row has a longer signature */

/* The algorithm of the keys that keygen makes unless it is told. */
const struct algorithm *algorithm_default(void);

#define ALGORITHM_COUNT 3

/* The rows, by a number below ALGORITHM_COUNT. */
const struct algorithm *algorithm_at(size_t index);

/* NULL if no row has this name. */
const struct algorithm *algorithm_by_name(struct text name);

/* The algorithm of a key file by its suffix, and the kid in front of that, borrowed from file_name. NULL if the file is no key.
 */
const struct algorithm *algorithm_of_file(const char *file_name, struct text *kid);

/* The one whose key files have this suffix, written without its dot: "es256", as operators name algorithms. NULL: none. */
const struct algorithm *algorithm_by_suffix(const char *suffix);

/* Reads the key file at `path`, which belongs to root or to `owner`. False, with the reason and the file's name in `error`;
 * otherwise the key is to be released. */
bool signing_key_load(struct signing_key *key, const struct algorithm *algorithm, struct text kid, const char *path, uid_t owner,
                      struct key_error error) MUST_CHECK;

/* Wipes and frees what the key holds; a key of zeros holds nothing. */
void signing_key_release(struct signing_key *key);

#endif
