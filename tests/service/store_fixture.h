/*
 * What the tests of the store share: a second connection that reads the database and holds locks, and short names for
 * users and sessions. The database is the one of JWTD_TEST_DATABASE; its tables are emptied before each test.
 */
#ifndef JWTD_STORE_FIXTURE_H
#define JWTD_STORE_FIXTURE_H

#include "../../src/store/statement.h"

#include "jwtd/arena.h"
#include "jwtd/clock.h"
#include "jwtd/sessions.h"
#include "jwtd/users.h"

#include <check.h>
#include <pthread.h>
#include <stdint.h>

#define HASH "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"
#define CLIENT_IP "192.0.2.1"
#define URL_SIZE 512
#define OTHER_HASH "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$b3RoZXI"

extern struct db *db;
extern struct arena arena;
extern const struct session_limits limits; /* 30 days, 7 days, 10 seconds */
extern const char *test_change; /* the change context of every query and call; before each test that of no credential */

void fixture_start(void); /* checked fixture */
void fixture_stop(void);

const char *test_database(void);
/* A URL or conninfo with one more word; returns `url`. The value must need no escaping in either. */
const char *database_with(const char *database, const char *word, const char *value, char url[URL_SIZE]);
/* Whether that database is behind a pooler (JWTD_DATABASE_PREPARED=off, as for the service itself). */
bool test_is_pooled(void);
struct db *open_db(void); /* another connection, application_name jwtd_store_test; the caller destroys it */

/* Ends the connection `db` and opens another. What the server counts (pg_stat_*) is reported: a server process does so when it
 * ends. Not through a pooler, which keeps its server processes. */
void reopen_and_report_counts(void);
int64_t soon(void); /* a deadline 20 s from now */

/* The first argument of RUN and of the functions that wait: due soon, and with what is returned in `arena`. */
#define CALL_ON(link) (&(struct db_call){ .db = (link), .deadline_us = soon(), .arena = &arena, .change = test_change })
#define CALL CALL_ON(db)

/* Asks by a function that takes a query, runs it, and returns its status: RUN(CALL, users_find_by_id, &id, &found). */
#define RUN(call, ask, ...) (ask(new_query(), __VA_ARGS__), db_run((call), last_query()))
struct db_query *new_query(void);  /* it asks nothing; each thread has one */
struct db_query *last_query(void); /* of this thread */

/* A reader (statement.h): the first row's columns as texts, each as a time if it is one. The caller sets `count`. */
struct first_row {
    int count;
    const char *texts[8];
};
enum status read_first_row(const struct db_rows *rows, struct arena *arena, void *result);

enum status ping(struct db *db, int64_t deadline_us); /* SELECT 1 */

/* printf into SQL and run it on the second connection; the test fails if it fails. sql_number returns the first value. */
void sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t sql_number(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits until a connection of the program waits for a lock; fails after 3 s. */
void await_blocked_statement(void);

struct email_forms email_of(const char *typed);
struct uuid add_user(const char *email);                                          /* password_version 1 */
struct uuid add_session(const struct uuid *user_id);                              /* generation 1 */
enum session_refresh refresh(const struct uuid *session_id, uint32_t generation); /* by CLIENT_IP */
/* What administrators change (user_admin.h), in any version; *found: whether there is such a user. */
enum status change_user(const struct db_call *call, const char *email, const char *changes, bool *found);
const char *show(const struct uuid *id); /* text of an id; good until the fourth call from here */
int64_t live_sessions(const struct uuid *user_id);

TCase *store_users_tests(void);
TCase *store_admin_tests(void);
TCase *store_sessions_tests(void);
TCase *store_idempotency_tests(void);
TCase *store_refresh_tests(void);
TCase *store_races_tests(void);
TCase *store_connection_tests(void);
TCase *store_unprepared_tests(void);
TCase *store_audit_tests(void);
TCase *store_executor_tests(void);
TCase *store_executor_deadline_tests(void);
TCase *store_executor_server_tests(void);
TCase *store_executor_connection_tests(void);
TCase *store_migrations_tests(void);

#endif
