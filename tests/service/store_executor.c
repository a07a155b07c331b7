/* The executor: what shares a round trip and what does not, and what waits behind what. */
#include "executor_fixture.h"
#include "store_fixture.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "tests/runner.h"

#include <stdio.h>
#include <unistd.h>

/* ---- sharing ---- */

/* Submits so many of a statement while the one connection is busy, so that they wait together. */
static void submit_behind(struct db_executor *executor, struct task *tasks, size_t count, const struct db_statement *statement) {
    struct task blocker;
    submit(executor, &blocker, &slow_write, "0.05");
    for (size_t i = 0; i < count; i++)
        submit_number(executor, &tasks[i], statement, (int64_t)i);
    await_task(&blocker);
    await_tasks(tasks, count);
}

START_TEST(reads_that_wait_together_share_a_round_trip) {
    struct db_executor *executor = start_executor(1, 1);
    struct task tasks[20];
    run_task(executor, &read_value, "0");
    submit_behind(executor, tasks, ARRAY_LEN(tasks), &read_value);
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        assert_value(&tasks[i], (int64_t)i);
        ck_assert(same_transaction(&tasks[i], &tasks[0]));
    }
    close_executor(executor);
}
END_TEST

START_TEST(reads_by_another_statement_do_not_share_its_round_trip) {
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, tasks[2];
    run_task(executor, &read_value, "0");
    run_task(executor, &read_other_value, "0");
    submit(executor, &blocker, &slow_write, "0.05");
    submit(executor, &tasks[0], &read_value, "1");
    submit(executor, &tasks[1], &read_other_value, "2");
    await_task(&blocker);
    await_tasks(tasks, ARRAY_LEN(tasks));
    assert_value(&tasks[0], 1);
    assert_value(&tasks[1], 2);
    ck_assert(!same_transaction(&tasks[0], &tasks[1]));
    close_executor(executor);
}
END_TEST

#define OWN_NAME "jwtd_store_test" /* of start_executor's connections */

/* PostgreSQL's log would take its neighbours for parts of its trace. */
START_TEST(a_read_with_a_name_shares_with_nothing_and_leaves_none_behind) {
    static const char name[] = "jwtd 00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01";
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, tasks[4];
    run_task(executor, &read_name, OWN_NAME);
    submit(executor, &blocker, &slow_write, "0.05");
    submit(executor, &tasks[0], &read_name, OWN_NAME);
    submit_named(executor, &tasks[1], &read_name, name, name);
    submit(executor, &tasks[2], &read_name, OWN_NAME);
    submit_named(executor, &tasks[3], &read_name, name, name);
    await_task(&blocker);
    await_tasks(tasks, ARRAY_LEN(tasks));
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        assert_value(&tasks[i], 1);
        for (size_t j = 0; j < i; j++)
            ck_assert(!same_transaction(&tasks[i], &tasks[j]));
    }
    close_executor(executor);
}
END_TEST

/* As many as may carry reads: one more, of the links that only writes have used until then, takes the next. */
START_TEST(no_read_waits_behind_reads_that_are_held_up) {
    struct db_executor *executor = start_executor(1, 8);
    struct task held[6];
    run_task(executor, &read_value, "0");
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        submit(executor, &held[i], &slow_read, "1");
        usleep(30000); /* each in a round trip of its own */
    }
    int64_t took_us = run_task(executor, &read_value, "1");
    ck_assert_msg(took_us < 500 * MS, "%lld us", (long long)took_us);
    await_tasks(held, ARRAY_LEN(held));
    close_executor(executor);
}
END_TEST

START_TEST(writes_share_with_nothing) {
    struct db_executor *executor = start_executor(1, 1);
    struct task tasks[20];
    run_task(executor, &write_value, "0");
    submit_behind(executor, tasks, ARRAY_LEN(tasks), &write_value);
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        assert_value(&tasks[i], (int64_t)i);
        for (size_t j = 0; j < i; j++)
            ck_assert(!same_transaction(&tasks[i], &tasks[j]));
    }
    close_executor(executor);
}
END_TEST

/* Of ten reads those whose bit is set divide by zero. */
static const unsigned failing[] = { 0x001, 0x200, 0x010, 0x003, 0x2a5, 0x3ff };

START_TEST(a_read_that_fails_fails_alone) {
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, tasks[10];
    log_set_level(LOG_ERROR + 1);
    run_task(executor, &read_value, "0");
    run_task(executor, &divide, "1");
    submit(executor, &blocker, &slow_write, "0.05");
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        bool fails = (failing[_i] >> i & 1) != 0;
        submit_number(executor, &tasks[i], &divide, fails ? 0 : 1);
    }
    await_task(&blocker);
    await_tasks(tasks, ARRAY_LEN(tasks));
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        if ((failing[_i] >> i & 1) != 0)
            ck_assert_int_eq(tasks[i].status, STATUS_INTERNAL);
        else
            assert_value(&tasks[i], 1);
        ck_assert(!tasks[i].query.was_rerun);
    }
    close_executor(executor);
}
END_TEST

START_TEST(a_read_with_text_that_the_database_cannot_hold_fails_alone) {
    struct db_executor *executor = start_executor(1, 1);
    struct task blocker, tasks[3];
    log_set_level(LOG_ERROR + 1);
    run_task(executor, &read_value, "0");
    submit(executor, &blocker, &slow_write, "0.05");
    submit(executor, &tasks[0], &read_value, "1");
    submit(executor, &tasks[1], &read_value, "\xff");
    submit(executor, &tasks[2], &read_value, "2");
    await_task(&blocker);
    await_tasks(tasks, ARRAY_LEN(tasks));
    assert_value(&tasks[0], 1);
    ck_assert_int_eq(tasks[1].status, STATUS_BAD_REQUEST);
    assert_value(&tasks[2], 2);
    close_executor(executor);
}
END_TEST

#define MANY_DUE_US (20 * CLOCK_US_PER_S)

static struct task many[4096];

/* However long the machine takes for all of them: these tests are not about deadlines. */
static void submit_one_of_many(struct db_executor *executor, struct task *task, const struct db_statement *statement,
                               int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    submit_due(executor, task, statement, text, MANY_DUE_US, MANY_DUE_US);
}

START_TEST(with_any_number_of_threads_and_connections_each_query_has_its_own_row) {
    static const struct {
        unsigned threads, connections;
    } sizes[] = { { 1, 1 }, { 1, 2 }, { 1, 3 }, { 3, 3 }, { 3, 7 }, { 4, 2 } };
    static const struct db_statement *const statements[] = { &read_value, &write_value, &read_other_value };
    struct db_executor *executor = start_executor(sizes[_i].threads, sizes[_i].connections);
    struct admission_load load;
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        submit_one_of_many(executor, &many[i], statements[i % 3], (int64_t)i);
    await_tasks(many, ARRAY_LEN(many));
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        assert_value(&many[i], (int64_t)i);
    admission_read_load(db_executor_admission(executor), &load);
    ck_assert_uint_eq(load.completed, ARRAY_LEN(many));
    ck_assert_uint_eq(load.queued + load.running, 0);
    ck_assert_uint_eq(load.servers, sizes[_i].connections);
    close_executor(executor);
}
END_TEST

#define SUBMITTERS 4

struct submitter {
    struct db_executor *executor;
    unsigned index;
    pthread_t thread;
};

static void *submit_and_await(void *argument) {
    struct submitter *submitter = argument;
    struct task *own = many + submitter->index * (ARRAY_LEN(many) / SUBMITTERS);
    for (size_t i = 0; i < ARRAY_LEN(many) / SUBMITTERS; i++) {
        submit_one_of_many(submitter->executor, &own[i], i % 4 == 0 ? &write_value : &read_value, (int64_t)i);
        if (i % 16 == 15)
            await_tasks(own + i - 15, 16);
    }
    return NULL;
}

START_TEST(each_of_several_threads_gets_its_own_rows) {
    struct submitter submitters[SUBMITTERS];
    struct db_executor *executor = start_executor(3, 7);
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        submitters[i] = (struct submitter){ .executor = executor, .index = i };
        ck_assert_int_eq(pthread_create(&submitters[i].thread, NULL, submit_and_await, &submitters[i]), 0);
    }
    for (unsigned i = 0; i < SUBMITTERS; i++)
        pthread_join(submitters[i].thread, NULL);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        assert_value(&many[i], (int64_t)(i % (ARRAY_LEN(many) / SUBMITTERS)));
    close_executor(executor);
}
END_TEST

START_TEST(its_end_waits_for_all_that_was_submitted) {
    struct db_executor *executor = start_executor(2, 3);
    for (size_t i = 0; i < 500; i++)
        submit_number(executor, &many[i], i % 2 == 0 ? &read_value : &write_value, (int64_t)i);
    close_executor(executor);
    for (size_t i = 0; i < 500; i++)
        ck_assert(is_done(&many[i]));
    await_tasks(many, 500);
    for (size_t i = 0; i < 500; i++)
        assert_value(&many[i], (int64_t)i);
}
END_TEST

/* Queries each of whose ends submits the next one, as that of readiness does. */
struct chain {
    struct db_query query;
    struct db_executor *executor;
    int64_t value;
    unsigned left;
    bool is_done;
};

static void ask_link(struct chain *chain) {
    const char *parameter = "7";
    db_ask(&chain->query, &read_value, &parameter, &chain->value);
    db_executor_submit(chain->executor, &chain->query);
}

static void end_link(struct db_query *query) {
    struct chain *chain = query->context;
    if (db_take(query, NULL) != STATUS_OK || --chain->left == 0) {
        chain->is_done = chain->left == 0;
        return;
    }
    admission_reserve_next(db_executor_admission(chain->executor));
    ask_link(chain);
}

START_TEST(its_end_waits_for_what_is_submitted_at_the_end_of_a_query) {
    static struct chain chains[32];
    int64_t retry_after_us;
    struct db_executor *executor = start_executor(2, 4);
    for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
        chains[i] = (struct chain){ .executor = executor, .left = 20 };
        chains[i].query =
            (struct db_query){ .turn_deadline_us = soon(), .deadline_us = soon(), .done = end_link, .context = &chains[i] };
        ck_assert_int_eq(admission_reserve(db_executor_admission(executor), soon(), &retry_after_us), STATUS_OK);
        ask_link(&chains[i]);
    }
    close_executor(executor);
    for (size_t i = 0; i < ARRAY_LEN(chains); i++)
        ck_assert(chains[i].is_done);
}
END_TEST

/* ---- what waits behind what ---- */

static int64_t p99_of_reads_us(struct db_executor *executor) {
    int64_t times_us[300];
    for (size_t i = 0; i < ARRAY_LEN(times_us); i++)
        times_us[i] = run_task(executor, i % 2 == 0 ? &read_value : &read_other_value, "7");
    return percentile_99(times_us, ARRAY_LEN(times_us));
}

START_TEST(no_read_waits_behind_writes_that_wait_for_a_row) {
    int64_t bound_us = test_is_sanitized() ? 100 * MS : 10 * MS, p99_us = INT64_MAX;
    struct db_executor *executor = start_executor(1, 4);
    struct task writes[20];
    add_user("ada@example.org");
    run_task(executor, &read_value, "0");
    lock_row("ada@example.org");
    for (size_t i = 0; i < ARRAY_LEN(writes); i++)
        submit(executor, &writes[i], &touch, "ada@example.org");
    await_blocked(3);
    /* the best of ten, since the machine may be busy with something else */
    for (int i = 0; i < 10 && p99_us >= bound_us; i++)
        p99_us = p99_of_reads_us(executor);
    ck_assert_msg(p99_us < bound_us, "%lld us", (long long)p99_us);
    for (size_t i = 0; i < ARRAY_LEN(writes); i++)
        ck_assert(!is_done(&writes[i]));
    sql("COMMIT");
    await_tasks(writes, ARRAY_LEN(writes));
    for (size_t i = 0; i < ARRAY_LEN(writes); i++)
        ck_assert_int_eq(writes[i].status, STATUS_OK);
    close_executor(executor);
}
END_TEST

START_TEST(writes_of_other_rows_go_on_while_fewer_than_all_connections_but_one_wait) {
    static int64_t times_us[100];
    struct db_executor *executor = start_executor(1, 4);
    struct task writes[2];
    add_user("ada@example.org");
    add_user("bob@example.org");
    run_task(executor, &touch, "bob@example.org");
    lock_row("ada@example.org");
    for (size_t i = 0; i < ARRAY_LEN(writes); i++)
        submit(executor, &writes[i], &touch, "ada@example.org");
    await_blocked(2);
    for (size_t i = 0; i < ARRAY_LEN(times_us); i++)
        times_us[i] = run_task(executor, &touch, "bob@example.org");
    int64_t p99_us = percentile_99(times_us, ARRAY_LEN(times_us));
    ck_assert_msg(p99_us < 200 * MS, "%lld us", (long long)p99_us);
    sql("COMMIT");
    await_tasks(writes, ARRAY_LEN(writes));
    close_executor(executor);
}
END_TEST

/* It has the connection of reads, as all have, in turn. */
START_TEST(with_one_connection_a_write_that_waits_for_a_row_is_waited_for) {
    struct db_executor *executor = start_executor(1, 1);
    struct task write, read;
    add_user("ada@example.org");
    lock_row("ada@example.org");
    submit(executor, &write, &touch, "ada@example.org");
    await_blocked(1);
    submit(executor, &read, &read_value, "1");
    usleep(50000);
    ck_assert(!is_done(&read));
    sql("COMMIT");
    await_task(&write);
    await_task(&read);
    ck_assert_int_eq(write.status, STATUS_OK);
    assert_value(&read, 1);
    close_executor(executor);
}
END_TEST

TCase *store_executor_tests(void) {
    TCase *tests = tcase_create("executor");
    tcase_add_test(tests, reads_that_wait_together_share_a_round_trip);
    tcase_add_test(tests, reads_by_another_statement_do_not_share_its_round_trip);
    tcase_add_test(tests, a_read_with_a_name_shares_with_nothing_and_leaves_none_behind);
    tcase_add_test(tests, no_read_waits_behind_reads_that_are_held_up);
    tcase_add_test(tests, writes_share_with_nothing);
    tcase_add_loop_test(tests, a_read_that_fails_fails_alone, 0, ARRAY_LEN(failing));
    tcase_add_test(tests, a_read_with_text_that_the_database_cannot_hold_fails_alone);
    tcase_add_loop_test(tests, with_any_number_of_threads_and_connections_each_query_has_its_own_row, 0, 6);
    tcase_add_test(tests, each_of_several_threads_gets_its_own_rows);
    tcase_add_test(tests, its_end_waits_for_all_that_was_submitted);
    tcase_add_test(tests, its_end_waits_for_what_is_submitted_at_the_end_of_a_query);
    tcase_add_test(tests, no_read_waits_behind_writes_that_wait_for_a_row);
    tcase_add_test(tests, writes_of_other_rows_go_on_while_fewer_than_all_connections_but_one_wait);
    tcase_add_test(tests, with_one_connection_a_write_that_waits_for_a_row_is_waited_for);
    return tests;
}
