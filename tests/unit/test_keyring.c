#include "jwtd/keyring.h"
#include "jwtd/macros.h"
#include "kill_at_call.h"
#include "tests/runner.h"
#include "token_fixture.h"

#include <glob.h>
#include <sched.h>
#include <sys/mount.h>

Suite *keyring_suite(void);

#define DIRECTORY_OWNER 65534
#define KEY_31 "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw"

static struct scratch scratch;
static char keys_dir[PATH_MAX];
static char refresh_file[PATH_MAX];
static char error[512];

static void set_up(void) {
    scratch = scratch_create();
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
    error[0] = '\0';
}

static void tear_down(void) {
    scratch_destroy(&scratch);
}

static struct keyring *load(const char *active_kid) {
    return fixture_load(keys_dir, active_kid, refresh_file, error, sizeof error);
}

static const uint8_t *refresh_key(const struct keyring *ring) {
    size_t count;
    return keyring_refresh_keys(ring, &count)[0].bytes;
}

static void check_refused(const char *part_of_error) {
    struct keyring *ring = load("");
    ck_assert_msg(ring == NULL, "loaded, but should say: %s", part_of_error);
    ck_assert_msg(strstr(error, part_of_error) != NULL, "\"%s\" does not say \"%s\"", error, part_of_error);
}

START_TEST(every_key_verifies_and_the_newest_by_name_signs) {
    scratch_write_text(&scratch, "keys/b.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "keys/c.hs256", FIXTURE_KEY_2 "\n");
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1 "=\r\n \t\n");
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_uint_eq(keyring_count(ring), 3);
    ck_assert_str_eq(keyring_active(ring)->kid, "c");
    ck_assert_uint_eq(keyring_active(ring)->len, 32);
    for (uint8_t i = 0; i < 32; i++) {
        ck_assert_uint_eq(keyring_find(ring, text_of("a"))->bytes[i], i + 1);
        ck_assert_uint_eq(keyring_find(ring, text_of("c"))->bytes[i], 32 - i);
        ck_assert_uint_eq(refresh_key(ring)[i], i + 1);
    }
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_kid_is_found_only_whole) {
    static const char *const unknown[] = { "", "k", "key", "key-10", "KEY-1", "../keys/key-1", "key-1.hs256", "key-1\n", NULL };
    scratch_write_text(&scratch, "keys/key-1.hs256", FIXTURE_KEY_1);
    struct keyring *ring = load("");
    ck_assert_ptr_nonnull(keyring_find(ring, text_of("key-1")));
    for (size_t i = 0; unknown[i] != NULL; i++)
        ck_assert_msg(keyring_find(ring, text_of(unknown[i])) == NULL, "found \"%s\"", unknown[i]);
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
    ck_assert_ptr_nonnull(strstr(error, "there is no c.hs256"));
    ck_assert_ptr_null(load("../a"));
}
END_TEST

static const struct {
    const char *content;
    size_t len; /* 0: strlen */
    const char *error;
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
    check_refused(bad_contents[_i].error);
}
END_TEST

START_TEST(a_key_of_512_bytes_is_taken_and_one_more_refused) {
    char text[1200];
    memset(text, 'A', sizeof text);
    scratch_write(&scratch, "keys/a.hs256", text, 683, 0600); /* 512 bytes */
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
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
        ck_assert_msg(ring != NULL, "%s", error);
        keyring_destroy(ring);
    } else {
        check_refused("keys/a.hs256: mode 0");
    }
}
END_TEST

static const struct {
    mode_t mode;
    bool good;
} directory_modes[] = {
    { 0700, true }, { 0750, true }, { 0755, true }, { 0770, true }, { 0702, false }, { 0777, false }, { 01777, false },
};

/* For a refresh key a file beside it is enough. */
START_TEST(a_directory_to_which_others_can_add_a_refresh_key_is_refused) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    ck_assert_int_eq(chmod(scratch.path, directory_modes[_i].mode), 0);
    if (directory_modes[_i].good) {
        struct keyring *ring = load("");
        ck_assert_msg(ring != NULL, "%s", error);
        keyring_destroy(ring);
    } else {
        check_refused(scratch.path);
        check_refused("lets others than owner and group add keys to it");
    }
}
END_TEST

START_TEST(a_directory_to_which_others_can_add_a_key_is_refused) {
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    ck_assert_int_eq(chmod(keys_dir, directory_modes[_i].mode), 0);
    if (directory_modes[_i].good) {
        struct keyring *ring = load("");
        ck_assert_msg(ring != NULL, "%s", error);
        keyring_destroy(ring);
    } else {
        check_refused("keys: mode ");
        check_refused("lets others than owner and group add keys to it");
    }
}
END_TEST

/* As a Kubernetes secret: a mount that is read-only, of a directory of mode 1777, with links into one of its own. */
START_TEST(a_directory_on_a_mount_without_writing_may_have_any_mode) {
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        SKIP_TEST("only root can mount");
    ck_assert_int_eq(mount("keys", keys_dir, "tmpfs", 0, "mode=1777"), 0);
    ck_assert_int_eq(mkdir(scratch_path(&scratch, "keys/..data"), 0755), 0);
    scratch_write(&scratch, "keys/..data/a.hs256", FIXTURE_KEY_1, sizeof FIXTURE_KEY_1 - 1, 0440);
    ck_assert_int_eq(symlink("..data/a.hs256", scratch_path(&scratch, "keys/a.hs256")), 0);
    check_refused("keys: mode 1777");
    ck_assert_int_eq(mount(NULL, keys_dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
    keyring_destroy(ring);
    ck_assert_int_eq(umount(keys_dir), 0);
}
END_TEST

#define OTHER_USER 4711

START_TEST(what_belongs_to_another_user_is_refused) {
    static const char *const names[] = { "keys", "keys/a.hs256", "refresh.key", "" };
    if (geteuid() != 0)
        SKIP_TEST("only root can change the owner of a file");
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        ck_assert_int_eq(chown(scratch_path(&scratch, names[i]), OTHER_USER, 0), 0);
        check_refused(names[i]);
        check_refused("belongs to user 4711");
        ck_assert_int_eq(chown(scratch_path(&scratch, names[i]), 0, 0), 0);
    }
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_link_is_followed_and_its_target_counts) {
    scratch_write(&scratch, "target", FIXTURE_KEY_1, sizeof FIXTURE_KEY_1 - 1, 0400);
    ck_assert_int_eq(symlink("../target", scratch_path(&scratch, "keys/a.hs256")), 0);
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
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
    scratch_write_text(&scratch, "keys/a.hs256~new-12345678", "half");
    scratch_write_text(&scratch, "keys/with space.hs256", "no kid");
    scratch_write_text(&scratch, "keys/0123456789012345678901234567890123456789012345678901234567890123x.hs256", "65");
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_uint_eq(keyring_count(ring), 1);
    keyring_destroy(ring);
}
END_TEST

START_TEST(without_any_key_the_remedy_is_named) {
    check_refused("jwtd keygen");
    rmdir(keys_dir);
    check_refused("jwtd keygen");
    ck_assert_ptr_nonnull(strstr(error, keys_dir));
}
END_TEST

static void write_keys(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "keys/k%03u.hs256", i);
        scratch_write_text(&scratch, name, FIXTURE_KEY_1);
    }
}

START_TEST(more_keys_than_the_ring_holds_are_refused) {
    write_keys(KEYS_MAX);
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
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

/* Of the files in the directory of the refresh key. */
static const struct {
    const char *name;
    bool is_key;
} beside[] = {
    { "refresh.key.old", true },
    { "refresh.key.2026-11_a", true },
    { "refresh.key.new-20261121", true },
    { "refresh.key~new-12345678", false }, /* keygen was killed */
    { "refresh.key.", false },
    { "refresh.key.old.gz", false },
    { "refresh.key~", false },
    { "refresh.keys", false },
    { "refresh", false },
    { ".refresh.key.swp", false },
    { "other.key", false },
};

START_TEST(refresh_keys_that_verify_are_in_files_beside_that_of_the_one_that_signs) {
    size_t count;
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, beside[_i].name, FIXTURE_KEY_2);
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_uint_eq(refresh_key(ring)[0], 1);
    keyring_refresh_keys(ring, &count);
    ck_assert_msg(count == 1 + (size_t)beside[_i].is_key, "%s", beside[_i].name);
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_refresh_key_that_only_verifies_must_be_as_good_as_the_one_that_signs) {
    char name[32];
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    scratch_write_text(&scratch, "refresh.key.old", KEY_31);
    check_refused("refresh.key.old: holds 31 bytes of key, but exactly 32");
    scratch_write(&scratch, "refresh.key.old", FIXTURE_KEY_1, sizeof FIXTURE_KEY_1 - 1, 0644);
    check_refused("refresh.key.old: mode 0644");
    unlink(scratch_path(&scratch, "refresh.key.old"));
    for (int i = 1; i <= REFRESH_KEYS_MAX; i++) {
        snprintf(name, sizeof name, "refresh.key.%d", i);
        scratch_write_text(&scratch, name, FIXTURE_KEY_2);
    }
    check_refused("more than 16 refresh keys");
}
END_TEST

START_TEST(keygen_makes_keys_that_load) {
    char first[KID_MAX_LEN + 1];
    char second[KID_MAX_LEN + 1];
    struct stat status;
    rmdir(keys_dir);
    unlink(refresh_file);
    ck_assert_msg(keyring_generate(keys_dir, refresh_file, "hs256", first, error, sizeof error), "%s", error);
    ck_assert_int_eq(stat(keys_dir, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0700);
    struct keyring *before = load("");
    ck_assert_msg(before != NULL, "%s", error);
    ck_assert_str_eq(keyring_active(before)->kid, first);
    ck_assert_uint_eq(keyring_active(before)->len, 48);

    ck_assert_msg(keyring_generate(keys_dir, refresh_file, "hs256", second, error, sizeof error), "%s", error);
    ck_assert_int_gt(strcmp(second, first), 0);
    struct keyring *after = load("");
    ck_assert_str_eq(keyring_active(after)->kid, second);
    ck_assert_uint_eq(keyring_count(after), 2);
    ck_assert_mem_ne(keyring_active(after)->bytes, keyring_active(before)->bytes, 48);
    ck_assert_mem_eq(refresh_key(after), refresh_key(before), REFRESH_KEY_BYTES);
    ck_assert_int_eq(stat(refresh_file, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    keyring_destroy(before);
    keyring_destroy(after);
}
END_TEST

START_TEST(keygen_leaves_nothing_aside_and_names_what_fails) {
    char kid[KID_MAX_LEN + 1];
    char missing[PATH_MAX];
    ck_assert(keyring_generate(keys_dir, refresh_file, "hs256", kid, error, sizeof error));
    snprintf(error, sizeof error, "keys/%s.hs256", kid);
    ck_assert_int_eq(unlink(scratch_path(&scratch, error)), 0);
    ck_assert_int_eq(rmdir(keys_dir), 0); /* only an empty directory goes */

    snprintf(missing, sizeof missing, "%s", scratch_path(&scratch, "no/keys"));
    ck_assert(!keyring_generate(missing, refresh_file, "hs256", kid, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "no/keys: No such file"));
    ck_assert(!keyring_generate(refresh_file, refresh_file, "hs256", kid, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "Not a directory"));
}
END_TEST

static size_t signing_keys(void) {
    glob_t found;
    size_t count = glob(scratch_path(&scratch, "keys/*.hs256"), 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

START_TEST(keygen_makes_no_key_with_which_the_service_would_not_start) {
    char kid[KID_MAX_LEN + 1];
    write_keys(KEYS_MAX - 1);
    ck_assert_msg(keyring_generate(keys_dir, refresh_file, "hs256", kid, error, sizeof error), "%s", error);
    ck_assert(!keyring_generate(keys_dir, refresh_file, "hs256", kid, error, sizeof error));
    ck_assert_msg(strstr(error, "holds 64 keys") != NULL && strstr(error, keys_dir) != NULL, "%s", error);
    ck_assert_uint_eq(signing_keys(), KEYS_MAX);
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
    keyring_destroy(ring);
}
END_TEST

static const struct {
    unsigned keys;
    bool refresh_key;
    unsigned keys_after;
} incomplete[] = {
    { 0, false, 1 }, { 0, true, 1 }, { 1, false, 1 }, { 1, true, 1 }, { KEYS_MAX, false, KEYS_MAX }, { KEYS_MAX, true, KEYS_MAX },
};

START_TEST(what_is_missing_is_made_and_nothing_else) {
    char kid[KID_MAX_LEN + 1];
    write_keys(incomplete[_i].keys);
    if (!incomplete[_i].refresh_key)
        unlink(refresh_file);
    for (int times = 0; times < 2; times++) {
        ck_assert_msg(keyring_complete(keys_dir, refresh_file, "hs256", kid, error, sizeof error), "%s", error);
        ck_assert_uint_eq(signing_keys(), incomplete[_i].keys_after);
        ck_assert_int_eq(kid[0] != '\0', times == 0 && incomplete[_i].keys == 0);
    }
    struct keyring *ring = load("");
    ck_assert_msg(ring != NULL, "%s", error);
    /* bytes 1, 2, 3 ... are those of the key that was there; a random one may begin with 1 */
    bool is_kept = refresh_key(ring)[0] == 1 && refresh_key(ring)[1] == 2 && refresh_key(ring)[2] == 3;
    ck_assert_int_eq(is_kept, incomplete[_i].refresh_key);
    keyring_destroy(ring);
}
END_TEST

static bool complete(void) {
    char kid[KID_MAX_LEN + 1];
    return keyring_complete(keys_dir, refresh_file, "hs256", kid, error, sizeof error);
}

/* The second call is what the systemd unit does before each start. */
START_TEST(keygen_that_is_killed_at_any_moment_leaves_what_the_next_one_completes) {
    if (!test_can_trace())
        SKIP_TEST("processes cannot be traced here");
    char kid[KID_MAX_LEN + 1];
    unsigned calls = 0;
    bool was_killed = true;
    while (was_killed) {
        tear_down();
        set_up();
        rmdir(keys_dir);
        unlink(refresh_file);
        was_killed = kill_at_call(complete, ++calls);
        bool has_refresh_key = access(refresh_file, F_OK) == 0;
        ck_assert_msg(!has_refresh_key || signing_keys() == 1, "a refresh key alone, before call %u", calls);
        ck_assert_msg(keyring_complete(keys_dir, refresh_file, "hs256", kid, error, sizeof error), "%s", error);
        ck_assert_uint_eq(signing_keys(), 1);
        struct keyring *ring = load("");
        ck_assert_msg(ring != NULL, "killed before call %u: %s", calls, error);
        keyring_destroy(ring);
    }
    ck_assert_uint_gt(calls, 10);
}
END_TEST

/* The service may have a user of its own, and an administrator makes a key in its directory. */
START_TEST(what_root_makes_belongs_to_the_owner_of_the_directory) {
    char kid[KID_MAX_LEN + 1], path[2 * PATH_MAX];
    struct stat status;
    if (geteuid() != 0)
        SKIP_TEST("only root changes the owner of files");
    rmdir(keys_dir);
    unlink(refresh_file);
    ck_assert_int_eq(chown(scratch.path, DIRECTORY_OWNER, DIRECTORY_OWNER), 0);
    ck_assert_msg(keyring_generate(keys_dir, refresh_file, "hs256", kid, error, sizeof error), "%s", error);
    snprintf(path, sizeof path, "%s/%s.hs256", keys_dir, kid);
    const char *const made[] = { keys_dir, path, refresh_file };
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        ck_assert_int_eq(stat(made[i], &status), 0);
        ck_assert_msg(status.st_uid == DIRECTORY_OWNER, "%s belongs to %u", made[i], (unsigned)status.st_uid);
    }
}
END_TEST

/* The service's user owns the directory, so he can put a link there at any moment: before keygen asks, or between two of its
 * calls. */
static const struct {
    const char *link; /* in a directory of the service's user */
    bool is_refresh_key_directory;
} lures[] = { { "keys", false }, { "keys/below", false }, { "refresh", true } };

START_TEST(a_link_that_the_owner_of_the_directory_put_there_leads_root_nowhere) {
    char kid[KID_MAX_LEN + 1], target[PATH_MAX], path[2 * PATH_MAX];
    struct stat before, after;
    if (geteuid() != 0)
        SKIP_TEST("only root has rights that others have not");
    rmdir(keys_dir);
    unlink(refresh_file);
    struct scratch root_only = scratch_create();
    snprintf(target, sizeof target, "%s", scratch_path(&root_only, "target"));
    ck_assert_int_eq(chmod(root_only.path, 0755), 0);
    ck_assert_int_eq(mkdir(target, 0755), 0);
    ck_assert_int_eq(stat(target, &before), 0);
    ck_assert_int_eq(chown(scratch.path, OTHER_USER, 0), 0); /* and its group's: root's */
    ck_assert_int_eq(chmod(target, 0775), 0);
    snprintf(path, sizeof path, "%s/%s", scratch.path, lures[_i].link);
    *strrchr(path, '/') = '\0';
    if (strcmp(path, scratch.path) != 0)
        ck_assert(mkdir(path, 0755) == 0 && chown(path, OTHER_USER, OTHER_USER) == 0);
    ck_assert_int_eq(symlink(target, scratch_path(&scratch, lures[_i].link)), 0);

    snprintf(path, sizeof path, "%s/%s", scratch.path, lures[_i].is_refresh_key_directory ? "keys" : lures[_i].link);
    if (lures[_i].is_refresh_key_directory)
        snprintf(refresh_file, sizeof refresh_file, "%s/refresh/refresh.key", scratch.path);
    ck_assert(!keyring_generate(path, refresh_file, "hs256", kid, error, sizeof error));
    ck_assert_msg(strstr(error, "Permission denied (as user 4711, who owns a directory on the way)") != NULL, "%s", error);
    ck_assert_int_eq(stat(target, &after), 0);
    ck_assert_uint_eq(after.st_uid, before.st_uid);
    ck_assert_uint_eq(after.st_gid, before.st_gid);
    ck_assert_msg(rmdir(target) == 0, "a file was made in the directory of root");
    ck_assert_uint_eq(geteuid(), 0); /* and the rights are those from before */
    ck_assert_uint_eq(getegid(), getgid());
    scratch_destroy(&root_only);
}
END_TEST

/* Of a service with a user of its own, whose files no other user's process trusts: `jwtd check-config --connect`. */
START_TEST(root_reads_the_keys_as_the_owner_of_the_directory) {
    struct key_rules rules = { .keys_dir = keys_dir, .active_kid = "", .refresh_key_file = refresh_file };
    if (geteuid() != 0)
        return;
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    ck_assert_int_eq(chmod(scratch.path, 0755) | chown(keys_dir, OTHER_USER, OTHER_USER) |
                         chown(scratch_path(&scratch, "keys/a.hs256"), OTHER_USER, OTHER_USER) |
                         chown(refresh_file, OTHER_USER, OTHER_USER),
                     0);
    check_refused("belongs to user 4711");
    struct keyring *ring = keyring_load_as_owner(&rules, 1, error, sizeof error);
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_str_eq(keyring_active(ring)->kid, "a");
    ck_assert_uint_eq(geteuid(), 0);
    keyring_destroy(ring);
}
END_TEST

/* A key that root has made, or another user, by hand: what to do is in the message. As another user, in a process of its own. */
START_TEST(a_key_that_the_service_may_not_read_is_named_with_owner_and_mode) {
    char expected[PATH_MAX + 256];
    if (geteuid() != 0)
        return;
    scratch_write_text(&scratch, "keys/a.hs256", FIXTURE_KEY_1);
    ck_assert_int_eq(chmod(scratch.path, 0755) | chmod(keys_dir, 0755), 0);
    snprintf(expected, sizeof expected,
             "%s/a.hs256: Permission denied: it belongs to user 0 and group 0 with mode 0600, and the process is of user %d; run "
             "chown %d on it",
             keys_dir, OTHER_USER, OTHER_USER);
    ck_assert_int_eq(seteuid(OTHER_USER), 0);
    ck_assert_ptr_null(load(""));
    int is_root_again = seteuid(0);
    ck_assert_int_eq(is_root_again, 0);
    ck_assert_str_eq(error, expected);
}
END_TEST

Suite *keyring_suite(void) {
    Suite *suite = suite_create("keyring");
    TCase *tests = tcase_create("keyring");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 30); /* a process per system call of keygen, on a machine that may be busy */
    tcase_add_test(tests, every_key_verifies_and_the_newest_by_name_signs);
    tcase_add_test(tests, a_kid_is_found_only_whole);
    tcase_add_test(tests, the_active_kid_of_the_configuration_signs);
    tcase_add_loop_test(tests, a_file_without_a_good_key_is_refused_by_name, 0, (int)ARRAY_LEN(bad_contents));
    tcase_add_test(tests, a_key_of_512_bytes_is_taken_and_one_more_refused);
    tcase_add_loop_test(tests, a_key_file_open_to_others_is_refused, 0, (int)ARRAY_LEN(modes));
    tcase_add_loop_test(tests, a_directory_to_which_others_can_add_a_refresh_key_is_refused, 0, (int)ARRAY_LEN(directory_modes));
    tcase_add_loop_test(tests, a_directory_to_which_others_can_add_a_key_is_refused, 0, (int)ARRAY_LEN(directory_modes));
    tcase_add_test(tests, a_directory_on_a_mount_without_writing_may_have_any_mode);
    tcase_add_test(tests, what_belongs_to_another_user_is_refused);
    tcase_add_test(tests, a_link_is_followed_and_its_target_counts);
    tcase_add_test(tests, what_is_no_regular_file_is_refused);
    tcase_add_test(tests, other_files_are_ignored);
    tcase_add_test(tests, without_any_key_the_remedy_is_named);
    tcase_add_test(tests, more_keys_than_the_ring_holds_are_refused);
    tcase_add_test(tests, the_refresh_key_must_be_there_private_and_32_bytes);
    tcase_add_loop_test(tests, refresh_keys_that_verify_are_in_files_beside_that_of_the_one_that_signs, 0,
                        (int)ARRAY_LEN(beside));
    tcase_add_test(tests, a_refresh_key_that_only_verifies_must_be_as_good_as_the_one_that_signs);
    tcase_add_test(tests, keygen_makes_keys_that_load);
    tcase_add_test(tests, what_root_makes_belongs_to_the_owner_of_the_directory);
    tcase_add_loop_test(tests, a_link_that_the_owner_of_the_directory_put_there_leads_root_nowhere, 0, (int)ARRAY_LEN(lures));
    tcase_add_test(tests, keygen_leaves_nothing_aside_and_names_what_fails);
    tcase_add_test(tests, keygen_makes_no_key_with_which_the_service_would_not_start);
    tcase_add_loop_test(tests, what_is_missing_is_made_and_nothing_else, 0, (int)ARRAY_LEN(incomplete));
    tcase_add_test(tests, root_reads_the_keys_as_the_owner_of_the_directory);
    tcase_add_test(tests, a_key_that_the_service_may_not_read_is_named_with_owner_and_mode);
    tcase_add_test(tests, keygen_that_is_killed_at_any_moment_leaves_what_the_next_one_completes);
    suite_add_tcase(suite, tests);
    return suite;
}
