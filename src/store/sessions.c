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
 * Each of several logins at the same moment counts without the others; but the one that trims last sees all of them, so that in
 * the end no more than SESSIONS_PER_USER live. Only those that go are locked: to lock the hundred that stay would write each of
 * them.
 */
static enum status make_room(struct db *db, int64_t deadline_us, struct arena *arena, const char *user_id, const char *idle,
                             struct session_ids *revoked) {
    static const struct db_statement statement = { .name = "sessions_make_room",
                                                   .sql = "WITH doomed AS (SELECT id, 'limit' AS reason FROM sessions WHERE "
                                                          "revoked_at IS NULL AND id IN (SELECT id FROM sessions"
                                                          " WHERE user_id = $1 AND " LIVE NEWEST_FIRST
                                                          " OFFSET " TEXT_OF_MACRO(SESSIONS_PER_USER) ")" NEWEST_FIRST
                                                                                                      " FOR UPDATE), " END_DOOMED
                                                                                                      " SELECT id FROM ended",
                                                   .parameters = 2 };
    return run_and_copy_ids(db, deadline_us, arena, &statement, (const char *const[]){ user_id, idle }, revoked);
}

enum status sessions_open(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *session_id,
                          const struct uuid *user_id, int64_t password_version, const struct session_limits *limits,
                          const struct session_origin *origin, bool *opened, int64_t *refresh_expires_in_s,
                          struct session_ids *revoked) {
    /* FOR SHARE: a password change either waits for this session, and revokes it, or is seen here. */
    static const struct db_statement statement = {
        .name = "sessions_open",
        .sql = "WITH owner AS (SELECT id FROM users WHERE id = $3 AND password_version = $4 AND disabled_at IS NULL FOR SHARE),"
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
        .parameters = 7
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

/*
 * What a credential must be to end anything: of a live session of a user who is not disabled; a refresh token ($3) also the
 * current one, its parent, or newer than the row, which lost it in a failover.
 */
#define CREDENTIAL_IS_GOOD                                                                                                       \
    "(" LIVE " AND EXISTS (SELECT FROM users u WHERE u.id = s.user_id AND u.disabled_at IS NULL)"                                \
    " AND ($3::integer IS NULL OR s.generation <= $3::integer OR " PARENT " = $3::integer))"

/* Those revoked a minute ago are told of again, whoever asks: they are dead, and nothing more happens to them. */
static const struct db_statement log_out = {
    .name = "sessions_log_out",
    .sql = "WITH doomed AS (SELECT id, 'logout' AS reason FROM sessions s"
           " WHERE id = $1 AND (revoked_at > now() - interval '1 minute' OR " CREDENTIAL_IS_GOOD ") FOR UPDATE), " END_DOOMED
           " SELECT id FROM doomed",
    .parameters = 3
};

/* The credential is judged twice: before any lock is taken, so that a dead one costs nothing, and again under the locks. */
static const struct db_statement log_out_everywhere = {
    .name = "sessions_log_out_everywhere",
    .sql = "WITH locked AS (SELECT id, revoked_at IS NULL AS is_live, id = $1 AND " CREDENTIAL_IS_GOOD
           " AS is_entitled FROM sessions s"
           " WHERE user_id = (SELECT user_id FROM sessions s"
           " WHERE id = $1 AND (revoked_at > now() - interval '1 minute' OR " CREDENTIAL_IS_GOOD "))"
           " AND " NOT_LONG_REVOKED NEWEST_FIRST " FOR UPDATE),"
           " doomed AS (SELECT id, 'logout' AS reason FROM locked WHERE is_live AND (SELECT bool_or(is_entitled) FROM "
           "locked)), " END_DOOMED " SELECT id FROM locked WHERE NOT is_live OR id IN (SELECT id FROM doomed)",
    .parameters = 3
};

enum status sessions_log_out(struct db *db, int64_t deadline_us, struct arena *arena, const struct session_credential *credential,
                             const struct session_limits *limits, bool everywhere, struct session_ids *revoked) {
    char session_text[UUID_TEXT_SIZE], idle[INTEGER_TEXT_SIZE], generation[INTEGER_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(&credential->session_id, session_text), integer_text(limits->idle_ms, idle),
                                       credential->generation == 0 ? NULL : integer_text(credential->generation, generation) };
    return run_and_copy_ids(db, deadline_us, arena, everywhere ? &log_out_everywhere : &log_out, parameters, revoked);
}

/* One that was revoked before is not found; but after a lost answer it was this very statement that revoked it. */
enum status sessions_revoke_of_user(struct db *db, int64_t deadline_us, const struct uuid *session_id, const struct uuid *user_id,
                                    const char *reason, bool *found) {
    static const struct db_statement statement = {
        .name = "sessions_revoke_of_user",
        .sql = "WITH doomed AS (SELECT id, $2 AS reason, revoked_at IS NULL AS is_live FROM sessions"
               " WHERE id = $1 AND user_id = $3 AND " NOT_LONG_REVOKED "), " END_DOOMED " SELECT is_live FROM doomed",
        .parameters = 3
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
                          const struct uuid *current, const struct session_limits *limits, struct session **sessions,
                          size_t *count) {
    static const struct db_statement statement = {
        .name = "sessions_list",
        .sql =
            "SELECT id, created_at, shown_use, least(expires_at, shown_use + $2 * interval '1 millisecond'), host(ip), user_agent"
            " FROM sessions, LATERAL (SELECT CASE WHEN id = $3 THEN date_trunc('hour', last_used_at, 'UTC') ELSE last_used_at "
            "END AS"
            " shown_use) AS shown WHERE user_id = $1 AND " LIVE NEWEST_FIRST " LIMIT " TEXT_OF_MACRO(SESSIONS_PER_USER),
        .parameters = 3
    };
    char user_text[UUID_TEXT_SIZE], idle[INTEGER_TEXT_SIZE], current_text[UUID_TEXT_SIZE];
    const char *const parameters[] = { uuid_text(user_id, user_text), integer_text(limits->idle_ms, idle),
                                       uuid_text(current, current_text) };
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
 * A day more than they are dead: who comes back within it is told why the session ended. Idle and expired ones are found by the
 * day of their last use, which is indexed, since the time itself is not (0002_sessions.sql); SKIP LOCKED, since nobody should
 * wait for this.
 */
enum status sessions_delete_dead(struct db *db, int64_t deadline_us, const struct session_limits *limits, int64_t access_ttl_ms,
                                 unsigned batch, unsigned *deleted) {
    static const struct db_statement statement = {
        .name = "sessions_delete_dead",
        .sql =
            "WITH revoked AS (SELECT id FROM sessions WHERE revoked_at < now() - interval '1 day' LIMIT $4 FOR UPDATE SKIP "
            "LOCKED),"
            " unused AS (SELECT id FROM sessions"
            " WHERE last_used_day <= ((now() - least($1::bigint, $2::bigint) * interval '1 millisecond' - interval '1 day') AT "
            "TIME "
            "ZONE 'UTC')::date"
            " AND least(expires_at, last_used_at + $2 * interval '1 millisecond') < now() - interval '1 day'"
            " LIMIT $4 FOR UPDATE SKIP LOCKED),"
            " gone AS (DELETE FROM sessions WHERE id IN (SELECT id FROM revoked UNION SELECT id FROM unused LIMIT $4) RETURNING "
            "id),"
            " forgotten AS (DELETE FROM revocations WHERE id IN (SELECT id FROM revocations"
            " WHERE revoked_at < now() - interval '1 day' - $3 * interval '1 millisecond' ORDER BY revoked_at LIMIT $4)),"
            " strangers AS (DELETE FROM known_addresses WHERE (user_id, network) IN (SELECT user_id, network FROM known_addresses"
            " WHERE last_login_day < current_date - " TEXT_OF_MACRO(KNOWN_ADDRESS_DAYS) " LIMIT $4 FOR UPDATE SKIP LOCKED))"
                                                                                        " SELECT count(*) FROM gone",
        .parameters = 4
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
