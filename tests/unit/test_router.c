#include "exchange_fixture.h"

#include "src/http/router.h"

#include "jwtd/macros.h"

Suite *router_suite(void);

#define ID "01a1ff28-f143-7afd-8764-fbc92de0bf2b"
#define OTHER_ID "01a1ff28-9a6f-715a-8034-e1934e879fe3"

static bool docs_are_enabled(const struct config *config) {
    return config->docs.enabled;
}

static const struct route rows[] = {
    { .method = METHOD_GET, .path = "/" },
    { .method = METHOD_GET, .path = "/users" },
    { .method = METHOD_POST, .path = "/users" },
    { .method = METHOD_GET, .path = "/users/{id}" },
    { .method = METHOD_DELETE, .path = "/users/{id}/sessions/{session}" },
    { .method = METHOD_ANY, .path = "/verify" },
    { .method = METHOD_ANY, .path = "/verify/*" },
    { .method = METHOD_GET, .path = "/page", .is_enabled = docs_are_enabled },
    { .method = METHOD_POST, .path = "/page/parts", .is_enabled = docs_are_enabled },
    { .method = METHOD_DELETE, .path = "/page/parts" },
    { .method = METHOD_GET, .path = "/metrics", .listener = LISTENER_OPERATIONS },
    { .method = METHOD_GET, .path = "/health", .listener = LISTENER_BOTH },
};

static struct exchange_fixture *fixture;

static void set_up(void) {
    static const struct fixture_header none = { NULL, NULL };
    fixture = exchange_fixture_create(&none);
    fixture->exchange.request.route = NULL;
}

static void tear_down(void) {
    exchange_fixture_destroy(fixture);
}

static enum status find_at(enum route_listener listener, const char *method, const char *path) {
    fixture->exchange.allowed_path = NULL;
    fixture->exchange.method = method;
    fixture->exchange.path = arena_copy(&fixture->exchange.arena, path, strlen(path));
    return router_find(rows, ARRAY_LEN(rows), listener, &fixture->exchange);
}

static enum status find(const char *method, const char *path) {
    return find_at(LISTENER_PUBLIC, method, path);
}

static const struct {
    const char *method, *path;
    int row; /* -1: there is none */
} found[] = {
    { "GET", "/", 0 },
    { "GET", "/users", 1 },
    { "HEAD", "/users", 1 },
    { "POST", "/users", 2 },
    { "GET", "/users/" ID, 3 },
    { "DELETE", "/users/" ID "/sessions/" OTHER_ID, 4 },
    { "PROPFIND", "/verify", 5 },
    { "GET", "/verify/", 6 },
    { "GET", "/verify/a/b//c", 6 },
    { "GET", "", -1 },
    { "GET", "//", -1 },
    { "GET", "/user", -1 },
    { "GET", "/userss", -1 },
    { "GET", "/USERS", -1 },
    { "GET", "/users/", -1 },
    { "GET", "//users", -1 },
    { "GET", "/users/x", -1 },
    { "GET", "/users/" ID "x", -1 },
    { "GET", "/users/" ID "/", -1 },
    { "GET", "/users/{id}", -1 },
    { "GET", "/%75sers", -1 },
    { "DELETE", "/users/" ID "/sessions/", -1 },
    { "DELETE", "/users//sessions/" ID, -1 },
    { "GET", "/verifyx", -1 },
    { "GET", "/*", -1 },
};

START_TEST(a_request_finds_the_one_row_of_its_method_and_path) {
    enum status status = find(found[_i].method, found[_i].path);
    const struct route *route = fixture->exchange.request.route;
    ck_assert_int_eq(status, found[_i].row >= 0 ? STATUS_OK : STATUS_NOT_FOUND);
    ck_assert_ptr_eq(route, found[_i].row >= 0 ? &rows[found[_i].row] : NULL);
}
END_TEST

START_TEST(ids_of_a_path_are_kept_in_their_order) {
    char text[UUID_TEXT_SIZE];
    ck_assert_int_eq(find("DELETE", "/users/" ID "/sessions/" OTHER_ID), STATUS_OK);
    ck_assert_str_eq(uuid_text(&fixture->exchange.request.path_ids[0], text), ID);
    ck_assert_str_eq(uuid_text(&fixture->exchange.request.path_ids[1], text), OTHER_ID);
}
END_TEST

static const struct {
    const char *path, *allowed;
} others[] = {
    { "/", "OPTIONS, GET, HEAD" },
    { "/users", "OPTIONS, GET, HEAD, POST" },
    { "/users/" ID "/sessions/" ID, "OPTIONS, DELETE" },
};

START_TEST(another_method_is_refused_with_those_that_the_path_takes) {
    ck_assert_int_eq(find("PUT", others[_i].path), STATUS_METHOD_NOT_ALLOWED);
    ck_assert_ptr_null(fixture->exchange.request.route);
    ck_assert_str_eq(router_allowed_methods(rows, ARRAY_LEN(rows), LISTENER_PUBLIC, &fixture->exchange), others[_i].allowed);
}
END_TEST

START_TEST(a_row_that_is_not_enabled_is_as_if_it_were_not_there) {
    ck_assert_int_eq(find("GET", "/page"), STATUS_NOT_FOUND);
    ck_assert_int_eq(find("POST", "/page/parts"), STATUS_METHOD_NOT_ALLOWED);
    ck_assert_str_eq(router_allowed_methods(rows, ARRAY_LEN(rows), LISTENER_PUBLIC, &fixture->exchange), "OPTIONS, DELETE");
    fixture->snapshot.config.docs.enabled = true;
    ck_assert_int_eq(find("GET", "/page"), STATUS_OK);
    ck_assert_int_eq(find("POST", "/page/parts"), STATUS_OK);
    ck_assert_str_eq(router_allowed_methods(rows, ARRAY_LEN(rows), LISTENER_PUBLIC, &fixture->exchange), "OPTIONS, POST, DELETE");
}
END_TEST

static const struct {
    enum route_listener listener;
    const char *method, *path;
    enum status status;
} listeners[] = {
    { LISTENER_PUBLIC, "GET", "/users", STATUS_OK },
    { LISTENER_OPERATIONS, "GET", "/users", STATUS_NOT_FOUND },
    { LISTENER_OPERATIONS, "POST", "/", STATUS_NOT_FOUND },
    { LISTENER_OPERATIONS, "GET", "/verify", STATUS_NOT_FOUND },
    { LISTENER_PUBLIC, "GET", "/metrics", STATUS_NOT_FOUND },
    { LISTENER_PUBLIC, "POST", "/metrics", STATUS_NOT_FOUND },
    { LISTENER_OPERATIONS, "GET", "/metrics", STATUS_OK },
    { LISTENER_OPERATIONS, "POST", "/metrics", STATUS_METHOD_NOT_ALLOWED },
    { LISTENER_PUBLIC, "GET", "/health", STATUS_OK },
    { LISTENER_OPERATIONS, "GET", "/health", STATUS_OK },
};

START_TEST(a_row_is_at_its_listener_only) {
    ck_assert_int_eq(find_at(listeners[_i].listener, listeners[_i].method, listeners[_i].path), listeners[_i].status);
}
END_TEST

Suite *router_suite(void) {
    Suite *suite = suite_create("router");
    TCase *tcase = tcase_create("router");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, a_request_finds_the_one_row_of_its_method_and_path, 0, (int)ARRAY_LEN(found));
    tcase_add_test(tcase, ids_of_a_path_are_kept_in_their_order);
    tcase_add_loop_test(tcase, another_method_is_refused_with_those_that_the_path_takes, 0, (int)ARRAY_LEN(others));
    tcase_add_test(tcase, a_row_that_is_not_enabled_is_as_if_it_were_not_there);
    tcase_add_loop_test(tcase, a_row_is_at_its_listener_only, 0, (int)ARRAY_LEN(listeners));
    suite_add_tcase(suite, tcase);
    return suite;
}
