#include "worker.h"

#include "instant.h"
#include "workshop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EVENTS 512
#define ARRIVALS_A_ROUND 256
#define IDLE_OPENING_AT_ONCE 64U

/* ---- timers ---- */

static void timers_sift_up(struct timer *timers, size_t at) {
    struct timer timer = timers[at];
    for (; at > 0 && timers[(at - 1) / 2].due_ns > timer.due_ns; at = (at - 1) / 2)
        timers[at] = timers[(at - 1) / 2];
    timers[at] = timer;
}

static void timers_sift_down(struct timer *timers, size_t count, struct timer timer) {
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && timers[child + 1].due_ns < timers[child].due_ns)
            child++;
        if (timers[child].due_ns >= timer.due_ns)
            break;
        timers[at] = timers[child];
        at = child;
    }
    timers[at] = timer;
}

bool worker_add_timer(struct worker *worker, struct request *request) {
    if (worker->timers_count == worker->timers_size) {
        size_t size = worker->timers_size == 0 ? 1024 : worker->timers_size * 2;
        struct timer *timers = realloc(worker->timers, size * sizeof *timers);
        if (timers == NULL) {
            worker_trouble(worker, TROUBLE_NO_MEMORY, request->endpoint, 0);
            dispatch_destroy(request);
            return false;
        }
        worker->timers = timers;
        worker->timers_size = size;
    }
    request->place = PLACE_TIMER;
    worker->timers[worker->timers_count] = (struct timer){ request->due_ns, request };
    timers_sift_up(worker->timers, worker->timers_count++);
    return true;
}

static struct request *timers_take(struct worker *worker) {
    struct request *request = worker->timers[0].request;
    struct timer last = worker->timers[--worker->timers_count];
    if (worker->timers_count > 0)
        timers_sift_down(worker->timers, worker->timers_count, last);
    return request;
}

/* What was to come and will not: nobody counts it, since it was never due. Tokens go on being renewed. */
static void drop_timers(struct worker *worker) {
    size_t count = worker->timers_count;
    worker->timers_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct timer timer = worker->timers[i];
        if (timer.request->purpose == PURPOSE_RENEW) {
            worker->timers[worker->timers_count] = timer;
            timers_sift_up(worker->timers, worker->timers_count++);
        } else {
            dispatch_destroy(timer.request);
        }
    }
}

/* ---- orders ---- */

void worker_trouble(struct worker *worker, enum worker_trouble trouble, enum endpoint endpoint, unsigned status) {
    worker->share->trouble_endpoint = (int)endpoint;
    worker->share->trouble_status = status;
    worker->share->trouble = (int)trouble;
    worker->accepting = false;
}

static void plan_next_arrival(struct worker *worker) {
    int64_t next = worker->arrivals_left == 0 ? -1 : schedule_next(&worker->schedule);
    worker->arrivals_left -= next < 0 ? 0 : 1;
    worker->next_due_ns = next < 0 ? INT64_MAX : worker->order.begin_ns + next;
}

static uint64_t own_part_of(const struct worker *worker, uint64_t count) {
    uint64_t workers = worker->plan->workers;
    return count / workers + (count % workers > worker->number ? 1 : 0);
}

static void begin_order(struct worker *worker) {
    const struct order *order = &worker->order;
    worker->accepting = true;
    worker->next_due_ns = INT64_MAX;
    worker->end_ns = order->duration_ns == 0 ? INT64_MAX : order->begin_ns + order->duration_ns;
    worker->users = worker->users_done = 0;
    dispatch_forget_users(worker);
    worker->share->users_done = 0;
    if (order->kind == ORDER_LOAD) {
        schedule_init(&worker->schedule, worker->plan->arrivals, order->legs, order->legs_count, order->seed, worker->number,
                      worker->plan->workers);
        worker->arrivals_left = order->requests == 0 ? UINT64_MAX : own_part_of(worker, order->requests);
        plan_next_arrival(worker);
    } else if (order->kind == ORDER_USERS) {
        flow_begin_users(worker);
        worker->accepting = worker->users > 0;
    } else if (order->kind == ORDER_PREPARE) {
        flow_begin_prepare(worker);
    }
}

static void take_order(struct worker *worker) {
    struct order order;
    ssize_t got = read(worker->orders, &order, sizeof order);
    if (got < 0 && errno == EINTR)
        return;
    if (got != (ssize_t)sizeof order || order.kind == ORDER_QUIT) {
        worker->quit = true;
    } else if (order.kind == ORDER_STOP) {
        worker->accepting = false;
    } else {
        worker->order = order;
        begin_order(worker);
    }
}

/* ---- one round ---- */

static void issue_arrivals(struct worker *worker, int64_t now_ns) {
    for (unsigned i = 0; i < ARRIVALS_A_ROUND && worker->accepting && worker->next_due_ns <= now_ns; i++) {
        flow_arrive(worker, PURPOSE_LOAD, 0, worker->next_due_ns);
        plan_next_arrival(worker);
    }
    for (unsigned i = 0; i < 2 * ARRIVALS_A_ROUND && worker->timers_count > 0 && worker->timers[0].due_ns <= now_ns; i++)
        dispatch_issue(worker, timers_take(worker), instant_now());
}

static void open_idle(struct worker *worker) {
    uint64_t wanted = own_part_of(worker, worker->order.connections);
    for (unsigned i = 0; i < IDLE_OPENING_AT_ONCE && worker->accepting && worker->connections_count < wanted; i++)
        if (!dispatch_open_idle(worker))
            return;
}

static bool has_future_load(const struct worker *worker) {
    for (size_t i = 0; i < worker->timers_count; i++)
        if (worker->timers[i].request->purpose != PURPOSE_RENEW)
            return true;
    return false;
}

/* The end of the arrivals, and the end of the order. */
static void look_for_end(struct worker *worker, int64_t now_ns) {
    const struct order *order = &worker->order;
    if (worker->share->finished == order->number)
        return;
    if (worker->accepting && now_ns >= worker->end_ns)
        worker->accepting = false;
    if (!worker->accepting)
        drop_timers(worker);
    bool arrivals_over = !worker->accepting || (order->kind == ORDER_LOAD && worker->next_due_ns == INT64_MAX);
    if (arrivals_over && worker->share->in_flight == 0 && !has_future_load(worker)) {
        worker->accepting = false;
        worker->share->finished = order->number;
    }
}

static int64_t earliest(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_wake(const struct worker *worker, int64_t now_ns) {
    bool under_way = worker->share->finished != worker->order.number;
    int64_t wake = now_ns + (under_way ? 20 * NS_PER_MS : NS_PER_S);
    if (worker->accepting)
        wake = earliest(wake, worker->next_due_ns);
    if (worker->timers_count > 0)
        wake = earliest(wake, worker->timers[0].due_ns);
    if (worker->oldest != NULL)
        wake = earliest(wake, worker->oldest->issued_ns + worker->plan->timeout_ns);
    return wake;
}

static int wait_for_events(struct worker *worker, struct epoll_event *events) {
    int64_t now = instant_now();
    int64_t left = next_wake(worker, now) - now;
    struct timespec timeout = { .tv_sec = 0 };
    if (left > 0) {
        timeout.tv_sec = (time_t)(left / NS_PER_S);
        timeout.tv_nsec = (long)(left % NS_PER_S);
    }
    worker->slept_ns = now;
    worker->busy_ns = now - worker->woke_ns;
    int count = epoll_pwait2(worker->epoll, events, EVENTS, &timeout, NULL);
    worker->woke_ns = instant_now();
    worker->round++;
    return count;
}

static void handle_events(struct worker *worker) {
    struct epoll_event events[EVENTS];
    int count = wait_for_events(worker, events);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection == NULL)
            take_order(worker);
        else if (connection->opened_in != worker->round)
            dispatch_connection_event(worker, connection);
    }
}

static void run_round(struct worker *worker) {
    int64_t now = instant_now();
    issue_arrivals(worker, now);
    dispatch_expire(worker, now);
    if (worker->order.kind == ORDER_IDLE)
        open_idle(worker);
    if (now - worker->renewed_ns > NS_PER_S) {
        worker->renewed_ns = now;
        flow_renew_tokens(worker, now);
    }
    dispatch_settle(worker, now);
    look_for_end(worker, now);
    handle_events(worker);
}

/* ---- the process ---- */

static bool open_loop(struct worker *worker) {
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    return worker->epoll >= 0 && epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->orders, &event) == 0;
}

static bool furnish(struct worker *worker) {
    const struct plan *plan = worker->plan;
    size_t sessions = own_part_of(worker, plan->sessions);
    worker->connections = calloc(plan->connections_max, sizeof *worker->connections);
    if (worker->connections == NULL || !open_loop(worker) || !messages_init(&worker->messages, plan) ||
        !actors_init(&worker->actors, plan, worker->number, sessions))
        return false;
    for (size_t i = plan->connections_max; i > 0; i--) {
        worker->connections[i - 1].next_idle = worker->closed;
        worker->closed = &worker->connections[i - 1];
    }
    random_init(&worker->random, plan->seed * 7919 + worker->number);
    worker->sources = plan->sources;
    worker->source = worker->number;
    return true;
}

static void clear_out(struct worker *worker) {
    if (worker->connections != NULL)
        dispatch_destroy_all(worker);
    messages_fini(&worker->messages);
    actors_fini(&worker->actors);
    free(worker->connections);
    free(worker->kept);
    free(worker->timers);
    if (worker->epoll >= 0)
        close(worker->epoll);
}

int worker_run(const struct plan *plan, unsigned number, int orders_fd, struct worker_share *share) {
    signal(SIGINT, SIG_IGN); /* what is sent to the whole group is for the tester, who decides what it means */
    signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return 1;
    worker->plan = plan;
    worker->share = share;
    worker->number = number;
    worker->orders = orders_fd;
    worker->epoll = -1;
    worker->woke_ns = instant_now();
    bool furnished = furnish(worker);
    if (!furnished)
        worker_trouble(worker, TROUBLE_NO_MEMORY, ENDPOINT_LOGIN, 0);
    while (furnished && !worker->quit)
        run_round(worker);
    clear_out(worker);
    free(worker);
    return furnished ? 0 : 1;
}
