/*
 * token_cache: the access tokens that were found valid, with their claims: a table of fixed size, 1.5 KiB for each token, of
 * which only the pages in use take memory. Used in src/token only.
 *
 * A token longer than TOKEN_CACHE_TOKEN_MAX, or with more than TOKEN_CACHE_ROLES_MAX bytes of roles, is not kept, and so is
 * checked as a whole each time it is presented. With issuer and audience of 20 bytes each and no roles, a token of HS256 has 500
 * bytes, of ES256 540, of RS256 with a key of 2048 bits 800, of 4096 bits 1140.
 *
 * A token is found by a keyed hash of its last bytes, which are of its signature, and then compared as a whole: nothing but the
 * very token that was kept is found. The comparison takes the same time wherever a token differs. The table holds tokens, so they
 * are wiped when it is destroyed.
 *
 * Any thread. To find a token writes nothing and takes no lock, so that threads that verify share no cache line that is written;
 * to keep one takes one of a few locks.
 */
#ifndef JWTD_TOKEN_CACHE_H
#define JWTD_TOKEN_CACHE_H

#include "claims.h"

#include <stdbool.h>

#define TOKEN_CACHE_CAPACITY 8192
#define TOKEN_CACHE_TOKEN_MAX 1328 /* bytes */
#define TOKEN_CACHE_ROLES_MAX 128  /* bytes of compact JSON */

struct token_cache;

struct token_cache *token_cache_create(void); /* NULL if out of memory */
void token_cache_destroy(struct token_cache *cache);

/* The claims of exactly this token; false, with *claims undefined, if it is not kept. Times are not checked. */
bool token_cache_find(struct token_cache *cache, struct text token, struct token_claims *claims) MUST_CHECK;

/* For a token with a valid signature only, so that no client can displace others with made-up ones. It replaces one that is the
 * first to expire of eight. */
void token_cache_keep(struct token_cache *cache, struct text token, const struct token_claims *claims);

#endif
