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
    ck_assert_int_eq(strncmp(good, "jr2_", 4), 0);
    ck_assert(refresh_token_read(ring, text_of(good), &read));
    ck_assert(uuid_equal(&read.session_id, &token.session_id));
    ck_assert_uint_eq(read.generation, generations[_i]);
}
END_TEST

START_TEST(the_same_session_and_generation_make_the_same_token) {
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

/* ---- formats and keys ---- */

/* Of versions that had one refresh key: the text of session 00 01 .. 0f, generation 258, under FIXTURE_KEY_1. */
#define FIRST_FORMAT_LEN 74

static void write_first_format(const char *prefix, const uint8_t key[REFRESH_KEY_BYTES], char text[FIRST_FORMAT_LEN + 1]) {
    uint8_t bytes[4 + 20 + crypto_auth_BYTES];
    memcpy(bytes, prefix, 4);
    for (uint8_t i = 0; i < 16; i++)
        bytes[4 + i] = i;
    memcpy(bytes + 20, (const uint8_t[]){ 0, 0, 1, 2 }, 4);
    crypto_auth(bytes + 24, bytes, 24, key);
    snprintf(text, 5, "%s", prefix);
    sodium_bin2base64(text + 4, FIRST_FORMAT_LEN - 3, bytes + 4, sizeof bytes - 4, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

START_TEST(a_token_of_an_earlier_version_is_still_accepted) {
    char text[FIRST_FORMAT_LEN + 1];
    struct refresh_token read;
    uint8_t key[REFRESH_KEY_BYTES];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i + 1);
    write_first_format("jr1_", key, text);
    ck_assert_uint_eq(strlen(text), FIRST_FORMAT_LEN);
    ck_assert(refresh_token_read(ring, text_of(text), &read));
    ck_assert_uint_eq(read.generation, 258);
    ck_assert_uint_eq(read.session_id.bytes[15], 15);
    text[20] = text[20] == 'A' ? 'B' : 'A';
    ck_assert(!reads(text, strlen(text)));
    write_first_format("jr2_", key, text); /* a format belongs to its prefix */
    ck_assert(!reads(text, strlen(text)));
}
END_TEST

/* A ring whose refresh keys are in the files `refresh`, `refresh.old` and so on. */
static struct keyring *ring_with(const char *const keys[][2], size_t count) {
    struct scratch scratch = scratch_create();
    char refresh_file[PATH_MAX], error[512];
    scratch_write_text(&scratch, "k1.hs256", FIXTURE_KEY_1);
    for (size_t i = 0; i < count; i++)
        scratch_write_text(&scratch, keys[i][0], keys[i][1]);
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh"));
    struct keyring *loaded = fixture_load(scratch.path, "", refresh_file, error, sizeof error);
    ck_assert_msg(loaded != NULL, "%s", error);
    scratch_destroy(&scratch);
    return loaded;
}

START_TEST(a_token_of_another_key_is_refused_and_leaves_the_result_alone) {
    struct keyring *other = ring_with((const char *const[][2]){ { "refresh", FIXTURE_KEY_2 } }, 1);
    struct refresh_token read = { .generation = 99 };
    ck_assert(!refresh_token_read(other, text_of(good), &read));
    ck_assert_uint_eq(read.generation, 99);
    keyring_destroy(other);
}
END_TEST

START_TEST(a_token_of_a_key_that_no_longer_signs_is_accepted_and_its_successor_is_of_the_one_that_does) {
    static const char *const files[][2] = { { "refresh", FIXTURE_KEY_2 }, { "refresh.old", FIXTURE_KEY_1 } };
    struct keyring *rotated = ring_with(files, 2), *only_new = ring_with(files, 1);
    char text[FIRST_FORMAT_LEN + 1], successor[REFRESH_TOKEN_SIZE];
    struct refresh_token read;
    ck_assert(refresh_token_read(rotated, text_of(good), &read));
    ck_assert(uuid_equal(&read.session_id, &token.session_id));
    refresh_token_write(rotated, &read, successor);
    ck_assert_str_ne(successor, good);
    ck_assert(refresh_token_read(rotated, text_of(successor), &read));
    ck_assert(refresh_token_read(only_new, text_of(successor), &read));
    ck_assert(!refresh_token_read(only_new, text_of(good), &read));
    ck_assert(!refresh_token_read(ring, text_of(successor), &read));
    size_t count;
    write_first_format("jr1_", keyring_refresh_keys(ring, &count)[0].bytes, text);
    ck_assert(refresh_token_read(rotated, text_of(text), &read));
    keyring_destroy(rotated);
    keyring_destroy(only_new);
}
END_TEST

START_TEST(the_key_id_is_that_of_the_key_whatever_its_file_is_called) {
    struct keyring *same = ring_with((const char *const[][2]){ { "refresh", FIXTURE_KEY_1 "=\n" } }, 1);
    char text[REFRESH_TOKEN_SIZE];
    refresh_token_write(same, &token, text);
    ck_assert_str_eq(text, good);
    keyring_destroy(same);
}
END_TEST

Suite *refresh_token_suite(void) {
    Suite *suite = suite_create("refresh_token");
    TCase *tests = tcase_create("refresh_token");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, a_token_reads_back_as_written, 0, 7);
    tcase_add_test(tests, the_same_session_and_generation_make_the_same_token);
    tcase_add_test(tests, a_token_with_any_flipped_bit_is_refused);
    tcase_add_test(tests, only_one_text_is_the_text_of_a_token);
    tcase_add_test(tests, a_token_of_another_length_is_refused);
    tcase_add_test(tests, padding_inside_the_length_is_refused);
    tcase_add_loop_test(tests, a_generation_that_the_database_cannot_hold_is_refused, 0, 3);
    tcase_add_test(tests, a_token_of_an_earlier_version_is_still_accepted);
    tcase_add_test(tests, a_token_of_another_key_is_refused_and_leaves_the_result_alone);
    tcase_add_test(tests, a_token_of_a_key_that_no_longer_signs_is_accepted_and_its_successor_is_of_the_one_that_does);
    tcase_add_test(tests, the_key_id_is_that_of_the_key_whatever_its_file_is_called);
    suite_add_tcase(suite, tests);
    return suite;
}
