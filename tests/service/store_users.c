#include "store_fixture.h"

#include "jwtd/changed_roles.h"
#include "jwtd/macros.h"

#include <stdio.h>
#include <string.h>

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_DIGEST "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static enum user_insert_result insert_from(const char *ip, const struct uuid *id, const char *email, const char *digest,
                                           struct user *user) {
    struct new_user new_user = {
        .id = *id, .email = email_of(email), .password_hash = HASH, .idempotency_digest = digest, .ip = ip
    };
    struct inserted_user inserted;
    ck_assert_int_eq(RUN(CALL, users_insert, &new_user, &inserted), STATUS_OK);
    *user = inserted.user;
    return inserted.result;
}

static enum user_insert_result insert(const struct uuid *id, const char *email, const char *digest, struct user *user) {
    return insert_from(NULL, id, email, digest, user);
}

/* "192.0.2.1/32 2001:db8::/64": the known networks of a user. */
static int64_t knows(const struct uuid *id, const char *networks) {
    return sql_number("SELECT (coalesce(string_agg(network::text, ' ' ORDER BY network), '') = '%s')::int FROM known_addresses"
                      " WHERE user_id = '%s'",
                      networks, show(id));
}

static const struct {
    const char *ip, *network;
} origins[] = {
    { NULL, "" },
    { "192.0.2.1", "192.0.2.1/32" },
    { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
};

START_TEST(the_network_that_a_user_registers_from_is_known_once) {
    struct uuid id = uuid_create(), other = uuid_create();
    struct user user;
    ck_assert_int_eq(insert_from(origins[_i].ip, &id, "ada@example.org", DIGEST, &user), USER_INSERTED);
    ck_assert(knows(&id, origins[_i].network));
    /* run again after a lost answer, repeated with the same key, tried by another client */
    ck_assert_int_eq(insert_from(origins[_i].ip, &id, "ada@example.org", DIGEST, &user), USER_INSERTED);
    ck_assert_int_eq(insert_from("203.0.113.9", &other, "ada@example.org", DIGEST, &user), USER_SAME_KEY);
    ck_assert_int_eq(insert_from("203.0.113.9", &other, "ada@example.org", NULL, &user), USER_EXISTS);
    ck_assert(knows(&id, origins[_i].network));
    ck_assert_int_eq(sql_number("SELECT count(*) FROM known_addresses WHERE user_id <> '%s'", show(&id)), 0);
}
END_TEST

static void find(const struct uuid *id, struct user *user) {
    struct found_user found;
    ck_assert_int_eq(RUN(CALL, users_find_by_id, id, &found), STATUS_OK);
    ck_assert(found.found);
    *user = found.user;
}

START_TEST(a_new_user_is_given_back_and_found_by_id_and_by_address) {
    struct uuid id = uuid_create();
    struct user made, by_id;
    struct found_user by_email;
    ck_assert_int_eq(insert(&id, "Ada@Example.org", NULL, &made), USER_INSERTED);
    find(&id, &by_id);
    ck_assert_int_eq(RUN(CALL, users_find_by_email, text_of("ada@example.org"), &by_email), STATUS_OK);
    ck_assert(by_email.found);
    const struct user *users[] = { &made, &by_id, &by_email.user };
    for (size_t i = 0; i < 3; i++) {
        ck_assert(uuid_equal(&users[i]->id, &id));
        ck_assert_str_eq(users[i]->email.bytes, "Ada@Example.org");
        ck_assert_str_eq(users[i]->password_hash.bytes, HASH);
        ck_assert_int_eq(users[i]->password_version, 1);
        ck_assert_str_eq(users[i]->roles_json.bytes, "[]");
        ck_assert_ptr_null(users[i]->name.bytes);
        ck_assert_str_eq(users[i]->metadata_json.bytes, "{}");
        ck_assert_str_eq(users[i]->admin_metadata_json.bytes, "{}");
        ck_assert_int_eq(users[i]->version, 1);
        ck_assert(!users[i]->disabled);
        ck_assert_str_eq(users[i]->created_at.bytes, made.created_at.bytes);
    }
    ck_assert_int_eq(made.created_at.bytes[10], 'T');
    ck_assert_int_eq(made.created_at.bytes[made.created_at.len - 1], 'Z');
}
END_TEST

static bool knows_address(const char *ip) {
    struct found_user found;
    ck_assert_int_eq(RUN(CALL, users_find_for_login, text_of("ada@example.org"), ip, &found), STATUS_OK);
    ck_assert(found.found);
    return found.user.knows_address;
}

/* Whether its row has been deleted by then or not. */
START_TEST(an_address_is_known_for_ninety_days_and_no_longer) {
    struct uuid id = add_user("ada@example.org");
    ck_assert(!knows_address("192.0.2.1"));
    sql("INSERT INTO known_addresses (user_id, network, last_login_day) VALUES ('%s', '192.0.2.1', current_date - %d)", show(&id),
        KNOWN_ADDRESS_DAYS);
    ck_assert(knows_address("192.0.2.1"));
    ck_assert(!knows_address("192.0.2.2"));
    ck_assert(!knows_address(NULL));
    sql("UPDATE known_addresses SET last_login_day = last_login_day - 1");
    ck_assert(!knows_address("192.0.2.1"));
}
END_TEST

/* Not after a change that needs no password: a stolen token would make it the thief's second guess for each one that is counted.
 */
START_TEST(a_password_counts_as_changed_lately_for_a_minute) {
    struct uuid id = add_user("ada@example.org");
    struct password_change wanted = { .user = { id, 1 }, .new_hash = OTHER_HASH, .kept_session = uuid_create() };
    struct changed_user changed;
    struct user user;
    bool found;
    ck_assert_int_eq(change_user(CALL, "ada@example.org", "{\"roles\":[\"admin\"]}", &found), STATUS_OK);
    find(&id, &user);
    ck_assert(!user.password_changed_lately);
    ck_assert_int_eq(RUN(CALL, users_change_password, &wanted, &changed), STATUS_OK);
    find(&id, &user);
    ck_assert(user.password_changed_lately);
    sql("UPDATE users SET password_changed_at = now() - interval '61 seconds'");
    find(&id, &user);
    ck_assert(!user.password_changed_lately);
}
END_TEST

START_TEST(an_unknown_user_is_not_found) {
    struct uuid id = uuid_create();
    struct found_user found = { .found = true };
    ck_assert_int_eq(RUN(CALL, users_find_by_id, &id, &found), STATUS_OK);
    ck_assert(!found.found);
    found.found = true;
    ck_assert_int_eq(RUN(CALL, users_find_by_email, text_of("nobody@example.org"), &found), STATUS_OK);
    ck_assert(!found.found);
}
END_TEST

START_TEST(an_address_is_taken_once_whatever_its_case) {
    struct uuid first = uuid_create(), second = uuid_create();
    struct user user;
    ck_assert_int_eq(insert(&first, "ada@example.org", DIGEST, &user), USER_INSERTED);
    ck_assert_int_eq(insert(&second, "ADA@example.org", NULL, &user), USER_EXISTS);
    ck_assert_int_eq(insert(&second, "ADA@example.org", OTHER_DIGEST, &user), USER_EXISTS);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM users"), 1);
}
END_TEST

START_TEST(the_same_insert_again_returns_the_same_user) {
    struct uuid first = uuid_create(), second = uuid_create();
    struct user user;
    ck_assert_int_eq(insert(&first, "ada@example.org", DIGEST, &user), USER_INSERTED);
    ck_assert_int_eq(insert(&first, "ada@example.org", DIGEST, &user), USER_INSERTED);
    ck_assert_int_eq(insert(&second, "ada@example.org", DIGEST, &user), USER_SAME_KEY);
    ck_assert(uuid_equal(&user.id, &first));
}
END_TEST

START_TEST(a_rehash_replaces_only_the_hash_that_was_checked) {
    struct uuid id = add_user("ada@example.org");
    struct user user;
    ck_assert_int_eq(RUN(CALL, users_rehash, &id, OTHER_HASH, "never"), STATUS_OK);
    find(&id, &user);
    ck_assert_str_eq(user.password_hash.bytes, HASH);
    ck_assert_int_eq(RUN(CALL, users_rehash, &id, HASH, OTHER_HASH), STATUS_OK);
    find(&id, &user);
    ck_assert_str_eq(user.password_hash.bytes, OTHER_HASH);
    ck_assert_int_eq(user.password_version, 1);
}
END_TEST

static enum status change_email(const struct uuid *id, int64_t version, const char *email, struct changed_user *changed) {
    struct profile_change wanted = { .user = { *id, version }, .email = email_of(email) };
    return RUN(CALL, users_change_profile, &wanted, changed);
}

START_TEST(a_change_of_address_is_done_refused_or_stale) {
    static const struct {
        const char *email;
        int64_t version;
        enum status status;
        enum user_change change; /* if STATUS_OK */
    } cases[] = {
        { "New@example.org", 1, STATUS_OK, USER_CHANGED },
        { "ADA@example.org", 1, STATUS_OK, USER_CHANGED },
        { "grace@example.org", 1, STATUS_EMAIL_TAKEN, USER_STALE },
        { "other@example.org", 2, STATUS_OK, USER_STALE },
        { "ada@example.org", 1, STATUS_OK, USER_CHANGED },
        { "ada@example.org", 1, STATUS_OK, USER_UNCHANGED },
        { "ada@example.org", 2, STATUS_OK, USER_STALE },
    };
    struct uuid id = add_user("ada@example.org");
    add_user("grace@example.org");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct changed_user changed;
        ck_assert_int_eq(change_email(&id, cases[i].version, cases[i].email, &changed), cases[i].status);
        if (cases[i].status != STATUS_OK)
            continue;
        ck_assert_int_eq(changed.change, cases[i].change);
        if (changed.change != USER_STALE)
            ck_assert_str_eq(changed.user.email.bytes, cases[i].email);
    }
}
END_TEST

START_TEST(what_a_change_of_the_profile_does_not_name_stays) {
    static const struct {
        const char *name, *metadata, *email; /* NULL: not named */
        const char *name_after, *metadata_after, *email_after;
    } cases[] = {
        { "Ada", NULL, NULL, "Ada", "{}", "ada@example.org" },
        { NULL, "{\"a\":1e308}", NULL, "Ada", "{\"a\":1e308}", "ada@example.org" }, /* jsonb would have 309 digits */
        { NULL, NULL, "Ada@example.com", "Ada", "{\"a\":1e308}", "Ada@example.com" },
        { "", NULL, NULL, NULL, "{\"a\":1e308}", "Ada@example.com" },
        { "\xd8\xb9", "{}", "ada@example.org", "\xd8\xb9", "{}", "ada@example.org" },
        { NULL, NULL, NULL, "\xd8\xb9", "{}", "ada@example.org" },
    };
    struct uuid id = add_user("ada@example.org");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct profile_change wanted = { .user = { id, 0 },
                                         .name = text_of(cases[i].name),
                                         .metadata_json = text_of(cases[i].metadata) };
        struct changed_user changed;
        if (cases[i].email != NULL)
            wanted.email = email_of(cases[i].email);
        ck_assert_int_eq(RUN(CALL, users_change_profile, &wanted, &changed), STATUS_OK);
        ck_assert_int_eq(changed.change, i == ARRAY_LEN(cases) - 1 ? USER_UNCHANGED : USER_CHANGED);
        ck_assert_pstr_eq(changed.user.name.bytes, cases[i].name_after);
        ck_assert_str_eq(changed.user.metadata_json.bytes, cases[i].metadata_after);
        ck_assert_str_eq(changed.user.email.bytes, cases[i].email_after);
        ck_assert_str_eq(changed.user.admin_metadata_json.bytes, "{}");
    }
}
END_TEST

/* What is named is what is there already, or nothing is. */
START_TEST(a_change_of_the_profile_that_changes_nothing_leaves_the_row_alone) {
    struct uuid id = add_user("ada@example.org");
    struct profile_change wanted = { .user = { id, 0 }, .name = text_of("Ada"), .metadata_json = text_of("{\"a\":1}") };
    struct profile_change nothing[] = { wanted,
                                        { .user = { id, 0 } },
                                        { .user = { id, 1 }, .email = email_of("ada@example.org") } };
    struct changed_user changed;
    ck_assert_int_eq(RUN(CALL, users_change_profile, &wanted, &changed), STATUS_OK);
    ck_assert_int_eq(changed.change, USER_CHANGED);
    int64_t row = sql_number("SELECT xmin::text::bigint FROM users");
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        struct changed_user unchanged;
        ck_assert_int_eq(RUN(CALL, users_change_profile, &nothing[i], &unchanged), STATUS_OK);
        ck_assert_int_eq(unchanged.change, USER_UNCHANGED);
        ck_assert_str_eq(unchanged.user.name.bytes, "Ada");
        ck_assert_str_eq(unchanged.user.updated_at.bytes, changed.user.updated_at.bytes);
    }
    ck_assert_int_eq(sql_number("SELECT xmin::text::bigint FROM users"), row);
}
END_TEST

START_TEST(the_event_of_a_change_of_the_profile_names_what_differs_and_no_value) {
    struct uuid id = add_user("ada@example.org");
    struct profile_change wanted = { .user = { id, 1 },
                                     .email = email_of("new@example.org"),
                                     .name = text_of("Ada"),
                                     .metadata_json = text_of("{\"secret\":1}") };
    struct changed_user changed;
    for (int run = 0; run < 2; run++) /* the second is that of a lost connection, and changes nothing */
        ck_assert_int_eq(RUN(CALL, users_change_profile, &wanted, &changed), STATUS_OK);
    wanted = (struct profile_change){ .user = { id, 0 }, .metadata_json = text_of("{}") };
    sql("UPDATE users SET profile_noted_at = now() - interval '61 minutes'");
    ck_assert_int_eq(RUN(CALL, users_change_profile, &wanted, &changed), STATUS_OK);
    ck_assert_int_eq(sql_number("SELECT (string_agg(event || coalesce(detail::text, ''), ' ' ORDER BY at, event) ="
                                "        'email_changed profile_changed{\"members\": [\"name\", \"metadata\"]}"
                                " profile_changed{\"members\": [\"metadata\"]}')::int"
                                " FROM auth_events WHERE user_id = '%s' AND event <> 'user_registered'",
                                show(&id)),
                     1);
}
END_TEST

static void rename_to(const struct uuid *id, const char *name) {
    struct profile_change wanted = { .user = { *id, 0 }, .name = text_of(name) };
    struct changed_user changed;
    ck_assert_int_eq(RUN(CALL, users_change_profile, &wanted, &changed), STATUS_OK);
    ck_assert_int_eq(changed.change, USER_CHANGED);
}

static int64_t noted(const struct uuid *id, const char *event) {
    return sql_number("SELECT count(*) FROM auth_events WHERE user_id = '%s' AND event = '%s'", show(id), event);
}

/* Or anybody could fill the audit by a name that goes to and fro. */
START_TEST(what_users_change_of_their_own_profile_is_noted_once_an_hour) {
    struct uuid id = add_user("ada@example.org"), other = add_user("grace@example.org");
    for (int i = 0; i < 5; i++) {
        rename_to(&id, "Ada");
        rename_to(&id, "");
    }
    ck_assert_int_eq(noted(&id, "profile_changed"), 1);
    rename_to(&other, "Grace");
    ck_assert_int_eq(noted(&other, "profile_changed"), 1);
    sql("UPDATE users SET profile_noted_at = now() - interval '59 minutes'");
    rename_to(&id, "Ada");
    ck_assert_int_eq(noted(&id, "profile_changed"), 1);
    sql("UPDATE users SET profile_noted_at = now() - interval '61 minutes'");
    rename_to(&id, "");
    rename_to(&id, "Ada");
    ck_assert_int_eq(noted(&id, "profile_changed"), 2);
}
END_TEST

START_TEST(what_takes_a_password_or_an_administrator_is_noted_each_time) {
    struct uuid id = add_user("ada@example.org");
    static const char *const emails[] = { "new@example.org", "ada@example.org" };
    static const char *const names[] = { "{\"name\":\"Ada\"}", "{\"name\":null}" };
    struct changed_user changed;
    bool found;
    for (int i = 0; i < 4; i++) {
        struct profile_change wanted = { .user = { id, 1 }, .email = email_of(emails[i % 2]) };
        ck_assert_int_eq(RUN(CALL, users_change_profile, &wanted, &changed), STATUS_OK);
        ck_assert_int_eq(change_user(CALL, emails[i % 2], names[i % 2], &found), STATUS_OK);
    }
    ck_assert_int_eq(noted(&id, "email_changed"), 4);
    ck_assert_int_eq(noted(&id, "profile_changed"), 4);
    rename_to(&id, "Ada"); /* the first one of the user's own */
    ck_assert_int_eq(noted(&id, "profile_changed"), 5);
}
END_TEST

START_TEST(nobody_changes_the_profile_of_a_user_who_is_disabled_or_deleted) {
    struct uuid id = add_user("ada@example.org");
    struct profile_change wanted = { .user = { id, 0 }, .name = text_of("Ada") };
    struct changed_user changed;
    bool found;
    ck_assert_int_eq(change_user(CALL, "ada@example.org", "{\"disabled\":true}", &found), STATUS_OK);
    ck_assert_int_eq(RUN(CALL, users_change_profile, &wanted, &changed), STATUS_OK);
    ck_assert_int_eq(changed.change, USER_STALE);
    sql("DELETE FROM users");
    ck_assert_int_eq(RUN(CALL, users_change_profile, &wanted, &changed), STATUS_OK);
    ck_assert_int_eq(changed.change, USER_STALE);
}
END_TEST

static enum user_change change_password_from(const char *ip, const struct uuid *id, int64_t version, const char *hash,
                                             const struct uuid *kept, struct session_ids *revoked) {
    struct password_change wanted = { .user = { *id, version }, .new_hash = hash, .kept_session = *kept, .ip = ip };
    struct changed_user changed;
    ck_assert_int_eq(RUN(CALL, users_change_password, &wanted, &changed), STATUS_OK);
    *revoked = changed.revoked;
    return changed.change;
}

static enum user_change change_password(const struct uuid *id, int64_t version, const char *hash, const struct uuid *kept,
                                        struct session_ids *revoked) {
    return change_password_from(NULL, id, version, hash, kept, revoked);
}

START_TEST(a_new_password_leaves_the_network_known_that_set_it) {
    struct uuid id = add_user("ada@example.org"), other_user = add_user("grace@example.org"), kept = add_session(&id);
    struct session_ids revoked;
    sql("INSERT INTO known_addresses (user_id, network, last_login_day) SELECT u, n::cidr, current_date - 89"
        " FROM unnest(ARRAY['%s', '%s']::uuid[]) u, unnest(ARRAY['192.0.2.1/32', '198.51.100.7/32', '2001:db8:1:2::/64']) n"
        " ON CONFLICT (user_id, network) DO UPDATE SET last_login_day = excluded.last_login_day",
        show(&id), show(&other_user));
    ck_assert_int_eq(change_password_from(origins[_i].ip, &id, 2, OTHER_HASH, &kept, &revoked), USER_STALE);
    ck_assert(knows(&id, "192.0.2.1/32 198.51.100.7/32 2001:db8:1:2::/64"));
    for (int run = 0; run < 2; run++) {
        ck_assert_int_eq(change_password_from(origins[_i].ip, &id, 1, OTHER_HASH, &kept, &revoked), USER_CHANGED);
        ck_assert(knows(&id, origins[_i].network));
    }
    ck_assert_int_eq(
        sql_number("SELECT count(*) FROM known_addresses WHERE user_id = '%s' AND last_login_day < current_date", show(&id)), 0);
    ck_assert(knows(&other_user, "192.0.2.1/32 198.51.100.7/32 2001:db8:1:2::/64"));
}
END_TEST

START_TEST(a_new_password_ends_every_session_but_the_one_that_set_it) {
    struct uuid id = add_user("ada@example.org"), other_user = add_user("grace@example.org");
    struct uuid kept = add_session(&id), other = add_session(&id), foreign = add_session(&other_user);
    struct session_ids revoked;
    struct user user;
    ck_assert_int_eq(change_password(&id, 1, OTHER_HASH, &kept, &revoked), USER_CHANGED);
    ck_assert_uint_eq(revoked.count, 1);
    ck_assert(uuid_equal(&revoked.ids[0], &other));
    find(&id, &user);
    ck_assert_str_eq(user.password_hash.bytes, OTHER_HASH);
    ck_assert_int_eq(user.password_version, 2);
    ck_assert_int_eq(refresh(&kept, 1), SESSION_ROTATED);
    ck_assert_int_eq(refresh(&other, 1), SESSION_ENDED);
    ck_assert_int_eq(refresh(&foreign, 1), SESSION_ROTATED);
    ck_assert_int_eq(
        sql_number("SELECT count(*) FROM revocations WHERE session_id = '%s' AND reason = 'password_changed'", show(&other)), 1);
}
END_TEST

START_TEST(a_password_change_run_again_after_a_lost_answer_is_still_a_change) {
    struct uuid id = add_user("ada@example.org"), kept = add_session(&id), other = add_session(&id);
    struct session_ids revoked;
    ck_assert_int_eq(change_password(&id, 1, OTHER_HASH, &kept, &revoked), USER_CHANGED);
    ck_assert_int_eq(change_password(&id, 1, OTHER_HASH, &kept, &revoked), USER_CHANGED);
    ck_assert_uint_eq(revoked.count, 1);
    ck_assert(uuid_equal(&revoked.ids[0], &other));
    ck_assert_int_eq(change_password(&id, 1, HASH, &kept, &revoked), USER_STALE);
    ck_assert_int_eq(sql_number("SELECT password_version FROM users WHERE id = '%s'", show(&id)), 2);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations"), 1);
}
END_TEST

static struct changed_user delete_user(const struct uuid *id, int64_t version) {
    struct checked_user checked = { *id, version };
    struct changed_user changed;
    ck_assert_int_eq(RUN(CALL, users_delete, &checked, &changed), STATUS_OK);
    return changed;
}

START_TEST(a_deleted_user_takes_the_sessions_along_and_leaves_their_revocations) {
    struct uuid id = add_user("ada@example.org"), one = add_session(&id), two = add_session(&id);
    ck_assert_int_eq(delete_user(&id, 2).change, USER_STALE);
    struct changed_user deleted = delete_user(&id, 1);
    ck_assert_int_eq(deleted.change, USER_CHANGED);
    ck_assert_uint_eq(deleted.revoked.count, 2);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM sessions"), 0);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations WHERE session_id IN ('%s', '%s')", show(&one), show(&two)), 2);
    ck_assert_int_eq(delete_user(&id, 1).change, USER_STALE);
    ck_assert_int_eq(refresh(&one, 1), SESSION_ENDED);
}
END_TEST

START_TEST(a_disabled_user_has_no_sessions_and_opens_none_until_enabled) {
    struct uuid id = add_user("ada@example.org"), session = add_session(&id), next = uuid_create();
    struct new_session session_again = { .id = next, .user_id = id, .password_version = 1 };
    struct opened_session opened = { .done = true };
    bool found = false;
    ck_assert_int_eq(change_user(CALL, "ada@example.org", "{\"disabled\":true}", &found), STATUS_OK);
    ck_assert(found);
    ck_assert_int_eq(refresh(&session, 1), SESSION_ENDED);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations WHERE reason = 'user_disabled'"), 1);
    ck_assert_int_eq(RUN(CALL, sessions_open, &session_again, &limits, &opened), STATUS_OK);
    ck_assert(!opened.done);
    ck_assert_int_eq(change_user(CALL, "ada@example.org", "{\"disabled\":false}", &found), STATUS_OK);
    add_session(&id);
    ck_assert_int_eq(change_user(CALL, "nobody@example.org", "{\"disabled\":true}", &found), STATUS_OK);
    ck_assert(!found);
}
END_TEST

/* As after the promotion of a standby that had not received all transactions. */
START_TEST(changed_roles_are_read_by_time_where_transactions_have_gone_back) {
    struct changed_roles_cursor last = { .horizon = INT64_C(1) << 60 }, cursor = changed_roles_after(&last);
    struct current_roles *map = current_roles_create(900);
    bool found, is_last;
    add_user("ada@example.org");
    ck_assert_int_eq(change_user(CALL, "ada@example.org", "{\"roles\":[\"admin\"]}", &found), STATUS_OK);
    ck_assert_int_eq(changed_roles_read_page(CALL, &cursor, map, &is_last), STATUS_OK);
    ck_assert(!is_last);
    ck_assert_int_eq(changed_roles_read_page(CALL, &cursor, map, &is_last), STATUS_OK);
    ck_assert(is_last);
    ck_assert_uint_eq(current_roles_count(map), 1);
    current_roles_destroy(map);
}
END_TEST

START_TEST(roles_are_set_by_address_and_travel_as_json) {
    struct uuid id = add_user("ada@example.org");
    struct user user;
    bool found = false;
    ck_assert_int_eq(change_user(CALL, "ada@example.org", "{\"roles\":[\"editor\", \"Ops.eu:1\"]}", &found), STATUS_OK);
    ck_assert(found);
    find(&id, &user);
    ck_assert_str_eq(user.roles_json.bytes, "[\"editor\",\"Ops.eu:1\"]");
    ck_assert_int_eq(change_user(CALL, "ada@example.org", "{\"roles\":[\"a b\"]}", &found), STATUS_INTERNAL);
    find(&id, &user);
    ck_assert_str_eq(user.roles_json.bytes, "[\"editor\",\"Ops.eu:1\"]");
    ck_assert_int_eq(change_user(CALL, "nobody@example.org", "{\"roles\":[]}", &found), STATUS_OK);
    ck_assert(!found);
}
END_TEST

START_TEST(users_are_listed_in_pages_in_the_order_of_their_ids) {
    struct uuid ids[7];
    for (size_t i = 0; i < 7; i++) {
        char email[32];
        snprintf(email, sizeof email, "user%zu@example.org", i);
        ids[i] = add_user(email);
    }
    struct user_list list;
    size_t seen = 0;
    const struct uuid *after = NULL;
    do {
        ck_assert_int_eq(users_list(CALL, after, 3, &list), STATUS_OK);
        ck_assert_uint_le(list.count, 3);
        if (list.count > 0)
            after = &list.users[list.count - 1].id;
        seen += list.count;
    } while (list.count > 0);
    ck_assert_uint_eq(seen, 7);
    ck_assert_int_eq(users_list(CALL, NULL, 100, &list), STATUS_OK);
    for (size_t i = 1; i < list.count; i++)
        ck_assert_int_lt(memcmp(list.users[i - 1].id.bytes, list.users[i].id.bytes, 16), 0);
    bool holds_the_first = false;
    for (size_t i = 0; i < list.count; i++)
        holds_the_first = holds_the_first || uuid_equal(&list.users[i].id, &ids[0]);
    ck_assert(holds_the_first);
}
END_TEST

TCase *store_users_tests(void) {
    TCase *tests = tcase_create("users");
    tcase_add_test(tests, a_new_user_is_given_back_and_found_by_id_and_by_address);
    tcase_add_test(tests, a_password_counts_as_changed_lately_for_a_minute);
    tcase_add_test(tests, an_unknown_user_is_not_found);
    tcase_add_test(tests, an_address_is_known_for_ninety_days_and_no_longer);
    tcase_add_test(tests, an_address_is_taken_once_whatever_its_case);
    tcase_add_test(tests, the_same_insert_again_returns_the_same_user);
    tcase_add_test(tests, a_rehash_replaces_only_the_hash_that_was_checked);
    tcase_add_test(tests, a_change_of_address_is_done_refused_or_stale);
    tcase_add_test(tests, what_a_change_of_the_profile_does_not_name_stays);
    tcase_add_test(tests, a_change_of_the_profile_that_changes_nothing_leaves_the_row_alone);
    tcase_add_test(tests, the_event_of_a_change_of_the_profile_names_what_differs_and_no_value);
    tcase_add_test(tests, what_users_change_of_their_own_profile_is_noted_once_an_hour);
    tcase_add_test(tests, what_takes_a_password_or_an_administrator_is_noted_each_time);
    tcase_add_test(tests, nobody_changes_the_profile_of_a_user_who_is_disabled_or_deleted);
    tcase_add_loop_test(tests, the_network_that_a_user_registers_from_is_known_once, 0, 3);
    tcase_add_loop_test(tests, a_new_password_leaves_the_network_known_that_set_it, 0, 3);
    tcase_add_test(tests, a_new_password_ends_every_session_but_the_one_that_set_it);
    tcase_add_test(tests, a_password_change_run_again_after_a_lost_answer_is_still_a_change);
    tcase_add_test(tests, a_deleted_user_takes_the_sessions_along_and_leaves_their_revocations);
    tcase_add_test(tests, a_disabled_user_has_no_sessions_and_opens_none_until_enabled);
    tcase_add_test(tests, roles_are_set_by_address_and_travel_as_json);
    tcase_add_test(tests, changed_roles_are_read_by_time_where_transactions_have_gone_back);
    tcase_add_test(tests, users_are_listed_in_pages_in_the_order_of_their_ids);
    return tests;
}
