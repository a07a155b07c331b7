/*
 * token_check: the check of an access token against one key, in the order of verifier.h, without cache and log. The service
 * (verifier.c) and the verifier library (src/verify) run it. Pure functions; any thread.
 */
#ifndef JWTD_TOKEN_TOKEN_CHECK_H
#define JWTD_TOKEN_TOKEN_CHECK_H

#include "claims.h"

/* The part that needs no key: length, two dots, header. The kid of the header says which key to check with. parts borrows from
 * the token. STATUS_OK, STATUS_INVALID_TOKEN or STATUS_OUT_OF_MEMORY. */
enum status token_open(struct text token, struct token_parts *parts, struct token_header *header) MUST_CHECK;

/* The part that needs the key of that kid: `alg` is the key's, then the signature, then the claims, but for the times
 * (token_is_current). STATUS_OK, STATUS_INVALID_TOKEN or STATUS_OUT_OF_MEMORY. */
enum status token_check(const struct token_parts *parts, const struct token_header *header, const struct signing_key *key,
                        const struct token_rules *rules, struct token_claims *claims) MUST_CHECK;

#endif
