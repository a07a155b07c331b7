#include "jwtd/access_token.h"

#include "algorithm.h"
#include "claims.h"
#include "jwtd/json.h"
#include "jwtd/json_memory.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <jwt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX_LEN 128 /* {"alg":...,"kid":...,"typ":"JWT"}; a kid has up to 64 bytes */

static int add_ids(jwt_t *jwt, const struct token_rules *rules, const struct uuid *user_id, const struct uuid *session_id) {
    char user[UUID_TEXT_SIZE];
    char session[UUID_TEXT_SIZE];
    char token[UUID_TEXT_SIZE];
    struct uuid token_id = uuid_create_for_log(); /* nothing depends on it being secret */
    const struct {
        const char *name;
        const char *value;
    } claims[] = {
        { "iss", rules->issuer },
        { "aud", rules->audience },
        { "sub", uuid_text(user_id, user) },
        { "sid", uuid_text(session_id, session) },
        { "jti", uuid_text(&token_id, token) },
    };
    int failure = 0;
    for (size_t i = 0; i < ARRAY_LEN(claims) && failure == 0; i++)
        failure = jwt_add_grant(jwt, claims[i].name, claims[i].value);
    return failure;
}

static int add_times(jwt_t *jwt, const struct token_rules *rules, int64_t now_s) {
    int failure = jwt_add_grant_int(jwt, "iat", now_s);
    if (failure == 0)
        failure = jwt_add_grant_int(jwt, "nbf", now_s);
    return failure == 0 ? jwt_add_grant_int(jwt, "exp", now_s + rules->access_ttl_s) : failure;
}

static int add_roles(jwt_t *jwt, struct arena *arena, struct text roles_json) {
    char *member = arena_printf(arena, "{\"roles\":%.*s}", (int)roles_json.len, roles_json.bytes);
    return member == NULL ? -1 : jwt_add_grants_json(jwt, member);
}

static enum status refuse_length(size_t len) { /* an issuer or audience of kilobytes; our own verifier would refuse it */
    log_event(LOG_ERROR, "access_token_too_long", "len=%zu limit=%d", len, ACCESS_TOKEN_MAX_LEN);
    return STATUS_INTERNAL;
}

static size_t encoded_len(size_t len) {
    return sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING) - 1; /* it counts a NUL */
}

/* Returns the end. There is space for a NUL. */
static char *append_encoded(char *at, const void *bytes, size_t len) {
    sodium_bin2base64(at, encoded_len(len) + 1, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return at + encoded_len(len);
}

static enum status sign_form(struct arena *arena, const struct signing_key *key, struct text header, struct text payload,
                             struct text *token) {
    uint8_t signature[ALGORITHM_SIGNATURE_MAX];
    size_t len = encoded_len(header.len) + 1 + encoded_len(payload.len) + 1 + encoded_len(key->signature_size);
    if (len > ACCESS_TOKEN_MAX_LEN)
        return refuse_length(len);
    char *bytes = arena_alloc(arena, len + 1);
    if (bytes == NULL)
        return STATUS_OUT_OF_MEMORY;
    char *end = append_encoded(bytes, header.bytes, header.len);
    *end++ = '.';
    end = append_encoded(end, payload.bytes, payload.len);
    enum status status = key->algorithm->sign(key, (struct text){ bytes, (size_t)(end - bytes) }, signature);
    *end++ = '.';
    end = append_encoded(end, signature, status == STATUS_OK ? key->signature_size : 0);
    *token = (struct text){ bytes, (size_t)(end - bytes) };
    return status;
}

/* libjwt's own signing would parse the PEM of a key for each token, and without memory for an HMAC makes a token that has no
 * signature. */
static enum status encode_and_sign(jwt_t *jwt, struct arena *arena, const struct signing_key *key, struct text *token) {
    if (jwt_add_header(jwt, "alg", key->algorithm->name) != 0 || jwt_add_header(jwt, "typ", "JWT") != 0 ||
        jwt_add_header(jwt, "kid", key->kid) != 0)
        return STATUS_OUT_OF_MEMORY;
    char *header = jwt_get_headers_json(jwt, NULL), *payload = jwt_get_grants_json(jwt, NULL);
    enum status status = STATUS_OUT_OF_MEMORY;
    if (header != NULL && payload != NULL)
        status = sign_form(arena, key, text_of(header), text_of(payload), token);
    free(header);
    free(payload);
    return status;
}

/* ---- claims of the profile ---- */

/* Whether the verifier reads it: an object that was written by hand in the database may be anything. STATUS_OK,
 * STATUS_INVALID_JSON or STATUS_OUT_OF_MEMORY. */
static enum status check_readable(const char *member) {
    struct arena arena;
    const struct json *ignored;
    struct text text = text_of(member);
    arena_init(&arena, JSON_ARENA_LIMIT(text.len, claims_payload_limits.containers));
    enum status status = json_parse(&arena, text, claims_payload_limits, &ignored);
    arena_fini(&arena);
    return status;
}

static int add_claim(jwt_t *jwt, struct arena *arena, const char *name, struct text json) {
    char *member = arena_printf(arena, "{\"%s\":%.*s}", name, (int)json.len, json.bytes);
    enum status status = member != NULL ? check_readable(member) : STATUS_OUT_OF_MEMORY;
    if (status == STATUS_OK)
        return jwt_add_grants_json(jwt, member);
    if (status == STATUS_OUT_OF_MEMORY)
        return -1;
    log_event(LOG_WARN, "claim_dropped", "claim=%s reason=unreadable", name);
    return 0;
}

/* What has to go first. A user's own claims may take all the space there is, but not that of what administrators have written,
 * on which sibling services decide. */
static const enum profile_claim least_important[PROFILE_CLAIM_COUNT] = { CLAIM_METADATA, CLAIM_NAME, CLAIM_ADMIN_METADATA };

/* 1: longer than a token may be; -1: out of memory. With the longest header and signature that there are. */
static int is_too_long(jwt_t *jwt) {
    char *payload = jwt_get_grants_json(jwt, NULL);
    if (payload == NULL)
        return -1;
    size_t len = encoded_len(HEADER_MAX_LEN) + 1 + encoded_len(strlen(payload)) + 1 + encoded_len(ALGORITHM_SIGNATURE_MAX);
    free(payload);
    return len > ACCESS_TOKEN_MAX_LEN;
}

static int shorten(jwt_t *jwt, const struct token_subject *subject) {
    int failure = is_too_long(jwt);
    char user[UUID_TEXT_SIZE];
    for (size_t i = 0; i < PROFILE_CLAIM_COUNT && failure == 1; i++) {
        enum profile_claim claim = least_important[i];
        if (subject->claims[claim].bytes == NULL)
            continue;
        log_event(LOG_WARN, "claim_dropped", "claim=%s user_id=%s reason=too_long", profile_claim_names[claim],
                  uuid_text(&subject->user_id, user));
        jwt_del_grants(jwt, profile_claim_names[claim]);
        failure = is_too_long(jwt);
    }
    return failure < 0 ? failure : 0; /* too long without any claim: encoding refuses it */
}

static int add_profile(jwt_t *jwt, struct arena *arena, const struct token_subject *subject) {
    int failure = 0, count = 0;
    for (size_t i = 0; i < PROFILE_CLAIM_COUNT && failure == 0; i++) {
        if (subject->claims[i].bytes == NULL)
            continue;
        count++;
        failure = add_claim(jwt, arena, profile_claim_names[i], subject->claims[i]);
    }
    return failure == 0 && count > 0 ? shorten(jwt, subject) : failure;
}

enum status access_token_create_for(struct arena *arena, const struct keyring *keyring, const struct token_rules *rules,
                                    const struct token_subject *subject, int64_t now_s, struct text *token) {
    char roles[ROLES_JSON_MAX_LEN], user[UUID_TEXT_SIZE];
    size_t roles_len, dropped;
    const struct signing_key *key = keyring_active(keyring);
    if (key == NULL)
        return STATUS_KEYS_UNAVAILABLE;
    enum status status = roles_json_read(subject->roles_json, roles, &roles_len, &dropped);
    if (status == STATUS_OUT_OF_MEMORY || !json_memory_begin())
        return STATUS_OUT_OF_MEMORY;
    if (status != STATUS_OK) {
        log_event(LOG_ERROR, "roles_invalid", "user_id=%s", uuid_text(&subject->user_id, user));
        return STATUS_INTERNAL;
    }
    if (dropped > 0)
        log_event(LOG_WARN, "roles_dropped", "user_id=%s count=%zu", uuid_text(&subject->user_id, user), dropped);
    jwt_t *jwt = NULL;
    status = STATUS_OUT_OF_MEMORY;
    if (jwt_new(&jwt) == 0 && add_ids(jwt, rules, &subject->user_id, &subject->session_id) == 0 &&
        add_times(jwt, rules, now_s) == 0 && add_roles(jwt, arena, (struct text){ roles, roles_len }) == 0 &&
        add_profile(jwt, arena, subject) == 0)
        status = encode_and_sign(jwt, arena, key, token);
    jwt_free(jwt);
    return json_memory_has_failed() ? STATUS_OUT_OF_MEMORY : status; /* a claim may have come out short */
}

enum status access_token_create(struct arena *arena, const struct keyring *keyring, const struct token_rules *rules,
                                const struct uuid *user_id, const struct uuid *session_id, struct text roles_json, int64_t now_s,
                                struct text *token) {
    struct token_subject subject = { .user_id = *user_id, .session_id = *session_id, .roles_json = roles_json };
    return access_token_create_for(arena, keyring, rules, &subject, now_s, token);
}
