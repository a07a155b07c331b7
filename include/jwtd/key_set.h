/*
 * key_set: keys that verify access tokens, from a directory and from JWK Sets (RFC 7517), and the check of a token against them:
 * that of verifier.h in its order, by the same code, without log. For the verifier library (src/verify); the service has
 * keyring.h and verifier.h.
 *
 * A set is filled by one thread; then it is not changed, and any thread checks with it. It remembers the tokens that it has found
 * valid (src/token/token_cache.h).
 *
 * The directory: the key files of keyring.h, of root or of the owner of the directory, so that a
 * service of another user reads it as a member of its group. Keys that keys.conf in it calls revoked are refused, whatever source
 * has them, and stay so when keys.conf no longer says it; files of keys that it calls retiring, since more than keep_s, are left
 * out, as are other files. Of two keys with one id from different sources the one that was added first counts; in one directory
 * they are an error.
 */
#ifndef JWTD_KEY_SET_H
#define JWTD_KEY_SET_H

#include "jwtd/access_token.h"
#include "jwtd/revoked_keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_SET_MAX 128
#define JWKS_TEXT_MAX ((size_t)128 * 1024)

struct key_set;

struct key_set *key_set_create(void);      /* NULL if out of memory */
void key_set_destroy(struct key_set *set); /* NULL is allowed; wipes keys and tokens */

struct key_set_directory {
    const char *path;
    int64_t keep_s; /* how long a key that has ceased to sign may still be needed: the longest life of a token, with the leeway */
    int64_t now_s;
};

/* False, with the reason in `error`: the directory or a key file cannot be read or must not be trusted, or there are too many. */
bool key_set_add_directory(struct key_set *set, const struct key_set_directory *source, char *error,
                           size_t error_size) MUST_CHECK;

/* Whether a file of this name in the directory would be that of this key. */
bool key_set_is_key_file(const char *file_name, struct text kid);

/* The second from which on the set is to be replaced by a new one, as a key of the directory is no longer needed; INT64_MAX:
 * none. */
int64_t key_set_next_gone_s(const struct key_set *set);

/* Adds the keys of a JWK Set; with_secrets: HS256 keys (oct) too, if the caller trusts where the text is from. False, with the
 * reason in `error`: the text is no JWK Set, or longer than JWKS_TEXT_MAX. Keys that it cannot use are left out
 * (src/token/jwk.h), since one bad key must not make the others unusable. */
bool key_set_add_jwks(struct key_set *set, struct text jwks, bool with_secrets, char *error, size_t error_size) MUST_CHECK;

/* Refuses tokens of this key from now on, those that were found valid, too. A caller who does it to a set that others check with
 * keeps them out meanwhile. There is place for REVOKED_KEYS_MAX; when there were more, a token that would be valid is
 * TOKEN_REVOCATIONS_LOST. */
void key_set_revoke(struct key_set *set, struct text kid);

/* Refuses in an empty set what another one refuses. */
void key_set_copy_revoked(struct key_set *set, const struct key_set *from);

bool key_set_has_all_revoked(const struct key_set *set); /* false: there were more than REVOKED_KEYS_MAX */
size_t key_set_count(const struct key_set *set);

enum token_verdict {
    TOKEN_VALID,
    TOKEN_INVALID,
    TOKEN_EXPIRED,
    TOKEN_REVOKED_KEY,
    TOKEN_REVOCATIONS_LOST, /* it would be valid, but its key may be one that is revoked */
    TOKEN_UNKNOWN_KEY,
    TOKEN_OUT_OF_MEMORY,
};

struct verified_token {
    struct uuid user_id, session_id;
    int64_t issued_at, expires_at;
    size_t roles_len;
    char roles_json[ROLES_JSON_MAX_LEN]; /* compact, for roles_next; no NUL behind it */
    char unknown_kid[KID_MAX_LEN + 1];   /* for TOKEN_UNKNOWN_KEY */
};

/* *found is valid for TOKEN_VALID only, but for unknown_kid. leeway_s: at both ends of the token's life. Of a token with an
 * unknown or revoked key nothing but the header was checked: anyone can make it. */
enum token_verdict key_set_check(const struct key_set *set, const struct token_rules *rules, struct text token, int64_t now_s,
                                 int64_t leeway_s, struct verified_token *found);

#endif
