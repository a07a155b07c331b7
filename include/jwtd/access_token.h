/*
 * access_token: the JWT that sibling services verify (RFC 7519, RFC 8725). Signed and checked by libjwt, which is known here
 * only.
 *
 * Checked on every use: length, alphabet and two dots before anything is parsed; `alg` exactly HS256; `kid` of the ring; `typ`
 * JWT; no `crit`; signature; then types and values of every claim: iss, aud (string or array that holds ours), sub, sid, jti
 * (UUIDs), iat, nbf, exp (integers), roles (array of strings, of which those that role.h refuses are left out). Leeway is 5 s for
 * clocks of several instances.
 *
 * A verifier keeps the tokens that it has lately found good in a bounded table (keyed BLAKE2b-256 of the whole token to its
 * claims), since a client sends the same token for 15 minutes and a whole check takes 20 microseconds; times are checked on every
 * use all the same. Safe from every thread: the table is cut into shards, each with its own lock.
 */
#ifndef JWTD_ACCESS_TOKEN_H
#define JWTD_ACCESS_TOKEN_H

#include "jwtd/arena.h"
#include "jwtd/keyring.h"
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
    struct text roles_json; /* JSON array of roles (role.h); compact */
};

struct token_rules {
    const char *issuer;
    const char *audience;
    int64_t access_ttl_s;
};

/* Signs a token for [now, now + ttl) with the ring's active key. The text is in the arena. roles_json is an array of
 * strings; those that are no roles are left out, which is logged. */
enum status access_token_create(struct arena *arena, const struct keyring *keyring, const struct token_rules *rules,
                                const struct uuid *user_id, const struct uuid *session_id, struct text roles_json, int64_t now_s,
                                struct text *token) MUST_CHECK;

struct verifier;

/* Borrows ring and rules. NULL when memory is exhausted. */
struct verifier *verifier_create(const struct keyring *keyring, const struct token_rules *rules);
void verifier_destroy(struct verifier *verifier);

/* STATUS_OK and the claims (roles in the arena), STATUS_INVALID_TOKEN for every reason to refuse, or STATUS_OUT_OF_MEMORY. */
enum status verifier_check(struct verifier *verifier, struct arena *arena, struct text token, int64_t now_s,
                           struct access_claims *claims) MUST_CHECK;

/* For a token that verifier_check has refused. STATUS_OK, with the id of its key in `kid`, when nothing speaks against it but
 * that the ring does not have this key; its signature could not be looked at, so anybody can make such a token.
 * STATUS_INVALID_TOKEN when something does; STATUS_OUT_OF_MEMORY. */
enum status verifier_missing_kid(const struct verifier *verifier, struct text token, int64_t now_s,
                                 char kid[KID_MAX_LEN + 1]) MUST_CHECK;

#endif
