#include "openapi_operation.h"

#include "openapi_headers.h"
#include "openapi_problems.h"
#include "openapi_schemas.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *description;
} groups[GROUP_COUNT] = {
    [GROUP_ACCOUNT] = { "Account", "What users do with their own account." },
    [GROUP_SESSIONS] = { "Sessions", "Logging in and out. A login opens a session; a refresh keeps it alive." },
    [GROUP_ADMINISTRATION] = { "Administration", "Accounts of others, for the role admin." },
    [GROUP_SERVICES] = { "Services", "For proxies, and for services that take the tokens." },
    [GROUP_KEYS] = { "Keys", "What others need to verify tokens by themselves." },
    [GROUP_HEALTH] = { "Health", "For probes and balancers." },
    [GROUP_OPERATIONS] = { "Operations", "For the operator, on a listener of its own." },
    [GROUP_DOCUMENTATION] = { "Documentation", "This document, and pages for people." },
};

const char *openapi_group_name(enum route_group group) {
    return groups[group].name;
}

const char *openapi_group_description(enum route_group group) {
    return groups[group].description;
}

/* OpenAPI has no name for any rest of a path, nor for any method. */
const char *openapi_path(const struct route *route, char path[OPENAPI_PATH_SIZE]) {
    size_t len = strcspn(route->path, "*");
    int written = snprintf(path, OPENAPI_PATH_SIZE, "%.*s%s", (int)len, route->path, route->path[len] == '*' ? "{path}" : "");
    assert(written > 0 && written < OPENAPI_PATH_SIZE);
    return path;
}

const char *openapi_method(const struct route *route) {
    static const char *const names[] = {
        [METHOD_GET] = "get", [METHOD_POST] = "post", [METHOD_PATCH] = "patch", [METHOD_DELETE] = "delete", [METHOD_ANY] = "get"
    };
    return names[route->method];
}

/* ---- security ---- */

static void write_requirement(struct json_writer *writer, const char *scheme, const char *role) {
    json_begin_object(writer);
    json_name(writer, scheme);
    json_begin_array(writer);
    if (role != NULL)
        json_write_string(writer, role);
    json_end_array(writer);
    json_end_object(writer);
}

/* Alternatives; an empty requirement is none. */
static void write_security(struct json_writer *writer, const struct route *route) {
    json_name(writer, "security");
    json_begin_array(writer);
    if (route->access == ACCESS_SERVICE)
        write_requirement(writer, "service", NULL);
    else if (route->access != ACCESS_PUBLIC)
        write_requirement(writer, "bearer", route->role);
    if (route->access == ACCESS_OPTIONAL_BEARER || route->access == ACCESS_BEARER_OR_BODY)
        json_write_raw(writer, text_of("{}"));
    json_end_array(writer);
}

/* ---- parameters ---- */

static void begin_parameter(struct json_writer *writer, struct text name, const char *in, const char *description) {
    json_begin_object(writer);
    json_member_text(writer, "name", name);
    json_member_string(writer, "in", in);
    json_member_boolean(writer, "required", strcmp(in, "path") == 0);
    json_member_string(writer, "description", description);
    json_name(writer, "schema");
}

static void write_path_parameters(struct json_writer *writer, const struct route *route) {
    for (const char *open = strchr(route->path, '{'); open != NULL; open = strchr(open + 1, '{')) {
        struct text name = { open + 1, strcspn(open + 1, "}") };
        begin_parameter(writer, name, "path", "The id, a UUID");
        json_write_raw(writer, text_of("{\"type\":\"string\",\"format\":\"uuid\"}"));
        json_end_object(writer);
    }
    if (strchr(route->path, '*') == NULL)
        return;
    begin_parameter(writer, text_of("path"), "path", "Anything, also several segments");
    json_write_raw(writer, text_of("{\"type\":\"string\"}"));
    json_end_object(writer);
}

static void write_query_value(struct json_writer *writer, const struct query_parameter *parameter) {
    bool is_number = parameter->max > parameter->min;
    json_begin_object(writer);
    json_member_string(writer, "type", is_number ? "integer" : "string");
    if (is_number) {
        json_member_integer(writer, "minimum", parameter->min);
        json_member_integer(writer, "maximum", parameter->max);
    } else {
        json_member_integer(writer, "maxLength", (int64_t)parameter->max_len);
    }
    json_name(writer, "examples");
    json_begin_array(writer);
    if (is_number)
        json_write_raw(writer, text_of(parameter->example));
    else
        json_write_string(writer, parameter->example);
    json_end_array(writer);
    json_end_object(writer);
}

static void write_query_parameter(struct json_writer *writer, const struct query_parameter *parameter) {
    begin_parameter(writer, text_of(parameter->name), "query", parameter->description);
    if (parameter->repeated) {
        json_begin_object(writer);
        json_member_string(writer, "type", "array");
        json_name(writer, "items");
        write_query_value(writer, parameter);
        json_end_object(writer);
    } else {
        write_query_value(writer, parameter);
    }
    json_end_object(writer);
}

static bool is_header_required(const struct route *route, const char *name) {
    return strcmp(name, "If-Match") == 0 && route_may_answer(route, STATUS_PRECONDITION_REQUIRED);
}

static void write_parameters(struct json_writer *writer, const struct route *route) {
    json_name(writer, "parameters");
    json_begin_array(writer);
    write_path_parameters(writer, route);
    for (size_t i = 0; i < ROUTE_QUERY_MAX && route->query[i].name != NULL; i++)
        write_query_parameter(writer, &route->query[i]);
    for (size_t i = 0; i < ROUTE_HEADERS_MAX && route->headers[i] != NULL; i++)
        if (is_header_required(route, route->headers[i]))
            openapi_write_required_request_header(writer, route->headers[i]);
        else
            openapi_refer_to_request_header(writer, route->headers[i]);
    json_end_array(writer);
}

/* ---- the body ---- */

/* No body is the same as one without members. */
static bool is_body_required(const struct body_schema *body) {
    for (size_t i = 0; i < body->count; i++)
        if (body->fields[i].required)
            return true;
    return false;
}

static void write_body(struct json_writer *writer, const struct route *route) {
    if (route->body == NULL)
        return;
    json_name(writer, "requestBody");
    json_begin_object(writer);
    json_member_boolean(writer, "required", is_body_required(route->body));
    json_name(writer, "content");
    json_begin_object(writer);
    json_name(writer, route->body_format == BODY_FORM ? "application/x-www-form-urlencoded" : "application/json");
    json_begin_object(writer);
    json_name(writer, "schema");
    openapi_write_reference(writer, "schemas", route->body->name);
    json_name(writer, "example");
    openapi_write_body_example(writer, route->body);
    json_end_object(writer);
    json_end_object(writer);
    json_end_object(writer);
}

/* ---- responses ---- */

/* The statuses of HTTP (RFC 9110, RFC 6585) that the document knows; the test finds one that is missing. */
static const struct known_status {
    unsigned http_status;
    const char *description;
} known_statuses[] = {
    { 200, "Done" },
    { 201, "Created" },
    { 204, "Done; there is no body" },
    { 303, "The reply is elsewhere" },
    { 304, "What the client has is still right" },
    { 400, "The request cannot be read" },
    { 401, "Not authenticated" },
    { 403, "Not permitted" },
    { 404, "Not there" },
    { 406, "The client does not take the reply's media type" },
    { 408, "The request came in too slowly" },
    { 409, "Contradicts what is there" },
    { 412, "It has changed since it was read" },
    { 413, "The body is too large" },
    { 414, "The target, its query above all, is too long" },
    { 415, "Another media type is needed" },
    { 422, "The body is not what this takes" },
    { 428, "If-Match is needed" },
    { 429, "Too many requests; wait for Retry-After" },
    { 431, "The header is too large" },
    { 500, "An error of the service" },
    { 503, "Not for now; wait for Retry-After" },
};

static void write_reply_content(struct json_writer *writer, const struct route_reply *reply) {
    json_name(writer, reply->schema != NULL ? "application/json" : reply->content_type);
    json_begin_object(writer);
    if (reply->schema != NULL) {
        json_name(writer, "schema");
        openapi_write_reference(writer, "schemas", reply->schema->name);
        json_name(writer, "example");
        openapi_write_reply_example(writer, reply->schema);
    }
    json_end_object(writer);
}

/* What a route answers with one HTTP status: its reply, problems, or both. */
struct response {
    const struct known_status *known;
    const struct route_reply *reply; /* or NULL */
    struct problem_set problems;
    bool is_limited;
};

static struct response response_of(const struct route *route, const struct known_status *known) {
    return (struct response){ known, route_reply(route, known->http_status), openapi_problems_of(route, known->http_status),
                              route->limit != LIMIT_NONE };
}

static bool is_possible(const struct response *response) {
    return response->reply != NULL || response->problems.count > 0;
}

static void write_content(struct json_writer *writer, const struct response *response) {
    const struct route_reply *reply = response->reply;
    bool has_body = reply != NULL && (reply->schema != NULL || reply->content_type != NULL);
    if (!has_body && response->problems.count == 0)
        return;
    json_name(writer, "content");
    json_begin_object(writer);
    if (has_body)
        write_reply_content(writer, reply);
    if (response->problems.count > 0)
        openapi_write_problem_content(writer, &response->problems);
    json_end_object(writer);
}

static void write_headers(struct json_writer *writer, const struct response *response) {
    const struct route_reply *reply = response->reply;
    json_name(writer, "headers");
    json_begin_object(writer);
    openapi_refer_to_reply_header(writer, "X-Request-Id");
    if (response->is_limited) {
        openapi_refer_to_reply_header(writer, "RateLimit-Policy");
        openapi_refer_to_reply_header(writer, "RateLimit");
    }
    for (size_t i = 0; reply != NULL && i < REPLY_HEADERS_MAX && reply->headers[i] != NULL; i++)
        openapi_refer_to_reply_header(writer, reply->headers[i]);
    if (reply == NULL)
        openapi_write_problem_headers(writer, &response->problems);
    json_end_object(writer);
}

static void write_response(struct json_writer *writer, const struct response *response) {
    json_begin_object(writer);
    json_member_string(writer, "description", response->known->description);
    write_headers(writer, response);
    write_content(writer, response);
    json_end_object(writer);
}

/* The component that the response is; NULL: none. */
static const char *shared_name(const struct response *response) {
    return response->reply == NULL ? openapi_shared_response(&response->problems) : NULL;
}

static void write_responses(struct json_writer *writer, const struct route *route) {
    char name[16];
    json_name(writer, "responses");
    json_begin_object(writer);
    for (size_t i = 0; i < ARRAY_LEN(known_statuses); i++) {
        struct response response = response_of(route, &known_statuses[i]);
        if (!is_possible(&response))
            continue;
        snprintf(name, sizeof name, "%u", known_statuses[i].http_status);
        json_name(writer, name);
        if (shared_name(&response) != NULL)
            openapi_write_reference(writer, "responses", shared_name(&response));
        else
            write_response(writer, &response);
    }
    json_end_object(writer);
}

/* Whether the component that is named like the problem is the route's response with that HTTP status. */
static bool shares(const struct route *route, const struct status_info *problem, struct response *response) {
    size_t i = 0;
    while (i < ARRAY_LEN(known_statuses) && known_statuses[i].http_status != problem->http)
        i++;
    if (i == ARRAY_LEN(known_statuses))
        return false;
    *response = response_of(route, &known_statuses[i]);
    return shared_name(response) != NULL && strcmp(shared_name(response), problem->name) == 0;
}

/* That of all routes that share it: with the headers of limited ones if one of them is. False: none shares it. */
static bool find_shared(const struct route *routes, size_t count, const struct status_info *problem, struct response *response) {
    bool is_shared = false, is_limited = false;
    for (size_t i = 0; i < count; i++) {
        struct response of_route;
        if (!shares(&routes[i], problem, &of_route))
            continue;
        is_shared = true;
        is_limited = is_limited || of_route.is_limited;
        *response = of_route;
    }
    if (is_shared)
        response->is_limited = is_limited;
    return is_shared;
}

void openapi_write_shared_responses(struct json_writer *writer, const struct route *routes, size_t count) {
    json_begin_object(writer);
    for (int i = STATUS_OK + 1; i < STATUS_COUNT; i++) {
        const struct status_info *problem = status_info((enum status)i);
        struct response response;
        if (!find_shared(routes, count, problem, &response))
            continue;
        json_name(writer, problem->name);
        write_response(writer, &response);
    }
    json_end_object(writer);
}

void openapi_write_operation(struct json_writer *writer, const struct route *route) {
    json_begin_object(writer);
    json_member_string(writer, "operationId", route->name);
    json_name(writer, "tags");
    json_begin_array(writer);
    json_write_string(writer, openapi_group_name(route->group));
    json_end_array(writer);
    json_member_string(writer, "summary", route->summary);
    if (route->description != NULL)
        json_member_string(writer, "description", route->description);
    if (route->method == METHOD_ANY)
        json_member_boolean(writer, "x-any-method", true);
    if (strchr(route->path, '*') != NULL)
        json_member_boolean(writer, "x-any-path", true);
    write_security(writer, route);
    write_parameters(writer, route);
    write_body(writer, route);
    write_responses(writer, route);
    json_end_object(writer);
}
