/* The executor: statements that are run again, and queries that end with their deadline. */
#include "executor_fixture.h"
#include "store_fixture.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <sys/resource.h>
#include <unistd.h>

/* ---- statements that are run again ---- */

static const struct db_statement lock_two = {
    .name = "lock_two",
    .sql = "SELECT pg_advisory_xact_lock($1::integer), pg_sleep(0.2), pg_advisory_xact_lock(3 - $1::integer)",
    .parameters = 1,
    .columns = 3,
};

START_TEST(of_two_statements_in_a_deadlock_both_are_done_in_the_end) {
    struct db_executor *executor = start_executor(1, 3);
    struct task tasks[2];
    log_set_level(LOG_ERROR);
    submit(executor, &tasks[0], &lock_two, "1");
    submit(executor, &tasks[1], &lock_two, "2");
    await_tasks(tasks, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(tasks[i].status, STATUS_OK);
        ck_assert(!tasks[i].query.was_rerun);
    }
    ck_assert_uint_eq(tasks[0].query.tries + tasks[1].query.tries, 1);
    close_executor(executor);
}
END_TEST

START_TEST(a_conflict_is_tried_six_times_beside_other_work) {
    struct db_executor *executor = start_executor(1, 1);
    struct task conflicts[20];
    log_set_level(LOG_ERROR);
    for (size_t i = 0; i < ARRAY_LEN(conflicts); i++)
        submit(executor, &conflicts[i], &conflict, "");
    for (int i = 0; i < 50; i++)
        run_task(executor, &read_value, "1");
    await_tasks(conflicts, ARRAY_LEN(conflicts));
    for (size_t i = 0; i < ARRAY_LEN(conflicts); i++) {
        ck_assert_int_eq(conflicts[i].status, STATUS_DATABASE_UNAVAILABLE);
        ck_assert_uint_eq(conflicts[i].query.tries, 6);
    }
    close_executor(executor);
}
END_TEST

static int64_t processor_time_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * CLOCK_US_PER_S + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

START_TEST(a_statement_that_is_to_be_run_again_waits_for_a_connection_without_spinning) {
    struct db_executor *executor = start_executor(1, 1);
    struct task first, write;
    add_user("ada@example.org");
    log_set_level(LOG_ERROR);
    lock_row("ada@example.org");
    submit(executor, &first, &conflict, "");
    submit(executor, &write, &touch, "ada@example.org");
    await_blocked(1);
    int64_t before_us = processor_time_us();
    usleep(300000);
    int64_t spent_us = processor_time_us() - before_us;
    ck_assert_msg(spent_us < 20 * MS, "%lld us", (long long)spent_us);
    sql("COMMIT");
    await_task(&write);
    await_task(&first);
    close_executor(executor);
}
END_TEST

/* ---- deadlines ---- */

START_TEST(a_query_that_waits_for_its_turn_ends_with_its_turns_deadline_and_is_not_sent) {
    static const struct db_statement rename = { .name = "rename", .sql = "UPDATE users SET password_hash = $1", .parameters = 1 };
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, tasks[3];
    add_user("ada@example.org");
    submit(executor, &blocker, &slow_write, "0.8");
    usleep(50000);
    submit_due(executor, &tasks[0], &rename, "late", 300 * MS, 5 * CLOCK_US_PER_S);
    submit_due(executor, &tasks[1], &rename, "later", 100 * MS, 5 * CLOCK_US_PER_S);
    submit_due(executor, &tasks[2], &read_value, "1", 200 * MS, 5 * CLOCK_US_PER_S);
    await_tasks(tasks, ARRAY_LEN(tasks));
    assert_ended_after(&tasks[0], 300 * MS, STATUS_DEADLINE_EXCEEDED);
    assert_ended_after(&tasks[1], 100 * MS, STATUS_DEADLINE_EXCEEDED);
    assert_ended_after(&tasks[2], 200 * MS, STATUS_DEADLINE_EXCEEDED);
    await_task(&blocker);
    ck_assert_int_eq(blocker.status, STATUS_OK);
    run_task(executor, &read_value, "0");
    ck_assert_int_eq(sql_number("SELECT count(*) FROM users WHERE password_hash LIKE 'late%%'"), 0);
    close_executor(executor);
}
END_TEST

START_TEST(a_statement_that_misses_its_deadline_costs_its_connection_and_no_other_query) {
    struct db_executor *executor = start_executor(1, 2);
    struct task slow, neighbour;
    log_set_level(LOG_ERROR);
    run_task(executor, &slow_read, "0");
    run_task(executor, &read_value, "0");
    submit_due(executor, &slow, &slow_read, "2", 100 * MS, 200 * MS);
    submit(executor, &neighbour, &read_value, "4");
    await_task(&slow);
    await_task(&neighbour);
    assert_ended_after(&slow, 200 * MS, STATUS_DEADLINE_EXCEEDED);
    assert_value(&neighbour, 4);
    run_task(executor, &read_value, "0");
    close_executor(executor);
}
END_TEST

START_TEST(reads_that_share_with_one_that_misses_its_deadline_are_run_again) {
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, tasks[5];
    log_set_level(LOG_ERROR);
    run_task(executor, &slow_read, "0");
    run_task(executor, &read_value, "0");
    submit(executor, &blocker, &slow_write, "0.05");
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        if (i == 2)
            submit_due(executor, &tasks[i], &slow_read, "2", 200 * MS, 300 * MS);
        else
            submit(executor, &tasks[i], &slow_read, "0");
    await_task(&blocker);
    await_tasks(tasks, ARRAY_LEN(tasks));
    assert_ended_after(&tasks[2], 300 * MS, STATUS_DEADLINE_EXCEEDED);
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        if (i == 2)
            continue;
        assert_value(&tasks[i], 0);
        ck_assert(tasks[i].query.was_rerun);
    }
    close_executor(executor);
}
END_TEST

START_TEST(a_statement_in_conflict_ends_with_its_deadline) {
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, task;
    log_set_level(LOG_ERROR);
    run_task(executor, &read_value, "0");
    submit_due(executor, &task, &conflict, "", 100 * MS, 250 * MS);
    submit(executor, &blocker, &slow_write, "1");
    await_task(&task);
    assert_ended_after(&task, 250 * MS, STATUS_DEADLINE_EXCEEDED);
    await_task(&blocker);
    close_executor(executor);
}
END_TEST

TCase *store_executor_deadline_tests(void) {
    TCase *tests = tcase_create("executor deadlines");
    tcase_add_test(tests, of_two_statements_in_a_deadlock_both_are_done_in_the_end);
    tcase_add_test(tests, a_conflict_is_tried_six_times_beside_other_work);
    tcase_add_test(tests, a_statement_that_is_to_be_run_again_waits_for_a_connection_without_spinning);
    tcase_add_test(tests, a_query_that_waits_for_its_turn_ends_with_its_turns_deadline_and_is_not_sent);
    tcase_add_test(tests, a_statement_that_misses_its_deadline_costs_its_connection_and_no_other_query);
    tcase_add_test(tests, reads_that_share_with_one_that_misses_its_deadline_are_run_again);
    tcase_add_test(tests, a_statement_in_conflict_ends_with_its_deadline);
    return tests;
}
