#include "task.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/revocations.h"
#include "jwtd/revoked_keys.h"

#define READ_INTERVAL_US (CLOCK_US_PER_S / 2)
/* A pass reads again what was revoked in the last seconds, which may be much. */
#define PASS_INTERVAL_US (5 * CLOCK_US_PER_S)
#define DEADLINE_US (2 * CLOCK_US_PER_S)
/* While there are followers, late commits are read so often: each is a look-up by index. For not more than a third of the time,
 * whatever a long transaction leaves to be read again and again, and however far away the database is. */
#define FOLLOWED_INTERVAL_US INT64_C(25000)
#define FOLLOWED_SHARE 3
/* The shortest time from one reading to the next, when revocations of this instance ask for one each. */
#define WOKEN_INTERVAL_US INT64_C(5000)

/* Readings of late commits, which find all that is committed from one to the next, and passes over the table of revocations, page
 * by page. A page that fails is read again in the next round; the pages before it are not. */
struct reading {
    struct revocations_page_position cursor;
    struct revocations_horizon horizon;
    bool is_under_way;
    enum status failure;                  /* of the last page */
    bool is_stale;                        /* as it was logged */
    bool needs_pass;                      /* before its time */
    bool is_complete;                     /* a pass was completed since that was last needed */
    size_t announced_keys;                /* revoked ones, which another task reads */
    int64_t late_began_us, late_ended_us; /* the last reading of late commits, or page of one */
    int64_t late_first_us;                /* when its first page was begun */
    int64_t began_us;                     /* this pass, or the last one */
    int64_t good_began_us;                /* the last pass that was completed; 0: none was */
};

/* From well before the beginning of the last completed pass: a statement commits up to its timeout after the moment that it
 * records. What was committed before a pass is seen by each of its pages. */
static int64_t window_s(const struct services *services, const struct reading *reading) {
    if (reading->good_began_us == 0)
        return services->token_rules.access_ttl_s + REVOKED_SESSIONS_MARGIN_S;
    int64_t overlap_us = 2 * services->config->database.statement_timeout_ms * 1000 + 5 * CLOCK_US_PER_S;
    return (clock_monotonic_us() - reading->good_began_us + overlap_us) / CLOCK_US_PER_S + 1;
}

static void begin_pass(const struct services *services, struct reading *reading) {
    reading->began_us = clock_monotonic_us();
    reading->needs_pass = false;
    reading->cursor = revocations_pages_from(window_s(services, reading));
    reading->is_under_way = true;
}

/* What other instances revoke during a pass may be inserted before its cursor. So a long first pass, of millions of rows, is
 * followed by a second, short one before the service is ready. */
static void end_pass(struct reading *reading) {
    bool is_up_to_date = reading->good_began_us != 0 || clock_monotonic_us() - reading->began_us < CLOCK_US_PER_S;
    reading->good_began_us = reading->began_us;
    reading->is_under_way = false;
    reading->needs_pass = reading->needs_pass || !is_up_to_date;
    reading->is_complete = !reading->needs_pass;
}

/* Late commits have been read to the last one. Together with a pass that has begun since the first such reading, at this server,
 * that is all there is. */
static void note_complete(const struct services *services, const struct reading *reading) {
    if (!reading->is_complete)
        return;
    revocation_feed_publish(services->feed, &reading->horizon.known);
    revoked_sessions_set_read(services->revoked, reading->late_first_us);
}

static void log_change(const struct services *services, struct reading *reading, enum status status) {
    bool has_failed = status != STATUS_OK;
    if (has_failed && reading->failure == STATUS_OK)
        log_event(task_level(status, LOG_WARN), "revocations_unreadable", "known_sessions=%zu reason=%s",
                  revoked_sessions_count(services->revoked), status_info(status)->name);
    if (!has_failed && reading->failure != STATUS_OK)
        log_event(task_level(reading->failure, LOG_INFO), "revocations_read", "known_sessions=%zu",
                  revoked_sessions_count(services->revoked));
    reading->failure = status;
}

/* From then on every token is 503. */
static void log_staleness(const struct services *services, struct reading *reading) {
    const struct snapshot *snapshot = snapshot_acquire(services->snapshots);
    int64_t max_stale_ms = snapshot->config.token.max_stale_ms;
    snapshot_release(services->snapshots, snapshot);
    bool is_stale = services_revocations_are_stale(services, max_stale_ms, clock_monotonic_us());
    if (is_stale && !reading->is_stale)
        log_event(LOG_ERROR, "revocations_stale", "max_stale_s=%lld effect=%s", (long long)(max_stale_ms / 1000),
                  "tokens are refused with 503");
    if (!is_stale && reading->is_stale)
        log_event(LOG_INFO, "revocations_current", "known_sessions=%zu", revoked_sessions_count(services->revoked));
    reading->is_stale = is_stale;
}

static struct db_call call_on(struct db *db) {
    return (struct db_call){ .db = db, .deadline_us = clock_monotonic_us() + DEADLINE_US };
}

static void need_pass(struct reading *reading) {
    reading->needs_pass = true;
    reading->is_complete = false;
}

/* The horizon is read first in each round, so that its first reading comes before the first page. */
static enum status read_late(const struct task_round *round, struct reading *reading, bool *is_last, bool *is_other_server) {
    struct db_call call = call_on(round->db);
    reading->late_began_us = clock_monotonic_us();
    if (reading->horizon.transaction[0] == '\0')
        reading->late_first_us = reading->late_began_us;
    enum status status = revocations_read_late(&call, &reading->horizon, round->services->feed, is_last, is_other_server);
    reading->late_ended_us = clock_monotonic_us();
    return status;
}

static bool pass_is_due(const struct reading *reading) {
    return reading->is_under_way || reading->needs_pass || reading->began_us == 0 ||
           reading->late_began_us >= reading->began_us + PASS_INTERVAL_US;
}

/* One page, so that a round is short however much there is to read. */
static enum status read_page(const struct task_round *round, struct reading *reading) {
    struct db_call call = call_on(round->db);
    bool is_last = false;
    if (!reading->is_under_way)
        begin_pass(round->services, reading);
    enum status status = revocations_read_page(&call, &reading->cursor, round->services->feed, &is_last);
    if (status == STATUS_OK && is_last)
        end_pass(reading);
    return status;
}

/* When there is nothing left to read for now. */
static int64_t next_round_us(const struct services *services, const struct reading *reading) {
    int64_t regular_us = reading->late_began_us + READ_INTERVAL_US;
    if (!revocation_feed_has_followers(services->feed))
        return regular_us;
    int64_t pause_us = (reading->late_ended_us - reading->late_began_us) * FOLLOWED_SHARE;
    int64_t late_us = reading->late_began_us + (pause_us > FOLLOWED_INTERVAL_US ? pause_us : FOLLOWED_INTERVAL_US);
    return late_us < regular_us ? late_us : regular_us;
}

static void announce(const struct services *services, struct reading *reading) {
    size_t keys = revoked_keys_count(services->revoked_keys);
    revocation_feed_announce(services->feed, keys != reading->announced_keys, clock_retention_s());
    reading->announced_keys = keys;
}

static int64_t run(const struct task_round *round) {
    struct reading *reading = round->state;
    bool is_last_late = false, is_other_server = false;
    if (clock_monotonic_us() < reading->late_began_us + WOKEN_INTERVAL_US && !reading->is_under_way && !reading->needs_pass)
        return reading->late_began_us + WOKEN_INTERVAL_US;
    enum status status = read_late(round, reading, &is_last_late, &is_other_server);
    if (status == STATUS_OK && !is_other_server && pass_is_due(reading))
        status = read_page(round, reading);
    if (is_other_server)
        need_pass(reading);
    if (status == STATUS_OK && is_last_late)
        note_complete(round->services, reading);
    announce(round->services, reading);
    log_change(round->services, reading, status);
    log_staleness(round->services, reading);
    if (status != STATUS_OK)
        return reading->late_began_us + READ_INTERVAL_US;
    if (is_other_server)
        return reading->late_began_us + FOLLOWED_INTERVAL_US;
    bool is_unfinished = reading->is_under_way || reading->needs_pass || !is_last_late;
    return is_unfinished ? reading->late_ended_us : next_round_us(round->services, reading);
}

const struct task revocation_task = { sizeof(struct reading), run, NULL };
