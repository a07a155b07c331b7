#include "jwtd/route.h"

#include "route_texts.h"

#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <string.h>

static bool is_any(const struct route *route) {
    (void)route;
    return true;
}

static bool reads_token(const struct route *route) {
    return route->access != ACCESS_PUBLIC && route->access != ACCESS_SERVICE;
}

static bool is_for_services(const struct route *route) {
    return route->access == ACCESS_SERVICE;
}

/* One that a service asks about comes in a form. */
static bool checks_token(const struct route *route) {
    return reads_token(route) || (is_for_services(route) && route->body_format == BODY_FORM);
}

static bool requires_role(const struct route *route) {
    return route->role != NULL;
}

/* On the other listener it is not there. */
static bool is_for_operations(const struct route *route) {
    return route->listener == LISTENER_OPERATIONS;
}

/* Then it is as if it were not there. */
static bool can_be_switched_off(const struct route *route) {
    return route->is_enabled != NULL;
}

/* What is no UUID matches no row. */
static bool takes_id(const struct route *route) {
    return strchr(route->path, '{') != NULL;
}

static bool refuses_query(const struct route *route) {
    return route->query[0].name != NULL && !route->is_for_proxies;
}

static bool is_limited(const struct route *route) {
    return route->limit != LIMIT_NONE;
}

static bool reads_body(const struct route *route) {
    return route->body_format != BODY_IGNORED;
}

static bool parses_json(const struct route *route) {
    return route->body_format == BODY_JSON;
}

static bool parses_form(const struct route *route) {
    return route->body_format == BODY_FORM;
}

static bool parses_body(const struct route *route) {
    return parses_json(route) || parses_form(route);
}

static bool runs_on(const struct route *route, enum executor executor) {
    for (size_t i = 0; i < ROUTE_STEPS_MAX && route->steps[i] != NULL; i++)
        if (route->steps[i]->executor == executor)
            return true;
    return false;
}

bool route_takes_key(const struct route *route) {
    for (size_t i = 0; i < ROUTE_HEADERS_MAX && route->headers[i] != NULL; i++)
        if (strcmp(route->headers[i], "Idempotency-Key") == 0)
            return true;
    return false;
}

bool route_is_at(const struct route *route, enum route_listener listener) {
    return route->listener == LISTENER_BOTH || route->listener == listener;
}

bool route_may_change_state(const struct route *route) {
    return route->method == METHOD_POST || route->method == METHOD_PATCH || route->method == METHOD_DELETE;
}

static bool is_stream(const struct route *route) {
    return route->stream != NULL;
}

/* Wrong ones are limited. */
static bool checks_password(const struct route *route) {
    for (size_t i = 0; route->body != NULL && i < route->body->count; i++)
        if (route->body->fields[i].type == FIELD_PASSWORD)
            return true;
    return false;
}

static bool asks_database(const struct route *route) {
    return runs_on(route, ON_DATABASE);
}

static bool waits_for_executor(const struct route *route) {
    return runs_on(route, ON_DATABASE) || runs_on(route, ON_CRYPTO);
}

/* The problems that follow from a column. */
static const struct {
    enum status problem;
    bool (*applies)(const struct route *route);
} implied[] = {
    { STATUS_BAD_REQUEST, is_any },
    { STATUS_REQUEST_TIMEOUT, is_any },
    { STATUS_HEADER_TOO_LARGE, is_any },
    { STATUS_TARGET_TOO_LONG, is_any },
    { STATUS_OVERLOADED, is_any }, /* too many connections */
    { STATUS_OUT_OF_MEMORY, is_any },
    { STATUS_INTERNAL, is_any },
    { STATUS_NOT_FOUND, can_be_switched_off },
    { STATUS_NOT_FOUND, is_for_operations },
    { STATUS_MISDIRECTED_REQUEST, is_for_operations },
    { STATUS_NOT_FOUND, takes_id },
    { STATUS_INVALID_PARAMETER, refuses_query },
    { STATUS_BODY_TOO_LARGE, reads_body },
    { STATUS_UNSUPPORTED_MEDIA_TYPE, parses_body },
    { STATUS_INVALID_JSON, parses_json },
    { STATUS_INVALID_BODY, parses_json },
    { STATUS_INVALID_REQUEST, parses_form },
    { STATUS_MISSING_TOKEN, reads_token },
    { STATUS_INVALID_TOKEN, reads_token },
    { STATUS_STARTING, checks_token },
    { STATUS_REVOCATIONS_STALE, checks_token },
    { STATUS_KEYS_UNAVAILABLE, checks_token },
    { STATUS_INSUFFICIENT_SCOPE, requires_role },
    { STATUS_INVALID_HEADER, route_takes_key },
    { STATUS_IDEMPOTENCY_KEY_REUSED, route_takes_key },
    { STATUS_IDEMPOTENCY_IN_PROGRESS, route_takes_key },
    { STATUS_INVALID_CLIENT, is_for_services },
    { STATUS_RATE_LIMITED, is_limited },
    { STATUS_ACCOUNT_LOCKED, checks_password },
    { STATUS_DATABASE_UNAVAILABLE, asks_database },
    { STATUS_DEADLINE_EXCEEDED, waits_for_executor },
    { STATUS_SHUTTING_DOWN, waits_for_executor },
    { STATUS_SHUTTING_DOWN, is_stream },
};

bool route_may_answer(const struct route *route, enum status problem) {
    for (size_t i = 0; i < ARRAY_LEN(implied); i++)
        if (implied[i].problem == problem && implied[i].applies(route))
            return true;
    for (size_t i = 0; i < ROUTE_PROBLEMS_MAX && route->problems[i] != STATUS_OK; i++)
        if (route->problems[i] == problem)
            return true;
    return false;
}

const struct route_reply *route_reply(const struct route *route, unsigned http_status) {
    for (size_t i = 0; i < ROUTE_REPLIES_MAX && route->replies[i].http_status != 0; i++)
        if (route->replies[i].http_status == http_status)
            return &route->replies[i];
    return NULL;
}

/* Up to ROUTE_IDS_MAX ids, and "*" as the last segment only. */
static bool is_path(const char *path) {
    unsigned ids = 0;
    for (const char *at = path; *at != '\0'; at++)
        ids += *at == '{';
    const char *wildcard = strchr(path, '*');
    return path[0] == '/' && ids <= ROUTE_IDS_MAX && (wildcard == NULL || strcmp(wildcard - 1, "/*") == 0);
}

/* ON_DISPATCH is where the pipeline goes on by itself. */
static bool is_step(const struct step *step) {
    if (step->executor == ON_DATABASE)
        return step->ask != NULL && (step->run != NULL || !step->may_fail);
    return step->run != NULL && step->ask == NULL && !step->may_fail && step->executor < ON_DISPATCH;
}

static bool are_steps(const struct step *const *steps, size_t max) {
    for (size_t i = 0; i < max && steps[i] != NULL; i++)
        if (!is_step(steps[i]))
            return false;
    return steps[max] == NULL;
}

/* One of both, or neither of a request that changes nothing. */
static bool says_how_it_is_repeated(const struct route *route) {
    bool takes_key = route_takes_key(route);
    if (!route_may_change_state(route))
        return !takes_key && !route->is_repeatable;
    return takes_key != route->is_repeatable;
}

/* A reply with a body is made anew by steps; one without needs none. */
static bool is_replay(const struct route *route) {
    bool needs_steps = route->replies[0].schema != NULL;
    return are_steps(route->replay, ROUTE_REPLAY_MAX) &&
           (route_takes_key(route) ? !needs_steps || route->replay[0] != NULL : route->replay[0] == NULL);
}

static bool is_form(const struct body_schema *body) {
    for (size_t i = 0; i < body->count; i++)
        if (body->fields[i].type != FIELD_TEXT)
            return false;
    return !body->optional;
}

/* What the operator asks must not wait behind what clients ask, and the operator's listener has no streams. */
static bool may_be_for_operations(const struct route *route) {
    return !waits_for_executor(route) && !is_stream(route);
}

/* The column that is missing or wrong, or NULL. */
static const char *wrong_column(const struct route *route) {
    if (route->method == METHOD_UNSET)
        return "method";
    if (route->path == NULL || !is_path(route->path))
        return "path";
    if (route->access == ACCESS_UNSET)
        return "access";
    if (route->role != NULL && route->access != ACCESS_BEARER)
        return "role";
    if (route->limit == LIMIT_UNSET || (route->limit == LIMIT_SERVICE) != is_for_services(route))
        return "limit";
    if (route->is_for_proxies && route->body_format != BODY_IGNORED)
        return "is_for_proxies";
    if (parses_body(route) != (route->body != NULL) || (route->body != NULL && route->body->count > BODY_FIELDS_MAX) ||
        (parses_form(route) && !is_form(route->body)))
        return "body";
    if (!are_steps(route->steps, ROUTE_STEPS_MAX) || route->steps[0] == NULL)
        return "steps";
    if (route_is_at(route, LISTENER_OPERATIONS) && !may_be_for_operations(route))
        return "listener";
    if (!says_how_it_is_repeated(route))
        return "is_repeatable";
    if (!is_replay(route))
        return "replay";
    if (route->stream != NULL && (route->method != METHOD_GET || route_reply(route, 200) == NULL))
        return "stream";
    return route->replies[0].http_status == 0 ? "replies" : route_wrong_text(route);
}

/* What a row before this one has, too, or NULL. */
static const char *repeated_column(const struct route *routes, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (routes[i].method == routes[index].method && strcmp(routes[i].path, routes[index].path) == 0)
            return "method and path, which another row has";
        if (strcmp(routes[i].name, routes[index].name) == 0)
            return "name, which another row has";
    }
    return NULL;
}

bool routes_are_sound(const struct route *routes, size_t count) {
    unsigned streams = 0;
    for (size_t i = 0; i < count; i++) {
        const char *column = wrong_column(&routes[i]);
        if (column == NULL)
            column = repeated_column(routes, i);
        if (column == NULL && routes[i].stream != NULL && ++streams > 1)
            column = "stream, which another row has";
        if (column == NULL)
            continue;
        log_event(LOG_ERROR, "route_unsound", "path=%s column=%s", routes[i].path != NULL ? routes[i].path : "", column);
        return false;
    }
    return true;
}
