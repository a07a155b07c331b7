#include "common.h"
#include "steps.h"

#include "jwtd/macros.h"
#include "jwtd/refresh_token.h"
#include "jwtd/services.h"
#include "jwtd/sessions.h"

#include <stddef.h>

struct logout {
    struct text refresh_token;
    bool all;
    struct session_credential credential;
    struct session_ids revoked;
};

static const struct field fields[] = {
    FIELD(logout, refresh_token, FIELD_TEXT, .required = false, .max_len = 256,
          .description = "Names the session; it takes precedence over an access token", .example = EXAMPLE_REFRESH_TOKEN),
    FIELD(logout, all, FIELD_BOOLEAN, .required = false, .description = "Ends all sessions of the user, not only this one"),
};
const struct body_schema logout_body = { fields, ARRAY_LEN(fields), true, sizeof(struct logout), "LogoutRequest" };

/*
 * A refresh token alone suffices, since the access token of a client that logs out has often expired. One that is not ours has no
 * session to end, which is what the client wanted (RFC 7009 section 2.2).
 */
static enum step_result choose_credential(struct request *request) {
    struct logout *logout = request->scratch;
    if (logout->refresh_token.bytes != NULL) {
        struct refresh_token token;
        if (!refresh_token_read(request->snapshot->keyring, logout->refresh_token, &token))
            return reply_empty(request, 204);
        logout->credential = (struct session_credential){ token.session_id, token.generation };
        return STEP_NEXT;
    }
    /* a logout may be repeated, since the reply to the first one may have been lost */
    if (request->has_claims || request->session_has_ended) {
        logout->credential = (struct session_credential){ request->claims.session_id, 0 };
        return STEP_NEXT;
    }
    bool was_sent = request_header(request, "Authorization").bytes != NULL;
    return reply_problem(request, was_sent ? STATUS_INVALID_TOKEN : STATUS_MISSING_TOKEN);
}

static enum step_result ask_revocation(struct request *request, struct db_query *query) {
    struct logout *logout = request->scratch;
    sessions_log_out(query, &logout->credential, &request->services->session_limits, logout->all, &logout->revoked);
    return STEP_NEXT;
}

static enum step_result take_revocation(struct request *request) {
    const struct logout *logout = request->scratch;
    revoke_all_locally(request, &logout->revoked);
    const char *event = logout->all ? "logged_out_everywhere" : "logged_out";
    bool is_of_claims = logout->refresh_token.bytes == NULL; /* else only the session is known */
    log_account_event(LOG_INFO, logout->revoked.count > 0 ? event : "logged_out_already",
                      is_of_claims ? &request->claims.user_id : NULL, &logout->credential.session_id);
    return reply_empty(request, 204);
}

const struct step logout_choose_credential = { "choose_credential", ON_HTTP, .run = choose_credential };
const struct step logout_revoke = { "revoke", ON_DATABASE, .ask = ask_revocation, .run = take_revocation };
