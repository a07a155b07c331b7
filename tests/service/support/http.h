/*
 * http: requests as a client makes them (libcurl), and replies with their JSON (json-c). Each call may come from any thread. A
 * reply is freed by http_free; all functions fail the test when there is no reply at all, but http_try, which returns status 0
 * then.
 */
#ifndef JWTD_TEST_HTTP_H
#define JWTD_TEST_HTTP_H

#include "server.h"

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

struct reply {
    long status;
    char *headers; /* as received, all lines */
    char *body;
    size_t body_len;
    struct json_object *json; /* NULL: no JSON */
    double seconds;
};

/* `headers`: lines "Name: value", NULL after the last, or NULL. `body`: NULL for none. */
struct reply http_send(const struct server *server, const char *method, const char *path, const char *const *headers,
                       const char *body);
struct reply http_try(const struct server *server, const char *method, const char *path, const char *const *headers,
                      const char *body);
struct reply http_send_bytes(const struct server *server, const char *method, const char *path, const char *const *headers,
                             const char *body, size_t body_len);
void http_free(struct reply *reply);

/* With Content-Type: application/json and, unless NULL, a bearer token. */
struct reply http_json(const struct server *server, const char *method, const char *path, const char *token, const char *body);

/* The value of a header, copied into `value`; an empty string when there is none. */
const char *http_header(const struct reply *reply, const char *name, char *value, size_t size);

/* A string member of the reply's object; "" when there is none. */
const char *http_member(const struct reply *reply, const char *name);

/* A member of an object; they fail the test if it is missing or of another type. */
const char *json_string_at(const struct json_object *object, const char *name);
int64_t json_integer_at(const struct json_object *object, const char *name);
bool json_boolean_at(const struct json_object *object, const char *name);

/* Fails the test unless the reply is a problem with this status and code, in the form of RFC 9457. */
void assert_problem(const struct reply *reply, long status, const char *code);

/* The same for a reply that is not needed after the check; they free it. */
void expect_problem(struct reply reply, long status, const char *code);
/* Its only entry in `errors` has this pointer and code, too. */
void expect_problem_at(struct reply reply, long status, const char *code, const char *pointer, const char *entry_code);
/* It is 400, and its member "header" or "parameter", and the beginning of its detail, are this name. */
void expect_problem_about(struct reply reply, const char *code, const char *member, const char *name);
void expect_status(struct reply reply, long status);

/* Runs `work` on `count` threads at once, with its index; all start in the same moment. */
void run_parallel(size_t count, void (*work)(size_t index, void *context), void *context);

#endif
