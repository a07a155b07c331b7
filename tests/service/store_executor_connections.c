/* The executor and its connections: what becomes of a query whose connection is lost, is not prepared, or is to a server that
 * does not write. Not through a pooler, which loses other connections. */
#include "executor_fixture.h"
#include "store_fixture.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <unistd.h>

START_TEST(a_read_that_is_not_prepared_yet_goes_alone) {
    static const struct db_statement misspelt = {
        .name = "misspelt", .sql = "SELEKT $1::integer", .parameters = 1, .columns = 3, .only_reads = true
    };
    const struct db_statement *const asked[] = { &read_value, &read_other_value, &read_value, &misspelt, &read_value };
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, tasks[5];
    log_set_level(LOG_ERROR + 1);
    run_task(executor, &read_value, "0");
    submit(executor, &blocker, &slow_write, "0.05");
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        submit_number(executor, &tasks[i], asked[i], (int64_t)i);
    await_task(&blocker);
    await_tasks(tasks, ARRAY_LEN(tasks));
    ck_assert(!same_transaction(&tasks[0], &tasks[1]));
    ck_assert(!same_transaction(&tasks[1], &tasks[2]));
    ck_assert_int_eq(tasks[3].status, STATUS_INTERNAL);
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        if (asked[i] != &misspelt)
            assert_value(&tasks[i], (int64_t)i);
    close_executor(executor);
}
END_TEST

static void terminate(const char *condition) {
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jwtd_store_test' AND %s", condition);
}

static void await_sleeping(int64_t wanted) {
    for (int tries = 0; tries < 300; tries++) {
        sql("SELECT pg_stat_clear_snapshot()");
        if (sql_number("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == wanted)
            return;
        usleep(10000);
    }
    ck_abort_msg("%lld do not sleep", (long long)wanted);
}

START_TEST(each_of_a_round_trip_that_is_lost_is_run_once_more) {
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, tasks[20];
    log_set_level(LOG_ERROR);
    run_task(executor, &read_value, "0");
    run_task(executor, &slow_read, "0");
    submit(executor, &blocker, &slow_write, "0.05");
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        if (i == 10)
            submit(executor, &tasks[i], &slow_read, "0.2");
        else
            submit(executor, &tasks[i], &slow_read, "0");
    await_task(&blocker);
    await_sleeping(1);
    terminate("wait_event = 'PgSleep'");
    await_tasks(tasks, ARRAY_LEN(tasks));
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        assert_value(&tasks[i], 0);
        ck_assert(tasks[i].query.was_rerun);
        ck_assert(i == 0 || !same_transaction(&tasks[i], &tasks[i - 1]));
    }
    close_executor(executor);
}
END_TEST

/* Whichever of the connections it was: the others are idle, and have nothing to do. */
START_TEST(a_write_that_is_lost_is_run_once_more_beside_idle_connections) {
    struct db_executor *executor = start_executor(1, 4);
    log_set_level(LOG_ERROR);
    for (size_t lost = 0; lost < 3; lost++) {
        struct task tasks[3];
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            submit(executor, &tasks[i], &slow_write, i == lost ? "0.4" : "0.1");
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            if (i != lost)
                await_task(&tasks[i]);
        await_sleeping(1);
        terminate("wait_event = 'PgSleep'");
        await_task(&tasks[lost]);
        assert_value(&tasks[lost], 0);
        ck_assert(tasks[lost].query.was_rerun);
        int64_t took_us = tasks[lost].ended_us - tasks[lost].submitted_us;
        ck_assert_msg(took_us < CLOCK_US_PER_S, "%lld us", (long long)took_us);
    }
    close_executor(executor);
}
END_TEST

static const struct db_statement suicide = {
    .name = "suicide", .sql = "SELECT pg_terminate_backend(pg_backend_pid())", .columns = 1, .parameters = 0
};

START_TEST(a_statement_that_loses_every_connection_is_unavailable_after_its_second_run) {
    struct db_executor *executor = start_executor(1, 1);
    struct task task;
    log_set_level(LOG_ERROR);
    run_task(executor, &read_value, "0");
    submit(executor, &task, &suicide, "");
    await_task(&task);
    ck_assert_int_eq(task.status, STATUS_DATABASE_UNAVAILABLE);
    ck_assert(task.query.was_rerun);
    close_executor(executor);
}
END_TEST

START_TEST(a_statement_in_conflict_ends_when_there_is_no_connection_left) {
    struct db_executor *executor = start_executor(1, 1);
    struct task conflicts[3], lost;
    log_set_level(LOG_ERROR);
    run_task(executor, &read_value, "0");
    for (size_t i = 0; i < ARRAY_LEN(conflicts); i++)
        submit(executor, &conflicts[i], &conflict, "");
    submit(executor, &lost, &suicide, "");
    await_task(&lost);
    await_tasks(conflicts, ARRAY_LEN(conflicts));
    for (size_t i = 0; i < ARRAY_LEN(conflicts); i++) {
        ck_assert_int_eq(conflicts[i].status, STATUS_DATABASE_UNAVAILABLE);
        ck_assert_int_lt(conflicts[i].ended_us - conflicts[i].submitted_us, CLOCK_US_PER_S);
    }
    close_executor(executor);
}
END_TEST

/* Its first run fails with a conflict, each later one waits for lock 88. The lock that says which run it is outlives the
 * rollback. */
static const struct db_statement conflict_then_wait = {
    .name = "conflict_then_wait",
    .sql = "DO $d$ BEGIN"
           " IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 77) THEN"
           "   PERFORM pg_advisory_xact_lock(88);"
           " ELSE"
           "   PERFORM pg_advisory_lock(77);"
           "   RAISE EXCEPTION USING ERRCODE = '40001';"
           " END IF; END $d$",
};

/* The connection that is kept for reads is not for a write either that is run again. */
START_TEST(no_read_waits_behind_writes_that_are_run_again) {
    struct db_executor *executor = start_executor(1, 2);
    struct task tasks[2];
    log_set_level(LOG_ERROR);
    sql("SELECT pg_advisory_lock(88)");
    submit(executor, &tasks[0], &conflict_then_wait, "");
    submit(executor, &tasks[1], &conflict_then_wait, "");
    await_blocked(1);
    usleep(50000);
    /* one that waited behind the write would wait for the lock, until the deadline; a busy machine costs single ones more than 50
     * ms */
    int slow = 0;
    for (int i = 0; i < 50; i++)
        slow += run_task(executor, &read_value, "1") >= 50 * MS;
    ck_assert_msg(slow <= 5, "%d of 50 reads took 50 ms and more", slow);
    sql("SELECT pg_advisory_unlock(88)");
    await_tasks(tasks, 2);
    ck_assert_int_eq(tasks[0].status, STATUS_OK);
    ck_assert_int_eq(tasks[1].status, STATUS_OK);
    ck_assert_uint_eq(tasks[0].query.tries + tasks[1].query.tries, 1);
    close_executor(executor);
}
END_TEST

START_TEST(connections_ended_while_idle_are_replaced_unnoticed) {
    struct db_executor *executor = start_executor(1, 3);
    for (int round = 0; round < 5; round++) {
        struct task tasks[12];
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            submit_number(executor, &tasks[i], i % 2 == 0 ? &write_value : &read_value, (int64_t)i);
        await_tasks(tasks, ARRAY_LEN(tasks));
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
            assert_value(&tasks[i], (int64_t)i);
            ck_assert(!tasks[i].query.was_rerun);
        }
        sql("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = 'jwtd_store_test'"
            " AND state = 'idle'");
        usleep(20000);
    }
    close_executor(executor);
}
END_TEST

/* A write that is refused costs its connection; one is kept that no write has. */
START_TEST(a_read_only_server_answers_reads) {
    char url[URL_SIZE];
    struct task tasks[40];
    log_set_level(LOG_ERROR);
    struct db_executor *executor =
        open_executor(database_with(test_database(), "options", "-cdefault_transaction_read_only=on", url), 1, 4);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            submit_number(executor, &tasks[i], i % 2 == 0 ? &read_value : &write_value, (int64_t)i);
        await_tasks(tasks, ARRAY_LEN(tasks));
        for (size_t i = 0; i < ARRAY_LEN(tasks); i += 2)
            assert_value(&tasks[i], (int64_t)i);
    }
    close_executor(executor);
}
END_TEST

START_TEST(a_read_only_server_is_unavailable_for_writes_and_gets_few_connections) {
    static const char sessions_made[] = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()";
    char url[URL_SIZE];
    log_set_level(LOG_ERROR);
    usleep(50000);
    sql("SELECT pg_stat_clear_snapshot()");
    int64_t before = sql_number(sessions_made);
    struct db_executor *executor =
        open_executor(database_with(test_database(), "options", "-cdefault_transaction_read_only=on", url), 1, 8);
    for (size_t i = 0; i < 100; i++) {
        struct task task;
        submit(executor, &task, &touch, "ada@example.org");
        await_task(&task);
        ck_assert_int_eq(task.status, STATUS_DATABASE_UNAVAILABLE);
    }
    close_executor(executor);
    usleep(50000);
    sql("SELECT pg_stat_clear_snapshot()");
    ck_assert_int_lt(sql_number(sessions_made) - before, 20);
}
END_TEST

TCase *store_executor_connection_tests(void) {
    TCase *tests = tcase_create("executor_connections");
    tcase_add_test(tests, a_read_that_is_not_prepared_yet_goes_alone);
    tcase_add_test(tests, a_read_only_server_answers_reads);
    tcase_add_test(tests, each_of_a_round_trip_that_is_lost_is_run_once_more);
    tcase_add_test(tests, a_write_that_is_lost_is_run_once_more_beside_idle_connections);
    tcase_add_test(tests, a_statement_that_loses_every_connection_is_unavailable_after_its_second_run);
    tcase_add_test(tests, a_statement_in_conflict_ends_when_there_is_no_connection_left);
    tcase_add_test(tests, no_read_waits_behind_writes_that_are_run_again);
    tcase_add_test(tests, connections_ended_while_idle_are_replaced_unnoticed);
    tcase_add_test(tests, a_read_only_server_is_unavailable_for_writes_and_gets_few_connections);
    return tests;
}
