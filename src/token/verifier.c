#include "jwtd/verifier.h"

#include "token_cache.h"
#include "token_check.h"

#include <stdlib.h>
#include <string.h>

struct verifier {
    const struct keyring *keyring;
    const struct token_rules *rules;
    struct token_cache *cache;
};

struct verifier *verifier_create(const struct keyring *keyring, const struct token_rules *rules) {
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL)
        return NULL;
    *verifier = (struct verifier){ keyring, rules, token_cache_create() };
    if (verifier->cache != NULL)
        return verifier;
    free(verifier);
    return NULL;
}

void verifier_destroy(struct verifier *verifier) {
    if (verifier == NULL)
        return;
    token_cache_destroy(verifier->cache);
    free(verifier);
}

/* For a token whose signature cannot be checked, since its key is not in the ring. The directory first: listing it costs the same
 * for every token, and parsing a payload does not. */
static enum status check_without_key(const struct verifier *verifier, const struct token_parts *parts,
                                     const struct token_header *header, int64_t now_s, char missing_kid[KID_MAX_LEN + 1]) {
    struct token_claims claims;
    if (!keyring_may_have(verifier->keyring, text_of(header->kid)))
        return STATUS_INVALID_TOKEN;
    enum status status = claims_read(verifier->rules, parts->payload, &claims);
    if (status != STATUS_OK)
        return status;
    if (token_is_current(&claims.fixed, now_s, ACCESS_TOKEN_LEEWAY_S))
        memcpy(missing_kid, header->kid, sizeof header->kid);
    return STATUS_INVALID_TOKEN;
}

static enum status check_whole(const struct verifier *verifier, struct text token, int64_t now_s, struct token_claims *claims,
                               char missing_kid[KID_MAX_LEN + 1]) {
    struct token_parts parts;
    struct token_header header;
    enum status status = token_open(token, &parts, &header);
    if (status != STATUS_OK)
        return status;
    const struct signing_key *key = keyring_find(verifier->keyring, text_of(header.kid));
    if (key == NULL)
        return check_without_key(verifier, &parts, &header, now_s, missing_kid);
    return token_check(&parts, &header, key, verifier->rules, claims);
}

static enum status copy_claims(struct arena *arena, const struct token_claims *found, struct access_claims *claims) {
    *claims = (struct access_claims){
        .user_id = found->fixed.user_id,
        .session_id = found->fixed.session_id,
        .issued_at = found->fixed.issued_at,
        .expires_at = found->fixed.expires_at,
        .roles_json = { arena_copy(arena, found->roles, found->roles_len), found->roles_len },
    };
    return claims->roles_json.bytes == NULL ? STATUS_OUT_OF_MEMORY : STATUS_OK;
}

enum status verifier_check(struct verifier *verifier, struct arena *arena, struct text token, int64_t now_s,
                           struct access_claims *claims, char missing_kid[KID_MAX_LEN + 1]) {
    missing_kid[0] = '\0';
    /* the length first: the cache copies the token */
    if (token.len == 0 || token.len > ACCESS_TOKEN_MAX_LEN)
        return STATUS_INVALID_TOKEN;
    struct token_claims found;
    size_t revocations = keyring_revocations(verifier->keyring);
    /* the cache does not say whose key a token is of, so after a revocation each is checked once more */
    bool known = token_cache_find(verifier->cache, token, &found) && found.fixed.revocations == revocations;
    enum status status = known ? STATUS_OK : check_whole(verifier, token, now_s, &found, missing_kid);
    if (status != STATUS_OK)
        return status;
    if (!token_is_current(&found.fixed, now_s, ACCESS_TOKEN_LEEWAY_S))
        return STATUS_INVALID_TOKEN;
    found.fixed.revocations = revocations;
    if (!known)
        token_cache_keep(verifier->cache, token, &found);
    return copy_claims(arena, &found, claims);
}
