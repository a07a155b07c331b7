/* What users change of their own account: with the current password the e-mail address, the password, and whether the account
 * exists; without it the rest of the profile. */
#include "common.h"
#include "password_check.h"
#include "steps.h"

#include "jwtd/email.h"
#include "jwtd/macros.h"

#include <assert.h>
#include <stddef.h>

struct account {
    struct text email, name, metadata;
    struct text current_password, new_password; /* the first without bytes: nothing here needs it */
    struct found_user found;
    struct password_check check;
    bool is_repeated; /* the current password is wrong, and the new one is set already */
    char new_hash[PASSWORD_HASH_SIZE];
    struct changed_user changed;
};

static const struct field change_fields[] = {
    FIELD(account, name, FIELD_LINE, .max_len = USER_NAME_MAX_LEN, .is_nullable = true,
          .description = "What the user wants to be called; null removes it", .example = EXAMPLE_NAME),
    FIELD(account, metadata, FIELD_OBJECT, .max_len = USER_METADATA_MAX_LEN,
          .description = "Replaces the user's own object as a whole", .example = EXAMPLE_METADATA),
    FIELD(account, email, FIELD_EMAIL, .requires = "current_password", .description = "The new one"),
    FIELD(account, current_password, FIELD_PASSWORD,
          .description = "Of the account, as it is now; only a new e-mail address needs it"),
};
static const struct field password_fields[] = {
    FIELD(account, current_password, FIELD_PASSWORD, .required = true, .description = "Of the account, as it is now"),
    FIELD(account, new_password, FIELD_NEW_PASSWORD, .required = true,
          .description = "Any characters; refused when short, common, or close to the e-mail address"),
};
static const struct field delete_fields[] = {
    FIELD(account, current_password, FIELD_PASSWORD, .required = true, .description = "Of the account, as it is now"),
};
const struct body_schema change_body = { change_fields, ARRAY_LEN(change_fields), false, sizeof(struct account),
                                         "ChangeAccountRequest" };
const struct body_schema password_body = { password_fields, ARRAY_LEN(password_fields), false, sizeof(struct account),
                                           "ChangePasswordRequest" };
const struct body_schema delete_body = { delete_fields, ARRAY_LEN(delete_fields), false, sizeof(struct account),
                                         "DeleteAccountRequest" };

static bool names_password(const struct request *request) {
    const struct account *account = request->scratch;
    return account->current_password.bytes != NULL;
}

static enum step_result ask_user(struct request *request, struct db_query *query) {
    struct account *account = request->scratch;
    users_find_by_id(query, &request->claims.user_id, &account->found);
    return STEP_NEXT;
}

/* Before the current password is checked, as everything else that is wrong with the body. */
static enum step_result take_user(struct request *request) {
    const struct account *account = request->scratch;
    const struct found_user *found = &account->found;
    if (!found->found || found->user.disabled)
        return reply_problem(request, STATUS_INVALID_TOKEN);
    bool is_accepted = account->new_password.bytes == NULL ||
                       accept_password_for_email(request, "new_password", account->new_password, found->user.email);
    return is_accepted ? STEP_NEXT : STEP_DONE;
}

static enum step_result refuse(struct request *request) {
    log_account_event(LOG_INFO, "password_check_failed", &request->claims.user_id, &request->claims.session_id);
    audit_wrong_password(request, &request->claims.user_id, "wrong_current_password");
    return reply_problem(request, STATUS_WRONG_PASSWORD);
}

/*
 * The reply to a change may be lost. The client that tries again sends the old password as the current one, and as the new one
 * that which is set already. Accepted for a minute after the change only, so that it is not a second guess for each one that is
 * counted.
 */
static bool may_be_repeated_change(const struct account *account) {
    return account->check.match == HASH_DIFFERS && account->new_password.bytes != NULL &&
           account->found.user.password_changed_lately;
}

static enum step_result check_password(struct request *request) {
    struct account *account = request->scratch;
    struct attempt attempt = attempt_with_token(request);
    const char *hash = account->found.user.password_hash.bytes;
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
        log_account_event(LOG_INFO, "password_change_repeated", &account->found.user.id, &request->claims.session_id);
        return reply_empty(request, 204);
    }
    return password_check_end(request, &account->check, &account->found.user.id, refuse);
}

static enum step_result hash_new_password(struct request *request) {
    struct account *account = request->scratch;
    enum status status = hasher_hash(request->hasher, account->new_password, account->new_hash);
    return status == STATUS_OK ? STEP_NEXT : reply_problem(request, status);
}

/* Another change came between the check and this one, or an earlier run of the same request whose reply was lost. The client
 * tries again, and its password is judged by the row as it is then. */
static enum step_result reply_stale(struct request *request) {
    return reply_problem(request, STATUS_DEADLINE_EXCEEDED);
}

static struct checked_user checked_user_of(const struct account *account) {
    return (struct checked_user){ account->found.user.id, account->found.user.password_version };
}

/* The schema lets no address pass without the current password, which was checked then. */
static enum step_result ask_new_profile(struct request *request, struct db_query *query) {
    struct account *account = request->scratch;
    struct profile_change wanted = { .user = { .id = request->claims.user_id },
                                     .name = account->name,
                                     .metadata_json = account->metadata };
    if (names_password(request))
        wanted.user = checked_user_of(account);
    if (account->email.bytes != NULL) {
        assert(account->check.is_accepted);
        wanted.email = (struct email_forms){ account->email, email_canonical(request->arena, account->email) };
        if (wanted.email.canonical.bytes == NULL)
            return reply_problem(request, STATUS_OUT_OF_MEMORY);
    }
    users_change_profile(query, &wanted, &account->changed);
    return STEP_NEXT;
}

static enum step_result take_new_profile(struct request *request) {
    const struct account *account = request->scratch;
    const struct user *user = &account->changed.user;
    if (account->changed.change == USER_STALE)
        return names_password(request) ? reply_stale(request) : reply_problem(request, STATUS_INVALID_TOKEN);
    bool is_new_email = account->email.bytes != NULL && !text_equal(account->email, account->found.user.email);
    if (account->changed.change == USER_CHANGED)
        log_account_event(LOG_INFO, is_new_email ? "email_changed" : "profile_changed", &user->id, &request->claims.session_id);
    return reply_user(request, 200, user, true);
}

static enum step_result ask_new_password(struct request *request, struct db_query *query) {
    struct account *account = request->scratch;
    char ip[ADDRESS_TEXT_SIZE];
    struct password_change wanted = {
        .user = checked_user_of(account),
        .new_hash = account->new_hash,
        .kept_session = request->claims.session_id,
        .ip = client_ip(request, ip),
    };
    users_change_password(query, &wanted, &account->changed);
    return STEP_NEXT;
}

/* The reply to a change that has revoked sessions. */
static enum step_result end_change(struct request *request, const char *event) {
    const struct account *account = request->scratch;
    if (account->changed.change == USER_STALE)
        return reply_stale(request);
    revoke_all_locally(request, &account->changed.revoked);
    log_account_event(LOG_INFO, event, &account->found.user.id, &request->claims.session_id);
    return reply_empty(request, 204);
}

static enum step_result take_new_password(struct request *request) {
    return end_change(request, "password_changed");
}

static enum step_result ask_deletion(struct request *request, struct db_query *query) {
    struct account *account = request->scratch;
    struct checked_user checked = checked_user_of(account);
    users_delete(query, &checked, &account->changed);
    return STEP_NEXT;
}

static enum step_result take_deletion(struct request *request) {
    return end_change(request, "user_deleted");
}

/* A repeated change of the password (idempotency.h): the new one must be the one that is stored. Counted like any attempt, so
 * that whoever has a token and the key has no more guesses than without the key. */
static enum step_result check_repeated(struct request *request) {
    struct account *account = request->scratch;
    struct attempt attempt = attempt_with_token(request);
    const char *hash = account->found.user.password_hash.bytes;
    if (!password_check_run(request, &account->check, &attempt, account->new_password, hash))
        return STEP_DONE;
    if (account->check.match == HASH_MATCHES)
        password_check_accept(request, &account->check);
    return STEP_NEXT;
}

static enum step_result refuse_repeated(struct request *request) {
    return reply_problem(request, STATUS_IDEMPOTENCY_KEY_REUSED);
}

static enum step_result end_repeated(struct request *request) {
    const struct account *account = request->scratch;
    if (password_check_end(request, &account->check, &account->found.user.id, refuse_repeated) == STEP_DONE)
        return STEP_DONE;
    return reply_empty(request, 204);
}

const struct step account_load = { "load", ON_DATABASE, .ask = ask_user, .run = take_user, .applies = names_password };
const struct step account_check_password = { "check_password", ON_CRYPTO, .run = check_password, .applies = names_password };
const struct step account_end_password_check = { "end_password_check", ON_HTTP, .run = end_password_check,
                                                 .applies = names_password };
const struct step account_hash_password = { "hash_password", ON_CRYPTO, .run = hash_new_password };
const struct step account_change_profile = { "change_profile", ON_DATABASE, .ask = ask_new_profile, .run = take_new_profile };
const struct step account_change_password = { "change_password", ON_DATABASE, .ask = ask_new_password, .run = take_new_password };
const struct step account_delete = { "delete", ON_DATABASE, .ask = ask_deletion, .run = take_deletion };
const struct step account_check_repeated = { "check_repeated", ON_CRYPTO, .run = check_repeated };
const struct step account_end_repeated = { "end_repeated", ON_HTTP, .run = end_repeated };
