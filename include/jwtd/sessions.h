/*
 * sessions: one row per session for its whole life, and every statement on it. The row holds the generation of the refresh
 * token that is current; nothing secret. All times are the database's own. Every path that ends or moves a session takes the
 * row's lock, so that none loses a race against another. All functions fail as db.h says; what they return is in the call's
 * arena.
 */
#ifndef JWTD_SESSIONS_H
#define JWTD_SESSIONS_H

#include "jwtd/db.h"
#include "jwtd/text.h"
#include "jwtd/uuid.h"

#include <stddef.h>

#define SESSIONS_PER_USER 100 /* live ones; the oldest makes room */

struct session_limits {
    int64_t ttl_ms;          /* absolute life */
    int64_t idle_ms;         /* since the last use */
    int64_t retry_window_ms; /* how long the parent of the current generation gets the same successor again */
};

/* Session ids that a call has revoked, for revoked_sessions. */
struct session_ids {
    struct uuid *ids;
    size_t count;
};

struct new_session {
    struct uuid id, user_id;
    int64_t password_version; /* of the password that was checked */
    const char *ip;           /* NULL: unknown */
    const char *user_agent;   /* NULL: none; valid UTF-8, at most 512 bytes */
};

struct opened_session {
    bool done; /* false: the user is disabled, deleted, or has another password by now; the rest is zero */
    int64_t refresh_expires_in_s;
    struct session_ids revoked; /* those beyond SESSIONS_PER_USER */
};

/* Opens a session with generation 1. The network of its address becomes known for the user. */
enum status sessions_open(const struct db_call *call, const struct new_session *session, const struct session_limits *limits,
                          struct opened_session *opened) MUST_CHECK;

enum session_refresh {
    SESSION_ROTATED,  /* the presented generation was current (or the database had lost its successor): now it is the next */
    SESSION_RETRIED,  /* the parent of the current generation within the window: the same successor again */
    SESSION_REPLACED, /* the parent later, the successor unused: a new successor, and the unused one is void */
    SESSION_TOO_SOON, /* the parent later, but the successor was returned again less than a window ago: nothing happens */
    SESSION_REUSED,   /* presented in any other case: the session is revoked now, or was for this reason */
    SESSION_ENDED,    /* revoked for another reason, unknown, or its user is disabled */
    SESSION_EXPIRED   /* or its generations, two thousand million, are used up */
};

struct refreshed {
    enum session_refresh result;
    struct uuid user_id; /* of the first three results, as all below; of REUSED too when the row is known */
    uint32_t generation; /* of the token to return */
    struct text roles_json;
    int64_t expires_in_s; /* of the refresh token: the nearer of idle and absolute end */
    bool is_elsewhere;    /* RETRIED, REPLACED: from another network (IPv4 /32, IPv6 /64) than the rotation; false when unknown */
    uint32_t retries_elsewhere; /* how many of the session, this one included */
    int64_t pause_ms;           /* TOO_SOON: until a new successor may be asked for */
    bool revoked_now;           /* REUSED: by this very call */
};

/* A token that stands for a session. */
struct session_credential {
    struct uuid session_id;
    uint32_t generation; /* of a refresh token; 0: an access token, whose signature and expiry the caller has checked */
};

/*
 * The refresh rule (docs/contract.md), for a refresh token. The parent of the current generation is the one that was presented to
 * get it; it may be presented again until the current one is used. `ip` is the client's, NULL when unknown.
 * STATUS_DATABASE_UNAVAILABLE also when a connection was lost and what is presented looks used (the first run of the statement
 * may have been what used it), and when the row changed between the two statements of one call.
 */
enum status sessions_refresh(const struct db_call *call, const struct session_credential *credential, const char *ip,
                             const struct session_limits *limits, struct refreshed *refreshed) MUST_CHECK;

/*
 * Ends the credential's session, or everywhere: all of its user, if the credential is valid: the session is live, its user not
 * disabled, and a refresh token is the current one, its parent, or newer than the row. Anything else ends nothing; that is no
 * failure, and `revoked` does not show it. `revoked` holds the sessions that ended, and those of the session or user that were
 * revoked in the last minute: a first run whose answer was lost may have done it. The row's lock is held from the check to the
 * end.
 */
enum status sessions_log_out(const struct db_call *call, const struct session_credential *credential,
                             const struct session_limits *limits, bool everywhere, struct session_ids *revoked) MUST_CHECK;

/* Revokes one session of this user; *found is false when the user has no such session, or it was revoked before. One that has
 * expired is found until it is deleted. */
enum status sessions_revoke_of_user(const struct db_call *call, const struct uuid *session_id, const struct uuid *user_id,
                                    const char *reason, bool *found) MUST_CHECK;

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
 * The live sessions of a user, newest first; at most SESSIONS_PER_USER. The last use of `current`, whose access token asks, is
 * shown to the full hour only (and its expiry as if that were exact): a thief of the token must not see when its owner
 * refreshes.
 */
enum status sessions_list(const struct db_call *call, const struct uuid *user_id, const struct uuid *current,
                          const struct session_limits *limits, struct session_list *list) MUST_CHECK;

#endif
