/* What administrators change, and that one is left. */
#include "store_fixture.h"

#include "support/http.h"

#include "jwtd/macros.h"
#include "jwtd/user_admin.h"

#include <stdio.h>
#include <string.h>

static struct administered_user change_version(const struct uuid *id, int64_t version, const char *changes) {
    struct user_choice choice = { *id, version };
    struct administered_user administered;
    ck_assert_int_eq(RUN(CALL, user_admin_change, &choice, changes, &administered), STATUS_OK);
    return administered;
}

static struct user change(const struct uuid *id, const char *changes) {
    struct administered_user administered = change_version(id, 0, changes);
    ck_assert_int_eq(administered.result, USER_ADMIN_DONE);
    return administered.user;
}

static struct uuid add_administrator(const char *email) {
    struct uuid id = add_user(email);
    change(&id, "{\"roles\":[\"admin\"]}");
    return id;
}

static struct user find(const struct uuid *id) {
    struct found_user found;
    ck_assert_int_eq(RUN(CALL, users_find_by_id, id, &found), STATUS_OK);
    ck_assert(found.found);
    return found.user;
}

/* ---- changes ---- */

static const struct {
    const char *changes;
    const char *roles, *name, *metadata, *admin_metadata;
    bool disabled, password_change_required;
} changes[] = {
    { "{\"roles\":[\"admin\",\"a:b\"]}", "[\"admin\",\"a:b\"]", NULL, "{}", "{}", false, false },
    { "{\"name\":\"Ada\"}", "[\"admin\",\"a:b\"]", "Ada", "{}", "{}", false, false },
    { "{\"roles\":[],\"metadata\":{\"a\": 1e308}}", "[]", "Ada", "{\"a\": 1e308}", "{}", false, false },
    { "{\"admin_metadata\":{\"b\":null},\"disabled\":true}", "[]", "Ada", "{\"a\": 1e308}", "{\"b\":null}", true, false },
    { "{\"password_change_required\":true}", "[]", "Ada", "{\"a\": 1e308}", "{\"b\":null}", true, true },
    { "{\"disabled\":false,\"name\":null}", "[]", NULL, "{\"a\": 1e308}", "{\"b\":null}", false, true },
    { "{\"password_change_required\":false,\"metadata\":{}}", "[]", NULL, "{}", "{\"b\":null}", false, false },
};

START_TEST(a_change_sets_what_it_names_and_leaves_the_rest) {
    struct uuid id = add_user("ada@example.org");
    add_administrator("keeper@example.org");
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct user user = change(&id, changes[i].changes);
        ck_assert_str_eq(user.roles_json.bytes, changes[i].roles);
        if (changes[i].name == NULL)
            ck_assert_ptr_null(user.name.bytes);
        else
            ck_assert_str_eq(user.name.bytes, changes[i].name);
        ck_assert_str_eq(user.metadata_json.bytes, changes[i].metadata);
        ck_assert_str_eq(user.admin_metadata_json.bytes, changes[i].admin_metadata);
        ck_assert_int_eq(user.disabled, changes[i].disabled);
        ck_assert_int_eq(user.password_change_required, changes[i].password_change_required);
        ck_assert_int_eq(user.version, (int64_t)i + 2);
        ck_assert_int_eq(find(&id).version, (int64_t)i + 2);
    }
}
END_TEST

START_TEST(a_change_of_another_version_is_stale_unless_it_leaves_nothing_to_do) {
    struct uuid id = add_user("ada@example.org"), nobody = uuid_create();
    ck_assert_int_eq(change_version(&id, 1, "{\"name\":\"Ada\"}").result, USER_ADMIN_DONE);
    struct administered_user again = change_version(&id, 1, "{\"name\":\"Ada\"}");
    ck_assert_int_eq(again.result, USER_ADMIN_DONE);
    ck_assert_int_eq(again.user.version, 2);
    ck_assert_int_eq(change_version(&id, 1, "{\"name\":\"Grace\"}").result, USER_ADMIN_STALE);
    ck_assert_int_eq(change_version(&id, 3, "{\"name\":\"Grace\"}").result, USER_ADMIN_STALE);
    ck_assert_str_eq(find(&id).name.bytes, "Ada");
    ck_assert_int_eq(change_version(&id, 2, "{}").user.version, 2);
    ck_assert_int_eq(change_version(&nobody, 0, "{\"name\":\"Grace\"}").result, USER_ADMIN_NOT_FOUND);
}
END_TEST

/* Also by statements that know nothing of a version, as those of the release before. */
static const struct {
    const char *assignments;
    bool is_counted;
} updates[] = {
    { "roles = '{editor}'", true },
    { "disabled_at = now()", true },
    { "admin_metadata = '{\"a\":1}'", true },
    { "password_change_required = true", true },
    { "email = 'Ada@example.org'", false },
    { "name = 'Ada'", false },
    { "metadata = '{\"a\":1}'", false },
    { "updated_at = clock_timestamp()", false },
    { "password_hash = 'other', password_version = 2", false },
    { "roles = roles, admin_metadata = admin_metadata", false },
};

START_TEST(the_version_counts_what_only_administrators_write_whoever_changes_it) {
    struct uuid id = add_user("ada@example.org");
    sql("UPDATE users SET %s", updates[_i].assignments);
    ck_assert_int_eq(find(&id).version, updates[_i].is_counted ? 2 : 1);
}
END_TEST

/* In a loop, they would refuse each administrator who wants to disable them. */
START_TEST(what_users_write_of_their_own_does_not_hold_up_an_administrator) {
    struct uuid id = add_user("ada@example.org");
    struct profile_change profiles[] = { { .user = { id, 0 }, .name = text_of("Ada"), .metadata_json = text_of("{\"a\":1}") },
                                         { .user = { id, 1 }, .email = email_of("new@example.org") } };
    struct password_change password = { .user = { id, 1 }, .new_hash = OTHER_HASH, .kept_session = uuid_create() };
    struct changed_user changed;
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
        ck_assert_int_eq(RUN(CALL, users_change_profile, &profiles[i], &changed), STATUS_OK);
    ck_assert_int_eq(RUN(CALL, users_change_password, &password, &changed), STATUS_OK);
    ck_assert_int_eq(change_version(&id, 1, "{\"disabled\":true}").result, USER_ADMIN_DONE);
    ck_assert_int_eq(change_version(&id, 1, "{\"name\":\"Grace\"}").result, USER_ADMIN_STALE);
}
END_TEST

static const struct {
    const char *changes, *reason;
} ends[] = {
    { "{\"disabled\":true}", "user_disabled" },
    { "{\"password_change_required\":true}", "password_change_required" },
};

START_TEST(disabling_and_requiring_a_new_password_end_all_sessions_and_open_none) {
    struct uuid id = add_user("ada@example.org"), other = add_user("grace@example.org");
    struct uuid sessions[] = { add_session(&id), add_session(&id) }, foreign = add_session(&other), next = uuid_create();
    for (int run = 0; run < 2; run++) {
        struct session_ids revoked = change_version(&id, 1, ends[_i].changes).revoked;
        ck_assert_uint_eq(revoked.count, 2); /* again in the second run: the first one's reply may have been lost */
        for (size_t i = 0; i < 2; i++)
            ck_assert(uuid_equal(&revoked.ids[i], &sessions[1 - i]));
    }
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations WHERE reason = '%s'", ends[_i].reason), 2);
    ck_assert_int_eq(refresh(&sessions[0], 1), SESSION_ENDED);
    ck_assert_int_eq(refresh(&foreign, 1), SESSION_ROTATED);
    struct new_session session = { .id = next, .user_id = id, .password_version = 1 };
    struct opened_session opened = { .done = true };
    ck_assert_int_eq(RUN(CALL, sessions_open, &session, &limits, &opened), STATUS_OK);
    ck_assert(!opened.done);
}
END_TEST

START_TEST(a_change_of_the_password_is_what_was_required) {
    struct uuid id = add_user("ada@example.org");
    struct password_change wanted = { .user = { id, 1 }, .new_hash = OTHER_HASH, .kept_session = uuid_create() };
    struct changed_user changed;
    change(&id, "{\"password_change_required\":true}");
    ck_assert_int_eq(RUN(CALL, users_change_password, &wanted, &changed), STATUS_OK);
    ck_assert(!find(&id).password_change_required);
}
END_TEST

/* Run twice, as after a lost reply; and once more with another password, as a login beside it. */
START_TEST(a_login_with_a_new_password_sets_it_and_opens_its_session_or_does_neither) {
    struct uuid id = add_user("ada@example.org"), other = add_session(&id), session = uuid_create(), late = uuid_create();
    struct password_change wanted = { .user = { id, 1 }, .new_hash = OTHER_HASH, .kept_session = session, .ip = CLIENT_IP };
    struct opened_session opened;
    change(&id, "{\"name\":\"Ada\"}");
    sql("UPDATE users SET password_change_required = true");
    for (int run = 0; run < 2; run++) {
        ck_assert_int_eq(RUN(CALL, users_change_password_at_login, &wanted, "a test", &limits, &opened), STATUS_OK);
        ck_assert(opened.done);
        ck_assert_int_eq(opened.refresh_expires_in_s, limits.idle_ms / 1000);
        ck_assert_uint_eq(opened.revoked.count, 1);
        ck_assert(uuid_equal(&opened.revoked.ids[0], &other));
    }
    ck_assert(!find(&id).password_change_required);
    ck_assert_str_eq(find(&id).password_hash.bytes, OTHER_HASH);
    ck_assert_int_eq(find(&id).password_version, 2);
    wanted.new_hash = HASH;
    wanted.kept_session = late;
    ck_assert_int_eq(RUN(CALL, users_change_password_at_login, &wanted, NULL, &limits, &opened), STATUS_OK);
    ck_assert(!opened.done);
    ck_assert_int_eq(live_sessions(&id), 1);
    ck_assert_int_eq(refresh(&session, 1), SESSION_ROTATED);
}
END_TEST

START_TEST(ending_the_sessions_of_a_user_ends_all_and_nobody_elses) {
    struct uuid id = add_user("ada@example.org"), other = add_user("grace@example.org"), nobody = uuid_create();
    struct uuid session = add_session(&id), foreign = add_session(&other);
    struct administered_user administered;
    ck_assert_int_eq(RUN(CALL, user_admin_end_sessions, &id, &administered), STATUS_OK);
    ck_assert_int_eq(administered.result, USER_ADMIN_DONE);
    ck_assert_uint_eq(administered.revoked.count, 1);
    ck_assert(uuid_equal(&administered.revoked.ids[0], &session));
    ck_assert_int_eq(refresh(&session, 1), SESSION_ENDED);
    ck_assert_int_eq(refresh(&foreign, 1), SESSION_ROTATED);
    add_session(&id);
    ck_assert_int_eq(RUN(CALL, user_admin_end_sessions, &nobody, &administered), STATUS_OK);
    ck_assert_int_eq(administered.result, USER_ADMIN_NOT_FOUND);
}
END_TEST

static struct administered_user delete_version(const struct uuid *id, int64_t version) {
    struct user_choice choice = { *id, version };
    struct administered_user administered;
    ck_assert_int_eq(RUN(CALL, user_admin_delete, &choice, &administered), STATUS_OK);
    return administered;
}

START_TEST(a_user_is_deleted_in_the_version_that_was_read) {
    struct uuid id = add_user("ada@example.org"), session = add_session(&id);
    change(&id, "{\"name\":\"Ada\"}");
    ck_assert_int_eq(delete_version(&id, 1).result, USER_ADMIN_STALE);
    struct administered_user deleted = delete_version(&id, 2);
    ck_assert_int_eq(deleted.result, USER_ADMIN_DONE);
    ck_assert_uint_eq(deleted.revoked.count, 1);
    ck_assert(uuid_equal(&deleted.revoked.ids[0], &session));
    ck_assert_int_eq(delete_version(&id, 0).result, USER_ADMIN_NOT_FOUND);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations WHERE reason = 'deleted_by_administrator'"), 1);
}
END_TEST

static const struct {
    const char *changes;
    const char *events; /* of the change and of the one session, in the order of their names */
} noted[] = {
    { "{\"roles\":[\"a\"],\"name\":\"Ada\"}", "profile_changed roles_changed {\"to\": [\"a\"], \"from\": []}" },
    { "{\"disabled\":true}", "session_ended {\"refreshes\": 0} user_disabled" },
    { "{\"password_change_required\":true}",
      "password_change_required {\"to\": true, \"from\": false} session_ended {\"refreshes\": 0}" },
    { "{\"admin_metadata\":{\"a\":1}}", "profile_changed" },
    { "{\"disabled\":false,\"roles\":[]}", "" },
};

START_TEST(what_is_changed_is_noted_once) {
    struct uuid id = add_user("ada@example.org");
    add_session(&id);
    for (int run = 0; run < 2; run++)
        change(&id, noted[_i].changes);
    ck_assert_int_eq(sql_number("SELECT (coalesce(string_agg(concat_ws(' ', event, detail), ' ' ORDER BY event), '') = '%s')::int"
                                " FROM auth_events WHERE user_id = '%s' AND event NOT IN ('user_registered', 'session_opened')",
                                noted[_i].events, show(&id)),
                     1);
}
END_TEST

/* ---- the last administrator ---- */

static enum status try_change(const struct db_call *call, const struct uuid *id, const char *wanted) {
    struct user_choice choice = { .id = *id };
    struct administered_user administered;
    return RUN(call, user_admin_change, &choice, wanted, &administered);
}

static enum status demote(const struct db_call *call, const struct uuid *id) {
    return try_change(call, id, "{\"roles\":[\"editor\"]}");
}

static enum status disable(const struct db_call *call, const struct uuid *id) {
    return try_change(call, id, "{\"disabled\":true}");
}

static enum status delete_as_administrator(const struct db_call *call, const struct uuid *id) {
    struct user_choice choice = { .id = *id };
    struct administered_user administered;
    return RUN(call, user_admin_delete, &choice, &administered);
}

static enum status delete_as_owner(const struct db_call *call, const struct uuid *id) {
    struct checked_user checked = { *id, 1 };
    struct changed_user changed;
    return RUN(call, users_delete, &checked, &changed);
}

static enum status (*const removals[])(const struct db_call *call,
                                       const struct uuid *id) = { demote, disable, delete_as_administrator, delete_as_owner };

static int64_t administrators(void) {
    return sql_number("SELECT count(*) FROM users WHERE 'admin' = ANY (roles) AND disabled_at IS NULL");
}

START_TEST(the_last_administrator_stays) {
    struct uuid last = add_administrator("ada@example.org"), other = add_administrator("grace@example.org");
    struct uuid session = add_session(&last);
    add_user("editor@example.org");
    ck_assert_int_eq(removals[_i](CALL, &other), STATUS_OK);
    ck_assert_int_eq(removals[_i](CALL, &last), STATUS_LAST_ADMIN);
    ck_assert_int_eq(administrators(), 1);
    ck_assert_int_eq(refresh(&session, 1), SESSION_ROTATED);
}
END_TEST

/* Whether one who is disabled is an administrator does not count, neither for the rule nor against him. */
START_TEST(a_disabled_administrator_is_none) {
    struct uuid disabled = add_administrator("ada@example.org"), last = add_administrator("grace@example.org");
    ck_assert_int_eq(disable(CALL, &disabled), STATUS_OK);
    ck_assert_int_eq(removals[_i](CALL, &last), STATUS_LAST_ADMIN);
    if (removals[_i] != delete_as_owner) /* who cannot log in */
        ck_assert_int_eq(removals[_i](CALL, &disabled), STATUS_OK);
    ck_assert_int_eq(administrators(), 1);
}
END_TEST

static struct uuid add_administrator_without_password(const char *email) {
    struct new_user new_user = {
        .id = uuid_create(), .email = email_of(email), .password_hash = HASH, .has_no_password = true, .roles_json = "[\"admin\"]"
    };
    struct inserted_user inserted;
    ck_assert_int_eq(RUN(CALL, users_insert, &new_user, &inserted), STATUS_OK);
    ck_assert_int_eq(inserted.result, USER_INSERTED);
    return new_user.id;
}

/* Whom nobody can log in as, until a password is set. */
START_TEST(an_administrator_without_a_password_is_none) {
    struct uuid last = add_administrator("ada@example.org"), silent = add_administrator_without_password("grace@example.org");
    struct password_change wanted = { .user = { silent, 1 }, .new_hash = OTHER_HASH, .kept_session = uuid_create() };
    struct changed_user changed;
    ck_assert_int_eq(removals[_i](CALL, &last), STATUS_LAST_ADMIN);
    ck_assert_int_eq(RUN(CALL, users_change_password, &wanted, &changed), STATUS_OK);
    ck_assert_int_eq(removals[_i](CALL, &last), STATUS_OK);
    ck_assert_int_eq(demote(CALL, &silent), STATUS_LAST_ADMIN);
}
END_TEST

START_TEST(the_last_administrator_may_change_otherwise) {
    struct uuid last = add_administrator("ada@example.org");
    ck_assert_int_eq(try_change(CALL, &last, "{\"roles\":[\"editor\",\"admin\"]}"), STATUS_OK);
    ck_assert_int_eq(try_change(CALL, &last, "{\"password_change_required\":true,\"name\":\"Ada\"}"), STATUS_OK);
    ck_assert_int_eq(administrators(), 1);
}
END_TEST

#define CROWD 12

struct crowd {
    struct uuid ids[CROWD];
    struct db *connections[CROWD];
    enum status statuses[CROWD];
    size_t count;
};

/* Each removes the next one. */
static void remove_next(size_t index, void *context) {
    struct crowd *crowd = context;
    struct arena own_arena;
    struct db_call call = { crowd->connections[index], soon(), .arena = &own_arena };
    arena_init(&own_arena, 65536);
    crowd->statuses[index] = removals[index % ARRAY_LEN(removals)](&call, &crowd->ids[(index + 1) % crowd->count]);
    arena_fini(&own_arena);
}

static void prepare(struct crowd *crowd, size_t count) {
    crowd->count = count;
    for (size_t i = 0; i < count; i++) {
        char email[32];
        snprintf(email, sizeof email, "admin%zu@example.org", i);
        crowd->ids[i] = add_administrator(email);
        crowd->connections[i] = open_db();
        ck_assert_int_eq(ping(crowd->connections[i], soon()), STATUS_OK);
    }
}

/* In rounds of two, who are the fewest, and of twelve, who use all ways. */
START_TEST(administrators_who_remove_each_other_at_once_leave_one) {
    struct crowd crowd;
    size_t count = _i % 2 == 0 ? 2 : CROWD, done = 0;
    prepare(&crowd, count);
    run_parallel(count, remove_next, &crowd);
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(crowd.statuses[i] == STATUS_OK || crowd.statuses[i] == STATUS_LAST_ADMIN, "%s",
                      status_info(crowd.statuses[i])->name);
        done += crowd.statuses[i] == STATUS_OK;
        db_destroy(crowd.connections[i]);
    }
    ck_assert_uint_eq(done, count - 1);
    ck_assert_int_eq(administrators(), 1);
}
END_TEST

static void remove_first(size_t index, void *context) {
    struct crowd *crowd = context;
    struct arena own_arena;
    if (index == 1) {
        await_blocked_statement();
        sql("COMMIT");
        return;
    }
    struct db_call call = { crowd->connections[0], soon(), .arena = &own_arena };
    arena_init(&own_arena, 65536);
    crowd->statuses[0] = demote(&call, &crowd->ids[0]);
    arena_fini(&own_arena);
}

/* The other one's removal is not committed yet when this one begins. */
START_TEST(a_removal_waits_for_another_one_and_sees_it) {
    struct crowd crowd;
    prepare(&crowd, 2);
    sql("BEGIN; UPDATE users SET roles = '{}' WHERE id = '%s'", show(&crowd.ids[1]));
    run_parallel(2, remove_first, &crowd);
    ck_assert_int_eq(crowd.statuses[0], STATUS_LAST_ADMIN);
    ck_assert_int_eq(administrators(), 1);
    for (size_t i = 0; i < 2; i++)
        db_destroy(crowd.connections[i]);
}
END_TEST

/* ---- lists ---- */

#define LISTED 40

static struct user_list page_of(const char *prefix, const struct user *last, unsigned limit) {
    struct user_list list;
    char canonical[64] = "";
    if (last != NULL)
        snprintf(canonical, sizeof canonical, "%s", email_of(last->email.bytes).canonical.bytes);
    enum status status = prefix == NULL
                             ? RUN(CALL, user_admin_list, last == NULL ? NULL : &last->id, limit, &list)
                             : RUN(CALL, user_admin_list_by_prefix, prefix, last == NULL ? NULL : canonical, limit, &list);
    ck_assert_int_eq(status, STATUS_OK);
    ck_assert_uint_le(list.count, limit);
    return list;
}

/* Between the pages, users are inserted in front of the cursor and behind it, and others deleted, the one at the cursor too. */
START_TEST(a_listing_has_each_user_who_stays_once_whatever_comes_and_goes) {
    const char *prefix = _i == 0 ? NULL : "p";
    struct uuid staying[LISTED];
    unsigned seen[LISTED] = { 0 };
    char email[32];
    for (size_t i = 0; i < LISTED; i++) {
        snprintf(email, sizeof email, "P%03zu@example.org", i * 10);
        staying[i] = add_user(email);
        snprintf(email, sizeof email, "p%03zu-goes@example.org", i * 10);
        add_user(email);
    }
    struct user last;
    struct user_list list = page_of(prefix, NULL, 7);
    for (unsigned round = 0; list.count > 0; round++) {
        for (size_t i = 0; i < list.count; i++)
            for (size_t j = 0; j < LISTED; j++)
                seen[j] += uuid_equal(&list.users[i].id, &staying[j]);
        last = list.users[list.count - 1];
        sql("DELETE FROM users WHERE email LIKE '%%-goes@%%' AND (id = '%s' OR id < '%s')", show(&last.id), show(&last.id));
        snprintf(email, sizeof email, "p%03u-comes@example.org", round * 60 + 1);
        add_user(email);
        snprintf(email, sizeof email, "p000-%u-comes@example.org", round);
        add_user(email);
        list = page_of(prefix, &last, 7);
    }
    for (size_t i = 0; i < LISTED; i++)
        ck_assert_msg(seen[i] == 1, "user %zu was listed %u times", i, seen[i]);
}
END_TEST

START_TEST(users_are_listed_from_the_newest) {
    for (unsigned i = 0; i < 5; i++) {
        char email[32];
        snprintf(email, sizeof email, "user%u@example.org", i);
        add_user(email);
    }
    struct user_list list = page_of(NULL, NULL, USER_PAGE_MAX);
    ck_assert_uint_eq(list.count, 5);
    for (size_t i = 1; i < list.count; i++)
        ck_assert_int_gt(memcmp(list.users[i - 1].id.bytes, list.users[i].id.bytes, 16), 0);
}
END_TEST

static const struct {
    const char *prefix;
    const char *found; /* e-mail addresses, each with a blank behind it */
} prefixes[] = {
    { "a", "a%b@x.org a@x.org ab@x.org abc@x.org a\xc3\xa9@x.org a_b@x.org " },
    { "ab", "ab@x.org abc@x.org " },
    { "ab@x.org", "ab@x.org " },
    { "a%", "a%b@x.org " },
    { "a_", "a_b@x.org " },
    { "a\xc3\xa9", "a\xc3\xa9@x.org " },
    { "b", "" },
    { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80@x.org " },
};

START_TEST(a_prefix_finds_the_addresses_that_begin_with_it_and_has_no_wildcard) {
    static const char *const emails[] = { "abc@x.org", "ab@x.org",       "a%b@x.org",       "a_b@x.org",
                                          "a@x.org",   "\xc3\xa9@x.org", "a\xc3\xa9@x.org", "\xf0\x9f\x98\x80@x.org" };
    char found[256] = "";
    for (size_t i = 0; i < ARRAY_LEN(emails); i++)
        add_user(emails[i]);
    struct user_list list = page_of(prefixes[_i].prefix, NULL, USER_PAGE_MAX);
    ck_assert_uint_lt(list.count, ARRAY_LEN(emails));
    size_t len = 0;
    for (size_t i = 0; i < list.count; i++) {
        ck_assert_ptr_nonnull(strstr(prefixes[_i].found, list.users[i].email.bytes));
        len += (size_t)snprintf(found + len, sizeof found - len, "%s ", list.users[i].email.bytes);
    }
    ck_assert_uint_eq(len, strlen(prefixes[_i].found));
}
END_TEST

TCase *store_admin_tests(void) {
    TCase *tests = tcase_create("administration");
    tcase_add_test(tests, a_change_sets_what_it_names_and_leaves_the_rest);
    tcase_add_test(tests, a_change_of_another_version_is_stale_unless_it_leaves_nothing_to_do);
    tcase_add_loop_test(tests, the_version_counts_what_only_administrators_write_whoever_changes_it, 0, (int)ARRAY_LEN(updates));
    tcase_add_test(tests, what_users_write_of_their_own_does_not_hold_up_an_administrator);
    tcase_add_loop_test(tests, disabling_and_requiring_a_new_password_end_all_sessions_and_open_none, 0, (int)ARRAY_LEN(ends));
    tcase_add_test(tests, a_change_of_the_password_is_what_was_required);
    tcase_add_test(tests, a_login_with_a_new_password_sets_it_and_opens_its_session_or_does_neither);
    tcase_add_test(tests, ending_the_sessions_of_a_user_ends_all_and_nobody_elses);
    tcase_add_loop_test(tests, what_is_changed_is_noted_once, 0, (int)ARRAY_LEN(noted));
    tcase_add_test(tests, a_user_is_deleted_in_the_version_that_was_read);
    tcase_add_loop_test(tests, the_last_administrator_stays, 0, (int)ARRAY_LEN(removals));
    tcase_add_loop_test(tests, a_disabled_administrator_is_none, 0, (int)ARRAY_LEN(removals));
    tcase_add_loop_test(tests, an_administrator_without_a_password_is_none, 0, (int)ARRAY_LEN(removals));
    tcase_add_test(tests, the_last_administrator_may_change_otherwise);
    tcase_add_loop_test(tests, administrators_who_remove_each_other_at_once_leave_one, 0, 6);
    tcase_add_test(tests, a_removal_waits_for_another_one_and_sees_it);
    tcase_add_loop_test(tests, a_listing_has_each_user_who_stays_once_whatever_comes_and_goes, 0, 2);
    tcase_add_test(tests, users_are_listed_from_the_newest);
    tcase_add_loop_test(tests, a_prefix_finds_the_addresses_that_begin_with_it_and_has_no_wildcard, 0, (int)ARRAY_LEN(prefixes));
    return tests;
}
