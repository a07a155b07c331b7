#include "src/token/key_states.h"

#include "jwtd/macros.h"
#include "jwtd/revoked_keys.h"
#include "jwtd/verifier.h"
#include "key_fixture.h"
#include "src/token/algorithm.h"

#include <utime.h>

Suite *key_states_suite(void);

#define NOW INT64_C(1795297600) /* 2026-11-21T21:46:40Z */
#define PUBLISH INT64_C(1200)
#define KEEP (FIXTURE_TTL + ACCESS_TOKEN_LEEWAY_S)

static struct scratch scratch;
static int directory;
static char keys_dir[PATH_MAX], refresh_file[PATH_MAX], error[512];
static const struct key_error reason = { error, sizeof error };
static struct key_states states;

static void set_up(void) {
    scratch = scratch_create();
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    ck_assert_int_eq(mkdir(keys_dir, 0700), 0);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
    directory = open(keys_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(directory, 0);
    error[0] = '\0';
}

static void tear_down(void) {
    close(directory);
    scratch_destroy(&scratch);
}

/* ---- the text ---- */

#define SINCE " 2026-11-21T21:46:40Z\n"

START_TEST(a_line_names_a_key_its_state_and_since_when) {
    ck_assert(key_states_parse(text_of("# one\n\nk1 retiring" SINCE " \tk2\t active \t2026-11-21T21:46:41Z \nk3 standby" SINCE
                                       "k4 revoked 1970-01-01T00:00:00Z\n"),
                               "f", &states, reason));
    static const struct key_line expected[] = {
        { "k1", KEY_RETIRING, NOW }, { "k2", KEY_ACTIVE, NOW + 1 }, { "k3", KEY_STANDBY, NOW }, { "k4", KEY_REVOKED, 0 }
    };
    ck_assert(states.has_file);
    ck_assert_uint_eq(states.count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct key_line *line = key_states_find(&states, text_of(expected[i].kid));
        ck_assert_ptr_nonnull(line);
        ck_assert_int_eq(line->state, expected[i].state);
        ck_assert_int_eq(line->since_s, expected[i].since_s);
    }
    ck_assert_ptr_null(key_states_find(&states, text_of("k")));
}
END_TEST

static const struct {
    const char *text, *error;
    size_t len; /* 0: strlen */
} wrong_texts[] = {
    { "k1 active 2026-11-21T21:46:40Z", "f:1: the line does not end", 0 },
    { "k1 active" SINCE "k2 stand", "f:2: the line does not end", 0 },
    { "k1\n", "f:1: the state is none of", 0 },
    { "k1 Active" SINCE, "f:1: the state is none of", 0 },
    { "k1 gone" SINCE, "f:1: the state is none of", 0 },
    { "k1 active\n", "f:1: the time", 0 },
    { "k1 active 2026-11-21\n", "f:1: the time", 0 },
    { "k1 active 2026-11-21T21:46:40+00:00\n", "f:1: the time", 0 },
    { "k1 active 2026-02-30T21:46:40Z\n", "f:1: the time", 0 },
    { "k1 active 2026-11-21T24:46:40Z\n", "f:1: the time", 0 },
    { "k1 active 2026-11-21T21:46:40Z\r\n", "f:1: the time", 0 },
    { "k1 active 2026-11-21T21:46:40Z k2\n", "f:1: there is something behind", 0 },
    { "k1 active" SINCE "k1 standby" SINCE, "f:2: the key stands in an earlier line", 0 },
    { "k1 active" SINCE "k2 active" SINCE, "f:2: another key is active", 0 },
    { "../k1 active" SINCE, "f:1: this is no key id", 0 },
    { "k\xff active" SINCE, "f:1: this is no key id", 0 },
    { "12345678901234567890123456789012345678901234567890123456789012345 active" SINCE, "f:1: this is no key id", 0 },
    { "k1\0 active" SINCE, "f:1: this is no key id", sizeof "k1\0 active" SINCE - 1 },
    { "\0\0\0\n", "f:1: this is no key id", 4 },
};

START_TEST(a_wrong_line_is_refused_by_its_number_and_never_quoted) {
    size_t len = wrong_texts[_i].len != 0 ? wrong_texts[_i].len : strlen(wrong_texts[_i].text);
    struct text text = { wrong_texts[_i].text, len };
    ck_assert(!key_states_parse(text, "f", &states, reason));
    ck_assert_msg(strncmp(error, wrong_texts[_i].error, strlen(wrong_texts[_i].error)) == 0, "%s", error);
}
END_TEST

START_TEST(any_bytes_are_taken_or_refused) {
    static const char alphabet[] = "k1 \tactivestandbyretiringrevoked2026-11-21T21:46:40Z\n\n#\r\0\xff";
    unsigned seed = 1;
    char bytes[200] = "";
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rand_r(&seed) % sizeof bytes;
        for (size_t i = 0; i < len; i++)
            bytes[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        char *exact = malloc(len + 1); /* the sanitizer notices what is read behind it */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, bytes, len);
        bool is_good = key_states_parse((struct text){ exact, len }, "f", &states, reason);
        ck_assert(is_good || strncmp(error, "f:", 2) == 0);
        free(exact);
    }
}
END_TEST

START_TEST(no_more_keys_are_taken_than_there_are_places) {
    static char text[(KEY_STATES_MAX + 1) * 48];
    size_t len = 0;
    for (int i = 0; i < KEY_STATES_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "k%d revoked" SINCE, i);
    ck_assert(key_states_parse((struct text){ text, len }, "f", &states, reason));
    ck_assert(!key_states_set(&states, "one-more", KEY_STANDBY, NOW));
    ck_assert(key_states_set(&states, "k7", KEY_STANDBY, NOW));
    snprintf(text + len, sizeof text - len, "one-more standby" SINCE);
    ck_assert(!key_states_parse(text_of(text), "f", &states, reason));
    ck_assert_ptr_nonnull(strstr(error, "f:257: there are too many keys"));
}
END_TEST

/* ---- the file ---- */

START_TEST(what_was_written_is_read_and_nothing_is_left_beside_it) {
    struct key_states read;
    scratch_write_text(&scratch, "keys/keys.conf~new", "left by a process that was killed");
    ck_assert(key_states_read(directory, keys_dir, geteuid(), &read, reason));
    ck_assert(!read.has_file);
    states = (struct key_states){ .count = 0 };
    ck_assert(key_states_set(&states, "a", KEY_ACTIVE, NOW) && key_states_set(&states, "b", KEY_STANDBY, NOW - 1));
    ck_assert(key_states_set(&states, "a", KEY_RETIRING, NOW + 1) && key_states_set(&states, "b", KEY_ACTIVE, NOW + 1));
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(key_states_write(directory, keys_dir, &states, reason), "%s", error);
        ck_assert_msg(key_states_read(directory, keys_dir, geteuid(), &read, reason), "%s", error);
        ck_assert(read.has_file);
        ck_assert_uint_eq(read.count, 2);
        ck_assert_mem_eq(read.lines, states.lines, 2 * sizeof states.lines[0]);
    }
    struct stat status;
    ck_assert_int_eq(fstatat(directory, "keys.conf~new", &status, 0), -1);
    ck_assert_int_eq(fstatat(directory, "keys.conf", &status, 0), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0644);
}
END_TEST

START_TEST(a_file_that_others_may_write_is_refused) {
    scratch_write(&scratch, "keys/keys.conf", "k1 active" SINCE, strlen("k1 active" SINCE), 0602);
    ck_assert(!key_states_read(directory, keys_dir, geteuid(), &states, reason));
    ck_assert_ptr_nonnull(strstr(error, "keys.conf: others than owner and group may write it"));
    scratch_write(&scratch, "keys/keys.conf", "k1 active" SINCE, strlen("k1 active" SINCE), 0644);
    ck_assert(key_states_read(directory, keys_dir, geteuid(), &states, reason));
    if (geteuid() == 0) {
        ck_assert_int_eq(fchownat(directory, "keys.conf", 65534, 65534, 0), 0);
        ck_assert(!key_states_read(directory, keys_dir, geteuid(), &states, reason));
        ck_assert_ptr_nonnull(strstr(error, "belongs to another user"));
    }
}
END_TEST

START_TEST(what_is_no_regular_file_or_too_long_is_refused) {
    ck_assert_int_eq(mkfifoat(directory, "keys.conf", 0600), 0);
    ck_assert(!key_states_read(directory, keys_dir, geteuid(), &states, reason));
    ck_assert_ptr_nonnull(strstr(error, "keys.conf: not a regular file"));
    ck_assert_int_eq(unlinkat(directory, "keys.conf", 0), 0);
    scratch_write_text(&scratch, "keys/keys.conf", "");
    ck_assert_int_eq(truncate(scratch_path(&scratch, "keys/keys.conf"), 1 << 20), 0);
    ck_assert(!key_states_read(directory, keys_dir, geteuid(), &states, reason));
    ck_assert_ptr_nonnull(strstr(error, "keys.conf: too long"));
}
END_TEST

/* ---- the choice ---- */

#define NEVER INT64_MAX
#define NONE SIZE_MAX
#define YOUNG (NOW - PUBLISH + 1)
#define OLD (NOW - PUBLISH)

/* Keys of one directory, and which of them signs. */
static const struct {
    struct {
        const char *kid; /* NULL: no key; "public" is one that cannot sign */
        enum key_state state;
        int64_t since_s;
    } keys[3];
    bool has_states;
    const char *active_kid;
    size_t index;
    bool is_substitute;
    int64_t next_change_s;
} choices[] = {
    /* without keys.conf */
    { { { "a", 0, NOW } }, false, "", 0, false, NEVER },                              /* the first signs at once */
    { { { "a", 0, NOW }, { "b", 0, NOW } }, false, "", 0, false, NOW + PUBLISH },     /* and goes on beside a second */
    { { { "a", 0, NOW }, { "b", 0, NOW - 1 } }, false, "", 1, false, NOW + PUBLISH }, /* the first is the one of the earlier file
                                                                                       */
    { { { "a", 0, OLD }, { "b", 0, YOUNG } }, false, "", 0, false, NOW + 1 },
    { { { "a", 0, OLD }, { "b", 0, OLD } }, false, "", 1, false, NEVER },
    { { { "a", 0, 0 }, { "b", 0, OLD }, { "c", 0, NOW } }, false, "", 1, false, NOW + PUBLISH },
    { { { "a", 0, OLD }, { "b", 0, NOW + 9999 } }, false, "", 0, false, NOW + 9999 + PUBLISH }, /* a clock that was wrong */
    { { { "a", 0, OLD }, { "b", 0, NOW } }, false, "b", 1, false, NEVER },                      /* who names one has decided */
    { { { NULL, 0, 0 } }, false, "", NONE, false, NEVER },
    { { { "public", 0, OLD }, { "a", 0, NOW } }, false, "", 1, false, NEVER },
    { { { "public", 0, OLD }, { "a", 0, NOW } }, false, "public", NONE, false, NEVER },
    /* with keys.conf */
    { { { "a", KEY_STANDBY, NOW }, { "public", KEY_ACTIVE, NOW } }, true, "", 0, true, NEVER },
    { { { "a", KEY_ACTIVE, NOW }, { "b", KEY_STANDBY, 0 } }, true, "", 0, false, NEVER },
    { { { "a", KEY_ACTIVE, NOW }, { "b", KEY_STANDBY, 0 } }, true, "b", 0, false, NEVER },
    { { { "a", KEY_RETIRING, NOW }, { "b", KEY_ACTIVE, NOW } }, true, "", 1, false, NOW + KEEP + 1 },
    { { { "a", KEY_STANDBY, NOW }, { "b", KEY_STANDBY, NOW - 9 } }, true, "", 1, true, NEVER },
    { { { "a", KEY_RETIRING, NOW }, { "b", KEY_STANDBY, NOW } }, true, "", 1, true, NOW + KEEP + 1 },
    { { { "a", KEY_RETIRING, NOW } }, true, "", 0, true, NOW + KEEP + 1 }, /* rather than none */
    { { { "a", KEY_RETIRING, NOW }, { "b", KEY_RETIRING, NOW - 9 } }, true, "", 0, true, NOW - 9 + KEEP + 1 },
    { { { "public", KEY_RETIRING, NOW } }, true, "", NONE, true, NEVER },
};

START_TEST(one_key_signs_by_state_or_by_name_and_age) {
    struct key_rules rules = { .active_kid = choices[_i].active_kid, .publish_before_use_s = PUBLISH, .keep_s = KEEP };
    size_t count = 0;
    while (count < 3 && choices[_i].keys[count].kid != NULL)
        count++;
    struct key_candidate keys[3];
    for (size_t i = 0; i < count; i++) {
        keys[i] = (struct key_candidate){ choices[_i].keys[i].kid, choices[_i].keys[i].state, choices[_i].keys[i].since_s,
                                          strcmp(choices[_i].keys[i].kid, "public") != 0, algorithm_default() };
    }
    struct key_choice choice = key_states_choose(keys, count, choices[_i].has_states, NULL, &rules, NOW);
    ck_assert_uint_eq(choice.index, choices[_i].index);
    ck_assert_int_eq(choice.is_substitute, choices[_i].is_substitute);
    ck_assert_int_eq(choice.next_change_s, choices[_i].next_change_s);
}
END_TEST

/* What may take the place of a key, the best first: "es256 standby" and so on. */
static const struct {
    const char *former;
    struct {
        const char *algorithm;
        enum key_state state;
        int64_t since_s;
    } keys[4];
} successors[] = {
    { "es256",
      { { "es256", KEY_STANDBY, 2 }, { "es256", KEY_RETIRING, 1 }, { "rs256", KEY_STANDBY, 1 }, { "hs256", KEY_STANDBY, 1 } } },
    { "rs256",
      { { "es256", KEY_STANDBY, 1 }, { "es256", KEY_STANDBY, 2 }, { "es256", KEY_RETIRING, 1 }, { "hs256", KEY_STANDBY, 0 } } },
    { "hs256",
      { { "hs256", KEY_STANDBY, 9 }, { "hs256", KEY_RETIRING, 9 }, { "hs256", KEY_RETIRING, 8 }, { "es256", KEY_STANDBY, 1 } } },
    { NULL,
      { { "hs256", KEY_STANDBY, 1 }, { "es256", KEY_STANDBY, 2 }, { "hs256", KEY_STANDBY, 3 }, { "es256", KEY_RETIRING, 9 } } },
};

START_TEST(a_key_takes_the_place_of_another_where_other_services_notice_it_least) {
    struct key_candidate keys[4];
    const struct algorithm *former = successors[_i].former == NULL ? NULL : algorithm_by_suffix(successors[_i].former);
    for (size_t i = 0; i < 4; i++)
        keys[3 - i] = (struct key_candidate){ "a", successors[_i].keys[i].state, successors[_i].keys[i].since_s, true,
                                              algorithm_by_suffix(successors[_i].keys[i].algorithm) };
    for (size_t first = 0; first < 4; first++)
        ck_assert_uint_eq(key_states_successor(keys, 4 - first, former), 3 - first);
}
END_TEST

START_TEST(a_retiring_key_is_gone_a_second_after_its_last_token_has_died) {
    ck_assert(!key_is_gone(KEY_RETIRING, NOW, KEEP, NOW + KEEP));
    ck_assert(key_is_gone(KEY_RETIRING, NOW, KEEP, NOW + KEEP + 1));
    ck_assert(!key_is_gone(KEY_STANDBY, 0, KEEP, NOW));
    ck_assert(!key_is_gone(KEY_ACTIVE, 0, KEEP, NOW));
}
END_TEST

/* ---- the ring ---- */

static struct keyring *load_at(int64_t now_s) {
    struct key_rules rules = {
        .keys_dir = keys_dir, .active_kid = "", .refresh_key_file = refresh_file, .publish_before_use_s = PUBLISH, .keep_s = KEEP
    };
    return keyring_load(&rules, now_s, error, sizeof error);
}

static void write_hs256(const char *name, int64_t made_s) {
    char path[64];
    snprintf(path, sizeof path, "keys/%s.hs256", name);
    scratch_write_text(&scratch, path, FIXTURE_KEY_1);
    ck_assert_int_eq(utime(scratch_path(&scratch, path), &(struct utimbuf){ made_s, made_s }), 0);
}

static bool has(const struct keyring *ring, const char *kid) {
    return keyring_find(ring, text_of(kid)) != NULL;
}

START_TEST(a_new_file_signs_when_it_has_been_there_for_as_long_as_others_keep_their_copies) {
    write_hs256("a", NOW - 9999);
    write_hs256("b", NOW);
    struct keyring *ring = load_at(NOW);
    ck_assert_str_eq(keyring_active(ring)->kid, "a");
    ck_assert(has(ring, "b"));
    int64_t change_s = keyring_next_change(ring);
    keyring_destroy(ring);
    ring = load_at(change_s - 1);
    ck_assert_str_eq(keyring_active(ring)->kid, "a");
    keyring_destroy(ring);
    ring = load_at(change_s);
    ck_assert_str_eq(keyring_active(ring)->kid, "b");
    ck_assert_int_eq(keyring_next_change(ring), INT64_MAX);
    keyring_destroy(ring);
}
END_TEST

START_TEST(the_ring_has_the_keys_that_verify_and_no_others) {
    static const char *const kids[] = { "active", "gone", "new", "retiring", "revoked", "standby" };
    for (size_t i = 0; i < ARRAY_LEN(kids); i++)
        write_hs256(kids[i], NOW - 5000);
    scratch_write_text(&scratch, "keys/keys.conf",
                       "active active 2026-11-21T20:00:00Z\nretiring retiring 2026-11-21T21:46:40Z\n"
                       "gone retiring 2026-11-21T21:00:00Z\nrevoked revoked 2026-11-21T21:46:40Z\n"
                       "standby standby 2026-11-21T21:00:00Z\nno-file standby 2026-11-21T21:00:00Z\n"
                       "no-file-either revoked 2026-11-21T21:00:00Z\n");
    struct keyring *ring = load_at(NOW);
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_str_eq(keyring_active(ring)->kid, "active");
    ck_assert_uint_eq(keyring_count(ring), 4);
    ck_assert(has(ring, "active") && has(ring, "new") && has(ring, "retiring") && has(ring, "standby"));
    ck_assert(!has(ring, "gone") && !has(ring, "revoked"));
    /* a token of theirs must not have the keys read again, file or not */
    ck_assert(!keyring_may_have(ring, text_of("gone")) && !keyring_may_have(ring, text_of("revoked")));
    ck_assert_int_eq(keyring_next_change(ring), NOW + KEEP + 1);
    keyring_destroy(ring);
    ring = load_at(NOW + KEEP + 1);
    ck_assert(!has(ring, "retiring"));
    keyring_destroy(ring);
}
END_TEST

START_TEST(a_revoked_key_is_not_even_read) {
    write_hs256("a", NOW);
    scratch_write_text(&scratch, "keys/b.hs256", "no key");
    ck_assert_ptr_null(load_at(NOW));
    scratch_write_text(&scratch, "keys/keys.conf", "a active" SINCE "b revoked" SINCE);
    struct keyring *ring = load_at(NOW);
    ck_assert_msg(ring != NULL, "%s", error);
    keyring_destroy(ring);
}
END_TEST

static const struct {
    const char *text, *error;
} refused[] = {
    { "nobody active" SINCE, "keys.conf: \"nobody\" is active, but there is no file of this key" },
    { "a active" SINCE "b active" SINCE, "keys.conf:2: another key is active" },
    { "a", "keys.conf:1: the line does not end" },
};

START_TEST(states_that_cannot_be_meant_are_refused_by_the_name_of_the_file) {
    write_hs256("a", NOW);
    scratch_write_text(&scratch, "keys/keys.conf", refused[_i].text);
    ck_assert_ptr_null(load_at(NOW));
    ck_assert_msg(strstr(error, refused[_i].error) != NULL, "%s", error);
}
END_TEST

static void write_es256(const char *file, enum pem_form form) {
    EVP_PKEY *pair = ec_key("P-256");
    write_key(&scratch, file, pair, form);
    EVP_PKEY_free(pair);
}

START_TEST(where_the_database_says_that_the_active_key_is_revoked_one_of_its_algorithm_signs) {
    struct key_rules rules = { .keys_dir = keys_dir, .active_kid = "", .refresh_key_file = refresh_file, .keep_s = KEEP };
    write_es256("keys/a.es256", PEM_PKCS8);
    write_hs256("b", NOW);
    write_es256("keys/c.es256", PEM_PKCS8);
    scratch_write_text(&scratch, "keys/keys.conf", "a active" SINCE "b standby" SINCE "c standby" SINCE);
    rules.revoked = revoked_keys_create();
    ck_assert_int_eq(revoked_keys_add(rules.revoked, text_of("a"), NOW), STATUS_OK);
    struct keyring *ring = keyring_load(&rules, NOW, error, sizeof error);
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_str_eq(keyring_active(ring)->kid, "c");
    keyring_destroy(ring);
    revoked_keys_destroy(rules.revoked);
}
END_TEST

START_TEST(without_a_key_that_may_sign_the_ring_verifies_and_no_token_is_made) {
    struct arena arena;
    struct uuid id = { .bytes = { 1 } };
    struct text token;
    write_es256("keys/a.es256", PEM_PUBLIC);
    write_hs256("b", NOW);
    scratch_write_text(&scratch, "keys/keys.conf", "a retiring" SINCE "b revoked" SINCE);
    struct keyring *ring = load_at(NOW);
    ck_assert_msg(ring != NULL, "%s", error);
    ck_assert_ptr_null(keyring_active(ring));
    ck_assert(has(ring, "a"));
    arena_init(&arena, 1 << 20);
    ck_assert_int_eq(access_token_create(&arena, ring, &fixture_rules, &id, &id, text_of("[]"), NOW, &token),
                     STATUS_KEYS_UNAVAILABLE);
    arena_fini(&arena);
    keyring_destroy(ring);
}
END_TEST

Suite *key_states_suite(void) {
    Suite *suite = suite_create("key_states");
    TCase *tests = tcase_create("states");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_line_names_a_key_its_state_and_since_when);
    tcase_add_loop_test(tests, a_wrong_line_is_refused_by_its_number_and_never_quoted, 0, (int)ARRAY_LEN(wrong_texts));
    tcase_add_test(tests, any_bytes_are_taken_or_refused);
    tcase_add_test(tests, no_more_keys_are_taken_than_there_are_places);
    tcase_add_test(tests, what_was_written_is_read_and_nothing_is_left_beside_it);
    tcase_add_test(tests, a_file_that_others_may_write_is_refused);
    tcase_add_test(tests, what_is_no_regular_file_or_too_long_is_refused);
    tcase_add_loop_test(tests, one_key_signs_by_state_or_by_name_and_age, 0, (int)ARRAY_LEN(choices));
    tcase_add_loop_test(tests, a_key_takes_the_place_of_another_where_other_services_notice_it_least, 0,
                        (int)ARRAY_LEN(successors));
    tcase_add_test(tests, a_retiring_key_is_gone_a_second_after_its_last_token_has_died);
    tcase_add_test(tests, a_new_file_signs_when_it_has_been_there_for_as_long_as_others_keep_their_copies);
    tcase_add_test(tests, the_ring_has_the_keys_that_verify_and_no_others);
    tcase_add_test(tests, a_revoked_key_is_not_even_read);
    tcase_add_loop_test(tests, states_that_cannot_be_meant_are_refused_by_the_name_of_the_file, 0, (int)ARRAY_LEN(refused));
    tcase_add_test(tests, where_the_database_says_that_the_active_key_is_revoked_one_of_its_algorithm_signs);
    tcase_add_test(tests, without_a_key_that_may_sign_the_ring_verifies_and_no_token_is_made);
    suite_add_tcase(suite, tests);
    return suite;
}
