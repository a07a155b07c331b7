/* The strict parser of a token. */
#include "claims.h"

#include "base64url.h"
#include "jwtd/json.h"
#include "jwtd/macros.h"
#include "jwtd/role.h"

#include <string.h>

#define ENCODED_LEN(size) (((size_t)(size)*4 + 2) / 3) /* in base64url */
#define PAYLOAD_MAX (ACCESS_TOKEN_MAX_LEN / 4 * 3)     /* decoded bytes */
#define TIME_MAX INT64_C(253402300799)                 /* the end of the year 9999 */

static const struct json_limits header_limits = { .depth = 1, .containers = 1 };
/* Of the profile, any object that a body can have; a payload has no bytes for more. Its signature was checked before. */
const struct json_limits claims_payload_limits = { .depth = 16, .containers = 1024 };

/* Members that a header must not have: crit names extensions that a reader must understand, and this one understands none (RFC
 * 7515 section 4.1.11); b64 is such an extension, and changes what is signed (RFC 7797); the others name a key that the sender
 * has chosen (RFC 8725 section 3.10). */
static const char *const refused_headers[] = { "crit", "b64", "jku", "jwk", "x5u", "x5c" };

bool token_split(struct text token, struct token_parts *parts) {
    const char *end = token.bytes + token.len;
    const char *first_dot = memchr(token.bytes, '.', token.len);
    const char *second_dot = first_dot == NULL ? NULL : memchr(first_dot + 1, '.', (size_t)(end - first_dot - 1));
    if (second_dot == NULL)
        return false;
    struct text header = { token.bytes, (size_t)(first_dot - token.bytes) };
    struct text signature = { second_dot + 1, (size_t)(end - second_dot - 1) };
    parts->signed_text = (struct text){ token.bytes, (size_t)(second_dot - token.bytes) };
    parts->payload = (struct text){ first_dot + 1, (size_t)(second_dot - first_dot - 1) };
    return header.len > 0 && header.len <= ENCODED_LEN(TOKEN_HEADER_MAX) && parts->payload.len > 0 &&
           base64url_decode(header, parts->header, sizeof parts->header, &parts->header_len) &&
           base64url_decode(signature, parts->signature, sizeof parts->signature, &parts->signature_size);
}

static enum status parse_object(struct arena *arena, const uint8_t *bytes, size_t len, struct json_limits limits,
                                const struct json **object) {
    enum status status = json_parse(arena, (struct text){ (const char *)bytes, len }, limits, object);
    if (status == STATUS_INVALID_JSON || (status == STATUS_OK && json_kind(*object) != JSON_KIND_OBJECT))
        return STATUS_INVALID_TOKEN;
    return status;
}

static bool text_is(struct text text, const char *expected) {
    size_t len = strlen(expected);
    return text.bytes != NULL && text.len == len && memcmp(text.bytes, expected, len) == 0;
}

static enum status read_header(const struct json *object, size_t signature_size, struct token_header *header) {
    const struct json *value;
    for (size_t i = 0; i < ARRAY_LEN(refused_headers); i++)
        if (json_find(object, refused_headers[i], &value))
            return STATUS_INVALID_TOKEN;
    struct text kid = json_find_text(object, "kid");
    header->algorithm = algorithm_by_name(json_find_text(object, "alg"));
    if (header->algorithm == NULL || signature_size < header->algorithm->signature_min ||
        signature_size > header->algorithm->signature_max || !kid_is_valid(kid) || !text_is(json_find_text(object, "typ"), "JWT"))
        return STATUS_INVALID_TOKEN;
    memcpy(header->kid, kid.bytes, kid.len);
    header->kid[kid.len] = '\0';
    return STATUS_OK;
}

enum status token_read_header(const struct token_parts *parts, struct token_header *header) {
    struct arena arena;
    const struct json *object;
    arena_init(&arena, JSON_ARENA_LIMIT(parts->header_len, header_limits.containers));
    enum status status = parse_object(&arena, parts->header, parts->header_len, header_limits, &object);
    if (status == STATUS_OK)
        status = read_header(object, parts->signature_size, header);
    arena_fini(&arena);
    return status;
}

/* An integer as JSON writes it. */
static bool read_time(const struct json *object, const char *name, int64_t *seconds) {
    const struct json *member;
    json_find(object, name, &member);
    if (json_kind(member) != JSON_KIND_INTEGER)
        return false;
    *seconds = json_as_int64(member);
    return *seconds >= 0 && *seconds <= TIME_MAX;
}

static bool read_uuid(const struct json *object, const char *name, struct uuid *id) {
    struct text text = json_find_text(object, name);
    return text.bytes != NULL && uuid_parse(text.bytes, text.len, id);
}

/* RFC 7519 section 4.1.3: one audience, or an array that must hold ours. */
static bool audience_is(const struct json *object, const char *expected) {
    const struct json *audience;
    json_find(object, "aud", &audience);
    if (json_kind(audience) != JSON_KIND_ARRAY)
        return text_is(json_as_text(audience), expected);
    bool found = false;
    for (size_t i = 0; i < json_item_count(audience); i++) {
        struct text item = json_as_text(json_item(audience, i));
        if (item.bytes == NULL)
            return false;
        found = found || text_is(item, expected);
    }
    return found;
}

/* A role needs no escape in JSON. The array is what roles_next reads. */
static bool append_role(char compact[ROLES_JSON_MAX_LEN], size_t *len, struct text role) {
    if (role.len + sizeof ",\"\"]" - 1 > ROLES_JSON_MAX_LEN - *len)
        return false;
    if (*len > 1)
        compact[(*len)++] = ',';
    compact[(*len)++] = '"';
    memcpy(compact + *len, role.bytes, role.len);
    *len += role.len;
    compact[(*len)++] = '"';
    return true;
}

/* A token of an older version may have a string that is no role: it is left out, and the token stays valid. */
static bool read_roles(const struct json *roles, char compact[ROLES_JSON_MAX_LEN], size_t *len, size_t *dropped) {
    if (json_kind(roles) != JSON_KIND_ARRAY)
        return false;
    *dropped = 0;
    *len = 0;
    compact[(*len)++] = '[';
    for (size_t i = 0; i < json_item_count(roles); i++) {
        struct text role = json_as_text(json_item(roles, i));
        if (role.bytes == NULL)
            return false;
        if (!role_is_valid(role))
            ++*dropped;
        else if (!append_role(compact, len, role))
            return false;
    }
    compact[(*len)++] = ']';
    return true;
}

static bool read_ids(const struct json *object, struct fixed_claims *fixed) {
    struct uuid token_id; /* jti must be present, for services that log or list tokens; here it has no effect */
    return read_uuid(object, "sub", &fixed->user_id) && read_uuid(object, "sid", &fixed->session_id) &&
           read_uuid(object, "jti", &token_id);
}

static bool read_times(const struct json *object, struct fixed_claims *fixed) {
    int64_t not_before;
    if (!read_time(object, "iat", &fixed->issued_at) || !read_time(object, "nbf", &not_before) ||
        !read_time(object, "exp", &fixed->expires_at))
        return false;
    fixed->not_before = not_before > fixed->issued_at ? not_before : fixed->issued_at;
    return fixed->expires_at > fixed->issued_at;
}

/* Revoked sessions are kept for the life of a token (revoked_sessions.h): one that lives longer would become valid again. */
static bool lives_at_most(const struct fixed_claims *fixed, int64_t limit_s) {
    return fixed->expires_at - fixed->issued_at <= limit_s;
}

static bool read_claims(const struct json *object, const struct token_rules *rules, struct token_claims *claims) {
    size_t dropped;
    const struct json *roles;
    json_find(object, "roles", &roles);
    return text_is(json_find_text(object, "iss"), rules->issuer) && audience_is(object, rules->audience) &&
           read_ids(object, &claims->fixed) && read_times(object, &claims->fixed) &&
           lives_at_most(&claims->fixed, rules->access_ttl_s) && read_roles(roles, claims->roles, &claims->roles_len, &dropped);
}

enum status claims_read(const struct token_rules *rules, struct text payload, struct token_claims *claims) {
    struct arena arena;
    const struct json *object;
    uint8_t bytes[PAYLOAD_MAX];
    size_t len;
    if (!base64url_decode(payload, bytes, sizeof bytes, &len))
        return STATUS_INVALID_TOKEN;
    arena_init(&arena, JSON_ARENA_LIMIT(len, claims_payload_limits.containers));
    enum status status = parse_object(&arena, bytes, len, claims_payload_limits, &object);
    if (status == STATUS_OK && !read_claims(object, rules, claims))
        status = STATUS_INVALID_TOKEN;
    arena_fini(&arena);
    return status;
}

/* A token that is issued in the future is rejected, since it would be valid after the revocation of its session has been removed.
 */
bool token_is_current(const struct fixed_claims *claims, int64_t now_s, int64_t leeway_s) {
    return claims->not_before <= now_s + leeway_s && now_s < claims->expires_at + leeway_s;
}

/* Whether it is what append_role would make of it: roles without white space, as PostgreSQL writes them. */
static bool is_compact(struct text array) {
    if (array.len < 2 || array.bytes[0] != '[' || array.bytes[array.len - 1] != ']')
        return false;
    const char *at = array.bytes + 1, *end = array.bytes + array.len - 1;
    while (at < end) {
        const char *quote = *at == '"' ? memchr(at + 1, '"', (size_t)(end - at - 1)) : NULL;
        if (quote == NULL || !role_is_valid((struct text){ at + 1, (size_t)(quote - at - 1) }))
            return false;
        at = quote + 1;
        if (at < end && (*at++ != ',' || at == end))
            return false;
    }
    return true;
}

enum status roles_json_read(struct text roles_json, char compact[ROLES_JSON_MAX_LEN], size_t *len, size_t *dropped) {
    static const struct json_limits roles_limits = { .depth = 1, .containers = 1 };
    struct arena arena;
    const struct json *roles;
    if (roles_json.bytes == NULL || roles_json.len > ROLES_JSON_MAX_LEN)
        return STATUS_INVALID_JSON;
    if (is_compact(roles_json)) { /* nearly always, and parsing it costs a tenth of a token */
        memcpy(compact, roles_json.bytes, roles_json.len);
        *len = roles_json.len;
        *dropped = 0;
        return STATUS_OK;
    }
    arena_init(&arena, JSON_ARENA_LIMIT(roles_json.len, roles_limits.containers));
    enum status status = json_parse(&arena, roles_json, roles_limits, &roles);
    if (status == STATUS_OK && !read_roles(roles, compact, len, dropped))
        status = STATUS_INVALID_JSON;
    arena_fini(&arena);
    return status;
}
