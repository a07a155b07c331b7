/* Services and their credentials in a server that runs: `jwtd service`, SIGHUP, limits, other keys, other instances. */
#include "support/account.h"
#include "support/service.h"

#include "jwtd/macros.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *services_suite(void);

#define INTROSPECT "/auth/introspect"
#define REVOKE "/auth/revoke"

static void expect_answered(struct reply reply) {
    expect_status(reply, 200);
}

static void expect_refused(struct reply reply) {
    expect_problem(reply, 401, "invalid_client");
}

START_TEST(a_secret_is_rotated_without_an_outage) {
    char line[256];
    struct service old = service_add(&shared_server, "rotating");
    struct service new = service_with("rotating", service_command(&shared_server, "rotate", "rotating", line));
    expect_refused(service_ask(&shared_server, &new, INTROSPECT, "x")); /* until SIGHUP */
    service_reload(&shared_server);
    expect_answered(service_ask(&shared_server, &old, INTROSPECT, "x"));
    expect_answered(service_ask(&shared_server, &new, INTROSPECT, "x"));
    service_command(&shared_server, "drop-old", "rotating", line);
    service_reload(&shared_server);
    expect_refused(service_ask(&shared_server, &old, INTROSPECT, "x"));
    expect_answered(service_ask(&shared_server, &new, INTROSPECT, "x"));
    service_command(&shared_server, "remove", "rotating", line);
    service_reload(&shared_server);
    expect_refused(service_ask(&shared_server, &new, INTROSPECT, "x"));
}
END_TEST

START_TEST(a_service_is_limited_by_its_name_and_a_stranger_by_its_address) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", "limit.service=3/h", NULL });
    struct service one = service_add(&server, "one"), other = service_add(&server, "other");
    char value[64];
    for (int left = 2; left >= 0; left--) {
        char expected[32];
        struct reply reply = service_ask(&server, &one, INTROSPECT, "x");
        snprintf(expected, sizeof expected, "\"service\";r=%d;", left);
        ck_assert_str_eq(http_header(&reply, "RateLimit-Policy", value, sizeof value), "\"service\";q=3;w=3600");
        ck_assert_int_eq(strncmp(http_header(&reply, "RateLimit", value, sizeof value), expected, strlen(expected)), 0);
        expect_answered(reply);
    }
    expect_problem(service_ask(&server, &one, REVOKE, "x"), 429, "rate_limited");
    expect_answered(service_ask(&server, &other, INTROSPECT, "x"));
    struct service wrong = service_with("one", "wrong");
    for (int i = 0; i < 3; i++)
        expect_refused(service_ask(&server, &wrong, INTROSPECT, "x"));
    expect_problem(service_ask(&server, &wrong, INTROSPECT, "x"), 429, "rate_limited");
    expect_answered(service_ask(&server, &other, INTROSPECT, "x")); /* from the same address */
    server_finish(&server);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_leaves_the_services_that_were_there) {
    struct server server = server_start(NULL);
    struct service service = service_add(&server, "orders");
    char path[128];
    snprintf(path, sizeof path, "%s/services.credentials", server.directory);
    FILE *file = fopen(path, "ae");
    ck_assert_ptr_nonnull(file);
    fputs("garbage\n", file);
    ck_assert_int_eq(fclose(file), 0);
    kill(server.pid, SIGHUP);
    server_await_log(&server, "reload_failed", 10000);
    ck_assert(server_log_contains(&server, "services.credentials: line 2 does not begin with the name of a service"));
    expect_answered(service_ask(&server, &service, INTROSPECT, "x"));
    ck_assert_int_eq(unlink(path), 0);
    service_reload(&server);
    expect_refused(service_ask(&server, &service, INTROSPECT, "x"));
    server_finish(&server);
}
END_TEST

/* ---- keys and instances ---- */

static bool is_active(const struct server *server, const struct service *service, const char *token) {
    struct reply reply = service_ask(server, service, INTROSPECT, token);
    ck_assert_int_eq(reply.status, 200);
    bool active = json_boolean_at(reply.json, "active");
    http_free(&reply);
    return active;
}

static const char *const algorithms[] = { "hs256", "es256", "rs256" };

/* The first instance does not know the key of the second, and reads it while it answers. */
START_TEST(a_token_of_each_algorithm_and_of_a_key_that_is_new_is_active_and_is_revoked_everywhere) {
    char expected[128];
    struct server one = server_start(NULL);
    struct service service = service_add(&one, "orders");
    server_make_key_of(&one, algorithms[_i]);
    struct server other = server_start_beside(&one, NULL);
    struct account account = account_register(&other);
    struct tokens first = account_login(&other, &account), second = account_login(&other, &account);
    ck_assert(_i % 2 == 0 || is_active(&one, &service, second.access));
    expect_answered(service_ask(&one, &service, REVOKE, first.access));
    snprintf(expected, sizeof expected, "\"service\":\"%s\"", service.name);
    ck_assert(server_log_contains(&one, expected));
    ck_assert(!is_active(&one, &service, first.access) && !is_active(&one, &service, first.refresh));
    for (int i = 0; i < 40 && is_active(&other, &service, first.access); i++)
        usleep(25000);
    ck_assert(!is_active(&other, &service, first.access)); /* within a second */
    ck_assert(is_active(&one, &service, second.access) && is_active(&other, &service, second.access));
    server_finish(&other);
    server_finish(&one);
}
END_TEST

Suite *services_suite(void) {
    Suite *suite = suite_create("services");
    TCase *tcase = tcase_create("services");
    tcase_add_unchecked_fixture(tcase, shared_server_start, shared_server_finish);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_secret_is_rotated_without_an_outage);
    tcase_add_test(tcase, a_service_is_limited_by_its_name_and_a_stranger_by_its_address);
    tcase_add_test(tcase, a_file_that_cannot_be_read_leaves_the_services_that_were_there);
    tcase_add_loop_test(tcase, a_token_of_each_algorithm_and_of_a_key_that_is_new_is_active_and_is_revoked_everywhere, 0,
                        (int)ARRAY_LEN(algorithms));
    suite_add_tcase(suite, tcase);
    return suite;
}
