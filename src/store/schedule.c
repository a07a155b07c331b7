/* Which queries make the next round trip of a link. */
#include "outage.h"
#include "worker.h"

#include "jwtd/macros.h"

/* ---- lists ---- */

static struct db_query *query_of(struct lane_job *job) {
    return job == NULL ? NULL : container_of(job, struct db_query, job);
}

void list_append(struct query_list *list, struct db_query *query) {
    query->job.next = NULL;
    if (list->first == NULL)
        list->first = query;
    else
        list->last->job.next = &query->job;
    list->last = query;
}

struct db_query *list_take(struct query_list *list) {
    struct db_query *query = list->first;
    if (query != NULL)
        list->first = query_of(query->job.next);
    return query;
}

static enum kind kind_of(const struct db_query *query) {
    return query->statement->only_reads ? READS : WRITES;
}

void take_expired(struct query_list *list, int64_t now_us, struct query_list *expired) {
    struct query_list all = *list;
    struct db_query *query;
    list->first = list->last = NULL;
    while ((query = list_take(&all)) != NULL)
        list_append(query->deadline_us <= now_us ? expired : list, query);
}

int64_t list_moment(const struct query_list *list, int64_t now_us) {
    int64_t moment_us = INT64_MAX;
    for (struct db_query *query = list->first; query != NULL; query = query_of(query->job.next)) {
        int64_t next_us = query->not_before_us > now_us ? query->not_before_us : query->deadline_us;
        moment_us = next_us < moment_us ? next_us : moment_us;
    }
    return moment_us;
}

void take_kind(struct query_list *list, enum kind kind, struct query_list *taken) {
    struct query_list all = *list;
    struct db_query *query;
    list->first = list->last = NULL;
    while ((query = list_take(&all)) != NULL)
        list_append(kind_of(query) == kind ? taken : list, query);
}

/* The first that this member may run now. */
static struct db_query *take_due(struct query_list *list, const struct worker *worker, const struct member *member,
                                 const struct census *census, int64_t now_us) {
    struct query_list all = *list;
    struct db_query *due = NULL, *query;
    list->first = list->last = NULL;
    while ((query = list_take(&all)) != NULL)
        if (due == NULL && query->not_before_us <= now_us && serves(worker, member, kind_of(query)) &&
            may_carry(worker, census, kind_of(query)))
            due = query;
        else
            list_append(list, query);
    return due;
}

/* ---- links ---- */

static void count_due(const struct query_list *list, int64_t now_us, struct census *census) {
    for (struct db_query *query = list->first; query != NULL; query = query_of(query->job.next))
        census->again[kind_of(query)] += query->not_before_us <= now_us ? 1 : 0;
}

bool serves(const struct worker *worker, const struct member *member, enum kind kind) {
    return kind == READS || worker->member_count == 1 || member != &worker->members[0];
}

/* A round trip of reads that takes this long is held up, by a lock on a table for instance, and no other waits for it. */
#define HELD_UP_US 20000

static bool is_held_up(const struct member *member, int64_t now_us) {
    return member->link.state == LINK_BUSY && member->kind == READS && link_sent_us(&member->link) + HELD_UP_US <= now_us;
}

int64_t held_up_moment(const struct worker *worker, int64_t now_us) {
    int64_t moment_us = INT64_MAX;
    for (unsigned i = 0; i < worker->member_count; i++) {
        const struct member *member = &worker->members[i];
        if (member->link.state != LINK_BUSY || member->kind != READS || is_held_up(member, now_us))
            continue;
        int64_t next_us = link_sent_us(&member->link) + HELD_UP_US;
        moment_us = next_us < moment_us ? next_us : moment_us;
    }
    return moment_us;
}

/* One with repeated queries is reserved for them. */
static void count_member(const struct member *member, enum kind kind, int64_t now_us, struct census *census) {
    if (member->repeated.first != NULL || member->link.state == LINK_BUSY)
        census->busy[kind] += member->kind == kind && !is_held_up(member, now_us) ? 1 : 0;
    else if (member->link.state == LINK_CONNECTING)
        census->connecting[kind]++;
    else if (member->link.state == LINK_IDLE)
        census->idle[kind]++;
    else if (link_may_open(&member->link, now_us))
        census->closed[kind]++;
    else
        return;
    census->usable[kind]++;
}

struct census census_of(const struct worker *worker, int64_t now_us) {
    struct census census = { .again = { 0 } };
    for (unsigned i = 0; i < worker->member_count; i++)
        for (enum kind kind = READS; kind < KINDS; kind++)
            if (serves(worker, &worker->members[i], kind))
                count_member(&worker->members[i], kind, now_us, &census);
    count_due(&worker->alone, now_us, &census);
    count_due(&worker->paused, now_us, &census);
    return census;
}

/* Reads that come in while a round trip of reads is under way share the next one, which is what makes them cheap; so they do not
 * spread over more than half of the links, but for round trips that are held up. */
static unsigned share_of(const struct worker *worker, enum kind kind) {
    if (worker->member_count == 1)
        return 1;
    return kind == WRITES ? worker->member_count - 1 : (worker->member_count + 1) / 2;
}

bool may_carry(const struct worker *worker, const struct census *census, enum kind kind) {
    return census->busy[kind] < share_of(worker, kind);
}

unsigned links_wanted(const struct worker *worker, const struct census *census, enum kind kind) {
    if (!may_carry(worker, census, kind))
        return 0;
    unsigned waiting = worker->waiting[kind].count, left = share_of(worker, kind) - census->busy[kind];
    unsigned round_trips = kind == READS ? (waiting + LINK_QUERIES_MAX - 1) / LINK_QUERIES_MAX : waiting;
    round_trips += census->again[kind];
    unsigned wanted = round_trips < left ? round_trips : left, coming = census->connecting[kind] + census->idle[kind];
    return wanted > coming ? wanted - coming : 0;
}

bool has_round_trip(const struct worker *worker, const struct census *census, enum kind kind) {
    return worker->waiting[kind].count + census->again[kind] > 0 && may_carry(worker, census, kind);
}

/* ---- the queue; the lock is held ---- */

bool put_in_queue(struct worker *worker, struct db_query *query) {
    enum kind kind = kind_of(query);
    bool is_asleep = worker->sleeps[kind] || query->turn_deadline_us < worker->wakes_us;
    admission_queue(worker->admission);
    lanes_push(&worker->waiting[kind], &query->job);
    if (query->turn_deadline_us < worker->first_turn_us)
        worker->first_turn_us = query->turn_deadline_us;
    if (is_asleep) {
        worker->sleeps[READS] = worker->sleeps[WRITES] = false;
        worker->wakes_us = 0;
    }
    return is_asleep;
}

/* ---- taking ---- */

static const struct db_query *first_waiting(const struct worker *worker, enum kind kind) {
    const struct lane_job *job = lanes_first(&worker->waiting[kind]);
    return job == NULL ? NULL : container_of(job, struct db_query, job);
}

struct lateness {
    int64_t now_us, first_turn_us; /* the latter of those that are in time */
};

static bool is_late(const struct lane_job *job, void *context) {
    struct lateness *lateness = context;
    int64_t turn_us = container_of(job, const struct db_query, job)->turn_deadline_us;
    if (turn_us <= lateness->now_us)
        return true;
    if (turn_us < lateness->first_turn_us)
        lateness->first_turn_us = turn_us;
    return false;
}

void take_late(struct worker *worker, int64_t now_us, struct query_list *late) {
    struct lateness lateness = { now_us, INT64_MAX };
    struct lane_job *job;
    pthread_mutex_lock(admission_lock(worker->admission));
    for (enum kind kind = READS; worker->first_turn_us <= now_us && kind < KINDS; kind++) {
        while ((job = lanes_remove(&worker->waiting[kind], is_late, &lateness)) != NULL) {
            admission_begin(worker->admission, 1);
            /* what an outage keeps waiting is counted with the outage, and a probe is no request */
            if (query_of(job)->is_probe || outage_is_on())
                admission_end_unmeasured(worker->admission, 1);
            else
                admission_end_late(worker->admission);
            list_append(late, query_of(job));
        }
    }
    if (worker->first_turn_us <= now_us)
        worker->first_turn_us = lateness.first_turn_us;
    pthread_mutex_unlock(admission_lock(worker->admission));
}

void take_all_waiting(struct worker *worker, enum kind kind, struct query_list *taken) {
    struct lane_job *job;
    pthread_mutex_lock(admission_lock(worker->admission));
    while ((job = lanes_take(&worker->waiting[kind])) != NULL) {
        admission_begin(worker->admission, 1);
        list_append(taken, query_of(job));
    }
    pthread_mutex_unlock(admission_lock(worker->admission));
}

/* One write; or reads by the same statement, so that the quick ones do not share the round trip of a slow one. One that is not
 * prepared yet is sent alone, since its failure would make the others run again; and so is one with a name for the connection,
 * which is the transaction's. */
static unsigned take_of_kind(struct worker *worker, const struct link *link, enum kind kind,
                             struct db_query *queries[LINK_QUERIES_MAX]) {
    unsigned count = 0;
    const struct db_query *next;
    while (count < LINK_QUERIES_MAX && (next = first_waiting(worker, kind)) != NULL) {
        bool can_share = kind == READS && link_is_prepared(link, next->statement) && next->application_name == NULL;
        if (count > 0 && (!can_share || next->statement != queries[0]->statement))
            break;
        queries[count++] = query_of(lanes_take(&worker->waiting[kind]));
        if (!can_share)
            break;
    }
    admission_begin(worker->admission, count);
    return count;
}

/* The kinds take turns. */
static unsigned take_from_queue(struct worker *worker, struct member *member, const struct census *census,
                                struct db_query *queries[LINK_QUERIES_MAX]) {
    unsigned count = 0;
    pthread_mutex_lock(admission_lock(worker->admission));
    for (int tries = 0; count == 0 && tries < KINDS; tries++) {
        member->kind = worker->next_kind;
        worker->next_kind = member->kind == READS ? WRITES : READS;
        if (serves(worker, member, member->kind) && may_carry(worker, census, member->kind))
            count = take_of_kind(worker, &member->link, member->kind, queries);
    }
    pthread_mutex_unlock(admission_lock(worker->admission));
    return count;
}

unsigned take_round_trip(struct worker *worker, struct member *member, const struct census *census, int64_t now_us,
                         struct db_query *queries[LINK_QUERIES_MAX]) {
    struct db_query *again = list_take(&member->repeated);
    if (again == NULL)
        again = take_due(&worker->alone, worker, member, census, now_us);
    if (again == NULL)
        again = take_due(&worker->paused, worker, member, census, now_us);
    if (again == NULL)
        return take_from_queue(worker, member, census, queries);
    member->kind = kind_of(again);
    queries[0] = again;
    return 1;
}
