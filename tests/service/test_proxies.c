/*
 * Forward authentication behind real proxies: each is started with the file of config/proxies that ships, in which only the
 * addresses, and the place of the other files, are replaced, between clients and a backend that keeps what it received.
 */
#include "support/account.h"
#include "support/backend.h"
#include "support/cluster.h"
#include "support/reverse_proxy.h"

#include "jwtd/macros.h"
#include "tests/runner.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *proxies_suite(void);

static const struct reverse_proxy
    *tested[REVERSE_PROXIES_MAX + 1]; /* those that are here; the tests are repeated for each of them */
static struct backend *backend;
static struct server starting; /* without its database: each good token is answered 503 */

static void start_services(void) {
    shared_server_start();
    starting = server_start_unready_beside(&shared_server, (const char *const[]){ "database.url=host=127.0.0.1 port=1", NULL });
}

static void finish_services(void) {
    server_finish(&starting);
    shared_server_finish();
}

/* In the process of each test, since its thread is there. */
static void start_backend(void) {
    backend = backend_start();
}

static void stop_backend(void) {
    backend_stop(backend);
}

static struct running_proxy start(const struct reverse_proxy *proxy, int jwtd_port) {
    return reverse_proxy_start(proxy, shared_server.directory, jwtd_port, backend_port(backend));
}

/* ---- users ---- */

struct user {
    struct account account;
    char authorization[TOKEN_SIZE + 32];
};

/* With this role; "": none. */
static struct user user_with(const char *role) {
    struct user user = { .account = account_register(&shared_server) };
    char database[512], output[4096];
    snprintf(database, sizeof database, "database.url=%s", getenv("JWTD_TEST_DATABASE"));
    const char *words[] = { "--set", database, "user", "set-roles", user.account.email, role, NULL };
    if (role[0] != '\0')
        ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
    struct tokens tokens = account_login(&shared_server, &user.account);
    snprintf(user.authorization, sizeof user.authorization, "Authorization: Bearer %s", tokens.access);
    return user;
}

static void assert_received(const struct running_proxy *running, const char *subject, const char *roles, const char *what) {
    struct backend_request request;
    char value[256];
    const char *name = running->proxy->name;
    ck_assert_msg(backend_count(backend, &request) == 1, "%s, %s: the backend received nothing", name, what);
    backend_field(&request, "X-Auth-Subject", value, sizeof value);
    ck_assert_msg(strcmp(value, subject) == 0, "%s, %s: subject %s in %s", name, what, value, request.head);
    backend_field(&request, "X-Auth-Roles", value, sizeof value);
    ck_assert_msg(strcmp(value, roles) == 0, "%s, %s: roles %s in %s", name, what, value, request.head);
    backend_field(&request, "X-Auth-Session", value, sizeof value);
    ck_assert_msg(strlen(value) == 36, "%s, %s: session %s in %s", name, what, value, request.head);
    backend_field(&request, "X-Auth-Stale-For", value, sizeof value);
    ck_assert_msg(value[0] == '\0', "%s, %s: stale for %s in %s", name, what, value, request.head);
    backend_field(&request, "Connection", value, sizeof value); /* a proxy in front of the backend would remove what it names */
    ck_assert_msg(strcasestr(value, "auth") == NULL, "%s, %s: Connection %s in %s", name, what, value, request.head);
}

static void assert_nothing_received(const struct running_proxy *running, const char *what) {
    struct backend_request request;
    unsigned count = backend_count(backend, &request);
    ck_assert_msg(count == 0, "%s, %s: the backend received %s", running->proxy->name, what, request.head);
}

static struct reply get(const struct running_proxy *running, const char *path, const char *const *headers) {
    backend_clear(backend);
    return http_send(&running->address, "GET", path, headers, NULL);
}

/* ---- tests ---- */

START_TEST(a_good_token_passes_with_its_identity_and_nothing_that_the_client_says_of_it) {
    /* the last ones are the same to a backend that reads CGI variables */
    static const char *const forged[][5] = {
        { NULL },
        { "X-Auth-Subject: forged", "X-Auth-Session: forged", "X-Auth-Roles: admin", "X-Auth-Stale-For: 0", NULL },
        { "x-auth-roles: admin", "X-AUTH-ROLES: admin", "X-Auth-Roles: owner", "X-Auth-Subject: a", NULL },
        { "X-Auth-Stale-For: 1", "X-Auth-Stale-For: 2", "x-auth-stale-for: 3", NULL },
        { "X_Auth_Subject: forged", "X_Auth_Session: forged", "X_Auth_Roles: admin", "X_Auth_Stale_For: 0", NULL },
        { "X-Auth_Subject: forged", "X_Auth-Session: forged", "x_aUth-roles: admin", "X-AUTH_STALE_FOR: 0", NULL },
        { "X.Auth.Subject: forged", "X.Auth-Roles: admin", "X-Auth.Session: forged", "x.auth_stale-for: 0", NULL },
        { "Connection: X-Auth-Roles, X-Auth-Subject, X-Auth-Session", "X-Auth-Roles: admin", NULL },
    };
    struct running_proxy running = start(tested[_i], shared_server.port);
    struct user plain = user_with(""), admin = user_with("admin");
    for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
        const char *headers[8] = { plain.authorization };
        for (size_t j = 0; forged[i][j] != NULL; j++)
            headers[j + 1] = forged[i][j];
        expect_status(get(&running, "/some/path?role=owner&a=%zz", headers), 200);
        assert_received(&running, plain.account.id, "-", forged[i][0] != NULL ? forged[i][0] : "no forged header");
        headers[0] = admin.authorization;
        expect_status(get(&running, "/", headers), 200);
        assert_received(&running, admin.account.id, "admin", forged[i][0] != NULL ? forged[i][0] : "no forged header");
    }
    reverse_proxy_stop(&running);
}
END_TEST

START_TEST(without_a_good_token_nothing_reaches_the_backend) {
    struct running_proxy running = start(tested[_i], shared_server.port);
    struct user user = user_with("admin");
    char forged[TOKEN_SIZE + 32], value[256];
    snprintf(forged, sizeof forged, "%s", user.authorization);
    char *last = &forged[strlen(forged) - 10];
    *last = *last == 'A' ? 'B' : 'A';
    const char *const refused[][4] = {
        { NULL },
        { "X-Auth-Subject: forged", "X-Auth-Roles: admin", NULL },
        { forged, "X-Auth-Roles: admin", NULL },
        { "Authorization: Bearer x.y.z", NULL },
        { "Authorization: Basic YTpi", NULL },
        { "Authorization;", NULL }, /* an empty one, as libcurl takes it */
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct reply reply = get(&running, "/", refused[i]);
        const char *what = refused[i][0] != NULL ? refused[i][0] : "no token";
        ck_assert_msg(reply.status == 401, "%s, %s: %ld", running.proxy->name, what, reply.status);
        http_header(&reply, "WWW-Authenticate", value, sizeof value);
        ck_assert_msg(strncmp(value, "Bearer realm=\"jwtd\"", 19) == 0, "%s, %s: %s", running.proxy->name, what, value);
        http_free(&reply);
        assert_nothing_received(&running, what);
    }
    /* two of them: the proxy may check one, and the backend use the other */
    struct reply reply = get(&running, "/", (const char *const[]){ user.authorization, "Authorization: Bearer x.y.z", NULL });
    bool is_refused = reply.status == 400 || reply.status == 401; /* Envoy makes one header of the two */
    ck_assert_msg(is_refused, "%s, two tokens: %ld", running.proxy->name, reply.status);
    http_free(&reply);
    assert_nothing_received(&running, "two tokens");
    reverse_proxy_stop(&running);
}
END_TEST

START_TEST(a_session_that_has_ended_is_refused_at_once) {
    struct running_proxy running = start(tested[_i], shared_server.port);
    struct user user = user_with("");
    const char *const headers[] = { user.authorization, NULL };
    expect_status(get(&running, "/", headers), 200);
    expect_status(http_send(&shared_server, "POST", "/auth/logout", headers, NULL), 204);
    expect_status(get(&running, "/", headers), 401);
    assert_nothing_received(&running, "an ended session");
    reverse_proxy_stop(&running);
}
END_TEST

START_TEST(a_role_that_the_proxy_asks_for_is_required) {
    struct running_proxy running = start(tested[_i], shared_server.port);
    struct user plain = user_with("editor"), admin = user_with("admin");
    char value[256];
    const char *const by_plain[] = { plain.authorization, "X-Auth-Roles: admin", NULL }, *const by_admin[] = {
        admin.authorization, NULL
    };
    backend_clear(backend);
    struct reply reply = http_send(&running.admins, "GET", "/admin/x?role=editor", by_plain, NULL);
    ck_assert_msg(reply.status == 403, "%s: %ld", running.proxy->name, reply.status);
    ck_assert_str_eq(http_header(&reply, "WWW-Authenticate", value, sizeof value),
                     "Bearer realm=\"jwtd\", error=\"insufficient_scope\"");
    http_free(&reply);
    assert_nothing_received(&running, "a token without the role");
    expect_status(http_send(&running.admins, "GET", "/admin/x?role=editor", by_admin, NULL), 200);
    assert_received(&running, admin.account.id, "admin", "a token with the role");
    reverse_proxy_stop(&running);
}
END_TEST

/* What a backend may take for /admin/x, or for /admin. */
static const char *const spellings[] = {
    "/admin",        "/admin/",           "/admin?a=b", "/ADMIN/x", "/Admin",       "/admin;a/x",
    "/admin%2fx",    "/admin%2Fx",        "/%61dmin/x", "/adm%69n", "//admin/x",    "/./admin/x",
    "/a/../admin/x", "/a/%2e%2e/admin/x", "/admin//x",  "/admin.",  "/admin%3ba/x", "/admin%20/x",
};

START_TEST(no_other_way_to_write_a_path_gets_around_its_role) {
    struct running_proxy running = start(tested[_i], shared_server.port);
    struct user plain = user_with("editor");
    const char *const headers[] = { plain.authorization, NULL };
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        backend_clear(backend);
        struct reply reply = http_send(&running.admins, "GET", spellings[i], headers, NULL);
        ck_assert_msg(reply.status >= 300 && reply.status < 500, "%s, %s: %ld", running.proxy->name, spellings[i], reply.status);
        http_free(&reply);
        assert_nothing_received(&running, spellings[i]);
    }
    reverse_proxy_stop(&running);
}
END_TEST

START_TEST(a_body_arrives_whole_and_only_at_the_backend) {
    static const struct {
        const char *method;
        size_t len;
        bool is_chunked;
    } bodies[] = { { "POST", 5, false },       { "POST", 5, true },      { "PUT", 16385, false }, { "POST", 3000000, false },
                   { "PATCH", 3000000, true }, { "DELETE", 100, false }, { "POST", 0, false } };
    struct running_proxy running = start(tested[_i], shared_server.port);
    struct user user = user_with("");
    const char *const plain[] = { user.authorization, "Expect:", NULL };
    const char *const chunked[] = { user.authorization, "Expect:", "Transfer-Encoding: chunked", NULL };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct backend_request request;
        char *body = malloc(bodies[i].len + 1);
        ck_assert_ptr_nonnull(body);
        for (size_t j = 0; j < bodies[i].len; j++)
            body[j] = (char)('a' + j % 23 + i);
        backend_clear(backend);
        struct reply reply = http_send_bytes(&running.address, bodies[i].method, "/upload",
                                             bodies[i].is_chunked ? chunked : plain, body, bodies[i].len);
        ck_assert_msg(reply.status == 200, "%s, body %zu: %ld %s", running.proxy->name, i, reply.status, reply.body);
        ck_assert_msg(reply.seconds < 5, "%s, body %zu: %.1f s", running.proxy->name, i, reply.seconds);
        http_free(&reply);
        assert_received(&running, user.account.id, "-", "a body");
        backend_count(backend, &request);
        ck_assert_msg(strncmp(request.head, bodies[i].method, strlen(bodies[i].method)) == 0, "%s", request.head);
        ck_assert_uint_eq(request.body_len, bodies[i].len);
        ck_assert_uint_eq(request.body_sum, backend_sum(0, body, bodies[i].len));
        free(body);
    }
    reverse_proxy_stop(&running);
}
END_TEST

START_TEST(a_body_with_a_bad_token_is_refused_at_once) {
    struct running_proxy running = start(tested[_i], shared_server.port);
    char *body = calloc(1, 100001);
    ck_assert_ptr_nonnull(body);
    memset(body, 'a', 100000);
    const char *const headers[] = { "Authorization: Bearer x.y.z", "Expect:", NULL };
    backend_clear(backend);
    struct reply reply = http_send_bytes(&running.address, "POST", "/upload", headers, body, 100000);
    ck_assert_msg(reply.status == 401 && reply.seconds < 5, "%s: %ld after %.1f s", running.proxy->name, reply.status,
                  reply.seconds);
    http_free(&reply);
    assert_nothing_received(&running, "a body with a bad token");
    free(body);
    reverse_proxy_stop(&running);
}
END_TEST

START_TEST(large_cookies_and_many_headers_do_not_reach_the_service) {
    struct running_proxy running = start(tested[_i], shared_server.port);
    struct user user = user_with("");
    char cookie[7000] = "Cookie: a=";
    memset(cookie + strlen(cookie), 'b', sizeof cookie - strlen(cookie) - 1);
    struct reply reply = get(&running, "/", (const char *const[]){ user.authorization, cookie, NULL });
    ck_assert_msg(reply.status == 200, "%s: %ld", running.proxy->name, reply.status);
    http_free(&reply);
    assert_received(&running, user.account.id, "-", "a large cookie");
    reverse_proxy_stop(&running);
}
END_TEST

START_TEST(a_503_of_the_service_reaches_the_client_as_one) {
    struct running_proxy running = start(tested[_i], starting.port);
    struct user user = user_with("");
    char value[64];
    struct reply reply = get(&running, "/", (const char *const[]){ user.authorization, "X-Auth-Subject: forged", NULL });
    ck_assert_msg(reply.status == 503, "%s: %ld", running.proxy->name, reply.status);
    ck_assert_str_eq(http_header(&reply, "Retry-After", value, sizeof value), "1");
    http_free(&reply);
    expect_status(get(&running, "/", NULL), 401);
    assert_nothing_received(&running, "503");
    reverse_proxy_stop(&running);
}
END_TEST

START_TEST(without_the_service_nothing_reaches_the_backend) {
    struct running_proxy running = start(tested[_i], find_free_port());
    struct user user = user_with("admin");
    char value[64];
    struct reply reply = get(&running, "/", (const char *const[]){ user.authorization, "X-Auth-Subject: forged", NULL });
    ck_assert_msg(reply.status == running.proxy->without_jwtd, "%s: %ld", running.proxy->name, reply.status);
    if (reply.status == 503)
        ck_assert_str_eq(http_header(&reply, "Retry-After", value, sizeof value), "1");
    http_free(&reply);
    assert_nothing_received(&running, "no service");
    reverse_proxy_stop(&running);
}
END_TEST

/* Calls /auth/verify until it says that its knowledge of revocations is old. */
static void await_staleness(const struct server *server, const char *const *headers) {
    char value[64] = "";
    for (int i = 0; i < 200 && value[0] == '\0'; i++) {
        usleep(50000);
        struct reply reply = http_send(server, "GET", "/auth/verify", headers, NULL);
        ck_assert_int_eq(reply.status, 200);
        http_header(&reply, "X-Auth-Stale-For", value, sizeof value);
        http_free(&reply);
    }
    ck_assert_str_ne(value, "");
}

START_TEST(while_the_database_is_away_the_backend_is_told_how_old_the_knowledge_is) {
    char url[CLUSTER_SETTING_SIZE], authorization[TOKEN_SIZE + 32], value[64];
    struct cluster cluster = cluster_create(NULL);
    struct server server = server_start((const char *const[]){ cluster_setting(cluster.port, "", url), NULL });
    struct account account = account_register(&server);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", account_login(&server, &account).access);
    const char *const headers[] = { authorization, "X-Auth-Stale-For: 0", NULL };
    cluster_stop(&cluster);
    await_staleness(&server, headers);
    for (size_t i = 0; tested[i] != NULL; i++) {
        struct backend_request request;
        struct running_proxy running = start(tested[i], server.port);
        expect_status(get(&running, "/", headers), 200);
        ck_assert_uint_eq(backend_count(backend, &request), 1);
        backend_field(&request, "X-Auth-Stale-For", value, sizeof value);
        bool is_right = tested[i]->drops_stale_for ? value[0] == '\0' : strtol(value, NULL, 10) >= 2;
        ck_assert_msg(is_right, "%s: %s", tested[i]->name, request.head);
        reverse_proxy_stop(&running);
    }
    server_finish(&server);
    cluster_remove(&cluster);
}
END_TEST

/* ---- a program that fails inside a proxy ---- */

static const struct {
    const char *replaced, *replacement;
} failures[] = {
    { "    local authorization =", "    error('at the beginning') local authorization =" },
    { "core.httpclient()", "core.no_such_client()" },
    { "txn.http:req_set_header(name, value)", "error('almost at the end')" },
};

/* HAProxy goes on with a request whose action in Lua fails. */
START_TEST(a_check_that_fails_refuses_the_request) {
    struct reverse_proxy proxy = reverse_proxies[0];
    for (size_t i = 0; i < reverse_proxies_count; i++)
        if (strcmp(reverse_proxies[i].name, "haproxy") == 0)
            proxy = reverse_proxies[i];
    ck_assert_str_eq(proxy.name, "haproxy");
    proxy.replaced = failures[_i].replaced;
    proxy.replacement = failures[_i].replacement;
    struct running_proxy running = start(&proxy, shared_server.port);
    struct user user = user_with("admin");
    const char *const headers[] = { user.authorization, NULL };
    const struct server *const addresses[] = { &running.address, &running.admins };
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        char value[64];
        backend_clear(backend);
        struct reply reply = http_send(addresses[i], "GET", "/", headers, NULL);
        ck_assert_int_eq(reply.status, 503);
        ck_assert_str_eq(http_header(&reply, "Retry-After", value, sizeof value), "1");
        http_free(&reply);
        assert_nothing_received(&running, failures[_i].replacement);
    }
    reverse_proxy_stop(&running);
}
END_TEST

/* ---- the suite ---- */

START_TEST(proxies_without_a_debian_package_are_tested_if_they_are_here) {
    if (reverse_proxy_is_here(&reverse_proxies[_i]))
        return;
    char reason[64];
    snprintf(reason, sizeof reason, "there is no %s", reverse_proxies[_i].words[0]);
    SKIP_TEST(reason);
}
END_TEST

Suite *proxies_suite(void) {
    Suite *suite = suite_create("proxies");
    TCase *tcase = tcase_create("as shipped");
    int count = 0;
    for (size_t i = 0; i < reverse_proxies_count; i++)
        if (reverse_proxy_is_here(&reverse_proxies[i]))
            tested[count++] = &reverse_proxies[i];
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, start_services, finish_services);
    tcase_add_checked_fixture(tcase, start_backend, stop_backend);
    tcase_add_loop_test(tcase, a_good_token_passes_with_its_identity_and_nothing_that_the_client_says_of_it, 0, count);
    tcase_add_loop_test(tcase, without_a_good_token_nothing_reaches_the_backend, 0, count);
    tcase_add_loop_test(tcase, a_session_that_has_ended_is_refused_at_once, 0, count);
    tcase_add_loop_test(tcase, a_role_that_the_proxy_asks_for_is_required, 0, count);
    tcase_add_loop_test(tcase, no_other_way_to_write_a_path_gets_around_its_role, 0, count);
    tcase_add_loop_test(tcase, a_body_arrives_whole_and_only_at_the_backend, 0, count);
    tcase_add_loop_test(tcase, a_body_with_a_bad_token_is_refused_at_once, 0, count);
    tcase_add_loop_test(tcase, large_cookies_and_many_headers_do_not_reach_the_service, 0, count);
    tcase_add_loop_test(tcase, a_503_of_the_service_reaches_the_client_as_one, 0, count);
    tcase_add_loop_test(tcase, without_the_service_nothing_reaches_the_backend, 0, count);
    tcase_add_test(tcase, while_the_database_is_away_the_backend_is_told_how_old_the_knowledge_is);
    tcase_add_loop_test(tcase, a_check_that_fails_refuses_the_request, 0, (int)ARRAY_LEN(failures));
    tcase_add_loop_test(tcase, proxies_without_a_debian_package_are_tested_if_they_are_here, 0, (int)reverse_proxies_count);
    suite_add_tcase(suite, tcase);
    return suite;
}
