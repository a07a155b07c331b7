/*
 * access_token: makes the JWT that sibling services verify (RFC 7519), with the active key of the ring and the key's algorithm.
 * libjwt makes header and payload, libsodium or OpenSSL the signature (src/token/signature.h).
 * verifier.h checks it. Safe from every thread.
 */
#ifndef JWTD_ACCESS_TOKEN_H
#define JWTD_ACCESS_TOKEN_H

#include "jwtd/arena.h"
#include "jwtd/keyring.h"
#include "jwtd/profile_claims.h"
#include "jwtd/status.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stdint.h>

#define ACCESS_TOKEN_MAX_LEN 4096
#define ROLES_JSON_MAX_LEN 1024 /* the roles as a JSON array */
#define ACCESS_TOKEN_LEEWAY_S 5

struct access_claims {
    struct uuid user_id;    /* sub */
    struct uuid session_id; /* sid */
    int64_t issued_at;      /* iat, seconds */
    int64_t expires_at;     /* exp, seconds */
    struct text roles_json; /* compact JSON array of roles (role.h) */
};

struct token_rules {
    const char *issuer;
    const char *audience;
    int64_t access_ttl_s;
    unsigned claims; /* of the profile, in tokens that are made: a set of PROFILE_CLAIM_BIT */
};

/* Signs a token for [now, now + ttl) with the ring's active key. The text is in the arena, NUL-terminated. roles_json is an array
 * of strings; those that are no roles are left out, which is logged. STATUS_OUT_OF_MEMORY; STATUS_KEYS_UNAVAILABLE: no key may
 * sign; or STATUS_INTERNAL, which is logged: the roles are no such array or longer than ROLES_JSON_MAX_LEN, or the token is
 * longer than ACCESS_TOKEN_MAX_LEN. */
enum status access_token_create(struct arena *arena, const struct keyring *keyring, const struct token_rules *rules,
                                const struct uuid *user_id, const struct uuid *session_id, struct text roles_json, int64_t now_s,
                                struct text *token) MUST_CHECK;

/* Of whom a token is, and what it says of its user. */
struct token_subject {
    struct uuid user_id, session_id;
    struct text roles_json;
    struct text claims[PROFILE_CLAIM_COUNT]; /* as JSON; without bytes: left out */
};

/* The same with claims of the profile. They prevent no token: one that the verifier would not read is left out; where the token
 * would be longer than ACCESS_TOKEN_MAX_LEN, metadata is, then name, and admin_metadata last, which is thus not left out for what
 * a user has written. Both are logged. */
enum status access_token_create_for(struct arena *arena, const struct keyring *keyring, const struct token_rules *rules,
                                    const struct token_subject *subject, int64_t now_s, struct text *token) MUST_CHECK;

#endif
