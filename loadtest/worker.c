#include "worker.h"

#include "dispatch.h"
#include "flow.h"
#include "instant.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EVENTS 512
#define ARRIVALS_A_ROUND 256
#define TIMERS_A_ROUND 512
#define IDLE_OPENING_AT_ONCE 64U
#define WAKE_DURING_ORDER_NS (20 * NS_PER_MS)

struct worker {
    const struct plan *plan;
    struct worker_share *share;
    unsigned number;
    int epoll, orders_fd;
    bool quit;

    struct order order;
    int64_t end_ns; /* of a closed loop */
    struct schedule schedule;
    int64_t next_due_ns; /* of the schedule; INT64_MAX: none */
    uint64_t arrivals_left;

    struct loop_times loop;
    int64_t renewed_ns; /* when tokens were last checked */
    struct actors actors;
    struct timers timers;
    struct flow flow;
    struct dispatch dispatch;
};

/* ---- orders ---- */

static void plan_next_arrival(struct worker *worker) {
    int64_t next = worker->arrivals_left == 0 ? -1 : schedule_next(&worker->schedule);
    worker->arrivals_left -= next < 0 ? 0 : 1;
    worker->next_due_ns = next < 0 ? INT64_MAX : worker->order.begin_ns + next;
}

static uint64_t own_part_of(const struct worker *worker, uint64_t count) {
    uint64_t workers = worker->plan->workers;
    return count / workers + (count % workers > worker->number ? 1 : 0);
}

static void begin_load(struct worker *worker) {
    const struct order *order = &worker->order;
    schedule_init(&worker->schedule, worker->plan->arrivals, order->segments, order->segments_count, order->seed, worker->number,
                  worker->plan->workers);
    worker->arrivals_left = order->requests == 0 ? UINT64_MAX : own_part_of(worker, order->requests);
    plan_next_arrival(worker);
}

/* Each user keeps its connection, as a browser does, if there are enough of them: a server may treat its connections differently.
 */
static void begin_users(struct worker *worker) {
    unsigned workers = worker->plan->workers, users = worker->order.users;
    bool keep = connection_pool_keep_for_users(&worker->dispatch.connections, (users + workers - 1) / workers);
    flow_begin_users(&worker->flow, users, keep);
}

static void begin_order(struct worker *worker) {
    const struct order *order = &worker->order;
    worker->next_due_ns = INT64_MAX;
    worker->end_ns = order->duration_ns == 0 ? INT64_MAX : order->begin_ns + order->duration_ns;
    connection_pool_forget_users(&worker->dispatch.connections);
    flow_begin(&worker->flow, order->begin_ns);
    if (order->kind == ORDER_LOAD)
        begin_load(worker);
    else if (order->kind == ORDER_USERS)
        begin_users(worker);
    else if (order->kind == ORDER_PREPARE)
        flow_begin_preparation(&worker->flow);
}

static void take_order(struct worker *worker) {
    struct order order;
    ssize_t got = read(worker->orders_fd, &order, sizeof order);
    if (got < 0 && errno == EINTR)
        return;
    if (got != (ssize_t)sizeof order || order.kind == ORDER_QUIT) {
        worker->quit = true;
    } else if (order.kind == ORDER_STOP) {
        flow_stop(&worker->flow);
    } else {
        worker->order = order;
        begin_order(worker);
    }
}

/* The end of the arrivals, and the end of the order. */
static void check_for_end(struct worker *worker, int64_t now_ns) {
    const struct order *order = &worker->order;
    if (worker->share->finished == order->number)
        return;
    if (now_ns >= worker->end_ns)
        flow_stop(&worker->flow);
    bool is_accepting = flow_is_accepting(&worker->flow);
    if (!is_accepting)
        timers_drop_load(&worker->timers); /* they were never due, so nothing counts them */
    bool arrivals_over = !is_accepting || (order->kind == ORDER_LOAD && worker->next_due_ns == INT64_MAX);
    if (arrivals_over && worker->share->in_flight == 0 && !timers_have_load(&worker->timers)) {
        flow_stop(&worker->flow);
        worker->share->finished = order->number;
    }
}

/* ---- one round ---- */

static void issue_arrivals(struct worker *worker, int64_t now_ns) {
    struct request *request;
    for (unsigned i = 0; i < ARRIVALS_A_ROUND && flow_is_accepting(&worker->flow) && worker->next_due_ns <= now_ns; i++) {
        flow_arrive(&worker->flow, worker->next_due_ns);
        plan_next_arrival(worker);
    }
    for (unsigned i = 0; i < TIMERS_A_ROUND && (request = timers_take_due(&worker->timers, now_ns)) != NULL; i++)
        dispatch_issue(&worker->dispatch, request, instant_now());
}

static void open_idle(struct worker *worker) {
    uint64_t wanted = own_part_of(worker, worker->order.connections);
    for (unsigned i = 0; i < IDLE_OPENING_AT_ONCE && flow_is_accepting(&worker->flow); i++)
        if (worker->dispatch.connections.open_count >= wanted || !dispatch_open_idle(&worker->dispatch))
            return;
}

/* Until nothing moves: what follows a request may free a session, and what then goes out may end at once. */
static void settle(struct worker *worker, int64_t now_ns) {
    struct request *request;
    do {
        while ((request = dispatch_take_ended(&worker->dispatch)) != NULL)
            flow_continue(&worker->flow, request);
        dispatch_settle(&worker->dispatch, now_ns);
    } while (dispatch_has_ended(&worker->dispatch));
}

static int64_t earliest(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_wake(const struct worker *worker, int64_t now_ns) {
    bool under_way = worker->share->finished != worker->order.number;
    int64_t wake = now_ns + (under_way ? WAKE_DURING_ORDER_NS : NS_PER_S);
    if (flow_is_accepting(&worker->flow))
        wake = earliest(wake, worker->next_due_ns);
    wake = earliest(wake, timers_next_ns(&worker->timers));
    return earliest(wake, dispatch_next_timeout_ns(&worker->dispatch));
}

static int wait_for_events(struct worker *worker, struct epoll_event *events) {
    int64_t now = instant_now();
    int64_t left = next_wake(worker, now) - now;
    struct timespec timeout = { .tv_sec = 0 };
    if (left > 0) {
        timeout.tv_sec = (time_t)(left / NS_PER_S);
        timeout.tv_nsec = (long)(left % NS_PER_S);
    }
    worker->loop.slept_ns = now;
    worker->loop.busy_ns = now - worker->loop.woke_ns;
    int count = epoll_pwait2(worker->epoll, events, EVENTS, &timeout, NULL);
    worker->loop.woke_ns = instant_now();
    worker->loop.round++;
    return count;
}

static void handle_events(struct worker *worker) {
    struct epoll_event events[EVENTS];
    int count = wait_for_events(worker, events);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection == NULL) {
            take_order(worker);
        } else if (connection->opened_in != worker->loop.round) {
            dispatch_handle(&worker->dispatch, connection);
            settle(worker, instant_now());
        }
    }
}

static void run_round(struct worker *worker) {
    int64_t now = instant_now();
    issue_arrivals(worker, now);
    dispatch_expire(&worker->dispatch, now);
    if (worker->order.kind == ORDER_IDLE)
        open_idle(worker);
    if (now - worker->renewed_ns > NS_PER_S) {
        worker->renewed_ns = now;
        flow_renew_tokens(&worker->flow, now);
    }
    settle(worker, now);
    check_for_end(worker, now);
    handle_events(worker);
}

/* ---- the process ---- */

static bool worker_init(struct worker *worker, const struct plan *plan, unsigned number, int orders_fd,
                        struct worker_share *share) {
    worker->plan = plan;
    worker->share = share;
    worker->number = number;
    worker->orders_fd = orders_fd;
    worker->loop.woke_ns = instant_now();
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    flow_init(&worker->flow, plan, share, &worker->actors, &worker->timers, number);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    bool has_loop = worker->epoll >= 0 && epoll_ctl(worker->epoll, EPOLL_CTL_ADD, orders_fd, &event) == 0;
    bool has_actors = actors_init(&worker->actors, plan, number, own_part_of(worker, plan->sessions));
    bool has_dispatch = dispatch_init(&worker->dispatch, plan, share, &worker->actors, &worker->loop, worker->epoll, number);
    return has_loop && has_actors && has_dispatch;
}

static void worker_cleanup(struct worker *worker) {
    dispatch_fini(&worker->dispatch);
    timers_fini(&worker->timers);
    actors_fini(&worker->actors);
    if (worker->epoll >= 0)
        close(worker->epoll);
}

int worker_run(const struct plan *plan, unsigned number, int orders_fd, struct worker_share *share) {
    signal(SIGINT, SIG_IGN); /* what is sent to the whole group is for the tester, which decides what it means */
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return 1;
    bool ready = worker_init(worker, plan, number, orders_fd, share);
    if (!ready)
        share_report_trouble(share, TROUBLE_NO_MEMORY, ENDPOINT_LOGIN);
    while (ready && !worker->quit)
        run_round(worker);
    worker_cleanup(worker);
    free(worker);
    return ready ? 0 : 1;
}
