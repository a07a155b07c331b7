#include "api.h"

#include "document.h"
#include "json_file.h"
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

static bool read_text(const struct json *value, char *text, size_t size) {
    struct text from = json_as_text(value);
    if (from.bytes == NULL || from.len >= size || strpbrk(from.bytes, "\r\n") != NULL)
        return false;
    snprintf(text, size, "%s", from.bytes);
    return true;
}

static bool read_statuses(const struct json *value, unsigned statuses[API_STATUSES]) {
    size_t count = json_item_count(value);
    if (count == 0 || count > API_STATUSES)
        return false;
    memset(statuses, 0, API_STATUSES * sizeof *statuses);
    for (size_t i = 0; i < count; i++) {
        int64_t status = json_as_int64(json_item(value, i));
        if (status < 100 || status > 599)
            return false;
        statuses[i] = (unsigned)status;
    }
    return true;
}

static bool read_name(void *names, const char *name, const struct json *value) {
    int field = names_find(&field_names, name);
    return field >= 0 && read_text(value, ((char(*)[API_NAME_SIZE])names)[field], API_NAME_SIZE);
}

static bool read_names(const struct json *value, char names[API_FIELDS][API_NAME_SIZE]) {
    return json_kind(value) == JSON_KIND_OBJECT && json_each_member(value, read_name, names);
}

static bool read_extra(const struct json *value, struct api_call *call) {
    if (json_kind(value) != JSON_KIND_OBJECT)
        return false;
    call->extra = document_copy(value);
    return call->extra != NULL;
}

/* The call that is being read, and what to say of a member that is wrong. */
struct reader {
    struct api *api;
    const char *file, *endpoint;
    struct api_call *call;
    char *error;
    size_t error_size;
};

static bool read_known_member(struct api_call *call, const char *name, const struct json *value) {
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
    if (strcmp(name, "extra") == 0)
        return read_extra(value, call);
    if (strcmp(name, "bearer") == 0) {
        call->bearer = json_as_boolean(value);
        return json_kind(value) == JSON_KIND_BOOLEAN;
    }
    return false;
}

static bool read_member(void *context, const char *name, const struct json *value) {
    const struct reader *reader = context;
    if (read_known_member(reader->call, name, value))
        return true;
    snprintf(reader->error, reader->error_size,
             "%s: %s.%s: known are method, path (with / in front), status (a list), bearer, fields, reply, extra", reader->file,
             reader->endpoint, name);
    return false;
}

static bool read_call(void *context, const char *endpoint, const struct json *members) {
    struct reader *reader = context;
    int number = endpoint_find(endpoint);
    if (number < 0 || json_kind(members) != JSON_KIND_OBJECT) {
        snprintf(reader->error, reader->error_size,
                 "%s: \"%s\" must be one of register, login, refresh, me, verify, logout, with an object", reader->file,
                 endpoint);
        return false;
    }
    reader->endpoint = endpoint;
    reader->call = &reader->api->calls[number];
    return json_each_member(members, read_member, reader);
}

bool api_init(struct api *api, const char *path, char *error, size_t error_size) {
    struct json_file file;
    struct reader reader = { .api = api, .file = path, .error = error, .error_size = error_size };
    memcpy(api->calls, own_contract, sizeof api->calls);
    if (path == NULL)
        return true;
    if (!json_file_open(&file, path, error, error_size))
        return false;
    bool done = json_kind(file.root) == JSON_KIND_OBJECT;
    if (!done)
        snprintf(error, error_size, "%s: an object is expected", path);
    done = done && json_each_member(file.root, read_call, &reader);
    json_file_close(&file);
    if (!done)
        api_fini(api);
    return done;
}

void api_fini(struct api *api) {
    for (size_t i = 0; i < ENDPOINTS; i++) {
        json_object_put(api->calls[i].extra);
        api->calls[i].extra = NULL;
    }
}
