#include "jwtd/openapi.h"

#include "openapi_headers.h"
#include "openapi_operation.h"
#include "openapi_problems.h"
#include "openapi_schemas.h"

#include "jwtd/arena.h"
#include "jwtd/json_writer.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/version.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_LIMIT ((size_t)4 * 1024 * 1024) /* in a buffer that grows */
#define HASH_SIZE 16
#define SCHEMAS_MAX 96

struct openapi {
    char *bytes; /* the document */
    size_t len;
    char tag[OPENAPI_TAG_SIZE];
};

struct rows {
    const struct route *routes;
    size_t count;
};

/* The files of a page have types of all kinds and are no part of the API; nor is what the operator is answered elsewhere. */
static bool is_described(const struct route *route) {
    const char *type = route->replies[0].content_type;
    return route_is_at(route, LISTENER_PUBLIC) && (type == NULL || strcmp(type, "*/*") != 0);
}

/* ---- schemas ---- */

/* A schema of the rows: one of the two. */
struct named_schema {
    const char *name;
    const struct reply_schema *reply;
    const struct body_schema *body;
    enum body_format format;
};

struct schemas {
    struct named_schema items[SCHEMAS_MAX];
    size_t count;
    const char *twice; /* a name that two have, or NULL */
};

/* Whether it is new. */
static bool add_schema(struct schemas *schemas, struct named_schema schema) {
    for (size_t i = 0; i < schemas->count; i++) {
        const struct named_schema *other = &schemas->items[i];
        if (other->reply == schema.reply && other->body == schema.body)
            return false;
        if (strcmp(other->name, schema.name) == 0)
            schemas->twice = schema.name;
    }
    if (schemas->count == SCHEMAS_MAX) {
        schemas->twice = "more than SCHEMAS_MAX";
        return false;
    }
    schemas->items[schemas->count++] = schema;
    return true;
}

static void collect_reply(struct schemas *schemas, const struct reply_schema *reply) {
    if (!add_schema(schemas, (struct named_schema){ .name = reply->name, .reply = reply }))
        return;
    for (size_t i = 0; i < reply->count; i++)
        if (reply->members[i].schema != NULL)
            collect_reply(schemas, reply->members[i].schema);
}

static void collect_schemas(struct schemas *schemas, const struct rows *rows) {
    for (size_t i = 0; i < rows->count; i++) {
        const struct route *route = &rows->routes[i];
        if (!is_described(route))
            continue;
        if (route->body != NULL)
            add_schema(schemas, (struct named_schema){ route->body->name, NULL, route->body, route->body_format });
        for (size_t r = 0; r < ROUTE_REPLIES_MAX && route->replies[r].http_status != 0; r++)
            if (route->replies[r].schema != NULL)
                collect_reply(schemas, route->replies[r].schema);
    }
}

static void write_schemas(struct json_writer *writer, const struct schemas *schemas) {
    json_name(writer, "schemas");
    json_begin_object(writer);
    for (size_t i = 0; i < schemas->count; i++) {
        const struct named_schema *schema = &schemas->items[i];
        json_name(writer, schema->name);
        if (schema->body != NULL)
            openapi_write_body_schema(writer, schema->body, schema->format);
        else
            openapi_write_reply_schema(writer, schema->reply);
    }
    openapi_write_problem_schemas(writer);
    json_end_object(writer);
}

/* ---- the rest ---- */

static const char introduction[] =
    "Registers and logs in users, and issues the tokens that other services verify.\n\n"
    "- A log-in gives an **access token** (a JWT, for `Authorization: Bearer`, of minutes) and a **refresh token** (for `POST "
    "/auth/refresh`, for one use).\n"
    "- An error is a problem of RFC 9457; programs switch on its `code`. **429 and 503 mean: try again after "
    "`Retry-After`**, and never that a user must log in again; any other 4xx is the caller's to change.\n"
    "- Members of a body that are unknown are ignored; a later version may add members, codes and headers to replies.\n"
    "- Every path takes OPTIONS, and HEAD where it takes GET.\n"
    "- The operator can switch off the pages `/admin` and `/docs` and this document. A path that is switched off is described "
    "all the "
    "same, and is 404 `not_found`.";

static void write_info(struct json_writer *writer) {
    json_name(writer, "info");
    json_begin_object(writer);
    json_member_string(writer, "title", "jwtd");
    json_member_string(writer, "version", JWTD_VERSION);
    json_member_string(writer, "description", introduction);
    json_end_object(writer);
}

/* A relative address is one to where the document came from (OpenAPI 3.1 section 4.8.5). */
static void write_servers(struct json_writer *writer, const char *public_url) {
    json_name(writer, "servers");
    json_begin_array(writer);
    json_begin_object(writer);
    json_member_string(writer, "url", public_url[0] != '\0' ? public_url : "/");
    json_end_object(writer);
    json_end_array(writer);
}

static bool has_group(const struct rows *rows, enum route_group group) {
    for (size_t i = 0; i < rows->count; i++)
        if (rows->routes[i].group == group && is_described(&rows->routes[i]))
            return true;
    return false;
}

static void write_tags(struct json_writer *writer, const struct rows *rows) {
    json_name(writer, "tags");
    json_begin_array(writer);
    for (enum route_group group = GROUP_UNSET + 1; group < GROUP_COUNT; group++) {
        if (!has_group(rows, group))
            continue;
        json_begin_object(writer);
        json_member_string(writer, "name", openapi_group_name(group));
        json_member_string(writer, "description", openapi_group_description(group));
        json_end_object(writer);
    }
    json_end_array(writer);
}

static bool is_first_of_path(const struct rows *rows, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(rows->routes[i].path, rows->routes[index].path) == 0)
            return false;
    return true;
}

static void write_paths(struct json_writer *writer, const struct rows *rows) {
    char path[OPENAPI_PATH_SIZE];
    json_name(writer, "paths");
    json_begin_object(writer);
    for (size_t i = 0; i < rows->count; i++) {
        if (!is_described(&rows->routes[i]) || !is_first_of_path(rows, i))
            continue;
        json_name(writer, openapi_path(&rows->routes[i], path));
        json_begin_object(writer);
        for (size_t j = i; j < rows->count; j++) {
            if (strcmp(rows->routes[j].path, rows->routes[i].path) != 0)
                continue;
            json_name(writer, openapi_method(&rows->routes[j]));
            openapi_write_operation(writer, &rows->routes[j]);
        }
        json_end_object(writer);
    }
    json_end_object(writer);
}

static void write_security_scheme(struct json_writer *writer, const char *name, const char *scheme, const char *format,
                                  const char *description) {
    json_name(writer, name);
    json_begin_object(writer);
    json_member_string(writer, "type", "http");
    json_member_string(writer, "scheme", scheme);
    if (format != NULL)
        json_member_string(writer, "bearerFormat", format);
    json_member_string(writer, "description", description);
    json_end_object(writer);
}

static void write_components(struct json_writer *writer, const struct rows *rows, const struct schemas *schemas,
                             const char *public_url) {
    json_name(writer, "components");
    json_begin_object(writer);
    json_name(writer, "securitySchemes");
    json_begin_object(writer);
    write_security_scheme(writer, "bearer", "bearer", "JWT",
                          "An access token, of POST /auth/login or POST /auth/refresh. Names in a requirement are roles.");
    write_security_scheme(writer, "service", "basic", NULL, "Name and secret of a service, made by jwtd service add.");
    json_end_object(writer);
    write_schemas(writer, schemas);
    json_name(writer, "responses");
    openapi_write_shared_responses(writer, rows->routes, rows->count);
    openapi_write_header_components(writer);
    json_name(writer, "examples");
    json_begin_object(writer);
    openapi_write_problem_examples(writer, public_url);
    json_end_object(writer);
    json_end_object(writer);
}

static struct text write_document(struct arena *arena, const struct rows *rows, const struct schemas *schemas,
                                  const char *public_url) {
    struct json_writer writer;
    json_writer_init(&writer, arena);
    json_begin_object(&writer);
    json_member_string(&writer, "openapi", "3.1.0");
    write_info(&writer);
    write_servers(&writer, public_url);
    write_tags(&writer, rows);
    write_paths(&writer, rows);
    write_components(&writer, rows, schemas, public_url);
    json_end_object(&writer);
    return json_writer_finish(&writer);
}

/* The arena has every size that the text had while it grew, so it is released. */
static bool keep_document(struct openapi *openapi, const struct rows *rows, const struct schemas *schemas,
                          const char *public_url) {
    struct arena arena;
    arena_init(&arena, ARENA_LIMIT);
    struct text text = write_document(&arena, rows, schemas, public_url);
    openapi->bytes = text.bytes != NULL ? malloc(text.len) : NULL;
    if (openapi->bytes != NULL) {
        memcpy(openapi->bytes, text.bytes, text.len);
        openapi->len = text.len;
    }
    arena_fini(&arena);
    return openapi->bytes != NULL;
}

static void make_tag(struct openapi *openapi) {
    uint8_t hash[HASH_SIZE];
    size_t len = sodium_base64_ENCODED_LEN(HASH_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING) - 1;
    crypto_generichash(hash, sizeof hash, (const uint8_t *)openapi->bytes, openapi->len, NULL, 0);
    openapi->tag[0] = '"';
    sodium_bin2base64(openapi->tag + 1, sizeof openapi->tag - 1, hash, sizeof hash, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    openapi->tag[1 + len] = '"';
    openapi->tag[2 + len] = '\0';
}

struct openapi *openapi_create(const struct route *routes, size_t count, const char *public_url) {
    struct rows rows = { routes, count };
    struct schemas schemas = { .count = 0 };
    if (!routes_are_sound(routes, count))
        return NULL;
    collect_schemas(&schemas, &rows);
    if (schemas.twice != NULL) {
        log_event(LOG_ERROR, "openapi_unsound", "schema_named_twice=%s", schemas.twice);
        return NULL;
    }
    struct openapi *openapi = calloc(1, sizeof *openapi);
    if (openapi == NULL)
        return NULL;
    if (!keep_document(openapi, &rows, &schemas, public_url)) {
        openapi_destroy(openapi);
        return NULL;
    }
    make_tag(openapi);
    return openapi;
}

void openapi_destroy(struct openapi *openapi) {
    if (openapi == NULL)
        return;
    free(openapi->bytes);
    free(openapi);
}

struct text openapi_text(const struct openapi *openapi) {
    return (struct text){ openapi->bytes, openapi->len };
}

const char *openapi_tag(const struct openapi *openapi) {
    return openapi->tag;
}
