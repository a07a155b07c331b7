#include "common.h"
#include "password_check.h"
#include "steps.h"

#include "jwtd/email.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"

#include <sodium.h>
#include <stddef.h>

#define DIGEST_BYTES 32
#define DIGEST_TEXT_SIZE (DIGEST_BYTES * 2 + 1)

struct registration {
    struct text email, password, name;
    struct text canonical;
    char idempotency_digest[DIGEST_TEXT_SIZE]; /* empty: no key was sent */
    char hash[PASSWORD_HASH_SIZE];
    struct inserted_user inserted;
    struct found_user found; /* who was registered before, with the same key */
    struct password_check check;
};

static const struct field fields[] = {
    FIELD(registration, email, FIELD_EMAIL, .required = true, .description = "Unique without regard to case; kept as typed"),
    FIELD(registration, password, FIELD_NEW_PASSWORD, .required = true,
          .description = "Any characters; refused when short, common, or close to the e-mail address"),
    FIELD(registration, name, FIELD_LINE, .max_len = USER_NAME_MAX_LEN, .is_nullable = true,
          .description = "What the user wants to be called", .example = EXAMPLE_NAME),
};
const struct body_schema register_body = { fields, ARRAY_LEN(fields), false, sizeof(struct registration), "RegisterRequest" };

/* For instances of the version before 0018_idempotency_keys.sql, which look for it in the user's row. */
static void digest_key(const struct request *request, char digest[DIGEST_TEXT_SIZE]) {
    struct text key = request_header(request, "Idempotency-Key");
    unsigned char bytes[DIGEST_BYTES];
    if (key.bytes == NULL)
        return;
    crypto_generichash(bytes, sizeof bytes, (const unsigned char *)key.bytes, key.len, NULL, 0);
    sodium_bin2hex(digest, DIGEST_TEXT_SIZE, bytes, sizeof bytes);
}

static enum step_result check(struct request *request) {
    struct registration *registration = request->scratch;
    digest_key(request, registration->idempotency_digest);
    registration->canonical = email_canonical(request->arena, registration->email);
    if (registration->canonical.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    enum status status = request_bind_key(request, "email", registration->canonical);
    return status == STATUS_OK ? STEP_NEXT : reply_problem(request, status);
}

static enum step_result hash_password(struct request *request) {
    struct registration *registration = request->scratch;
    enum status status = hasher_hash(request->hasher, registration->password, registration->hash);
    return status == STATUS_OK ? STEP_NEXT : reply_problem(request, status);
}

static enum step_result ask_insert(struct request *request, struct db_query *query) {
    struct registration *registration = request->scratch;
    char ip[ADDRESS_TEXT_SIZE];
    struct new_user new_user = {
        .id = uuid_create(),
        .email = { registration->email, registration->canonical },
        .name = registration->name,
        .password_hash = registration->hash,
        .idempotency_digest = registration->idempotency_digest[0] != '\0' ? registration->idempotency_digest : NULL,
        .ip = client_ip(request, ip),
    };
    users_insert(query, &new_user, &registration->inserted);
    return STEP_NEXT;
}

static void log_registration(const char *event, const char *reason, const struct uuid *user_id, struct text email) {
    char user[UUID_TEXT_SIZE], shown[LOG_EMAIL_SIZE];
    log_event(LOG_INFO, event, "reason=%s user_id=%s email=%s", reason, user_id != NULL ? uuid_text(user_id, user) : NULL,
              log_email(email, shown));
}

static enum step_result take_insert(struct request *request) {
    const struct registration *registration = request->scratch;
    const struct user *user = &registration->inserted.user;
    if (registration->inserted.result == USER_EXISTS) {
        metric_add(METRIC_REGISTRATIONS, METRIC_REGISTRATION_EMAIL_TAKEN, 1);
        log_registration("registration_failed", "email_taken", NULL, registration->email);
        return reply_problem(request, STATUS_EMAIL_TAKEN);
    }
    request_concerns(request, &user->id);
    if (registration->inserted.result == USER_SAME_KEY)
        return STEP_NEXT;
    metric_add(METRIC_REGISTRATIONS, METRIC_REGISTRATION_CREATED, 1);
    log_registration("user_registered", NULL, &user->id, registration->email);
    return reply_user(request, 201, user, false);
}

static enum step_result ask_repeated(struct request *request, struct db_query *query) {
    struct registration *registration = request->scratch;
    users_find_by_id(query, &request->key.done.user_id, &registration->found);
    return STEP_NEXT;
}

/* The account may have been deleted since. */
static enum step_result take_repeated(struct request *request) {
    struct registration *registration = request->scratch;
    if (!registration->found.found)
        return reply_problem(request, STATUS_IDEMPOTENCY_KEY_REUSED);
    registration->inserted.user = registration->found.user;
    return STEP_NEXT;
}

/* The same key and the same password: the client repeats a request whose reply it has lost. Another password is counted like that
 * of a login: a client that has obtained the key shall not have more guesses. */
static enum step_result check_repeated(struct request *request) {
    struct registration *registration = request->scratch;
    struct attempt attempt = attempt_at_login(request, registration->canonical, false);
    const char *hash = registration->inserted.user.password_hash.bytes;
    if (!password_check_run(request, &registration->check, &attempt, registration->password, hash))
        return STEP_DONE;
    if (registration->check.match == HASH_MATCHES)
        password_check_accept(request, &registration->check);
    return STEP_NEXT;
}

static enum step_result refuse_repeated(struct request *request) {
    return reply_problem(request, STATUS_IDEMPOTENCY_KEY_REUSED);
}

static enum step_result answer_repeated(struct request *request) {
    const struct registration *registration = request->scratch;
    const struct user *user = &registration->inserted.user;
    if (password_check_end(request, &registration->check, &user->id, refuse_repeated) == STEP_DONE)
        return STEP_DONE;
    metric_add(METRIC_REGISTRATIONS, METRIC_REGISTRATION_REPEATED, 1);
    return reply_user(request, 201, user, false);
}

const struct step register_check = { "check", ON_HTTP, .run = check };
const struct step register_hash_password = { "hash_password", ON_CRYPTO, .run = hash_password };
const struct step register_insert = { "insert", ON_DATABASE, .ask = ask_insert, .run = take_insert };
const struct step register_find_repeated = { "find_repeated", ON_DATABASE, .ask = ask_repeated, .run = take_repeated };
const struct step register_check_repeated = { "check_repeated", ON_CRYPTO, .run = check_repeated };
const struct step register_answer_repeated = { "answer_repeated", ON_HTTP, .run = answer_repeated };
