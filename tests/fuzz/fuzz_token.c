/*
 * Access tokens (verifier_check, and what it calls). An input with a '\n' is a header and a payload, which are encoded and signed
 * with a key of the ring, so that the fuzzer comes behind the signature; another one is a token as it came.
 *
 * Checked of a token that is accepted: its text has only base64url and two dots, and its signature is the HMAC-SHA256 of another
 * library's making; its claims are current, live no longer than the rules allow, and have only roles that role.h knows; a second
 * check (from memory), and one by a new verifier, find the same; five seconds behind its end it is refused; with one bit of the
 * text changed it is refused; its key is not reported as missing. Of one whose key is reported as missing: it was refused, and
 * the ring does not have that key.
 */
#include "fuzz.h"

#include "jwtd/access_token.h"
#include "jwtd/role.h"
#include "jwtd/verifier.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1800000000)
#define TTL 900
#define TOKEN_SIZE 16384
#define ARENA_LIMIT ((size_t)1 << 20)

static const struct token_rules rules = { .issuer = "jwtd", .audience = "jwtd", .access_ttl_s = TTL };
static struct keyring *ring;
static struct verifier *verifier;
static char missing_kid[KID_MAX_LEN + 1]; /* of the last check */

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    ring = fuzz_keyring();
    verifier = verifier_create(ring, &rules);
    assert(verifier != NULL);
    return 0;
}

static void mac_of(struct text text, const struct signing_key *key, uint8_t mac[crypto_auth_hmacsha256_BYTES]) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key->bytes, key->len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)text.bytes, text.len);
    crypto_auth_hmacsha256_final(&state, mac);
}

static void append_base64(char token[TOKEN_SIZE], const void *bytes, size_t len) {
    size_t at = strlen(token);
    char *end = sodium_bin2base64(token + at, TOKEN_SIZE - at, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    assert(end != NULL);
}

/* header.payload.signature, whatever header and payload say. */
static char *sign(struct text header, struct text payload) {
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    char *token = calloc(1, TOKEN_SIZE);
    assert(token != NULL);
    append_base64(token, header.bytes, header.len);
    token[strlen(token)] = '.';
    append_base64(token, payload.bytes, payload.len);
    bool names_k2 = fuzz_contains(header, text_of("\"k2\""));
    mac_of(text_of(token), keyring_find(ring, text_of(names_k2 ? "k2" : "k1")), mac);
    token[strlen(token)] = '.';
    append_base64(token, mac, sizeof mac);
    return token;
}

static enum status check(struct verifier *by, struct arena *arena, struct text token, int64_t now_s,
                         struct access_claims *claims) {
    enum status status = verifier_check(by, arena, token, now_s, claims, missing_kid);
    assert(status == STATUS_OK || status == STATUS_INVALID_TOKEN);
    assert(status != STATUS_OK || missing_kid[0] == '\0');
    return status;
}

static bool has_signature_of(struct text token, size_t signed_len, const char *kid) {
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    char expected[64] = "";
    mac_of((struct text){ token.bytes, signed_len }, keyring_find(ring, text_of(kid)), mac);
    sodium_bin2base64(expected, sizeof expected, mac, sizeof mac, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return text_equal((struct text){ token.bytes + signed_len + 1, token.len - signed_len - 1 }, text_of(expected));
}

static void assert_is_genuine(struct text token) {
    unsigned dots = 0;
    size_t last_dot = 0;
    assert(token.len <= ACCESS_TOKEN_MAX_LEN);
    for (size_t i = 0; i < token.len; i++) {
        char c = token.bytes[i];
        bool is_alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        assert(is_alphanumeric || c == '-' || c == '_' || c == '.');
        dots += c == '.';
        last_dot = c == '.' ? i : last_dot;
    }
    assert(dots == 2);
    assert(has_signature_of(token, last_dot, "k1") || has_signature_of(token, last_dot, "k2"));
}

/* ["a","b"], compact: a role has nothing in it that JSON escapes. */
static void assert_are_roles(struct text json) {
    assert(json.len >= 2 && json.len <= ROLES_JSON_MAX_LEN && json.bytes[0] == '[' && json.bytes[json.len - 1] == ']');
    struct text rest = { json.bytes + 1, json.len - 2 };
    while (rest.len > 0) {
        const char *comma = memchr(rest.bytes, ',', rest.len);
        size_t len = comma != NULL ? (size_t)(comma - rest.bytes) : rest.len;
        assert(len > 2 && rest.bytes[0] == '"' && rest.bytes[len - 1] == '"');
        assert(role_is_valid((struct text){ rest.bytes + 1, len - 2 }));
        assert(comma == NULL || len + 1 < rest.len);
        rest = (struct text){ rest.bytes + len, rest.len - len };
        if (comma != NULL)
            rest = (struct text){ rest.bytes + 1, rest.len - 1 };
    }
}

static void assert_same(const struct access_claims *one, const struct access_claims *other) {
    assert(memcmp(&one->user_id, &other->user_id, sizeof one->user_id) == 0);
    assert(memcmp(&one->session_id, &other->session_id, sizeof one->session_id) == 0);
    assert(one->issued_at == other->issued_at && one->expires_at == other->expires_at);
    assert(text_equal(one->roles_json, other->roles_json));
}

static void assert_changed_one_is_refused(struct arena *arena, struct text token) {
    struct access_claims claims;
    char *changed = fuzz_string(token);
    for (size_t i = token.len / 7; i < token.len; i += token.len / 3) {
        changed[i] ^= 1;
        enum status status = check(verifier, arena, (struct text){ changed, token.len }, NOW, &claims);
        assert(status == STATUS_INVALID_TOKEN);
        changed[i] ^= 1;
    }
    free(changed);
}

static void check_accepted(struct arena *arena, struct text token, const struct access_claims *claims) {
    struct access_claims again;
    assert_is_genuine(token);
    assert_are_roles(claims->roles_json);
    assert(claims->issued_at <= NOW + ACCESS_TOKEN_LEEWAY_S && NOW < claims->expires_at + ACCESS_TOKEN_LEEWAY_S);
    assert(claims->expires_at > claims->issued_at && claims->expires_at - claims->issued_at <= TTL);
    enum status status = check(verifier, arena, token, NOW, &again);
    assert(status == STATUS_OK);
    assert_same(claims, &again);
    status = check(verifier, arena, token, claims->expires_at + ACCESS_TOKEN_LEEWAY_S, &again);
    assert(status == STATUS_INVALID_TOKEN);

    struct verifier *other = verifier_create(ring, &rules);
    assert(other != NULL);
    status = check(other, arena, token, NOW, &again);
    assert(status == STATUS_OK);
    assert_same(claims, &again);
    verifier_destroy(other);
    assert_changed_one_is_refused(arena, token);
}

static void check_refused(void) {
    assert(missing_kid[0] == '\0' || (kid_is_valid(text_of(missing_kid)) && keyring_find(ring, text_of(missing_kid)) == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct text rest = { (const char *)bytes, len };
    struct arena arena;
    struct access_claims claims;
    if (len > TOKEN_SIZE / 2)
        return 0;
    bool is_signed_here = len > 0 && memchr(bytes, '\n', len) != NULL;
    struct text header = is_signed_here ? fuzz_take_line(&rest) : (struct text){ NULL, 0 };
    char *string = is_signed_here ? sign(header, rest) : fuzz_string(rest);
    struct text token = { string, is_signed_here ? strlen(string) : len };
    arena_init(&arena, ARENA_LIMIT);
    if (check(verifier, &arena, token, NOW, &claims) == STATUS_OK)
        check_accepted(&arena, token, &claims);
    else
        check_refused();
    arena_fini(&arena);
    free(string);
    return 0;
}
