#include "api.h"

#include "names.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *const endpoint_items[ENDPOINTS] = {
    [ENDPOINT_REGISTER] = "register", [ENDPOINT_LOGIN] = "login",   [ENDPOINT_REFRESH] = "refresh", [ENDPOINT_ME] = "me",
    [ENDPOINT_VERIFY] = "verify",     [ENDPOINT_LOGOUT] = "logout",
};

static const struct names endpoint_names = { endpoint_items, ENDPOINTS };

static const char *const field_items[API_FIELDS] = {
    [FIELD_EMAIL] = "email",
    [FIELD_PASSWORD] = "password",
    [FIELD_ACCESS_TOKEN] = "access_token",
    [FIELD_REFRESH_TOKEN] = "refresh_token",
    [FIELD_EXPIRES_IN] = "expires_in",
};

static const struct names field_names = { field_items, API_FIELDS };

#define CREDENTIALS                                                                                                              \
    { [FIELD_EMAIL] = "email", [FIELD_PASSWORD] = "password" }
#define TOKENS                                                                                                                   \
    { [FIELD_ACCESS_TOKEN] = "access_token", [FIELD_REFRESH_TOKEN] = "refresh_token", [FIELD_EXPIRES_IN] = "expires_in" }

static const struct api_call own_contract[ENDPOINTS] = {
    [ENDPOINT_REGISTER] = { .method = "POST",
                            .path = "/auth/register",
                            .statuses = { 201 },
                            .fields = CREDENTIALS,
                            .reply = { [FIELD_EMAIL] = "email" } },
    [ENDPOINT_LOGIN] = { .method = "POST", .path = "/auth/login", .statuses = { 200 }, .fields = CREDENTIALS, .reply = TOKENS },
    [ENDPOINT_REFRESH] = { .method = "POST",
                           .path = "/auth/refresh",
                           .statuses = { 200 },
                           .fields = { [FIELD_REFRESH_TOKEN] = "refresh_token" },
                           .reply = TOKENS },
    [ENDPOINT_ME] = { .method = "GET",
                      .path = "/auth/me",
                      .statuses = { 200 },
                      .bearer = true,
                      .reply = { [FIELD_EMAIL] = "email" } },
    [ENDPOINT_VERIFY] = { .method = "GET", .path = "/auth/verify", .statuses = { 200 }, .bearer = true },
    [ENDPOINT_LOGOUT] = { .method = "POST",
                          .path = "/auth/logout",
                          .statuses = { 204 },
                          .fields = { [FIELD_REFRESH_TOKEN] = "refresh_token" } },
};

const char *endpoint_name(enum endpoint endpoint) {
    return names_get(&endpoint_names, (int)endpoint);
}

int endpoint_find(const char *name) {
    return names_find(&endpoint_names, name);
}

bool api_status_is_ok(const struct api_call *call, unsigned status) {
    for (size_t i = 0; i < API_STATUSES && call->statuses[i] != 0; i++)
        if (call->statuses[i] == status)
            return true;
    return false;
}

/* ---- the file ---- */

static bool read_text(const json_t *value, char *text, size_t size) {
    if (!json_is_string(value) || json_string_length(value) >= size || strpbrk(json_string_value(value), "\r\n") != NULL)
        return false;
    snprintf(text, size, "%s", json_string_value(value));
    return true;
}

static bool read_statuses(const json_t *value, unsigned statuses[API_STATUSES]) {
    size_t count = json_array_size(value);
    if (count == 0 || count > API_STATUSES)
        return false;
    memset(statuses, 0, API_STATUSES * sizeof *statuses);
    for (size_t i = 0; i < count; i++) {
        json_int_t status = json_integer_value(json_array_get(value, i));
        if (status < 100 || status > 599)
            return false;
        statuses[i] = (unsigned)status;
    }
    return true;
}

static bool read_names(json_t *value, char names[API_FIELDS][API_NAME_SIZE]) {
    const char *name;
    json_t *item;
    if (!json_is_object(value))
        return false;
    json_object_foreach(value, name, item) {
        int field = names_find(&field_names, name);
        if (field < 0 || !read_text(item, names[field], API_NAME_SIZE))
            return false;
    }
    return true;
}

static bool read_member(struct api_call *call, const char *name, json_t *value) {
    if (strcmp(name, "method") == 0)
        return read_text(value, call->method, sizeof call->method) && call->method[0] != '\0';
    if (strcmp(name, "path") == 0)
        return read_text(value, call->path, sizeof call->path) && call->path[0] == '/';
    if (strcmp(name, "status") == 0)
        return read_statuses(value, call->statuses);
    if (strcmp(name, "fields") == 0)
        return read_names(value, call->fields);
    if (strcmp(name, "reply") == 0)
        return read_names(value, call->reply);
    if (strcmp(name, "bearer") == 0) {
        call->bearer = json_is_true(value);
        return json_is_boolean(value);
    }
    if (strcmp(name, "extra") == 0 && json_is_object(value)) {
        json_decref(call->extra);
        call->extra = json_incref(value);
        return true;
    }
    return false;
}

static bool read_calls(struct api *api, const char *file, json_t *root, char *error, size_t error_size) {
    const char *endpoint, *name;
    json_t *members, *value;
    json_object_foreach(root, endpoint, members) {
        int number = endpoint_find(endpoint);
        if (number < 0 || !json_is_object(members)) {
            snprintf(error, error_size, "%s: \"%s\" must be one of register, login, refresh, me, verify, logout, with an object",
                     file, endpoint);
            return false;
        }
        json_object_foreach(members, name, value) {
            if (!read_member(&api->calls[number], name, value)) {
                snprintf(error, error_size,
                         "%s: %s.%s: known are method, path (with / in front), status (a list), bearer, fields, reply, extra",
                         file, endpoint, name);
                return false;
            }
        }
    }
    return true;
}

bool api_init(struct api *api, const char *file, char *error, size_t error_size) {
    memcpy(api->calls, own_contract, sizeof api->calls);
    if (file == NULL)
        return true;
    json_error_t problem;
    json_t *root = json_load_file(file, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(root)) {
        snprintf(error, error_size, "%s:%d: %s", file, problem.line, root == NULL ? problem.text : "an object is expected");
        json_decref(root);
        return false;
    }
    bool done = read_calls(api, file, root, error, error_size);
    json_decref(root);
    if (!done)
        api_fini(api);
    return done;
}

void api_fini(struct api *api) {
    for (size_t i = 0; i < ENDPOINTS; i++) {
        json_decref(api->calls[i].extra);
        api->calls[i].extra = NULL;
    }
}
