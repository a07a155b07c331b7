/* The commands that change keys, killed before each of their system calls. */
#include "key_life_fixture.h"
#include "kill_at_call.h"

#include "jwtd/macros.h"
#include "tests/runner.h"

Suite *key_kills_suite(void);

static bool do_add(void) {
    return ADD(NOW);
}
static bool do_activate(void) {
    return ACTIVATE(NOW, "b", true);
}
static bool do_retire(void) {
    return RETIRE(NOW, "b");
}
static bool do_revoke(void) {
    return REVOKE(NOW, "a");
}
static bool do_prune(void) {
    return PRUNE(NOW);
}
static bool do_rotate(void) {
    return ROTATE(clock_wall_s(), true);
}

/* "old" is gone, "a" signs, "b" is standby; what the states are without the command, and after it. A key that was made is left
 * out of both. */
static const struct killed_case {
    bool (*run)(void);
    bool with_next; /* a refresh key is prepared */
    const char *before, *after;
} killed_cases[] = {
    { do_add, false, "a:active* b:standby old:gone", "a:active* b:standby old:gone" },
    { do_activate, false, "a:active* b:standby old:gone", "a:retiring b:active* old:gone" },
    { do_retire, false, "a:active* b:standby old:gone", "a:active* b:retiring old:gone" },
    { do_revoke, false, "a:active* b:standby old:gone", "a:revoked b:active* old:gone" },
    { do_prune, false, "a:active* b:standby old:gone", "a:active* b:standby" },
    { do_rotate, false, "a:active* b:standby old:gone", "a:active* b:standby old:gone" },
    { do_rotate, true, "a:active* b:standby old:gone", "a:active* b:standby old:gone" },
};

static void prepare(const struct killed_case *killed) {
    key_life_tear_down();
    key_life_set_up();
    write_key_file("a", NOW - 9999);
    write_key_file("b", NOW);
    write_key_file("old", NOW - 9999);
    scratch_write_text(&scratch, "keys/keys.conf",
                       "a active 2026-11-21T00:00:00Z\nb standby 2026-11-21T21:46:40Z\nold retiring 2026-11-21T00:00:00Z\n");
    if (killed->with_next)
        scratch_write_text(&scratch, "refresh.key.next", FIXTURE_KEY_2);
}

/* Without the key that was made, whose name begins with a digit. */
static const char *known_states(void) {
    const char *text = states_at(NOW);
    while (text[0] >= '0' && text[0] <= '9')
        text += strcspn(text, " ") + 1;
    return text;
}

START_TEST(a_command_that_is_killed_at_any_moment_has_done_all_or_nothing_and_may_run_again) {
    if (!test_can_trace())
        SKIP_TEST("processes cannot be traced here");
    const struct killed_case *killed = &killed_cases[_i];
    unsigned calls = 0;
    bool was_killed = true, was_prune = killed->run == do_prune;
    setenv("TMPDIR", "/dev/shm", 1); /* in memory, since each of hundreds of runs syncs */
    while (was_killed) {
        prepare(killed);
        was_killed = kill_at_call(killed->run, ++calls);
        const char *states = known_states();
        /* of prune, a file may be gone and its line not be */
        ck_assert_msg(strcmp(states, killed->before) == 0 || strcmp(states, killed->after) == 0 ||
                          (was_prune && strcmp(states, "a:active* b:standby (old:gone)") == 0),
                      "before call %u: %s", calls, states);
        struct keyring *ring = load_at(NOW);
        ck_assert_msg(ring != NULL, "before call %u: %s", calls, error);
        uint8_t signing[REFRESH_KEY_BYTES];
        ck_assert_uint_ge(refresh_keys(ring, signing), killed->with_next ? 2 : 1);
        ck_assert(signing[0] == 1 || killed->run == do_rotate); /* that of the fixture */
        keyring_destroy(ring);
        ck_assert_msg(killed->run(), "before call %u: %s", calls, error);
        ck_assert_str_eq(known_states(), killed->after);
    }
    ck_assert_uint_gt(calls, 10);
}
END_TEST

Suite *key_kills_suite(void) {
    Suite *suite = suite_create("key_kills");
    TCase *tests = tcase_create("kills");
    tcase_add_checked_fixture(tests, key_life_set_up, key_life_tear_down);
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, a_command_that_is_killed_at_any_moment_has_done_all_or_nothing_and_may_run_again, 0,
                        (int)ARRAY_LEN(killed_cases));
    suite_add_tcase(suite, tests);
    return suite;
}
