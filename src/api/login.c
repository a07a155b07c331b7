#include "common.h"
#include "password_check.h"
#include "steps.h"

#include "jwtd/email.h"
#include "jwtd/macros.h"
#include "jwtd/services.h"
#include "jwtd/sessions.h"

#include <stddef.h>

struct login {
    struct text email, password;
    struct text canonical;
    struct user user;
    bool found;
    struct password_check check;
    char new_hash[PASSWORD_HASH_SIZE]; /* empty: the stored one stays */
};

static const struct field fields[] = {
    FIELD(login, email, FIELD_EMAIL, .required = true),
    FIELD(login, password, FIELD_PASSWORD, .required = true),
};
const struct body_schema login_body = { fields, ARRAY_LEN(fields), false, sizeof(struct login) };

static enum step_result find_user(struct request *request) {
    struct login *login = request->scratch;
    login->canonical = email_canonical(request->arena, login->email);
    if (login->canonical.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    char ip[ADDRESS_TEXT_SIZE];
    struct db_call call = database_call(request);
    enum status status = users_find_for_login(&call, login->canonical, client_ip(request, ip), &login->user, &login->found);
    return status == STATUS_OK ? STEP_NEXT : reply_problem(request, status);
}

/* For the log alone. */
static const char *failure_reason(const struct login *login) {
    if (!login->found)
        return "unknown";
    if (login->check.match != HASH_MATCHES)
        return "wrong_password";
    return login->user.disabled ? "disabled" : "changed_meanwhile"; /* between the check and the session */
}

/* Every login that fails is refused here, after the same work and with the same bytes, whatever the reason. */
static enum step_result refuse(struct request *request) {
    const struct login *login = request->scratch;
    char user[UUID_TEXT_SIZE] = "", ip[ADDRESS_TEXT_SIZE];
    if (login->found)
        uuid_text(&login->user.id, user);
    log_event(LOG_INFO, "login_failed", "user_id=%s ip=%s request_id=%s reason=%s", user, address_text(&request->client, ip),
              request->request_id, failure_reason(login));
    return reply_problem(request, STATUS_INVALID_CREDENTIALS);
}

static enum step_result check_password(struct request *request) {
    struct login *login = request->scratch;
    struct attempt attempt = attempt_at_login(request, login->canonical, login->found && login->user.knows_address);
    const char *hash = login->found ? login->user.password_hash.bytes : NULL;
    if (!password_check_run(request, &login->check, &attempt, login->password, hash))
        return STEP_DONE;
    if (login->check.match != HASH_MATCHES || login->user.disabled)
        return STEP_NEXT;
    password_check_accept(request, &login->check);
    if (hasher_needs_rehash(request->hasher, hash) && hasher_hash(request->hasher, login->password, login->new_hash) != STATUS_OK)
        login->new_hash[0] = '\0';
    return STEP_NEXT;
}

static enum step_result end_password_check(struct request *request) {
    const struct login *login = request->scratch;
    return password_check_end(request, &login->check, login->found ? &login->user.id : NULL, refuse);
}

/* A login does not fail because its new hash could not be made or stored. */
static void store_new_hash(struct request *request, const struct login *login) {
    if (login->new_hash[0] == '\0')
        return;
    struct db_call call = database_call(request);
    enum status status = users_rehash(&call, &login->user.id, login->user.password_hash.bytes, login->new_hash);
    log_account_event(status == STATUS_OK ? LOG_INFO : LOG_WARN, status == STATUS_OK ? "password_rehashed" : "rehash_failed",
                      request, &login->user.id, NULL);
}

static enum step_result open_session(struct request *request) {
    struct login *login = request->scratch;
    char ip[ADDRESS_TEXT_SIZE];
    struct new_session session = {
        .id = uuid_create(),
        .user_id = login->user.id,
        .password_version = login->user.password_version,
        .ip = client_ip(request, ip),
        .user_agent = request->user_agent.bytes,
    };
    struct opened_session opened;
    struct db_call call = database_call(request);
    store_new_hash(request, login);
    enum status status = sessions_open(&call, &session, &request->services->session_limits, &opened);
    if (status != STATUS_OK)
        return reply_problem(request, status);
    if (!opened.done)
        return refuse(request);
    revoke_all_locally(request, &opened.revoked);
    log_account_event(LOG_INFO, "login_succeeded", request, &session.user_id, &session.id);
    return reply_tokens(request, &(struct token_grant){ .user_id = session.user_id,
                                                        .session_id = session.id,
                                                        .roles_json = login->user.roles_json,
                                                        .generation = 1,
                                                        .refresh_expires_in_s = opened.refresh_expires_in_s });
}

const struct step login_find_user = { "find_user", ON_DATABASE, find_user };
const struct step login_check_password = { "check_password", ON_CRYPTO, check_password };
const struct step login_end_password_check = { "end_password_check", ON_HTTP, end_password_check };
const struct step login_open_session = { "open_session", ON_DATABASE, open_session };
