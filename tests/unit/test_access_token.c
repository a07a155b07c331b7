#include "jwtd/access_token.h"
#include "jwtd/macros.h"
#include "jwtd/verifier.h"
#include "src/token/claims.h"
#include "token_fixture.h"

#include <json-c/json.h>
#include <jwt.h>

Suite *access_token_suite(void);

#define HEADER "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"JWT\"}"
#define IDS                                                                                                                      \
    "\"sub\":\"0190a6e0-0000-7000-8000-000000000001\",\"sid\":\"0190a6e0-0000-7000-8000-000000000002\","                         \
    "\"jti\":\"0190a6e0-0000-7000-8000-000000000003\""
#define NAMES "\"iss\":\"jwtd\",\"aud\":\"jwtd\""
#define TIMES "\"iat\":1800000000,\"nbf\":1800000000,\"exp\":1800000900"
#define ROLES "\"roles\":[\"admin\"]"
#define PAYLOAD "{" NAMES "," IDS "," TIMES "," ROLES "}"
#define WITH_HEADER(members) "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"JWT\"," members "}"
#define WITH_NAMES(members) "{" members "," IDS "," TIMES "," ROLES "}"
#define WITH_IDS(members) "{" NAMES "," members "," TIMES "," ROLES "}"
#define WITH_TIMES(members) "{" NAMES "," IDS "," members "," ROLES "}"
#define WITH_EXP(value) WITH_TIMES("\"iat\":1800000000,\"nbf\":1800000000,\"exp\":" value)
#define WITH_ROLES(value) "{" NAMES "," IDS "," TIMES ",\"roles\":" value "}"
#define TEN(text) text text text text text text text text text text
#define ROLE_OF_64 "1234567890123456789012345678901234567890123456789012345678901234"

static struct keyring *ring;
static struct verifier *verifier;
static struct arena arena;
static struct access_claims claims;
static char missing_kid[KID_MAX_LEN + 1];
static char token[FIXTURE_TOKEN_SIZE];

static void set_up(void) {
    ring = fixture_keyring();
    verifier = verifier_create(ring, &fixture_rules);
    ck_assert_ptr_nonnull(verifier);
    arena_init(&arena, 8 << 20);
}

static void tear_down(void) {
    arena_fini(&arena);
    verifier_destroy(verifier);
    keyring_destroy(ring);
}

static const struct signing_key *key_1(void) {
    return keyring_find(ring, text_of("k1"));
}

static enum status check_bytes(const char *bytes, size_t len) {
    return verifier_check(verifier, &arena, (struct text){ bytes, len }, FIXTURE_NOW, &claims, missing_kid);
}

static enum status check_token(void) {
    return check_bytes(token, strlen(token));
}

static const struct {
    const char *name;
    const char *header;  /* NULL: HEADER */
    const char *payload; /* NULL: PAYLOAD */
} forgeries[] = {
    { "alg none", "{\"alg\":\"none\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg None", "{\"alg\":\"None\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg nOnE", "{\"alg\":\"nOnE\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg NONE", "{\"alg\":\"NONE\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg hs256", "{\"alg\":\"hs256\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg HS256 with a space", "{\"alg\":\"HS256 \",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg HS256 with a NUL", "{\"alg\":\"HS256\\u0000\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg HS384 over HS256", "{\"alg\":\"HS384\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg RS256", "{\"alg\":\"RS256\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg ES256", "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg empty", "{\"alg\":\"\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg null", "{\"alg\":null,\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg a number", "{\"alg\":256,\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg an array", "{\"alg\":[\"HS256\"],\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg missing", "{\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "alg twice", "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"JWT\"}", NULL },
    { "typ missing", "{\"alg\":\"HS256\",\"kid\":\"k1\"}", NULL },
    { "typ jwt", "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"jwt\"}", NULL },
    { "typ of a refresh token", "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"refresh+jwt\"}", NULL },
    { "typ a number", "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":1}", NULL },
    { "kid missing", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", NULL },
    { "kid unknown", "{\"alg\":\"HS256\",\"kid\":\"k3\",\"typ\":\"JWT\"}", NULL },
    { "kid of another key", "{\"alg\":\"HS256\",\"kid\":\"k2\",\"typ\":\"JWT\"}", NULL },
    { "kid empty", "{\"alg\":\"HS256\",\"kid\":\"\",\"typ\":\"JWT\"}", NULL },
    { "kid a path", "{\"alg\":\"HS256\",\"kid\":\"../../../dev/null\",\"typ\":\"JWT\"}", NULL },
    { "kid with its path", "{\"alg\":\"HS256\",\"kid\":\"./k1\",\"typ\":\"JWT\"}", NULL },
    { "kid SQL", "{\"alg\":\"HS256\",\"kid\":\"k1' or '1'='1\",\"typ\":\"JWT\"}", NULL },
    { "kid a number", "{\"alg\":\"HS256\",\"kid\":1,\"typ\":\"JWT\"}", NULL },
    { "kid an array", "{\"alg\":\"HS256\",\"kid\":[\"k1\"],\"typ\":\"JWT\"}", NULL },
    { "kid with a NUL", "{\"alg\":\"HS256\",\"kid\":\"k1\\u0000\",\"typ\":\"JWT\"}", NULL },
    { "crit", WITH_HEADER("\"crit\":[\"exp\"]"), NULL },
    { "crit empty", WITH_HEADER("\"crit\":[]"), NULL },
    { "crit null", WITH_HEADER("\"crit\":null"), NULL },
    { "jku", WITH_HEADER("\"jku\":\"http://127.0.0.1/keys\""), NULL },
    { "jwk", WITH_HEADER("\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}"), NULL },
    { "x5u", WITH_HEADER("\"x5u\":\"http://127.0.0.1/cert\""), NULL },
    { "x5c", WITH_HEADER("\"x5c\":[\"AAAA\"]"), NULL },
    { "header an array", "[\"HS256\"]", NULL },
    { "header a string", "\"HS256\"", NULL },
    { "header empty object", "{}", NULL },
    { "header no JSON", "alg=HS256", NULL },
    { "header with a tail", HEADER "{}", NULL },
    { "header not closed", "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"JWT\"", NULL },
    { "header with bad UTF-8", WITH_HEADER("\"x\":\"\xc0\xaf\""), NULL },
    { "header with an array", WITH_HEADER("\"x\":[]"), NULL },
    { "header with an object", WITH_HEADER("\"x\":{}"), NULL },

    { "payload empty object", NULL, "{}" },
    { "payload an array", NULL, "[" PAYLOAD "]" },
    { "payload a string", NULL, "\"jwtd\"" },
    { "payload a number", NULL, "1" },
    { "payload null", NULL, "null" },
    { "payload no JSON", NULL, "sub=1" },
    { "payload with a tail", NULL, PAYLOAD " x" },
    { "payload with bad UTF-8", NULL, WITH_ROLES("[\"\xff\"]") },
    { "payload with a lone surrogate", NULL, WITH_ROLES("[\"\\ud800\"]") },
    { "payload deeper than a body can be", NULL, WITH_NAMES(NAMES ",\"x\":" TEN("[") "[[[[[[]]]]]]" TEN("]")) },

    { "iss missing", NULL, WITH_NAMES("\"aud\":\"jwtd\"") },
    { "iss another", NULL, WITH_NAMES("\"iss\":\"jwtd2\",\"aud\":\"jwtd\"") },
    { "iss a prefix", NULL, WITH_NAMES("\"iss\":\"jwt\",\"aud\":\"jwtd\"") },
    { "iss in upper case", NULL, WITH_NAMES("\"iss\":\"JWTD\",\"aud\":\"jwtd\"") },
    { "iss null", NULL, WITH_NAMES("\"iss\":null,\"aud\":\"jwtd\"") },
    { "iss an array", NULL, WITH_NAMES("\"iss\":[\"jwtd\"],\"aud\":\"jwtd\"") },
    { "iss twice", NULL, WITH_NAMES("\"iss\":\"other\",\"iss\":\"jwtd\",\"aud\":\"jwtd\"") },
    { "aud missing", NULL, WITH_NAMES("\"iss\":\"jwtd\"") },
    { "aud another", NULL, WITH_NAMES("\"iss\":\"jwtd\",\"aud\":\"shop\"") },
    { "aud empty", NULL, WITH_NAMES("\"iss\":\"jwtd\",\"aud\":\"\"") },
    { "aud null", NULL, WITH_NAMES("\"iss\":\"jwtd\",\"aud\":null") },
    { "aud an object", NULL, WITH_NAMES("\"iss\":\"jwtd\",\"aud\":{\"jwtd\":1}") },
    { "aud an array without ours", NULL, WITH_NAMES("\"iss\":\"jwtd\",\"aud\":[\"shop\",\"jwtd2\"]") },
    { "aud an empty array", NULL, WITH_NAMES("\"iss\":\"jwtd\",\"aud\":[]") },
    { "aud an array with a number", NULL, WITH_NAMES("\"iss\":\"jwtd\",\"aud\":[\"jwtd\",1]") },

    { "sub missing", NULL,
      WITH_IDS("\"sid\":\"0190a6e0-0000-7000-8000-000000000002\",\"jti\":\"0190a6e0-0000-7000-8000-000000000003\"") },
    { "sid missing", NULL,
      WITH_IDS("\"sub\":\"0190a6e0-0000-7000-8000-000000000001\",\"jti\":\"0190a6e0-0000-7000-8000-000000000003\"") },
    { "jti missing", NULL,
      WITH_IDS("\"sub\":\"0190a6e0-0000-7000-8000-000000000001\",\"sid\":\"0190a6e0-0000-7000-8000-000000000002\"") },
    { "sub no UUID", NULL,
      WITH_IDS(
          "\"sub\":\"1\",\"sid\":\"0190a6e0-0000-7000-8000-000000000002\",\"jti\":\"0190a6e0-0000-7000-8000-000000000003\"") },
    { "sub a number", NULL,
      WITH_IDS("\"sub\":1,\"sid\":\"0190a6e0-0000-7000-8000-000000000002\",\"jti\":\"0190a6e0-0000-7000-8000-000000000003\"") },
    { "sub SQL", NULL,
      WITH_IDS("\"sub\":\"' or 1=1; drop table users; --     \",\"sid\":\"0190a6e0-0000-7000-8000-000000000002\","
               "\"jti\":\"0190a6e0-0000-7000-8000-000000000003\"") },
    { "sid null", NULL,
      WITH_IDS(
          "\"sub\":\"0190a6e0-0000-7000-8000-000000000001\",\"sid\":null,\"jti\":\"0190a6e0-0000-7000-8000-000000000003\"") },
    { "jti a boolean", NULL,
      WITH_IDS(
          "\"sub\":\"0190a6e0-0000-7000-8000-000000000001\",\"sid\":\"0190a6e0-0000-7000-8000-000000000002\",\"jti\":true") },
    { "sub twice", NULL, WITH_IDS(IDS ",\"sub\":\"0190a6e0-0000-7000-8000-000000000009\"") },

    { "exp missing", NULL, WITH_TIMES("\"iat\":1800000000,\"nbf\":1800000000") },
    { "exp past", NULL, WITH_TIMES("\"iat\":1799999000,\"nbf\":1799999000,\"exp\":1799999995") },
    { "exp a string", NULL, WITH_EXP("\"1800000900\"") },
    { "exp a float", NULL, WITH_EXP("1800000900.0") },
    { "exp with an exponent", NULL, WITH_EXP("18e8") },
    { "exp null", NULL, WITH_EXP("null") },
    { "exp true", NULL, WITH_EXP("true") },
    { "exp an array", NULL, WITH_EXP("[1800000900]") },
    { "exp zero", NULL, WITH_EXP("0") },
    { "exp -1", NULL, WITH_EXP("-1") },
    { "exp a second later than tokens live", NULL, WITH_EXP("1800000901") },
    { "exp beyond the year 9999", NULL, WITH_EXP("253402300800") },
    { "exp in milliseconds", NULL, WITH_EXP("1800000900000") },
    { "exp the largest integer", NULL, WITH_EXP("9223372036854775807") },
    { "exp the smallest integer", NULL, WITH_EXP("-9223372036854775808") },
    { "exp beyond integers", NULL, WITH_EXP("9223372036854775808") },
    { "exp 1e999", NULL, WITH_EXP("1e999") },
    { "exp twice", NULL, WITH_EXP("1,\"exp\":1800000900") },
    { "exp not after iat", NULL, WITH_TIMES("\"iat\":1800000003,\"nbf\":1800000000,\"exp\":1800000003") },
    { "iat missing", NULL, WITH_TIMES("\"nbf\":1800000000,\"exp\":1800000900") },
    { "iat a string", NULL, WITH_TIMES("\"iat\":\"1800000000\",\"nbf\":1800000000,\"exp\":1800000900") },
    { "iat a float", NULL, WITH_TIMES("\"iat\":1800000000.5,\"nbf\":1800000000,\"exp\":1800000900") },
    { "iat negative", NULL, WITH_TIMES("\"iat\":-1,\"nbf\":1800000000,\"exp\":1800000900") },
    { "iat in the future", NULL, WITH_TIMES("\"iat\":1800000006,\"nbf\":1800000000,\"exp\":1800000900") },
    { "nbf missing", NULL, WITH_TIMES("\"iat\":1800000000,\"exp\":1800000900") },
    { "nbf null", NULL, WITH_TIMES("\"iat\":1800000000,\"nbf\":null,\"exp\":1800000900") },
    { "nbf in the future", NULL, WITH_TIMES("\"iat\":1800000000,\"nbf\":1800000006,\"exp\":1800000900") },

    { "roles missing", NULL, "{" NAMES "," IDS "," TIMES "}" },
    { "roles null", NULL, WITH_ROLES("null") },
    { "roles a string", NULL, WITH_ROLES("\"admin\"") },
    { "roles an object", NULL, WITH_ROLES("{\"admin\":true}") },
    { "a role that is a number", NULL, WITH_ROLES("[\"a\",1]") },
    { "a role that is an array", NULL, WITH_ROLES("[[\"admin\"]]") },
    { "roles that are too long together", NULL,
      WITH_ROLES("[" TEN("\"" ROLE_OF_64 "\",") "\"" ROLE_OF_64 "\"," TEN("\""
                                                                          "1234567890123456789012345678901\",") "\"1\"]") },
    { "roles twice", NULL, WITH_ROLES("[],\"roles\":[\"admin\"]") },
};

START_TEST(a_forged_token_is_refused_although_its_signature_is_good) {
    fixture_sign(token, forgeries[_i].header == NULL ? HEADER : forgeries[_i].header,
                 forgeries[_i].payload == NULL ? PAYLOAD : forgeries[_i].payload, key_1());
    ck_assert_uint_le(strlen(token), ACCESS_TOKEN_MAX_LEN);
    ck_assert_msg(check_token() == STATUS_INVALID_TOKEN, "%s", forgeries[_i].name);
    ck_assert_msg(check_token() == STATUS_INVALID_TOKEN, "%s, the second time", forgeries[_i].name);
}
END_TEST

static const struct {
    const char *header; /* NULL: HEADER */
    const char *payload;
    const char *roles;
} good_tokens[] = {
    { NULL, PAYLOAD, "[\"admin\"]" },
    { WITH_HEADER("\"x\":1,\"y\":null"), PAYLOAD, "[\"admin\"]" },
    { NULL, WITH_NAMES("\"iss\":\"jwtd\",\"aud\":[\"shop\",\"jwtd\"]"), "[\"admin\"]" },
    { NULL, WITH_NAMES(NAMES ",\"scope\":\"a [[[[[[[[[[ b\",\"more\":{\"a\":1.5,\"b\":null},\"list\":[1,null]"), "[\"admin\"]" },
    { NULL, WITH_TIMES("\"iat\":1799999500,\"nbf\":1799999400,\"exp\":1799999996"), "[\"admin\"]" }, /* within the leeway */
    { NULL, WITH_TIMES("\"iat\":1800000005,\"nbf\":1800000005,\"exp\":1800000900"), "[\"admin\"]" },
    { NULL, WITH_ROLES("[]"), "[]" },
    { NULL, WITH_ROLES(" [ \"a\" , \"\\u0062.C:9_-\" ] "), "[\"a\",\"b.C:9_-\"]" },
    /* of an older version: what is no role is left out */
    { NULL, WITH_ROLES("[\"\",\"a\",\"-\",\"a,b\",\"gr\\u00f6\\u00dfe\",\"x\\ny\",\"" ROLE_OF_64 "5\",\"b\",\"a b\"]"),
      "[\"a\",\"b\"]" },
    { NULL, WITH_ROLES("[\"" ROLE_OF_64 "\",\"" ROLE_OF_64 "\",\"" ROLE_OF_64 "\"]"),
      "[\"" ROLE_OF_64 "\",\"" ROLE_OF_64 "\",\"" ROLE_OF_64 "\"]" },
};

START_TEST(a_good_token_has_its_claims) {
    fixture_sign(token, good_tokens[_i].header == NULL ? HEADER : good_tokens[_i].header, good_tokens[_i].payload, key_1());
    for (int round = 0; round < 2; round++) { /* the second time from the table of verified tokens */
        char text[UUID_TEXT_SIZE];
        ck_assert_int_eq(check_token(), STATUS_OK);
        ck_assert_str_eq(uuid_text(&claims.user_id, text), "0190a6e0-0000-7000-8000-000000000001");
        ck_assert_str_eq(uuid_text(&claims.session_id, text), "0190a6e0-0000-7000-8000-000000000002");
        ck_assert_str_eq(claims.roles_json.bytes, good_tokens[_i].roles);
        ck_assert_uint_eq(claims.roles_json.len, strlen(good_tokens[_i].roles));
        ck_assert_int_lt(claims.issued_at, claims.expires_at);
    }
}
END_TEST

static void sign_good(void) {
    fixture_sign(token, HEADER, PAYLOAD, key_1());
}

START_TEST(a_token_with_a_flipped_bit_is_refused) {
    sign_good();
    size_t len = strlen(token);
    for (size_t at = 0; at < len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            token[at] = (char)(token[at] ^ (1 << bit));
            ck_assert_msg(check_bytes(token, len) == STATUS_INVALID_TOKEN, "bit %u of character %zu", bit, at);
            token[at] = (char)(token[at] ^ (1 << bit));
        }
    }
    ck_assert_int_eq(check_token(), STATUS_OK);
}
END_TEST

START_TEST(a_token_cut_anywhere_is_refused) {
    sign_good();
    for (size_t len = strlen(token); len-- > 0;)
        ck_assert_msg(check_bytes(token, len) == STATUS_INVALID_TOKEN, "cut to %zu", len);
}
END_TEST

START_TEST(the_bytes_behind_the_token_do_not_matter) {
    sign_good();
    size_t len = strlen(token);
    snprintf(token + len, sizeof token - len, "tail");
    ck_assert_int_eq(check_bytes(token, len), STATUS_OK);
    ck_assert_int_eq(check_bytes(token, len + 4), STATUS_INVALID_TOKEN);
}
END_TEST

START_TEST(a_token_followed_by_anything_is_refused) {
    static const char *const tails[] = { "=", "==", ".", "..", ".e30", "A", " ", "\n", "\r\n", "\t", ",", ";", "%3D" };
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        sign_good();
        size_t len = strlen(token);
        snprintf(token + len, sizeof token - len, "%s", tails[i]);
        ck_assert_msg(check_token() == STATUS_INVALID_TOKEN, "tail %zu", i);
    }
    sign_good();
    size_t len = strlen(token);
    memcpy(token + len, "\0junk", sizeof "\0junk");
    ck_assert_int_eq(check_bytes(token, len + 1), STATUS_INVALID_TOKEN);
    ck_assert_int_eq(check_bytes(token, len + 5), STATUS_INVALID_TOKEN);
}
END_TEST

START_TEST(a_signature_has_one_text_only) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=";
    unsigned taken = 0;
    sign_good();
    for (size_t i = 0; i < sizeof alphabet - 1; i++) {
        token[strlen(token) - 1] = alphabet[i];
        taken += check_token() == STATUS_OK;
    }
    ck_assert_uint_eq(taken, 1);
}
END_TEST

/* Header, payload and signature are replaced by these ("*": the good one). */
static const char *const part_tables[][3] = {
    { "", "", "" },
    { "*", "", "" },
    { "", "*", "" },
    { "", "", "*" },
    { "*", "*", "" },
    { "*", "", "*" },
    { "", "*", "*" },
    { "e30", "*", "*" },
    { "*", "e30", "*" },
    { "*", "*", "e30" },
    { "*", "*", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
    { "A", "*", "*" },
    { "*", "A", "*" },
    { "*.", "*", "*" },
    { "*", "*.", "*" },
    { "*", "*", ".*" },
    { " *", "*", "*" },
    { "*=", "*", "*" },
    { "*", "*==", "*" },
};

START_TEST(a_token_with_odd_parts_is_refused) {
    char odd[FIXTURE_TOKEN_SIZE] = "";
    sign_good();
    const char *part = token;
    for (size_t i = 0; i < 3; i++) {
        const char *pattern = part_tables[_i][i];
        size_t good_len = strcspn(part, ".");
        const char *star = strchr(pattern, '*');
        size_t before = star == NULL ? strlen(pattern) : (size_t)(star - pattern);
        size_t at = strlen(odd);
        snprintf(odd + at, sizeof odd - at, "%s%.*s%.*s%s", i == 0 ? "" : ".", (int)before, pattern,
                 star == NULL ? 0 : (int)good_len, part, star == NULL ? "" : star + 1);
        part += good_len + 1;
    }
    ck_assert_msg(check_bytes(odd, strlen(odd)) == STATUS_INVALID_TOKEN, "row %d: %s", _i, odd);
}
END_TEST

START_TEST(an_empty_header_or_payload_is_refused) {
    static const char signature[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    static const char *const parts[][2] = { { "e30", "" }, { "", "e30" }, { "", "" }, { "e30", "e30" } };
    struct token_parts decoded;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        bool whole = parts[i][0][0] != '\0' && parts[i][1][0] != '\0';
        snprintf(token, sizeof token, "%s.%s.%s", parts[i][0], parts[i][1], signature);
        ck_assert_int_eq(token_split(text_of(token), &decoded), whole);
    }
}
END_TEST

START_TEST(what_is_no_token_at_all_is_refused) {
    static const char *const texts[] = {
        "",
        ".",
        "..",
        "...",
        "....",
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "Bearer",
        "null",
        "undefined",
        "%00",
        "\xff\xfe\xfd",
        "jr1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        ck_assert_msg(check_bytes(texts[i], strlen(texts[i])) == STATUS_INVALID_TOKEN, "\"%s\"", texts[i]);
    ck_assert_int_eq(check_bytes(NULL, 0), STATUS_INVALID_TOKEN);
}
END_TEST

/* libjwt itself takes each of these with the same key. */
START_TEST(a_token_of_another_hmac_is_refused) {
    static const jwt_alg_t algorithms[] = { JWT_ALG_HS384, JWT_ALG_HS512, JWT_ALG_NONE };
    jwt_t *jwt;
    jwt_t *decoded = NULL;
    ck_assert_int_eq(jwt_new(&jwt), 0);
    ck_assert_int_eq(jwt_add_grants_json(jwt, PAYLOAD), 0);
    ck_assert_int_eq(jwt_add_header(jwt, "kid", "k1"), 0);
    if (algorithms[_i] != JWT_ALG_NONE)
        ck_assert_int_eq(jwt_set_alg(jwt, algorithms[_i], key_1()->bytes, (int)key_1()->len), 0);
    char *encoded = jwt_encode_str(jwt);
    bool keyed = algorithms[_i] != JWT_ALG_NONE;
    ck_assert_int_eq(jwt_decode(&decoded, encoded, keyed ? key_1()->bytes : NULL, keyed ? (int)key_1()->len : 0), 0);
    ck_assert_int_eq(check_bytes(encoded, strlen(encoded)), STATUS_INVALID_TOKEN);
    jwt_free(decoded);
    jwt_free(jwt);
    free(encoded);
}
END_TEST

START_TEST(a_token_signed_with_another_key_is_refused) {
    fixture_sign(token, HEADER, PAYLOAD, keyring_find(ring, text_of("k2")));
    ck_assert_int_eq(check_token(), STATUS_INVALID_TOKEN);
    struct signing_key empty = { .bytes = (const uint8_t *)"", .len = 0 };
    fixture_sign(token, HEADER, PAYLOAD, &empty);
    ck_assert_int_eq(check_token(), STATUS_INVALID_TOKEN);
}
END_TEST

static void sign_with_filler(size_t filler) {
    char payload[FIXTURE_TOKEN_SIZE];
    snprintf(payload, sizeof payload, "{\"x\":\"%0*d\",%s", (int)filler, 0, &PAYLOAD[1]);
    fixture_sign(token, HEADER, payload, key_1());
}

START_TEST(a_token_over_the_limit_is_refused_however_good) {
    size_t filler = 1;
    do {
        sign_with_filler(filler++);
    } while (strlen(token) < ACCESS_TOKEN_MAX_LEN - 2);
    while (strlen(token) <= ACCESS_TOKEN_MAX_LEN) {
        ck_assert_int_eq(check_token(), STATUS_OK);
        sign_with_filler(filler++);
    }
    ck_assert_int_eq(check_token(), STATUS_INVALID_TOKEN);
    sign_with_filler(5000);
    ck_assert_int_eq(check_token(), STATUS_INVALID_TOKEN);
    memset(token, 'A', sizeof token);
    ck_assert_int_eq(check_bytes(token, 5000), STATUS_INVALID_TOKEN);
}
END_TEST

START_TEST(a_header_of_256_bytes_is_taken_and_one_more_refused) {
    char header[TOKEN_HEADER_MAX + 2];
    for (size_t len = TOKEN_HEADER_MAX; len <= TOKEN_HEADER_MAX + 1; len++) {
        int filler = (int)(len - (sizeof WITH_HEADER("\"x\":\"\"") - 1));
        snprintf(header, sizeof header, WITH_HEADER("\"x\":\"%0*d\""), filler, 0);
        ck_assert_uint_eq(strlen(header), len);
        fixture_sign(token, header, PAYLOAD, key_1());
        ck_assert_int_eq(check_token(), len <= TOKEN_HEADER_MAX ? STATUS_OK : STATUS_INVALID_TOKEN);
    }
}
END_TEST

START_TEST(a_header_of_brackets_is_refused_before_it_is_parsed) {
    char brackets[3000];
    memset(brackets, '[', sizeof brackets);
    brackets[sizeof brackets - 1] = '\0';
    fixture_sign(token, brackets, PAYLOAD, key_1());
    ck_assert_int_eq(check_token(), STATUS_INVALID_TOKEN);
    fixture_sign(token, HEADER, brackets, key_1());
    ck_assert_int_eq(check_token(), STATUS_INVALID_TOKEN);
}
END_TEST

static enum status create(const char *roles_json, struct text *created) {
    struct uuid user = { .bytes = { 1 } };
    struct uuid session = { .bytes = { 2 } };
    return access_token_create(&arena, ring, &fixture_rules, &user, &session, text_of(roles_json), FIXTURE_NOW, created);
}

START_TEST(a_created_token_is_accepted_with_its_claims) {
    struct text created;
    ck_assert_int_eq(create("[\"admin\",\"ops\"]", &created), STATUS_OK);
    ck_assert_int_eq(check_bytes(created.bytes, created.len), STATUS_OK);
    ck_assert_uint_eq(claims.user_id.bytes[0], 1);
    ck_assert_uint_eq(claims.session_id.bytes[0], 2);
    ck_assert_int_eq(claims.issued_at, FIXTURE_NOW);
    ck_assert_int_eq(claims.expires_at, FIXTURE_NOW + FIXTURE_TTL);
    ck_assert_str_eq(claims.roles_json.bytes, "[\"admin\",\"ops\"]");
}
END_TEST

/* Read without the module under test, as a sibling service would. */
START_TEST(a_created_token_says_what_the_contract_says) {
    static const char *const names[] = { "aud", "exp", "iat", "iss", "jti", "nbf", "roles", "sid", "sub" };
    struct text created;
    jwt_t *jwt;
    ck_assert_int_eq(create("[]", &created), STATUS_OK);
    ck_assert_int_eq(jwt_decode(&jwt, created.bytes, keyring_active(ring)->bytes, (int)keyring_active(ring)->len), 0);
    ck_assert_str_eq(jwt_get_header(jwt, "alg"), "HS256");
    ck_assert_str_eq(jwt_get_header(jwt, "typ"), "JWT");
    ck_assert_str_eq(jwt_get_header(jwt, "kid"), "k2");
    char *grants = jwt_get_grants_json(jwt, NULL);
    struct json_object *object = json_tokener_parse(grants), *expires, *not_before;
    ck_assert_int_eq(json_object_object_length(object), ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        ck_assert_msg(json_object_object_get(object, names[i]) != NULL, "%s", names[i]);
    ck_assert_str_eq(json_object_get_string(json_object_object_get(object, "iss")), "jwtd");
    ck_assert_str_eq(json_object_get_string(json_object_object_get(object, "aud")), "jwtd");
    ck_assert_str_eq(json_object_get_string(json_object_object_get(object, "sub")), "01000000-0000-0000-0000-000000000000");
    ck_assert(json_object_object_get_ex(object, "exp", &expires) && json_object_is_type(expires, json_type_int));
    ck_assert_int_eq(json_object_get_int64(expires), FIXTURE_NOW + FIXTURE_TTL);
    ck_assert(json_object_object_get_ex(object, "nbf", &not_before) && json_object_is_type(not_before, json_type_int));
    ck_assert_int_eq(json_object_get_int64(not_before), FIXTURE_NOW);
    json_object_put(object);
    free(grants);
    jwt_free(jwt);
}
END_TEST

#define DEEP TEN("{\"a\":") "{\"a\":{\"a\":{\"a\":{\"a\":1}}}}" TEN("}")
#define DEEPER TEN("[") TEN("[") TEN("]") TEN("]")
#define NUMBERS TEN(TEN("0.1,"))
#define TEXT_OF_320 "{\"a\":\"" TEN("12345678901234567890123456789012") "\"}"
#define TEXT_OF_2000 "{\"b\":\"" TEN(TEN("12345678901234567890")) "\"}"
#define NAME_OF_250 "\"" TEN("1234567890123456789012345") "\""

/* What a token has of the profile: "" for a claim that was left out. */
static const struct {
    const char *name, *metadata, *admin_metadata; /* as JSON; NULL: none */
    const char *found[PROFILE_CLAIM_COUNT];
} profiles[] = {
    { NULL, NULL, NULL, { "", "", "" } },
    { "\"Ada \\\"\xd8\xb9\"", "{}", NULL, { "\"Ada \\\"\xd8\xb9\"", "{}", "" } },
    { NULL, "{\"a\":[1,{\"b\":null}]}", "{\"plan\":\"x\"}", { "", "{\"a\":[1,{\"b\":null}]}", "{\"plan\":\"x\"}" } },
    /* as deep as in a body */
    { NULL, DEEP, NULL, { "", DEEP, "" } },
    /* written by hand in the database: each alone is left out */
    { "\"x\"", DEEPER, "{\"a\":1,\"a\":2}", { "\"x\"", "", "" } },
    /* too long together: the metadata goes first, then the name; what administrators have written stays, whatever the user
     * writes; Jansson writes each number with twenty characters */
    { "\"x\"", "{\"a\":\"" TEN(TEN("12345678901234567890123456789012")) "\"}", "{\"b\":1}", { "\"x\"", "", "{\"b\":1}" } },
    { "\"x\"", "{\"a\":[" NUMBERS NUMBERS "1]}", NULL, { "\"x\"", "", "" } },
    { "\"x\"", TEXT_OF_320, TEXT_OF_2000, { "\"x\"", "", TEXT_OF_2000 } },
    { NAME_OF_250, TEXT_OF_320, TEXT_OF_2000, { "", "", TEXT_OF_2000 } },
    { NAME_OF_250, NULL, TEXT_OF_2000, { "", "", TEXT_OF_2000 } },
    /* too long alone */
    { "\"x\"", "{\"a\":1}", "{\"b\":[" NUMBERS NUMBERS "1]}", { "", "", "" } },
};

START_TEST(a_profile_gets_into_a_token_that_can_be_read_and_prevents_none) {
    struct token_subject subject = { .user_id = { .bytes = { 1 } },
                                     .session_id = { .bytes = { 2 } },
                                     .roles_json = text_of("[\"admin\"]"),
                                     .claims = { text_of(profiles[_i].name), text_of(profiles[_i].metadata),
                                                 text_of(profiles[_i].admin_metadata) } };
    struct text created;
    jwt_t *jwt;
    ck_assert_int_eq(access_token_create_for(&arena, ring, &fixture_rules, &subject, FIXTURE_NOW, &created), STATUS_OK);
    ck_assert_int_eq(check_bytes(created.bytes, created.len), STATUS_OK);
    ck_assert_str_eq(claims.roles_json.bytes, "[\"admin\"]");
    ck_assert_int_eq(jwt_decode(&jwt, created.bytes, keyring_active(ring)->bytes, (int)keyring_active(ring)->len), 0);
    char *grants = jwt_get_grants_json(jwt, NULL);
    struct json_object *object = json_tokener_parse(grants), *found;
    for (size_t i = 0; i < PROFILE_CLAIM_COUNT; i++) {
        bool is_there = json_object_object_get_ex(object, profile_claim_names[i], &found);
        ck_assert_str_eq(is_there ? json_object_to_json_string_ext(found, JSON_C_TO_STRING_PLAIN) : "", profiles[_i].found[i]);
    }
    json_object_put(object);
    free(grants);
    jwt_free(jwt);
}
END_TEST

START_TEST(two_tokens_of_one_second_differ) {
    struct text first;
    struct text second;
    ck_assert_int_eq(create("[]", &first), STATUS_OK);
    ck_assert_int_eq(create("[]", &second), STATUS_OK);
    ck_assert(!text_equal(first, second));
}
END_TEST

START_TEST(what_is_no_role_does_not_get_into_a_token) {
    struct text created;
    ck_assert_int_eq(create("[\"admin\",\"gr\xc3\xb6\xc3\x9f"
                            "e\",\"a\\\"b\",\"ops\",\"\"]",
                            &created),
                     STATUS_OK);
    ck_assert_int_eq(check_bytes(created.bytes, created.len), STATUS_OK);
    ck_assert_str_eq(claims.roles_json.bytes, "[\"admin\",\"ops\"]");
}
END_TEST

START_TEST(roles_are_written_without_white_space) {
    static const char *const roles[] = { "[\"admin\",\"ops\"]", " [ \"admin\" ,\n\"ops\" ] ", "[\"\\u0061dmin\",\"ops\"]" };
    struct text created;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        ck_assert_int_eq(create(roles[i], &created), STATUS_OK);
        ck_assert_int_eq(check_bytes(created.bytes, created.len), STATUS_OK);
        ck_assert_str_eq(claims.roles_json.bytes, "[\"admin\",\"ops\"]");
    }
}
END_TEST

START_TEST(no_token_is_made_for_roles_that_no_token_may_carry) {
    static const char *const roles[] = {
        NULL,
        "",
        "null",
        "{}",
        "\"admin\"",
        "[1]",
        "[\"a\"],\"sub\":\"x\"",
        "[\"a\"",
        "[",
        "]",
        "[,]",
        "[\"]",
        "[\"a\",]",
        "[,\"a\"]",
        "[\"a\",\"]",
        "[\"a\"\"b\"]",
        "[\"a\";\"b\"]",
        "[\"a\"x]",
        "[\"a\\\"]",
        "[\"a\"]\"b\"]",
    };
    struct text created;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        ck_assert_msg(create(roles[i], &created) == STATUS_INTERNAL, "roles %zu", i);
}
END_TEST

START_TEST(a_full_arena_is_out_of_memory) {
    struct text created;
    struct arena full;
    ck_assert_int_eq(create("[]", &created), STATUS_OK);
    arena_init(&full, 0);
    ck_assert_int_eq(verifier_check(verifier, &full, created, FIXTURE_NOW, &claims, missing_kid), STATUS_OUT_OF_MEMORY);
    ck_assert_int_eq(verifier_check(verifier, &full, created, FIXTURE_NOW, &claims, missing_kid), STATUS_OUT_OF_MEMORY);
    struct uuid id = { .bytes = { 1 } };
    ck_assert_int_eq(access_token_create(&full, ring, &fixture_rules, &id, &id, text_of("[]"), FIXTURE_NOW, &created),
                     STATUS_OUT_OF_MEMORY);
    arena_fini(&full);
}
END_TEST

#define ROWS(table) ((int)ARRAY_LEN(table))

Suite *access_token_suite(void) {
    Suite *suite = suite_create("access_token");
    TCase *tests = tcase_create("access_token");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_good_token_has_its_claims, 0, ROWS(good_tokens));
    tcase_add_loop_test(tests, a_forged_token_is_refused_although_its_signature_is_good, 0, ROWS(forgeries));
    tcase_add_test(tests, a_token_with_a_flipped_bit_is_refused);
    tcase_add_test(tests, a_token_cut_anywhere_is_refused);
    tcase_add_test(tests, the_bytes_behind_the_token_do_not_matter);
    tcase_add_test(tests, a_token_followed_by_anything_is_refused);
    tcase_add_test(tests, a_signature_has_one_text_only);
    tcase_add_loop_test(tests, a_token_with_odd_parts_is_refused, 0, ROWS(part_tables));
    tcase_add_test(tests, an_empty_header_or_payload_is_refused);
    tcase_add_test(tests, what_is_no_token_at_all_is_refused);
    tcase_add_loop_test(tests, a_token_of_another_hmac_is_refused, 0, 3);
    tcase_add_test(tests, a_token_signed_with_another_key_is_refused);
    tcase_add_test(tests, a_token_over_the_limit_is_refused_however_good);
    tcase_add_test(tests, a_header_of_256_bytes_is_taken_and_one_more_refused);
    tcase_add_test(tests, a_header_of_brackets_is_refused_before_it_is_parsed);
    tcase_add_test(tests, a_created_token_is_accepted_with_its_claims);
    tcase_add_test(tests, a_created_token_says_what_the_contract_says);
    tcase_add_loop_test(tests, a_profile_gets_into_a_token_that_can_be_read_and_prevents_none, 0, (int)ARRAY_LEN(profiles));
    tcase_add_test(tests, two_tokens_of_one_second_differ);
    tcase_add_test(tests, what_is_no_role_does_not_get_into_a_token);
    tcase_add_test(tests, roles_are_written_without_white_space);
    tcase_add_test(tests, no_token_is_made_for_roles_that_no_token_may_carry);
    tcase_add_test(tests, a_full_arena_is_out_of_memory);
    suite_add_tcase(suite, tests);
    return suite;
}
