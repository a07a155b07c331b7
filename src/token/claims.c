/* The strict reading of a token; libjwt 1.10.2 checks the signature and nothing else. */
#include "jwtd/claims.h"

#include "jwtd/base64url.h"
#include "jwtd/macros.h"
#include "jwtd/role.h"

#include <jansson.h>
#include <string.h>

#define SIGNATURE_BYTES 32
#define SIGNATURE_LEN 43               /* in base64url */
#define DEPTH_MAX 8                    /* a token of ours has two levels */
#define TIME_MAX INT64_C(253402300799) /* the end of the year 9999 */

/* What a header may not carry: crit demands extensions that nobody here knows (RFC 7515 section 4.1.11); the others bring a
 * key of the sender's own choice (RFC 8725 section 3.10). */
static const char *const refused_headers[] = { "crit", "jku", "jwk", "x5u", "x5c" };

/* An empty part makes libjwt write behind a block of no bytes. */
static bool decode_part(struct text text, struct token_part *part) {
    return text.len > 0 && base64url_decode(text, part->bytes, sizeof part->bytes, &part->len);
}

/* Jansson recurses for each level (up to 2048), on whatever stack the thread has, before any signature is checked. */
static bool nesting_is_shallow(const struct token_part *part) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < part->len; i++) {
        uint8_t c = part->bytes[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '[') && ++depth > DEPTH_MAX)
            return false;
        else if (!in_string && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return true;
}

bool token_split(struct text token, struct token_part *header, struct token_part *payload) {
    const char *end = token.bytes + token.len;
    const char *first_dot = memchr(token.bytes, '.', token.len);
    const char *second_dot = first_dot == NULL ? NULL : memchr(first_dot + 1, '.', (size_t)(end - first_dot - 1));
    if (second_dot == NULL || end - second_dot - 1 != SIGNATURE_LEN)
        return false;
    struct text header_text = { token.bytes, (size_t)(first_dot - token.bytes) };
    struct text payload_text = { first_dot + 1, (size_t)(second_dot - first_dot - 1) };
    struct text signature_text = { second_dot + 1, SIGNATURE_LEN };
    uint8_t signature[SIGNATURE_BYTES];
    size_t signature_len;
    return decode_part(header_text, header) && decode_part(payload_text, payload) &&
           base64url_decode(signature_text, signature, sizeof signature, &signature_len) && nesting_is_shallow(header) &&
           nesting_is_shallow(payload);
}

/* Without JSON_REJECT_DUPLICATES the last of two claims would win. *object is NULL unless the status is STATUS_OK. */
static enum status load_object(const struct token_part *part, json_t **object) {
    *object = json_loadb((const char *)part->bytes, part->len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(*object))
        return STATUS_OK;
    json_decref(*object);
    *object = NULL;
    return STATUS_INVALID_TOKEN;
}

/* The text of a member; {NULL, 0} when it is missing or of another type. */
static struct text text_member(const json_t *object, const char *name) {
    const json_t *member = json_object_get(object, name);
    return json_is_string(member) ? (struct text){ json_string_value(member), json_string_length(member) } : (struct text){ 0 };
}

static bool text_is(struct text text, const char *expected) {
    size_t len = strlen(expected);
    return text.bytes != NULL && text.len == len && memcmp(text.bytes, expected, len) == 0;
}

enum status token_read_kid(const struct token_part *header, char kid[KID_MAX_LEN + 1]) {
    json_t *object;
    enum status status = load_object(header, &object);
    if (status != STATUS_OK)
        return status;
    /* byte by byte, since libjwt takes "hs256" for HS256, and any algorithm that the header asks for (RFC 8725 section 3.1) */
    bool good = text_is(text_member(object, "alg"), "HS256") && text_is(text_member(object, "typ"), "JWT");
    for (size_t i = 0; i < ARRAY_LEN(refused_headers); i++)
        good = good && json_object_get(object, refused_headers[i]) == NULL;
    struct text named = text_member(object, "kid");
    good = good && named.bytes != NULL && keyring_is_kid(named);
    if (good) {
        memcpy(kid, named.bytes, named.len);
        kid[named.len] = '\0';
    }
    json_decref(object);
    return good ? STATUS_OK : STATUS_INVALID_TOKEN;
}

/* An integer as JSON writes it: libjwt's own reader returns 0 for "1" and 1.0, and -1 for a claim that is not there. */
static bool read_time(const json_t *object, const char *name, int64_t *seconds) {
    const json_t *member = json_object_get(object, name);
    if (!json_is_integer(member))
        return false;
    *seconds = json_integer_value(member);
    return *seconds >= 0 && *seconds <= TIME_MAX;
}

static bool read_uuid(const json_t *object, const char *name, struct uuid *id) {
    struct text text = text_member(object, name);
    return text.bytes != NULL && uuid_parse(text.bytes, text.len, id);
}

/* RFC 7519 section 4.1.3: one audience, or an array that must hold ours. */
static bool audience_is(const json_t *object, const char *expected) {
    const json_t *audience = json_object_get(object, "aud");
    if (!json_is_array(audience))
        return text_is(text_member(object, "aud"), expected);
    bool found = false;
    for (size_t i = 0; i < json_array_size(audience); i++) {
        const json_t *item = json_array_get(audience, i);
        if (!json_is_string(item))
            return false;
        found = found || text_is((struct text){ json_string_value(item), json_string_length(item) }, expected);
    }
    return found;
}

/* What is no role may stand in a token of an older version: one right less, and no reason to refuse it. */
static bool read_roles(json_t *roles, char *compact, size_t *len, size_t *dropped) {
    if (!json_is_array(roles))
        return false;
    *dropped = 0;
    for (size_t i = 0; i < json_array_size(roles);) {
        const json_t *role = json_array_get(roles, i);
        if (!json_is_string(role))
            return false;
        if (role_is_valid((struct text){ json_string_value(role), json_string_length(role) }))
            i++;
        else if (json_array_remove(roles, i) == 0)
            ++*dropped;
        else
            return false;
    }
    *len = json_dumpb(roles, compact, ROLES_JSON_MAX_LEN, JSON_COMPACT);
    return *len >= 2 && *len <= ROLES_JSON_MAX_LEN;
}

static bool read_ids(const json_t *object, struct token_facts *facts) {
    struct uuid token_id; /* jti has to be there, for those who log or list tokens; here it decides nothing */
    return read_uuid(object, "sub", &facts->user_id) && read_uuid(object, "sid", &facts->session_id) &&
           read_uuid(object, "jti", &token_id);
}

static bool read_times(const json_t *object, struct token_facts *facts) {
    int64_t not_before;
    if (!read_time(object, "iat", &facts->issued_at) || !read_time(object, "nbf", &not_before) ||
        !read_time(object, "exp", &facts->expires_at))
        return false;
    facts->not_before = not_before > facts->issued_at ? not_before : facts->issued_at;
    return facts->expires_at > facts->issued_at;
}

/* The revoked sessions are remembered for the life of a token: one that lives longer than that would rise again. */
static bool lives_no_longer(const struct token_facts *facts, int64_t limit_s) {
    return facts->expires_at - facts->issued_at <= limit_s;
}

static bool read_claims(const json_t *object, const struct token_rules *rules, struct token_claims *claims) {
    size_t dropped;
    return text_is(text_member(object, "iss"), rules->issuer) && audience_is(object, rules->audience) &&
           read_ids(object, &claims->facts) && read_times(object, &claims->facts) &&
           lives_no_longer(&claims->facts, rules->access_ttl_s) &&
           read_roles(json_object_get(object, "roles"), claims->roles, &claims->roles_len, &dropped);
}

enum status claims_read(const struct token_rules *rules, const struct token_part *payload, struct token_claims *claims) {
    json_t *object;
    enum status status = load_object(payload, &object);
    if (status == STATUS_OK && !read_claims(object, rules, claims))
        status = STATUS_INVALID_TOKEN;
    json_decref(object);
    return status;
}

/* A token of the future is refused, since it would outlive "everything issued before now is void". */
bool token_is_current(const struct token_facts *facts, int64_t now_s) {
    return facts->not_before <= now_s + ACCESS_TOKEN_LEEWAY_S && now_s < facts->expires_at + ACCESS_TOKEN_LEEWAY_S;
}

bool roles_json_read(struct text roles_json, char compact[ROLES_JSON_MAX_LEN], size_t *len, size_t *dropped) {
    if (roles_json.bytes == NULL || roles_json.len > ROLES_JSON_MAX_LEN)
        return false;
    json_t *roles = json_loadb(roles_json.bytes, roles_json.len, 0, NULL);
    bool valid = read_roles(roles, compact, len, dropped);
    json_decref(roles);
    return valid;
}
