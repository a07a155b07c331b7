/* GET /auth/revocations, as the services that follow it see it: what is sent, and how a follower comes back. */
#include "revocations_fixture.h"
#include "support/account.h"
#include "support/database.h"
#include "support/load.h"
#include "support/process.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *revocations_suite(void);

/* The claim sid of an access token, from X-Auth-Session. */
static void read_session_id(const struct server *server, const char *access_token, char id[64]) {
    struct reply reply = http_json(server, "GET", "/auth/verify", access_token, NULL);
    ck_assert_int_eq(reply.status, 200);
    http_header(&reply, "X-Auth-Session", id, 64);
    http_free(&reply);
}

struct login {
    struct tokens tokens;
    char session_id[64];
};

static struct login log_in(const struct server *server) {
    struct account account = account_register(server);
    struct login login = { .tokens = account_login(server, &account) };
    read_session_id(server, login.tokens.access, login.session_id);
    return login;
}

static void log_out(const struct server *server, const struct login *login) {
    expect_status(http_json(server, "POST", "/auth/logout", login->tokens.access, NULL), 204);
}

/* How many seconds old the knowledge is said to be. */
static long stale_s(const struct stream_event *event) {
    static const char words[] = "stale-for ";
    char *end;
    ck_assert_msg(strncmp(event->comment, words, strlen(words)) == 0, "%s", event->comment);
    long seconds = strtol(event->comment + strlen(words), &end, 10);
    ck_assert(end != event->comment + strlen(words) && *end == '\0');
    return seconds;
}

/* A statement as the superuser, in a transaction that is left open. */
static PGconn *begin_with(const char *statement) {
    PGconn *connection = PQconnectdb(getenv("JWTD_TEST_SUPERUSER_DATABASE"));
    PQclear(PQexec(connection, "BEGIN"));
    PGresult *result = PQexec(connection, statement);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(connection));
    PQclear(result);
    return connection;
}

static void commit(PGconn *connection) {
    PQclear(PQexec(connection, "COMMIT"));
    PQfinish(connection);
}

static const char *insertion_of(const char *session_id, char statement[256]) {
    snprintf(statement, 256, "INSERT INTO revocations (session_id, user_id, reason) VALUES ('%s', gen_random_uuid(), 'logout')",
             session_id);
    return statement;
}

#define EARLY_ID "00000000-0000-4000-8000-000000000001"
#define LATE_ID "00000000-0000-4000-8000-000000000002"

/* ---- what is sent ---- */

START_TEST(a_logout_is_an_event_at_every_instance) {
    struct server other = server_start_beside(&shared_server, NULL);
    struct login login = log_in(&shared_server);
    await_ready(&other);
    struct follower *here = follower_open(&shared_server, NULL, NULL), *there = follower_open(&other, NULL, NULL);
    bool is_resumed;
    struct stream_event event;
    follower_await_snapshot(here, &is_resumed);
    ck_assert(!is_resumed);
    follower_await_snapshot(there, &is_resumed);
    ck_assert_int_eq(here->retry_ms, 1000);
    log_out(&shared_server, &login);
    ck_assert(follower_await_session(here, login.session_id, SOON_MS));
    ck_assert(follower_await_session(there, login.session_id, SOON_MS));
    ck_assert(!follower_next(here, 300, &event)); /* once */
    follower_close(here);
    follower_close(there);
    server_finish(&other);
}
END_TEST

START_TEST(an_event_says_whose_session_ended_when_and_why_and_until_when_it_matters) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    struct follower *follower = follower_open(&shared_server, NULL, NULL);
    struct stream_event event = { .name = "" };
    char session_id[64], wanted[512];
    long long at, until;
    bool is_resumed;
    read_session_id(&shared_server, tokens.access, session_id);
    follower_await_snapshot(follower, &is_resumed);
    int64_t began_s = clock_wall_s();
    expect_status(http_json(&shared_server, "POST", "/auth/logout", tokens.access, NULL), 204);
    while (!event_is_of_session(&event, session_id))
        ck_assert(follower_next(follower, SOON_MS, &event));
    const char *times = strstr(event.data, "\"event_timestamp\":"), *end = strstr(event.data, "\"until\":");
    ck_assert(times != NULL && end != NULL);
    at = strtoll(times + strlen("\"event_timestamp\":"), NULL, 10);
    until = strtoll(end + strlen("\"until\":"), NULL, 10);
    snprintf(wanted, sizeof wanted,
             "{\"sub_id\":{\"format\":\"complex\",\"session\":{\"format\":\"opaque\",\"id\":\"%s\"},"
             "\"user\":{\"format\":\"opaque\",\"id\":\"%s\"}},\"event_timestamp\":%lld,\"initiating_entity\":\"user\","
             "\"reason\":\"logout\",\"until\":%lld}",
             session_id, account.id, at, until);
    ck_assert_str_eq(event.data, wanted);
    ck_assert(at >= began_s - 1 && at <= clock_wall_s() + 1);
    ck_assert(until >= at + 940 && until <= at + 960);
    follower_close(follower);
}
END_TEST

/* What ends the first of a user's two sessions: the request of an administrator, or else of the user in the second one. */
static const struct ending {
    const char *reason, *initiator;
    const char *method, *path, *rest; /* NULL: a row of the table. Between path and rest, unless NULL, stands an id: the user's
                                       * where an administrator asks, the session's where the user does */
    const char *body;
    bool is_by_administrator;
} endings[] = {
    { "ended_by_user", "user", "DELETE", "/auth/sessions/", "", NULL, false },
    { "password_changed", "user", "POST", "/auth/password", NULL,
      "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"another passphrase\"}", false },
    { "user_deleted", "user", "DELETE", "/auth/me", NULL, "{\"current_password\":\"" PASSWORD "\"}", false },
    { "user_disabled", "admin", "PATCH", "/users/", "", "{\"disabled\":true}", true },
    { "password_change_required", "admin", "PATCH", "/users/", "", "{\"password_change_required\":true}", true },
    { "ended_by_administrator", "admin", "POST", "/users/", "/sessions/revoke", NULL, true },
    { "deleted_by_administrator", "admin", "DELETE", "/users/", "", NULL, true },
    { .reason = "limit", .initiator = "policy" },
    { .reason = "reuse", .initiator = "policy" },
    { .reason = "of_a_later_release", .initiator = "system" },
};

static void end_session(const struct ending *ending, const struct account *account, const char *session_id) {
    char path[128], statement[256], authorization[TOKEN_SIZE + 32];
    if (ending->method == NULL) {
        snprintf(statement, sizeof statement, "INSERT INTO revocations (session_id, user_id, reason) VALUES ('%s', '%s', '%s')",
                 session_id, account->id, ending->reason);
        run_sql(statement);
        return;
    }
    struct account asking = *account;
    if (ending->is_by_administrator) {
        asking = account_register(&shared_server);
        database_value("UPDATE users SET roles = '{admin}' WHERE id = $1", asking.id, statement, sizeof statement);
    }
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", account_login(&shared_server, &asking).access);
    const char *const headers[] = { authorization, "Content-Type: application/json", "If-Match: \"1\"", NULL };
    const char *id = ending->is_by_administrator ? account->id : session_id;
    bool has_id = ending->rest != NULL;
    snprintf(path, sizeof path, "%s%s%s", ending->path, has_id ? id : "", has_id ? ending->rest : "");
    struct reply reply = http_send(&shared_server, ending->method, path, headers, ending->body);
    ck_assert_msg(reply.status == 200 || reply.status == 204, "%s: %ld %s", ending->reason, reply.status, reply.body);
    http_free(&reply);
}

START_TEST(an_event_says_who_has_ended_the_session) {
    const struct ending *ending = &endings[_i];
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    struct stream_event event = { .name = "" };
    char session_id[64], wanted[128];
    bool is_resumed;
    read_session_id(&shared_server, tokens.access, session_id);
    struct follower *follower = follower_open(&shared_server, NULL, NULL);
    follower_await_snapshot(follower, &is_resumed);
    end_session(ending, &account, session_id);
    while (!event_is_of_session(&event, session_id))
        ck_assert(follower_next(follower, SOON_MS, &event));
    snprintf(wanted, sizeof wanted, "\"initiating_entity\":\"%s\",\"reason\":\"%s\"", ending->initiator, ending->reason);
    ck_assert_msg(strstr(event.data, wanted) != NULL, "%s is not in %s", wanted, event.data);
    follower_close(follower);
}
END_TEST

START_TEST(a_snapshot_has_all_that_still_matters) {
    empty_table();
    struct server server = server_start_beside(&shared_server, NULL);
    run_sql("INSERT INTO revocations (session_id, user_id, reason, revoked_at) VALUES (gen_random_uuid(), gen_random_uuid(),"
            " 'logout', now() - interval '2 hours')");
    revoke_made_up_sessions(3000);
    struct server late = server_start_beside(&shared_server, NULL);
    await_ready(&late);
    bool is_resumed = true;
    struct follower *follower = follower_open(&late, NULL, NULL);
    ck_assert_uint_eq(follower_await_snapshot(follower, &is_resumed), 3000);
    ck_assert(!is_resumed);
    follower_close(follower);
    server_finish(&late);
    server_finish(&server);
}
END_TEST

START_TEST(a_heartbeat_says_how_old_the_knowledge_is_and_moves_the_cursor) {
    struct follower *follower = follower_open(&shared_server, NULL, "heartbeat=1");
    struct stream_event event;
    char before[96];
    bool is_resumed;
    follower_await_snapshot(follower, &is_resumed);
    snprintf(before, sizeof before, "%s", follower->last_id);
    run_sql("CREATE TABLE IF NOT EXISTS moves_the_horizon (i integer)");
    run_sql("DROP TABLE moves_the_horizon");
    struct waits waits = process_waits(shared_server.pid);
    unsigned fresh = 0;
    for (int i = 0; i < 10 && fresh < 2; i++) { /* a machine that is busy for a second makes what is known older */
        double waited_s = thread_waited_s();
        int64_t began_us = clock_monotonic_us();
        do /* sessions that ended before */
            ck_assert(follower_next(follower, SOON_MS, &event));
        while (event.name[0] != '\0');
        double took_s = (double)(clock_monotonic_us() - began_us) / 1e6, machine_s = thread_waited_s() - waited_s;
        ck_assert_double_lt(took_s, 1.5 + machine_s + longest_wait_s(shared_server.pid, &waits));
        fresh += stale_s(&event) == 0;
    }
    ck_assert_uint_eq(fresh, 2);
    ck_assert_str_ne(follower->last_id, before);
    follower_close(follower);
}
END_TEST

/* Or each client would wait for its first heartbeat before it could trust what it has. */
START_TEST(a_follower_is_told_how_old_the_knowledge_is_as_soon_as_it_has_all) {
    struct follower *follower = follower_open(&shared_server, NULL, NULL);
    struct stream_event event;
    bool is_resumed;
    int64_t began_us = clock_monotonic_us();
    follower_await_snapshot(follower, &is_resumed);
    ck_assert(follower_next(follower, SOON_MS, &event));
    ck_assert_int_le(stale_s(&event), 1);
    ck_assert(clock_monotonic_us() - began_us < SOON_MS * INT64_C(1000));
    follower_close(follower);
}
END_TEST

#define BURST 5000
#define IN_THE_SOCKETS 1000 /* what a follower that does not read has been sent is less */

START_TEST(a_follower_that_is_behind_is_not_told_that_it_is_fresh) {
    struct follower *follower = follower_open(&shared_server, NULL, "heartbeat=1");
    struct stream_event event;
    bool is_resumed;
    int size = 65536;
    ck_assert_int_eq(setsockopt(follower->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    follower_await_snapshot(follower, &is_resumed);
    revoke_made_up_sessions(BURST);
    for (unsigned i = 0, rests = 0; i < BURST;) {
        if (i == rests * BURST / 2 && rests++ < 2)
            usleep(990000); /* it has all been read before the first one ends, and before the second one a heartbeat is due */
        ck_assert(follower_next(follower, SOON_MS, &event));
        ck_assert_msg(event.comment[0] == '\0' || i < IN_THE_SOCKETS, "\"%s\" before %u events", event.comment, BURST - i);
        i += event.name[0] != '\0';
    }
    do
        ck_assert(follower_next(follower, SOON_MS, &event));
    while (event.comment[0] == '\0');
    follower_close(follower);
    empty_table();
}
END_TEST

/* By a row, as `jwtd key revoke` writes it: instances need not share a directory of keys. */
START_TEST(a_revoked_key_is_an_event_and_in_every_snapshot) {
    struct stream_event event;
    struct follower *follower = follower_open(&shared_server, NULL, NULL);
    bool is_resumed;
    follower_await_snapshot(follower, &is_resumed);
    run_sql("INSERT INTO revoked_keys (kid, revoked_at) VALUES ('stolen-key', to_timestamp(1763700000))");
    do
        ck_assert(follower_next(follower, SOON_MS, &event));
    while (strcmp(event.name, "key-revoked") != 0);
    ck_assert_str_eq(event.data, "{\"kid\":\"stolen-key\",\"event_timestamp\":1763700000}");
    struct follower *late = follower_open(&shared_server, follower->last_id, NULL);
    ck_assert(follower_next(late, SOON_MS, &event));
    ck_assert_str_eq(event.name, "key-revoked");
    follower_close(follower);
    follower_close(late);
    run_sql("DELETE FROM revoked_keys");
}
END_TEST

/* ---- coming back ---- */

START_TEST(a_follower_resumes_at_another_instance_with_what_it_missed_and_no_more) {
    empty_table();
    struct server other = server_start_beside(&shared_server, NULL);
    await_ready(&other);
    run_sql("INSERT INTO revocations (session_id, user_id, reason, revoked_at) SELECT gen_random_uuid(), gen_random_uuid(),"
            " 'logout', now() - interval '1 minute' FROM generate_series(1, 100)");
    char cursor[96];
    bool is_resumed;
    struct login login = log_in(&shared_server);
    struct follower *follower = follower_open(&shared_server, NULL, "heartbeat=1");
    struct stream_event event;
    follower_await_snapshot(follower, &is_resumed);
    for (unsigned heartbeats = 0; heartbeats < 2; heartbeats += event.comment[0] != '\0') /* all of it is behind the cursor */
        ck_assert(follower_next(follower, SOON_MS, &event));
    snprintf(cursor, sizeof cursor, "%s", follower->last_id);
    follower_close(follower);
    log_out(&shared_server, &login);
    follower = follower_open(&other, cursor, NULL);
    unsigned count = follower_await_snapshot(follower, &is_resumed);
    ck_assert(is_resumed);
    if (count == 0) /* this instance has not read it either */
        ck_assert(follower_await_session(follower, login.session_id, SOON_MS));
    else
        ck_assert_uint_eq(count, 1);
    follower_close(follower);
    server_finish(&other);
}
END_TEST

static const char *const foreign_cursors[] = {
    "x",
    "-1",
    "0",
    "00000000-0000-0000-0000-000000000000.0.0",
    "0198c0de-0000-7000-8000-000000000000.1.1763700000", /* of another database */
    "0198c0de-0000-7000-8000-000000000000.18446744073709551616.1763700000",
    "%s%n%x",
    "'; DROP TABLE revocations; --",
    "................................................................................................",
};

START_TEST(a_cursor_that_is_unknown_is_answered_with_the_snapshot) {
    bool is_resumed = true;
    revoke_made_up_sessions(1);
    struct follower *follower = follower_open(&shared_server, foreign_cursors[_i], NULL);
    ck_assert_uint_gt(follower_await_snapshot(follower, &is_resumed), 0);
    ck_assert(!is_resumed);
    follower_close(follower);
}
END_TEST

/* Waits until the instance has read all that is committed now. */
static void await_pass(struct follower *follower) {
    static unsigned passes = 10; /* a session that is known is no event again */
    char session_id[64], statement[256];
    snprintf(session_id, sizeof session_id, "00000000-0000-4000-8000-%012u", passes++);
    run_sql(insertion_of(session_id, statement));
    ck_assert(follower_await_session(follower, session_id, SOON_MS));
}

/* Its number is assigned before those of the others, and it is seen after them. */
START_TEST(a_transaction_that_commits_late_leaves_no_gap) {
    struct server other = server_start_beside(&shared_server, NULL);
    char statement[256], cursor[96];
    bool is_resumed;
    await_ready(&other);
    PGconn *late = begin_with(insertion_of(LATE_ID, statement));
    struct follower *follower = follower_open(&shared_server, NULL, "heartbeat=1");
    follower_await_snapshot(follower, &is_resumed);
    run_sql(insertion_of(EARLY_ID, statement));
    ck_assert(follower_await_session(follower, EARLY_ID, SOON_MS));
    struct stream_event event;
    do
        ck_assert(follower_next(follower, SOON_MS, &event));
    while (event.comment[0] == '\0'); /* the cursor has moved as far as it may */
    snprintf(cursor, sizeof cursor, "%s", follower->last_id);
    await_pass(follower);
    follower_close(follower);
    follower = follower_open(&other, NULL, NULL);
    follower_await_snapshot(follower, &is_resumed);
    await_pass(follower);
    follower_close(follower);
    commit(late);
    follower = follower_open(&other, cursor, NULL);
    ck_assert(follower_await_session(follower, LATE_ID, SOON_MS));
    follower_close(follower);
    /* and while it listens */
    late = begin_with("INSERT INTO revocations (session_id, user_id, reason, revoked_at) VALUES ('" LATE_ID "',"
                      " gen_random_uuid(), 'logout', now() - interval '10 minutes')");
    run_sql("DELETE FROM revocations WHERE session_id = '" LATE_ID "'");
    struct server third = server_start_beside(&shared_server, NULL);
    await_ready(&third);
    follower = follower_open(&third, NULL, NULL);
    follower_await_snapshot(follower, &is_resumed);
    await_pass(follower);
    commit(late);
    ck_assert(follower_await_session(follower, LATE_ID, SOON_MS));
    follower_close(follower);
    server_finish(&third);
    server_finish(&other);
}
END_TEST

Suite *revocations_suite(void) {
    Suite *suite = suite_create("revocations");
    TCase *tcase = tcase_create("revocations");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, revocations_start, shared_server_finish);
    tcase_add_test(tcase, a_logout_is_an_event_at_every_instance);
    tcase_add_test(tcase, an_event_says_whose_session_ended_when_and_why_and_until_when_it_matters);
    tcase_add_loop_test(tcase, an_event_says_who_has_ended_the_session, 0, (int)ARRAY_LEN(endings));
    tcase_add_test(tcase, a_snapshot_has_all_that_still_matters);
    tcase_add_test(tcase, a_heartbeat_says_how_old_the_knowledge_is_and_moves_the_cursor);
    tcase_add_test(tcase, a_follower_is_told_how_old_the_knowledge_is_as_soon_as_it_has_all);
    tcase_add_test(tcase, a_follower_that_is_behind_is_not_told_that_it_is_fresh);
    tcase_add_test(tcase, a_revoked_key_is_an_event_and_in_every_snapshot);
    tcase_add_test(tcase, a_follower_resumes_at_another_instance_with_what_it_missed_and_no_more);
    tcase_add_loop_test(tcase, a_cursor_that_is_unknown_is_answered_with_the_snapshot, 0, (int)ARRAY_LEN(foreign_cursors));
    tcase_add_test(tcase, a_transaction_that_commits_late_leaves_no_gap);
    suite_add_tcase(suite, tcase);
    return suite;
}
