#include "worker.h"

#include "outage.h"

#include "jwtd/activity.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* How often it is checked what no event announces: whether the other workers are finished, or everything, when poll fails. */
#define CHECK_US 10000

static void lock(struct worker *worker) {
    pthread_mutex_lock(admission_lock(worker->admission));
}

static void unlock(struct worker *worker) {
    pthread_mutex_unlock(admission_lock(worker->admission));
}

/* ---- the metrics ---- */

static unsigned label(void) {
    return metric_index_of(METRIC_SET_EXECUTOR, "database");
}

/* Its turn has come, or never will. One that is run again has had its turn. */
static void note_turn(struct db_query *query, int64_t now_us) {
    if (query->job.queued_us != 0)
        metric_observe(METRIC_QUEUE_WAIT, label(), (now_us - query->job.queued_us) * 1000);
    query->job.queued_us = 0;
}

/* ---- the end of queries ---- */

/* The lock is not held, since `done` may take it: to submit what a query is followed by, before the query counts as ended. */

static void finish(struct db_query *query) {
    if ((query->status == STATUS_DATABASE_UNAVAILABLE || query->status == STATUS_DEADLINE_EXCEEDED) && !query->is_probe)
        outage_note_refusal();
    query->done(query);
}

static void end_late(struct query_list *list, int64_t now_us) {
    struct db_query *query;
    while ((query = list_take(list)) != NULL) {
        note_turn(query, now_us);
        query->status = STATUS_DEADLINE_EXCEEDED;
        finish(query);
    }
}

/* `service_us` is the part of a round trip's time that each of them has cost. */
static void end_running(struct worker *worker, struct db_query *const *queries, unsigned count, int64_t service_us) {
    if (count == 0)
        return;
    for (unsigned i = 0; i < count; i++)
        finish(queries[i]);
    lock(worker);
    admission_end(worker->admission, count, service_us);
    unlock(worker);
}

static void end_one(struct worker *worker, struct db_query *query, enum status status) {
    note_turn(query, clock_monotonic_us());
    query->status = status;
    finish(query);
    lock(worker);
    admission_end_unmeasured(worker->admission, 1);
    unlock(worker);
}

static void end_each(struct worker *worker, struct query_list *list, enum status status) {
    struct db_query *query;
    while ((query = list_take(list)) != NULL)
        end_one(worker, query, status);
}

/* Those that are to be run again, and whose deadline has passed before that. */
static void end_expired(struct worker *worker, int64_t now_us) {
    struct query_list expired = { NULL, NULL };
    take_expired(&worker->alone, now_us, &expired);
    take_expired(&worker->paused, now_us, &expired);
    for (unsigned i = 0; i < worker->member_count; i++)
        take_expired(&worker->members[i].repeated, now_us, &expired);
    end_each(worker, &expired, STATUS_DEADLINE_EXCEEDED);
}

/* All of a kind that no link has. */
static void end_all(struct worker *worker, enum kind kind, enum status status) {
    struct query_list all = { NULL, NULL };
    take_kind(&worker->alone, kind, &all);
    take_kind(&worker->paused, kind, &all);
    take_all_waiting(worker, kind, &all);
    end_each(worker, &all, status);
}

/* ---- links ---- */

/* What one has found of its server holds for those that are closed: each would wait as long, for the same host. The next one
 * resolves the host's name anew, which may be another server's now, even if connections to this one are open. */
static void share_failure(struct worker *worker, const struct link *failed) {
    for (unsigned i = 0; i < worker->member_count; i++) {
        struct link *link = &worker->members[i].link;
        link->address[0] = '\0';
        if (link->state != LINK_CLOSED || link == failed || link->retry_us >= failed->retry_us)
            continue;
        link->retry_us = failed->retry_us;
        link->backoff_us = failed->backoff_us;
        link->first_host = failed->first_host;
    }
}

/* A connection that could not be opened takes the queries with it that waited for it. */
static void note_failure(struct worker *worker, struct member *member) {
    share_failure(worker, &member->link);
    end_each(worker, &member->repeated, STATUS_DATABASE_UNAVAILABLE);
}

/* That of another link: nothing is sent or received on any of them while a name is resolved. */
static void copy_address(const struct worker *worker, struct link *link) {
    for (unsigned i = 0; i < worker->member_count; i++) {
        const struct link *other = &worker->members[i].link;
        if (other != link && other->address[0] != '\0')
            memcpy(link->address, other->address, sizeof link->address);
    }
}

static void open_link(struct worker *worker, struct member *member, int64_t now_us) {
    if (link_may_open(&member->link, now_us)) {
        copy_address(worker, &member->link);
        link_open(&member->link, now_us, INT64_MAX);
    }
    if (member->link.state == LINK_CLOSED)
        note_failure(worker, member);
}

/* What becomes of the queries of a round trip that has ended. */
static void judge_ended(struct worker *worker, struct member *member, int64_t now_us) {
    struct db_query *ended[LINK_QUERIES_MAX], *done[LINK_QUERIES_MAX];
    unsigned count = link_take_ended(&member->link, ended), done_count = 0;
    for (unsigned i = 0; i < count; i++) {
        switch (link_judge(&member->link, ended[i])) {
        case VERDICT_DONE:
            metric_observe(METRIC_JOB_DURATION, label(), (now_us - ended[i]->sent_us) * 1000);
            done[done_count++] = ended[i];
            break;
        case VERDICT_PAUSE:
            list_append(&worker->paused, ended[i]);
            break;
        case VERDICT_ALONE:
            list_append(&worker->alone, ended[i]);
            break;
        case VERDICT_REOPEN:
            list_append(&member->repeated, ended[i]);
            break;
        }
    }
    if (count > 0)
        end_running(worker, done, done_count, (now_us - ended[0]->sent_us) / count);
    if (member->link.state == LINK_CLOSED && (member->repeated.first != NULL || !link_may_open(&member->link, now_us)))
        open_link(worker, member, now_us);
}

static void progress(struct worker *worker, struct member *member, bool is_ready, int64_t now_us) {
    enum link_state before = member->link.state;
    if (is_ready)
        link_progress(&member->link);
    else if (link_deadline(&member->link) <= now_us)
        link_expire(&member->link, now_us);
    if (before != LINK_CLOSED)
        judge_ended(worker, member, now_us);
}

/* ---- sending ---- */

/* False: nothing is left to be sent. */
static bool send_next(struct worker *worker, struct member *member, struct census *census, int64_t now_us) {
    struct db_query *queries[LINK_QUERIES_MAX];
    unsigned count = take_round_trip(worker, member, census, now_us, queries);
    if (count == 0)
        return false;
    for (unsigned i = 0; i < count; i++)
        note_turn(queries[i], now_us);
    if (count == 1 && queries[0]->deadline_us <= now_us) {
        end_one(worker, queries[0], STATUS_DEADLINE_EXCEEDED);
        return true;
    }
    link_send(&member->link, queries, count);
    if (member->link.state == LINK_BUSY)
        census->busy[member->kind]++;
    else
        judge_ended(worker, member, clock_monotonic_us()); /* it could not be sent, at a later time than now_us */
    return true;
}

/* A link that writes may use serves both; the one that is kept for reads is opened for them first. */
static void open_wanted(struct worker *worker, const struct census *census, int64_t now_us) {
    unsigned wanted[KINDS];
    lock(worker);
    for (enum kind kind = READS; kind < KINDS; kind++)
        wanted[kind] = links_wanted(worker, census, kind);
    unlock(worker);
    for (unsigned i = 0; i < worker->member_count; i++) {
        struct member *member = &worker->members[i];
        enum kind kind = serves(worker, member, WRITES) && wanted[WRITES] > 0 ? WRITES : READS;
        if (wanted[kind] == 0 || !link_may_open(&member->link, now_us))
            continue;
        open_link(worker, member, now_us);
        wanted[kind]--;
    }
}

static bool has_some(struct worker *worker, const struct member *member, const struct census *census) {
    bool has_some = member->repeated.first != NULL;
    lock(worker);
    for (enum kind kind = READS; kind < KINDS; kind++)
        has_some = has_some || (serves(worker, member, kind) && has_round_trip(worker, census, kind));
    unlock(worker);
    return has_some;
}

static void send_all(struct worker *worker, int64_t now_us) {
    struct census census = census_of(worker, now_us);
    for (unsigned i = 0; i < worker->member_count; i++) {
        struct member *member = &worker->members[i];
        bool has_more = member->link.state == LINK_IDLE && has_some(worker, member, &census);
        while (has_more && link_is_alive(&member->link))
            has_more = send_next(worker, member, &census, now_us);
    }
    census = census_of(worker, now_us);
    open_wanted(worker, &census, now_us);
}

/* The admission predicts with the members that are not in back-off; while none is usable, with what there was before. */
static void report_health(struct worker *worker, const struct census *census) {
    unsigned healthy = census->usable[READS]; /* which every member serves */
    if (healthy == worker->healthy_here)
        return;
    *worker->healthy += healthy - worker->healthy_here;
    worker->healthy_here = healthy;
    if (*worker->healthy > 0)
        admission_set_servers(worker->admission, *worker->healthy);
}

/* ---- waiting ---- */

static int64_t earlier(int64_t a_us, int64_t b_us) {
    return a_us < b_us ? a_us : b_us;
}

/* When something is due that no event announces; the lock is held. */
static int64_t next_moment(const struct worker *worker, int64_t now_us) {
    int64_t moment_us = earlier(worker->report_us, worker->first_turn_us);
    if (worker->is_stopping)
        moment_us = earlier(moment_us, now_us + CHECK_US);
    if (worker->waiting[READS].count > 0)
        moment_us = earlier(moment_us, held_up_moment(worker, now_us));
    moment_us = earlier(moment_us, list_moment(&worker->alone, now_us));
    moment_us = earlier(moment_us, list_moment(&worker->paused, now_us));
    for (unsigned i = 0; i < worker->member_count; i++) {
        const struct member *member = &worker->members[i];
        moment_us = earlier(moment_us, link_deadline(&member->link));
        moment_us = earlier(moment_us, list_moment(&member->repeated, now_us));
        if (member->link.state == LINK_CLOSED && member->link.retry_us > now_us)
            moment_us = earlier(moment_us, member->link.retry_us);
    }
    return moment_us;
}

/* Whether the thread could do something with what waits; the lock is held. */
static bool has_work(const struct worker *worker, const struct census *census, enum kind kind) {
    if (census->usable[kind] == 0)
        return worker->waiting[kind].count + census->again[kind] > 0;
    return (census->idle[kind] > 0 && has_round_trip(worker, census, kind)) ||
           (census->closed[kind] > 0 && links_wanted(worker, census, kind) > 0);
}

/* Announces what the thread is to be woken for, and returns until when it may sleep; 0: not at all. */
static int64_t fall_asleep(struct worker *worker, int64_t now_us) {
    struct census census = census_of(worker, now_us);
    lock(worker);
    report_health(worker, &census);
    bool may_sleep = !has_work(worker, &census, READS) && !has_work(worker, &census, WRITES);
    for (enum kind kind = READS; kind < KINDS; kind++) {
        bool is_cut_off = census.usable[kind] == 0;
        bool could_send = census.idle[kind] + census.closed[kind] > 0 && may_carry(worker, &census, kind);
        worker->is_cut_off[kind] = is_cut_off;
        worker->sleeps[kind] = may_sleep && (is_cut_off || could_send);
    }
    worker->wakes_us = may_sleep ? next_moment(worker, now_us) : 0;
    int64_t wakes_us = worker->wakes_us;
    unlock(worker);
    return wakes_us;
}

static void wake_up(struct worker *worker) {
    uint64_t ignored;
    lock(worker);
    worker->sleeps[READS] = worker->sleeps[WRITES] = false;
    worker->wakes_us = 0;
    unlock(worker);
    if (worker->polled[worker->member_count].revents == 0)
        return;
    ssize_t len = read(worker->wake_fd, &ignored, sizeof ignored);
    assert(len == sizeof ignored || errno == EAGAIN);
}

/* Also when the limit on descriptors has fallen below the number of those polled. */
static void await_without_poll(struct worker *worker) {
    nanosleep(&(struct timespec){ .tv_nsec = CHECK_US * INT64_C(1000) }, NULL);
    for (unsigned i = 0; i < worker->member_count; i++)
        worker->polled[i].revents = worker->polled[i].events;
}

static void await_events(struct worker *worker, int64_t until_us) {
    for (unsigned i = 0; i < worker->member_count; i++) {
        const struct link *link = &worker->members[i].link;
        worker->polled[i] =
            (struct pollfd){ .fd = link->state == LINK_CLOSED ? -1 : PQsocket(link->connection), .events = link_events(link) };
    }
    worker->polled[worker->member_count] = (struct pollfd){ .fd = worker->wake_fd, .events = POLLIN };
    int64_t left_us = until_us - clock_monotonic_us();
    int64_t left_ms = left_us <= 0 ? 0 : (left_us + 999) / 1000;
    if (poll(worker->polled, worker->member_count + 1, (int)left_ms) < 0 && errno != EINTR)
        await_without_poll(worker);
}

/* ---- the thread ---- */

/* When no query of any worker is left: what is done on one may be followed by a query that is submitted to another. */
static bool is_finished(struct worker *worker) {
    lock(worker);
    bool is_finished = worker->is_stopping && admission_is_empty(worker->admission);
    unlock(worker);
    return is_finished;
}

static void report(struct worker *worker, int64_t now_us) {
    if (now_us < worker->report_us)
        return;
    lock(worker);
    int64_t next_us = admission_report(worker->admission, now_us);
    unlock(worker);
    worker->report_us = earlier(next_us, now_us + CLOCK_US_PER_S);
}

void worker_run(void *context) {
    struct worker *worker = context;
    open_link(worker, &worker->members[0], clock_monotonic_us()); /* the first request shall not wait for it */
    while (!is_finished(worker)) {
        int64_t now_us = clock_monotonic_us();
        struct query_list late = { NULL, NULL };
        struct census census;
        take_late(worker, now_us, &late);
        end_late(&late, now_us);
        end_expired(worker, now_us);
        send_all(worker, now_us);
        census = census_of(worker, now_us);
        for (enum kind kind = READS; kind < KINDS; kind++)
            if (census.usable[kind] == 0)
                end_all(worker, kind, STATUS_DATABASE_UNAVAILABLE);
        report(worker, now_us);
        activity_set(ACTIVITY_WAITS);
        await_events(worker, fall_asleep(worker, now_us));
        activity_set("serves connections");
        wake_up(worker);
        now_us = clock_monotonic_us();
        for (unsigned i = 0; i < worker->member_count; i++)
            progress(worker, &worker->members[i], worker->polled[i].revents != 0, now_us);
    }
}

/* Cannot fail for an eventfd that nobody fills. If it did, the thread would notice what waits within a second, when it polls
 * again. */
void worker_wake(struct worker *worker) {
    static const uint64_t one = 1;
    if (write(worker->wake_fd, &one, sizeof one) < 0)
        log_event(LOG_ERROR, "database_wake_up_failed", "error=%s", strerrordesc_np(errno));
}

bool worker_init(struct worker *worker, struct admission *admission, const struct db_options *options, unsigned connections,
                 unsigned *healthy) {
    *worker = (struct worker){ .admission = admission, .member_count = connections, .healthy = healthy };
    worker->healthy_here = connections;
    worker->first_turn_us = INT64_MAX;
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (worker->wake_fd < 0)
        return false;
    worker->members = calloc(connections, sizeof *worker->members);
    worker->polled = calloc(connections + 1, sizeof *worker->polled);
    for (unsigned i = 0; worker->members != NULL && i < connections; i++)
        link_init(&worker->members[i].link, options);
    return worker->members != NULL && worker->polled != NULL;
}

void worker_fini(struct worker *worker) {
    for (unsigned i = 0; worker->members != NULL && i < worker->member_count; i++)
        link_fini(&worker->members[i].link);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    free(worker->members);
    free(worker->polled);
}
