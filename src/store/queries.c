/* Which queries make the next round trip of a link. */
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

/* The first whose pause is over. */
static struct db_query *take_due(struct query_list *list, int64_t now_us) {
    struct query_list rest = { NULL, NULL };
    struct db_query *due = NULL, *query;
    while ((query = list_take(list)) != NULL)
        if (due == NULL && query->not_before_us <= now_us)
            due = query;
        else
            list_append(&rest, query);
    *list = rest;
    return due;
}

/* ---- links ---- */

struct census census_of(const struct worker *worker, int64_t now_us) {
    struct census census = { .idle = 0 };
    for (unsigned i = 0; i < worker->member_count; i++) {
        const struct member *member = &worker->members[i];
        switch (member->link.state) {
        case LINK_CLOSED:
            census.closed += link_may_open(&member->link, now_us) ? 1 : 0;
            break;
        case LINK_CONNECTING:
            census.connecting++;
            break;
        case LINK_IDLE:
            census.idle++;
            break;
        case LINK_BUSY:
            census.busy[member->kind]++;
            break;
        }
    }
    return census;
}

/* Writes leave one link to reads. Reads that come in while a round trip of reads is under way share the next one, which is what
 * makes them cheap; so they do not spread over more than half of the links. */
static unsigned share_of(const struct worker *worker, enum kind kind) {
    if (worker->member_count == 1)
        return 1;
    return kind == WRITES ? worker->member_count - 1 : (worker->member_count + 1) / 2;
}

bool may_carry(const struct worker *worker, const struct census *census, enum kind kind) {
    return census->busy[kind] < share_of(worker, kind);
}

unsigned links_wanted(const struct worker *worker, const struct census *census) {
    unsigned wanted = 0;
    for (enum kind kind = READS; kind < KINDS; kind++) {
        if (!may_carry(worker, census, kind))
            continue;
        unsigned waiting = worker->waiting[kind].count, left = share_of(worker, kind) - census->busy[kind];
        unsigned round_trips = kind == READS ? (waiting + LINK_QUERIES_MAX - 1) / LINK_QUERIES_MAX : waiting;
        wanted += round_trips < left ? round_trips : left;
    }
    return wanted > census->connecting ? wanted - census->connecting : 0;
}

/* ---- taking ---- */

static const struct db_query *first_waiting(const struct worker *worker, enum kind kind) {
    const struct lane_job *job = lanes_first(&worker->waiting[kind]);
    return job == NULL ? NULL : container_of(job, struct db_query, job);
}

void take_late(struct worker *worker, int64_t now_us, struct query_list *late) {
    const struct db_query *first;
    pthread_mutex_lock(admission_lock(worker->admission));
    for (enum kind kind = READS; kind < KINDS; kind++) {
        while ((first = first_waiting(worker, kind)) != NULL && first->turn_deadline_us < now_us) {
            list_append(late, query_of(lanes_take(&worker->waiting[kind])));
            admission_begin(worker->admission, 1);
            admission_end_late(worker->admission);
        }
    }
    pthread_mutex_unlock(admission_lock(worker->admission));
}

/* One write; or as many reads as may share a round trip: one that is not prepared yet is sent alone, since its failure would make
 * the others run again. */
static unsigned take_of_kind(struct worker *worker, const struct link *link, enum kind kind,
                             struct db_query *queries[LINK_QUERIES_MAX]) {
    unsigned count = 0;
    const struct db_query *next;
    while (count < LINK_QUERIES_MAX && (next = first_waiting(worker, kind)) != NULL) {
        bool can_share = kind == READS && link_is_prepared(link, next->statement);
        if (count > 0 && !can_share)
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
        if (may_carry(worker, census, member->kind))
            count = take_of_kind(worker, &member->link, member->kind, queries);
    }
    pthread_mutex_unlock(admission_lock(worker->admission));
    return count;
}

unsigned take_round_trip(struct worker *worker, struct member *member, const struct census *census, int64_t now_us,
                         struct db_query *queries[LINK_QUERIES_MAX]) {
    struct db_query *again = list_take(&member->repeated);
    if (again == NULL)
        again = list_take(&worker->alone);
    if (again == NULL)
        again = take_due(&worker->paused, now_us);
    if (again == NULL)
        return take_from_queue(worker, member, census, queries);
    member->kind = again->statement->only_reads ? READS : WRITES;
    queries[0] = again;
    return 1;
}
