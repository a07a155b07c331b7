/*
 * claims: reads the header and claims of an access token, with every check that libjwt 1.10.2 leaves to the application. Nothing
 * here checks the signature: token_split, token_read_header and claims_read are called before that check, since libjwt parses
 * header and payload first, and must not see what they reject. What they return must not be trusted until the signature has been
 * checked. Used in src/token only; pure functions, any thread.
 *
 * Every function that parses returns STATUS_OUT_OF_MEMORY if out of memory, and never STATUS_INVALID_TOKEN for that reason.
 */
#ifndef JWTD_TOKEN_CLAIMS_H
#define JWTD_TOKEN_CLAIMS_H

#include "algorithm.h"
#include "jwtd/access_token.h"
#include "jwtd/keyring.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_PART_MAX (ACCESS_TOKEN_MAX_LEN / 4 * 3) /* decoded bytes */

struct token_part {
    uint8_t bytes[TOKEN_PART_MAX];
    size_t len;
};

struct token_parts {
    struct token_part header, payload;
    size_t signature_size; /* bytes; its text is canonical base64url */
};

/* Decodes the parts. False unless the token (of 1 to ACCESS_TOKEN_MAX_LEN bytes) is three base64url parts, none of them empty,
 * with a signature of at most ALGORITHM_SIGNATURE_MAX bytes. */
bool token_split(struct text token, struct token_parts *parts) MUST_CHECK;

struct token_header {
    const struct algorithm *algorithm; /* the one it names; the caller compares it with the key's */
    char kid[KID_MAX_LEN + 1];         /* a valid kid, known or not */
};

/* STATUS_OK; STATUS_INVALID_TOKEN unless the header names an algorithm of algorithm.h, typ JWT and a kid, has no member that
 * would change how the token is to be checked, and the signature is as long as that of the algorithm; or STATUS_OUT_OF_MEMORY. */
enum status token_read_header(const struct token_parts *parts, struct token_header *header) MUST_CHECK;

/* The claims that have the same size in every token. */
struct fixed_claims {
    struct uuid user_id;
    struct uuid session_id;
    int64_t issued_at;
    int64_t not_before; /* the later of nbf and iat */
    int64_t expires_at; /* after issued_at, so never 0 */
};

struct token_claims {
    struct fixed_claims fixed;
    size_t roles_len;
    char roles[ROLES_JSON_MAX_LEN]; /* compact JSON, no NUL behind it */
};

/* All claims but the times against a clock. STATUS_OK, STATUS_INVALID_TOKEN or STATUS_OUT_OF_MEMORY. */
enum status claims_read(const struct token_rules *rules, const struct token_part *payload,
                        struct token_claims *claims) MUST_CHECK;

/* Whether the token is valid at this time, with a leeway of ACCESS_TOKEN_LEEWAY_S at both ends. */
bool token_is_current(const struct fixed_claims *claims, int64_t now_s);

/* Parses a JSON array of strings, as the database writes it, and writes those of them that are roles (role.h) as compact JSON
 * without a NUL behind it; *dropped is the number of the others. STATUS_INVALID_JSON if it is no such array, or too long;
 * STATUS_OUT_OF_MEMORY. */
enum status roles_json_read(struct text roles_json, char compact[ROLES_JSON_MAX_LEN], size_t *len, size_t *dropped) MUST_CHECK;

#endif
