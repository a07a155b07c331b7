/* jwtd health, which the HEALTHCHECK of the image runs: what it prints, and its exit code. */
#include "support/raw.h"
#include "support/server.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *health_command_suite(void);

static char output[8192];

static int ask(const char *address, int port, const char *option) {
    char setting[64];
    snprintf(setting, sizeof setting, "server.listen=%s:%d", address, port);
    return program_run((const char *const[]){ "--set", setting, "--set", "ops.listen=", "health", option, NULL }, NULL, output,
                       sizeof output);
}

START_TEST(a_service_is_alive_on_whatever_address_it_listens) {
    static const char *const addresses[] = { "127.0.0.1", "0.0.0.0" };
    ck_assert_msg(ask(addresses[_i], shared_server.port, NULL) == 0, "%s", output);
    ck_assert_str_eq(output, "{\"status\":\"alive\"}\n");
    ck_assert_msg(ask(addresses[_i], shared_server.port, "--ready") == 0, "%s", output);
    ck_assert_msg(strstr(output, "\"database\":\"ok\"") != NULL, "%s", output);
}
END_TEST

START_TEST(one_without_a_database_is_alive_and_not_ready) {
    struct server server = server_start_unready((const char *const[]){ "database.url=host=127.0.0.1 port=1 dbname=none", NULL });
    ck_assert_msg(ask("127.0.0.1", server.port, NULL) == 0, "%s", output);
    ck_assert_int_eq(ask("127.0.0.1", server.port, "--ready"), 1);
    ck_assert_msg(strstr(output, "\"database\":\"failed\"") != NULL, "%s", output);
    server_finish(&server);
}
END_TEST

START_TEST(nobody_who_listens_is_not_healthy) {
    ck_assert_int_eq(ask("127.0.0.1", find_free_port(), NULL), 1);
    ck_assert_msg(strstr(output, ": Connection refused\n") != NULL, "%s", output);
}
END_TEST

struct slow_server {
    int listener;
    int64_t took_us; /* from the connection to its end */
};

/* Sends one byte when most of the time is over. */
static void *serve_slowly(void *argument) {
    struct slow_server *slow = argument;
    char request[1024];
    int client = accept(slow->listener, NULL, NULL);
    int64_t began_us = clock_monotonic_us();
    ck_assert_int_gt(recv(client, request, sizeof request, 0), 0);
    usleep(1500000);
    ck_assert_int_eq(send(client, "H", 1, MSG_NOSIGNAL), 1);
    while (recv(client, request, sizeof request, 0) > 0)
        ;
    slow->took_us = clock_monotonic_us() - began_us;
    close(client);
    return NULL;
}

/* The image's HEALTHCHECK waits for three seconds. Two seconds anew from the last byte on would be over after three and a half.
 */
START_TEST(one_who_has_not_answered_after_two_seconds_is_not_healthy) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    struct slow_server slow = { .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    pthread_t thread;
    ck_assert_int_eq(bind(slow.listener, (const struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(slow.listener, 1), 0);
    ck_assert_int_eq(getsockname(slow.listener, (struct sockaddr *)&address, &size), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_slowly, &slow), 0);
    ck_assert_int_eq(ask("127.0.0.1", ntohs(address.sin_port), NULL), 1);
    ck_assert_msg(strstr(output, ": Connection timed out\n") != NULL, "%s", output);
    pthread_join(thread, NULL);
    ck_assert_msg(slow.took_us < 34 * CLOCK_US_PER_S / 10, "%lld us", (long long)slow.took_us);
    close(slow.listener);
}
END_TEST

START_TEST(with_an_operators_listener_a_flood_of_clients_does_not_make_it_unhealthy) {
    struct server server = server_start((const char *const[]){ "ops.listen=127.0.0.1:0", "server.max_connections=1", NULL });
    char public[64], operations[64];
    int clients[4];
    snprintf(public, sizeof public, "server.listen=127.0.0.1:%d", server.port);
    snprintf(operations, sizeof operations, "ops.listen=127.0.0.1:%d", server_operations(&server).port);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = raw_connect(&server);
    ck_assert_int_eq(ask("127.0.0.1", server.port, NULL), 1);
    const char *const words[] = { "--set", public, "--set", operations, "health", "--ready", NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
    ck_assert_msg(strstr(output, "\"database\":\"ok\"") != NULL, "%s", output);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        close(clients[i]);
    server_finish(&server);
}
END_TEST

Suite *health_command_suite(void) {
    Suite *suite = suite_create("health_command");
    TCase *tcase = tcase_create("beside a server");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_add_loop_test(tcase, a_service_is_alive_on_whatever_address_it_listens, 0, 2);
    tcase_add_test(tcase, one_without_a_database_is_alive_and_not_ready);
    tcase_add_test(tcase, with_an_operators_listener_a_flood_of_clients_does_not_make_it_unhealthy);
    tcase_add_test(tcase, nobody_who_listens_is_not_healthy);
    tcase_add_test(tcase, one_who_has_not_answered_after_two_seconds_is_not_healthy);
    suite_add_tcase(suite, tcase);
    return suite;
}
