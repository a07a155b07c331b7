/* steps: what routes.c uses of the other files of src/api/: steps, and the schemas of bodies and replies: constant data,
 * and a function that the unit tests call. */
#ifndef JWTD_API_STEPS_H
#define JWTD_API_STEPS_H

#include "jwtd/route.h"

/* In the API document. */
#define EXAMPLE_REFRESH_TOKEN "jr2_AAAAKgGYwN57OnAAgAAAAAAAAAUAAAABUNhY4JhezH9gQYqvDMWrWH9CwlcKiECVqejMrND2VFw"
#define EXAMPLE_NAME "Ada Lovelace"
#define EXAMPLE_USERS_CURSOR "AZrK2m9Ac1KZ3n1kF1tQeg"
#define EXAMPLE_EVENTS_CURSOR "0198c0de-7b3a-7000-8000-000000000004.1763848800000000"
#define EXAMPLE_METADATA "{\"theme\":\"dark\"}"
#define CLIENT_SECRET_HELP "Refused: a service authenticates by HTTP Basic only"

/* common.c */
extern const struct reply_schema tokens_reply, user_reply, new_user_reply;

/* register.c */
extern const struct step register_check, register_hash_password, register_insert, register_find_repeated, register_check_repeated,
    register_answer_repeated;
extern const struct body_schema register_body;

/* login.c */
extern const struct step login_find_user, login_check_password, login_end_password_check, login_store_new_hash,
    login_open_session, login_find_user_again, login_compare_new_password, login_answer_repeated;
extern const struct body_schema login_body;

/* refresh.c */
extern const struct step refresh_read_token, refresh_rotate, refresh_load_profile;
extern const struct body_schema refresh_body;

/* logout.c */
extern const struct step logout_choose_credential, logout_revoke;
extern const struct body_schema logout_body;

/* account.c: what users change of their own account */
extern const struct step account_load, account_check_password, account_end_password_check, account_hash_password;
extern const struct step account_check_repeated, account_end_repeated;
extern const struct step account_change_profile, account_change_password, account_delete;
extern const struct body_schema change_body, password_body, delete_body;

/* introspect.c */
extern const struct step introspect_read_token, introspect_find_session;
extern const struct body_schema introspect_body;
extern const struct reply_schema introspection_reply;

/* revoke.c */
extern const struct step revoke_read_token, revoke_end_session;
extern const struct body_schema revoke_body;

/* policy.c */
extern const struct step policy_show;
extern const struct reply_schema policy_reply;

/* user_list.c, user_creation.c, administration.c: what administrators do */
#define USER_CURSOR_MAX_LEN 1366 /* base64url of the longest canonical address */
extern const struct step users_show_page;
extern const struct reply_schema users_reply;
extern const struct step users_hash_password, users_create, users_find_created, users_check_created, users_answer_created;
extern const struct body_schema user_creation_body;
extern const struct step users_load, users_show, users_change, users_delete_one, users_end_sessions;
extern const struct body_schema user_change_body;

/* user_events.c */
#define EVENT_NAME_MAX_LEN 32
extern const struct step users_show_events;
extern const struct reply_schema events_reply;

/* user_resource.c */
extern const struct reply_schema administered_user_reply;

/* me.c */
extern const struct step me_show;

/* session_list.c */
extern const struct step sessions_show, sessions_show_of_user, sessions_end;
extern const struct reply_schema sessions_reply;

/* revocation_stream.c */
extern const struct step revocations_open;
extern const struct stream_kind revocations_stream;

/* The same: how often a follower is sent a comment, in microseconds; `value` in seconds, {NULL, 0} for the parameter that is
 * missing. False: it is not 1 to 15. */
bool revocations_parse_heartbeat(struct text value, int64_t *us);

/* verify.c, health.c */
extern const struct step verify_answer;
extern const struct step health_live, health_ready;
extern const struct reply_schema live_reply, ready_reply;

/* operations.c */
extern const struct step metrics_show, threads_show;
extern const struct reply_schema threads_reply;

/* pages.c */
extern const struct step docs_show, docs_send, admin_show, asset_show;
bool admin_is_enabled(const struct config *config);
bool docs_are_enabled(const struct config *config);

/* document.c */
extern const struct step openapi_show;

/* discovery.c */
#define JWKS_MEDIA_TYPE "application/jwk-set+json" /* RFC 7517 section 8.5.2 */
extern const struct step keys_show, discovery_show;
extern const struct reply_schema discovery_reply;

#endif
