/* The refresh rule (docs/contract.md) as the statements of store/session_refresh.c run it. */
#include "store_fixture.h"

#include "tests/refresh_rule.h"

#include "jwtd/macros.h"
#include "tests/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WINDOW_S 10

static struct refreshed present(const struct uuid *id, uint32_t generation, const char *ip) {
    struct session_credential credential = { *id, generation };
    struct refreshed refreshed;
    ck_assert_int_eq(RUN(CALL, sessions_refresh, &credential, ip, &limits, &refreshed), STATUS_OK);
    return refreshed;
}

static void pass_seconds(unsigned seconds) {
    sql("UPDATE sessions SET rotated_at = rotated_at - interval '%u s'", seconds);
}

START_TEST(a_refresh_increments_the_generation_and_returns_the_user) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    sql("UPDATE users SET roles = '{admin,staff}'");
    for (uint32_t generation = 1; generation < 5; generation++) {
        struct refreshed refreshed = present(&id, generation, CLIENT_IP);
        ck_assert_int_eq(refreshed.result, SESSION_ROTATED);
        ck_assert_uint_eq(refreshed.generation, generation + 1);
        ck_assert(uuid_equal(&refreshed.user_id, &user));
        ck_assert_str_eq(refreshed.roles_json.bytes, "[\"admin\",\"staff\"]");
        ck_assert_int_eq(refreshed.expires_in_s, limits.idle_ms / 1000);
    }
}
END_TEST

START_TEST(what_is_left_is_the_nearer_of_idle_and_absolute_end) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    sql("UPDATE sessions SET expires_at = now() + interval '1 hour'");
    for (int i = 0; i < 3; i++) { /* rotated, retried, replaced */
        struct refreshed refreshed = present(&id, 1, CLIENT_IP);
        ck_assert_int_eq(refreshed.result, i);
        ck_assert_int_ge(refreshed.expires_in_s, 3595);
        ck_assert_int_le(refreshed.expires_in_s, 3600);
        pass_seconds(i == 1 ? 2 * WINDOW_S + 1 : 0);
    }
}
END_TEST

/* Each case: a session whose generation is 5, what happened to it, which generation is presented, the verdict, and the answer. */
#define REPLACED_3_BY_5 "generation = 5, retry_generation = 2, retry_successor = 5"
static const struct refresh_case {
    const char *happened;
    uint32_t presented;
    enum session_refresh result;
    uint32_t answer; /* 0: none */
} refresh_cases[] = {
    { "generation = 5", 5, SESSION_ROTATED, 6 },
    { "generation = 5", 6, SESSION_ROTATED, 7 }, /* the database has lost the last write */
    { "generation = 5", 900, SESSION_ROTATED, 901 },
    { "generation = 5", 4, SESSION_RETRIED, 5 },
    { "generation = 5, rotated_at = now() - interval '9 s'", 4, SESSION_RETRIED, 5 },
    { "generation = 5, rotated_at = now() - interval '11 s'", 4, SESSION_REPLACED, 6 },
    { "generation = 5, rotated_at = now() - interval '6 days'", 4, SESSION_REPLACED, 6 },
    { "generation = 5, rotated_at = now() - interval '11 s', retried_after = '9 s'", 4, SESSION_TOO_SOON, 0 },
    { "generation = 5, rotated_at = now() - interval '20 s', retried_after = '9 s'", 4, SESSION_REPLACED, 6 },
    { "generation = 5", 3, SESSION_REUSED, 0 },
    { "generation = 5", 1, SESSION_REUSED, 0 },
    { "generation = 5, rotated_at = now() - interval '11 s'", 3, SESSION_REUSED, 0 },
    { REPLACED_3_BY_5, 5, SESSION_ROTATED, 6 },
    { REPLACED_3_BY_5, 4, SESSION_REUSED, 0 }, /* void */
    { REPLACED_3_BY_5, 3, SESSION_REUSED, 0 },
    { REPLACED_3_BY_5, 2, SESSION_RETRIED, 5 },
    { REPLACED_3_BY_5, 1, SESSION_REUSED, 0 },
    { REPLACED_3_BY_5 ", rotated_at = now() - interval '11 s'", 2, SESSION_REPLACED, 6 },
    { REPLACED_3_BY_5 ", rotated_at = now() - interval '11 s'", 4, SESSION_REUSED, 0 },
    { "generation = 5, retry_generation = 2, retry_successor = 4", 4, SESSION_RETRIED, 5 }, /* about an earlier successor */
    { "generation = 5, retry_generation = 2, retry_successor = 4", 2, SESSION_REUSED, 0 },
    { "generation = 2147483646", 2147483646, SESSION_ROTATED, 2147483647 },
    { "generation = 2147483646", 2147483647, SESSION_EXPIRED, 0 },
    { "generation = 2147483647", 2147483647, SESSION_EXPIRED, 0 },
    { "generation = 2147483647", 2147483646, SESSION_RETRIED, 2147483647 },
    { "generation = 2147483647, rotated_at = now() - interval '11 s'", 2147483646, SESSION_EXPIRED, 0 },
    { "generation = 2147483647", 2147483645, SESSION_REUSED, 0 },
    { "generation = 5, revoked_at = now(), revoke_reason = 'reuse'", 5, SESSION_REUSED, 0 },
    { "generation = 5, revoked_at = now(), revoke_reason = 'logout'", 5, SESSION_ENDED, 0 },
    { "generation = 5, revoked_at = now(), revoke_reason = 'logout'", 4, SESSION_ENDED, 0 },
    { "generation = 5, revoked_at = now(), revoke_reason = 'logout'", 3, SESSION_ENDED, 0 },
    { "generation = 5, expires_at = now()", 5, SESSION_EXPIRED, 0 },
    { "generation = 5, expires_at = now()", 4, SESSION_EXPIRED, 0 },
    { "generation = 5, expires_at = now()", 3, SESSION_EXPIRED, 0 },
    { "generation = 5, last_used_at = now() - interval '7 days 1 s'", 5, SESSION_EXPIRED, 0 },
    { "generation = 5, last_used_at = now() - interval '7 days 1 s'", 4, SESSION_EXPIRED, 0 },
    { "generation = 5, last_used_at = now() - interval '6 days 23 hours'", 5, SESSION_ROTATED, 6 },
};

START_TEST(a_refresh_is_judged_by_what_happened_to_the_session) {
    const struct refresh_case *one = &refresh_cases[_i];
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    sql("UPDATE sessions SET %s", one->happened);
    bool was_revoked = live_sessions(&user) == 0;
    struct refreshed refreshed = present(&id, one->presented, CLIENT_IP);
    bool is_revoked_now = one->result == SESSION_REUSED && !was_revoked;
    ck_assert_int_eq(refreshed.result, one->result);
    ck_assert(refreshed.revoked_now == is_revoked_now);
    if (one->answer != 0)
        ck_assert_uint_eq(refreshed.generation, one->answer);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations WHERE reason = 'reuse'"), is_revoked_now ? 1 : 0);
    ck_assert_int_eq(live_sessions(&user), was_revoked || is_revoked_now ? 0 : 1);
}
END_TEST

START_TEST(a_retry_moves_nothing_but_the_time_of_the_last_answer) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    static const char rest[] = "SELECT hashtext((to_jsonb(s) - 'retried_after')::text) FROM sessions s";
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    pass_seconds(4);
    int64_t before = sql_number(rest);
    ck_assert_int_eq(refresh(&id, 1), SESSION_RETRIED);
    ck_assert_int_eq(refresh(&id, 1), SESSION_RETRIED);
    ck_assert_int_eq(sql_number(rest), before);
    ck_assert_int_eq(sql_number("SELECT extract(epoch FROM retried_after)::int FROM sessions"), 4);
}
END_TEST

START_TEST(a_retry_that_comes_too_soon_gets_a_time_to_come_again) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    pass_seconds(8);
    ck_assert_int_eq(refresh(&id, 1), SESSION_RETRIED);
    pass_seconds(3);
    struct refreshed refreshed = present(&id, 1, CLIENT_IP);
    ck_assert_int_eq(refreshed.result, SESSION_TOO_SOON);
    ck_assert_int_gt(refreshed.pause_ms, 5000);
    ck_assert_int_le(refreshed.pause_ms, 7000);
    pass_seconds(7);
    ck_assert_int_eq(refresh(&id, 1), SESSION_REPLACED);
    ck_assert_int_eq(refresh(&id, 3), SESSION_ROTATED);
}
END_TEST

START_TEST(a_lost_answer_is_asked_for_again_however_often_and_late) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    for (uint32_t answer = 3; answer < 10; answer++) {
        pass_seconds(86400);
        struct refreshed refreshed = present(&id, 1, CLIENT_IP);
        ck_assert_int_eq(refreshed.result, SESSION_REPLACED);
        ck_assert_uint_eq(refreshed.generation, answer);
        ck_assert_int_eq(refresh(&id, 1), SESSION_RETRIED);
    }
    ck_assert_int_eq(refresh(&id, 9), SESSION_ROTATED);
    ck_assert_int_eq(refresh(&id, 9), SESSION_RETRIED);
}
END_TEST

/* The cleanup searches by it. */
START_TEST(each_new_generation_sets_the_day_of_the_last_use) {
    static const char is_today[] = "SELECT (last_used_day = (last_used_at AT TIME ZONE 'UTC')::date)::int FROM sessions";
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    ck_assert_int_eq(sql_number(is_today), 1);
    sql("UPDATE sessions SET last_used_day = last_used_day - 5");
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    ck_assert_int_eq(sql_number(is_today), 1);
    pass_seconds(60);
    sql("UPDATE sessions SET last_used_day = last_used_day - 5");
    ck_assert_int_eq(refresh(&id, 1), SESSION_REPLACED);
    ck_assert_int_eq(sql_number(is_today), 1);
}
END_TEST

START_TEST(reuse_is_reported_again_as_reuse_and_ends_the_current_token_too) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    ck_assert_int_eq(refresh(&id, 2), SESSION_ROTATED);
    ck_assert_int_eq(refresh(&id, 1), SESSION_REUSED);
    ck_assert_int_eq(refresh(&id, 1), SESSION_REUSED);
    ck_assert_int_eq(refresh(&id, 3), SESSION_REUSED);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM revocations"), 1);
}
END_TEST

START_TEST(an_unknown_session_and_a_disabled_user_have_ended) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user), unknown = uuid_create();
    ck_assert_int_eq(refresh(&unknown, 1), SESSION_ENDED);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    sql("UPDATE users SET disabled_at = now()");
    ck_assert_int_eq(refresh(&id, 2), SESSION_ENDED);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ENDED);
    pass_seconds(60);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ENDED);
    ck_assert_int_eq(live_sessions(&user), 1);
}
END_TEST

/* An instance of the version before moves the row during an update of the program: it knows nothing of the retry columns. */
START_TEST(a_row_that_the_version_before_has_moved_has_the_generation_before_for_a_parent) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    pass_seconds(60);
    ck_assert_int_eq(refresh(&id, 1), SESSION_REPLACED);
    sql("UPDATE sessions SET generation = generation + 1, rotated_at = now(), last_used_at = now()");
    ck_assert_int_eq(refresh(&id, 3), SESSION_RETRIED);
    pass_seconds(60);
    ck_assert_int_eq(refresh(&id, 3), SESSION_REPLACED);
    ck_assert_int_eq(refresh(&id, 1), SESSION_REUSED);
}
END_TEST

/* Each case: from where the session was moved, from where it is retried, and whether that is elsewhere. */
static const struct {
    const char *rotated_from, *retried_from;
    bool is_elsewhere;
} networks[] = {
    { "192.0.2.1", "192.0.2.1", false },
    { "192.0.2.1", "192.0.2.2", true },
    { "2001:db8:1:2::3", "2001:db8:1:2:ffff::4", false },
    { "2001:db8:1:2::3", "2001:db8:1:3::3", true },
    { "192.0.2.1", "2001:db8::1", true },
    { NULL, "192.0.2.1", false },
    { "192.0.2.1", NULL, false },
};

START_TEST(a_retry_from_another_network_is_reported_and_counted) {
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    bool is_elsewhere = networks[_i].is_elsewhere;
    ck_assert(!present(&id, 1, networks[_i].rotated_from).is_elsewhere);
    struct refreshed retried = present(&id, 1, networks[_i].retried_from);
    ck_assert_int_eq(retried.result, SESSION_RETRIED);
    ck_assert(retried.is_elsewhere == is_elsewhere);
    ck_assert_uint_eq(retried.retries_elsewhere, is_elsewhere ? 1 : 0);
    pass_seconds(60);
    struct refreshed replaced = present(&id, 1, networks[_i].retried_from);
    ck_assert_int_eq(replaced.result, SESSION_REPLACED);
    ck_assert(replaced.is_elsewhere == is_elsewhere);
    ck_assert_uint_eq(replaced.retries_elsewhere, is_elsewhere ? 2 : 0);
    ck_assert_int_eq(sql_number("SELECT retries_elsewhere FROM sessions"), is_elsewhere ? 2 : 0);
    ck_assert(!present(&id, 1, networks[_i].retried_from).is_elsewhere); /* from where it was replaced */
    ck_assert(!present(&id, 3, networks[_i].rotated_from).is_elsewhere); /* no retry */
}
END_TEST

/* ---- what it costs ---- */

static int64_t updates(const char *counter) {
    return sql_number("SELECT %s FROM pg_stat_user_tables WHERE relname = 'sessions'", counter);
}

static void expect_updates(int64_t count) {
    reopen_and_report_counts();
    ck_assert_int_eq(updates("n_tup_upd"), count);
}

/* A connection that ends is the end of its server process, which reports its counts then; a pooler keeps the process. */
#define POOLED_COUNTS "a server process behind the pooler goes on, and reports its counts when it likes"

START_TEST(a_refresh_touches_no_index) {
    if (test_is_pooled())
        SKIP_TEST(POOLED_COUNTS);
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    reopen_and_report_counts();
    int64_t before = updates("n_tup_upd"), within_page = updates("n_tup_hot_upd");
    for (uint32_t generation = 1; generation <= 100; generation++) {
        ck_assert_int_eq(refresh(&id, generation), SESSION_ROTATED);
        ck_assert(present(&id, generation, "198.51.100.9").is_elsewhere);
    }
    expect_updates(before + 200);
    ck_assert_int_eq(updates("n_tup_hot_upd") - within_page, 200);
}
END_TEST

START_TEST(a_new_successor_touches_no_index) {
    if (test_is_pooled())
        SKIP_TEST(POOLED_COUNTS);
    struct uuid user = add_user("ada@example.org"), id = add_session(&user);
    ck_assert_int_eq(refresh(&id, 1), SESSION_ROTATED);
    reopen_and_report_counts();
    int64_t before = updates("n_tup_upd"), within_page = updates("n_tup_hot_upd");
    struct session_limits no_window = limits;
    no_window.retry_window_ms = 0;
    for (int i = 0; i < 100; i++) {
        struct session_credential credential = { id, 1 };
        struct refreshed refreshed;
        ck_assert_int_eq(RUN(CALL, sessions_refresh, &credential, CLIENT_IP, &no_window, &refreshed), STATUS_OK);
        ck_assert_int_eq(refreshed.result, SESSION_REPLACED);
    }
    expect_updates(before + 100);
    ck_assert_int_eq(updates("n_tup_hot_upd") - within_page, 100);
}
END_TEST

/* ---- the same as the model (tests/refresh_rule.h) ---- */

#define SEQUENCES 300
#define EVENTS 30

static const enum session_refresh results[] = {
    [RULE_ROTATED] = SESSION_ROTATED,   [RULE_RETRIED] = SESSION_RETRIED, [RULE_REPLACED] = SESSION_REPLACED,
    [RULE_TOO_SOON] = SESSION_TOO_SOON, [RULE_REUSED] = SESSION_REUSED,
};

/* A session, and what a standby knew of it at some moment, in both worlds. */
struct twins {
    struct uuid id, standby_id;
    struct rule_session model, standby;
    unsigned seed, random;
    int outcomes[ARRAY_LEN(results)];
};

static unsigned roll(struct twins *twins, unsigned sides) {
    return (unsigned)rand_r(&twins->random) % sides;
}

static void copy_row(const struct uuid *from, const struct uuid *to) {
    sql("UPDATE sessions t SET generation = f.generation, retry_generation = f.retry_generation,"
        " retry_successor = f.retry_successor, rotated_at = f.rotated_at, retried_after = f.retried_after FROM sessions f"
        " WHERE f.id = '%s' AND t.id = '%s'",
        show(from), show(to));
}

/* Any token that a client could hold: current and parent, those between and before, and some that were lost in a failover. */
static uint32_t choose_token(struct twins *twins) {
    const struct rule_session *model = &twins->model;
    unsigned die = roll(twins, 16);
    if (die < 5)
        return model->generation;
    if (die < 14 && model->parent > 0)
        return model->parent;
    uint32_t token = model->generation + 2 - roll(twins, 6);
    return die < 15 || token < 1 || token > INT32_MAX ? model->generation + 1 : token;
}

static void present_to_both(struct twins *twins) {
    uint32_t token = choose_token(twins);
    enum rule_outcome outcome = refresh_rule(&twins->model, token, WINDOW_S);
    struct refreshed refreshed = present(&twins->id, token, CLIENT_IP);
    ck_assert_msg(refreshed.result == results[outcome], "seed %u: token %u gave %d, the model %d", twins->seed, token,
                  (int)refreshed.result, (int)outcome);
    if (outcome <= RULE_REPLACED)
        ck_assert_msg(refreshed.generation == twins->model.generation,
                      "seed %u: token %u was answered with %u, by the model with %u", twins->seed, token, refreshed.generation,
                      twins->model.generation);
    twins->outcomes[outcome]++;
}

static void pass_in_both(struct twins *twins, unsigned seconds) {
    pass_seconds(seconds);
    twins->model.age += seconds;
    twins->model.given += seconds;
    twins->standby.age += seconds;
    twins->standby.given += seconds;
}

static void run_sequence(struct twins *twins) {
    for (int i = 0; i < EVENTS && !twins->model.is_revoked; i++) {
        unsigned die = roll(twins, 20);
        if (die < 11) {
            present_to_both(twins);
        } else if (die < 18) {
            pass_in_both(twins, roll(twins, 4) == 0 ? 25 : 4);
        } else if (die == 18) {
            copy_row(&twins->id, &twins->standby_id);
            twins->standby = twins->model;
        } else {
            copy_row(&twins->standby_id, &twins->id);
            twins->model = twins->standby;
        }
    }
}

START_TEST(the_statements_follow_the_model_in_any_order_of_events) {
    struct twins twins = { .seed = (unsigned)time(NULL) };
    printf("store: seed of the sequences %u\n", twins.seed);
    twins.random = twins.seed;
    struct uuid user = add_user("ada@example.org");
    for (int i = 0; i < SEQUENCES; i++) {
        sql("DELETE FROM sessions");
        twins.id = add_session(&user);
        twins.standby_id = add_session(&user);
        twins.model = twins.standby = (struct rule_session){ .generation = 1 };
        run_sequence(&twins);
        ck_assert_msg((live_sessions(&user) == 1) == twins.model.is_revoked, "seed %u", twins.seed);
    }
    for (size_t i = 0; i < ARRAY_LEN(results); i++)
        ck_assert_int_gt(twins.outcomes[i], 10);
}
END_TEST

TCase *store_refresh_tests(void) {
    TCase *tests = tcase_create("refresh");
    tcase_add_test(tests, a_refresh_increments_the_generation_and_returns_the_user);
    tcase_add_test(tests, what_is_left_is_the_nearer_of_idle_and_absolute_end);
    tcase_add_loop_test(tests, a_refresh_is_judged_by_what_happened_to_the_session, 0, (int)ARRAY_LEN(refresh_cases));
    tcase_add_test(tests, a_retry_moves_nothing_but_the_time_of_the_last_answer);
    tcase_add_test(tests, a_retry_that_comes_too_soon_gets_a_time_to_come_again);
    tcase_add_test(tests, a_lost_answer_is_asked_for_again_however_often_and_late);
    tcase_add_test(tests, each_new_generation_sets_the_day_of_the_last_use);
    tcase_add_test(tests, reuse_is_reported_again_as_reuse_and_ends_the_current_token_too);
    tcase_add_test(tests, an_unknown_session_and_a_disabled_user_have_ended);
    tcase_add_test(tests, a_row_that_the_version_before_has_moved_has_the_generation_before_for_a_parent);
    tcase_add_loop_test(tests, a_retry_from_another_network_is_reported_and_counted, 0, (int)ARRAY_LEN(networks));
    tcase_add_test(tests, a_refresh_touches_no_index);
    tcase_add_test(tests, a_new_successor_touches_no_index);
    tcase_add_test(tests, the_statements_follow_the_model_in_any_order_of_events);
    return tests;
}
