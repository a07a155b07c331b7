/* The audit's table and its writer. */
#include "store_fixture.h"

#include "jwtd/audit.h"
#include "jwtd/auth_events.h"
#include "jwtd/command_events.h"
#include "jwtd/macros.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_US (60 * CLOCK_US_PER_S)
#define HOUR_US (60 * MINUTE_US)

static struct audit_event event_of(const char *name, const struct uuid *user_id, const struct address *client) {
    return (struct audit_event){ .event = name,
                                 .user_id = user_id,
                                 .is_of_user = user_id != NULL,
                                 .client = client,
                                 .user_agent = text_of("a test"),
                                 .request_id = "request-1" };
}

static struct address address_of(const char *text) {
    struct address address;
    ck_assert(address_parse(text_of(text), &address));
    return address;
}

static int64_t events_of(const struct uuid *user_id, const char *condition) {
    return sql_number("SELECT count(*) FROM auth_events WHERE user_id = '%s' AND %s", show(user_id), condition);
}

/* As the owner of the tables, who may change and remove events. */
static void as_owner(const char *script) {
    PGconn *owner = PQconnectdb(getenv("JWTD_TEST_OWNER_DATABASE"));
    PGresult *result = PQexec(owner, script);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", script, PQerrorMessage(owner));
    PQclear(result);
    PQfinish(owner);
}

/* ---- the writer ---- */

START_TEST(events_wait_a_moment_and_are_written_together) {
    struct audit *audit = audit_create();
    struct uuid user = uuid_create(), session = uuid_create();
    struct address client = address_of("2001:db8::1");
    struct audit_event event = event_of("session_opened", &user, &client);
    event.session_id = &session;
    audit_add(audit, &event);
    audit_add(audit, &event);
    int64_t now_us = clock_monotonic_us(), due_us = audit_write(audit, CALL, now_us);
    ck_assert_int_gt(due_us, now_us);
    ck_assert_int_le(due_us, now_us + AUDIT_LINGER_US);
    ck_assert_int_eq(events_of(&user, "true"), 0);
    (void)audit_write(audit, CALL, due_us);
    ck_assert_int_eq(events_of(&user, "event = 'session_opened' AND session_id IS NOT NULL AND actor = 'user:' || user_id"
                                      " AND host(ip) = '2001:db8::1' AND user_agent = 'a test' AND request_id = 'request-1'"
                                      " AND reason IS NULL AND detail IS NULL AND at > now() - interval '10 s'"),
                     2);
    struct audit_counts counts = audit_counts(audit);
    ck_assert_uint_eq(counts.written, 2);
    ck_assert_uint_eq(counts.pending, 0);
    audit_destroy(audit);
}
END_TEST

/* The minute passes by an argument. */
START_TEST(wrong_passwords_are_one_event_for_each_account_network_and_reason) {
    static const struct {
        int user;
        const char *address, *reason;
        int count;
    } failures[] = {
        { 0, "192.0.2.1", "wrong_password", 5 },   { 0, "192.0.2.2", "wrong_password", 1 },
        { 1, "192.0.2.1", "wrong_password", 2 },   { 0, "192.0.2.1", "disabled", 3 },
        { 0, "2001:db8::1", "wrong_password", 1 }, { 0, "2001:db8::2", "wrong_password", 1 }, /* of the same /64 */
        { -1, "192.0.2.1", "unknown", 4 },
    };
    struct audit *audit = audit_create();
    struct uuid users[] = { uuid_create(), uuid_create() };
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        struct address client = address_of(failures[i].address);
        struct audit_event event = event_of("login_failed", failures[i].user < 0 ? NULL : &users[failures[i].user], &client);
        event.is_of_user = false;
        event.reason = failures[i].reason;
        for (int count = 0; count < failures[i].count; count++)
            audit_add_failure(audit, &event);
    }
    int64_t now_us = clock_monotonic_us(),
            unknown_before = sql_number("SELECT count(*) FROM auth_events WHERE reason = 'unknown'");
    ck_assert_int_le(audit_write(audit, CALL, now_us), now_us + MINUTE_US);
    ck_assert_uint_eq(audit_counts(audit).pending, 0);
    (void)audit_write(audit, CALL, now_us + MINUTE_US);
    ck_assert_int_eq(events_of(&users[0], "event = 'login_failed' AND actor = 'system'"), 4);
    ck_assert_int_eq(events_of(&users[0], "reason = 'wrong_password' AND host(ip) = '192.0.2.1' AND detail = '{\"count\":5}'"),
                     1);
    ck_assert_int_eq(events_of(&users[0], "reason = 'disabled' AND detail = '{\"count\":3}'"), 1);
    ck_assert_int_eq(events_of(&users[0], "host(ip) = '2001:db8::1' AND detail = '{\"count\":2}'"), 1);
    ck_assert_int_eq(events_of(&users[1], "detail = '{\"count\":2}'"), 1);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM auth_events WHERE reason = 'unknown' AND user_id IS NULL"),
                     unknown_before + 1);
    audit_destroy(audit);
}
END_TEST

/* From the addresses of a whole /16: no more memory and no more rows than this. */
START_TEST(guessing_from_everywhere_is_bounded_and_what_is_beyond_is_counted) {
    struct audit *audit = audit_create();
    struct uuid user = uuid_create();
    for (int i = 0; i < AUDIT_FAILURES_MAX + 100; i++) {
        char text[ADDRESS_TEXT_SIZE];
        snprintf(text, sizeof text, "198.51.%d.%d", i / 256, i % 256);
        struct address client = address_of(text);
        struct audit_event event = event_of("login_failed", &user, &client);
        event.reason = "wrong_password";
        audit_add_failure(audit, &event);
        audit_add_failure(audit, &event);
    }
    ck_assert_uint_eq(audit_counts(audit).lost, 200);
    audit_write_all(audit, CALL);
    ck_assert_int_eq(events_of(&user, "detail = '{\"count\":2}'"), AUDIT_FAILURES_MAX);
    audit_destroy(audit);
}
END_TEST

START_TEST(refreshes_are_counted_and_are_one_event_an_hour) {
    struct audit *audit = audit_create();
    int64_t now_us = clock_monotonic_us(),
            before = sql_number("SELECT count(*) FROM auth_events WHERE event = 'refreshes_counted'");
    for (int i = 0; i < 1000; i++)
        audit_count_refresh(audit, i % 10 == 0 ? SESSION_RETRIED : SESSION_ROTATED);
    (void)audit_write(audit, CALL, now_us + HOUR_US - MINUTE_US);
    ck_assert_uint_eq(audit_counts(audit).pending, 0);
    (void)audit_write(audit, CALL, now_us + HOUR_US + CLOCK_US_PER_S);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM auth_events WHERE event = 'refreshes_counted'"), before + 1);
    ck_assert_int_ge(
        sql_number("SELECT count(*) FROM auth_events WHERE event = 'refreshes_counted' AND user_id IS NULL"
                   " AND detail = '{\"rotated\":900,\"retried\":100,\"replaced\":0,\"too_soon\":0,\"reused\":0,\"ended\":0,"
                   "\"expired\":0}'"),
        1);
    audit_destroy(audit);
}
END_TEST

/* The database is away, or the table is: what comes now waits; what does not fit is lost, and the table says so itself. */
START_TEST(what_is_lost_is_counted_and_noted_when_the_audit_is_well_again) {
    const struct db_options nowhere = { .url = "host=127.0.0.1 port=1 user=nobody", .connect_timeout_ms = 1000 };
    struct db *away = db_create(&nowhere);
    struct audit *audit = audit_create();
    struct uuid user = uuid_create();
    struct address client = address_of("192.0.2.1");
    struct audit_event event = event_of("session_opened", &user, &client);
    int64_t notes = sql_number("SELECT count(*) FROM auth_events WHERE event = 'events_lost'");
    for (int i = 0; i < AUDIT_PENDING_MAX; i++)
        audit_add(audit, &event);
    int64_t now_us = clock_monotonic_us();
    ck_assert_int_gt(audit_write(audit, CALL_ON(away), now_us), now_us + CLOCK_US_PER_S / 2); /* it does not try at once again */
    ck_assert_uint_eq(audit_counts(audit).pending, AUDIT_PENDING_MAX);
    ck_assert_uint_eq(audit_counts(audit).lost, 0);
    for (int i = 0; i < 7; i++)
        audit_add(audit, &event);
    ck_assert_uint_eq(audit_counts(audit).lost, 7);
    now_us += MINUTE_US; /* past its pause */
    while (audit_counts(audit).pending > 0)
        (void)audit_write(audit, CALL, now_us += CLOCK_US_PER_S);
    ck_assert_int_eq(events_of(&user, "true"), AUDIT_PENDING_MAX);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM auth_events WHERE event = 'events_lost'"), notes + 1);
    ck_assert_int_ge(sql_number("SELECT count(*) FROM auth_events WHERE event = 'events_lost' AND detail = '{\"count\":7}'"
                                " AND actor = 'system'"),
                     1);
    audit_destroy(audit);
    db_destroy(away);
}
END_TEST

START_TEST(a_batch_that_is_written_again_is_there_once) {
    static const char batch[] = "[{\"id\":\"01a20121-82f3-74d1-a976-46932de194d8\",\"at\":\"2026-11-22T03:00:00.123Z\","
                                "\"event\":\"session_opened\",\"actor\":\"system\"}]";
    ck_assert_int_eq(auth_events_insert(CALL, batch), STATUS_OK);
    ck_assert_int_eq(auth_events_insert(CALL, batch), STATUS_OK);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM auth_events WHERE id = '01a20121-82f3-74d1-a976-46932de194d8'"), 1);
}
END_TEST

/* ---- the list ---- */

static void add_events(const struct uuid *user_id, const struct uuid *session_id, int count) {
    sql("INSERT INTO auth_events (event, user_id, session_id, at)"
        " SELECT 'session_opened', '%s', '%s', now() - (n / 3) * interval '1 day' FROM generate_series(1, %d) AS n",
        show(user_id), show(session_id), count);
}

/* Three events have the same time each, and several months are read. */
START_TEST(the_events_of_a_user_are_listed_newest_first_in_pages_that_leave_none_out) {
    struct uuid user = uuid_create(), sessions[] = { uuid_create(), uuid_create() };
    struct auth_event_list list;
    char cursor[AUTH_EVENTS_CURSOR_SIZE] = "", last[64] = "~";
    size_t listed = 0;
    add_events(&user, &sessions[0], 200);
    add_events(&user, &sessions[1], 50);
    do {
        struct auth_event_filter filter = { .user_id = user, .cursor = cursor[0] == '\0' ? NULL : cursor, .limit = 40 };
        ck_assert_int_eq(RUN(CALL, auth_events_list, &filter, &list), STATUS_OK);
        for (size_t i = 0; i < list.count; i++) {
            ck_assert_str_le(list.events[i].at.bytes, last);
            snprintf(last, sizeof last, "%s", list.events[i].at.bytes);
        }
        listed += list.count;
        ck_assert(auth_events_cursor_is_valid(text_of(list.next)) == (list.next[0] != '\0'));
        memcpy(cursor, list.next, sizeof cursor);
    } while (cursor[0] != '\0');
    ck_assert_uint_eq(listed, 250);
    struct auth_event_filter of_session = {
        .user_id = user, .session_id = &sessions[1], .event = "session_opened", .limit = 100
    };
    ck_assert_int_eq(RUN(CALL, auth_events_list, &of_session, &list), STATUS_OK);
    ck_assert_uint_eq(list.count, 50);
    ck_assert(list.events[0].has_session && uuid_equal(&list.events[0].session_id, &sessions[1]));
    of_session.event = "session_ended";
    ck_assert_int_eq(RUN(CALL, auth_events_list, &of_session, &list), STATUS_OK);
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

static const struct {
    bool by_session, by_event;
    const char *condition; /* of an index, in the generic plan that a connection uses after some runs */
} filters[] = {
    { false, false, "Index Cond: ((user_id = $1) AND" },
    { false, true, "Index Cond: ((user_id = $1) AND (event = $5) AND" },
    { true, false, "Index Cond: ((session_id = $5) AND" },
    { true, true, "Index Cond: ((session_id = $5) AND" },
};

/* A user who adds events all day hides nothing: no filter walks over the rest of what he has. */
START_TEST(each_filter_of_the_list_finds_its_events_by_an_index) {
    struct uuid user = uuid_create(), session = uuid_create();
    struct auth_event_filter filter = { .user_id = user,
                                        .session_id = filters[_i].by_session ? &session : NULL,
                                        .event = filters[_i].by_event ? "session_ended" : NULL,
                                        .limit = 20 };
    struct auth_event_list list;
    char script[4096], plan[16384] = "";
    sql("INSERT INTO auth_events (event, user_id) SELECT 'profile_changed', '%s' FROM generate_series(1, 5000)", show(&user));
    sql("INSERT INTO auth_events (event, user_id, session_id, at)"
        " VALUES ('session_ended', '%s', '%s', now() - interval '1 minute')",
        show(&user), show(&session));
    as_owner("ANALYZE auth_events");
    auth_events_list(new_query(), &filter, &list);
    int len = snprintf(script, sizeof script,
                       "SET plan_cache_mode = force_generic_plan; PREPARE list AS %s;"
                       " EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE list ('%s', 20, NULL, NULL",
                       last_query()->statement->sql, show(&user));
    for (int i = 4; i < last_query()->statement->parameters; i++)
        len += snprintf(script + len, sizeof script - (size_t)len, i == 4 && filters[_i].by_session ? ", '%s'" : ", %s",
                        i == 4 && filters[_i].by_session ? show(&session)
                        : filters[_i].by_event           ? "'session_ended'"
                                                         : "NULL");
    snprintf(script + len, sizeof script - (size_t)len, ")");
    ck_assert_int_eq(db_run(CALL, last_query()), STATUS_OK);
    ck_assert_uint_eq(list.count, filters[_i].by_session || filters[_i].by_event ? 1 : 20);

    PGconn *connection = PQconnectdb(getenv("JWTD_TEST_OWNER_DATABASE"));
    PGresult *result = PQexec(connection, script);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(connection));
    for (int row = 0; row < PQntuples(result); row++) {
        strncat(plan, PQgetvalue(result, row, 0), sizeof plan - strlen(plan) - 1);
        strncat(plan, "\n", sizeof plan - strlen(plan) - 1);
    }
    PQclear(result);
    PQfinish(connection);
    ck_assert_msg(strstr(plan, filters[_i].condition) != NULL, "%s", plan);
    ck_assert_msg(strstr(plan, "Rows Removed by Filter") == NULL, "%s", plan);
}
END_TEST

static const char *const no_cursors[] = { "",
                                          ".",
                                          "x",
                                          "01a20121-82f3-74d1-a976-46932de194d8",
                                          "01a20121-82f3-74d1-a976-46932de194d8.",
                                          "01a20121-82f3-74d1-a976-46932de194d8.x",
                                          "01a20121-82f3-74d1-a976-46932de194d8.-1",
                                          "01a20121-82f3-74d1-a976-46932de194d8.9223372036854775807",
                                          "01a20121-82f3-74d1-a976-46932de194d8.1000000000000000000000000000" };

START_TEST(what_is_no_cursor_is_refused) {
    ck_assert(!auth_events_cursor_is_valid(text_of(no_cursors[_i])));
}
END_TEST

/* ---- partitions ---- */

static int64_t partitions(void) {
    return sql_number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'auth_events'::regclass");
}

START_TEST(partitions_are_made_ahead_and_take_over_what_came_before_them) {
    struct auth_events_partitions done;
    struct uuid user = uuid_create();
    ck_assert_int_eq(partitions(), 5); /* four months, and the one for the rest */
    as_owner("DO $$ BEGIN EXECUTE 'DROP TABLE auth_events_' || to_char(now() AT TIME ZONE 'UTC' + interval '2 months', "
             "'YYYY_MM'); END $$");
    sql("INSERT INTO auth_events (event, user_id, at) VALUES ('x', '%s', now() + interval '2 months')", show(&user));
    ck_assert_int_eq(sql_number("SELECT count(*) FROM auth_events_default WHERE user_id = '%s'", show(&user)), 1);
    ck_assert_int_eq(auth_events_maintain(CALL, 0, &done), STATUS_OK);
    ck_assert_int_eq(done.made, 1);
    ck_assert_int_eq(partitions(), 5);
    ck_assert_int_eq(sql_number("SELECT count(*) FROM auth_events_default WHERE user_id = '%s'", show(&user)), 0);
    ck_assert_int_eq(events_of(&user, "true"), 1);
    ck_assert_int_eq(auth_events_maintain(CALL, 0, &done), STATUS_OK);
    ck_assert_int_eq(done.made + done.removed + done.waiting, 0);
}
END_TEST

START_TEST(months_that_are_older_than_is_kept_are_removed) {
    struct auth_events_partitions done;
    struct uuid user = uuid_create();
    as_owner("CREATE TABLE auth_events_2020_02 PARTITION OF auth_events FOR VALUES FROM ('2020-02-01Z') TO ('2020-03-01Z')");
    sql("INSERT INTO auth_events (event, user_id, at) VALUES ('x', '%1$s', '2020-02-05'), ('x', '%1$s', '2019-02-05'), ('x', "
        "'%1$s', now())",
        show(&user));
    ck_assert_int_eq(auth_events_maintain(CALL, 0, &done), STATUS_OK);
    ck_assert_int_eq(events_of(&user, "true"), 3); /* 0: for ever */
    ck_assert_int_eq(auth_events_maintain(CALL, INT64_C(400) * 86400000, &done), STATUS_OK);
    ck_assert_int_eq(done.removed, 1);
    ck_assert_int_eq(events_of(&user, "true"), 1);
    ck_assert_int_eq(partitions(), 5);
}
END_TEST

/* A reader who takes his time does not hold up those who write: the partition goes at the next round. */
START_TEST(a_partition_that_is_read_is_removed_later) {
    struct auth_events_partitions done;
    PGconn *reader = PQconnectdb(getenv("JWTD_TEST_OWNER_DATABASE"));
    as_owner("CREATE TABLE auth_events_2020_02 PARTITION OF auth_events FOR VALUES FROM ('2020-02-01Z') TO ('2020-03-01Z')");
    PQclear(PQexec(reader, "BEGIN; SELECT count(*) FROM auth_events"));
    ck_assert_int_eq(auth_events_maintain(CALL, INT64_C(400) * 86400000, &done), STATUS_OK);
    ck_assert_int_eq(done.waiting, 1);
    PQfinish(reader);
    ck_assert_int_eq(auth_events_maintain(CALL, INT64_C(400) * 86400000, &done), STATUS_OK);
    ck_assert_int_eq(done.removed, 1);
}
END_TEST

static const char *const forbidden[] = {
    "UPDATE auth_events SET actor = 'x'", "DELETE FROM auth_events",        "TRUNCATE auth_events",
    "DELETE FROM auth_events_default",    "DROP TABLE auth_events_default",
};

/* Whatever was granted on all tables: who has the service's password can add events, and change none. */
START_TEST(the_service_role_cannot_change_the_audit) {
    struct auth_events_partitions done;
    as_owner("GRANT ALL ON auth_events, auth_events_default TO jwtd");
    ck_assert_int_eq(auth_events_maintain(CALL, 0, &done), STATUS_OK);
    PGconn *service = PQconnectdb(test_database());
    PGresult *result = PQexec(service, forbidden[_i]);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ck_assert_msg(sqlstate != NULL && strcmp(sqlstate, "42501") == 0, "%s", PQresultErrorMessage(result));
    PQclear(result);
    PQfinish(service);
}
END_TEST

/* Not even by the function that removes months with the rights of the owner: what is younger than 30 days. */
static const char *const too_short[] = { "-100 years", "-1 second", "0", "1 hour", "29 days 23 hours" };

START_TEST(the_service_role_cannot_have_the_audit_forgotten_at_once) {
    struct uuid user = uuid_create();
    char statement[128];
    sql("INSERT INTO auth_events (event, user_id, at) VALUES ('x', '%1$s', now()), ('x', '%1$s', now() + interval '10 years')",
        show(&user));
    snprintf(statement, sizeof statement, "SELECT auth_events_maintain(interval '%s')", too_short[_i]);
    PGconn *service = PQconnectdb(test_database());
    PGresult *result = PQexec(service, statement);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ck_assert_msg(sqlstate != NULL && strcmp(sqlstate, "22023") == 0, "%s", PQresultErrorMessage(result));
    PQclear(result);
    PQfinish(service);
    ck_assert_int_eq(partitions(), 5);
    ck_assert_int_eq(events_of(&user, "true"), 2);
}
END_TEST

/* That waits for the lock would take the connections from logins; whoever reads is refused after some tries instead. */
START_TEST(a_list_of_events_does_not_wait_for_who_locks_the_audit) {
    struct auth_event_filter filter = { .user_id = uuid_create(), .limit = 1 };
    struct auth_event_list list;
    PGconn *locker = PQconnectdb(getenv("JWTD_TEST_OWNER_DATABASE"));
    PQclear(PQexec(locker, "BEGIN; LOCK TABLE auth_events IN ACCESS EXCLUSIVE MODE"));
    int64_t began_us = clock_monotonic_us();
    ck_assert_int_eq(RUN(CALL, auth_events_list, &filter, &list), STATUS_DEADLINE_EXCEEDED);
    ck_assert_int_lt(clock_monotonic_us() - began_us, CLOCK_US_PER_S);
    PQfinish(locker);
    ck_assert_int_eq(RUN(CALL, auth_events_list, &filter, &list), STATUS_OK);
}
END_TEST

/* ---- what commands have noted ---- */

#define ADD_BY_SHELL "INSERT INTO auth_events (event, user_id, actor) SELECT 'x', '%s', 'shell:root' FROM generate_series(1, %d)"

#define AGE_EVENTS "UPDATE auth_events SET at = at - interval '1 minute' WHERE actor LIKE 'shell:%'"

static int visited;
static int64_t visited_at_us;
static struct uuid visited_id;

static void visit(const struct command_event *event) {
    ck_assert(text_equal(event->actor, text_of("shell:root")));
    visited++;
    visited_at_us = event->at_us;
    visited_id = event->id;
}

/* One command that ends the sessions of a user has as many events of one time; the last seconds are read again and again. */
START_TEST(events_of_commands_are_visited_once_however_many_one_has) {
    struct command_events_cursor cursor = { .from_us = 0 };
    struct uuid user = uuid_create();
    int events = 0;
    visited = 0;
    ck_assert_int_eq(command_events_read(CALL, &cursor, visit), STATUS_OK);
    for (int more = 2 * COMMAND_EVENTS_PAGE + 1; more > 0; more /= COMMAND_EVENTS_PAGE) {
        sql(ADD_BY_SHELL, show(&user), more);
        events += more;
        for (int page = 0; page < 6; page++)
            ck_assert_int_eq(command_events_read(CALL, &cursor, visit), STATUS_OK);
        ck_assert_int_eq(visited, events);
    }
    ck_assert_int_eq(visited_at_us, sql_number("SELECT (extract(epoch FROM max(at)) * 1000000)::bigint FROM auth_events"
                                               " WHERE user_id = '%s'",
                                               show(&user)));
}
END_TEST

/* Its transaction began before the first page was read. */
START_TEST(an_event_that_is_committed_while_others_fill_pages_is_visited) {
    struct command_events_cursor cursor = { .from_us = 0 };
    struct uuid user = uuid_create();
    as_owner(AGE_EVENTS);
    visited = 0;
    ck_assert_int_eq(command_events_read(CALL, &cursor, visit), STATUS_OK);
    sql(ADD_BY_SHELL, show(&user), COMMAND_EVENTS_PAGE + 1);
    ck_assert_int_eq(command_events_read(CALL, &cursor, visit), STATUS_OK);
    ck_assert_int_ne(cursor.again_us, 0);
    sql("INSERT INTO auth_events (event, actor, at) VALUES ('x', 'shell:root', 'epoch'::timestamptz + %lld * interval '1 us')",
        (long long)cursor.again_us + 1000);
    for (int page = 0; page < 4; page++)
        ck_assert_int_eq(command_events_read(CALL, &cursor, visit), STATUS_OK);
    ck_assert_int_eq(visited, COMMAND_EVENTS_PAGE + 2);
    as_owner(AGE_EVENTS);
}
END_TEST

static void read_twice(struct command_events_cursor *cursor) {
    for (int reading = 0; reading < 2; reading++)
        ck_assert_int_eq(command_events_read(CALL, cursor, visit), STATUS_OK);
}

/* As a service that is restarted reads: with a cursor of its own, from a moment before its first reading on. */
START_TEST(another_reader_visits_the_last_seconds_again_and_nothing_older) {
    struct command_events_cursor first = { .from_us = 0 }, second = { .from_us = 0 }, third = { .from_us = 0 };
    struct uuid user = uuid_create();
    as_owner(AGE_EVENTS);
    visited = 0;
    sql(ADD_BY_SHELL, show(&user), 1);
    read_twice(&first);
    ck_assert_int_eq(visited, 1);
    struct uuid id = visited_id;
    read_twice(&second);
    ck_assert_int_eq(visited, 2);
    ck_assert_mem_eq(&visited_id, &id, sizeof id);
    as_owner(AGE_EVENTS);
    read_twice(&third);
    ck_assert_int_eq(visited, 2);
}
END_TEST

TCase *store_audit_tests(void) {
    TCase *tests = tcase_create("audit");
    tcase_add_test(tests, events_wait_a_moment_and_are_written_together);
    tcase_add_test(tests, wrong_passwords_are_one_event_for_each_account_network_and_reason);
    tcase_add_test(tests, guessing_from_everywhere_is_bounded_and_what_is_beyond_is_counted);
    tcase_add_test(tests, refreshes_are_counted_and_are_one_event_an_hour);
    tcase_add_test(tests, what_is_lost_is_counted_and_noted_when_the_audit_is_well_again);
    tcase_add_test(tests, a_batch_that_is_written_again_is_there_once);
    tcase_add_test(tests, the_events_of_a_user_are_listed_newest_first_in_pages_that_leave_none_out);
    tcase_add_loop_test(tests, each_filter_of_the_list_finds_its_events_by_an_index, 0, (int)ARRAY_LEN(filters));
    tcase_add_loop_test(tests, what_is_no_cursor_is_refused, 0, (int)ARRAY_LEN(no_cursors));
    tcase_add_test(tests, partitions_are_made_ahead_and_take_over_what_came_before_them);
    tcase_add_test(tests, months_that_are_older_than_is_kept_are_removed);
    tcase_add_test(tests, a_partition_that_is_read_is_removed_later);
    tcase_add_loop_test(tests, the_service_role_cannot_change_the_audit, 0, (int)ARRAY_LEN(forbidden));
    tcase_add_loop_test(tests, the_service_role_cannot_have_the_audit_forgotten_at_once, 0, (int)ARRAY_LEN(too_short));
    tcase_add_test(tests, a_list_of_events_does_not_wait_for_who_locks_the_audit);
    tcase_add_test(tests, events_of_commands_are_visited_once_however_many_one_has);
    tcase_add_test(tests, an_event_that_is_committed_while_others_fill_pages_is_visited);
    tcase_add_test(tests, another_reader_visits_the_last_seconds_again_and_nothing_older);
    return tests;
}
