/* The commands that change keys, one after the other: what each makes of the directory, and what it refuses. */
#include "key_life_fixture.h"

#include "jwtd/macros.h"
#include "tests/runner.h"

#include <sys/wait.h>

Suite *key_life_suite(void);

START_TEST(a_key_is_standby_then_active_then_retiring_then_gone) {
    write_key_file("a", NOW);
    write_key_file("b", NOW);
    ck_assert(ADD(NOW)); /* makes keys.conf; the new key has a name of its own, which sorts first */
    char kid[KID_MAX_LEN + 1];
    memcpy(kid, change.kid, sizeof kid);
    ck_assert(RETIRE(NOW, kid));
    ck_assert_str_eq(strchr(states_at(NOW), ' '), " a:active* b:standby");
    ck_assert(ACTIVATE(NOW + PUBLISH, "b", false));
    ck_assert_str_eq(change.note, "");
    ck_assert_str_eq(strchr(states_at(NOW + PUBLISH), ' '), " a:retiring b:active*");
    ck_assert_str_eq(strchr(states_at(NOW + PUBLISH + KEEP), ' '), " a:retiring b:active*");
    ck_assert_str_eq(strchr(states_at(NOW + PUBLISH + KEEP + 1), ' '), " a:gone b:active*");
    ck_assert(!ACTIVATE(NOW + PUBLISH + KEEP + 1, "a", true));
    ck_assert_str_eq(error, "key a is gone; `jwtd key add` makes a new one");
}
END_TEST

START_TEST(the_first_key_is_active_at_once) {
    mkdir(keys_dir, 0700);
    ck_assert_msg(ADD(NOW), "%s", error);
    ck_assert_str_eq(change.active, change.kid);
    struct keyring *ring = load_at(NOW);
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_str_eq(keyring_active(ring)->kid, change.kid);
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_key_that_others_may_not_know_yet_is_activated_by_force_only) {
    write_key_file("a", NOW - 9999);
    write_key_file("b", NOW);
    ck_assert(!ACTIVATE(NOW + PUBLISH - 1, "b", false));
    ck_assert_str_eq(error,
                     "key b may sign from 2026-11-21T22:06:40Z on, when other services have read it; --now activates it at once");
    ck_assert_str_eq(states_at(NOW), "a:standby* b:standby"); /* nothing was written */
    ck_assert(ACTIVATE(NOW + PUBLISH - 1, "b", true));
    ck_assert_str_eq(change.note, "until 2026-11-21T22:06:40Z services that keep copies of the keys may refuse its tokens");
    ck_assert_str_eq(states_at(NOW), "a:retiring b:active*");
}
END_TEST

START_TEST(a_clock_that_is_behind_lets_no_key_sign_too_early) {
    write_key_file("a", NOW - 9999);
    write_key_file("b", NOW + 3600); /* made by a machine whose clock is ahead */
    ck_assert(!ACTIVATE(NOW + PUBLISH, "b", false));
    ck_assert(ACTIVATE(NOW + 3600 + PUBLISH, "b", false));
}
END_TEST

START_TEST(an_exchange_may_be_taken_back) {
    write_key_file("a", NOW - 9999);
    write_key_file("b", NOW - 9999);
    ck_assert(ACTIVATE(NOW, "a", true)); /* b signed, as the newest by name */
    ck_assert_str_eq(states_at(NOW), "a:active* b:retiring");
    ck_assert(ACTIVATE(NOW + 5, "b", false));
    ck_assert_str_eq(states_at(NOW + 5), "a:retiring b:active*");
    ck_assert(ACTIVATE(NOW + 5, "b", false)); /* done already */
    ck_assert_str_eq(states_at(NOW + 5), "a:retiring b:active*");
}
END_TEST

START_TEST(keys_that_are_older_than_the_one_that_signs_may_have_signed) {
    write_key_file("a", NOW - 9999);
    write_key_file("b", NOW - 9999);
    write_key_file("c", NOW);
    ck_assert(RETIRE(NOW, "a"));
    ck_assert_str_eq(states_at(NOW), "a:retiring b:active* c:standby");
    struct keyring *ring = load_at(NOW + KEEP);
    ck_assert_uint_eq(keyring_count(ring), 3);
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_revoked_key_stays_revoked_and_the_standby_key_that_was_published_first_signs) {
    write_key_file("a", NOW - 9999);
    ck_assert(ADD(NOW));
    char next[KID_MAX_LEN + 1];
    memcpy(next, change.kid, sizeof next);
    ck_assert(REVOKE(NOW + PUBLISH, "a"));
    ck_assert_str_eq(change.active, next);
    ck_assert_str_eq(change.note, "");
    ck_assert(REVOKE(NOW + PUBLISH, "a"));
    ck_assert(!ACTIVATE(NOW + 99999, "a", true));
    ck_assert_str_eq(error, "key a is revoked, for good");
    ck_assert(!RETIRE(NOW + 99999, "a"));
    struct keyring *ring = load_at(NOW + PUBLISH);
    ck_assert_ptr_null(keyring_find(ring, text_of("a")));
    ck_assert_str_eq(keyring_active(ring)->kid, next);
    keyring_destroy(ring);
    ck_assert(PRUNE(NOW + PUBLISH));
    ck_assert_uint_eq(change.removed, 1);
    ck_assert_ptr_nonnull(strstr(states_at(NOW + PUBLISH), "(a:revoked)")); /* a file that comes back is still refused */
}
END_TEST

START_TEST(the_last_key_is_revoked_too_and_the_next_one_signs_at_once) {
    write_key_file("a", NOW - 9999);
    ck_assert(REVOKE(NOW, "a"));
    ck_assert_ptr_nonnull(strstr(change.note, "no key signs now"));
    struct keyring *ring = load_at(NOW);
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_ptr_null(keyring_active(ring));
    keyring_destroy(ring);
    ck_assert(ADD(NOW));
    ck_assert_str_eq(change.active, change.kid);
}
END_TEST

/* Adds a key of this algorithm, NULL for the default one, and returns its id. */
static const char *add_key(const char *algorithm) {
    static char kids[8][KID_MAX_LEN + 1];
    static unsigned next;
    char *kid = kids[next++ % 8];
    ck_assert_msg(key_add(&rules, NOW, algorithm, &change, error, sizeof error), "%s", error);
    memcpy(kid, change.kid, sizeof change.kid);
    return kid;
}

START_TEST(a_revoked_key_is_replaced_by_one_of_its_algorithm_and_else_the_operator_is_told) {
    mkdir(keys_dir, 0700);
    const char *signing = add_key("es256"), *hs256 = add_key("hs256"), *rs256 = add_key("rs256"), *es256 = add_key("es256");
    ck_assert(REVOKE(NOW + PUBLISH, signing));
    ck_assert_str_eq(change.active, es256);
    ck_assert(change.is_new_signer);
    ck_assert_str_eq(change.note, "");
    ck_assert(REVOKE(NOW + PUBLISH, es256));
    ck_assert_str_eq(change.active, rs256);
    ck_assert_ptr_nonnull(strstr(change.note, "it is of RS256, no more of ES256"));
    ck_assert_ptr_nonnull(strstr(change.note, "run `jwtd key add --algorithm es256`"));
    ck_assert(REVOKE(NOW + PUBLISH, rs256));
    ck_assert_str_eq(change.active, hs256);
    ck_assert(REVOKE(NOW + PUBLISH, hs256));
    ck_assert_str_eq(change.active, "");
    ck_assert(!change.is_new_signer);
    ck_assert_ptr_nonnull(strstr(change.note, "`jwtd key add --algorithm hs256`"));
}
END_TEST

START_TEST(a_retiring_key_signs_again_when_the_active_one_is_revoked_and_none_is_standby) {
    write_key_file("a", NOW - 9999);
    write_key_file("b", NOW - 9999);
    ck_assert(REVOKE(NOW, "b"));
    ck_assert_str_eq(change.active, "a");
    ck_assert_ptr_nonnull(strstr(change.note, "it was retiring"));
    ck_assert_str_eq(states_at(NOW), "a:active* b:revoked");
}
END_TEST

START_TEST(the_key_that_signs_is_the_same_when_another_one_is_revoked) {
    write_key_file("a", NOW);
    write_key_file("b", NOW - 9999);
    ck_assert(REVOKE(NOW, "a"));
    ck_assert_str_eq(change.active, "b");
    ck_assert(!change.is_new_signer);
}
END_TEST

START_TEST(a_new_key_has_the_algorithm_of_the_one_that_signs_or_signed_last) {
    mkdir(keys_dir, 0700);
    const char *first = add_key(NULL);
    ck_assert_str_eq(change.algorithm, "hs256");
    const char *es256 = add_key("es256");
    ck_assert(ACTIVATE(NOW, es256, true));
    const char *same = add_key(NULL);
    ck_assert_str_eq(change.algorithm, "es256");
    ck_assert(REVOKE(NOW + 1, first));
    ck_assert(REVOKE(NOW + 2, same));
    ck_assert(REVOKE(NOW + 3, es256));
    const char *next = add_key(NULL);
    ck_assert_str_eq(change.algorithm, "es256");
    ck_assert_str_eq(change.active, next);
    ck_assert(REVOKE(NOW + 4, next));
    ck_assert(PRUNE(NOW + 4));
    ck_assert(!key_add(&rules, NOW, NULL, &change, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "name it with --algorithm"));
}
END_TEST

START_TEST(a_key_is_not_added_to_a_directory_that_does_not_exist) {
    ck_assert(!ADD(NOW));
    ck_assert_ptr_nonnull(strstr(error, "keys: there is no such directory; run this with the configuration of the service"));
    ck_assert_int_ne(access(keys_dir, F_OK), 0);
    ck_assert_int_ne(access(refresh_file, F_OK), 0);
}
END_TEST

START_TEST(a_key_that_the_service_could_not_read_is_not_activated) {
    write_key_file("a", NOW - 9999);
    scratch_write_text(&scratch, "keys/b.es256", "garbage\n");
    ck_assert(!ACTIVATE(NOW + PUBLISH, "b", true));
    ck_assert_ptr_nonnull(strstr(error, "b.es256"));
    ck_assert(REVOKE(NOW + PUBLISH, "a")); /* nor does it take its place */
    ck_assert_str_eq(change.active, "");
}
END_TEST

static const struct {
    const char *kid, *error;
    bool (*run)(const struct key_rules *, int64_t, const char *, struct key_change *, char *, size_t);
} refused[] = {
    { "b", "key b is not here", key_retire },
    { "b", "key b is not here", key_revoke },
    { "a", "key a signs; activate another one, which retires this one", key_retire },
    { "../a", "this is no key id", key_retire },
    { "", "this is no key id", key_revoke },
};

START_TEST(what_makes_no_sense_is_refused_and_changes_nothing) {
    write_key_file("a", NOW - 9999);
    ck_assert(!refused[_i].run(&rules, NOW, refused[_i].kid, &change, error, sizeof error));
    ck_assert_str_eq(error, refused[_i].error);
    ck_assert_int_ne(access(scratch_path(&scratch, "keys/keys.conf"), F_OK), 0);
}
END_TEST

START_TEST(files_of_keys_that_are_gone_are_removed_a_minute_later_and_no_others) {
    write_key_file("a", NOW - 9999);
    write_key_file("b", NOW - 9999);
    write_key_file("c", NOW);
    ck_assert(RETIRE(NOW, "c"));
    ck_assert(PRUNE(NOW + KEEP + 60));
    ck_assert_uint_eq(change.removed, 0);
    ck_assert(PRUNE(NOW + KEEP + 61));
    ck_assert_uint_eq(change.removed, 2);
    ck_assert_str_eq(states_at(NOW + KEEP + 61), "b:active*");
}
END_TEST

/* Otherwise the other one would be a standby key again. */
START_TEST(every_file_of_a_key_that_is_gone_is_removed) {
    write_key_file("a", NOW - 9999);
    write_key_file("b", NOW - 9999);
    ck_assert(ADD(NOW)); /* a is retiring */
    scratch_write_text(&scratch, "keys/a.es256", FIXTURE_KEY_1);
    ck_assert_msg(PRUNE(NOW + KEEP + 61), "%s", error);
    ck_assert_uint_eq(change.removed, 2);
    ck_assert_int_ne(access(scratch_path(&scratch, "keys/a.es256"), F_OK), 0);
    ck_assert_ptr_null(strstr(states_at(NOW + KEEP + 61), " a:"));
}
END_TEST

START_TEST(a_keys_conf_that_is_wrong_is_not_replaced) {
    write_key_file("a", NOW);
    scratch_write_text(&scratch, "keys/keys.conf", "garbage\n");
    ck_assert(!ADD(NOW));
    ck_assert_ptr_nonnull(strstr(error, "keys.conf:1: the state is none of"));
    ck_assert(!REVOKE(NOW, "a"));
    struct stat status;
    ck_assert_int_eq(stat(scratch_path(&scratch, "keys/keys.conf"), &status), 0);
    ck_assert_int_eq(status.st_size, 8);
}
END_TEST

#define AT_ONCE 8

START_TEST(commands_at_the_same_time_lose_nothing) {
    pid_t pids[AT_ONCE];
    write_key_file("a", NOW - 9999);
    for (int i = 0; i < AT_ONCE; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(ADD(NOW) ? 0 : 1);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        int status;
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    struct key_list list;
    ck_assert(key_list_read(&rules, NOW, &list, error, sizeof error));
    ck_assert_uint_eq(list.count, AT_ONCE + 1);
    for (size_t i = 0; i < list.count; i++) {
        ck_assert_int_eq(list.keys[i].signs, strcmp(list.keys[i].kid, "a") == 0);
        ck_assert_int_eq(list.keys[i].since_s, list.keys[i].signs ? NOW - 9999 : NOW); /* each has its line */
    }
}
END_TEST

/* ---- the refresh key ---- */

/* How many refresh keys there are, and which signs. */
static size_t refresh_keys_now(uint8_t signing[REFRESH_KEY_BYTES]) {
    struct keyring *ring = load_at(NOW);
    ck_assert_msg(ring != NULL, "%s", error);
    size_t count = refresh_keys(ring, signing);
    keyring_destroy(ring);
    return count;
}

START_TEST(the_refresh_key_is_replaced_in_two_steps_and_the_old_one_stays) {
    uint8_t before[REFRESH_KEY_BYTES], signing[REFRESH_KEY_BYTES];
    write_key_file("a", NOW);
    ck_assert_uint_eq(refresh_keys_now(before), 1);
    int64_t now_s = clock_wall_s();
    ck_assert_msg(ROTATE(now_s, false), "%s", error);
    ck_assert_uint_eq(refresh_keys_now(signing), 2);
    ck_assert_mem_eq(signing, before, sizeof before);
    ck_assert(!ROTATE(now_s + REFRESH_ROTATION_PAUSE_S - 1, false));
    ck_assert_ptr_nonnull(strstr(error, "was made a moment ago"));
    ck_assert_msg(ROTATE(now_s + REFRESH_ROTATION_PAUSE_S + 1, false), "%s", error);
    ck_assert_ptr_nonnull(strstr(change.note, "the old one, "));
    ck_assert_uint_eq(refresh_keys_now(signing), 2);
    ck_assert_mem_ne(signing, before, sizeof before);
    ck_assert_int_ne(access(scratch_path(&scratch, "refresh.key.next"), F_OK), 0);
}
END_TEST

START_TEST(no_more_refresh_keys_are_made_than_the_service_reads) {
    char name[32];
    write_key_file("a", NOW);
    for (int i = 1; i < REFRESH_KEYS_MAX; i++) {
        snprintf(name, sizeof name, "refresh.key.%d", i);
        scratch_write_text(&scratch, name, FIXTURE_KEY_2);
    }
    ck_assert(!ROTATE(NOW, false));
    ck_assert_ptr_nonnull(strstr(error, "too many refresh keys"));
    uint8_t signing[REFRESH_KEY_BYTES];
    ck_assert_uint_eq(refresh_keys_now(signing), REFRESH_KEYS_MAX);
}
END_TEST

/* ---- who can read a key ---- */

#define SERVICE_GROUP 4711

/* Root and the service's group share the files; who may read them is said by those that are there, else by the directory. */
static const struct {
    uid_t owner;               /* of the directories */
    mode_t directory, present; /* 0: no key is there yet */
    gid_t group;
    mode_t made;
} accesses[] = {
    { 0, 0750, 0, SERVICE_GROUP, 0640 }, /* the service can be nobody but a member of the group */
    { 0, 0755, 0, SERVICE_GROUP, 0600 }, /* a directory of everybody's says nothing */
    { 0, 0700, 0, SERVICE_GROUP, 0600 },
    { 0, 0750, 0640, SERVICE_GROUP, 0640 },
    { 0, 0750, 0600, SERVICE_GROUP, 0600 },
    { 0, 0755, 0640, SERVICE_GROUP, 0640 },
    { SERVICE_GROUP, 0750, 0640, SERVICE_GROUP, 0640 }, /* of the service itself; other services read the files */
    { SERVICE_GROUP, 0750, 0, SERVICE_GROUP, 0600 },
    { SERVICE_GROUP, 0700, 0600, SERVICE_GROUP, 0600 },
};

static void expect_access(const char *path, gid_t group, mode_t mode) {
    struct stat status;
    ck_assert_msg(stat(path, &status) == 0, "%s", path);
    ck_assert_msg((status.st_mode & 07777) == mode && (mode == 0600 || status.st_gid == group), "%s: mode %04o, group %u", path,
                  (unsigned)status.st_mode & 07777, (unsigned)status.st_gid);
}

START_TEST(who_could_read_the_keys_can_read_a_new_one) {
    char path[2 * PATH_MAX];
    if (geteuid() != 0)
        SKIP_TEST("only root gives files to others");
    if (accesses[_i].present != 0) {
        write_key_file("a", NOW);
        const char *const present[] = { "refresh.key", "keys/a.hs256" };
        for (size_t i = 0; i < ARRAY_LEN(present); i++)
            ck_assert(chown(scratch_path(&scratch, present[i]), accesses[_i].owner, SERVICE_GROUP) == 0 &&
                      chmod(scratch_path(&scratch, present[i]), accesses[_i].present) == 0);
    }
    mkdir(keys_dir, 0700);
    const char *const directories[] = { keys_dir, scratch.path };
    for (size_t i = 0; i < ARRAY_LEN(directories); i++)
        ck_assert(chown(directories[i], accesses[_i].owner, SERVICE_GROUP) == 0 &&
                  chmod(directories[i], accesses[_i].directory) == 0);
    ck_assert_msg(ADD(NOW), "%s", error);
    snprintf(path, sizeof path, "%s/%s.hs256", keys_dir, change.kid);
    expect_access(path, accesses[_i].group, accesses[_i].made);
    expect_access(refresh_file, accesses[_i].group, accesses[_i].made);
    ck_assert_msg(key_rotate_refresh(&rules, NOW, true, &change, error, sizeof error), "%s", error);
    snprintf(path, sizeof path, "%s.next", refresh_file);
    expect_access(path, accesses[_i].group, accesses[_i].made);
}
END_TEST

Suite *key_life_suite(void) {
    Suite *suite = suite_create("key_life");
    TCase *tests = tcase_create("life");
    tcase_add_checked_fixture(tests, key_life_set_up, key_life_tear_down);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, a_key_is_standby_then_active_then_retiring_then_gone);
    tcase_add_test(tests, the_first_key_is_active_at_once);
    tcase_add_test(tests, a_key_that_others_may_not_know_yet_is_activated_by_force_only);
    tcase_add_test(tests, a_clock_that_is_behind_lets_no_key_sign_too_early);
    tcase_add_test(tests, an_exchange_may_be_taken_back);
    tcase_add_test(tests, keys_that_are_older_than_the_one_that_signs_may_have_signed);
    tcase_add_test(tests, a_revoked_key_stays_revoked_and_the_standby_key_that_was_published_first_signs);
    tcase_add_test(tests, the_last_key_is_revoked_too_and_the_next_one_signs_at_once);
    tcase_add_test(tests, a_revoked_key_is_replaced_by_one_of_its_algorithm_and_else_the_operator_is_told);
    tcase_add_test(tests, a_retiring_key_signs_again_when_the_active_one_is_revoked_and_none_is_standby);
    tcase_add_test(tests, the_key_that_signs_is_the_same_when_another_one_is_revoked);
    tcase_add_test(tests, a_new_key_has_the_algorithm_of_the_one_that_signs_or_signed_last);
    tcase_add_test(tests, a_key_is_not_added_to_a_directory_that_does_not_exist);
    tcase_add_test(tests, a_key_that_the_service_could_not_read_is_not_activated);
    tcase_add_loop_test(tests, what_makes_no_sense_is_refused_and_changes_nothing, 0, (int)ARRAY_LEN(refused));
    tcase_add_test(tests, files_of_keys_that_are_gone_are_removed_a_minute_later_and_no_others);
    tcase_add_test(tests, every_file_of_a_key_that_is_gone_is_removed);
    tcase_add_test(tests, a_keys_conf_that_is_wrong_is_not_replaced);
    tcase_add_test(tests, commands_at_the_same_time_lose_nothing);
    tcase_add_loop_test(tests, who_could_read_the_keys_can_read_a_new_one, 0, (int)ARRAY_LEN(accesses));
    tcase_add_test(tests, the_refresh_key_is_replaced_in_two_steps_and_the_old_one_stays);
    tcase_add_test(tests, no_more_refresh_keys_are_made_than_the_service_reads);
    suite_add_tcase(suite, tests);
    return suite;
}
