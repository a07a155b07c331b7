#include "common.h"
#include "password_check.h"
#include "steps.h"

#include "jwtd/email.h"
#include "jwtd/hasher.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"
#include "jwtd/services.h"
#include "jwtd/sessions.h"

#include <stddef.h>

struct login {
    struct text email, password, new_password;
    struct text canonical;
    struct found_user found;
    struct password_check check;
    bool is_repeated;                  /* the password is wrong, and the new one is set already */
    char new_hash[PASSWORD_HASH_SIZE]; /* of the new password, or of the same one by other parameters; empty: the stored one stays
                                        */
    struct uuid session_id;
    struct opened_session opened;
    struct live_session live; /* that a login before has opened, with the same key */
};

static const struct field fields[] = {
    FIELD(login, email, FIELD_EMAIL, .required = true, .description = "Of the account, in upper or lower case"),
    FIELD(login, password, FIELD_PASSWORD, .required = true, .description = "Of the account"),
    FIELD(login, new_password, FIELD_NEW_PASSWORD,
          .description =
              "Becomes the password, and every other session ends; where a change is required nobody logs in without one"),
};
const struct body_schema login_body = { fields, ARRAY_LEN(fields), false, sizeof(struct login), "LoginRequest" };

static enum step_result ask_user(struct request *request, struct db_query *query) {
    struct login *login = request->scratch;
    login->canonical = email_canonical(request->arena, login->email);
    if (login->canonical.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    char ip[ADDRESS_TEXT_SIZE];
    users_find_for_login(query, login->canonical, client_ip(request, ip), &login->found);
    return STEP_NEXT;
}

/* For the log and the audit alone: the metrics do not have it, since others may read them. */
static const char *reason_of(const struct login *login) {
    if (!login->found.found)
        return "unknown";
    if (login->check.match != HASH_MATCHES)
        return "wrong_password";
    return login->found.user.disabled ? "disabled" : "changed_meanwhile"; /* between the check and the session */
}

/* The reason is for the operator; the client is not told. */
static void log_failure(const struct login *login, const char *reason) {
    char user[UUID_TEXT_SIZE], email[LOG_EMAIL_SIZE];
    log_event(LOG_INFO, "login_failed", "reason=%s user_id=%s email=%s", reason,
              login->found.found ? uuid_text(&login->found.user.id, user) : NULL, log_email(login->email, email));
}

/* Every login that fails is refused here, after the same work and with the same bytes, whatever the reason. */
static enum step_result refuse(struct request *request) {
    const struct login *login = request->scratch;
    const char *reason = reason_of(login);
    metric_add(METRIC_LOGINS, METRIC_LOGIN_REFUSED, 1);
    log_failure(login, reason);
    audit_wrong_password(request, login->found.found ? &login->found.user.id : NULL, reason);
    return reply_problem(request, STATUS_INVALID_CREDENTIALS);
}

/*
 * The reply to a login that has changed the password may be lost; the client that tries again sends the old one as the password.
 * As in account.c that counts for a minute after the change only. It is compared whenever the login is to be refused, so that the
 * time says nothing: not whether the account exists, is disabled, or has a hash, and not whether the password was right.
 */
static void check_repeated_change(struct request *request, struct login *login, const char *hash) {
    struct password_check *check = &login->check;
    const struct user *user = &login->found.user;
    if (login->new_password.bytes == NULL)
        return;
    if (check->match == HASH_CORRUPT || (check->match == HASH_MATCHES && user->disabled)) {
        enum hash_match ignored = hasher_verify(request->hasher, login->new_password, hash);
        (void)ignored;
    }
    if (check->match != HASH_DIFFERS)
        return;
    password_check_alternative(request, check, login->new_password, hash);
    login->is_repeated = check->match == HASH_MATCHES && user->password_changed_lately && !user->password_change_required;
    if (check->match == HASH_MATCHES && !login->is_repeated)
        check->match = HASH_DIFFERS;
}

static bool changes_password(const struct login *login) {
    return login->new_password.bytes != NULL && !login->is_repeated;
}

/* A new hash by other parameters may fail: the stored one stays. That of a new password may not. */
static enum step_result hash_password(struct request *request, struct login *login) {
    struct text password = changes_password(login) ? login->new_password : login->password;
    if (login->is_repeated ||
        (!changes_password(login) && !hasher_needs_rehash(request->hasher, login->found.user.password_hash.bytes)))
        return STEP_NEXT;
    enum status status = hasher_hash(request->hasher, password, login->new_hash);
    if (status == STATUS_OK)
        return STEP_NEXT;
    login->new_hash[0] = '\0';
    return changes_password(login) ? reply_problem(request, status) : STEP_NEXT;
}

static enum step_result check_password(struct request *request) {
    struct login *login = request->scratch;
    if (login->found.found)
        request_concerns(request, &login->found.user.id);
    struct attempt attempt = attempt_at_login(request, login->canonical, login->found.found && login->found.user.knows_address);
    const char *hash = login->found.found ? login->found.user.password_hash.bytes : NULL;
    if (!password_check_run(request, &login->check, &attempt, login->password, hash)) {
        metric_add(METRIC_LOGINS, METRIC_LOGIN_LOCKED, 1);
        log_failure(login, "locked");
        return STEP_DONE;
    }
    check_repeated_change(request, login, hash);
    if (login->check.match != HASH_MATCHES || login->found.user.disabled)
        return STEP_NEXT;
    password_check_accept(request, &login->check);
    return hash_password(request, login);
}

/* Only for whom the password is known to be right. */
static enum step_result require_new_password(struct request *request, const struct login *login) {
    static const struct field_problem unchanged = { "/new_password", VIOLATION_UNCHANGED,
                                                    .detail = "new_password must not be the present one" };
    if (changes_password(login) && text_equal(login->new_password, login->password))
        return reply_invalid_field(request, &unchanged);
    if (changes_password(login) || !login->found.user.password_change_required)
        return STEP_NEXT;
    metric_add(METRIC_LOGINS, METRIC_LOGIN_CHANGE_REQUIRED, 1);
    log_failure(login, "password_change_required");
    return reply_problem(request, STATUS_PASSWORD_CHANGE_REQUIRED);
}

/* Only now is it known whose the Idempotency-Key is: nobody learns by one what the password does not open to him. */
static enum step_result end_password_check(struct request *request) {
    const struct login *login = request->scratch;
    const struct uuid *user_id = login->found.found ? &login->found.user.id : NULL;
    char id[UUID_TEXT_SIZE];
    if (password_check_end(request, &login->check, user_id, refuse) == STEP_DONE)
        return STEP_DONE;
    if (require_new_password(request, login) == STEP_DONE)
        return STEP_DONE;
    enum status status = request_bind_key(request, "user", text_of(uuid_text(user_id, id)));
    return status == STATUS_OK ? STEP_NEXT : reply_problem(request, status);
}

static enum step_result ask_new_hash(struct request *request, struct db_query *query) {
    const struct login *login = request->scratch;
    if (login->new_hash[0] != '\0' && !changes_password(login))
        users_rehash(query, &login->found.user.id, login->found.user.password_hash.bytes, login->new_hash);
    return STEP_NEXT;
}

/* A login does not fail because its new hash could not be made or stored. */
static enum step_result take_new_hash(struct request *request) {
    const struct login *login = request->scratch;
    bool is_stored = request->query_status == STATUS_OK;
    log_account_event(is_stored ? LOG_INFO : LOG_WARN, is_stored ? "password_rehashed" : "rehash_failed", &login->found.user.id,
                      NULL);
    return STEP_NEXT;
}

static enum step_result ask_session(struct request *request, struct db_query *query) {
    struct login *login = request->scratch;
    const struct session_limits *limits = &request->services->session_limits;
    char ip[ADDRESS_TEXT_SIZE];
    login->session_id = uuid_create();
    if (changes_password(login)) {
        struct password_change wanted = { .user = { login->found.user.id, login->found.user.password_version },
                                          .new_hash = login->new_hash,
                                          .kept_session = login->session_id,
                                          .ip = client_ip(request, ip) };
        users_change_password_at_login(query, &wanted, request->user_agent.bytes, limits, &login->opened);
        return STEP_NEXT;
    }
    struct new_session session = {
        .id = login->session_id,
        .user_id = login->found.user.id,
        .password_version = login->found.user.password_version,
        .ip = client_ip(request, ip),
        .user_agent = request->user_agent.bytes,
    };
    sessions_open(query, &session, limits, &login->opened);
    return STEP_NEXT;
}

/* Those that had to make room have no row in the transaction that ended them: a login must not fail because of the audit. Those
 * that ended with a change of the password have one. */
static void audit_opened(const struct request *request, const struct login *login) {
    struct audit_event event = audit_event_of(request, "session_opened", &login->found.user.id, &login->session_id);
    audit_add(request->services->audit, &event);
    for (size_t i = 0; i < login->opened.revoked.count && !changes_password(login); i++) {
        event = audit_event_of(request, "session_ended", &login->found.user.id, &login->opened.revoked.ids[i]);
        event.is_of_user = false;
        event.reason = "limit";
        audit_add(request->services->audit, &event);
    }
}

static enum step_result take_session(struct request *request) {
    const struct login *login = request->scratch;
    const struct user *user = &login->found.user;
    if (!login->opened.done) /* the client tries again, and its password is judged by the row as it is then */
        return changes_password(login) ? reply_problem(request, STATUS_DEADLINE_EXCEEDED) : refuse(request);
    if (changes_password(login))
        log_account_event(LOG_INFO, "password_changed", &user->id, &login->session_id);
    revoke_all_locally(request, &login->opened.revoked);
    metric_add(METRIC_LOGINS, METRIC_LOGIN_OK, 1);
    log_account_event(LOG_INFO, "login_succeeded", &user->id, &login->session_id);
    audit_opened(request, login);
    return reply_tokens(request, &(struct token_grant){ .user_id = user->id,
                                                        .session_id = login->session_id,
                                                        .roles_json = user->roles_json,
                                                        .profile = user,
                                                        .generation = 1,
                                                        .refresh_expires_in_s = login->opened.refresh_expires_in_s });
}

/* ---- a login that was carried out before (idempotency.h) ---- */

static bool is_to_change_password(const struct request *request) {
    return changes_password(request->scratch);
}

/* The password was right, but may be the one that a login before has set, with the same key: then another new one is another
 * request. Or else this is the same request, which was slower than the other. */
static enum step_result ask_user_again(struct request *request, struct db_query *query) {
    struct login *login = request->scratch;
    users_find_by_id(query, &request->key.done.user_id, &login->found);
    return STEP_NEXT;
}

/* No attempt is counted: the password of the request was right a moment ago. */
static enum step_result compare_new_password(struct request *request) {
    const struct login *login = request->scratch;
    const char *hash = login->found.found ? login->found.user.password_hash.bytes : NULL;
    enum hash_match match = hasher_verify(request->hasher, login->new_password, hash);
    if (match == HASH_MATCHES)
        return STEP_NEXT;
    return reply_problem(request, match == HASH_OUT_OF_MEMORY ? STATUS_OUT_OF_MEMORY : STATUS_IDEMPOTENCY_KEY_REUSED);
}

static enum step_result ask_repeated(struct request *request, struct db_query *query) {
    struct login *login = request->scratch;
    login->session_id = request->key.done.session_id;
    sessions_find_live(query, &login->session_id, &request->services->session_limits, &login->live);
    return STEP_NEXT;
}

/* The tokens of the session that was opened, as they are now. */
static enum step_result take_repeated(struct request *request) {
    const struct login *login = request->scratch;
    if (!login->live.found)
        return reply_problem(request, STATUS_SESSION_EXPIRED);
    log_account_event(LOG_INFO, "login_repeated", &login->found.user.id, &login->session_id);
    return reply_tokens(request, &(struct token_grant){ .user_id = login->found.user.id,
                                                        .session_id = login->session_id,
                                                        .roles_json = login->found.user.roles_json,
                                                        .profile = &login->found.user,
                                                        .generation = login->live.generation,
                                                        .refresh_expires_in_s = login->live.refresh_expires_in_s });
}

const struct step login_find_user = { "find_user", ON_DATABASE, .ask = ask_user };
const struct step login_check_password = { "check_password", ON_CRYPTO, .run = check_password };
const struct step login_end_password_check = { "end_password_check", ON_HTTP, .run = end_password_check };
const struct step login_store_new_hash = { "store_new_hash", ON_DATABASE, .ask = ask_new_hash, .run = take_new_hash,
                                           .may_fail = true };
const struct step login_open_session = { "open_session", ON_DATABASE, .ask = ask_session, .run = take_session };
const struct step login_find_user_again = { "find_user_again", ON_DATABASE, .ask = ask_user_again,
                                            .applies = is_to_change_password };
const struct step login_compare_new_password = { "compare_new_password", ON_CRYPTO, .run = compare_new_password,
                                                 .applies = is_to_change_password };
const struct step login_answer_repeated = { "answer_repeated", ON_DATABASE, .ask = ask_repeated, .run = take_repeated };
