#include "jwtd/keyring.h"
#include "token_fixture.h"

Suite *keyring_suite(void);

#define KEY_31 "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw"

static struct scratch scratch;
static char keys_dir[PATH_MAX];
static char refresh_file[PATH_MAX];
static char mistake[512];

static void set_up(void) {
    scratch = scratch_create();
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
    mistake[0] = '\0';
}

static void tear_down(void) {
    scratch_destroy(&scratch);
}

static struct keyring *load(const char *active_kid) {
    return keyring_load(keys_dir, active_kid, refresh_file, mistake, sizeof mistake);
}

static void check_refused(const char *part_of_mistake) {
    struct keyring *ring = load("");
    ck_assert_msg(ring == NULL, "loaded, but should say: %s", part_of_mistake);
    ck_assert_msg(strstr(mistake, part_of_mistake) != NULL, "\"%s\" does not say \"%s\"", mistake, part_of_mistake);
}

START_TEST(every_key_verifies_and_the_newest_by_name_signs) {
    scratch_write_text(&scratch, "keys/b.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "keys/c.hs256", FIXTURE_KEY_2 "\n");
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1 "=\r\n \t\n");
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", mistake);
    ck_assert_uint_eq(keyring_count(ring), 3);
    ck_assert_str_eq(keyring_active(ring)->kid, "c");
    ck_assert_uint_eq(keyring_active(ring)->len, 32);
    for (uint8_t i = 0; i < 32; i++) {
        ck_assert_uint_eq(keyring_find(ring, text_of("a"))->bytes[i], i + 1);
        ck_assert_uint_eq(keyring_find(ring, text_of("c"))->bytes[i], 32 - i);
        ck_assert_uint_eq(keyring_refresh_key(ring)[i], i + 1);
    }
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_kid_is_found_only_whole) {
    static const char *const unknown[] = { "", "k", "key", "key-10", "KEY-1", "../keys/key-1", "key-1.hs256", "key-1\n", NULL };
    scratch_write_text(&scratch, "keys/key-1.hs256", FIXTURE_KEY_1);
    struct keyring *ring = load("");
    ck_assert_ptr_nonnull(keyring_find(ring, text_of("key-1")));
    for (size_t i = 0; unknown[i] != NULL; i++) {
        ck_assert_msg(keyring_find(ring, text_of(unknown[i])) == NULL, "found \"%s\"", unknown[i]);
    }
    ck_assert_ptr_null(keyring_find(ring, (struct text){ "key-1\0", 6 }));
    ck_assert_ptr_null(keyring_find(ring, (struct text){ NULL, 0 }));
    keyring_destroy(ring);
}
END_TEST

START_TEST(the_active_kid_of_the_configuration_signs) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "keys/b.hs256", FIXTURE_KEY_2);
    struct keyring *ring = load("a");
    ck_assert_str_eq(keyring_active(ring)->kid, "a");
    keyring_destroy(ring);
    ck_assert_ptr_null(load("c"));
    ck_assert_ptr_nonnull(strstr(mistake, "there is no c.hs256"));
    ck_assert_ptr_null(load("../a"));
}
END_TEST

static const struct {
    const char *content;
    size_t len; /* 0: strlen */
    const char *mistake;
} bad_contents[] = {
    { "", 0, "empty" },
    { " \n\t\r\n", 0, "empty" },
    { "=", 0, "not base64url" },
    { "====", 0, "not base64url" },
    { "\xc1\xc1\xc1\xc1" FIXTURE_KEY_1, 0, "not base64url" },
    { "AQ", 0, "holds 1 bytes" },
    { KEY_31, 0, "holds 31 bytes" },
    { KEY_31 "=\n", 0, "not base64url" },
    { FIXTURE_KEY_1 "==", 0, "not base64url" },
    { " " FIXTURE_KEY_1, 0, "not base64url" },
    { FIXTURE_KEY_1 "\n" FIXTURE_KEY_1, 0, "not base64url" },
    { "\xef\xbb\xbf" FIXTURE_KEY_1, 0, "not base64url" },
    { FIXTURE_KEY_1 "\0", sizeof FIXTURE_KEY_1, "not base64url" },
    { "AQIDBAUGBwgJCgsM\0Q4PEBESExQVFhcYGRobHB0eHyA", sizeof FIXTURE_KEY_1 - 1, "not base64url" },
    { "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy+", 0, "not base64url" },
    { "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB", 0, "not base64url" }, /* stray bits in the last character */
};

START_TEST(a_file_without_a_good_key_is_refused_by_name) {
    size_t len = bad_contents[_i].len != 0 ? bad_contents[_i].len : strlen(bad_contents[_i].content);
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    scratch_write(&scratch, "keys/bad.hs256", bad_contents[_i].content, len, 0600);
    check_refused("keys/bad.hs256");
    check_refused(bad_contents[_i].mistake);
}
END_TEST

START_TEST(a_key_of_512_bytes_is_taken_and_one_more_refused) {
    char text[1200];
    memset(text, 'A', sizeof text);
    scratch_write(&scratch, "keys/a.hs256", text, 683, 0600); /* 512 bytes */
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", mistake);
    ck_assert_uint_eq(keyring_active(ring)->len, 512);
    keyring_destroy(ring);
    scratch_write(&scratch, "keys/a.hs256", text, 684, 0600);
    check_refused("at most 512");
    scratch_write(&scratch, "keys/a.hs256", text, 1025, 0600);
    check_refused("too long");
}
END_TEST

static const struct {
    mode_t mode;
    bool good;
} modes[] = { { 0400, true },  { 0600, true },  { 0640, true },  { 0440, true },
              { 0604, false }, { 0644, false }, { 0602, false }, { 0666, false } };

START_TEST(a_key_file_open_to_others_is_refused) {
    scratch_write(&scratch, "keys/a.hs256", FIXTURE_KEY_1, sizeof FIXTURE_KEY_1 - 1, modes[_i].mode);
    if (modes[_i].good) {
        struct keyring *ring = load("");
        ck_assert_msg(ring != NULL, "%s", mistake);
        keyring_destroy(ring);
    } else {
        check_refused("keys/a.hs256: mode 0");
    }
}
END_TEST

START_TEST(a_link_is_followed_and_its_target_counts) {
    scratch_write(&scratch, "target", FIXTURE_KEY_1, sizeof FIXTURE_KEY_1 - 1, 0400);
    ck_assert_int_eq(symlink("../target", scratch_path(&scratch, "keys/a.hs256")), 0);
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", mistake);
    keyring_destroy(ring);
    ck_assert_int_eq(chmod(scratch_path(&scratch, "target"), 0444), 0);
    check_refused("keys/a.hs256: mode 0444");
    unlink(scratch_path(&scratch, "target"));
    check_refused("keys/a.hs256: No such file");
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "keys/b.hs256"), 0700), 0);
    check_refused("keys/b.hs256: not a regular file");
    ck_assert_int_eq(rmdir(scratch_path(&scratch, "keys/b.hs256")), 0);
    ck_assert_int_eq(mkfifo(scratch_path(&scratch, "keys/b.hs256"), 0600), 0);
    check_refused("keys/b.hs256: not a regular file");
}
END_TEST

START_TEST(other_files_are_ignored) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "keys/README", "how to rotate");
    scratch_write_text(&scratch, "keys/.hs256", "no name");
    scratch_write_text(&scratch, "keys/a.hs256.new-12345678", "half");
    scratch_write_text(&scratch, "keys/with space.hs256", "no kid");
    scratch_write_text(&scratch, "keys/0123456789012345678901234567890123456789012345678901234567890123x.hs256", "65");
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", mistake);
    ck_assert_uint_eq(keyring_count(ring), 1);
    keyring_destroy(ring);
}
END_TEST

START_TEST(without_any_key_the_way_out_is_named) {
    check_refused("jwtd keygen");
    rmdir(keys_dir);
    check_refused("jwtd keygen");
    ck_assert_ptr_nonnull(strstr(mistake, keys_dir));
}
END_TEST

START_TEST(more_keys_than_the_ring_holds_are_refused) {
    for (unsigned i = 0; i < KEYS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof name, "keys/k%03u.hs256", i);
        scratch_write_text(&scratch, name, FIXTURE_KEY_1);
    }
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", mistake);
    ck_assert_uint_eq(keyring_count(ring), KEYS_MAX);
    ck_assert_str_eq(keyring_active(ring)->kid, "k063");
    keyring_destroy(ring);
    scratch_write_text(&scratch, "keys/z.hs256", FIXTURE_KEY_1);
    check_refused("more than 64 keys");
}
END_TEST

START_TEST(the_refresh_key_must_be_there_private_and_32_bytes) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "refresh.key", KEY_31);
    check_refused("refresh.key: holds 31 bytes of key, but exactly 32");
    scratch_write_text(&scratch, "refresh.key", "AA" FIXTURE_KEY_1 "A");
    check_refused("exactly 32");
    scratch_write(&scratch, "refresh.key", FIXTURE_KEY_1, sizeof FIXTURE_KEY_1 - 1, 0644);
    check_refused("refresh.key: mode 0644");
    unlink(refresh_file);
    check_refused("refresh.key: no refresh key; `jwtd keygen`");
}
END_TEST

START_TEST(keygen_makes_what_load_takes) {
    char first[KID_MAX_LEN + 1];
    char second[KID_MAX_LEN + 1];
    struct stat status;
    rmdir(keys_dir);
    unlink(refresh_file);
    ck_assert_msg(keyring_generate(keys_dir, refresh_file, first, mistake, sizeof mistake), "%s", mistake);
    ck_assert_int_eq(stat(keys_dir, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0700);
    struct keyring *before = load("");
    ck_assert_msg(before != NULL, "%s", mistake);
    ck_assert_str_eq(keyring_active(before)->kid, first);
    ck_assert_uint_eq(keyring_active(before)->len, 48);

    ck_assert_msg(keyring_generate(keys_dir, refresh_file, second, mistake, sizeof mistake), "%s", mistake);
    ck_assert_int_gt(strcmp(second, first), 0);
    struct keyring *after = load("");
    ck_assert_str_eq(keyring_active(after)->kid, second);
    ck_assert_uint_eq(keyring_count(after), 2);
    ck_assert_mem_ne(keyring_active(after)->bytes, keyring_active(before)->bytes, 48);
    ck_assert_mem_eq(keyring_refresh_key(after), keyring_refresh_key(before), REFRESH_KEY_BYTES);
    ck_assert_int_eq(stat(refresh_file, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    keyring_destroy(before);
    keyring_destroy(after);
}
END_TEST

START_TEST(keygen_leaves_nothing_aside_and_names_what_fails) {
    char kid[KID_MAX_LEN + 1];
    char missing[PATH_MAX];
    ck_assert(keyring_generate(keys_dir, refresh_file, kid, mistake, sizeof mistake));
    snprintf(mistake, sizeof mistake, "keys/%s.hs256", kid);
    ck_assert_int_eq(unlink(scratch_path(&scratch, mistake)), 0);
    ck_assert_int_eq(rmdir(keys_dir), 0); /* only an empty directory goes */

    snprintf(missing, sizeof missing, "%s", scratch_path(&scratch, "no/keys"));
    ck_assert(!keyring_generate(missing, refresh_file, kid, mistake, sizeof mistake));
    ck_assert_ptr_nonnull(strstr(mistake, "no/keys: No such file"));
    ck_assert(!keyring_generate(refresh_file, refresh_file, kid, mistake, sizeof mistake));
    ck_assert_ptr_nonnull(strstr(mistake, "Not a directory"));
}
END_TEST

Suite *keyring_suite(void) {
    Suite *suite = suite_create("keyring");
    TCase *tests = tcase_create("keyring");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, every_key_verifies_and_the_newest_by_name_signs);
    tcase_add_test(tests, a_kid_is_found_only_whole);
    tcase_add_test(tests, the_active_kid_of_the_configuration_signs);
    tcase_add_loop_test(tests, a_file_without_a_good_key_is_refused_by_name, 0,
                        (int)(sizeof bad_contents / sizeof bad_contents[0]));
    tcase_add_test(tests, a_key_of_512_bytes_is_taken_and_one_more_refused);
    tcase_add_loop_test(tests, a_key_file_open_to_others_is_refused, 0, (int)(sizeof modes / sizeof modes[0]));
    tcase_add_test(tests, a_link_is_followed_and_its_target_counts);
    tcase_add_test(tests, what_is_no_regular_file_is_refused);
    tcase_add_test(tests, other_files_are_ignored);
    tcase_add_test(tests, without_any_key_the_way_out_is_named);
    tcase_add_test(tests, more_keys_than_the_ring_holds_are_refused);
    tcase_add_test(tests, the_refresh_key_must_be_there_private_and_32_bytes);
    tcase_add_test(tests, keygen_makes_what_load_takes);
    tcase_add_test(tests, keygen_leaves_nothing_aside_and_names_what_fails);
    suite_add_tcase(suite, tests);
    return suite;
}
