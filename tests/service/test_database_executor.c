/* The executor while its server crashes, its connections are ended, and the network to it cuts, holds and swallows: each query is
 * done once, at the latest by its deadline, and what was answered is true. */
#include "../../src/store/link.h"

#include "executor_fixture.h"
#include "support/cluster.h"
#include "support/proxy.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <check.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *database_executor_suite(void);

#define SLACK_US (500 * MS)

static struct cluster cluster;
static struct proxy *proxy;

static void create(void) {
    cluster = cluster_create((const char *const[]){ "max_connections=40", NULL });
}

static void remove_(void) {
    cluster_remove(&cluster);
}

static void start(void) {
    log_set_level(LOG_ERROR + 1);
    proxy = proxy_start(cluster.port);
    cluster_run(&cluster, "DELETE FROM users");
}

static void stop(void) {
    proxy_stop(proxy);
}

static struct db_executor *open_at(int port, unsigned threads, unsigned connections) {
    char url[CLUSTER_URL_SIZE];
    return open_executor(cluster_url("jwtd", port, url), threads, connections);
}

/* Queries may fail until then. */
static void assert_statement_succeeds_within(struct db_executor *executor, const struct db_statement *statement, int64_t us) {
    int64_t began_us = clock_monotonic_us(), took_us;
    struct task task;
    do {
        submit(executor, &task, statement, "1");
        await_task(&task);
        took_us = clock_monotonic_us() - began_us;
        usleep(5000);
    } while (task.status != STATUS_OK && took_us < us + SLACK_US);
    ck_assert_int_eq(task.status, STATUS_OK);
    ck_assert_msg(took_us < us + SLACK_US, "%lld us", (long long)took_us);
}

static void assert_succeeds_within(struct db_executor *executor, int64_t us) {
    assert_statement_succeeds_within(executor, &read_value, us);
}

/* ---- one at a time ---- */

/* Adds a row the first time that it is run, and finds it later. */
static const struct db_statement insert = {
    .name = "insert",
    .sql = "INSERT INTO users (id, email, email_canonical, password_hash) VALUES (gen_random_uuid(), $1, $1, 'hash')"
           " ON CONFLICT DO NOTHING",
    .parameters = 1,
};

START_TEST(a_write_whose_answer_is_lost_is_run_once_more) {
    struct db_executor *executor = open_at(proxy_port(proxy), 1, 2);
    struct task task;
    run_task(executor, &insert, "first");
    proxy_lose_answers(proxy, "insert", 1);
    submit(executor, &task, &insert, "second");
    await_task(&task);
    ck_assert_uint_eq(proxy_losses(proxy), 1);
    ck_assert_int_eq(task.status, STATUS_OK);
    ck_assert(task.query.was_rerun);
    ck_assert_int_eq(cluster_number(&cluster, "SELECT count(*) FROM users"), 2);
    close_executor(executor);
}
END_TEST

START_TEST(a_network_that_holds_everything_costs_the_deadline) {
    struct db_executor *executor = open_at(proxy_port(proxy), 1, 3);
    struct task tasks[12];
    run_task(executor, &read_value, "0");
    proxy_set_mode(proxy, PROXY_HOLDS);
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        submit_due(executor, &tasks[i], i % 2 == 0 ? &read_value : &write_value, "1", 300 * MS, 400 * MS);
    await_tasks(tasks, ARRAY_LEN(tasks));
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        ck_assert_int_eq(tasks[i].status, STATUS_DEADLINE_EXCEEDED);
        ck_assert_int_lt(tasks[i].ended_us - tasks[i].submitted_us, 400 * MS + SLACK_US);
    }
    proxy_set_mode(proxy, PROXY_FORWARDS);
    run_task(executor, &read_value, "1");
    close_executor(executor);
}
END_TEST

/* The connection through the proxy is open, and stays so when the next one is refused. */
START_TEST(queries_end_at_once_while_every_connection_is_refused_and_succeed_soon_after) {
    struct db_executor *executor = open_at(proxy_port(proxy), 1, 3);
    struct task task;
    run_task(executor, &read_value, "0");
    proxy_set_mode(proxy, PROXY_REFUSES);
    usleep(50000);
    for (int i = 0; i < 200; i++) {
        submit(executor, &task, i % 2 == 0 ? &read_value : &write_value, "1");
        await_task(&task);
        ck_assert_int_eq(task.status, STATUS_DATABASE_UNAVAILABLE);
        ck_assert_int_lt(task.ended_us - task.submitted_us, SLACK_US);
        usleep(2000);
    }
    proxy_set_mode(proxy, PROXY_FORWARDS);
    assert_succeeds_within(executor, 2 * CLOCK_US_PER_S);
    close_executor(executor);
}
END_TEST

START_TEST(while_it_is_refused_it_connects_ever_less_often) {
    static int64_t arrivals_us[1000];
    struct db_executor *executor = open_at(proxy_port(proxy), 1, 8);
    proxy_set_mode(proxy, PROXY_REFUSES);
    proxy_clear_arrivals(proxy);
    for (int i = 0; i < 300; i++) {
        struct task task;
        submit(executor, &task, i % 2 == 0 ? &read_value : &write_value, "1");
        await_task(&task);
        usleep(5000);
    }
    ck_assert_uint_lt(proxy_arrivals(proxy, arrivals_us, ARRAY_LEN(arrivals_us)), 40);
    close_executor(executor);
}
END_TEST

/* ---- several hosts ---- */

static struct db_executor *open_two_hosts(int first_port, int second_port, unsigned connections) {
    char url[CLUSTER_URL_SIZE];
    snprintf(url, sizeof url, "host=127.0.0.1,127.0.0.1 port=%d,%d user=jwtd dbname=jwtd sslmode=disable gssencmode=disable",
             first_port, second_port);
    return open_executor(url, 1, connections);
}

START_TEST(of_two_hosts_one_that_is_not_there_costs_nothing) {
    struct db_executor *executor = open_two_hosts(1, cluster.port, 3);
    for (int i = 0; i < 30; i++)
        run_task(executor, i % 2 == 0 ? &read_value : &write_value, "1");
    close_executor(executor);
}
END_TEST

START_TEST(of_two_hosts_one_that_is_silent_costs_its_connect_timeout_once) {
    proxy_set_mode(proxy, PROXY_SWALLOWS);
    struct db_executor *executor = open_two_hosts(proxy_port(proxy), cluster.port, 3);
    assert_succeeds_within(executor, 4 * CLOCK_US_PER_S);
    close_executor(executor);
}
END_TEST

/* ---- a host's name ---- */

#define NAME "localhost"

static atomic_uint resolutions;   /* of this name, by this program */
static atomic_uint resolution_us; /* what each takes longer */

/* Between libpq and the C library. */
__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                                                       struct addrinfo **found) {
    typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    resolver *next;
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name != NULL && strcmp(name, NAME) == 0) {
        atomic_fetch_add(&resolutions, 1);
        usleep(atomic_load(&resolution_us));
    }
    return next(name, service, hints, found);
}

static void assert_resolutions(unsigned wanted) {
    unsigned count = atomic_load(&resolutions);
    ck_assert_uint_eq(count, wanted);
}

static const char *named_url(int port, char url[CLUSTER_URL_SIZE]) {
    snprintf(url, CLUSTER_URL_SIZE, "host=" NAME " port=%d user=jwtd dbname=jwtd sslmode=disable gssencmode=disable", port);
    return url;
}

/* With one connection open. */
static struct db_executor *open_by_name(unsigned connections) {
    char url[CLUSTER_URL_SIZE];
    atomic_store(&resolutions, 0);
    struct db_executor *executor = open_executor(named_url(cluster.port, url), 1, connections);
    run_task(executor, &read_value, "1");
    assert_resolutions(1);
    return executor;
}

START_TEST(a_slow_resolver_delays_no_query_while_a_connection_is_open) {
    struct db_executor *executor = open_by_name(3);
    struct task write, read;
    atomic_store(&resolution_us, 900000);
    submit(executor, &write, &slow_write, "0.2");
    for (int i = 0; i < 10; i++) {
        submit(executor, &read, &read_value, "1");
        await_task(&read);
        ck_assert_int_eq(read.status, STATUS_OK);
        ck_assert_int_lt(read.ended_us - read.submitted_us, 500 * MS);
    }
    await_task(&write);
    ck_assert_int_eq(write.status, STATUS_OK);
    ck_assert_int_ne(write.backend, read.backend);
    assert_resolutions(1);
    close_executor(executor);
}
END_TEST

START_TEST(the_name_is_resolved_anew_when_no_connection_is_open) {
    struct db_executor *executor = open_by_name(1);
    cluster_run(&cluster, "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE usename = 'jwtd'");
    run_task(executor, &read_value, "1");
    assert_resolutions(2);
    close_executor(executor);
}
END_TEST

START_TEST(the_name_is_resolved_anew_when_a_connection_could_not_be_opened) {
    struct db_executor *executor = open_by_name(2);
    struct task write;
    cluster_run(&cluster, "ALTER ROLE jwtd CONNECTION LIMIT 1");
    submit(executor, &write, &write_value, "1");
    await_task(&write);
    cluster_run(&cluster, "ALTER ROLE jwtd CONNECTION LIMIT -1");
    ck_assert_int_eq(write.status, STATUS_DATABASE_UNAVAILABLE);
    assert_resolutions(1);
    assert_statement_succeeds_within(executor, &write_value, CLOCK_US_PER_S);
    assert_resolutions(2);
    close_executor(executor);
}
END_TEST

static enum link_state open_and_await(struct link *link) {
    int64_t now_us = clock_monotonic_us();
    link_open(link, now_us, now_us + 2 * CLOCK_US_PER_S);
    while (link->state == LINK_CONNECTING) {
        struct pollfd socket = { .fd = PQsocket(link->connection), .events = link_events(link) };
        ck_assert_int_eq(poll(&socket, 1, 2000), 1);
        link_progress(link);
    }
    return link->state;
}

START_TEST(an_address_at_which_no_server_is_any_more_is_used_once) {
    char url[CLUSTER_URL_SIZE];
    struct db_options options = { .url = named_url(cluster.port, url), .statement_timeout_ms = 1000, .connect_timeout_ms = 1000 };
    struct link link;
    link_init(&link, &options);
    snprintf(link.address, sizeof link.address, "127.0.0.2");
    ck_assert_int_eq(open_and_await(&link), LINK_CLOSED);
    ck_assert_str_eq(link.address, "");
    ck_assert_int_eq(open_and_await(&link), LINK_IDLE);
    ck_assert_str_eq(link.address, "127.0.0.1");
    ck_assert_str_eq(PQhost(link.connection), NAME);
    link_fini(&link);
}
END_TEST

START_TEST(the_address_of_one_of_several_hosts_is_not_kept) {
    char url[CLUSTER_URL_SIZE];
    snprintf(url, sizeof url, "host=" NAME ",127.0.0.1 port=%d user=jwtd dbname=jwtd sslmode=disable", cluster.port);
    struct db_options options = { .url = url, .statement_timeout_ms = 1000, .connect_timeout_ms = 1000 };
    struct link link;
    link_init(&link, &options);
    ck_assert_int_eq(open_and_await(&link), LINK_IDLE);
    ck_assert_str_eq(link.address, "");
    link_fini(&link);
}
END_TEST

/* ---- chaos ---- */

#define CLIENTS 4
#define IN_FLIGHT 24

struct client {
    struct db_executor *executor;
    atomic_bool *is_over;
    pthread_t thread;
    struct task tasks[IN_FLIGHT];
    unsigned submitted, good, unavailable, late, other, rerun;
    int64_t slowest_us;
};

static void count_outcome(struct client *client, const struct task *task, int64_t value) {
    int64_t took_us = task->ended_us - task->submitted_us;
    client->slowest_us = took_us > client->slowest_us ? took_us : client->slowest_us;
    client->rerun += task->query.was_rerun ? 1 : 0;
    client->good += task->status == STATUS_OK && task->value == value ? 1 : 0;
    client->unavailable += task->status == STATUS_DATABASE_UNAVAILABLE ? 1 : 0;
    client->late += task->status == STATUS_DEADLINE_EXCEEDED ? 1 : 0;
}

/* Its tasks end in any order; it waits for all before it submits again. */
static void *run_client(void *argument) {
    static const struct db_statement *const statements[] = { &read_value, &read_other_value, &write_value };
    struct client *client = argument;
    while (!atomic_load(client->is_over)) {
        for (int64_t i = 0; i < IN_FLIGHT; i++) {
            char text[24];
            snprintf(text, sizeof text, "%lld", (long long)i);
            submit_due(client->executor, &client->tasks[i], statements[i % 3], text, 900 * MS, 1000 * MS);
        }
        await_tasks(client->tasks, IN_FLIGHT);
        for (int64_t i = 0; i < IN_FLIGHT; i++)
            count_outcome(client, &client->tasks[i], i);
        client->submitted += IN_FLIGHT;
        usleep(500);
    }
    return NULL;
}

static void end_backends(void) {
    for (int i = 0; i < 100; i++) {
        cluster_run(&cluster, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'jwtd' AND random() < 0.5");
        usleep(10000);
    }
}

static void cut_and_hold(void) {
    static const enum proxy_mode modes[] = { PROXY_HOLDS, PROXY_REFUSES, PROXY_SWALLOWS };
    for (int i = 0; i < 12; i++) {
        proxy_cut(proxy);
        usleep(50000);
        proxy_set_mode(proxy, modes[i % 3]);
        usleep(i < 6 ? 20000 : 150000);
        proxy_set_mode(proxy, PROXY_FORWARDS);
        usleep(50000);
    }
}

static void crash_and_start(void) {
    usleep(200000);
    cluster_crash(&cluster);
    usleep(200000);
    cluster_start(&cluster);
    usleep(500000);
    cluster_stop(&cluster);
    cluster_start(&cluster);
    usleep(300000);
}

static void (*const disasters[])(void) = { end_backends, cut_and_hold, crash_and_start };

START_TEST(whatever_happens_each_query_is_done_once_and_what_was_answered_is_true) {
    static struct client clients[CLIENTS];
    struct client sum = { .submitted = 0 };
    atomic_bool is_over = false;
    struct db_executor *executor = open_at(proxy_port(proxy), 2, 7);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .executor = executor, .is_over = &is_over };
        ck_assert_int_eq(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    disasters[_i]();
    atomic_store(&is_over, true);
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        sum.submitted += clients[i].submitted;
        sum.good += clients[i].good;
        sum.unavailable += clients[i].unavailable;
        sum.late += clients[i].late;
        sum.rerun += clients[i].rerun;
        sum.slowest_us = clients[i].slowest_us > sum.slowest_us ? clients[i].slowest_us : sum.slowest_us;
    }
    ck_assert_uint_eq(sum.submitted, sum.good + sum.unavailable + sum.late);
    ck_assert_uint_gt(sum.good, IN_FLIGHT * 4);
    ck_assert_uint_gt(sum.rerun, 0);
    ck_assert_msg(sum.slowest_us < 1000 * MS + SLACK_US, "%lld us", (long long)sum.slowest_us);
    assert_succeeds_within(executor, 2 * CLOCK_US_PER_S);
    close_executor(executor);
}
END_TEST

START_TEST(its_end_waits_for_all_whatever_the_server_does) {
    static struct task tasks[400];
    static const enum proxy_mode modes[] = { PROXY_HOLDS, PROXY_REFUSES, PROXY_SWALLOWS };
    for (size_t mode = 0; mode < ARRAY_LEN(modes); mode++) {
        struct db_executor *executor = open_at(proxy_port(proxy), 2, 5);
        run_task(executor, &read_value, "0");
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
            if (i == 200)
                proxy_set_mode(proxy, modes[mode]);
            submit_due(executor, &tasks[i], i % 2 == 0 ? &read_value : &write_value, "1", 400 * MS, 500 * MS);
        }
        close_executor(executor);
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            ck_assert(is_done(&tasks[i]));
        await_tasks(tasks, ARRAY_LEN(tasks));
        proxy_set_mode(proxy, PROXY_FORWARDS);
    }
}
END_TEST

Suite *database_executor_suite(void) {
    Suite *suite = suite_create("database_executor");
    TCase *tests = tcase_create("executor");
    tcase_add_unchecked_fixture(tests, create, remove_);
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_write_whose_answer_is_lost_is_run_once_more);
    tcase_add_test(tests, a_network_that_holds_everything_costs_the_deadline);
    tcase_add_test(tests, queries_end_at_once_while_every_connection_is_refused_and_succeed_soon_after);
    tcase_add_test(tests, while_it_is_refused_it_connects_ever_less_often);
    tcase_add_test(tests, of_two_hosts_one_that_is_not_there_costs_nothing);
    tcase_add_test(tests, of_two_hosts_one_that_is_silent_costs_its_connect_timeout_once);
    tcase_add_test(tests, a_slow_resolver_delays_no_query_while_a_connection_is_open);
    tcase_add_test(tests, the_name_is_resolved_anew_when_no_connection_is_open);
    tcase_add_test(tests, the_name_is_resolved_anew_when_a_connection_could_not_be_opened);
    tcase_add_test(tests, an_address_at_which_no_server_is_any_more_is_used_once);
    tcase_add_test(tests, the_address_of_one_of_several_hosts_is_not_kept);
    tcase_add_loop_test(tests, whatever_happens_each_query_is_done_once_and_what_was_answered_is_true, 0, ARRAY_LEN(disasters));
    tcase_add_test(tests, its_end_waits_for_all_whatever_the_server_does);
    suite_add_tcase(suite, tests);
    return suite;
}
