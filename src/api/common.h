/* common: what several resources answer, revoke or log in the same way. */
#ifndef JWTD_API_COMMON_H
#define JWTD_API_COMMON_H

#include "jwtd/log.h"
#include "jwtd/reply.h"
#include "jwtd/users.h"

/* The user resource of register and /auth/me; 201 says where it is. */
enum step_result reply_user(struct request *request, unsigned http_status, const struct user *user, bool with_updated_at);

/* The first argument of the functions on the database's tables, in a step ON_DATABASE. */
struct db_call database_call(const struct request *request);

/* The client's address as the store takes it, written to `text`; NULL: it is unknown. */
const char *client_ip(const struct request *request, char text[ADDRESS_TEXT_SIZE]);

/* The two tokens of login and refresh. */
struct token_grant {
    struct uuid user_id, session_id;
    struct text roles_json;
    uint32_t generation;
    int64_t refresh_expires_in_s;
};

enum step_result reply_tokens(struct request *request, const struct token_grant *grant);

/* Makes the access tokens of these sessions dead on this instance at once. */
void revoke_all_locally(const struct request *request, const struct session_ids *ids);
void revoke_locally(const struct request *request, const struct uuid *id);

/* One line of the log about something that a person did. user_id and session_id may be NULL. */
void log_account_event(enum log_level level, const char *event, const struct request *request, const struct uuid *user_id,
                       const struct uuid *session_id);

/* True when the new password is fit; otherwise the reply is written. */
bool accept_new_password(struct request *request, const char *pointer, struct text password, struct text email);

#endif
