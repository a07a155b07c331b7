/*
 * claims: reads the header and claims of an access token, with every check but that of the signature; what is returned before
 * that check must not be trusted. The header is needed for the check, so it is limited to a size and depth at which a forged
 * token costs little. Used in src/token only; pure functions, any thread.
 *
 * Every function that parses returns STATUS_OUT_OF_MEMORY if out of memory, and never STATUS_INVALID_TOKEN for that reason.
 */
#ifndef JWTD_TOKEN_CLAIMS_H
#define JWTD_TOKEN_CLAIMS_H

#include "algorithm.h"
#include "jwtd/access_token.h"
#include "jwtd/json.h"
#include "jwtd/keyring.h"

#include <stdbool.h>
#include <stdint.h>

#define TOKEN_HEADER_MAX 256 /* decoded bytes; with the longest kid, ours has 108 */

struct token_parts {
    uint8_t header[TOKEN_HEADER_MAX];
    size_t header_len;
    struct text payload;     /* still encoded, since most of the work for a long token is to decode it; borrowed */
    struct text signed_text; /* header and payload as they came, with the dot between them; borrowed */
    uint8_t signature[ALGORITHM_SIGNATURE_MAX];
    size_t signature_size; /* bytes; its text is canonical base64url */
};

/* Decodes header and signature. False unless the token (of 1 to ACCESS_TOKEN_MAX_LEN bytes) is three parts, header and payload
 * not empty, with a header of at most TOKEN_HEADER_MAX bytes and a signature of at most ALGORITHM_SIGNATURE_MAX, both base64url.
 */
bool token_split(struct text token, struct token_parts *parts) MUST_CHECK;

/* Of a payload. */
extern const struct json_limits claims_payload_limits;

struct token_header {
    const struct algorithm *algorithm; /* the one it names; the caller compares it with the key's */
    char kid[KID_MAX_LEN + 1];         /* a valid kid, known or not */
};

/* STATUS_OK; STATUS_INVALID_TOKEN unless the header names an algorithm of algorithm.h, typ JWT and a kid, has no member that
 * would change how the token is to be checked, and the signature is as long as one of that algorithm can be; or
 * STATUS_OUT_OF_MEMORY. */
enum status token_read_header(const struct token_parts *parts, struct token_header *header) MUST_CHECK;

/* The claims that have the same size in every token. */
struct fixed_claims {
    struct uuid user_id;
    struct uuid session_id;
    int64_t issued_at;
    int64_t not_before; /* the later of nbf and iat */
    int64_t expires_at; /* after issued_at, so never 0 */
    size_t revocations; /* keyring_revocations when the token's key was looked up; verifier.c's */
};

struct token_claims {
    struct fixed_claims fixed;
    size_t roles_len;
    char roles[ROLES_JSON_MAX_LEN]; /* compact JSON, no NUL behind it */
};

/* All claims but the times against a clock, of an encoded payload of a token. STATUS_OK, STATUS_INVALID_TOKEN or
 * STATUS_OUT_OF_MEMORY. */
enum status claims_read(const struct token_rules *rules, struct text payload, struct token_claims *claims) MUST_CHECK;

/* Whether the token is valid at this time, with a leeway at both ends. */
bool token_is_current(const struct fixed_claims *claims, int64_t now_s, int64_t leeway_s);

/* Parses a JSON array of strings, as the database writes it, and writes those of them that are roles (role.h) as compact JSON
 * without a NUL behind it; *dropped is the number of the others. STATUS_INVALID_JSON if it is no such array, or too long;
 * STATUS_OUT_OF_MEMORY. */
enum status roles_json_read(struct text roles_json, char compact[ROLES_JSON_MAX_LEN], size_t *len, size_t *dropped) MUST_CHECK;

#endif
