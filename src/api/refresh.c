#include "common.h"
#include "steps.h"

#include "jwtd/macros.h"
#include "jwtd/metrics.h"
#include "jwtd/refresh_token.h"
#include "jwtd/services.h"
#include "jwtd/sessions.h"

#include <stddef.h>
#include <stdio.h>

struct refresh {
    struct text refresh_token;
    struct refresh_token token;
    struct refreshed refreshed;
    struct found_user found; /* with token.claims only */
};

static const struct field fields[] = {
    FIELD(refresh, refresh_token, FIELD_TEXT, .required = true, .max_len = 256, .description = "The newest that the client has",
          .example = EXAMPLE_REFRESH_TOKEN),
};
const struct body_schema refresh_body = { fields, ARRAY_LEN(fields), false, sizeof(struct refresh), "RefreshRequest" };

/* The MAC is checked here, so that a made-up token costs the database nothing. */
static enum step_result read_token(struct request *request) {
    struct refresh *refresh = request->scratch;
    if (!refresh_token_read(request->snapshot->keyring, refresh->refresh_token, &refresh->token)) {
        metric_add(METRIC_REFRESHES, METRIC_REFRESH_INVALID, 1);
        return reply_problem(request, STATUS_INVALID_REFRESH_TOKEN);
    }
    return STEP_NEXT;
}

static const enum status refusals[] = {
    [SESSION_REUSED] = STATUS_REFRESH_TOKEN_REUSED,
    [SESSION_ENDED] = STATUS_INVALID_REFRESH_TOKEN,
    [SESSION_EXPIRED] = STATUS_SESSION_EXPIRED,
};

static const struct {
    enum log_level level;
    const char *event;
} successes[] = {
    [SESSION_ROTATED] = { LOG_DEBUG, "session_refreshed" },
    [SESSION_RETRIED] = { LOG_DEBUG, "session_retried" },
    [SESSION_REPLACED] = { LOG_INFO, "session_successor_replaced" },
};

static const enum metric_refresh outcomes[] = {
    [SESSION_ROTATED] = METRIC_REFRESH_ROTATED,   [SESSION_RETRIED] = METRIC_REFRESH_RETRIED,
    [SESSION_REPLACED] = METRIC_REFRESH_RETRIED,  [SESSION_REUSED] = METRIC_REFRESH_REUSED,
    [SESSION_ENDED] = METRIC_REFRESH_INVALID,     [SESSION_EXPIRED] = METRIC_REFRESH_EXPIRED,
    [SESSION_TOO_SOON] = METRIC_REFRESH_TOO_SOON,
};

static bool is_success(enum session_refresh result) {
    return result == SESSION_ROTATED || result == SESSION_RETRIED || result == SESSION_REPLACED;
}

/* A retry from another network comes from a phone that has changed networks, or from a thief within the retry window. */
static void log_success(const struct uuid *session_id, const struct refreshed *refreshed) {
    log_account_event(successes[refreshed->result].level, successes[refreshed->result].event, &refreshed->user_id, session_id);
    if (!refreshed->is_elsewhere)
        return;
    char user[UUID_TEXT_SIZE], session[UUID_TEXT_SIZE];
    log_event(LOG_WARN, "session_retried_elsewhere", "user_id=%s session_id=%s count=%u", uuid_text(&refreshed->user_id, user),
              uuid_text(session_id, session), refreshed->retries_elsewhere);
}

static enum step_result grant(struct request *request, const struct user *profile) {
    const struct refresh *refresh = request->scratch;
    const struct refreshed *refreshed = &refresh->refreshed;
    log_success(&refresh->token.session_id, refreshed);
    return reply_tokens(request, &(struct token_grant){ .user_id = refreshed->user_id,
                                                        .session_id = refresh->token.session_id,
                                                        .roles_json = refreshed->roles_json,
                                                        .profile = profile,
                                                        .generation = refreshed->generation,
                                                        .refresh_expires_in_s = refreshed->expires_in_s });
}

/* Not in the transaction that has ended the session, which must not fail because of the audit. Whose the token was by then is not
 * known: the service ends the session. */
static void audit_reuse(const struct request *request, const struct refresh_token *token, const struct refreshed *refreshed) {
    char detail[80];
    struct audit_event event = audit_event_of(request, "refresh_token_reused", &refreshed->user_id, &token->session_id);
    event.is_of_user = false;
    event.detail = detail;
    (void)snprintf(detail, sizeof detail, "{\"generation\":%u,\"current\":%u}", token->generation, refreshed->generation);
    audit_add(request->services->audit, &event);
    event.event = "session_ended";
    event.reason = "reuse";
    (void)snprintf(detail, sizeof detail, "{\"refreshes\":%u}", refreshed->generation - 1);
    audit_add(request->services->audit, &event);
}

static enum step_result refuse(struct request *request, const struct refresh_token *token, const struct refreshed *refreshed) {
    if (refreshed->result == SESSION_TOO_SOON)
        return reply_retry_later(request, STATUS_REFRESH_TOO_SOON, refreshed->pause_ms * 1000);
    if (refreshed->result == SESSION_REUSED) {
        revoke_locally(request, &token->session_id);
        log_account_event(refreshed->revoked_now ? LOG_WARN : LOG_INFO, "refresh_token_reused", &refreshed->user_id,
                          &token->session_id);
    }
    if (refreshed->revoked_now)
        audit_reuse(request, token, refreshed);
    return reply_problem(request, refusals[refreshed->result]);
}

static enum step_result ask_rotation(struct request *request, struct db_query *query) {
    struct refresh *refresh = request->scratch;
    struct session_credential credential = { refresh->token.session_id, refresh->token.generation };
    char ip[ADDRESS_TEXT_SIZE];
    sessions_refresh(query, &credential, client_ip(request, ip), &request->services->session_limits, &refresh->refreshed);
    return STEP_NEXT;
}

/* A reuse is one that ends its session: whoever repeats such a token, whose session has ended, is counted as any other. */
static enum metric_refresh outcome_of(const struct refreshed *refreshed) {
    bool is_repeated = refreshed->result == SESSION_REUSED && !refreshed->revoked_now;
    return is_repeated ? METRIC_REFRESH_INVALID : outcomes[refreshed->result];
}

static enum step_result take_rotation(struct request *request) {
    const struct refresh *refresh = request->scratch;
    enum session_refresh result = refresh->refreshed.result;
    audit_count_refresh(request->services->audit, result);
    metric_add(METRIC_REFRESHES, outcome_of(&refresh->refreshed), 1);
    if (is_success(result) || result == SESSION_REUSED)
        request_concerns(request, &refresh->refreshed.user_id);
    if (!is_success(result))
        return refuse(request, &refresh->token, &refresh->refreshed);
    return request->services->token_rules.claims != 0 ? STEP_NEXT : grant(request, NULL);
}

/* A statement of its own, so that a refresh without such claims costs no more. Should it fail, the client refreshes again. */
static enum step_result ask_profile(struct request *request, struct db_query *query) {
    struct refresh *refresh = request->scratch;
    users_find_by_id(query, &refresh->refreshed.user_id, &refresh->found);
    return STEP_NEXT;
}

static enum step_result take_profile(struct request *request) {
    const struct refresh *refresh = request->scratch;
    return refresh->found.found ? grant(request, &refresh->found.user) : reply_problem(request, STATUS_INVALID_REFRESH_TOKEN);
}

const struct step refresh_read_token = { "read_token", ON_HTTP, .run = read_token };
const struct step refresh_rotate = { "rotate", ON_DATABASE, .ask = ask_rotation, .run = take_rotation };
const struct step refresh_load_profile = { "load_profile", ON_DATABASE, .ask = ask_profile, .run = take_profile };
