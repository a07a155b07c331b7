#include "jwtd/macros.h"
#include "jwtd/refresh_token.h"
#include "token_fixture.h"

Suite *refresh_token_suite(void);

static struct keyring *ring;
static struct refresh_token token;
static char good[REFRESH_TOKEN_SIZE];

static void set_up(void) {
    ring = fixture_keyring();
    token = (struct refresh_token){ .session_id = uuid_create(), .generation = 7 };
    refresh_token_write(ring, &token, good);
}

static void tear_down(void) {
    keyring_destroy(ring);
}

static bool reads(const char *text, size_t len) {
    struct refresh_token read;
    return refresh_token_read(ring, (struct text){ text, len }, &read);
}

START_TEST(a_token_reads_back_as_written) {
    static const uint32_t generations[] = { 1, 2, 255, 256, 65536, 16777216, INT32_MAX };
    token.generation = generations[_i];
    refresh_token_write(ring, &token, good);
    struct refresh_token read;
    ck_assert_uint_eq(strlen(good), REFRESH_TOKEN_LEN);
    ck_assert_int_eq(strncmp(good, "jr1_", 4), 0);
    ck_assert(refresh_token_read(ring, text_of(good), &read));
    ck_assert(uuid_equal(&read.session_id, &token.session_id));
    ck_assert_uint_eq(read.generation, generations[_i]);
}
END_TEST

START_TEST(the_same_session_and_generation_give_the_same_token) {
    char again[REFRESH_TOKEN_SIZE];
    refresh_token_write(ring, &token, again);
    ck_assert_str_eq(again, good);
    token.generation++;
    refresh_token_write(ring, &token, again);
    ck_assert_str_ne(again, good);
}
END_TEST

START_TEST(a_token_with_any_flipped_bit_is_refused) {
    for (size_t at = 0; at < REFRESH_TOKEN_LEN; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            char changed[REFRESH_TOKEN_SIZE];
            memcpy(changed, good, sizeof changed);
            changed[at] = (char)(changed[at] ^ (1 << bit));
            ck_assert_msg(!reads(changed, REFRESH_TOKEN_LEN), "bit %u of character %zu", bit, at);
        }
    }
}
END_TEST

START_TEST(only_one_text_is_the_text_of_a_token) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char changed[REFRESH_TOKEN_SIZE];
    unsigned taken = 0;
    memcpy(changed, good, sizeof changed);
    for (size_t i = 0; i < 64; i++) {
        changed[REFRESH_TOKEN_LEN - 1] = alphabet[i];
        taken += reads(changed, REFRESH_TOKEN_LEN);
    }
    ck_assert_uint_eq(taken, 1);
}
END_TEST

START_TEST(a_token_of_another_length_is_refused) {
    char longer[REFRESH_TOKEN_SIZE + 8];
    for (size_t len = 0; len < REFRESH_TOKEN_LEN; len++)
        ck_assert(!reads(good, len));
    static const char *const tails[] = { "=", "==", "A", " ", "\n", "." };
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(longer, sizeof longer, "%s%s", good, tails[i]);
        ck_assert(!reads(longer, strlen(longer)));
    }
    ck_assert(!reads(good, REFRESH_TOKEN_SIZE)); /* with a NUL */
    ck_assert(!reads(NULL, 0));
}
END_TEST

START_TEST(padding_inside_the_length_is_refused) {
    char padded[REFRESH_TOKEN_SIZE];
    memcpy(padded, good, sizeof padded);
    padded[REFRESH_TOKEN_LEN - 1] = '=';
    ck_assert(!reads(padded, REFRESH_TOKEN_LEN));
    padded[REFRESH_TOKEN_LEN - 2] = '=';
    ck_assert(!reads(padded, REFRESH_TOKEN_LEN));
}
END_TEST

START_TEST(a_generation_that_the_database_cannot_hold_is_refused) {
    static const uint32_t generations[] = { 0, (uint32_t)INT32_MAX + 1, UINT32_MAX };
    token.generation = generations[_i];
    refresh_token_write(ring, &token, good);
    ck_assert(!reads(good, REFRESH_TOKEN_LEN));
}
END_TEST

START_TEST(a_token_of_another_key_is_refused_and_leaves_the_result_alone) {
    struct scratch scratch = scratch_create();
    char refresh_file[PATH_MAX];
    char error[512];
    scratch_write_text(&scratch, "k1.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, ".refresh", FIXTURE_KEY_2);
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, ".refresh"));
    struct keyring *other = keyring_load(scratch.path, "", refresh_file, error, sizeof error);
    struct refresh_token read = { .generation = 99 };
    ck_assert(!refresh_token_read(other, text_of(good), &read));
    ck_assert_uint_eq(read.generation, 99);
    keyring_destroy(other);
    scratch_destroy(&scratch);
}
END_TEST

Suite *refresh_token_suite(void) {
    Suite *suite = suite_create("refresh_token");
    TCase *tests = tcase_create("refresh_token");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_token_reads_back_as_written, 0, 7);
    tcase_add_test(tests, the_same_session_and_generation_give_the_same_token);
    tcase_add_test(tests, a_token_with_any_flipped_bit_is_refused);
    tcase_add_test(tests, only_one_text_is_the_text_of_a_token);
    tcase_add_test(tests, a_token_of_another_length_is_refused);
    tcase_add_test(tests, padding_inside_the_length_is_refused);
    tcase_add_loop_test(tests, a_generation_that_the_database_cannot_hold_is_refused, 0, 3);
    tcase_add_test(tests, a_token_of_another_key_is_refused_and_leaves_the_result_alone);
    suite_add_tcase(suite, tests);
    return suite;
}
