/*
 * sessions: one row per session for its whole life, and every statement on it. The row holds the generation of the refresh
 * token that is current; nothing secret. All times are of the database's clock. Every statement that ends or rotates a session
 * locks its row, so that of two at the same time each sees what the other has done. All functions ask (db.h): the texts and the
 * result that are passed live until the query is taken, but for `ip`, which is copied; what the result points to is in the arena
 * of db_take. Each fails as db.h says.
 */
#ifndef JWTD_SESSIONS_H
#define JWTD_SESSIONS_H

#include "jwtd/db.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stddef.h>

#define SESSIONS_PER_USER 100 /* live ones; the oldest is deleted for a new one */
#define SESSION_USER_AGENT_MAX 512

struct session_limits {
    int64_t ttl_ms;          /* absolute life */
    int64_t idle_ms;         /* since the last use */
    int64_t retry_window_ms; /* how long the parent of the current generation is answered with the same successor */
};

/* Ids of sessions that a call has revoked, for revoked_sessions_add. */
struct session_ids {
    struct uuid *ids;
    size_t count;
};

struct new_session {
    struct uuid id, user_id;
    int64_t password_version; /* of the password that was checked */
    const char *ip;           /* NULL: unknown */
    const char *user_agent;   /* NULL: none; valid UTF-8, at most SESSION_USER_AGENT_MAX bytes */
};

struct opened_session {
    bool done; /* false: the user is disabled, deleted, must set a new password, or has another one by now; the rest is zero */
    int64_t refresh_expires_in_s;
    int64_t live_sessions;      /* for sessions.c: those not revoked before, up to fifty */
    struct session_ids revoked; /* those beyond SESSIONS_PER_USER, which are deleted */
};

/* Opens a session with generation 1. The network of its address becomes known for the user. A session beyond SESSIONS_PER_USER
 * that another transaction has locked is left to the next call. */
void sessions_open(struct db_query *query, const struct new_session *session, const struct session_limits *limits,
                   struct opened_session *opened);

enum session_refresh {
    SESSION_ROTATED,  /* the presented generation was current (or the database had lost its successor): now it is the next */
    SESSION_RETRIED,  /* the parent of the current generation within the window: the same successor again */
    SESSION_REPLACED, /* the parent later, the successor unused: a new successor, and the unused one is void */
    SESSION_TOO_SOON, /* the parent later, but the successor was returned again less than a window ago: nothing changes */
    SESSION_REUSED,   /* presented in any other case: the session is revoked now, or was for this reason */
    SESSION_ENDED,    /* revoked for another reason, unknown, or its user is disabled */
    SESSION_EXPIRED   /* also when its generations, 2^31 - 1, are used up */
};

struct refreshed {
    enum session_refresh result;
    struct uuid user_id; /* set for the first three results, as all below; for every other, if the row exists */
    uint32_t generation; /* of the token to return; of every other, if the row exists: the current one */
    struct text roles_json;
    int64_t expires_in_s; /* of the refresh token: the nearer of idle and absolute end */
    bool is_elsewhere;    /* RETRIED, REPLACED: from another network (IPv4 /32, IPv6 /64) than the rotation; false if unknown */
    uint32_t retries_elsewhere; /* of the session, this one included */
    int64_t pause_ms;           /* TOO_SOON: until a new successor can be requested */
    bool revoked_now;           /* REUSED: by this call */
    bool was_unused;            /* of src/store/: the token, when the first statement ran */
};

/* What a refresh or access token says of its session. */
struct session_credential {
    struct uuid session_id;
    uint32_t generation; /* of a refresh token; 0: of an access token. The caller has checked the token */
};

/*
 * The refresh rule (docs/contract.md), for a refresh token. The parent of the current generation is the one for which that was
 * returned; it may be presented again until the current one is used. `ip` is the client's, NULL if unknown. A token that had not
 * been used when the first of the call's two statements ran is never reused: if its successor is used before the second one has
 * the row, that successor is returned all the same (RETRIED; is_elsewhere false, since unknown). STATUS_DATABASE_UNAVAILABLE also
 * when a connection was lost and the presented token seems reused (the first run of the statement may have been its use), and
 * when the row changed between the two statements in any other way.
 */
void sessions_refresh(struct db_query *query, const struct session_credential *credential, const char *ip,
                      const struct session_limits *limits, struct refreshed *refreshed);

/*
 * Revokes the credential's session, or everywhere: all sessions of its user, if the credential is valid: the session is live, its
 * user not disabled, and a refresh token is the current one, its parent, or newer than the row. Any other credential revokes
 * nothing, which is no failure. `revoked` has the sessions that were revoked, and those of the session or user that had been
 * revoked within the last minute, perhaps by a first run of the statement whose reply was lost. The row is locked from the check
 * to the end.
 */
void sessions_log_out(struct db_query *query, const struct session_credential *credential, const struct session_limits *limits,
                      bool everywhere, struct session_ids *revoked);

struct revoked_session {
    bool found;  /* false: the user has no such session, or it was revoked before */
    bool is_new; /* revoked by this statement, not by a first run of it whose reply was lost */
};

/* Revokes one session of this user. One that has expired is found until it is deleted. */
void sessions_revoke_of_user(struct db_query *query, const struct uuid *session_id, const struct uuid *user_id,
                             const char *reason, struct revoked_session *revoked);

struct live_session {
    bool found;
    uint32_t generation; /* of the refresh token that is current */
    int64_t refresh_expires_in_s;
};

/* A session that has not ended, of a user who is not disabled; nothing is changed. */
void sessions_find_live(struct db_query *query, const struct uuid *session_id, const struct session_limits *limits,
                        struct live_session *live);

struct inspected_session {
    bool is_valid;
    struct uuid user_id; /* set if it is valid, as the next */
    int64_t expires_at;  /* seconds since 1970: the nearer of idle and absolute end */
};

/* Whether a refresh would accept this refresh token now (or after the pause of SESSION_TOO_SOON). Changes nothing, so a token
 * that was used before stays unnoticed here. */
void sessions_inspect(struct db_query *query, const struct session_credential *credential, const struct session_limits *limits,
                      struct inspected_session *inspected);

struct session {
    struct uuid id;
    struct text created_at, last_used_at, expires_at;
    struct text ip, user_agent; /* {NULL, 0}: unknown */
};

struct session_list {
    struct session *sessions;
    size_t count;
};

/*
 * The live sessions of a user, newest first; at most SESSIONS_PER_USER. `current` is the session of the access token that the
 * request was made with: its last use is rounded down to the hour (and its expiry computed from that), so that a stolen token
 * does not reveal when the owner refreshes.
 */
void sessions_list(struct db_query *query, const struct uuid *user_id, const struct uuid *current,
                   const struct session_limits *limits, struct session_list *list);

#endif
