/* Introspection and revocation while the database is away (RFC 7009 section 2.2.1, RFC 7662 section 4). */
#include "support/account.h"
#include "support/cluster.h"
#include "support/service.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *database_introspection_suite(void);

#define INTROSPECT "/auth/introspect"
#define REVOKE "/auth/revoke"
#define INACTIVE "{\"active\":false}"
#define TRIES 400
#define PAUSE_US 50000u

static struct cluster cluster;

static void create(void) {
    cluster = cluster_create(NULL);
}

static void remove_(void) {
    cluster_remove(&cluster);
}

static void expect_body(struct reply reply, const char *part) {
    ck_assert_msg(reply.status == 200 && strstr(reply.body, part) != NULL, "%ld %s", reply.status, reply.body);
    http_free(&reply);
}

static void await_status(const struct server *server, const struct service *service, const char *token, long status) {
    for (int i = 0; i < TRIES; i++) {
        struct reply reply = service_ask(server, service, INTROSPECT, token);
        long found = reply.status;
        http_free(&reply);
        if (found == status)
            return;
        usleep(PAUSE_US);
    }
    ck_abort_msg("never %ld", status);
}

START_TEST(nothing_is_called_inactive_or_revoked_that_is_not_known_to_be) {
    char url[CLUSTER_SETTING_SIZE];
    struct server server =
        server_start((const char *const[]){ cluster_setting(cluster.port, "", url), "token.max_stale=5s", NULL });
    struct service service = service_add(&server, "orders");
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    expect_body(service_ask(&server, &service, INTROSPECT, tokens.access), "\"active\":true");
    expect_body(service_ask(&server, &service, INTROSPECT, tokens.refresh), "\"active\":true");

    cluster_stop(&cluster);
    expect_body(service_ask(&server, &service, INTROSPECT, tokens.access), "\"active\":true"); /* from memory */
    expect_body(service_ask(&server, &service, INTROSPECT, "x"), INACTIVE);
    expect_problem(service_ask(&server, &service, INTROSPECT, tokens.refresh), 503, "database_unavailable");
    /* RFC 7009 section 2.2.1: the token still exists, try again after Retry-After */
    expect_problem(service_ask(&server, &service, REVOKE, tokens.access), 503, "database_unavailable");
    expect_problem(service_ask(&server, &service, REVOKE, tokens.refresh), 503, "database_unavailable");
    expect_body(service_ask(&server, &service, INTROSPECT, tokens.access), "\"active\":true");

    struct server fresh =
        server_start_unready_beside(&server, (const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    expect_problem(service_ask(&fresh, &service, INTROSPECT, tokens.access), 503, "starting");
    expect_problem(service_ask(&fresh, &service, REVOKE, tokens.access), 503, "starting");
    expect_body(service_ask(&fresh, &service, INTROSPECT, "x"), INACTIVE);

    await_status(&server, &service, tokens.access, 503);
    expect_problem(service_ask(&server, &service, INTROSPECT, tokens.access), 503, "revocations_stale");
    expect_problem(service_ask(&server, &service, REVOKE, tokens.access), 503, "revocations_stale");
    expect_body(service_ask(&server, &service, INTROSPECT, "x"), INACTIVE);

    cluster_start(&cluster);
    await_status(&server, &service, tokens.access, 200);
    await_status(&fresh, &service, tokens.access, 200);
    expect_body(service_ask(&server, &service, INTROSPECT, tokens.refresh), "\"active\":true");
    expect_status(service_ask(&server, &service, REVOKE, tokens.access), 200);
    expect_body(service_ask(&server, &service, INTROSPECT, tokens.access), INACTIVE);
    expect_body(service_ask(&server, &service, INTROSPECT, tokens.refresh), INACTIVE);
    server_finish(&fresh);
    server_finish(&server);
}
END_TEST

Suite *database_introspection_suite(void) {
    Suite *suite = suite_create("database_introspection");
    TCase *tcase = tcase_create("database_introspection");
    tcase_add_unchecked_fixture(tcase, create, remove_);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, nothing_is_called_inactive_or_revoked_that_is_not_known_to_be);
    suite_add_tcase(suite, tcase);
    return suite;
}
