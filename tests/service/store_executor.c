/* The executor: what shares a round trip and what does not, what waits behind what, and when a query ends. */
#include "executor_fixture.h"
#include "store_fixture.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "tests/runner.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
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

static void lock_row(const char *email) {
    sql("BEGIN");
    sql("SELECT FROM users WHERE email = '%s' FOR UPDATE", email);
}

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

#define SLACK_US (300 * MS)

static void assert_ended_after(const struct task *task, int64_t us, enum status status) {
    int64_t took_us = task->ended_us - task->submitted_us;
    ck_assert_int_eq(task->status, status);
    ck_assert_msg(took_us >= us && took_us < us + SLACK_US, "%lld us", (long long)took_us);
}

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
    submit_due(executor, &task, &conflict, "", 100 * MS, 250 * MS);
    submit(executor, &blocker, &slow_write, "1");
    await_task(&task);
    assert_ended_after(&task, 250 * MS, STATUS_DEADLINE_EXCEEDED);
    await_task(&blocker);
    close_executor(executor);
}
END_TEST

/* ---- odd servers ---- */

/* A listener on a port of its own, of which `url` gets the address. */
static int listen_as_server(char url[URL_SIZE]) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(url, URL_SIZE, "host=127.0.0.1 port=%u dbname=jwtd sslmode=disable gssencmode=disable", ntohs(address.sin_port));
    return listener;
}

START_TEST(no_query_waits_for_a_silent_server_beyond_its_turns_deadline) {
    char url[URL_SIZE];
    int listener = listen_as_server(url);
    struct db_executor *executor = open_executor(url, 1, 2);
    struct task tasks[2];
    submit_due(executor, &tasks[0], &read_value, "1", 200 * MS, 5 * CLOCK_US_PER_S);
    submit_due(executor, &tasks[1], &write_value, "1", 100 * MS, 5 * CLOCK_US_PER_S);
    await_tasks(tasks, 2);
    assert_ended_after(&tasks[0], 200 * MS, STATUS_DEADLINE_EXCEEDED);
    assert_ended_after(&tasks[1], 100 * MS, STATUS_DEADLINE_EXCEEDED);
    close_executor(executor);
    close(listener);
}
END_TEST

START_TEST(without_a_server_queries_end_at_once) {
    struct db_executor *executor = open_executor("host=/nonexistent dbname=jwtd", 2, 5);
    log_set_level(LOG_ERROR);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 50; i++)
            submit_number(executor, &many[i], i % 2 == 0 ? &read_value : &write_value, 0);
        await_tasks(many, 50);
        for (size_t i = 0; i < 50; i++) {
            ck_assert_int_eq(many[i].status, STATUS_DATABASE_UNAVAILABLE);
            ck_assert_int_lt(many[i].ended_us - many[i].submitted_us, SLACK_US);
        }
        usleep(10000);
    }
    close_executor(executor);
}
END_TEST

struct greeter {
    int listener;
    struct db_executor *executor;
    unsigned greeted;
};

/* Says that the client is logged in, and resets the connection, before the executor's thread, which the lock holds up, sends its
 * first statement. */
static void greet_and_reset(struct greeter *greeter, int client) {
    static const char greeting[] = "R\0\0\0\10\0\0\0\0"
                                   "S\0\0\0\21TimeZone\0UTC\0"
                                   "S\0\0\0\22DateStyle\0ISO\0"
                                   "Z\0\0\0\5I";
    pthread_mutex_t *lock = admission_lock(db_executor_admission(greeter->executor));
    setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
    pthread_mutex_lock(lock);
    greeter->greeted += send(client, greeting, sizeof greeting - 1, MSG_NOSIGNAL) > 0 ? 1 : 0;
    close(client);
    pthread_mutex_unlock(lock);
}

static void *serve_resets(void *argument) {
    struct greeter *greeter = argument;
    char startup[1024];
    int client;
    while ((client = accept(greeter->listener, NULL, NULL)) >= 0)
        if (recv(client, startup, sizeof startup, 0) > 0)
            greet_and_reset(greeter, client);
        else
            close(client);
    return NULL;
}

START_TEST(a_server_that_resets_each_connection_is_unavailable) {
    char url[URL_SIZE];
    struct greeter greeter = { .listener = listen_as_server(url) };
    pthread_t thread;
    log_set_level(LOG_ERROR);
    struct db_executor *executor = greeter.executor = open_executor(url, 1, 3);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_resets, &greeter), 0);
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < 10; i++)
            submit_number(executor, &many[i], i % 2 == 0 ? &read_value : &write_value, 0);
        await_tasks(many, 10);
        for (size_t i = 0; i < 10; i++)
            ck_assert_int_eq(many[i].status, STATUS_DATABASE_UNAVAILABLE);
        usleep(20000);
    }
    shutdown(greeter.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(greeter.greeted, 1);
    close_executor(executor);
    close(greeter.listener);
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
    tcase_add_test(tests, of_two_statements_in_a_deadlock_both_are_done_in_the_end);
    tcase_add_test(tests, a_conflict_is_tried_six_times_beside_other_work);
    tcase_add_test(tests, a_statement_that_is_to_be_run_again_waits_for_a_connection_without_spinning);
    tcase_add_test(tests, a_query_that_waits_for_its_turn_ends_with_its_turns_deadline_and_is_not_sent);
    tcase_add_test(tests, a_statement_that_misses_its_deadline_costs_its_connection_and_no_other_query);
    tcase_add_test(tests, reads_that_share_with_one_that_misses_its_deadline_are_run_again);
    tcase_add_test(tests, a_statement_in_conflict_ends_with_its_deadline);
    tcase_add_test(tests, no_query_waits_for_a_silent_server_beyond_its_turns_deadline);
    tcase_add_test(tests, without_a_server_queries_end_at_once);
    tcase_add_test(tests, a_server_that_resets_each_connection_is_unavailable);
    return tests;
}
