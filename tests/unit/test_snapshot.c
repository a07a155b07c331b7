#include "config_fixture.h"
#include "token_fixture.h"

#include "jwtd/macros.h"
#include "jwtd/options.h"
#include "jwtd/snapshot.h"
#include "jwtd/thread.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

Suite *snapshot_suite(void);

static struct scratch scratch;
static char keys_setting[PATH_MAX + 32], refresh_setting[PATH_MAX + 32], services_setting[PATH_MAX + 32];
static struct outcome started;
static struct token_rules rules;
static struct snapshot_holder *holder;

static struct outcome load_with(const char *one, const char *other) {
    const char *const sets[] = { keys_setting, refresh_setting, services_setting, one, other };
    struct outcome outcome = load(&(struct config_source){ .set = sets, .set_count = ARRAY_LEN(sets) });
    ck_assert_msg(outcome.loaded, "%s", outcome.errors);
    return outcome;
}

static void setup(void) {
    char kid[KID_MAX_LEN + 1], error[512];
    scratch = scratch_create();
    snprintf(keys_setting, sizeof keys_setting, "token.keys_dir=%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_setting, sizeof refresh_setting, "token.refresh_key_file=%s", scratch_path(&scratch, "refresh.key"));
    snprintf(services_setting, sizeof services_setting, "services.credentials_file=%s", scratch_path(&scratch, "services"));
    started = load_with("cors.allowed_origins=https://a.example", "server.body_limit=4KiB");
    const struct config *config = &started.config;
    ck_assert_msg(keyring_generate(config->token.keys_dir, config->token.refresh_key_file, "hs256", kid, error, sizeof error),
                  "%s", error);
    rules = token_rules_from_config(config);
    holder = snapshot_holder_create(config, &rules, NULL, error, sizeof error);
    ck_assert_msg(holder != NULL, "%s", error);
}

static void teardown(void) {
    snapshot_holder_destroy(holder);
    outcome_fini(&started);
    scratch_destroy(&scratch);
}

static void ignore_change(const char *name, bool takes_effect, void *context) {
    (void)name, (void)takes_effect, (void)context;
}

static bool reload_with(const char *one, const char *other) {
    struct outcome loaded = load_with(one, other);
    const struct snapshot *current = snapshot_acquire(holder);
    struct config next;
    char error[512];
    ck_assert(config_reload(&current->config, &loaded.config, &next, ignore_change, NULL));
    bool is_good = snapshot_reload(holder, &next, error, sizeof error);
    snapshot_release(holder, current);
    ck_assert_ptr_null(next.database.url);
    outcome_fini(&loaded);
    return is_good;
}

static const char *origin_of(const struct snapshot *snapshot) {
    return snapshot->config.cors.allowed_origins.items[0];
}

START_TEST(a_reload_is_seen_by_those_who_come_later_only) {
    const struct snapshot *before = snapshot_acquire(holder);
    ck_assert(reload_with("cors.allowed_origins=https://b.example", "limit.login=7/min"));
    const struct snapshot *after = snapshot_acquire(holder);
    ck_assert_str_eq(origin_of(before), "https://a.example");
    ck_assert_uint_eq(before->config.limit.login.amount, 10);
    ck_assert_str_eq(origin_of(after), "https://b.example");
    ck_assert_uint_eq(after->config.limit.login.amount, 7);
    snapshot_release(holder, before);
    snapshot_release(holder, after);
    ck_assert_str_eq(started.config.cors.allowed_origins.items[0], "https://a.example"); /* its own was copied */
}
END_TEST

START_TEST(what_needs_a_restart_keeps_its_value_however_often_it_is_reloaded) {
    for (int i = 0; i < 3; i++) {
        ck_assert(reload_with("server.body_limit=8KiB", "token.issuer=other"));
        const struct snapshot *snapshot = snapshot_acquire(holder);
        ck_assert_uint_eq(snapshot->config.server.body_limit, 4096);
        ck_assert_str_eq(snapshot->config.token.issuer, "jwtd");
        ck_assert_uint_eq(snapshot->config.cors.allowed_origins.count, 0);
        snapshot_release(holder, snapshot);
    }
}
END_TEST

START_TEST(a_reload_that_fails_leaves_what_was_in_force) {
    const struct snapshot *before = snapshot_acquire(holder);
    ck_assert(!reload_with("token.active_kid=nobody", "cors.allowed_origins=https://b.example"));
    const struct snapshot *after = snapshot_acquire(holder);
    ck_assert_ptr_eq(before, after);
    snapshot_release(holder, before);
    snapshot_release(holder, after);
}
END_TEST

START_TEST(what_was_acquired_through_a_lease_stays_until_it_is_released) {
    struct snapshot_lease lease = { .snapshot = NULL };
    const struct snapshot *first = snapshot_lease_acquire(holder, &lease), *again = snapshot_lease_acquire(holder, &lease);
    ck_assert_ptr_eq(first, again);
    snapshot_lease_release(holder, &lease, again);
    ck_assert(reload_with("cors.allowed_origins=https://b.example", "limit.login=7/min"));
    const struct snapshot *second = snapshot_lease_acquire(holder, &lease);
    ck_assert_str_eq(origin_of(first), "https://a.example");
    ck_assert_str_eq(origin_of(second), "https://b.example");
    ck_assert(reload_with("cors.allowed_origins=https://c.example", "limit.login=7/min"));
    snapshot_lease_release(holder, &lease, first);
    ck_assert_str_eq(origin_of(second), "https://b.example");
    snapshot_lease_fini(holder, &lease);
    ck_assert_str_eq(origin_of(second), "https://b.example");
    snapshot_lease_release(holder, &lease, second);
}
END_TEST

START_TEST(a_lease_that_is_up_to_date_is_the_only_reference_that_it_takes) {
    struct snapshot_lease lease = { .snapshot = NULL };
    const struct snapshot *snapshot = snapshot_lease_acquire(holder, &lease);
    unsigned refs = snapshot->refs;
    for (int i = 0; i < 10; i++)
        ck_assert_ptr_eq(snapshot_lease_acquire(holder, &lease), snapshot);
    ck_assert_uint_eq(snapshot->refs, refs); /* it is counted in the lease, which no other thread reads */
    for (int i = 0; i < 11; i++)
        snapshot_lease_release(holder, &lease, snapshot);
    ck_assert_uint_eq(snapshot->refs, refs);
    snapshot_lease_fini(holder, &lease);
    ck_assert_uint_eq(snapshot->refs, refs - 1);
}
END_TEST

static atomic_bool is_over;
static atomic_uint reads[2];

/* Both settings of a snapshot come from one configuration. */
static void expect_one_configuration(const struct snapshot *snapshot) {
    bool is_first = strcmp(origin_of(snapshot), "https://a.example") == 0;
    ck_assert_uint_eq(snapshot->config.limit.login.amount, is_first ? 1 : 2);
    ck_assert_uint_eq(snapshot->config.server.body_limit, 4096);
    atomic_fetch_add(&reads[is_first], 1);
}

static void read_both(void *context) {
    (void)context;
    while (!atomic_load(&is_over)) {
        const struct snapshot *snapshot = snapshot_acquire(holder);
        expect_one_configuration(snapshot);
        snapshot_release(holder, snapshot);
    }
}

/* As an HTTP thread, with several requests at a time. */
static void read_both_through_a_lease(void *context) {
    struct snapshot_lease lease = { .snapshot = NULL };
    const struct snapshot *held[5] = { NULL };
    (void)context;
    for (size_t i = 0; !atomic_load(&is_over); i = (i + 1) % ARRAY_LEN(held)) {
        if (held[i] != NULL) {
            expect_one_configuration(held[i]);
            snapshot_lease_release(holder, &lease, held[i]);
        }
        held[i] = snapshot_lease_acquire(holder, &lease);
    }
    for (size_t i = 0; i < ARRAY_LEN(held); i++)
        if (held[i] != NULL)
            snapshot_lease_release(holder, &lease, held[i]);
    snapshot_lease_fini(holder, &lease);
}

START_TEST(readers_under_reloads_see_one_configuration_at_a_time) {
    struct thread readers[3];
    ck_assert(reload_with("cors.allowed_origins=https://a.example", "limit.login=1/min"));
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        ck_assert_int_eq(thread_start(&readers[i], "reader", i == 0 ? read_both : read_both_through_a_lease, NULL), STATUS_OK);
    for (int i = 0; i < 200 || atomic_load(&reads[0]) == 0 || atomic_load(&reads[1]) == 0; i++) {
        ck_assert(reload_with("cors.allowed_origins=https://b.example", "limit.login=2/min"));
        ck_assert(reload_with("cors.allowed_origins=https://a.example", "limit.login=1/min"));
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        thread_join(&readers[i]);
}
END_TEST

#define SERVICE "orders 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n"

static size_t count_services(void) {
    const struct snapshot *snapshot = snapshot_acquire(holder);
    size_t count = service_credentials_count(snapshot->services);
    snapshot_release(holder, snapshot);
    return count;
}

START_TEST(services_are_read_by_a_reload_and_not_for_a_key_that_is_new) {
    char kid[KID_MAX_LEN + 1], error[512];
    const char *one = "log.level=error", *other = "limit.login=7/min";
    ck_assert_uint_eq(count_services(), 0);
    scratch_write_text(&scratch, "services", SERVICE);
    ck_assert_uint_eq(count_services(), 0);
    ck_assert(reload_with(one, other));
    ck_assert_uint_eq(count_services(), 1);
    scratch_write_text(&scratch, "services", SERVICE "garbage");
    ck_assert(!reload_with(one, other));
    ck_assert_uint_eq(count_services(), 1);

    const struct config *config = &started.config;
    ck_assert_msg(keyring_generate(config->token.keys_dir, config->token.refresh_key_file, "hs256", kid, error, sizeof error),
                  "%s", error);
    struct snapshot_lease lease = { NULL, 0 };
    const struct snapshot *snapshot = snapshot_lease_acquire(holder, &lease);
    ck_assert_int_eq(snapshot_find_key(holder, &lease, text_of(kid), &snapshot), STATUS_OK);
    ck_assert_uint_eq(service_credentials_count(snapshot->services), 1);
    snapshot_lease_release(holder, &lease, snapshot);
    snapshot_lease_fini(holder, &lease);
}
END_TEST

/* The file that is back is no other, so that there is nothing to read. */
START_TEST(keys_that_cannot_be_read_are_a_failure_until_they_are_as_before) {
    for (int i = 0; i < 2; i++) {
        scratch_write_text(&scratch, "keys/keys.conf", "garbage\n");
        ck_assert(!snapshot_follow_keys(holder));
        ck_assert(snapshot_is_outdated(holder));
        ck_assert_int_eq(remove(scratch_path(&scratch, "keys/keys.conf")), 0);
        ck_assert(snapshot_follow_keys(holder));
        ck_assert(!snapshot_is_outdated(holder));
    }
}
END_TEST

/* keys.conf says nothing of it, and no token may come that asks for it again. */
START_TEST(a_new_key_that_cannot_be_read_is_a_failure_until_it_can_or_is_gone) {
    struct snapshot_lease lease = { NULL, 0 };
    const struct snapshot *snapshot = snapshot_lease_acquire(holder, &lease);
    for (int i = 0; i < 2; i++) {
        scratch_write_text(&scratch, "keys/zz.hs256", "garbage\n");
        ck_assert_int_eq(snapshot_find_key(holder, &lease, text_of("zz"), &snapshot), STATUS_KEYS_UNAVAILABLE);
        for (int j = 0; j < 2; j++) {
            ck_assert(snapshot_is_outdated(holder));
            ck_assert(!snapshot_follow_keys(holder));
        }
        if (i == 0)
            ck_assert_int_eq(remove(scratch_path(&scratch, "keys/zz.hs256")), 0);
        else
            scratch_write_text(&scratch, "keys/zz.hs256", FIXTURE_KEY_1);
        ck_assert(snapshot_follow_keys(holder));
        ck_assert(!snapshot_is_outdated(holder));
    }
    snapshot_lease_release(holder, &lease, snapshot);
    snapshot_lease_fini(holder, &lease);
}
END_TEST

Suite *snapshot_suite(void) {
    Suite *suite = suite_create("snapshot");
    TCase *tcase = tcase_create("snapshot");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_reload_is_seen_by_those_who_come_later_only);
    tcase_add_test(tcase, what_needs_a_restart_keeps_its_value_however_often_it_is_reloaded);
    tcase_add_test(tcase, a_reload_that_fails_leaves_what_was_in_force);
    tcase_add_test(tcase, what_was_acquired_through_a_lease_stays_until_it_is_released);
    tcase_add_test(tcase, a_lease_that_is_up_to_date_is_the_only_reference_that_it_takes);
    tcase_add_test(tcase, services_are_read_by_a_reload_and_not_for_a_key_that_is_new);
    tcase_add_test(tcase, keys_that_cannot_be_read_are_a_failure_until_they_are_as_before);
    tcase_add_test(tcase, a_new_key_that_cannot_be_read_is_a_failure_until_it_can_or_is_gone);
    tcase_add_test(tcase, readers_under_reloads_see_one_configuration_at_a_time);
    suite_add_tcase(suite, tcase);
    return suite;
}
