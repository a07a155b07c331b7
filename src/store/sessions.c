#include "jwtd/sessions.h"

#include "db_values.h"
#include "sql.h"

static enum status run_and_copy_ids(struct db *db, int64_t deadline_us, struct arena *arena, const struct db_statement *statement,
                                    const char *const *parameters, struct session_ids *ids) {
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, statement, parameters, &rows);
    if (status == STATUS_OK)
        status = copy_session_ids(rows, 0, arena, ids);
    db_release(db);
    return status;
}

/*
 * Each of several logins at the same moment counts without the others; but the one that trims last sees all of them, so that in the end
 * no more than SESSIONS_PER_USER live. Only those that go are locked: to lock the hundred that stay would write each of them.
 */
static enum status make_room(struct db *db, int64_t deadline_us, struct arena *arena, const char *user_id, const char *idle,
                             struct session_ids *revoked) {
    static const struct db_statement statement = {
        "sessions_make_room",
        "WITH doomed AS (SELECT id, 'limit' AS reason FROM sessions WHERE revoked_at IS NULL AND id IN (SELECT id FROM sessions"
        " WHERE user_id = $1 AND " LIVE NEWEST_FIRST
        " OFFSET " TEXT_OF_MACRO(SESSIONS_PER_USER) ")" NEWEST_FIRST " FOR UPDATE), " END_DOOMED " SELECT id FROM ended",
        2
    };
    return run_and_copy_ids(db, deadline_us, arena, &statement, (const char *const[]){ user_id, idle }, revoked);
}

enum status sessions_open(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *session_id,
                          const struct uuid *user_id, int64_t password_version, const struct session_limits *limits,
                          const struct session_origin *origin, bool *opened, int64_t *refresh_expires_in_s,
                          struct session_ids *revoked) {
    /* FOR SHARE: a password change either waits for this session, and revokes it, or is seen here. */
    static const struct db_statement statement = {
        "sessions_open",
        "WITH owner AS (SELECT id FROM users WHERE id = $3 AND password_version = $4 AND disabled_at IS NULL FOR SHARE),"
        " opened AS (INSERT INTO sessions (id, user_id, expires_at, ip, user_agent)"
        " SELECT $1, id, now() + $5 * interval '1 millisecond', $6, $7 FROM owner"
        " ON CONFLICT (id) DO UPDATE SET last_used_at = now() RETURNING expires_at),"
        " known AS (INSERT INTO known_addresses (user_id, network, last_login_day)"
        " SELECT id, " NETWORK_OF(
            "$6") ", current_date FROM owner WHERE $6 IS NOT NULL AND NOT EXISTS (SELECT FROM known_addresses k"
                  " WHERE k.user_id = $3 AND k.network = " NETWORK_OF(
                      "$6") " AND k.last_login_day = current_date)"
                            " ON CONFLICT (user_id, network) DO UPDATE SET last_login_day = excluded.last_login_day)"
                            " SELECT floor(extract(epoch FROM least(opened.expires_at - now(), $2 * interval '1 "
                            "millisecond')))::bigint,"
                            " (SELECT count(*) FROM sessions WHERE user_id = $3 AND " LIVE ") FROM opened",
        7
    };
    char session_text[UUID_TEXT_SIZE], user_text[UUID_TEXT_SIZE];
    char version[INTEGER_TEXT_SIZE], idle[INTEGER_TEXT_SIZE], ttl[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(session_id, session_text),
                                       integer_text(limits->idle_ms, idle),
                                       uuid_text(user_id, user_text),
                                       integer_text(password_version, version),
                                       integer_text(limits->ttl_ms, ttl),
                                       origin->ip,
                                       origin->user_agent };
    const struct db_rows *rows;
    *revoked = (struct session_ids){ NULL, 0 };
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    *opened = db_row_count(rows) == 1;
    *refresh_expires_in_s = *opened ? db_integer(rows, 0, 0) : 0;
    /* so far below the limit that the logins which are under way at one moment cannot pass it unseen */
    bool may_be_full = *opened && db_integer(rows, 0, 1) >= SESSIONS_PER_USER / 2;
    db_release(db);
    return may_be_full ? make_room(db, deadline_us, arena, user_text, idle, revoked) : STATUS_OK;
}

static enum status read_refreshed(const struct db_rows *rows, struct arena *arena, struct refreshed *refreshed) {
    refreshed->user_id = db_uuid(rows, 0, 0);
    refreshed->generation = (uint32_t)db_integer(rows, 0, 1);
    refreshed->roles_json = db_copy_text(rows, 0, 2, arena);
    refreshed->expires_in_s = db_integer(rows, 0, 3);
    return refreshed->roles_json.bytes != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

static const struct {
    const char *name;
    enum session_refresh result;
} verdicts[] = {
    { "retried", SESSION_RETRIED },
    { "reused", SESSION_REUSED },
    { "ended", SESSION_ENDED },
    { "expired", SESSION_EXPIRED },
};

static enum session_refresh verdict_of(struct text name) {
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        if (text_equal(name, text_of(verdicts[i].name)))
            return verdicts[i].result;
    }
    return SESSION_ENDED;
}

/* Why nothing moved, told under the row's lock; a token that was used before ends the session in the same statement. */
static enum status explain(struct db *db, int64_t deadline_us, struct arena *arena, const char *const parameters[4],
                           struct refreshed *refreshed) {
    static const struct db_statement statement = {
        "sessions_explain",
        "WITH found AS (SELECT s.id, s.user_id, s.generation, array_to_json(u.roles)::text AS roles,"
        " floor(extract(epoch FROM least(s.expires_at, s.last_used_at + $2 * interval '1 millisecond') - now()))::bigint AS "
        "seconds,"
        " CASE WHEN s.revoke_reason = 'reuse' THEN 'reused'"
        " WHEN s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL THEN 'ended'"
        " WHEN s.expires_at <= now() OR s.last_used_at <= now() - $2 * interval '1 millisecond' THEN 'expired'"
        " WHEN s.generation <= $3 THEN 'ended'" /* the user was disabled a moment ago */
        " WHEN s.generation = $3 + 1 AND s.rotated_at > now() - $4 * interval '1 millisecond' THEN 'retried'"
        " ELSE 'reused' END AS verdict, s.revoked_at IS NULL AS was_live"
        " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 FOR UPDATE OF s),"
        " doomed AS (SELECT id, 'reuse' AS reason FROM found WHERE verdict = 'reused' AND was_live), " END_DOOMED
        " SELECT user_id, generation, roles, seconds, verdict, was_live FROM found",
        4
    };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    refreshed->result = SESSION_ENDED;
    if (db_row_count(rows) == 1) {
        status = read_refreshed(rows, arena, refreshed);
        refreshed->result = verdict_of(db_text(rows, 0, 4));
        refreshed->revoked_now = refreshed->result == SESSION_REUSED && db_boolean(rows, 0, 5);
    }
    db_release(db);
    return status;
}

/*
 * "generation <= $3" and not "=": a token newer than the row was made here (its MAC says so), and the database has lost the write in a
 * failover. Taking it costs nobody a session, and the older token of the two is still recognised as used.
 */
enum status sessions_refresh(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *session_id,
                             uint32_t generation, const struct session_limits *limits, struct refreshed *refreshed) {
    static const struct db_statement statement = {
        "sessions_rotate",
        "UPDATE sessions s SET generation = $3::integer + 1, rotated_at = now(), last_used_at = now() FROM users u"
        " WHERE s.id = $1 AND u.id = s.user_id AND s.generation <= $3 AND u.disabled_at IS NULL AND " LIVE
        " RETURNING s.user_id, s.generation, array_to_json(u.roles)::text,"
        " floor(extract(epoch FROM least(s.expires_at - now(), $2 * interval '1 millisecond')))::bigint",
        3
    };
    char session_text[UUID_TEXT_SIZE];
    char idle[INTEGER_TEXT_SIZE], presented[INTEGER_TEXT_SIZE], window[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(session_id, session_text), integer_text(limits->idle_ms, idle),
                                       integer_text(generation, presented), integer_text(limits->retry_window_ms, window) };
    const struct db_rows *rows;
    *refreshed = (struct refreshed){ .result = SESSION_ENDED };
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    if (db_row_count(rows) == 0)
        return explain(db, deadline_us, arena, parameters, refreshed);
    refreshed->result = SESSION_ROTATED;
    status = read_refreshed(rows, arena, refreshed);
    db_release(db);
    return status;
}

enum status sessions_revoke(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *session_id,
                            const char *reason, struct session_ids *revoked) {
    static const struct db_statement statement = {
        "sessions_revoke",
        "WITH doomed AS (SELECT id, $2 AS reason FROM sessions WHERE id = $1 AND " NOT_LONG_REVOKED "), " END_DOOMED
        " SELECT id FROM doomed",
        2
    };
    char session_text[UUID_TEXT_SIZE];
    return run_and_copy_ids(db, deadline_us, arena, &statement,
                            (const char *const[]){ uuid_text(session_id, session_text), reason }, revoked);
}

/* One that was revoked before is not found; but after a lost answer it was this very statement that revoked it. */
enum status sessions_revoke_of_user(struct db *db, int64_t deadline_us, const struct uuid *session_id, const struct uuid *user_id,
                                    const char *reason, bool *found) {
    static const struct db_statement statement = {
        "sessions_revoke_of_user",
        "WITH doomed AS (SELECT id, $2 AS reason, revoked_at IS NULL AS is_live FROM sessions"
        " WHERE id = $1 AND user_id = $3 AND " NOT_LONG_REVOKED "), " END_DOOMED " SELECT is_live FROM doomed",
        3
    };
    char session_text[UUID_TEXT_SIZE], user_text[UUID_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(session_id, session_text), reason, uuid_text(user_id, user_text) };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status == STATUS_OK)
        *found = db_row_count(rows) == 1 && (db_boolean(rows, 0, 0) || db_was_rerun(db));
    db_release(db);
    return status;
}

enum status sessions_revoke_all(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *session_id,
                                const char *reason, struct session_ids *revoked) {
    static const struct db_statement statement = {
        "sessions_revoke_all",
        "WITH doomed AS (SELECT id, $2 AS reason FROM sessions"
        " WHERE user_id = (SELECT user_id FROM sessions WHERE id = $1) AND " NOT_LONG_REVOKED NEWEST_FIRST
        " FOR UPDATE), " END_DOOMED " SELECT id FROM doomed",
        2
    };
    char session_text[UUID_TEXT_SIZE];
    return run_and_copy_ids(db, deadline_us, arena, &statement,
                            (const char *const[]){ uuid_text(session_id, session_text), reason }, revoked);
}

static enum status read_session(const struct db_rows *rows, size_t row, struct arena *arena, struct session *session) {
    *session = (struct session){
        .id = db_uuid(rows, row, 0),
        .created_at = db_copy_time(rows, row, 1, arena),
        .last_used_at = db_copy_time(rows, row, 2, arena),
        .expires_at = db_copy_time(rows, row, 3, arena),
        .ip = db_copy_text(rows, row, 4, arena),
        .user_agent = db_copy_text(rows, row, 5, arena),
    };
    bool is_complete =
        session->created_at.bytes != NULL && session->last_used_at.bytes != NULL && session->expires_at.bytes != NULL;
    return is_complete ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

enum status sessions_list(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *user_id,
                          const struct session_limits *limits, struct session **sessions, size_t *count) {
    static const struct db_statement statement = { "sessions_list",
                                                   "SELECT id, created_at, last_used_at, least(expires_at, last_used_at + $2 * "
                                                   "interval '1 millisecond'), host(ip), user_agent"
                                                   " FROM sessions WHERE user_id = $1 AND " LIVE NEWEST_FIRST
                                                   " LIMIT " TEXT_OF_MACRO(SESSIONS_PER_USER),
                                                   2 };
    char user_text[UUID_TEXT_SIZE], idle[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(user_id, user_text), integer_text(limits->idle_ms, idle) };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    *count = db_row_count(rows);
    *sessions = arena_alloc(arena, *count * sizeof **sessions);
    if (*sessions == NULL)
        status = STATUS_OUT_OF_MEMORY;
    for (size_t row = 0; status == STATUS_OK && row < *count; row++)
        status = read_session(rows, row, arena, &(*sessions)[row]);
    db_release(db);
    return status;
}

/*
 * A day more than they are dead: who comes back within it is told why the session ended. Idle and expired ones are found by the day
 * of their last use, which is indexed, since the time itself is not (0002_sessions.sql); SKIP LOCKED, since nobody should wait for this.
 */
enum status sessions_delete_dead(struct db *db, int64_t deadline_us, const struct session_limits *limits, int64_t access_ttl_ms,
                                 unsigned batch, unsigned *deleted) {
    static const struct db_statement statement = {
        "sessions_delete_dead",
        "WITH revoked AS (SELECT id FROM sessions WHERE revoked_at < now() - interval '1 day' LIMIT $4 FOR UPDATE SKIP LOCKED),"
        " unused AS (SELECT id FROM sessions"
        " WHERE last_used_day <= ((now() - least($1::bigint, $2::bigint) * interval '1 millisecond' - interval '1 day') AT TIME "
        "ZONE 'UTC')::date"
        " AND least(expires_at, last_used_at + $2 * interval '1 millisecond') < now() - interval '1 day'"
        " LIMIT $4 FOR UPDATE SKIP LOCKED),"
        " gone AS (DELETE FROM sessions WHERE id IN (SELECT id FROM revoked UNION SELECT id FROM unused LIMIT $4) RETURNING id),"
        " forgotten AS (DELETE FROM revocations WHERE id IN (SELECT id FROM revocations"
        " WHERE revoked_at < now() - interval '1 day' - $3 * interval '1 millisecond' ORDER BY revoked_at LIMIT $4)),"
        " strangers AS (DELETE FROM known_addresses WHERE (user_id, network) IN (SELECT user_id, network FROM known_addresses"
        " WHERE last_login_day < current_date - " TEXT_OF_MACRO(KNOWN_ADDRESS_DAYS) " LIMIT $4 FOR UPDATE SKIP LOCKED))"
                                                                                    " SELECT count(*) FROM gone",
        4
    };
    char ttl[INTEGER_TEXT_SIZE], idle[INTEGER_TEXT_SIZE], access_ttl[INTEGER_TEXT_SIZE], limit[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { integer_text(limits->ttl_ms, ttl), integer_text(limits->idle_ms, idle),
                                       integer_text(access_ttl_ms, access_ttl), integer_text(batch, limit) };
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status == STATUS_OK)
        *deleted = (unsigned)db_integer(rows, 0, 0);
    db_release(db);
    return status;
}
