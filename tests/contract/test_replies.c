/*
 * Every reply that the service tests saw, against the table of routes: JWTD_TEST_EXCHANGES names the file in which they were
 * recorded (tests/service/support/recorder.h). Run behind them. With JWTD_TEST_EXCHANGES_COMPLETE, which says that all of them
 * ran, every reply of every row must have been seen too, and every status that a column of it implies, but for a short table.
 */
#include "jwtd/macros.h"
#include "jwtd/routes.h"
#include "jwtd/status.h"
#include "jwtd/uuid.h"
#include "jwtd/violation.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLIES_MAX (ROUTE_REPLIES_MAX + ROUTE_PROBLEMS_MAX)
#define ROUTES_MAX 64

Suite *replies_suite(void);

enum { METHOD, PATH, STATUS, MEDIA_TYPE, CODE, HEADERS, BODY, FIELDS };

/* What was seen of each row: its replies, then its problems. */
static unsigned seen[ROUTES_MAX][REPLIES_MAX];
static unsigned problems_seen[ROUTES_MAX][STATUS_COUNT], problems_seen_anywhere[STATUS_COUNT];
static unsigned undeclared, read_count;

static const char *const method_names[] = {
    [METHOD_GET] = "GET", [METHOD_POST] = "POST", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE", [METHOD_ANY] = "*"
};

/* Segment by segment; written apart from the router, so that one checks the other. */
static bool path_matches(const char *pattern, const char *path) {
    char wanted[256], given[1024];
    snprintf(wanted, sizeof wanted, "%s", pattern);
    snprintf(given, sizeof given, "%s", path);
    char *w = wanted, *g = given;
    for (;;) {
        const char *wanted_segment = strsep(&w, "/"), *segment = strsep(&g, "/");
        struct uuid id;
        if (wanted_segment == NULL || segment == NULL)
            return wanted_segment == NULL && segment == NULL;
        if (strcmp(wanted_segment, "*") == 0)
            return true;
        bool fits = wanted_segment[0] == '{' ? uuid_parse(segment, strlen(segment), &id) : strcmp(wanted_segment, segment) == 0;
        if (!fits)
            return false;
    }
}

static bool method_matches(enum method method, const char *name) {
    return method == METHOD_ANY || strcmp(method_names[method], name) == 0 || (method == METHOD_GET && strcmp(name, "HEAD") == 0);
}

static const struct route *find_route(const char *method, char *path) {
    static const char absolute[] = "http://x";
    path[strcspn(path, "?")] = '\0';
    if (strncmp(path, absolute, sizeof absolute - 1) == 0)
        path += sizeof absolute - 1;
    for (size_t i = 0; i < routes_count; i++)
        if (method_matches(routes[i].method, method) && path_matches(routes[i].path, path))
            return &routes[i];
    return NULL;
}

static const char *violation_of_object(const struct reply_schema *schema, struct json_object *object);

static const char *violation_of_array(const struct reply_schema *schema, struct json_object *array) {
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        struct json_object *element = json_object_array_get_idx(array, i);
        if (schema == NULL && !json_object_is_type(element, json_type_string))
            return "an element that is no string";
        const char *violation = schema != NULL ? violation_of_object(schema, element) : NULL;
        if (violation != NULL)
            return violation;
    }
    return NULL;
}

static const char *violation_of_member(const struct reply_member *member, struct json_object *value) {
    static const json_type types[] = { [REPLY_STRING] = json_type_string,
                                       [REPLY_INTEGER] = json_type_int,
                                       [REPLY_BOOLEAN] = json_type_boolean,
                                       [REPLY_OBJECT] = json_type_object,
                                       [REPLY_ARRAY] = json_type_array };
    if (value == NULL)
        return member->nullable ? NULL : "a null";
    if (!json_object_is_type(value, types[member->type]))
        return "a member of another type";
    if (member->type == REPLY_OBJECT && member->schema != NULL)
        return violation_of_object(member->schema, value);
    return member->type == REPLY_ARRAY ? violation_of_array(member->schema, value) : NULL;
}

/* What an object does against its schema; NULL: nothing. */
static const char *violation_of_object(const struct reply_schema *schema, struct json_object *object) {
    if (schema == NULL)
        return NULL; /* an object with any members */
    if (!json_object_is_type(object, json_type_object))
        return "no object";
    size_t found = 0;
    for (size_t i = 0; i < schema->count; i++) {
        struct json_object *value;
        bool is_there = json_object_object_get_ex(object, schema->members[i].name, &value);
        if (!is_there && !schema->members[i].optional)
            return "a member is missing";
        const char *violation = is_there ? violation_of_member(&schema->members[i], value) : NULL;
        if (violation != NULL)
            return violation;
        found += is_there;
    }
    return (size_t)json_object_object_length(object) == found ? NULL : "more members";
}

static const char *violation_of_reply(const struct route_reply *reply, char *const fields[FIELDS]) {
    const char *media_type = reply->schema != NULL ? "application/json" : reply->content_type != NULL ? reply->content_type : "-";
    bool is_bodiless = strcmp(fields[METHOD], "HEAD") == 0;
    if (strcmp(media_type, "*/*") != 0 && strcmp(fields[MEDIA_TYPE], media_type) != 0)
        return "another media type";
    if (reply->schema == NULL || is_bodiless)
        return NULL;
    struct json_object *body = json_tokener_parse(fields[BODY]);
    const char *violation = violation_of_object(reply->schema, body);
    json_object_put(body);
    return violation;
}

static enum status status_of_code(const char *code) {
    for (int status = STATUS_OK + 1; status < STATUS_COUNT; status++)
        if (strcmp(status_info((enum status)status)->name, code) == 0)
            return (enum status)status;
    return STATUS_OK;
}

static bool is_known_violation(const char *code) {
    for (int violation = VIOLATION_NONE + 1; violation < VIOLATION_COUNT; violation++)
        if (strcmp(violation_info((enum violation)violation)->code, code) == 0)
            return true;
    return false;
}

static const char *string_of(const struct json_object *object, const char *name) {
    const char *string = json_object_get_string(json_object_object_get(object, name));
    return string != NULL ? string : "-";
}

/* Of the entries of `errors`, if there are any. */
static const char *violation_of_entries(const struct json_object *problem) {
    const struct json_object *entries = json_object_object_get(problem, "errors");
    for (size_t i = 0; entries != NULL && i < json_object_array_length(entries); i++) {
        const struct json_object *entry = json_object_array_get_idx(entries, i);
        const char *pointer = string_of(entry, "pointer");
        if (pointer[0] != '\0' && pointer[0] != '/')
            return "an entry without a pointer";
        if (!is_known_violation(string_of(entry, "code")))
            return "an entry with a code that nobody has published";
        if (strlen(string_of(entry, "detail")) < 5)
            return "an entry without a sentence";
    }
    return NULL;
}

static const char *violation_of_problem(const struct route *route, unsigned *seen_of_route, char *const fields[FIELDS]) {
    enum status problem = status_of_code(fields[CODE]);
    if (problem == STATUS_OK)
        return "a code that nobody has published";
    if (status_info(problem)->http != (unsigned)strtoul(fields[STATUS], NULL, 10))
        return "a code of another status";
    if (route == NULL || !route_may_answer(route, problem))
        return "a problem that the row does not declare";
    for (size_t i = 0; i < ROUTE_PROBLEMS_MAX; i++)
        if (route->problems[i] == problem)
            seen_of_route[ROUTE_REPLIES_MAX + i]++;
    problems_seen[route - routes][problem]++;
    struct json_object *body = json_tokener_parse(fields[BODY]);
    const char *violation = violation_of_entries(body);
    json_object_put(body);
    return violation;
}

/* The reply to HEAD has no body that would name its code (RFC 9110 section 9.3.2). */
static bool is_problem_of_head(const struct route *route, char *const fields[FIELDS]) {
    unsigned long http_status = strtoul(fields[STATUS], NULL, 10);
    if (route == NULL || http_status < 400 || strcmp(fields[METHOD], "HEAD") != 0)
        return false;
    for (int status = STATUS_OK + 1; status < STATUS_COUNT; status++)
        if (status_info((enum status)status)->http == http_status && route_may_answer(route, (enum status)status))
            return true;
    return false;
}

/* A path without a row, a preflight, and what the library answers by itself when it cannot read a request. */
static bool is_outside_of_routes(const struct route *route, char *const fields[FIELDS]) {
    static const char *const codes[] = { "not_found",       "method_not_allowed", "bad_request",  "header_too_large",
                                         "request_timeout", "overloaded",         "out_of_memory" };
    static const char *const library[] = { "400", "413", "414", "431", "505" };
    bool is_preflight = strcmp(fields[METHOD], "OPTIONS") == 0;
    for (size_t i = 0; route == NULL && i < ARRAY_LEN(codes); i++)
        if (strcmp(fields[CODE], codes[i]) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(library); i++)
        if (strcmp(fields[STATUS], library[i]) == 0 && strcmp(fields[CODE], "-") == 0)
            return true;
    /* a second reply on a connection, to a request that was not recorded */
    return (route == NULL && is_preflight) || strcmp(fields[METHOD], "-") == 0;
}

static const char *violation(char *fields[FIELDS]) {
    const struct route *route = find_route(fields[METHOD], fields[PATH]);
    if (is_outside_of_routes(route, fields) || is_problem_of_head(route, fields))
        return NULL;
    unsigned none[REPLIES_MAX] = { 0 };
    unsigned *seen_of_route = route != NULL ? seen[route - routes] : none;
    if (strcmp(fields[CODE], "-") != 0)
        return violation_of_problem(route, seen_of_route, fields);
    const struct route_reply *reply = route != NULL ? route_reply(route, (unsigned)strtoul(fields[STATUS], NULL, 10)) : NULL;
    if (reply == NULL)
        return "a status that the row does not declare";
    seen_of_route[reply - route->replies]++;
    return violation_of_reply(reply, fields);
}

static void read_exchange(char *line) {
    char *fields[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        fields[i] = strsep(&line, i + 1 < FIELDS ? "\t" : "\n");
        ck_assert_ptr_nonnull(fields[i]);
    }
    read_count++;
    problems_seen_anywhere[status_of_code(fields[CODE])]++;
    const char *what = violation(fields);
    if (what == NULL)
        return;
    undeclared++;
    fprintf(stderr, "%s: %s %s answered %s %s %s\n", what, fields[METHOD], fields[PATH], fields[STATUS], fields[CODE],
            fields[BODY]);
}

static void read_exchanges(void) {
    FILE *file = fopen(getenv("JWTD_TEST_EXCHANGES"), "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_le(routes_count, ROUTES_MAX);
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) > 0)
        read_exchange(line);
    free(line);
    fclose(file);
}

START_TEST(every_reply_is_one_that_its_row_declares) {
    read_exchanges();
    ck_assert_uint_gt(read_count, 0);
    ck_assert_uint_eq(undeclared, 0);
}
END_TEST

START_TEST(every_reply_that_a_row_declares_was_seen) {
    read_exchanges();
    unsigned unseen = 0;
    for (size_t i = 0; i < routes_count; i++) {
        for (size_t r = 0; r < REPLIES_MAX; r++) {
            bool is_problem = r >= ROUTE_REPLIES_MAX;
            enum status problem = is_problem ? routes[i].problems[r - ROUTE_REPLIES_MAX] : STATUS_OK;
            unsigned http_status = is_problem ? status_info(problem)->http : routes[i].replies[r].http_status;
            bool is_declared = is_problem ? problem != STATUS_OK : http_status != 0;
            if (!is_declared || seen[i][r] > 0)
                continue;
            fprintf(stderr, "never seen: %s %s answering %u %s\n", method_names[routes[i].method], routes[i].path, http_status,
                    is_problem ? status_info(problem)->name : "");
            unseen++;
        }
    }
    ck_assert_uint_eq(unseen, 0);
}
END_TEST

/* What no row decides: the server answers before it knows the row, or the executors, when they fail. Once is enough. */
static const enum status of_no_row[] = { STATUS_BAD_REQUEST, STATUS_HEADER_TOO_LARGE, STATUS_TARGET_TOO_LONG, STATUS_OVERLOADED };

/* What no test can bring about at each row. */
static const struct {
    enum status problem;
    const char *path; /* NULL: any */
    const char *reason;
} unseen_problems[] = {
    { STATUS_INTERNAL, NULL, "only by a bug" },
    { STATUS_REQUEST_TIMEOUT, NULL, "comes while a client of slow_clients sends drops, which is not recorded" },
    { STATUS_OUT_OF_MEMORY, NULL, "fault_requests fails each allocation, at some rows" },
    { STATUS_NOT_FOUND, "/users/{id}/events", "any id has a list, and what is no id is no path of the row" },
};

static bool is_of_no_row(enum status problem) {
    for (size_t i = 0; i < ARRAY_LEN(of_no_row); i++)
        if (of_no_row[i] == problem)
            return true;
    return false;
}

static bool may_be_unseen(const struct route *route, enum status problem) {
    for (size_t i = 0; i < ARRAY_LEN(unseen_problems); i++)
        if (unseen_problems[i].problem == problem &&
            (unseen_problems[i].path == NULL || strcmp(unseen_problems[i].path, route->path) == 0))
            return true;
    return is_of_no_row(problem);
}

/* Whether a problem with this HTTP status is declared that must be seen, and none was. */
static bool lacks_status(const struct route *route, unsigned http_status) {
    bool is_declared = false;
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++) {
        enum status problem = (enum status)i;
        if (status_info(problem)->http != http_status || !route_may_answer(route, problem) || may_be_unseen(route, problem))
            continue;
        if (problems_seen[route - routes][problem] > 0)
            return false;
        is_declared = true;
    }
    return is_declared;
}

/* The files of a page have a row, but are not described. */
static bool is_described(const struct route *route) {
    const char *type = route->replies[0].content_type;
    return type == NULL || strcmp(type, "*/*") != 0;
}

START_TEST(every_status_that_a_column_implies_was_seen) {
    read_exchanges();
    unsigned unseen = 0;
    for (size_t i = 0; i < routes_count; i++) {
        for (unsigned http_status = 400; is_described(&routes[i]) && http_status < 600; http_status++) {
            if (!lacks_status(&routes[i], http_status))
                continue;
            fprintf(stderr, "never seen: %s %s answering %u\n", method_names[routes[i].method], routes[i].path, http_status);
            unseen++;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(of_no_row); i++) {
        if (problems_seen_anywhere[of_no_row[i]] > 0)
            continue;
        fprintf(stderr, "never seen: %s\n", status_info(of_no_row[i])->name);
        unseen++;
    }
    ck_assert_uint_eq(unseen, 0);
}
END_TEST

Suite *replies_suite(void) {
    Suite *suite = suite_create("replies");
    TCase *tcase = tcase_create("replies");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_reply_is_one_that_its_row_declares);
    if (getenv("JWTD_TEST_EXCHANGES_COMPLETE") != NULL) {
        tcase_add_test(tcase, every_reply_that_a_row_declares_was_seen);
        tcase_add_test(tcase, every_status_that_a_column_implies_was_seen);
    }
    suite_add_tcase(suite, tcase);
    return suite;
}
