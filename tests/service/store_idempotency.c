/* What is remembered of a request with an Idempotency-Key, by each statement that makes a change under one. */
#include "store_fixture.h"

#include "jwtd/cleanup.h"
#include "jwtd/idempotency_keys.h"
#include "jwtd/macros.h"
#include "jwtd/user_admin.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define FINGERPRINT "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define WITH_KEY "{\"request_id\":\"r\",\"key\":\"" DIGEST "\",\"fingerprint\":\"" FINGERPRINT "\"}"

struct change {
    struct uuid user, session, new_session;
    const char *email; /* of a user who is new */
};

/* Each is asked for twice: with `fits` it makes its change, without it finds nothing to change, or another version. */

static enum status register_user(const struct change *change, bool fits) {
    struct new_user new_user = { .id = uuid_create(),
                                 .email = email_of(fits ? change->email : "ada@example.org"),
                                 .password_hash = HASH };
    struct inserted_user inserted;
    return RUN(CALL, users_insert, &new_user, &inserted);
}

static enum status open_session(const struct change *change, bool fits) {
    struct new_session session = { change->new_session, change->user, fits ? 1 : 2, NULL, NULL };
    struct opened_session opened;
    return RUN(CALL, sessions_open, &session, &limits, &opened);
}

static enum status change_profile(const struct change *change, bool fits) {
    struct profile_change wanted = { .user = { change->user, fits ? 1 : 2 }, .name = text_of("Ada") };
    struct changed_user changed;
    return RUN(CALL, users_change_profile, &wanted, &changed);
}

static enum status change_password(const struct change *change, bool fits) {
    struct password_change wanted = { .user = { change->user, fits ? 1 : 2 },
                                      .new_hash = OTHER_HASH,
                                      .kept_session = uuid_create() };
    struct changed_user changed;
    return RUN(CALL, users_change_password, &wanted, &changed);
}

static enum status delete_user(const struct change *change, bool fits) {
    struct checked_user checked = { change->user, fits ? 1 : 2 };
    struct changed_user changed;
    return RUN(CALL, users_delete, &checked, &changed);
}

static enum status end_session(const struct change *change, bool fits) {
    struct revoked_session revoked;
    return RUN(CALL, sessions_revoke_of_user, fits ? &change->session : &change->new_session, &change->user, "ended_by_user",
               &revoked);
}

static enum status administer(const struct change *change, bool fits) {
    struct user_choice choice = { change->user, fits ? 1 : 7 };
    struct administered_user administered;
    return RUN(CALL, user_admin_change, &choice, "{\"disabled\":true}", &administered);
}

static enum status delete_by_administrator(const struct change *change, bool fits) {
    struct user_choice choice = { change->user, fits ? 1 : 7 };
    struct administered_user administered;
    return RUN(CALL, user_admin_delete, &choice, &administered);
}

static enum status end_all_sessions(const struct change *change, bool fits) {
    struct administered_user administered;
    return RUN(CALL, user_admin_end_sessions, fits ? &change->user : &change->new_session, &administered);
}

/* `difference`: a number that is another one afterwards; `names`: what is remembered. */
static const struct {
    enum status (*make)(const struct change *change, bool fits);
    const char *difference;
    enum { NEW_USER, USER, USER_AND_SESSION, USER_AND_NEW_SESSION } names;
} changes[] = {
    { register_user, "SELECT count(*) FROM users", NEW_USER },
    { open_session, "SELECT count(*) FROM sessions", USER_AND_NEW_SESSION },
    { change_profile, "SELECT count(*) FROM users WHERE name = 'Ada'", USER },
    { change_password, "SELECT max(password_version) FROM users", USER },
    { delete_user, "SELECT count(*) FROM users", USER },
    { end_session, "SELECT count(*) FROM revocations", USER_AND_SESSION },
    { administer, "SELECT count(*) FROM users WHERE disabled_at IS NOT NULL", USER },
    { delete_by_administrator, "SELECT count(*) FROM users", USER },
    { end_all_sessions, "SELECT count(*) FROM revocations", USER },
};

static struct change begin_change(void) {
    struct change change = { .user = add_user("ada@example.org"), .new_session = uuid_create(), .email = "grace@example.org" };
    change.session = add_session(&change.user);
    return change;
}

static struct remembered_request find(const char *digest, const char *fingerprint) {
    struct remembered_request remembered;
    ck_assert_int_eq(RUN(CALL, idempotency_keys_find, digest, fingerprint, &remembered), STATUS_OK);
    return remembered;
}

START_TEST(a_change_is_remembered_with_what_its_reply_is_made_of) {
    static const struct uuid none;
    struct change change = begin_change();
    ck_assert(!find(DIGEST, FINGERPRINT).found);
    test_change = WITH_KEY;
    ck_assert_int_eq(changes[_i].make(&change, true), STATUS_OK);
    struct remembered_request remembered = find(DIGEST, FINGERPRINT);
    ck_assert(remembered.found && remembered.is_same);
    const struct uuid *const sessions[] = { &none, &none, &change.session, &change.new_session };
    ck_assert_int_eq(uuid_equal(&remembered.user_id, &change.user), changes[_i].names != NEW_USER);
    ck_assert(uuid_equal(&remembered.session_id, sessions[changes[_i].names]));
    ck_assert(!find(DIGEST, DIGEST).is_same);
    ck_assert(!find(FINGERPRINT, FINGERPRINT).found);
}
END_TEST

START_TEST(what_changes_nothing_and_what_has_no_key_is_not_remembered) {
    struct change change = begin_change();
    test_change = WITH_KEY;
    ck_assert_int_eq(changes[_i].make(&change, false), STATUS_OK);
    test_change = "{\"request_id\":\"r\"}";
    ck_assert_int_eq(changes[_i].make(&change, true), STATUS_OK);
    test_change = NULL;
    ck_assert_int_eq(changes[_i].make(&change, true), STATUS_OK);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM idempotency_keys"), 0);
}
END_TEST

START_TEST(under_a_key_that_has_been_used_nothing_is_changed) {
    struct change change = begin_change();
    sql("INSERT INTO idempotency_keys (digest, fingerprint) VALUES (decode('" DIGEST "', 'hex'), '\\x00')");
    int64_t before = sql_number("%s", changes[_i].difference), events = sql_number("SELECT count(*) FROM auth_events");
    test_change = WITH_KEY;
    ck_assert_int_eq(changes[_i].make(&change, true), STATUS_IDEMPOTENCY_IN_PROGRESS);
    ck_assert_int_eq(sql_number("%s", changes[_i].difference), before);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM auth_events"), events);
    test_change = NULL;
    ck_assert_int_eq(changes[_i].make(&change, true), STATUS_OK);
    ck_assert_int_ne(sql_number("%s", changes[_i].difference), before);
}
END_TEST

/* ---- a change that is under way ---- */

#define HOLD                                                                                                                     \
    "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('" DIGEST "', 0));"                                                    \
    " INSERT INTO idempotency_keys (digest, fingerprint) VALUES (decode('" DIGEST "', 'hex'), decode('" FINGERPRINT "', 'hex'))"

static struct {
    enum status status;
    struct remembered_request remembered;
} looked_up;

static void *look_up(void *unused) {
    struct db *own = open_db();
    (void)unused;
    looked_up.status = RUN(CALL_ON(own), idempotency_keys_find, DIGEST, FINGERPRINT, &looked_up.remembered);
    db_destroy(own);
    return NULL;
}

static const struct {
    const char *end;
    bool found;
} ends[] = { { "COMMIT", true }, { "ROLLBACK", false } };

START_TEST(who_looks_for_a_change_that_is_under_way_waits_for_its_end) {
    pthread_t thread;
    sql(HOLD);
    ck_assert_int_eq(pthread_create(&thread, NULL, look_up, NULL), 0);
    await_blocked_statement();
    sql("%s", ends[_i].end);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(looked_up.status, STATUS_OK);
    ck_assert_int_eq(looked_up.remembered.found, ends[_i].found);
}
END_TEST

START_TEST(but_for_no_longer_than_a_second) {
    int64_t began_us = clock_monotonic_us();
    sql(HOLD);
    look_up(NULL);
    ck_assert_int_eq(looked_up.status, STATUS_IDEMPOTENCY_IN_PROGRESS);
    int64_t waited_us = clock_monotonic_us() - began_us;
    ck_assert_msg(waited_us > 900000 && waited_us < 2500000, "%lld us", (long long)waited_us);
    sql("ROLLBACK");
    ck_assert(!find(DIGEST, FINGERPRINT).found);
}
END_TEST

/* ---- their end ---- */

START_TEST(a_key_is_kept_for_a_day) {
    static const unsigned batches[] = { 1, 100 };
    struct cleanup_rules rules = { &limits, 900000, batches[_i] };
    bool is_complete = false;
    sql("INSERT INTO idempotency_keys (digest, fingerprint, created_at)"
        " SELECT int4send(hour), '\\x00', now() - hour * interval '1 hour' - interval '1 minute' FROM generate_series(20, 29) AS "
        "hour");
    ck_assert_int_eq(cleanup_run(CALL, &rules, &is_complete), STATUS_OK);
    ck_assert(is_complete);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM idempotency_keys"), 4);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM idempotency_keys WHERE created_at < now() - interval '24 hours'"), 0);
}
END_TEST

TCase *store_idempotency_tests(void) {
    TCase *tests = tcase_create("idempotency keys");
    tcase_add_loop_test(tests, a_change_is_remembered_with_what_its_reply_is_made_of, 0, (int)ARRAY_LEN(changes));
    tcase_add_loop_test(tests, what_changes_nothing_and_what_has_no_key_is_not_remembered, 0, (int)ARRAY_LEN(changes));
    tcase_add_loop_test(tests, under_a_key_that_has_been_used_nothing_is_changed, 0, (int)ARRAY_LEN(changes));
    tcase_add_loop_test(tests, who_looks_for_a_change_that_is_under_way_waits_for_its_end, 0, (int)ARRAY_LEN(ends));
    tcase_add_test(tests, but_for_no_longer_than_a_second);
    tcase_add_loop_test(tests, a_key_is_kept_for_a_day, 0, 2);
    return tests;
}
