/* POST /users. */
#include "common.h"
#include "password_check.h"
#include "steps.h"
#include "user_resource.h"

#include "jwtd/email.h"
#include "jwtd/hasher.h"
#include "jwtd/macros.h"

#include <sodium.h>
#include <stddef.h>

#define RANDOM_BYTES 32

struct creation {
    struct text email, password, roles, name;
    char hash[PASSWORD_HASH_SIZE];
    struct inserted_user inserted;
    struct found_user found; /* who was created before, with the same Idempotency-Key */
    struct password_check check;
};

static const struct field fields[] = {
    FIELD(creation, email, FIELD_EMAIL, .required = true, .description = "Unique without regard to case; kept as typed"),
    FIELD(creation, password, FIELD_NEW_PASSWORD,
          .description = "By the rules of registration; without one nobody can log in until the operator sets one"),
    FIELD(creation, roles, FIELD_ROLES, .max_len = ROLES_JSON_MAX_LEN, .description = "All roles that the user is to have",
          .example = "[\"editor\"]"),
    FIELD(creation, name, FIELD_LINE, .max_len = USER_NAME_MAX_LEN, .description = "What to call the user",
          .example = EXAMPLE_NAME),
};
const struct body_schema user_creation_body = { fields, ARRAY_LEN(fields), false, sizeof(struct creation), "NewUserRequest" };

/* Without a password the hash is that of one that nobody knows: then a login takes as long as any other, and fails for the same
 * reason. */
static enum status hash(struct hasher *hasher, struct creation *creation) {
    char unknown[RANDOM_BYTES];
    if (creation->password.bytes != NULL)
        return hasher_hash(hasher, creation->password, creation->hash);
    randombytes_buf(unknown, sizeof unknown);
    enum status status = hasher_hash(hasher, (struct text){ unknown, sizeof unknown }, creation->hash);
    sodium_memzero(unknown, sizeof unknown);
    return status;
}

static enum step_result hash_password(struct request *request) {
    enum status status = hash(request->hasher, request->scratch);
    return status == STATUS_OK ? STEP_NEXT : reply_problem(request, status);
}

static enum step_result ask_insert(struct request *request, struct db_query *query) {
    struct creation *creation = request->scratch;
    struct new_user new_user = {
        .id = uuid_create(),
        .email = { creation->email, email_canonical(request->arena, creation->email) },
        .password_hash = creation->hash,
        .has_no_password = creation->password.bytes == NULL,
        .roles_json = creation->roles.bytes,
        .name = creation->name,
    };
    if (new_user.email.canonical.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    users_insert(query, &new_user, &creation->inserted);
    return STEP_NEXT;
}

static enum step_result take_insert(struct request *request) {
    const struct creation *creation = request->scratch;
    const struct user *user = &creation->inserted.user;
    if (creation->inserted.result != USER_INSERTED)
        return reply_problem(request, STATUS_EMAIL_TAKEN);
    log_administration("user_created", request, &user->id);
    return reply_administered_user(request, 201, user);
}

static enum step_result ask_created(struct request *request, struct db_query *query) {
    struct creation *creation = request->scratch;
    users_find_by_id(query, &request->key.done.user_id, &creation->found);
    return STEP_NEXT;
}

static enum step_result refuse_created(struct request *request) {
    return reply_problem(request, STATUS_IDEMPOTENCY_KEY_REUSED);
}

/* The user may have been deleted since. */
static enum step_result take_created(struct request *request) {
    const struct creation *creation = request->scratch;
    return creation->found.found ? STEP_NEXT : refuse_created(request);
}

static bool has_password(const struct request *request) {
    const struct creation *creation = request->scratch;
    return creation->password.bytes != NULL;
}

/* It must be the one that is stored. Counted like any attempt, so that an administrator's token and the key are no way to guess
 * a user's password. */
static enum step_result check_created(struct request *request) {
    struct creation *creation = request->scratch;
    struct attempt attempt = attempt_with_token(request);
    const char *hash = creation->found.user.password_hash.bytes;
    if (!password_check_run(request, &creation->check, &attempt, creation->password, hash))
        return STEP_DONE;
    if (creation->check.match == HASH_MATCHES)
        password_check_accept(request, &creation->check);
    return STEP_NEXT;
}

static enum step_result answer_created(struct request *request) {
    const struct creation *creation = request->scratch;
    const struct user *user = &creation->found.user;
    if (has_password(request) && password_check_end(request, &creation->check, &user->id, refuse_created) == STEP_DONE)
        return STEP_DONE;
    return reply_administered_user(request, 201, user);
}

const struct step users_hash_password = { "hash_password", ON_CRYPTO, .run = hash_password };
const struct step users_create = { "create", ON_DATABASE, .ask = ask_insert, .run = take_insert };
const struct step users_find_created = { "find_created", ON_DATABASE, .ask = ask_created, .run = take_created };
const struct step users_check_created = { "check_created", ON_CRYPTO, .run = check_created, .applies = has_password };
const struct step users_answer_created = { "answer_created", ON_HTTP, .run = answer_created };
