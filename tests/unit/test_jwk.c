/* Keys out of a JSON Web Key Set: the good ones of a set are read, whatever stands beside them. */
#include "key_fixture.h"

#include "jwtd/key_set.h"
#include "jwtd/macros.h"

Suite *jwk_suite(void);

/* RFC 7515, appendices A.2 and A.3. */
#define RSA_N                                                                                                                    \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs"       \
    "D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV"       \
    "MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define EC_XY "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC "{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\"," EC_XY "}"
#define RSA "{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"
#define OCT "{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"" FIXTURE_KEY_1 "\"}"

static size_t count_of(const char *jwks, bool with_secrets) {
    char error[256] = "";
    struct key_set *set = key_set_create();
    ck_assert_msg(key_set_add_jwks(set, text_of(jwks), with_secrets, error, sizeof error), "%s", error);
    size_t count = key_set_count(set);
    key_set_destroy(set);
    return count;
}

static const struct {
    const char *jwks;
    size_t count;
} sets[] = {
    { "{\"keys\":[]}", 0 },
    { "{\"keys\":[" EC "," RSA "," OCT "]}", 3 },
    { "{\"keys\":[" EC "," EC "]}", 1 },
    { "{\"other\":1,\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"use\":\"sig\",\"alg\":\"ES256\",\"crv\":\"P-256\",\"d\":"
      "\"x\"," EC_XY "}]}",
      1 },
    /* one that cannot be used does not hide the others */
    { "{\"keys\":[{\"kty\":\"OKP\",\"kid\":\"x\",\"crv\":\"Ed25519\",\"x\":\"x\"}," EC ",null,1,[],{},\"x\"]}", 1 },
    { "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-384\"," EC_XY "}]}", 0 },
    { "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"alg\":\"HS256\",\"crv\":\"P-256\"," EC_XY "}]}", 0 },
    { "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"alg\":null,\"crv\":\"P-256\"," EC_XY "}]}", 0 },
    { "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"use\":\"enc\",\"crv\":\"P-256\"," EC_XY "}]}", 0 },
    { "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"," EC_XY "}]}", 0 },
    { "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"../e\",\"crv\":\"P-256\"," EC_XY "}]}", 0 },
    /* no point of the curve; a coordinate that is short */
    { "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}]}",
      0 },
    { "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"f83O\",\"y\":\"f83O\"}]}", 0 },
    { "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", 0 },
    { "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"" RSA_N "\",\"e\":\"Ag\"}]}", 0 },
    { "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"\",\"e\":\"\"}]}", 0 },
    { "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"c2hvcnQ\"}]}", 0 },
    { "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"o\",\"alg\":\"RS256\",\"k\":\"" FIXTURE_KEY_1 "\"}]}", 0 },
};

START_TEST(a_set_has_the_keys_that_can_be_used) {
    ck_assert_uint_eq(count_of(sets[_i].jwks, true), sets[_i].count);
}
END_TEST

START_TEST(a_secret_is_read_only_where_the_caller_says_so) {
    ck_assert_uint_eq(count_of("{\"keys\":[" EC "," OCT "]}", false), 1);
}
END_TEST

static const char *const no_sets[] = { "",
                                       "x",
                                       "[]",
                                       "{}",
                                       "{\"keys\":null}",
                                       "{\"keys\":{}}",
                                       "{\"keys\":[]}x",
                                       "{\"keys\":[],\"keys\":[]}",
                                       "{\"keys\":[[[[[[1]]]]]]}" };

START_TEST(what_is_no_set_is_refused) {
    char error[256] = "";
    struct key_set *set = key_set_create();
    ck_assert(!key_set_add_jwks(set, text_of(no_sets[_i]), true, error, sizeof error));
    ck_assert_str_ne(error, "");
    key_set_destroy(set);
}
END_TEST

START_TEST(a_set_that_is_too_long_is_refused) {
    char error[256] = "";
    struct key_set *set = key_set_create();
    char *text = malloc(JWKS_TEXT_MAX + 1);
    size_t len = (size_t)snprintf(text, JWKS_TEXT_MAX, "{\"keys\":[]}");
    memset(text + len, ' ', JWKS_TEXT_MAX + 1 - len);
    ck_assert(key_set_add_jwks(set, (struct text){ text, JWKS_TEXT_MAX }, true, error, sizeof error));
    ck_assert(!key_set_add_jwks(set, (struct text){ text, JWKS_TEXT_MAX + 1 }, true, error, sizeof error));
    free(text);
    key_set_destroy(set);
}
END_TEST

START_TEST(more_keys_than_a_set_holds_are_left_out) {
    char *text = malloc(JWKS_TEXT_MAX), error[256] = "";
    size_t len = (size_t)snprintf(text, JWKS_TEXT_MAX, "{\"keys\":[");
    for (int i = 0; i < KEY_SET_MAX + 10; i++)
        len += (size_t)snprintf(text + len, JWKS_TEXT_MAX - len,
                                "%s{\"kty\":\"oct\",\"kid\":\"o%d\",\"k\":\"" FIXTURE_KEY_1 "\"}", i == 0 ? "" : ",", i);
    snprintf(text + len, JWKS_TEXT_MAX - len, "]}");
    struct key_set *set = key_set_create();
    ck_assert_msg(key_set_add_jwks(set, text_of(text), true, error, sizeof error), "%s", error);
    ck_assert_uint_eq(key_set_count(set), KEY_SET_MAX);
    key_set_destroy(set);
    free(text);
}
END_TEST

Suite *jwk_suite(void) {
    Suite *suite = suite_create("jwk");
    TCase *tests = tcase_create("jwk");
    tcase_add_loop_test(tests, a_set_has_the_keys_that_can_be_used, 0, (int)ARRAY_LEN(sets));
    tcase_add_test(tests, a_secret_is_read_only_where_the_caller_says_so);
    tcase_add_loop_test(tests, what_is_no_set_is_refused, 0, (int)ARRAY_LEN(no_sets));
    tcase_add_test(tests, a_set_that_is_too_long_is_refused);
    tcase_add_test(tests, more_keys_than_a_set_holds_are_left_out);
    suite_add_tcase(suite, tests);
    return suite;
}
