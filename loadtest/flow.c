#include "flow.h"

#include "instant.h"

#include <assert.h>
#include <math.h>

#define EXPECTATION_REPLIES 32 /* whose mean is what a user expects of an endpoint */
#define PREPARING_AT_ONCE 8
#define PREPARATION_MAX_NS (15 * NS_PER_S) /* with a server that answers 503 meanwhile */
#define PREPARE_PAUSE_NS (200 * NS_PER_MS)
#define RENEW_PAUSE_NS NS_PER_S
#define PAUSE_AFTER_LOSS_NS (100 * NS_PER_MS) /* of a user whose connection was refused or lost */

void flow_init(struct flow *flow, const struct plan *plan, struct worker_share *share, struct actors *actors,
               struct timers *timers, unsigned worker) {
    *flow = (struct flow){ .plan = plan, .share = share, .actors = actors, .timers = timers, .worker = worker };
    random_init(&flow->random, plan->seed * 7919 + worker);
}

void flow_begin(struct flow *flow, int64_t begin_ns) {
    flow->accepting = true;
    flow->begin_ns = begin_ns;
    flow->users = flow->users_done = 0;
    flow->share->users_done = 0;
}

void flow_stop(struct flow *flow) {
    flow->accepting = false;
}

bool flow_is_accepting(const struct flow *flow) {
    return flow->accepting && !share_is_in_trouble(flow->share);
}

/* ---- creating requests ---- */

/* NULL when memory is exhausted, which the share then says. */
static struct request *create(struct flow *flow, enum request_purpose purpose, enum endpoint endpoint, int64_t due_ns) {
    struct request *request = request_create(purpose, endpoint, due_ns);
    if (request == NULL)
        share_report_trouble(flow->share, TROUBLE_NO_MEMORY, endpoint);
    return request;
}

static bool plan_request(struct flow *flow, struct request *request) {
    if (timers_add(flow->timers, request))
        return true;
    share_report_trouble(flow->share, TROUBLE_NO_MEMORY, request->endpoint);
    request_destroy(request);
    return false;
}

static size_t pick_step(struct flow *flow) {
    const struct scenario *scenario = flow->plan->scenario;
    if (scenario->is_flow || scenario->steps_count == 1)
        return 0;
    double at = random_unit(&flow->random) * 100;
    for (size_t i = 0; i < scenario->steps_count; i++) {
        at -= scenario->steps[i].weight;
        if (at <= 0)
            return i;
    }
    return 0;
}

static struct request *create_step(struct flow *flow, enum request_purpose purpose, size_t step, int64_t due_ns) {
    const struct scenario_step *row = &flow->plan->scenario->steps[step];
    struct request *request = create(flow, purpose, row->endpoint, due_ns);
    if (request == NULL)
        return NULL;
    request->step = (unsigned)step;
    request->actor_kind = row->actor;
    return request;
}

void flow_arrive(struct flow *flow, int64_t due_ns) {
    struct request *request = create_step(flow, REQUEST_LOAD, pick_step(flow), due_ns);
    if (request != NULL)
        plan_request(flow, request);
}

/* ---- users ---- */

static bool is_own(const struct flow *flow, unsigned number) {
    return number % flow->plan->workers == flow->worker;
}

static bool user_arrives(struct flow *flow, unsigned user, bool is_first, int64_t due_ns) {
    struct request *request = create_step(flow, REQUEST_USER, pick_step(flow), due_ns);
    if (request == NULL)
        return false;
    request->user = user;
    request->is_first = is_first;
    return plan_request(flow, request);
}

void flow_begin_users(struct flow *flow, unsigned users, bool keep_connections) {
    for (unsigned i = 0; i < users; i++)
        if (is_own(flow, i) && user_arrives(flow, keep_connections ? flow->users + 1 : 0, true, flow->begin_ns))
            flow->users++;
    if (flow->users == 0)
        flow_stop(flow);
}

/* Exponential, so that users do not march in step. */
static int64_t think(struct flow *flow) {
    return (int64_t)((double)flow->plan->think_ns * -log(random_unit(&flow->random)));
}

/* A client that honours Retry-After waits at least that long, and not all of them until the same moment. */
static int64_t user_pause(struct flow *flow, const struct request_outcome *outcome) {
    if (outcome->reply_class == REPLY_REFUSED || outcome->reply_class == REPLY_RESET || outcome->reply_class == REPLY_LOCAL)
        return PAUSE_AFTER_LOSS_NS;
    if (outcome->reply_class != REPLY_SHED || flow->plan->retry_after != RETRY_HONOUR)
        return think(flow);
    int64_t retry_after = outcome->retry_after_s < 0 ? NS_PER_S : outcome->retry_after_s * NS_PER_S;
    return retry_after + (int64_t)(random_unit(&flow->random) * (double)retry_after / 10);
}

static void end_turn(struct flow *flow, const struct request *request, int64_t next_due_ns) {
    if (request->purpose == REQUEST_USER && !request->is_first)
        share_count_turn(flow->share, request->outcome.reply_class, next_due_ns - request->due_ns);
}

static void continue_user(struct flow *flow, const struct request *request) {
    const struct request_outcome *outcome = &request->outcome;
    int64_t next_due = outcome->ended_ns + user_pause(flow, outcome);
    end_turn(flow, request, next_due);
    if (!flow_is_accepting(flow))
        return;
    if (flow->plan->once && outcome->reply_class == REPLY_OK) {
        histogram_record(&flow->share->logged_in, outcome->ended_ns - flow->begin_ns);
        flow->share->users_done++;
        if (++flow->users_done == flow->users)
            flow_stop(flow);
        return;
    }
    user_arrives(flow, request->user, false, next_due);
}

/* ---- scenario flows ---- */

/* Only the first replies count: later ones may be as slow as they like without moving the expectation. */
static void learn_expectation(struct flow *flow, const struct request *request) {
    struct expectation *expected = &flow->expected[request->endpoint];
    if (expected->count == EXPECTATION_REPLIES)
        return;
    expected->count++;
    expected->latency_sum_ns += (uint64_t)(request->outcome.ended_ns - request->due_ns);
}

/* The next step is due when the user expects to come to it, even if the reply is late. False: there is none. */
static bool continue_scenario(struct flow *flow, struct request *request) {
    const struct scenario *scenario = flow->plan->scenario;
    const struct expectation *expected = &flow->expected[request->endpoint];
    if (!scenario->is_flow || request->step + 1 == scenario->steps_count)
        return false;
    assert(expected->count > 0);
    int64_t due = request->due_ns + (int64_t)(expected->latency_sum_ns / expected->count) + think(flow);
    struct request *next = create_step(flow, request->purpose, request->step + 1, due);
    if (next == NULL)
        return false;
    end_turn(flow, request, due);
    request_pass_actor(request, next);
    next->user = request->user;
    return plan_request(flow, next);
}

/* ---- tokens ---- */

static void renew(struct flow *flow, struct actor *actor, int64_t due_ns) {
    struct request *request = create(flow, REQUEST_RENEW, ENDPOINT_LOGIN, due_ns);
    if (request == NULL)
        return;
    actor->renewing = true;
    request->actor = actor;
    plan_request(flow, request);
}

void flow_renew_tokens(struct flow *flow, int64_t now_ns) {
    for (size_t i = 0; i < flow->actors->count; i++) {
        struct actor *actor = &flow->actors->items[i];
        if (actor->busy || actor->renewing || actor->renew_at_ns > now_ns)
            continue;
        actors_take_this(flow->actors, actor);
        renew(flow, actor, now_ns);
    }
}

static void continue_renewal(struct flow *flow, const struct request *request) {
    request->actor->renewing = false;
    if (request->outcome.reply_class == REPLY_OK)
        actors_return(flow->actors, request->actor);
    else
        renew(flow, request->actor, request->outcome.ended_ns + RENEW_PAUSE_NS);
}

/* A session whose token the server no longer accepts would fail for ever; it logs in anew. */
static void continue_session(struct flow *flow, const struct request *request) {
    const struct request_outcome *outcome = &request->outcome;
    struct actor *actor = request->actor;
    if (outcome->reply_class == REPLY_CLIENT)
        actor->renew_at_ns = outcome->ended_ns;
    if (request->actor_kind != ACTOR_EXCLUSIVE)
        return;
    if (outcome->reply_class == REPLY_CLIENT)
        renew(flow, actor, outcome->ended_ns);
    else
        actors_return(flow->actors, actor);
}

/* ---- preparation ---- */

static bool prepare_account(struct flow *flow, unsigned number, int64_t now_ns) {
    struct request *request = create(flow, REQUEST_PREPARE, ENDPOINT_REGISTER, now_ns);
    if (request == NULL)
        return false;
    request->actor_kind = ACTOR_ACCOUNT;
    request->actor = actor_create_account(flow->actors);
    request->owns_actor = true;
    if (request->actor != NULL)
        request->actor->account = number;
    return plan_request(flow, request);
}

static bool prepare_session(struct flow *flow, struct actor *actor, int64_t now_ns) {
    struct request *request = create(flow, REQUEST_PREPARE, ENDPOINT_LOGIN, now_ns);
    if (request == NULL)
        return false;
    request->actor = actor;
    return plan_request(flow, request);
}

/* The next of this worker's accounts; 0: there are no more. */
static unsigned next_account(struct flow *flow) {
    const struct plan *plan = flow->plan;
    while (!plan->seeded && flow->preparation.to_register <= plan->accounts) {
        unsigned number = flow->preparation.to_register++;
        if (is_own(flow, number - 1))
            return number;
    }
    return 0;
}

/* The next step of the scenario, by the first worker, so that a path or a member of the API that is wrong is known before the
 * test. Steps of a scenario flow follow each other by themselves. False: there are no more. */
static bool rehearse_step(struct flow *flow, int64_t now_ns) {
    struct preparation *preparation = &flow->preparation;
    const struct scenario *scenario = flow->plan->scenario;
    if (flow->worker != 0 || preparation->to_rehearse == scenario->steps_count)
        return false;
    struct request *request = create_step(flow, REQUEST_REHEARSE, preparation->to_rehearse, now_ns);
    preparation->to_rehearse = scenario->is_flow ? scenario->steps_count : preparation->to_rehearse + 1;
    return request != NULL && plan_request(flow, request);
}

/* A session begins when all accounts are registered, since it may be of the last; the rehearsal when all sessions are open.
 * False: there is nothing to begin. */
static bool prepare_one(struct flow *flow, int64_t now_ns) {
    struct preparation *preparation = &flow->preparation;
    unsigned account = next_account(flow);
    if (account != 0)
        return prepare_account(flow, account, now_ns);
    bool registering = preparation->to_log_in == 0 && preparation->under_way > 0;
    if (registering)
        return false;
    if (preparation->to_log_in == flow->actors->count)
        return preparation->under_way == 0 && rehearse_step(flow, now_ns);
    return prepare_session(flow, &flow->actors->items[preparation->to_log_in++], now_ns);
}

static void prepare_more(struct flow *flow, int64_t now_ns) {
    while (flow->preparation.under_way < PREPARING_AT_ONCE && prepare_one(flow, now_ns))
        flow->preparation.under_way++;
    if (flow->preparation.under_way == 0)
        flow_stop(flow);
}

void flow_begin_preparation(struct flow *flow) {
    flow->preparation = (struct preparation){ .to_register = 1 };
    prepare_more(flow, flow->begin_ns);
}

static void prepare_again(struct flow *flow, struct request *request) {
    int64_t retry_after_s = request->outcome.retry_after_s;
    int64_t pause = retry_after_s > 0 && retry_after_s < 10 ? retry_after_s * NS_PER_S : PREPARE_PAUSE_NS;
    struct request *again = create(flow, request->purpose, request->endpoint, request->outcome.ended_ns + pause);
    if (again == NULL)
        return;
    again->step = request->step;
    again->actor_kind = request->actor_kind;
    request_pass_actor(request, again);
    plan_request(flow, again);
}

/* An account may be there from an earlier run, which its login decides: but not where there is nothing that registers. A limiter
 * is a matter of the test. */
static bool is_prepared(const struct request *request) {
    const struct request_outcome *outcome = &request->outcome;
    if (outcome->reply_class == REPLY_OK)
        return true;
    if (request->purpose == REQUEST_REHEARSE)
        return outcome->status == 429;
    bool is_taken = outcome->reply_class == REPLY_CLIENT && outcome->status != 404 && outcome->status != 405;
    return request->endpoint == ENDPOINT_REGISTER && is_taken;
}

/* Of a scenario flow, without the pause between its steps. False: there is none. */
static bool rehearse_next(struct flow *flow, struct request *request) {
    const struct scenario *scenario = flow->plan->scenario;
    if (!scenario->is_flow || request->step + 1 == scenario->steps_count)
        return false;
    struct request *next = create_step(flow, REQUEST_REHEARSE, request->step + 1, request->outcome.ended_ns);
    if (next == NULL)
        return false;
    request_pass_actor(request, next);
    return plan_request(flow, next);
}

static void finish_one(struct flow *flow, struct request *request) {
    if (request->purpose == REQUEST_REHEARSE) {
        if (request->actor_kind == ACTOR_EXCLUSIVE)
            actors_return(flow->actors, request->actor);
        if (request->outcome.reply_class == REPLY_OK && rehearse_next(flow, request))
            return;
    } else if (request->endpoint == ENDPOINT_LOGIN) {
        actors_return(flow->actors, request->actor);
        flow->share->sessions++;
    }
    assert(flow->preparation.under_way > 0);
    flow->preparation.under_way--;
    prepare_more(flow, request->outcome.ended_ns);
}

static enum worker_trouble trouble_of(const struct request_outcome *outcome) {
    if (outcome->nobody_listens)
        return TROUBLE_REFUSED;
    return outcome->status == 0 ? TROUBLE_UNREACHABLE : TROUBLE_NOT_ADMITTED;
}

static void continue_preparation(struct flow *flow, struct request *request) {
    const struct request_outcome *outcome = &request->outcome;
    if (!flow_is_accepting(flow))
        return;
    if (is_prepared(request))
        finish_one(flow, request);
    else if (outcome->status == 429)
        share_report_trouble(flow->share, TROUBLE_RATE_LIMITED, request->endpoint);
    else if (outcome->reply_class == REPLY_SHED && outcome->ended_ns < flow->begin_ns + PREPARATION_MAX_NS)
        prepare_again(flow, request);
    else
        share_report_wrong_reply(flow->share, trouble_of(outcome), request->endpoint, outcome->status, outcome->fault);
}

/* ---- after a request ---- */

static void continue_load(struct flow *flow, struct request *request) {
    if (request->actor != NULL && !request->owns_actor)
        continue_session(flow, request);
    if (request->outcome.reply_class == REPLY_OK) {
        learn_expectation(flow, request);
        if (continue_scenario(flow, request))
            return;
    }
    if (request->purpose == REQUEST_USER)
        continue_user(flow, request);
}

void flow_continue(struct flow *flow, struct request *request) {
    assert(request->state == REQUEST_ENDED);
    switch (request->purpose) {
    case REQUEST_PREPARE:
    case REQUEST_REHEARSE:
        continue_preparation(flow, request);
        break;
    case REQUEST_RENEW:
        continue_renewal(flow, request);
        break;
    case REQUEST_LOAD:
    case REQUEST_USER:
        continue_load(flow, request);
        break;
    }
    request_destroy(request);
}
