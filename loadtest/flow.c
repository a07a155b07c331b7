#include "instant.h"
#include "workshop.h"

#include <math.h>

#define PREPARING_AT_ONCE 8
#define PATIENCE_NS (15 * NS_PER_S) /* with a server that says "later" while the test is prepared */
#define PREPARE_PAUSE_NS (200 * NS_PER_MS)
#define RENEW_PAUSE_NS NS_PER_S
#define PAUSE_AFTER_LOSS_NS (100 * NS_PER_MS) /* of a user whose connection was refused or lost */

/* ---- what a request is ---- */

static size_t pick_step(struct worker *worker) {
    const struct scenario *scenario = worker->plan->scenario;
    if (scenario->journey || scenario->steps_count == 1)
        return 0;
    double at = random_unit(&worker->random) * 100;
    for (size_t i = 0; i < scenario->steps_count; i++) {
        at -= scenario->steps[i].weight;
        if (at <= 0)
            return i;
    }
    return 0;
}

static struct request *create_step(struct worker *worker, enum purpose purpose, size_t step, int64_t due_ns) {
    const struct scenario_step *row = &worker->plan->scenario->steps[step];
    struct request *request = dispatch_create(worker, purpose, row->endpoint, due_ns);
    if (request == NULL)
        return NULL;
    request->step = (unsigned)step;
    request->actor_kind = row->actor;
    return request;
}

bool flow_arrive(struct worker *worker, enum purpose purpose, unsigned user, int64_t due_ns) {
    struct request *request = create_step(worker, purpose, pick_step(worker), due_ns);
    if (request == NULL)
        return false;
    request->user = user;
    return worker_add_timer(worker, request);
}

/* ---- users ---- */

static bool is_own(const struct worker *worker, unsigned number) {
    return number % worker->plan->workers == worker->number;
}

/* Each keeps its connection, as a browser does, if there are enough of them: a server may tell its connections apart. */
void flow_begin_users(struct worker *worker) {
    unsigned workers = worker->plan->workers, users = worker->order.users;
    bool keep = dispatch_users_keep_connections(worker, (users + workers - 1) / workers);
    for (unsigned i = 0; i < users; i++)
        if (is_own(worker, i) && flow_arrive(worker, PURPOSE_USER, keep ? worker->users + 1 : 0, worker->order.begin_ns))
            worker->users++;
}

/* Exponential, so that users do not march in step. */
static int64_t think(struct worker *worker) {
    return (int64_t)((double)worker->plan->think_ns * -log(random_unit(&worker->random)));
}

/* A client that was told seconds waits at least that long, and not all of them to the same moment. */
static int64_t user_pause(struct worker *worker, enum reply_class class, int64_t retry_after_s) {
    if (class == REPLY_REFUSED || class == REPLY_RESET || class == REPLY_LOCAL)
        return PAUSE_AFTER_LOSS_NS;
    if (class != REPLY_SHED || worker->plan->retry_after != RETRY_HONOUR)
        return think(worker);
    int64_t told = retry_after_s < 0 ? NS_PER_S : retry_after_s * NS_PER_S;
    return told + (int64_t)(random_unit(&worker->random) * (double)told / 10);
}

static void user_goes_on(struct worker *worker, const struct request *request, enum reply_class class, int64_t retry_after_s,
                         int64_t now_ns) {
    if (!worker->accepting)
        return;
    if (worker->plan->once && class == REPLY_OK) {
        histogram_record(&worker->share->logged_in, now_ns - worker->order.begin_ns);
        worker->share->users_done++;
        worker->accepting = ++worker->users_done < worker->users;
        return;
    }
    flow_arrive(worker, PURPOSE_USER, request->user, now_ns + user_pause(worker, class, retry_after_s));
}

/* ---- journeys ---- */

/* The first replies of an endpoint tell what a user expects of it; later ones may be as slow as they like without moving that. */
static void calibrate(struct worker *worker, const struct request *request, int64_t now_ns) {
    if (worker->latency_count[request->endpoint] == CALIBRATION)
        return;
    worker->latency_count[request->endpoint]++;
    worker->latency_sum[request->endpoint] += (uint64_t)(now_ns - request->due_ns);
}

static int64_t expected(const struct worker *worker, enum endpoint endpoint) {
    return (int64_t)(worker->latency_sum[endpoint] / worker->latency_count[endpoint]);
}

/* The next step is due when the user expects to come to it, even if the reply is late. False: there is none. */
static bool journey_goes_on(struct worker *worker, struct request *request) {
    const struct scenario *scenario = worker->plan->scenario;
    if (!scenario->journey || request->step + 1 == scenario->steps_count)
        return false;
    int64_t due = request->due_ns + expected(worker, request->endpoint) + think(worker);
    struct request *next = create_step(worker, request->purpose, request->step + 1, due);
    if (next == NULL)
        return false;
    next->actor = request->actor;
    next->owns_actor = request->owns_actor;
    next->user = request->user;
    request->actor = NULL;
    request->owns_actor = false;
    return worker_add_timer(worker, next);
}

/* ---- tokens ---- */

static void renew(struct worker *worker, struct actor *actor, int64_t due_ns) {
    struct request *request = dispatch_create(worker, PURPOSE_RENEW, ENDPOINT_LOGIN, due_ns);
    if (request == NULL)
        return;
    actor->renewing = true;
    request->actor = actor;
    worker_add_timer(worker, request);
}

void flow_renew_tokens(struct worker *worker, int64_t now_ns) {
    for (size_t i = 0; i < worker->actors.count; i++) {
        struct actor *actor = &worker->actors.items[i];
        if (actor->busy || actor->renewing || actor->renew_at_ns > now_ns)
            continue;
        actors_take_this(&worker->actors, actor);
        renew(worker, actor, now_ns);
    }
}

static void renewal_goes_on(struct worker *worker, struct actor *actor, enum reply_class class, int64_t now_ns) {
    actor->renewing = false;
    if (class == REPLY_OK)
        actors_give_back(&worker->actors, actor);
    else
        renew(worker, actor, now_ns + RENEW_PAUSE_NS);
}

/* A session whose token the server no longer knows would fail for ever; it logs in anew. */
static void session_goes_on(struct worker *worker, const struct request *request, enum reply_class class, int64_t now_ns) {
    struct actor *actor = request->actor;
    if (class == REPLY_CLIENT)
        actor->renew_at_ns = now_ns;
    if (request->actor_kind != ACTOR_EXCLUSIVE)
        return;
    if (class == REPLY_CLIENT)
        renew(worker, actor, now_ns);
    else
        actors_give_back(&worker->actors, actor);
}

/* ---- preparation ---- */

static bool prepare_account(struct worker *worker, unsigned number, int64_t now_ns) {
    struct request *request = dispatch_create(worker, PURPOSE_PREPARE, ENDPOINT_REGISTER, now_ns);
    if (request == NULL)
        return false;
    request->actor_kind = ACTOR_ACCOUNT;
    request->actor = actor_create_account(&worker->actors);
    request->owns_actor = true;
    if (request->actor != NULL)
        request->actor->account = number;
    return worker_add_timer(worker, request);
}

static bool prepare_session(struct worker *worker, struct actor *actor, int64_t now_ns) {
    struct request *request = dispatch_create(worker, PURPOSE_PREPARE, ENDPOINT_LOGIN, now_ns);
    if (request == NULL)
        return false;
    request->actor = actor;
    return worker_add_timer(worker, request);
}

/* The next of this worker's accounts; 0: no more. */
static unsigned next_account(struct worker *worker) {
    const struct plan *plan = worker->plan;
    while (!plan->seeded && worker->to_register <= plan->accounts) {
        unsigned number = worker->to_register++;
        if (is_own(worker, number - 1))
            return number;
    }
    return 0;
}

/* Accounts first: until the last of them is registered no session begins, since it may be of that one. False: nothing to begin.
 */
static bool prepare_one(struct worker *worker, int64_t now_ns) {
    unsigned account = next_account(worker);
    if (account != 0)
        return prepare_account(worker, account, now_ns);
    bool registering = worker->to_log_in == 0 && worker->preparing > 0;
    if (registering || worker->to_log_in == worker->actors.count)
        return false;
    return prepare_session(worker, &worker->actors.items[worker->to_log_in++], now_ns);
}

static void prepare_more(struct worker *worker, int64_t now_ns) {
    while (worker->preparing < PREPARING_AT_ONCE && prepare_one(worker, now_ns))
        worker->preparing++;
    if (worker->preparing == 0)
        worker->accepting = false;
}

void flow_begin_prepare(struct worker *worker) {
    worker->to_register = 1;
    worker->to_log_in = 0;
    worker->preparing = 0;
    prepare_more(worker, worker->order.begin_ns);
}

static void prepare_again(struct worker *worker, struct request *request, int64_t due_ns) {
    struct request *again = dispatch_create(worker, PURPOSE_PREPARE, request->endpoint, due_ns);
    if (again == NULL)
        return;
    again->actor_kind = request->actor_kind;
    again->actor = request->actor;
    again->owns_actor = request->owns_actor;
    request->actor = NULL;
    request->owns_actor = false;
    worker_add_timer(worker, again);
}

static void preparation_goes_on(struct worker *worker, struct request *request, enum reply_class class, unsigned status,
                                int64_t retry_after_s, int64_t now_ns) {
    bool registered = request->endpoint == ENDPOINT_REGISTER;
    if (!worker->accepting)
        return;
    if (class == REPLY_OK ||
        (registered && class == REPLY_CLIENT)) { /* the account may be there from an earlier run; its login will tell */
        if (!registered) {
            actors_give_back(&worker->actors, request->actor);
            worker->share->sessions++;
        }
        worker->preparing--;
        prepare_more(worker, now_ns);
        return;
    }
    if (status == 429) {
        worker_trouble(worker, TROUBLE_RATE_LIMITED, request->endpoint, status);
    } else if (class == REPLY_SHED && now_ns < worker->order.begin_ns + PATIENCE_NS) {
        prepare_again(worker, request,
                      now_ns + (retry_after_s > 0 && retry_after_s < 10 ? retry_after_s * NS_PER_S : PREPARE_PAUSE_NS));
    } else {
        bool answered = status != 0;
        worker_trouble(worker, answered ? TROUBLE_NOT_ADMITTED : TROUBLE_UNREACHABLE, request->endpoint, status);
    }
}

/* ---- after a request ---- */

void flow_continue(struct worker *worker, struct request *request, enum reply_class class, unsigned status, int64_t retry_after_s,
                   int64_t now_ns) {
    if (request->purpose == PURPOSE_PREPARE) {
        preparation_goes_on(worker, request, class, status, retry_after_s, now_ns);
        return;
    }
    if (request->purpose == PURPOSE_RENEW) {
        renewal_goes_on(worker, request->actor, class, now_ns);
        return;
    }
    if (request->actor != NULL && !request->owns_actor)
        session_goes_on(worker, request, class, now_ns);
    if (class == REPLY_OK) {
        calibrate(worker, request, now_ns);
        if (journey_goes_on(worker, request))
            return;
    }
    if (request->purpose == PURPOSE_USER)
        user_goes_on(worker, request, class, retry_after_s, now_ns);
}
