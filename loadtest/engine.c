#include "engine.h"

#include "display.h"
#include "instant.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BEGIN_AFTER_NS (20 * NS_PER_MS)
#define SENTENCE_SIZE 512

struct worker_handle {
    pid_t pid; /* 0: not started, or waited for */
    int orders;
    struct worker_share *share;
};

struct engine {
    const struct plan *plan;
    struct worker_handle workers[ENGINE_WORKERS_MAX];
    uint64_t orders_sent;
    bool worker_died;
    char sentence[SENTENCE_SIZE];
};

/* ---- processes ---- */

static int be_worker(const struct engine *engine, unsigned number, int orders, pid_t tester) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != tester)
        return 1;
    for (unsigned i = 0; i < number; i++) /* the pipes of those before, which must end when the tester closes them */
        close(engine->workers[i].orders);
    close(engine->workers[number].orders);
    return worker_run(engine->plan, number, orders, engine->workers[number].share);
}

static bool start_worker(struct engine *engine, unsigned number) {
    struct worker_handle *worker = &engine->workers[number];
    int ends[2];
    worker->share = mmap(NULL, sizeof *worker->share, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (worker->share == MAP_FAILED) {
        worker->share = NULL;
        return false;
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t tester = getpid();
    worker->orders = ends[1];
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid == 0)
        _exit(be_worker(engine, number, ends[0], tester));
    close(ends[0]);
    if (worker->pid > 0)
        return true;
    worker->pid = 0;
    close(ends[1]);
    return false;
}

struct engine *engine_create(const struct plan *plan, char *error, size_t error_size) {
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        snprintf(error, error_size, "no memory");
        return NULL;
    }
    assert(plan->workers > 0 && plan->workers <= ENGINE_WORKERS_MAX);
    engine->plan = plan;
    for (unsigned i = 0; i < plan->workers; i++) {
        if (!start_worker(engine, i)) {
            snprintf(error, error_size, "worker process %u cannot be started: %s", i, strerror(errno));
            engine_destroy(engine);
            return NULL;
        }
    }
    return engine;
}

static void send_order(struct engine *engine, const struct order *order) {
    for (unsigned i = 0; i < engine->plan->workers; i++) {
        /* a pipe takes so little at once or not at all; a worker that has died is noticed by engine_state */
        if (engine->workers[i].pid > 0 && write(engine->workers[i].orders, order, sizeof *order) < 0)
            engine->worker_died = true;
    }
}

void engine_destroy(struct engine *engine) {
    if (engine == NULL)
        return;
    send_order(engine, &(struct order){ .kind = ORDER_QUIT });
    for (unsigned i = 0; i < engine->plan->workers; i++) {
        struct worker_handle *worker = &engine->workers[i];
        if (worker->pid > 0) {
            close(worker->orders);
            while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
                continue;
        }
        if (worker->share != NULL)
            munmap(worker->share, sizeof *worker->share);
    }
    free(engine);
}

size_t engine_pids(const struct engine *engine, int pids[ENGINE_WORKERS_MAX]) {
    size_t count = 0;
    for (unsigned i = 0; i < engine->plan->workers; i++)
        if (engine->workers[i].pid > 0)
            pids[count++] = engine->workers[i].pid;
    return count;
}

/* ---- orders ---- */

int64_t engine_begin(struct engine *engine, const struct order *order) {
    struct order numbered = *order;
    numbered.number = ++engine->orders_sent;
    numbered.begin_ns = instant_now() + BEGIN_AFTER_NS;
    send_order(engine, &numbered);
    return numbered.begin_ns;
}

void engine_stop(struct engine *engine) {
    send_order(engine, &(struct order){ .kind = ORDER_STOP });
}

static void reap_workers(struct engine *engine) {
    for (unsigned i = 0; i < engine->plan->workers; i++) {
        struct worker_handle *worker = &engine->workers[i];
        if (worker->pid > 0 && waitpid(worker->pid, NULL, WNOHANG) == worker->pid) {
            worker->pid = 0;
            close(worker->orders);
            engine->worker_died = true;
        }
    }
}

enum worker_trouble engine_trouble_kind(const struct engine *engine) {
    for (unsigned i = 0; i < engine->plan->workers; i++)
        if (engine->workers[i].share->trouble != TROUBLE_NONE)
            return (enum worker_trouble)engine->workers[i].share->trouble;
    return TROUBLE_NONE;
}

enum engine_state engine_state(struct engine *engine) {
    reap_workers(engine);
    if (engine->worker_died || engine_trouble_kind(engine) != TROUBLE_NONE)
        return ENGINE_TROUBLE;
    for (unsigned i = 0; i < engine->plan->workers; i++)
        if (engine->workers[i].share->finished != engine->orders_sent)
            return ENGINE_BUSY;
    return ENGINE_DONE;
}

/* ---- trouble ---- */

static const char *const sentences[] = {
    [TROUBLE_NO_PORTS] =
        "failpoint has used up the ports of its addresses (EADDRNOTAVAIL): leave out --new-connections, or come from "
        "more addresses with --sources",
    [TROUBLE_NO_DESCRIPTORS] = "failpoint has no descriptors or memory for sockets left: raise ulimit -n, or use more --workers",
    [TROUBLE_NO_MEMORY] = "failpoint has no memory left",
};

/* What to do about a status that is not the right one. */
static const char *advice_for(const struct api_call *call, enum endpoint endpoint, unsigned status) {
    switch (status) {
    case 404:
        return ": there is no such path. Is the URL right? --api FILE names the paths of another service";
    case 405:
        return ": it does not take this method. --api FILE names the methods of another service";
    case 401:
    case 403:
        if (endpoint == ENDPOINT_LOGIN)
            return ": the account is there with another password (--email, --password), or not at all";
        return call->bearer ? ": it does not accept the access token of its own login" : "";
    default:
        return status >= 500 ? ": it fails without any load" : "";
    }
}

/* "POST http://127.0.0.1:8080/auth/login answers 200, but without the member access_token". */
static void write_wrong_reply(char *sentence, size_t size, const struct plan *plan, enum endpoint endpoint, unsigned status,
                              enum reply_fault fault) {
    char what[128];
    const struct api_call *call = &plan->api.calls[endpoint];
    int len = snprintf(sentence, size, "%s %s%s", call->method, plan->target.url, call->path);
    if (len < 0 || (size_t)len >= size)
        return;
    sentence += len;
    size -= (size_t)len;
    fault_describe(fault, call, what, sizeof what);
    if (status == 0)
        snprintf(sentence, size, ": %s", what);
    else if (fault == FAULT_STATUS)
        snprintf(sentence, size, " answers %u, where %u means success", status, call->statuses[0]);
    else if (fault != FAULT_NONE)
        snprintf(sentence, size, " answers %u, but %s", status, what);
    else
        snprintf(sentence, size, " answers %u%s", status, advice_for(call, endpoint, status));
}

bool engine_describe_wrong_reply(const struct engine *engine, char *text, size_t size) {
    for (unsigned i = 0; i < engine->plan->workers; i++) {
        const struct worker_share *share = engine->workers[i].share;
        if (share->wrong_fault == FAULT_NONE)
            continue;
        write_wrong_reply(text, size, engine->plan, (enum endpoint)share->wrong_endpoint, share->wrong_status,
                          (enum reply_fault)share->wrong_fault);
        return true;
    }
    return false;
}

/* "POST http://127.0.0.1:8080/auth/login: it does not answer within 5 s (--timeout)". */
static void write_no_reply(char *sentence, size_t size, const struct plan *plan, const struct api_call *call,
                           enum reply_fault fault) {
    char what[128], timeout[DISPLAY_NUMBER_SIZE], within[64] = "";
    if (fault_is_timeout(fault))
        snprintf(within, sizeof within, " within %s (--timeout)",
                 display_ms((double)plan->timeout_ns / (double)NS_PER_MS, timeout));
    snprintf(sentence, size, "%s %s%s: %s%s", call->method, plan->target.url, call->path,
             fault == FAULT_NONE ? "no answer" : fault_describe(fault, call, what, sizeof what), within);
}

const char *engine_trouble(struct engine *engine) {
    enum worker_trouble trouble = engine_trouble_kind(engine);
    const struct worker_share *share = engine->workers[0].share;
    for (unsigned i = 0; i < engine->plan->workers; i++)
        if (engine->workers[i].share->trouble != TROUBLE_NONE)
            share = engine->workers[i].share;
    const struct api_call *call = &engine->plan->api.calls[share->trouble_endpoint];
    const char *url = engine->plan->target.url;
    switch (trouble) {
    case TROUBLE_NONE:
        return engine->worker_died ? "a worker process of failpoint has died" : NULL;
    case TROUBLE_REFUSED:
        snprintf(engine->sentence, SENTENCE_SIZE, "%s %s%s: connection refused", call->method, url, call->path);
        return engine->sentence;
    case TROUBLE_UNREACHABLE:
        write_no_reply(engine->sentence, SENTENCE_SIZE, engine->plan, call, (enum reply_fault)share->trouble_fault);
        return engine->sentence;
    case TROUBLE_RATE_LIMITED:
        snprintf(engine->sentence, SENTENCE_SIZE,
                 "the rate limiter answers 429 to %s %s before the test has begun: raise limit.%s of the server, or set "
                 "limit.enabled=false for the test",
                 call->method, call->path, endpoint_name((enum endpoint)share->trouble_endpoint));
        return engine->sentence;
    case TROUBLE_NOT_ADMITTED:
        write_wrong_reply(engine->sentence, SENTENCE_SIZE, engine->plan, (enum endpoint)share->trouble_endpoint,
                          share->trouble_status, (enum reply_fault)share->trouble_fault);
        return engine->sentence;
    default:
        return sentences[trouble];
    }
}

/* ---- counts ---- */

void engine_read(const struct engine *engine, struct engine_view *view) {
    *view = (struct engine_view){ .taken_ns = instant_now() };
    for (unsigned i = 0; i < engine->plan->workers; i++) {
        const struct worker_share *share = engine->workers[i].share;
        view->in_flight += share->in_flight;
        view->waiting += share->waiting;
        view->connections += share->connections;
        view->users_done += share->users_done;
        view->sessions += share->sessions;
        view->opened += share->opened;
        view->retried += share->retried;
        view->issued += share->issued;
        view->wait_sum_ns += share->wait_sum_ns;
        view->turns.count += share->turns.count;
        view->turns.ok += share->turns.ok;
        view->turns.sum_ns += share->turns.sum_ns;
        histogram_add(&view->lag, &share->lag);
        histogram_add(&view->logged_in, &share->logged_in);
        for (size_t j = 0; j < ENDPOINTS; j++)
            tally_add(&view->tallies[j], &share->tallies[j]);
    }
}

void engine_view_subtract(struct engine_view *later, const struct engine_view *earlier) {
    later->opened -= earlier->opened;
    later->retried -= earlier->retried;
    later->issued -= earlier->issued;
    later->wait_sum_ns -= earlier->wait_sum_ns;
    later->turns.count -= earlier->turns.count;
    later->turns.ok -= earlier->turns.ok;
    later->turns.sum_ns -= earlier->turns.sum_ns;
    histogram_subtract(&later->lag, &earlier->lag);
    histogram_subtract(&later->logged_in, &earlier->logged_in);
    for (size_t j = 0; j < ENDPOINTS; j++)
        tally_subtract(&later->tallies[j], &earlier->tallies[j]);
}
