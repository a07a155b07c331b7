/* The executor and a server that is silent, that is not there, or that resets each connection. */
#include "executor_fixture.h"
#include "store_fixture.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

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
    struct task tasks[50];
    log_set_level(LOG_ERROR);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            submit_number(executor, &tasks[i], i % 2 == 0 ? &read_value : &write_value, 0);
        await_tasks(tasks, ARRAY_LEN(tasks));
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            assert_ended_after(&tasks[i], 0, STATUS_DATABASE_UNAVAILABLE);
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
    struct task tasks[10];
    pthread_t thread;
    log_set_level(LOG_ERROR);
    struct db_executor *executor = greeter.executor = open_executor(url, 1, 3);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_resets, &greeter), 0);
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            submit_number(executor, &tasks[i], i % 2 == 0 ? &read_value : &write_value, 0);
        await_tasks(tasks, ARRAY_LEN(tasks));
        for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
            ck_assert_int_eq(tasks[i].status, STATUS_DATABASE_UNAVAILABLE);
        usleep(20000);
    }
    shutdown(greeter.listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(greeter.greeted, 1);
    close_executor(executor);
    close(greeter.listener);
}
END_TEST

TCase *store_executor_server_tests(void) {
    TCase *tests = tcase_create("executor and odd servers");
    tcase_add_test(tests, no_query_waits_for_a_silent_server_beyond_its_turns_deadline);
    tcase_add_test(tests, without_a_server_queries_end_at_once);
    tcase_add_test(tests, a_server_that_resets_each_connection_is_unavailable);
    return tests;
}
