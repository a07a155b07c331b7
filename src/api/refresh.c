#include "common.h"
#include "steps.h"

#include "jwtd/refresh_token.h"
#include "jwtd/sessions.h"

#include <stddef.h>

struct refresh {
    struct text token_text;
    struct refresh_token token;
};

static const struct field fields[] = {
    { .name = "refresh_token",
      .type = FIELD_TEXT,
      .required = true,
      .max_len = 256,
      .offset = offsetof(struct refresh, token_text) },
};
const struct body_schema refresh_body = { fields, sizeof fields / sizeof fields[0], false, sizeof(struct refresh) };

/* The MAC is checked here, so that a made-up token costs the database nothing. */
static enum step_result read_token(struct request *request) {
    struct refresh *refresh = request->scratch;
    if (!refresh_token_read(request->live->keyring, refresh->token_text, &refresh->token))
        return reply_problem(request, STATUS_INVALID_REFRESH_TOKEN);
    return STEP_NEXT;
}

static const enum status refusals[] = {
    [SESSION_REUSED] = STATUS_REFRESH_TOKEN_REUSED,
    [SESSION_ENDED] = STATUS_INVALID_REFRESH_TOKEN,
    [SESSION_EXPIRED] = STATUS_SESSION_EXPIRED,
};

static enum step_result answer(struct request *request, const struct uuid *session_id, const struct refreshed *refreshed) {
    bool is_good = refreshed->result == SESSION_ROTATED || refreshed->result == SESSION_RETRIED;
    if (is_good) {
        log_account_event(LOG_DEBUG, "session_refreshed", request, &refreshed->user_id, session_id);
        return reply_tokens(request, &(struct token_grant){ .user_id = refreshed->user_id,
                                                            .session_id = *session_id,
                                                            .roles_json = refreshed->roles_json,
                                                            .generation = refreshed->generation,
                                                            .refresh_expires_in_s = refreshed->expires_in_s });
    }
    if (refreshed->result == SESSION_REUSED) {
        forget_session(request, session_id);
        log_account_event(refreshed->revoked_now ? LOG_WARN : LOG_INFO, "refresh_token_reused", request, &refreshed->user_id,
                          session_id);
    }
    return reply_problem(request, refusals[refreshed->result]);
}

static enum step_result rotate(struct request *request) {
    const struct refresh *refresh = request->scratch;
    struct refreshed refreshed;
    enum status status = sessions_refresh(request->db, request->deadline_us, request->arena, &refresh->token.session_id,
                                          refresh->token.generation, &request->services->session_limits, &refreshed);
    if (status != STATUS_OK)
        return reply_problem(request, status);
    return answer(request, &refresh->token.session_id, &refreshed);
}

const struct step refresh_read_token = { "read_token", ON_HTTP, read_token };
const struct step refresh_rotate = { "rotate", ON_DATABASE, rotate };
