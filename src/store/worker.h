/*
 * worker: one thread of the executor (db_executor.h), its connections and its queue.
 *
 * The thread repeats: send what waits on the links that are idle; poll all links and its eventfd; receive, and end the queries
 * whose round trips have ended. What comes in while it is busy is sent together, and the replies come back together.
 *
 * A query is waiting in the queue; or it counts as running for the admission: under way on a link, or about to be run again. A
 * waiting one ends when its turn's deadline passes, one that is about to be run again with its deadline, wherever it is, and both
 * at once when no connection can be had.
 */
#ifndef JWTD_STORE_WORKER_H
#define JWTD_STORE_WORKER_H

#include "link.h"

#include "jwtd/admission.h"
#include "jwtd/thread.h"

#include <poll.h>

enum kind { READS, WRITES, KINDS };

struct query_list {
    struct db_query *first, *last;
};

/* A link, and the queries that must be run on it again as soon as it is open. */
struct member {
    struct link link;
    enum kind kind; /* of its round trip */
    struct query_list repeated;
};

struct worker {
    struct admission *admission; /* of the executor; its lock guards the first group */

    struct lanes waiting[KINDS];
    int64_t first_turn_us;  /* no turn of one that waits is over before this moment */
    bool sleeps[KINDS];     /* the thread polls, and could send one that comes */
    bool is_cut_off[KINDS]; /* it can have no link for this kind for now */
    int64_t wakes_us;       /* it polls until this moment; 0: it does not poll */
    bool is_stopping;

    struct thread thread;
    int wake_fd; /* an eventfd */

    /* of the thread alone */
    struct query_list alone, paused;
    enum kind next_kind;   /* whose turn it is */
    int64_t report_us;     /* when admission_report is due */
    unsigned *healthy;     /* members of all workers that are not in back-off; guarded by the lock */
    unsigned healthy_here; /* this worker's part of it */
    unsigned member_count;
    struct member *members;
    struct pollfd *polled; /* one for each member, and the eventfd */
};

/* ---- schedule.c: lists, and which queries make the next round trip ---- */

void list_append(struct query_list *list, struct db_query *query);
struct db_query *list_take(struct query_list *list); /* NULL: it is empty */

/* True: the thread must be woken. The lock is held. */
bool put_in_queue(struct worker *worker, struct db_query *query);

/* The members by what they do now. The first of several is kept for reads; each of the others carries both kinds, and counts for
 * both, but as busy for the one that it carries. */
struct census {
    unsigned busy[KINDS], idle[KINDS], connecting[KINDS];
    unsigned closed[KINDS]; /* may be opened now; the others are in back-off */
    unsigned usable[KINDS]; /* all that are not in back-off */
    unsigned again[KINDS];  /* queries that are to be run again now, on any of them */
};
struct census census_of(const struct worker *worker, int64_t now_us);

/* Whether this member may carry statements of this kind. */
bool serves(const struct worker *worker, const struct member *member, enum kind kind);

/* Whether one more link may carry this kind. */
bool may_carry(const struct worker *worker, const struct census *census, enum kind kind);

/* How many links should be opened for what waits of this kind; the lock is held. */
unsigned links_wanted(const struct worker *worker, const struct census *census, enum kind kind);

/* Whether one more link could carry something of this kind that waits; the lock is held. */
bool has_round_trip(const struct worker *worker, const struct census *census, enum kind kind);

/* Takes those that wait and whose turn comes too late; and of a list those whose deadline has passed. */
void take_late(struct worker *worker, int64_t now_us, struct query_list *late);
void take_expired(struct query_list *list, int64_t now_us, struct query_list *expired);

/* Takes all of a kind that wait, which counts them as running, and those of a list. */
void take_all_waiting(struct worker *worker, enum kind kind, struct query_list *taken);
void take_kind(struct query_list *list, enum kind kind, struct query_list *taken);

/* When a query of the list is due to be run again, or misses its deadline; INT64_MAX: it is empty. */
int64_t list_moment(const struct query_list *list, int64_t now_us);

/* When the next round trip of reads will be held up, so that waiting ones may use another link; INT64_MAX: there is none. */
int64_t held_up_moment(const struct worker *worker, int64_t now_us);

/* Takes the queries of the next round trip of this IDLE link; 0: there is none for it. */
unsigned take_round_trip(struct worker *worker, struct member *member, const struct census *census, int64_t now_us,
                         struct db_query *queries[LINK_QUERIES_MAX]);

/* ---- worker.c ---- */

/* Opens the eventfd and allocates the members, no connection yet. False, with errno: out of memory or of descriptors. */
bool worker_init(struct worker *worker, struct admission *admission, const struct db_options *options, unsigned connections,
                 unsigned *healthy) MUST_CHECK;
void worker_fini(struct worker *worker);

void worker_run(void *worker); /* the thread; returns when is_stopping is set and every query of the executor is done */
void worker_wake(struct worker *worker);

#endif
