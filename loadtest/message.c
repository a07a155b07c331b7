#include "message.h"

#include "document.h"
#include "instant.h"
#include "jwtd/macros.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USER_AGENT "failpoint"

/* A token is renewed when a fifth of its life is left. */
#define RENEW_AT 0.8

/* ---- templates ---- */

/* Placeholders that json-c writes as such escapes, which no other text of a body contains: control characters are refused in
 * options. */
static const struct {
    const char *character, *escape;
    int field;
} placeholders[] = {
    { "\x01", "\\u0001", FIELD_EMAIL },
    { "\x02", "\\u0002", FIELD_ACCESS_TOKEN },
    { "\x03", "\\u0003", FIELD_REFRESH_TOKEN },
};

/* Both then share the values. */
static void add_all(struct json_object *object, const struct json_object *other) {
    json_object_object_foreach(other, name, value) {
        document_add(object, name, json_object_get(value));
    }
}

static struct json_object *make_body(const struct plan *plan, const struct api_call *call) {
    struct json_object *body = document_object();
    if (call->extra != NULL)
        add_all(body, call->extra);
    for (size_t i = 0; i < ARRAY_LEN(placeholders); i++) {
        const char *name = call->fields[placeholders[i].field];
        if (name[0] != '\0')
            document_add(body, name, document_text(placeholders[i].character));
    }
    if (call->fields[FIELD_PASSWORD][0] != '\0')
        document_add(body, call->fields[FIELD_PASSWORD], document_text(plan->password));
    return body;
}

/* The placeholder that comes first in the text, at *place; NULL: none. */
static const char *next_placeholder(const char *text, int *field, size_t *len) {
    const char *first = NULL;
    for (size_t i = 0; i < ARRAY_LEN(placeholders); i++) {
        const char *found = strstr(text, placeholders[i].escape);
        if (found == NULL || (first != NULL && found > first))
            continue;
        first = found;
        *field = placeholders[i].field;
        *len = strlen(placeholders[i].escape);
    }
    return first;
}

static bool cut_into_pieces(struct message_template *template, const char *text) {
    const char *found;
    do {
        int field = -1;
        size_t len = 0;
        found = next_placeholder(text, &field, &len);
        char *piece = found == NULL ? strdup(text) : strndup(text, (size_t)(found - text));
        if (piece == NULL || template->pieces_count == MESSAGE_PIECES) {
            free(piece);
            return false;
        }
        template->pieces[template->pieces_count++] = (struct message_piece){ piece, field };
        text = found == NULL ? text : found + len;
    } while (found != NULL);
    return true;
}

static bool has_body(const struct api_call *call) {
    for (size_t i = 0; i < API_FIELDS; i++)
        if (call->fields[i][0] != '\0')
            return true;
    return call->extra != NULL;
}

static bool make_template(struct message_template *template, const struct plan *plan, const struct api_call *call) {
    int len = asprintf(
        &template->head, "%s %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: " USER_AGENT "\r\nAccept: application/json\r\n%s%s",
        call->method, plan->target.prefix, call->path, plan->target.host,
        has_body(call) ? "Content-Type: application/json\r\n" : "", plan->new_connections ? "Connection: close\r\n" : "");
    if (len < 0) {
        template->head = NULL;
        return false;
    }
    if (!has_body(call))
        return true;
    struct json_object *body = make_body(plan, call);
    const char *text = json_object_to_json_string_ext(body, DOCUMENT_FLAGS);
    bool made = text != NULL && cut_into_pieces(template, text);
    json_object_put(body);
    return made;
}

bool messages_init(struct messages *messages, const struct plan *plan) {
    *messages = (struct messages){ .plan = plan };
    for (size_t i = 0; i < ENDPOINTS; i++) {
        if (!make_template(&messages->templates[i], plan, &plan->api.calls[i])) {
            messages_fini(messages);
            return false;
        }
    }
    return true;
}

void messages_fini(struct messages *messages) {
    for (size_t i = 0; i < ENDPOINTS; i++) {
        struct message_template *template = &messages->templates[i];
        free(template->head);
        for (size_t j = 0; j < template->pieces_count; j++)
            free(template->pieces[j].text);
        *template = (struct message_template){ .head = NULL };
    }
}

/* ---- a request ---- */

struct writer {
    char *bytes;
    size_t len; /* SIZE_MAX: it did not fit */
};

static void put(struct writer *writer, const char *text) {
    size_t len = strlen(text);
    if (writer->len == SIZE_MAX || len > MESSAGE_SIZE - writer->len) {
        writer->len = SIZE_MAX;
        return;
    }
    memcpy(writer->bytes + writer->len, text, len);
    writer->len += len;
}

static const char *field_value(const struct actor *actor, const char *email, int field) {
    const char *value = field == FIELD_EMAIL ? email : field == FIELD_ACCESS_TOKEN ? actor->access_token : actor->refresh_token;
    return value == NULL ? "" : value;
}

size_t message_write(const struct messages *messages, const struct actors *actors, enum endpoint endpoint,
                     const struct actor *actor, char bytes[MESSAGE_SIZE]) {
    const struct message_template *template = &messages->templates[endpoint];
    struct writer writer = { bytes, 0 };
    char email[EMAIL_SIZE] = "";
    put(&writer, template->head);
    if (messages->plan->api.calls[endpoint].bearer) {
        put(&writer, "Authorization: Bearer ");
        put(&writer, actor->access_token == NULL ? "" : actor->access_token);
        put(&writer, "\r\n");
    }
    if (template->pieces_count == 0) {
        put(&writer, "\r\n");
        return writer.len == SIZE_MAX ? 0 : writer.len;
    }
    actor_email(actors, actor, email);
    size_t body_len = 0;
    for (size_t i = 0; i < template->pieces_count; i++) {
        const struct message_piece *piece = &template->pieces[i];
        body_len += strlen(piece->text) + (piece->field < 0 ? 0 : strlen(field_value(actor, email, piece->field)));
    }
    char length[48];
    snprintf(length, sizeof length, "Content-Length: %zu\r\n\r\n", body_len);
    put(&writer, length);
    for (size_t i = 0; i < template->pieces_count; i++) {
        put(&writer, template->pieces[i].text);
        if (template->pieces[i].field >= 0)
            put(&writer, field_value(actor, email, template->pieces[i].field));
    }
    return writer.len == SIZE_MAX ? 0 : writer.len;
}

/* ---- a reply ---- */

/* "data.token": one object down for each dot. NULL: there is no such member. */
static const struct json *find_member(const struct json *root, const char *path) {
    char name[API_NAME_SIZE];
    while (true) {
        size_t len = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)len, path);
        json_find(root, name, &root);
        if (path[len] == '\0')
            return root;
        path += len + 1;
    }
}

static bool wants(const struct api_call *call, enum api_field field) {
    return call->reply[field][0] != '\0';
}

static const char *find_text(const struct json *root, const struct api_call *call, enum api_field field) {
    return wants(call, field) ? json_as_text(find_member(root, call->reply[field])).bytes : NULL;
}

static enum reply_fault take_in(const struct actors *actors, const struct api_call *call, const struct json *root,
                                struct actor *actor, int64_t now_ns) {
    char email[EMAIL_SIZE];
    const char *address = find_text(root, call, FIELD_EMAIL);
    if (wants(call, FIELD_EMAIL) && address == NULL)
        return FAULT_NO_EMAIL;
    if (wants(call, FIELD_EMAIL) && strcmp(address, actor_email(actors, actor, email)) != 0)
        return FAULT_OTHER_EMAIL;
    const char *access_token = find_text(root, call, FIELD_ACCESS_TOKEN);
    const char *refresh_token = find_text(root, call, FIELD_REFRESH_TOKEN);
    if (wants(call, FIELD_ACCESS_TOKEN) && access_token == NULL)
        return FAULT_NO_ACCESS_TOKEN;
    if (wants(call, FIELD_REFRESH_TOKEN) && refresh_token == NULL)
        return FAULT_NO_REFRESH_TOKEN;
    if (access_token == NULL && refresh_token == NULL)
        return FAULT_NONE;
    int64_t renew_at = INT64_MAX;
    double expires = wants(call, FIELD_EXPIRES_IN) ? json_as_double(find_member(root, call->reply[FIELD_EXPIRES_IN])) : 0;
    if (expires > 0 && expires < 1e9)
        renew_at = now_ns + s_to_ns(expires * RENEW_AT);
    return actor_set_tokens(actor, access_token, refresh_token, renew_at) ? FAULT_NONE : FAULT_TOKEN;
}

static bool has_reply_fields(const struct api_call *call) {
    return wants(call, FIELD_EMAIL) || wants(call, FIELD_ACCESS_TOKEN) || wants(call, FIELD_REFRESH_TOKEN);
}

static const struct json_limits any_json = { .depth = JSON_DEPTH_MAX, .containers = UINT_MAX };

static enum reply_fault read_body(const struct actors *actors, const struct api_call *call, const struct response *response,
                                  struct actor *actor, int64_t now_ns) {
    if (!has_reply_fields(call))
        return FAULT_NONE;
    if (response->body_total != response->body_len)
        return FAULT_TOO_LONG;
    if (response->body_len == 0)
        return FAULT_NO_BODY;
    struct arena arena;
    const struct json *root;
    arena_init(&arena, JSON_ARENA_LIMIT(response->body_len, response->body_len / 2));
    bool parsed = json_parse(&arena, (struct text){ response->body, response->body_len }, any_json, &root) == STATUS_OK;
    enum reply_fault fault = parsed ? take_in(actors, call, root, actor, now_ns) : FAULT_NOT_JSON;
    arena_fini(&arena);
    return fault;
}

enum reply_class message_judge(const struct messages *messages, const struct actors *actors, enum endpoint endpoint,
                               const struct response *response, struct actor *actor, int64_t now_ns, enum reply_fault *fault) {
    const struct api_call *call = &messages->plan->api.calls[endpoint];
    unsigned status = response->status;
    *fault = status < 400 ? FAULT_STATUS : FAULT_NONE;
    if (api_status_is_ok(call, status)) {
        *fault = read_body(actors, call, response, actor, now_ns);
        return *fault == FAULT_NONE ? REPLY_OK : REPLY_BAD;
    }
    if (status == 429 || status == 503)
        return REPLY_SHED;
    if (status >= 500)
        return REPLY_SERVER;
    return status >= 400 ? REPLY_CLIENT : REPLY_BAD;
}
