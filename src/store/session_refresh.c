#include "jwtd/macros.h"
#include "jwtd/sessions.h"

#include "db_values.h"
#include "sql.h"

/* The row that the columns of `rotate` and `judge` have in common. */
static enum status read_refreshed(const struct db_rows *rows, struct arena *arena, struct refreshed *refreshed) {
    refreshed->user_id = db_uuid(rows, 0, 0);
    refreshed->generation = (uint32_t)db_integer(rows, 0, 1);
    refreshed->roles_json = db_copy_text(rows, 0, 2, arena);
    refreshed->expires_in_s = db_integer(rows, 0, 3);
    return refreshed->roles_json.bytes != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

/* $1 session, $2 idle limit, $3 the generation that is presented, $4 address of the client, $5 retry window. */
enum { PARAMETERS = 5, PRESENTED = 2 };

/*
 * "generation <= $3" and not "=": a token newer than the row was made here (its MAC says so), and the database has lost the write
 * in a failover. Taking it costs nobody a session, and the older token of the two is still recognised as used. The parent of the
 * new generation is the one before it, whatever the retry columns say: they are about another successor. The sum must not
 * overflow: the planner may work it out before any condition is looked at.
 */
static enum status rotate(struct db *db, int64_t deadline_us, struct arena *arena, const char *const parameters[PARAMETERS],
                          struct refreshed *refreshed, bool *moved) {
    /* clang-format off */
    static const struct db_statement statement = {
        .name = "sessions_rotate", .sql = "UPDATE sessions s SET generation = least($3, " GENERATION_MAX " - 1) + 1, rotated_at = now(), retried_after = '0', last_used_at = now(),"
        " rotated_from = " NETWORK_OF("$4") " FROM users u WHERE s.id = $1 AND u.id = s.user_id AND s.generation <= $3"
        " AND $3 < " GENERATION_MAX " AND u.disabled_at IS NULL AND " LIVE
        " RETURNING s.user_id, s.generation, array_to_json(u.roles)::text,"
        " floor(extract(epoch FROM least(s.expires_at - now(), $2 * interval '1 millisecond')))::bigint", .parameters = 4};
    /* clang-format on */
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    *moved = db_row_count(rows) == 1;
    refreshed->result = SESSION_ROTATED;
    if (*moved)
        status = read_refreshed(rows, arena, refreshed);
    db_release(db);
    return status;
}

/* What `judge` finds that no caller hears of. */
enum { TO_BE_ENDED = SESSION_EXPIRED + 1, CHANGED_MEANWHILE };

static const struct {
    const char *name;
    int result;
} verdicts[] = {
    { "retried", SESSION_RETRIED },   { "replaced", SESSION_REPLACED }, { "too_soon", SESSION_TOO_SOON },
    { "reused", SESSION_REUSED },     { "ended", SESSION_ENDED },       { "expired", SESSION_EXPIRED },
    { "changed", CHANGED_MEANWHILE }, { "used", TO_BE_ENDED },
};

static int verdict_of(struct text name) {
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
        if (text_equal(name, text_of(verdicts[i].name)))
            return verdicts[i].result;
    return CHANGED_MEANWHILE;
}

/*
 * Why nothing moved, told under the row's lock. The parent gets the successor that it got before, or, when the window has passed,
 * a new one; but not within a window of the last time that the old one was given out, since that may be about to be stored by one
 * tab while another asks. A row that `rotate` would move now was changed between the two statements. A session whose numbers are
 * used up has to end.
 */
static enum status judge(struct db *db, int64_t deadline_us, struct arena *arena, const char *const parameters[PARAMETERS],
                         struct refreshed *refreshed, int *verdict) {
    /* clang-format off */
    static const struct db_statement statement = {
        .name = "sessions_judge", .sql = "WITH found AS (SELECT s.id, s.user_id, s.generation, array_to_json(u.roles)::text AS roles, s.retries_elsewhere,"
        " coalesce(s.rotated_from <> " NETWORK_OF("$4") ", false) AS is_elsewhere,"
        " least(s.expires_at, s.last_used_at + $2 * interval '1 millisecond') - now() AS retried_left,"
        " least(s.expires_at - now(), $2 * interval '1 millisecond') AS replaced_left,"
        " s.rotated_at + s.retried_after + $5 * interval '1 millisecond' - now() AS pause,"
        " CASE WHEN s.revoke_reason = 'reuse' THEN 'reused'"
        " WHEN s.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL THEN 'ended'"
        " WHEN s.expires_at <= now() OR s.last_used_at <= now() - $2 * interval '1 millisecond' THEN 'expired'"
        " WHEN $3 >= " GENERATION_MAX " THEN 'expired'"
        " WHEN s.generation <= $3 THEN 'changed'"
        " WHEN $3 <> " PARENT " THEN 'used'"
        " WHEN s.rotated_at >= now() - $5 * interval '1 millisecond' THEN 'retried'"
        " WHEN s.rotated_at + s.retried_after >= now() - $5 * interval '1 millisecond' THEN 'too_soon'"
        " WHEN s.generation >= " GENERATION_MAX " THEN 'expired'"
        " ELSE 'replaced' END AS verdict"
        " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1 FOR UPDATE OF s),"
        " retried AS (UPDATE sessions s SET retried_after = greatest(s.retried_after, now() - s.rotated_at),"
        " retries_elsewhere = s.retries_elsewhere + is_elsewhere::integer FROM found"
        " WHERE s.id = found.id AND verdict = 'retried'),"
        " replaced AS (UPDATE sessions s SET generation = found.generation + 1, retry_generation = $3::integer,"
        " retry_successor = found.generation + 1, rotated_at = now(), retried_after = '0', last_used_at = now(),"
        " rotated_from = " NETWORK_OF("$4") ", retries_elsewhere = s.retries_elsewhere + is_elsewhere::integer FROM found"
        " WHERE s.id = found.id AND verdict = 'replaced')"
        " SELECT user_id, generation + (verdict = 'replaced')::integer, roles,"
        " floor(extract(epoch FROM CASE verdict WHEN 'replaced' THEN replaced_left ELSE retried_left END))::bigint,"
        " verdict, is_elsewhere, retries_elsewhere + is_elsewhere::integer, ceil(extract(epoch FROM pause) * 1000)::bigint"
        " FROM found", .parameters = 5};
    /* clang-format on */
    const struct db_rows *rows;
    enum status status = db_run(db, deadline_us, &statement, parameters, &rows);
    if (status != STATUS_OK)
        return status;
    *verdict = SESSION_ENDED;
    if (db_row_count(rows) == 1) {
        status = read_refreshed(rows, arena, refreshed);
        *verdict = verdict_of(db_text(rows, 0, 4));
        refreshed->is_elsewhere = db_boolean(rows, 0, 5);
        refreshed->retries_elsewhere = (uint32_t)db_integer(rows, 0, 6);
        refreshed->pause_ms = db_integer(rows, 0, 7);
    }
    db_release(db);
    return status;
}

/* Judged again under the row's lock. When its answer was lost it may be this very statement that ended the session. */
static enum status end_reused(struct db *db, int64_t deadline_us, const char *const parameters[PARAMETERS], bool *revoked_now) {
    static const struct db_statement statement = {
        .name = "sessions_end_reused",
        .sql = "WITH doomed AS (SELECT id, 'reuse' AS reason FROM sessions s WHERE id = $1 AND revoked_at IS NULL"
               " AND generation > $2 AND " PARENT " <> $2 FOR UPDATE), " END_DOOMED " SELECT id FROM ended",
        .parameters = 2
    };
    const struct db_rows *rows;
    enum status status =
        db_run(db, deadline_us, &statement, (const char *const[]){ parameters[0], parameters[PRESENTED] }, &rows);
    if (status == STATUS_OK)
        *revoked_now = db_row_count(rows) == 1 || db_was_rerun(db);
    db_release(db);
    return status;
}

/*
 * When a statement ran a second time after a lost connection, its first run may have been committed, and what was presented may
 * look used because of ourselves: that is never judged. The client hears that the database was away, and what it presents then
 * is.
 */
static enum status refresh(struct db *db, int64_t deadline_us, struct arena *arena, const char *const parameters[PARAMETERS],
                           struct refreshed *refreshed) {
    bool moved;
    int verdict;
    enum status status = rotate(db, deadline_us, arena, parameters, refreshed, &moved);
    if (status != STATUS_OK || moved)
        return status;
    bool was_rerun = db_was_rerun(db);
    status = judge(db, deadline_us, arena, parameters, refreshed, &verdict);
    if (status != STATUS_OK)
        return status;
    if (verdict == CHANGED_MEANWHILE || (verdict == TO_BE_ENDED && (was_rerun || db_was_rerun(db))))
        return STATUS_DATABASE_UNAVAILABLE;
    refreshed->result = verdict == TO_BE_ENDED ? SESSION_REUSED : (enum session_refresh)verdict;
    return verdict == TO_BE_ENDED ? end_reused(db, deadline_us, parameters, &refreshed->revoked_now) : STATUS_OK;
}

enum status sessions_refresh(struct db *db, int64_t deadline_us, struct arena *arena, const struct uuid *session_id,
                             uint32_t generation, const char *ip, const struct session_limits *limits,
                             struct refreshed *refreshed) {
    char session_text[UUID_TEXT_SIZE];
    char idle[INTEGER_TEXT_SIZE], presented[INTEGER_TEXT_SIZE], window[INTEGER_TEXT_SIZE];
    const char *const parameters[PARAMETERS] = { uuid_text(session_id, session_text), integer_text(limits->idle_ms, idle),
                                                 integer_text(generation, presented), ip,
                                                 integer_text(limits->retry_window_ms, window) };
    *refreshed = (struct refreshed){ .result = SESSION_ENDED };
    return refresh(db, deadline_us, arena, parameters, refreshed);
}
