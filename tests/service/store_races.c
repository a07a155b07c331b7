/* Many at once, and the moments in which two statements meet. */
#include "store_fixture.h"

#include "jwtd/macros.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 64

/* ---- the same call from many connections at once ---- */

struct crowd {
    pthread_barrier_t start;
    void (*act)(struct db *own, struct crowd *crowd, unsigned index);
    struct uuid user, session;
    enum session_refresh results[THREADS_MAX];
    uint32_t generations[THREADS_MAX];
};

struct member {
    struct crowd *crowd;
    unsigned index;
    pthread_t thread;
};

static void *member_main(void *argument) {
    struct member *member = argument;
    struct db *own = open_db();
    ck_assert_int_eq(ping(own, soon()), STATUS_OK);
    pthread_barrier_wait(&member->crowd->start);
    member->crowd->act(own, member->crowd, member->index);
    db_destroy(own);
    return NULL;
}

static void let_all_go(struct crowd *crowd, unsigned count) {
    struct member members[THREADS_MAX];
    pthread_barrier_init(&crowd->start, NULL, count);
    for (unsigned i = 0; i < count; i++) {
        members[i] = (struct member){ .crowd = crowd, .index = i };
        ck_assert_int_eq(pthread_create(&members[i].thread, NULL, member_main, &members[i]), 0);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(members[i].thread, NULL);
    pthread_barrier_destroy(&crowd->start);
}

static void act_refresh(struct db *own, struct crowd *crowd, unsigned index) {
    struct arena own_arena;
    struct db_call call = { .db = own, .deadline_us = soon(), .arena = &own_arena, .change = test_change };
    struct session_credential credential = { crowd->session, 1 };
    struct refreshed refreshed;
    arena_init(&own_arena, 65536);
    ck_assert_int_eq(RUN(&call, sessions_refresh, &credential, CLIENT_IP, &limits, &refreshed), STATUS_OK);
    crowd->results[index] = refreshed.result;
    crowd->generations[index] = refreshed.generation;
    arena_fini(&own_arena);
}

START_TEST(twenty_refreshes_of_one_token_at_once_are_one_lineage) {
    struct crowd crowd = { .act = act_refresh, .user = add_user("ada@example.org") };
    crowd.session = add_session(&crowd.user);
    let_all_go(&crowd, 20);
    unsigned rotated = 0, retried = 0;
    for (unsigned i = 0; i < 20; i++) {
        rotated += crowd.results[i] == SESSION_ROTATED ? 1 : 0;
        retried += crowd.results[i] == SESSION_RETRIED ? 1 : 0;
        ck_assert_uint_eq(crowd.generations[i], 2);
    }
    ck_assert_uint_eq(rotated, 1);
    ck_assert_uint_eq(retried, 19);
    ck_assert_int_eq(sql_number("SELECT generation FROM sessions"), 2);
}
END_TEST

static void act_open_many(struct db *own, struct crowd *crowd, unsigned index) {
    (void)index;
    struct arena own_arena;
    for (int i = 0; i < 10; i++) {
        struct new_session session = { .id = uuid_create(), .user_id = crowd->user, .password_version = 1 };
        struct db_call call = { .db = own, .deadline_us = soon(), .arena = &own_arena, .change = test_change };
        struct opened_session opened;
        arena_init(&own_arena, 65536);
        ck_assert_int_eq(RUN(&call, sessions_open, &session, &limits, &opened), STATUS_OK);
        ck_assert(opened.done);
        arena_fini(&own_arena);
    }
}

START_TEST(two_hundred_logins_at_once_leave_a_hundred_sessions) {
    struct crowd crowd = { .act = act_open_many, .user = add_user("ada@example.org") };
    let_all_go(&crowd, 20);
    ck_assert_int_eq(live_sessions(&crowd.user), SESSIONS_PER_USER);
    ck_assert_int_eq(sql_number("SELECT count(DISTINCT session_id) FROM revocations"), 100);
}
END_TEST

/* The oldest session is being refreshed: the login waits for nobody, and the next one ends both that are too many. */
START_TEST(a_login_does_not_wait_for_the_session_that_it_would_end) {
    struct uuid user = add_user("ada@example.org"), oldest = add_session(&user);
    for (int i = 1; i < SESSIONS_PER_USER; i++)
        add_session(&user);
    sql("BEGIN; UPDATE sessions SET generation = 2 WHERE id = '%s'", show(&oldest));
    add_session(&user);
    ck_assert_int_eq(live_sessions(&user), SESSIONS_PER_USER + 1);
    sql("COMMIT");
    add_session(&user);
    ck_assert_int_eq(live_sessions(&user), SESSIONS_PER_USER);
    ck_assert_int_eq(refresh(&oldest, 2), SESSION_ENDED);
}
END_TEST

static void act_register(struct db *own, struct crowd *crowd, unsigned index) {
    struct arena own_arena;
    struct new_user new_user = {
        .id = uuid_create(),
        .email = { text_of("ada@example.org"), text_of("ada@example.org") },
        .password_hash = HASH,
    };
    struct db_call call = { .db = own, .deadline_us = soon(), .arena = &own_arena, .change = test_change };
    struct inserted_user inserted;
    arena_init(&own_arena, 65536);
    ck_assert_int_eq(RUN(&call, users_insert, &new_user, &inserted), STATUS_OK);
    crowd->generations[index] = inserted.result == USER_INSERTED ? 1 : 0;
    arena_fini(&own_arena);
}

START_TEST(twenty_registrations_of_one_address_make_one_user) {
    struct crowd crowd = { .act = act_register };
    let_all_go(&crowd, 20);
    unsigned inserted = 0;
    for (unsigned i = 0; i < 20; i++)
        inserted += crowd.generations[i];
    ck_assert_uint_eq(inserted, 1);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM users"), 1);
}
END_TEST

static void act_refresh_or_revoke(struct db *own, struct crowd *crowd, unsigned index) {
    if (index % 2 == 0) {
        act_refresh(own, crowd, index);
        return;
    }
    struct arena own_arena;
    struct db_call call = { .db = own, .deadline_us = soon(), .arena = &own_arena, .change = test_change };
    struct session_credential credential = { crowd->session, 1 };
    struct session_ids revoked;
    arena_init(&own_arena, 65536);
    ck_assert_int_eq(RUN(&call, sessions_log_out, &credential, &limits, false, &revoked), STATUS_OK);
    ck_assert_uint_eq(revoked.count, 1);
    arena_fini(&own_arena);
}

START_TEST(a_logout_that_meets_a_refresh_ends_the_session) {
    struct crowd crowd = { .act = act_refresh_or_revoke, .user = add_user("ada@example.org") };
    crowd.session = add_session(&crowd.user);
    let_all_go(&crowd, 8);
    ck_assert_int_eq(live_sessions(&crowd.user), 0);
    ck_assert_int_eq(refresh(&crowd.session, 1), SESSION_ENDED);
    ck_assert_int_eq(refresh(&crowd.session, 2), SESSION_ENDED);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations"), 1);
}
END_TEST

/* ---- one statement held up by another ---- */

struct held_call {
    void (*act)(struct held_call *call);
    struct uuid user, session;
    bool has_no_window; /* refresh: a retry window of 0 */
    bool everywhere;    /* logout */
    int64_t deadline_us;
    enum status status;
    bool done;
    struct refreshed refreshed;
    struct session_ids revoked;
    pthread_t thread;
};

#define HELD(call) (&(struct db_call){ .db = db, .deadline_us = (call)->deadline_us, .arena = &arena, .change = test_change })

static void *held_main(void *argument) {
    struct held_call *call = argument;
    call->act(call);
    return NULL;
}

static void begin_held(struct held_call *call) {
    if (call->deadline_us == 0)
        call->deadline_us = soon();
    ck_assert_int_eq(pthread_create(&call->thread, NULL, held_main, call), 0);
    await_blocked_statement();
}

static void end_held(struct held_call *call) {
    pthread_join(call->thread, NULL);
}

static void note_change(struct held_call *call, const struct changed_user *changed) {
    call->done = changed->change == USER_CHANGED;
    call->revoked = changed->revoked;
}

static void act_change_password(struct held_call *call) {
    struct password_change wanted = { .user = { call->user, 1 }, .new_hash = OTHER_HASH, .kept_session = call->session };
    struct changed_user changed;
    call->status = RUN(HELD(call), users_change_password, &wanted, &changed);
    note_change(call, &changed);
}

static void act_delete(struct held_call *call) {
    struct checked_user checked = { call->user, 1 };
    struct changed_user changed;
    call->status = RUN(HELD(call), users_delete, &checked, &changed);
    note_change(call, &changed);
}

static void act_disable(struct held_call *call) {
    call->status = change_user(HELD(call), "ada@example.org", "{\"disabled\":true}", &call->done);
}

static void (*const ending_acts[])(struct held_call *) = { act_change_password, act_delete, act_disable };

/* The login has checked the old password, its session is written and about to be committed. */
START_TEST(a_login_that_commits_while_the_account_changes_does_not_survive) {
    struct held_call call = { .act = ending_acts[_i], .user = add_user("ada@example.org") };
    call.session = add_session(&call.user);
    struct uuid late = uuid_create();
    sql("BEGIN");
    sql("SELECT FROM users WHERE id = '%s' FOR SHARE", show(&call.user));
    sql("INSERT INTO sessions (id, user_id, expires_at) VALUES ('%s', '%s', now() + interval '1 day')", show(&late),
        show(&call.user));
    begin_held(&call);
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert(call.done);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM sessions WHERE id = '%s' AND revoked_at IS NULL", show(&late)), 0);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations WHERE session_id = '%s'", show(&late)), 1);
}
END_TEST

static void act_open(struct held_call *call) {
    struct new_session session = { .id = call->session, .user_id = call->user, .password_version = 1 };
    struct opened_session opened;
    call->status = RUN(HELD(call), sessions_open, &session, &limits, &opened);
    call->done = opened.done;
}

START_TEST(a_login_that_waits_for_a_password_change_opens_nothing) {
    struct held_call call = { .act = act_open, .user = add_user("ada@example.org"), .session = uuid_create() };
    sql("BEGIN");
    sql("UPDATE users SET password_version = 2 WHERE id = '%s'", show(&call.user));
    begin_held(&call);
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert(!call.done);
    ck_assert_int_eq(live_sessions(&call.user), 0);
}
END_TEST

static void act_held_refresh(struct held_call *call) {
    struct session_limits own_limits = limits;
    own_limits.retry_window_ms = call->has_no_window ? 0 : limits.retry_window_ms;
    struct session_credential credential = { call->session, 1 };
    call->status = RUN(HELD(call), sessions_refresh, &credential, CLIENT_IP, &own_limits, &call->refreshed);
}

/* The refresh sees a live session, waits for its row, and finds it revoked. */
START_TEST(a_refresh_that_waits_for_a_logout_is_refused) {
    struct held_call call = { .act = act_held_refresh, .user = add_user("ada@example.org") };
    call.session = add_session(&call.user);
    sql("BEGIN");
    sql("UPDATE sessions SET revoked_at = now(), revoke_reason = 'logout'");
    begin_held(&call);
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert_int_eq(call.refreshed.result, SESSION_ENDED);
    ck_assert_int_eq(sql_number("SELECT generation FROM sessions"), 1);
}
END_TEST

/* Each case: the row when generation 1 is presented, what others commit while that refresh waits for the row (or for the second
 * of its statements), and the outcome, which is decided by whether the token had been used when it arrived. */
#define ROTATED_MEANWHILE                                                                                                        \
    ", rotated_at = clock_timestamp(), last_used_at = clock_timestamp(), retried_after = '0', rotated_from = '203.0.113.9'"
static const struct overtaken_case {
    const char *before, *meanwhile;
    enum status status;
    enum session_refresh result;
    uint32_t answer;
    bool is_revoked;
} overtaken_cases[] = {
    { "generation = 2", "generation = 3" ROTATED_MEANWHILE, STATUS_OK, SESSION_RETRIED, 2, false },
    { "generation = 2", "generation = 4, retry_generation = 2, retry_successor = 4" ROTATED_MEANWHILE, STATUS_OK, SESSION_RETRIED,
      2, false },
    { "generation = 2", "generation = 3, retry_generation = 1, retry_successor = 3" ROTATED_MEANWHILE, STATUS_OK, SESSION_RETRIED,
      3, false },
    { "generation = 2", "generation = 4" ROTATED_MEANWHILE, STATUS_DATABASE_UNAVAILABLE, SESSION_ENDED, 0, false },
    { "generation = 2, rotated_at = now() - interval '11 s'", "generation = 3" ROTATED_MEANWHILE, STATUS_DATABASE_UNAVAILABLE,
      SESSION_ENDED, 0, false }, /* the answer would have been a new successor */
    { "generation = 3, retry_generation = 1, retry_successor = 3", "generation = 4" ROTATED_MEANWHILE, STATUS_OK, SESSION_RETRIED,
      3, false },
    { "generation = 1", "generation = 3" ROTATED_MEANWHILE, STATUS_DATABASE_UNAVAILABLE, SESSION_ENDED, 0, false },
    { "generation = 2", "generation = 3, revoked_at = now(), revoke_reason = 'logout'" ROTATED_MEANWHILE, STATUS_OK,
      SESSION_ENDED, 0, true },
    { "generation = 3", "generation = 4" ROTATED_MEANWHILE, STATUS_OK, SESSION_REUSED, 0, true },
    { "generation = 3", "rotated_at = rotated_at", STATUS_OK, SESSION_REUSED, 0, true },
    { "generation = 3, rotated_at = now() - interval '1 minute'", "generation = 4" ROTATED_MEANWHILE, STATUS_OK, SESSION_REUSED,
      0, true },
};

START_TEST(a_refresh_that_another_overtakes_is_judged_by_when_it_arrived) {
    static const char whole_row[] = "SELECT hashtext(s::text) FROM sessions s";
    const struct overtaken_case *one = &overtaken_cases[_i];
    struct held_call call = { .act = act_held_refresh, .user = add_user("ada@example.org") };
    call.session = add_session(&call.user);
    sql("UPDATE sessions SET %s", one->before);
    sql("BEGIN");
    sql("SELECT FROM sessions FOR UPDATE");
    begin_held(&call);
    sql("UPDATE sessions SET %s", one->meanwhile);
    int64_t row = sql_number(whole_row), current = sql_number("SELECT generation FROM sessions");
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, one->status);
    ck_assert_int_eq(live_sessions(&call.user), one->is_revoked ? 0 : 1);
    if (one->result != SESSION_REUSED && one->answer != current) /* else the row has changed, or an ordinary retry is noted */
        ck_assert_int_eq(sql_number(whole_row), row);
    if (one->status != STATUS_OK)
        return;
    ck_assert_int_eq(call.refreshed.result, one->result);
    if (one->result != SESSION_RETRIED)
        return;
    ck_assert_uint_eq(call.refreshed.generation, one->answer);
    ck_assert_int_eq(sql_number("SELECT retries_elsewhere FROM sessions"), call.refreshed.retries_elsewhere);
}
END_TEST

START_TEST(a_statement_that_misses_its_deadline_gives_up_and_the_next_one_works) {
    struct held_call call = { .act = act_held_refresh, .user = add_user("ada@example.org") };
    call.session = add_session(&call.user);
    sql("BEGIN");
    sql("SELECT FROM sessions FOR UPDATE");
    call.deadline_us = clock_monotonic_us() + 300000;
    begin_held(&call);
    end_held(&call);
    int64_t late_us = clock_monotonic_us() - call.deadline_us;
    ck_assert_int_eq(call.status, STATUS_DEADLINE_EXCEEDED);
    ck_assert_int_lt(late_us, 100000);
    ck_assert_int_eq(ping(db, soon()), STATUS_OK);
    sql("ROLLBACK");
}
END_TEST

START_TEST(the_server_itself_ends_a_statement_that_takes_too_long) {
    struct held_call call = { .act = act_held_refresh, .user = add_user("ada@example.org") };
    call.session = add_session(&call.user);
    db_destroy(db);
    struct db_options options = {
        .url = test_database(), .statement_timeout_ms = 300, .connect_timeout_ms = 3000, .unprepared = test_is_pooled()
    };
    db = db_create(&options);
    sql("BEGIN");
    sql("SELECT FROM sessions FOR UPDATE");
    begin_held(&call);
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_DEADLINE_EXCEEDED);
    sql("ROLLBACK");
    ck_assert_int_eq(refresh(&call.session, 1), SESSION_ROTATED);
}
END_TEST

/* Ends the connection of the statement that waits, and waits until it has been run again and waits again. */
static void lose_connection(void) {
    sql("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND application_name LIKE 'jwtd%%'");
    await_blocked_statement();
}

START_TEST(a_connection_lost_in_the_middle_of_a_statement_costs_no_answer) {
    struct held_call call = { .act = act_held_refresh, .user = add_user("ada@example.org") };
    call.session = add_session(&call.user);
    sql("BEGIN");
    sql("SELECT FROM sessions FOR UPDATE");
    begin_held(&call);
    lose_connection();
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert_int_eq(call.refreshed.result, SESSION_ROTATED);
}
END_TEST

/* ---- the first run was committed and its answer lost; the second connection plays the first run ---- */

static void act_revoke_of_user(struct held_call *call) {
    struct revoked_session revoked;
    call->status = RUN(HELD(call), sessions_revoke_of_user, &call->session, &call->user, "ended", &revoked);
    call->done = revoked.found;
}

START_TEST(a_session_ended_by_a_run_whose_answer_was_lost_was_found) {
    struct held_call call = { .act = act_revoke_of_user, .user = add_user("ada@example.org") };
    call.session = add_session(&call.user);
    sql("BEGIN");
    sql("LOCK TABLE sessions"); /* so that the second run begins to look only after the commit */
    sql("UPDATE sessions SET revoked_at = now(), revoke_reason = 'ended'");
    begin_held(&call);
    lose_connection();
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert(call.done);
}
END_TEST

START_TEST(a_user_deleted_by_a_run_whose_answer_was_lost_was_deleted) {
    struct held_call call = { .act = act_delete, .user = add_user("ada@example.org") };
    struct uuid session = add_session(&call.user);
    sql("BEGIN");
    sql("DELETE FROM users");
    sql("INSERT INTO revocations (session_id, user_id, reason) VALUES ('%s', '%s', 'user_deleted')", show(&session),
        show(&call.user));
    begin_held(&call);
    lose_connection();
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert(call.done);
    ck_assert_uint_eq(call.revoked.count, 1);
}
END_TEST

/* Each case: what the first run of a refresh, and others after it, have made of the row; what the second run answers. */
static const struct rerun_case {
    const char *happened;
    bool has_no_window;
    enum status status;
    enum session_refresh result;
    uint32_t answer;
} rerun_cases[] = {
    { "generation = 2", false, STATUS_OK, SESSION_RETRIED, 2 },
    { "generation = 2", true, STATUS_OK, SESSION_REPLACED, 3 },
    { "generation = 3, retry_generation = 1, retry_successor = 3", true, STATUS_OK, SESSION_REPLACED, 4 },
    { "generation = 3", false, STATUS_DATABASE_UNAVAILABLE, SESSION_ENDED, 0 }, /* another tab has used the successor */
    { "generation = 3", true, STATUS_DATABASE_UNAVAILABLE, SESSION_ENDED, 0 },
};

START_TEST(a_refresh_whose_answer_was_lost_is_never_judged_reuse) {
    const struct rerun_case *one = &rerun_cases[_i];
    struct held_call call = { .act = act_held_refresh, .user = add_user("ada@example.org"), .has_no_window = one->has_no_window };
    call.session = add_session(&call.user);
    sql("BEGIN");
    sql("LOCK TABLE sessions");
    sql("UPDATE sessions SET rotated_at = now(), %s", one->happened);
    begin_held(&call);
    lose_connection();
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, one->status);
    if (one->status == STATUS_OK) {
        ck_assert_int_eq(call.refreshed.result, one->result);
        ck_assert_uint_eq(call.refreshed.generation, one->answer);
    }
    ck_assert_int_eq(live_sessions(&call.user), 1);
}
END_TEST

static void act_log_out(struct held_call *call) {
    struct session_credential credential = { call->session, 1 };
    call->status = RUN(HELD(call), sessions_log_out, &credential, &limits, call->everywhere, &call->revoked);
}

START_TEST(sessions_logged_out_by_a_run_whose_answer_was_lost_are_reported_again) {
    struct held_call call = { .act = act_log_out, .user = add_user("ada@example.org"), .everywhere = _i == 1 };
    add_session(&call.user);
    call.session = add_session(&call.user);
    sql("BEGIN");
    sql("LOCK TABLE sessions");
    sql("UPDATE sessions SET revoked_at = now(), revoke_reason = 'logout' WHERE %s OR id = '%s'",
        call.everywhere ? "true" : "false", show(&call.session));
    begin_held(&call);
    lose_connection();
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert_uint_eq(call.revoked.count, call.everywhere ? 2 : 1);
}
END_TEST

/* Each case: what a refresh commits while the logout waits for the row; how many sessions of two a logout of one, and of all,
 * ends. */
static const struct {
    const char *happened;
    size_t one, all;
} overtaken[] = {
    { "generation = 2, rotated_at = now()", 1, 2 },
    { "generation = 3, rotated_at = now()", 0, 0 },
    { "generation = 3, rotated_at = now(), retry_generation = 1, retry_successor = 3", 1, 2 },
    { "revoked_at = now() - interval '2 minutes', revoke_reason = 'reuse'", 0, 0 },
};

START_TEST(a_logout_that_waits_for_a_refresh_is_judged_by_what_it_finds_then) {
    struct held_call call = { .act = act_log_out, .user = add_user("ada@example.org"), .everywhere = _i % 2 == 1 };
    add_session(&call.user);
    call.session = add_session(&call.user);
    sql("BEGIN");
    sql("UPDATE sessions SET %s WHERE id = '%s'", overtaken[_i / 2].happened, show(&call.session));
    begin_held(&call);
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert_uint_eq(call.revoked.count, call.everywhere ? overtaken[_i / 2].all : overtaken[_i / 2].one);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM sessions WHERE revoke_reason = 'logout'"), (int64_t)call.revoked.count);
}
END_TEST

static void allow_patience(void) {
    PGconn *superuser = PQconnectdb(getenv("JWTD_TEST_SUPERUSER_DATABASE"));
    PGresult *result = PQexec(superuser, "GRANT SET ON PARAMETER deadlock_timeout TO jwtd");
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(superuser));
    PQclear(result);
    PQfinish(superuser);
}

/* The session that has waited for deadlock_timeout finds the deadlock and is its victim: the program's, since the test's timeout
 * is longer. */
START_TEST(a_deadlock_is_run_again_and_costs_no_answer) {
    struct held_call call = { .act = act_change_password, .user = add_user("ada@example.org") };
    struct uuid other = add_session(&call.user);
    call.session = add_session(&call.user);
    allow_patience();
    sql("BEGIN");
    sql("SET LOCAL deadlock_timeout = '30s'");
    sql("SELECT FROM sessions WHERE id = '%s' FOR UPDATE", show(&other));
    begin_held(&call);
    sql("SELECT FROM users WHERE id = '%s' FOR UPDATE", show(&call.user));
    sql("COMMIT");
    end_held(&call);
    ck_assert_int_eq(call.status, STATUS_OK);
    ck_assert(call.done);
    ck_assert_int_eq(live_sessions(&call.user), 1);
}
END_TEST

static void act_revoke(struct db *own, struct crowd *crowd, unsigned index) {
    struct db_call call = { .db = own, .deadline_us = soon(), .arena = NULL, .change = test_change };
    struct revoked_session revoked;
    ck_assert_int_eq(RUN(&call, sessions_revoke_of_user, &crowd->session, &crowd->user, "revoked", &revoked), STATUS_OK);
    crowd->generations[index] = revoked.found ? 1 : 0;
}

START_TEST(a_session_that_twenty_revoke_at_once_is_found_by_one) {
    struct crowd crowd = { .act = act_revoke, .user = add_user("ada@example.org") };
    for (unsigned round = 0; round < 5; round++) {
        crowd.session = add_session(&crowd.user);
        let_all_go(&crowd, 20);
        unsigned found = 0;
        for (unsigned i = 0; i < 20; i++)
            found += crowd.generations[i];
        ck_assert_uint_eq(found, 1);
    }
}
END_TEST

TCase *store_races_tests(void) {
    TCase *tests = tcase_create("races");
    tcase_add_test(tests, twenty_refreshes_of_one_token_at_once_are_one_lineage);
    tcase_add_test(tests, two_hundred_logins_at_once_leave_a_hundred_sessions);
    tcase_add_test(tests, a_login_does_not_wait_for_the_session_that_it_would_end);
    tcase_add_test(tests, twenty_registrations_of_one_address_make_one_user);
    tcase_add_test(tests, a_logout_that_meets_a_refresh_ends_the_session);
    tcase_add_test(tests, a_session_that_twenty_revoke_at_once_is_found_by_one);
    tcase_add_loop_test(tests, a_login_that_commits_while_the_account_changes_does_not_survive, 0, 3);
    tcase_add_test(tests, a_login_that_waits_for_a_password_change_opens_nothing);
    tcase_add_test(tests, a_refresh_that_waits_for_a_logout_is_refused);
    tcase_add_loop_test(tests, a_refresh_that_another_overtakes_is_judged_by_when_it_arrived, 0, (int)ARRAY_LEN(overtaken_cases));
    tcase_add_test(tests, a_statement_that_misses_its_deadline_gives_up_and_the_next_one_works);
    tcase_add_test(tests, the_server_itself_ends_a_statement_that_takes_too_long);
    tcase_add_test(tests, a_connection_lost_in_the_middle_of_a_statement_costs_no_answer);
    tcase_add_test(tests, a_session_ended_by_a_run_whose_answer_was_lost_was_found);
    tcase_add_test(tests, a_user_deleted_by_a_run_whose_answer_was_lost_was_deleted);
    tcase_add_loop_test(tests, a_refresh_whose_answer_was_lost_is_never_judged_reuse, 0, (int)ARRAY_LEN(rerun_cases));
    tcase_add_loop_test(tests, sessions_logged_out_by_a_run_whose_answer_was_lost_are_reported_again, 0, 2);
    tcase_add_loop_test(tests, a_logout_that_waits_for_a_refresh_is_judged_by_what_it_finds_then, 0,
                        2 * (int)ARRAY_LEN(overtaken));
    tcase_add_test(tests, a_deadlock_is_run_again_and_costs_no_answer);
    return tests;
}
