/*
 * api: where the endpoints are and what their members are called. The table in api.c is this service's own wire contract; a file
 * of JSON (`--api`) changes what is different elsewhere:
 *
 *     {
 *       "login":   { "method": "POST", "path": "/v1/session", "status": [200, 201],
 *                    "fields": { "email": "username", "password": "password" },
 *                    "reply":  { "access_token": "data.token", "refresh_token": "data.refresh" },
 *                    "extra":  { "grant_type": "password" } },
 *       "refresh": { "path": "/v1/token" }
 *     }
 *
 * `fields` are the members of the request's body, `reply` those of the answer; a dot goes one object down; an empty name means
 * that there is none. `extra` is added to each body. What a file does not name stays as it is.
 */
#ifndef FAILPOINT_API_H
#define FAILPOINT_API_H

#include <stdbool.h>
#include <stddef.h>

enum endpoint { ENDPOINT_REGISTER, ENDPOINT_LOGIN, ENDPOINT_REFRESH, ENDPOINT_ME, ENDPOINT_VERIFY, ENDPOINT_LOGOUT, ENDPOINTS };

/* What travels in a request or comes back in a reply. */
enum api_field { FIELD_EMAIL, FIELD_PASSWORD, FIELD_ACCESS_TOKEN, FIELD_REFRESH_TOKEN, FIELD_EXPIRES_IN, API_FIELDS };

#define API_NAME_SIZE 64
#define API_PATH_SIZE 256
#define API_STATUSES 4

struct json_object;

struct api_call {
    char method[16];
    char path[API_PATH_SIZE];
    unsigned statuses[API_STATUSES];        /* that mean ok; 0 ends them */
    bool bearer;                            /* sends the access token */
    char fields[API_FIELDS][API_NAME_SIZE]; /* of the request's body; empty: not sent */
    char reply[API_FIELDS][API_NAME_SIZE];  /* that must be in the answer; empty: not looked for */
    struct json_object *extra;              /* json-c's; NULL: nothing */
};

struct api {
    struct api_call calls[ENDPOINTS];
};

const char *endpoint_name(enum endpoint endpoint);
int endpoint_find(const char *name); /* -1: there is none */

/* This service's contract; `path` NULL or of a file. False, with a sentence in `error`. */
bool api_init(struct api *api, const char *path, char *error, size_t error_size);
void api_fini(struct api *api);

bool api_status_is_ok(const struct api_call *call, unsigned status);

#endif
