/* Token revocation (RFC 7009) for services: the session of the token ends, and with it all its tokens. */
#include "common.h"
#include "steps.h"

#include "jwtd/macros.h"
#include "jwtd/refresh_token.h"
#include "jwtd/services.h"
#include "jwtd/sessions.h"

#include <stddef.h>
#include <stdint.h>

struct revocation {
    struct text token;
    struct text client_secret;
    struct session_credential credential;
    struct session_ids revoked;
};

/* token_type_hint is ignored, since a token's form shows its type (RFC 7009 section 2.1). */
static const struct field fields[] = {
    FIELD(revocation, token, FIELD_TEXT, .required = true, .max_len = SIZE_MAX,
          .description = "An access or a refresh token; one that is not good ends nothing", .example = EXAMPLE_REFRESH_TOKEN),
    FIELD(revocation, client_secret, FIELD_TEXT, .required = false, .max_len = SIZE_MAX, .description = CLIENT_SECRET_HELP,
          .example = "secret"),
};
const struct body_schema revoke_body = { fields, ARRAY_LEN(fields), false, sizeof(struct revocation), "RevocationRequest" };

/* An access token may be sent again after its session has ended, since the reply to the first time may have been lost. */
static enum status read_access_token(struct request *request, struct revocation *revocation) {
    enum status status = request_check_token(request, revocation->token);
    if (status == STATUS_OK || (status == STATUS_INVALID_TOKEN && request->session_has_ended)) {
        revocation->credential = (struct session_credential){ request->claims.session_id, 0 };
        return STATUS_OK;
    }
    return status;
}

/* What is no valid token needs no revocation, and that is no error (RFC 7009 section 2.2). */
static enum step_result read_token(struct request *request) {
    struct revocation *revocation = request->scratch;
    struct refresh_token token;
    if (revocation->client_secret.bytes != NULL)
        return reply_problem(request, STATUS_INVALID_REQUEST); /* authenticated in two ways: RFC 6749 section 2.3 */
    if (refresh_token_read(request->snapshot->keyring, revocation->token, &token)) {
        revocation->credential = (struct session_credential){ token.session_id, token.generation };
        return STEP_NEXT;
    }
    enum status status = read_access_token(request, revocation);
    if (status == STATUS_INVALID_TOKEN)
        return reply_empty(request, 200);
    return status == STATUS_OK ? STEP_NEXT : reply_problem(request, status);
}

static enum step_result ask_revocation(struct request *request, struct db_query *query) {
    struct revocation *revocation = request->scratch;
    sessions_log_out(query, &revocation->credential, &request->services->session_limits, false, &revocation->revoked);
    return STEP_NEXT;
}

static void log_revocation(const struct request *request, const struct revocation *revocation) {
    char session[UUID_TEXT_SIZE];
    log_event(LOG_INFO, revocation->revoked.count > 0 ? "token_revoked" : "token_revoked_already", "session_id=%s service=%s",
              uuid_text(&revocation->credential.session_id, session), request->service);
}

static enum step_result take_revocation(struct request *request) {
    const struct revocation *revocation = request->scratch;
    revoke_all_locally(request, &revocation->revoked);
    log_revocation(request, revocation);
    return reply_empty(request, 200);
}

const struct step revoke_read_token = { "read_token", ON_HTTP, .run = read_token };
const struct step revoke_end_session = { "end_session", ON_DATABASE, .ask = ask_revocation, .run = take_revocation };
