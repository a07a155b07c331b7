/*
 * verifier: checks access tokens (RFC 7519, RFC 8725), and caches those that it has found valid.
 *
 * Checked, in this order: length and two dots; the header, at most 256 bytes of flat strict JSON (json.h): no `crit`, no `b64`,
 * no key of the sender's, `alg` of algorithm.h, `typ` JWT, `kid` of the ring, with `alg` exactly that of the key; the signature;
 * strict JSON at most two deep; then types and values of every claim: iss, aud (string or array that holds ours), sub, sid, jti
 * (UUIDs), iat, nbf, exp (integers, at most access_ttl_s from iat to exp), roles (array of strings, of which those that are no
 * roles by role.h are left out). The leeway is ACCESS_TOKEN_LEEWAY_S, since instances have different clocks. Whether the session
 * was revoked is not checked here (revoked_sessions.h). So of a forged token only the header is decoded, unless it names a key
 * that has a file but is not in the ring yet.
 *
 * The signature is checked by libsodium (HS256) or OpenSSL (ES256, RS256; src/token/signature.h), header and claims by json.h.
 * libjwt 1.10.2 checks none of it: its own reader of JSON checks less, it would parse a key's PEM again for each token, and it
 * calls a good token bad when OpenSSL has no memory for an HMAC.
 *
 * A token of a revoked key (revoked_keys.h) is refused from the moment when the key is known to be revoked, cached or not.
 *
 * The cache is a bounded table of whole tokens with their claims (src/token/token_cache.h), since a client sends the same token
 * for 15 minutes and a whole check takes 20 microseconds, with ES256 75; times are checked on every use all the same. Safe from
 * every thread; a token that is in the cache takes no lock.
 */
#ifndef JWTD_VERIFIER_H
#define JWTD_VERIFIER_H

#include "jwtd/access_token.h"

struct verifier;

/* Borrows ring and rules. NULL if out of memory. */
struct verifier *verifier_create(const struct keyring *keyring, const struct token_rules *rules);
void verifier_destroy(struct verifier *verifier);

/* STATUS_OK and the claims (roles in the arena), STATUS_INVALID_TOKEN for any invalid token, or STATUS_OUT_OF_MEMORY.
 * missing_kid is the id of its key if the only reason to reject the token is that the ring does not have this key, which has a
 * file (keyring_may_have); its signature was not checked, so anyone can make such a token. Otherwise it is "". */
enum status verifier_check(struct verifier *verifier, struct arena *arena, struct text token, int64_t now_s,
                           struct access_claims *claims, char missing_kid[KID_MAX_LEN + 1]) MUST_CHECK;

#endif
