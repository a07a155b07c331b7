/* health, CORS, methods, request ids. */
#include "support/account.h"
#include "support/load.h"
#include "support/raw.h"

#include "jwtd/macros.h"
#include "jwtd/status.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

Suite *http_suite(void);

static const struct {
    const char *path, *cache_control;
} caching[] = {
    { "/auth/me", "no-store" }, { "/health", "no-store" },    { "/nope", "no-store" },
    { "/docs", "no-cache" },    { "/docs/none", "no-store" },
};

START_TEST(only_what_a_row_calls_cacheable_may_be_kept_by_a_cache) {
    char value[64];
    struct reply reply = http_send(&shared_server, "GET", caching[_i].path, NULL, NULL);
    ck_assert_str_eq(http_header(&reply, "Cache-Control", value, sizeof value), caching[_i].cache_control);
    http_free(&reply);
}
END_TEST

START_TEST(a_healthy_service_says_what_it_checked) {
    static const char *const paths[] = { "/health", "/health/ready" };
    await_ready(&shared_server); /* the database is asked in the background, for the first time after the start */
    for (size_t i = 0; i < 2; i++) {
        struct reply reply = http_send(&shared_server, "GET", paths[i], NULL, NULL);
        ck_assert_int_eq(reply.status, 200);
        ck_assert_str_eq(http_member(&reply, "status"), "healthy");
        ck_assert_str_ne(http_member(&reply, "version"), "");
        ck_assert_str_eq(json_string_at(json_object_object_get(reply.json, "checks"), "database"), "ok");
        http_free(&reply);
    }
    struct reply live = http_send(&shared_server, "GET", "/health/live", NULL, NULL);
    ck_assert_int_eq(live.status, 200);
    http_free(&live);
}
END_TEST

/* A failure of the database is "try again later", never "log in again". */
static const struct {
    const char *method, *path, *body;
} needing_database[] = {
    { "POST", "/auth/login", "{\"email\":\"a@example.org\",\"password\":\"some passphrase\"}" },
    { "POST", "/auth/register", "{\"email\":\"a@example.org\",\"password\":\"some passphrase\"}" },
};

START_TEST(without_a_database_the_service_lives_and_asks_to_come_again) {
    struct server server =
        server_start_unready((const char *const[]){ "database.url=host=/nowhere dbname=x", "server.request_timeout=3s", NULL });
    struct reply live = http_send(&server, "GET", "/health/live", NULL, NULL);
    ck_assert_int_eq(live.status, 200);
    ck_assert(live.seconds < 0.5);
    http_free(&live);
    struct reply ready = http_send(&server, "GET", "/health/ready", NULL, NULL);
    char value[32];
    ck_assert_int_eq(ready.status, 503);
    ck_assert_str_eq(json_string_at(json_object_object_get(ready.json, "checks"), "database"), "failed");
    ck_assert_str_ne(http_header(&ready, "Retry-After", value, sizeof value), "");
    http_free(&ready);
    struct reply health = http_send(&server, "GET", "/health", NULL, NULL);
    ck_assert_int_eq(health.status, 503);
    http_free(&health);
    for (size_t i = 0; i < ARRAY_LEN(needing_database); i++) {
        struct reply reply =
            http_json(&server, needing_database[i].method, needing_database[i].path, NULL, needing_database[i].body);
        assert_problem(&reply, 503, "database_unavailable");
        ck_assert(reply.seconds < 4);
        http_free(&reply);
    }
    /* a good token of another instance with the same keys: whether its session has ended is not known yet */
    struct server good = server_start_beside(&server, NULL);
    struct account account = account_register(&good);
    struct tokens tokens = account_login(&good, &account);
    struct reply me = http_json(&server, "GET", "/auth/me", tokens.access, NULL);
    assert_problem(&me, 503, "starting");
    http_free(&me);
    struct reply refresh = refresh_with(&server, tokens.refresh);
    assert_problem(&refresh, 503, "database_unavailable");
    http_free(&refresh);
    server_finish(&good);
    server_finish(&server);
}
END_TEST

START_TEST(a_method_that_a_path_does_not_take_gets_405_and_which_it_takes) {
    char value[128];
    struct reply reply = http_send(&shared_server, "PUT", "/auth/me", NULL, NULL);
    assert_problem(&reply, 405, "method_not_allowed");
    http_header(&reply, "Allow", value, sizeof value);
    static const char *const methods[] = { "GET", "PATCH", "DELETE", "HEAD", "OPTIONS" };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        ck_assert_msg(strstr(value, methods[i]) != NULL, "%s", value);
    http_free(&reply);
    struct reply unknown = http_send(&shared_server, "GET", "/auth/unknown", NULL, NULL);
    assert_problem(&unknown, 404, "not_found");
    http_free(&unknown);
    struct reply options = http_send(&shared_server, "OPTIONS", "/auth/login", NULL, NULL);
    ck_assert_int_eq(options.status, 204);
    http_free(&options);
}
END_TEST

static const struct {
    const char *sent;
    bool echoed;
} ids[] = {
    { "X-Request-Id: abc.DEF_123-x", true },
    { "X-Request-Id: a", true },
    { "X-Request-Id: has space", false },
    { "X-Request-Id: <script>", false },
    { "X-Request-Id: 0123456789012345678901234567890123456789012345678901234567890123", true },
    { "X-Request-Id: 01234567890123456789012345678901234567890123456789012345678901234", false },
};

START_TEST(a_sane_request_id_is_echoed_and_any_other_replaced) {
    char value[128];
    struct reply reply = http_send(&shared_server, "GET", "/health/live", (const char *const[]){ ids[_i].sent, NULL }, NULL);
    http_header(&reply, "X-Request-Id", value, sizeof value);
    ck_assert_str_ne(value, "");
    ck_assert_int_eq(strcmp(value, ids[_i].sent + strlen("X-Request-Id: ")) == 0, ids[_i].echoed);
    http_free(&reply);
}
END_TEST

/* ---- CORS ---- */

static struct server cors_server;

static void start_cors(void) {
    cors_server =
        server_start((const char *const[]){ "cors.allowed_origins=https://app.example.org, https://b.example.org:8443", NULL });
}

static void finish_cors(void) {
    server_finish(&cors_server);
}

static const struct {
    const char *origin;
    bool allowed;
} origins[] = {
    { "https://app.example.org", true },
    { "https://b.example.org:8443", true },
    { "https://b.example.org", false },
    { "http://app.example.org", false },
    { "https://app.example.org.evil.org", false },
    { "https://APP.example.org", false },
    { "null", false },
    { "*", false },
};

START_TEST(only_a_listed_origin_may_read_replies) {
    char header[128], value[256];
    snprintf(header, sizeof header, "Origin: %s", origins[_i].origin);
    struct reply reply = http_send(&cors_server, "GET", "/auth/me", (const char *const[]){ header, NULL }, NULL);
    ck_assert_int_eq(reply.status, 401);
    ck_assert_str_eq(http_header(&reply, "Access-Control-Allow-Origin", value, sizeof value),
                     origins[_i].allowed ? origins[_i].origin : "");
    ck_assert_str_eq(http_header(&reply, "Vary", value, sizeof value), "Origin");
    ck_assert_int_eq(strstr(http_header(&reply, "Access-Control-Expose-Headers", value, sizeof value), "Retry-After") != NULL,
                     origins[_i].allowed);
    http_free(&reply);
}
END_TEST

/* A page whose origin is not listed sees nothing but "failed to fetch"; the operator finds why. */
START_TEST(an_origin_that_is_refused_leaves_a_line_in_the_log_and_the_services_own_does_not) {
    struct server server =
        server_start((const char *const[]){ "cors.allowed_origins=https://app.example.org", "log.level=debug", NULL });
    char own[256];
    snprintf(own, sizeof own, "Origin: %s", server.url);
    const char *const quiet[][3] = {
        { own, NULL },
        { "Origin: https://behind-a-proxy.example.org", "Sec-Fetch-Site: same-origin", NULL },
        { "Origin: https://app.example.org", NULL },
        { NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(quiet); i++)
        expect_status(http_send(&server, "GET", "/auth/me", quiet[i], NULL), 401);
    const char *const strange[] = { "Origin: http://localhost:8281", "Access-Control-Request-Method: POST", NULL };
    expect_status(http_send(&server, "GET", "/.well-known/jwks.json", strange, NULL), 200);
    ck_assert(server_log_count(&server, "origin_refused") == 0);
    expect_status(http_send(&server, "OPTIONS", "/auth/login", strange, NULL), 204);
    ck_assert(server_log_contains(&server,
                                  "\"event\":\"origin_refused\",\"route\":\"/auth/login\",\"origin\":\"http://localhost:8281\""));
    server_finish(&server);
}
END_TEST

START_TEST(a_listed_origin_may_read_why_its_request_is_malformed) {
    static const char request[] = "GET /auth/me HTTP/1.1\r\nHost: x\r\nHost: x\r\nOrigin: https://app.example.org\r\n\r\n";
    struct raw_reply reply;
    raw_exchange_replies(&cors_server, request, sizeof request - 1, 1, &reply);
    ck_assert_int_eq(reply.statuses[0], 400);
    ck_assert_ptr_nonnull(strstr(reply.bytes, "Access-Control-Allow-Origin: https://app.example.org\r\n"));
}
END_TEST

START_TEST(only_a_listed_origin_passes_a_preflight) {
    char header[128], value[256];
    snprintf(header, sizeof header, "Origin: %s", origins[_i].origin);
    const char *const headers[] = { header, "Access-Control-Request-Method: PATCH",
                                    "Access-Control-Request-Headers: authorization, content-type", NULL };
    struct reply reply = http_send(&cors_server, "OPTIONS", "/auth/me", headers, NULL);
    ck_assert_int_eq(reply.status, 204);
    ck_assert_str_eq(http_header(&reply, "Access-Control-Allow-Origin", value, sizeof value),
                     origins[_i].allowed ? origins[_i].origin : "");
    ck_assert_int_eq(strstr(http_header(&reply, "Access-Control-Allow-Methods", value, sizeof value), "PATCH") != NULL,
                     origins[_i].allowed);
    ck_assert_int_eq(strstr(http_header(&reply, "Access-Control-Allow-Headers", value, sizeof value), "Authorization") != NULL,
                     origins[_i].allowed);
    ck_assert_str_eq(http_header(&reply, "Access-Control-Max-Age", value, sizeof value), origins[_i].allowed ? "600" : "");
    http_free(&reply);
}
END_TEST

/* Each breaks the rule of its own line and all those below that it can, in the order of include/jwtd/http_server.h. */
static const struct {
    const char *request;
    int status;
} refusals[] = {
    { "PUT /nowhere HTTP/1.1\r\nHost: x\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 400 },
    { "PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 404 },
    { "PUT /auth/password HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 405 },
    /* the one token of the bucket */
    { "POST /auth/password HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n{", 401 },
    { "POST /auth/password HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 413 },
    { "POST /auth/password HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n{", 429 },
    { "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n{", 415 },
    { "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{", 400 },
    { "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 422 },
};

START_TEST(refusals_come_in_the_order_that_the_header_promises) {
    struct server server = server_start((const char *const[]){ "limit.enabled=true", "limit.account=1/h", NULL });
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct raw_reply reply;
        int fd = raw_connect(&server);
        raw_send(fd, refusals[i].request, strlen(refusals[i].request));
        raw_read_replies(fd, 1, &reply);
        ck_assert_msg(reply.count >= 1 && reply.statuses[0] == refusals[i].status, "%d: %s", refusals[i].status, reply.bytes);
        close(fd);
    }
    server_finish(&server);
}
END_TEST

Suite *http_suite(void) {
    Suite *suite = suite_create("http");
    TCase *shared = tcase_create("one server");
    tcase_set_timeout(shared, 60);
    tcase_add_unchecked_fixture(shared, shared_server_start, shared_server_finish);
    tcase_add_test(shared, a_healthy_service_says_what_it_checked);
    tcase_add_loop_test(shared, only_what_a_row_calls_cacheable_may_be_kept_by_a_cache, 0, (int)ARRAY_LEN(caching));
    tcase_add_test(shared, a_method_that_a_path_does_not_take_gets_405_and_which_it_takes);
    tcase_add_loop_test(shared, a_sane_request_id_is_echoed_and_any_other_replaced, 0, (int)ARRAY_LEN(ids));
    suite_add_tcase(suite, shared);
    TCase *own = tcase_create("a server of its own");
    tcase_set_timeout(own, 60);
    tcase_add_test(own, without_a_database_the_service_lives_and_asks_to_come_again);
    tcase_add_test(own, an_origin_that_is_refused_leaves_a_line_in_the_log_and_the_services_own_does_not);
    tcase_add_test(own, refusals_come_in_the_order_that_the_header_promises);
    suite_add_tcase(suite, own);
    TCase *cors = tcase_create("cors");
    tcase_set_timeout(cors, 60);
    tcase_add_unchecked_fixture(cors, start_cors, finish_cors);
    tcase_add_loop_test(cors, only_a_listed_origin_may_read_replies, 0, (int)ARRAY_LEN(origins));
    tcase_add_test(cors, a_listed_origin_may_read_why_its_request_is_malformed);
    tcase_add_loop_test(cors, only_a_listed_origin_passes_a_preflight, 0, (int)ARRAY_LEN(origins));
    suite_add_tcase(suite, cors);
    return suite;
}
