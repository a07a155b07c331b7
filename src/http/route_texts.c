#include "route_texts.h"

#include "openapi_headers.h"
#include "openapi_schemas.h"

static bool is_body_described(const struct body_schema *body) {
    if (body->name == NULL)
        return false;
    for (size_t i = 0; i < body->count; i++)
        if (openapi_wrong_field(&body->fields[i]) != NULL)
            return false;
    return true;
}

static bool is_reply_described(const struct reply_schema *reply) {
    if (reply->name == NULL)
        return false;
    for (size_t i = 0; i < reply->count; i++) {
        const struct reply_member *member = &reply->members[i];
        if (openapi_wrong_member(member) != NULL || (member->schema != NULL && !is_reply_described(member->schema)))
            return false;
    }
    return true;
}

static bool are_replies_described(const struct route *route) {
    for (size_t i = 0; i < ROUTE_REPLIES_MAX && route->replies[i].http_status != 0; i++) {
        const struct route_reply *reply = &route->replies[i];
        if (reply->schema != NULL && !is_reply_described(reply->schema))
            return false;
        for (size_t h = 0; h < REPLY_HEADERS_MAX && reply->headers[h] != NULL; h++)
            if (!openapi_knows_reply_header(reply->headers[h]))
                return false;
    }
    return true;
}

static bool is_query_described(const struct route *route) {
    for (size_t i = 0; i < ROUTE_QUERY_MAX && route->query[i].name != NULL; i++)
        if (route->query[i].description == NULL || route->query[i].example == NULL)
            return false;
    return true;
}

static bool are_headers_known(const struct route *route) {
    for (size_t i = 0; i < ROUTE_HEADERS_MAX && route->headers[i] != NULL; i++)
        if (!openapi_knows_request_header(route->headers[i]))
            return false;
    return true;
}

const char *route_wrong_text(const struct route *route) {
    if (route->summary == NULL)
        return "summary";
    if (route->name == NULL)
        return "name";
    if (route->group == GROUP_UNSET || route->group >= GROUP_COUNT)
        return "group";
    if (!is_query_described(route))
        return "query: description and example of each";
    if (!are_headers_known(route))
        return "headers: in the table of openapi_headers.c";
    if (route->body != NULL && !is_body_described(route->body))
        return "body: name, and description and example of each field";
    return are_replies_described(route) ? NULL : "replies: name, and description and example of each member, and known headers";
}
