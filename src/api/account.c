/* What users change with their current password: the e-mail address, the password, and whether the account exists. */
#include "common.h"
#include "password_check.h"
#include "steps.h"

#include "jwtd/email.h"
#include "jwtd/macros.h"

#include <stddef.h>

struct account {
    struct text email, current_password, new_password;
    struct user user;
    struct password_check check;
    bool is_repeated; /* the current password is wrong, and the new one is set already */
    char new_hash[PASSWORD_HASH_SIZE];
};

static const struct field email_fields[] = {
    FIELD(account, email, FIELD_EMAIL, .required = true),
    FIELD(account, current_password, FIELD_PASSWORD, .required = true),
};
static const struct field password_fields[] = {
    FIELD(account, current_password, FIELD_PASSWORD, .required = true),
    FIELD(account, new_password, FIELD_PASSWORD, .required = true),
};
static const struct field delete_fields[] = {
    FIELD(account, current_password, FIELD_PASSWORD, .required = true),
};
const struct body_schema email_body = { email_fields, ARRAY_LEN(email_fields), false, sizeof(struct account) };
const struct body_schema password_body = { password_fields, ARRAY_LEN(password_fields), false, sizeof(struct account) };
const struct body_schema delete_body = { delete_fields, ARRAY_LEN(delete_fields), false, sizeof(struct account) };

static enum step_result load(struct request *request) {
    struct account *account = request->scratch;
    bool found;
    struct db_call call = database_call(request);
    enum status status = users_find_by_id(&call, &request->claims.user_id, &account->user, &found);
    if (status != STATUS_OK)
        return reply_problem(request, status);
    return found && !account->user.disabled ? STEP_NEXT : reply_problem(request, STATUS_INVALID_TOKEN);
}

static enum step_result refuse(struct request *request) {
    log_account_event(LOG_INFO, "password_check_failed", request, &request->claims.user_id, &request->claims.session_id);
    return reply_problem(request, STATUS_INVALID_CREDENTIALS);
}

/*
 * The reply to a change may be lost. The client that tries again sends the old password as the current one, and as the new one
 * that which is set already. Accepted for a minute after the change only, so that it is not a second guess for each one that is
 * counted.
 */
static bool may_be_repeated_change(const struct account *account) {
    return account->check.match == HASH_DIFFERS && account->new_password.bytes != NULL && account->user.changed_lately;
}

static enum step_result check_password(struct request *request) {
    struct account *account = request->scratch;
    struct attempt attempt = attempt_with_token(request);
    const char *hash = account->user.password_hash.bytes;
    if (!password_check_run(request, &account->check, &attempt, account->current_password, hash))
        return STEP_DONE;
    if (may_be_repeated_change(account)) {
        password_check_alternative(request, &account->check, account->new_password, hash);
        account->is_repeated = account->check.match == HASH_MATCHES;
    }
    if (account->check.match == HASH_MATCHES)
        password_check_accept(request, &account->check);
    return STEP_NEXT;
}

static enum step_result end_password_check(struct request *request) {
    const struct account *account = request->scratch;
    if (account->is_repeated) {
        log_account_event(LOG_INFO, "password_change_repeated", request, &account->user.id, &request->claims.session_id);
        return reply_empty(request, 204);
    }
    return password_check_end(request, &account->check, &account->user.id, refuse);
}

static enum step_result hash_new_password(struct request *request) {
    struct account *account = request->scratch;
    if (!accept_new_password(request, "/new_password", account->new_password, account->user.email))
        return STEP_DONE;
    enum status status = hasher_hash(request->hasher, account->new_password, account->new_hash);
    return status == STATUS_OK ? STEP_NEXT : reply_problem(request, status);
}

/* Writes the reply for a change that did not happen; STEP_NEXT for one that did. */
static enum step_result check_change(struct request *request, enum status status, enum user_change change) {
    if (status != STATUS_OK)
        return reply_problem(request, status);
    switch (change) {
    case USER_CHANGED:
        return STEP_NEXT;
    case USER_EMAIL_TAKEN:
        return reply_problem(request, STATUS_EMAIL_TAKEN);
    case USER_STALE:
        break;
    }
    /* Another change came between the check and this one, or an earlier run of the same request whose reply was lost. The client
     * tries again, and its password is judged by the row as it is then. */
    return reply_problem(request, STATUS_DEADLINE_EXCEEDED);
}

static enum step_result change_email(struct request *request) {
    struct account *account = request->scratch;
    struct email_forms email = { account->email, email_canonical(request->arena, account->email) };
    if (email.canonical.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    enum user_change change = USER_STALE;
    struct user changed;
    struct db_call call = database_call(request);
    struct checked_user checked = { account->user.id, account->user.password_version };
    enum status status = users_change_email(&call, &checked, email, &changed, &change);
    if (check_change(request, status, change) == STEP_DONE)
        return STEP_DONE;
    log_account_event(LOG_INFO, "email_changed", request, &changed.id, &request->claims.session_id);
    return reply_user(request, 200, &changed, true);
}

static enum step_result change_password(struct request *request) {
    struct account *account = request->scratch;
    enum user_change change = USER_STALE;
    struct session_ids revoked;
    char ip[ADDRESS_TEXT_SIZE];
    struct db_call call = database_call(request);
    struct password_change wanted = {
        .user = { account->user.id, account->user.password_version },
        .new_hash = account->new_hash,
        .kept_session = request->claims.session_id,
        .ip = client_ip(request, ip),
    };
    enum status status = users_change_password(&call, &wanted, &revoked, &change);
    if (check_change(request, status, change) == STEP_DONE)
        return STEP_DONE;
    revoke_all_locally(request, &revoked);
    log_account_event(LOG_INFO, "password_changed", request, &account->user.id, &request->claims.session_id);
    return reply_empty(request, 204);
}

static enum step_result delete_user(struct request *request) {
    struct account *account = request->scratch;
    enum user_change change = USER_STALE;
    struct session_ids revoked;
    struct db_call call = database_call(request);
    struct checked_user checked = { account->user.id, account->user.password_version };
    enum status status = users_delete(&call, &checked, &revoked, &change);
    if (check_change(request, status, change) == STEP_DONE)
        return STEP_DONE;
    revoke_all_locally(request, &revoked);
    log_account_event(LOG_INFO, "user_deleted", request, &account->user.id, &request->claims.session_id);
    return reply_empty(request, 204);
}

const struct step account_load = { "load", ON_DATABASE, load };
const struct step account_check_password = { "check_password", ON_CRYPTO, check_password };
const struct step account_end_password_check = { "end_password_check", ON_HTTP, end_password_check };
const struct step account_hash_password = { "hash_password", ON_CRYPTO, hash_new_password };
const struct step account_change_email = { "change_email", ON_DATABASE, change_email };
const struct step account_change_password = { "change_password", ON_DATABASE, change_password };
const struct step account_delete = { "delete", ON_DATABASE, delete_user };
