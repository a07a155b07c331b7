#include "executor_fixture.h"
#include "store_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_US (20 * CLOCK_US_PER_S)
#define SLACK_US (300 * MS)

static enum status read_task(const struct db_rows *rows, struct arena *unused, void *result) {
    struct task *task = result;
    (void)unused;
    ck_assert_uint_eq(db_row_count(rows), 1);
    task->value = db_integer(rows, 0, 0);
    task->transaction = db_integer(rows, 0, 1);
    task->backend = db_integer(rows, 0, 2);
    return STATUS_OK;
}

/* clang-format off */
#define AND_ITS_TRANSACTION ", (extract(epoch FROM now()) * 1000000)::bigint, pg_backend_pid()"
#define ROW .parameters = 1, .columns = 3, .read = read_task

const struct db_statement read_value = {
    .name = "read_value", .sql = "SELECT $1::integer" AND_ITS_TRANSACTION, .only_reads = true, ROW
};
const struct db_statement read_other_value = {
    .name = "read_other_value", .sql = "SELECT $1::integer + 0" AND_ITS_TRANSACTION, .only_reads = true, ROW
};
const struct db_statement read_name = {
    .name = "read_name", .sql = "SELECT (current_setting('application_name') = $1)::integer" AND_ITS_TRANSACTION, .only_reads = true, ROW
};
const struct db_statement divide = {
    .name = "divide", .sql = "SELECT 1 / $1::integer" AND_ITS_TRANSACTION, .only_reads = true, ROW
};
const struct db_statement slow_read = {
    .name = "slow_read", .sql = "SELECT floor($1::float8)::integer" AND_ITS_TRANSACTION ", pg_sleep($1::float8)",
    .only_reads = true, .parameters = 1, .columns = 4, .read = read_task
};
const struct db_statement slow_write = {
    .name = "slow_write", .sql = "SELECT floor($1::float8)::integer" AND_ITS_TRANSACTION ", pg_sleep($1::float8)",
    .parameters = 1, .columns = 4, .read = read_task
};
const struct db_statement write_value = {
    .name = "write_value", .sql = "SELECT $1::integer" AND_ITS_TRANSACTION, ROW
};
/* clang-format on */

const struct db_statement touch = { .name = "touch",
                                    .sql = "UPDATE users SET password_hash = password_hash WHERE email = $1",
                                    .parameters = 1 };

const struct db_statement conflict = { .name = "conflict",
                                       .sql = "DO $d$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $d$",
                                       .parameters = 0 };

/* Borrowed by the connections. */
static char *kept_url;

struct db_executor *open_executor(const char *url, unsigned threads, unsigned connections) {
    ck_assert_ptr_null(kept_url);
    kept_url = strdup(url);
    ck_assert_ptr_nonnull(kept_url);
    const char *prepared = getenv("JWTD_DATABASE_PREPARED");
    struct db_options options = { .url = kept_url,
                                  .statement_timeout_ms = 4000,
                                  .connect_timeout_ms = 3000,
                                  .unprepared = prepared != NULL && strcmp(prepared, "off") == 0 };
    struct db_executor *executor = db_executor_create(&(struct db_executor_options){
        .connection = &options, .threads = threads, .connections = connections, .queue_limit = 100000 });
    ck_assert_ptr_nonnull(executor);
    return executor;
}

void close_executor(struct db_executor *executor) {
    db_executor_destroy(executor);
    free(kept_url);
    kept_url = NULL;
}

/* After this the task may be gone. */
static void note_done(struct db_query *query) {
    struct task *task = query->context;
    task->ended_us = clock_monotonic_us();
    atomic_fetch_add(&task->done, 1);
}

static void prepare(struct task *task, const struct db_statement *statement, const char *value, int64_t turn_us,
                    int64_t deadline_us) {
    int64_t now_us = clock_monotonic_us();
    const char *parameter = task->text;
    *task = (struct task){ .submitted_us = now_us };
    snprintf(task->text, sizeof task->text, "%s", value);
    db_ask(&task->query, statement, &parameter, task);
    task->query.turn_deadline_us = now_us + turn_us;
    task->query.deadline_us = now_us + deadline_us;
    task->query.done = note_done;
    task->query.context = task;
}

static void submit_prepared(struct db_executor *executor, struct task *task) {
    admission_reserve_next(db_executor_admission(executor));
    db_executor_submit(executor, &task->query);
}

void submit_due(struct db_executor *executor, struct task *task, const struct db_statement *statement, const char *value,
                int64_t turn_us, int64_t deadline_us) {
    prepare(task, statement, value, turn_us, deadline_us);
    submit_prepared(executor, task);
}

void submit_named(struct db_executor *executor, struct task *task, const struct db_statement *statement, const char *value,
                  const char *application_name) {
    prepare(task, statement, value, 5 * CLOCK_US_PER_S, 5 * CLOCK_US_PER_S);
    task->query.application_name = application_name;
    submit_prepared(executor, task);
}

void submit(struct db_executor *executor, struct task *task, const struct db_statement *statement, const char *value) {
    submit_due(executor, task, statement, value, 5 * CLOCK_US_PER_S, 5 * CLOCK_US_PER_S);
}

void submit_number(struct db_executor *executor, struct task *task, const struct db_statement *statement, int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    submit(executor, task, statement, text);
}

bool is_done(const struct task *task) {
    return atomic_load(&task->done) > 0;
}

void await_tasks(struct task *tasks, size_t count) {
    int64_t deadline_us = clock_monotonic_us() + PATIENCE_US;
    for (size_t i = 0; i < count; i++) {
        struct task *task = &tasks[i];
        while (!is_done(task)) {
            ck_assert_msg(clock_monotonic_us() < deadline_us, "%zu of %zu is not done", i, count);
            usleep(100);
        }
        ck_assert_uint_eq(atomic_load(&task->done), 1);
        task->status = db_take(&task->query, NULL);
    }
}

void await_task(struct task *task) {
    await_tasks(task, 1);
}

int64_t run_task(struct db_executor *executor, const struct db_statement *statement, const char *value) {
    struct task task;
    submit(executor, &task, statement, value);
    await_task(&task);
    ck_assert_int_eq(task.status, STATUS_OK);
    return task.ended_us - task.submitted_us;
}

static int by_value(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

int64_t percentile_99(int64_t *values, size_t count) {
    qsort(values, count, sizeof values[0], by_value);
    return values[count * 99 / 100];
}

static const char *executor_url(void) {
    static char url[URL_SIZE];
    return database_with(test_database(), "application_name", "jwtd_store_test", url);
}

struct db_executor *start_executor(unsigned threads, unsigned connections) {
    return open_executor(executor_url(), threads, connections);
}

bool same_transaction(const struct task *a, const struct task *b) {
    return a->transaction == b->transaction && a->backend == b->backend;
}

void assert_value(const struct task *task, int64_t value) {
    ck_assert_int_eq(task->status, STATUS_OK);
    ck_assert_int_eq(task->value, value);
}

void assert_ended_after(const struct task *task, int64_t us, enum status status) {
    int64_t took_us = task->ended_us - task->submitted_us;
    ck_assert_int_eq(task->status, status);
    ck_assert_msg(took_us >= us && took_us < us + SLACK_US, "%lld us", (long long)took_us);
}

void lock_row(const char *email) {
    sql("BEGIN");
    sql("SELECT FROM users WHERE email = '%s' FOR UPDATE", email);
}

void await_blocked(int64_t wanted) {
    int64_t blocked = -1;
    for (int tries = 0; tries < 300 && blocked != wanted; tries++) {
        usleep(10000);
        sql("SELECT pg_stat_clear_snapshot()");
        blocked = sql_number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
                             "current_database()");
    }
    ck_assert_int_eq(blocked, wanted);
}
