/* One user, as administrators read and change one. */
#include "common.h"
#include "steps.h"
#include "user_resource.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/services.h"

#include <stddef.h>

/* ---- reading ---- */

static enum step_result ask_user(struct request *request, struct db_query *query) {
    struct found_user *found = request->scratch = arena_alloc(request->arena, sizeof *found);
    if (found == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    users_find_by_id(query, &request->path_ids[0], found);
    return STEP_NEXT;
}

static enum step_result take_user(struct request *request) {
    const struct found_user *found = request->scratch;
    return found->found ? STEP_NEXT : reply_problem(request, STATUS_NOT_FOUND);
}

static enum step_result show(struct request *request) {
    const struct found_user *found = request->scratch;
    return reply_administered_user(request, 200, &found->user);
}

/* ---- changes ---- */

struct change {
    struct text roles, name, metadata, admin_metadata;
    enum field_flag disabled, password_change_required;
    struct user_choice choice;
    struct administered_user administered;
};

static const struct field change_fields[] = {
    FIELD(change, roles, FIELD_ROLES, .max_len = ROLES_JSON_MAX_LEN, .description = "All roles that the user is to have",
          .example = "[\"editor\"]"),
    FIELD(change, disabled, FIELD_FLAG, .description = "true refuses logins and ends all sessions"),
    FIELD(change, password_change_required, FIELD_FLAG,
          .description = "true ends all sessions, and the next login must set a new password"),
    FIELD(change, name, FIELD_LINE, .max_len = USER_NAME_MAX_LEN, .is_nullable = true,
          .description = "What to call the user; null removes it", .example = EXAMPLE_NAME),
    FIELD(change, metadata, FIELD_OBJECT, .max_len = USER_METADATA_MAX_LEN,
          .description = "Replaces as a whole the object that the user writes", .example = EXAMPLE_METADATA),
    FIELD(change, admin_metadata, FIELD_OBJECT, .max_len = USER_METADATA_MAX_LEN,
          .description = "Replaces as a whole the object that only administrators write", .example = "{\"plan\":\"pro\"}"),
};
const struct body_schema user_change_body = { change_fields, ARRAY_LEN(change_fields), false, sizeof(struct change),
                                              "UserChangeRequest" };

static void write_flag(struct json_writer *writer, const char *name, enum field_flag flag) {
    if (flag != FLAG_ABSENT)
        json_member_boolean(writer, name, flag == FLAG_TRUE);
}

static void write_object(struct json_writer *writer, const char *name, struct text object) {
    if (object.bytes != NULL)
        json_member_raw(writer, name, object);
}

/* What user_admin_change takes; {NULL, 0}: out of memory. */
static struct text write_changes(const struct request *request, const struct change *change) {
    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    write_object(&writer, "roles", change->roles);
    write_object(&writer, "metadata", change->metadata);
    write_object(&writer, "admin_metadata", change->admin_metadata);
    if (change->name.bytes != NULL) /* an empty one is null */
        json_member_text(&writer, "name", change->name.len > 0 ? change->name : (struct text){ NULL, 0 });
    write_flag(&writer, "disabled", change->disabled);
    write_flag(&writer, "password_change_required", change->password_change_required);
    json_end_object(&writer);
    return json_writer_finish(&writer);
}

static enum step_result ask_change(struct request *request, struct db_query *query) {
    struct change *change = request->scratch;
    enum status status = read_if_match(request, &change->choice.version);
    if (status != STATUS_OK)
        return reply_problem_about(request, status, "If-Match");
    if (change->choice.version == 0)
        return reply_problem(request, STATUS_PRECONDITION_REQUIRED);
    struct text changes = write_changes(request, change);
    if (changes.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    change->choice.id = request->path_ids[0];
    user_admin_change(query, &change->choice, changes.bytes, &change->administered);
    return STEP_NEXT;
}

/* STEP_NEXT, with its sessions ended on this instance, too, if the user was changed; else the reply is written. */
static enum step_result take_administered(struct request *request, const struct administered_user *administered) {
    if (administered->result == USER_ADMIN_NOT_FOUND)
        return reply_problem(request, STATUS_NOT_FOUND);
    if (administered->result == USER_ADMIN_STALE)
        return reply_problem(request, STATUS_PRECONDITION_FAILED);
    revoke_all_locally(request, &administered->revoked);
    return STEP_NEXT;
}

static enum step_result take_change(struct request *request) {
    const struct change *change = request->scratch;
    const struct user *user = &change->administered.user;
    if (take_administered(request, &change->administered) == STEP_DONE)
        return STEP_DONE;
    /* what the next reading of the database does within a second; its failure is not one of this request */
    if (change->roles.bytes != NULL &&
        current_roles_set(request->services->roles, &user->id, user->roles_json, clock_retention_s()) != STATUS_OK)
        log_event(LOG_WARN, "roles_not_kept", "error=%s", "out of memory");
    log_administration("user_changed", request, &user->id);
    return reply_administered_user(request, 200, user);
}

/* ---- deletion, and the end of all sessions ---- */

struct ending {
    struct user_choice choice;
    struct administered_user administered;
};

static struct ending *make_ending(struct request *request) {
    struct ending *ending = request->scratch = arena_alloc(request->arena, sizeof *ending);
    if (ending == NULL)
        reply_problem(request, STATUS_OUT_OF_MEMORY);
    else
        ending->choice.id = request->path_ids[0];
    return ending;
}

static enum step_result ask_deletion(struct request *request, struct db_query *query) {
    struct ending *ending = make_ending(request);
    if (ending == NULL)
        return STEP_DONE;
    enum status status = read_if_match(request, &ending->choice.version);
    if (status != STATUS_OK)
        return reply_problem_about(request, status, "If-Match");
    user_admin_delete(query, &ending->choice, &ending->administered);
    return STEP_NEXT;
}

static enum step_result ask_end_of_sessions(struct request *request, struct db_query *query) {
    struct ending *ending = make_ending(request);
    if (ending == NULL)
        return STEP_DONE;
    user_admin_end_sessions(query, &ending->choice.id, &ending->administered);
    return STEP_NEXT;
}

static enum step_result take_ending(struct request *request, const char *event) {
    const struct ending *ending = request->scratch;
    if (take_administered(request, &ending->administered) == STEP_DONE)
        return STEP_DONE;
    log_administration(event, request, &ending->choice.id);
    return reply_empty(request, 204);
}

static enum step_result take_deletion(struct request *request) {
    return take_ending(request, "user_deleted");
}

static enum step_result take_end_of_sessions(struct request *request) {
    return take_ending(request, "sessions_ended");
}

const struct step users_load = { "load", ON_DATABASE, .ask = ask_user, .run = take_user };
const struct step users_show = { "show", ON_HTTP, .run = show };
const struct step users_change = { "change", ON_DATABASE, .ask = ask_change, .run = take_change };
const struct step users_delete_one = { "delete", ON_DATABASE, .ask = ask_deletion, .run = take_deletion };
const struct step users_end_sessions = { "end_sessions", ON_DATABASE, .ask = ask_end_of_sessions, .run = take_end_of_sessions };
