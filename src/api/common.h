/* common: replies, revocations and log lines that several resources share. On the thread that owns the request. */
#ifndef JWTD_API_COMMON_H
#define JWTD_API_COMMON_H

#include "jwtd/audit.h"
#include "jwtd/log.h"
#include "jwtd/reply.h"
#include "jwtd/users.h"

/* The user resource of /auth/me, and, not whole, that of register; with 201, Location. */
enum step_result reply_user(struct request *request, unsigned http_status, const struct user *user, bool is_whole);

/* The client's address as the store takes it, written to `text`; NULL: it is unknown. */
const char *client_ip(const struct request *request, char text[ADDRESS_TEXT_SIZE]);

/* What the two tokens of login and refresh are made from. */
struct token_grant {
    struct uuid user_id, session_id;
    struct text roles_json;
    const struct user *profile; /* for the claims of token.claims; NULL: there are none */
    uint32_t generation;
    int64_t refresh_expires_in_s;
};

/* 200 with a new access token and the refresh token of `generation`. */
enum step_result reply_tokens(struct request *request, const struct token_grant *grant);

/* Lets this instance refuse the access tokens of these sessions from now on, before it has read their revocation from the
 * database, and has it read at once if there are followers (revocation_feed.h). Without memory that reading does it
 * (background.h), and the failure is logged. */
void revoke_all_locally(const struct request *request, const struct session_ids *ids);
void revoke_locally(const struct request *request, const struct uuid *id);

/* Logs what a user or a client has done. user_id and session_id may be NULL. */
void log_account_event(enum log_level level, const char *event, const struct uuid *user_id, const struct uuid *session_id);

/* An event of the audit (audit.h), not complete: the user is both actor and account, with the client's address and the request's
 * id. The ids may be NULL and must live until it is added. */
struct audit_event audit_event_of(const struct request *request, const char *event, const struct uuid *user_id,
                                  const struct uuid *session_id);

/* Adds a wrong password to the audit; NULL: there is no such account. `reason` is a constant text. */
void audit_wrong_password(const struct request *request, const struct uuid *user_id, const char *reason);

/* For a FIELD_NEW_PASSWORD of a body without the address of its account: whether it does not contain that either. False: the
 * reply is written: 422 that points to `member`, or 503. */
bool accept_password_for_email(struct request *request, const char *member, struct text password, struct text email);

#endif
