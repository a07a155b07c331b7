/* The service: creates its parts bottom up, waits for a signal, destroys them in reverse order. */
#include "background.h"
#include "heap.h"
#include "log_thread.h"
#include "notify.h"
#include "reload.h"
#include "watchdog.h"

#include "jwtd/activity.h"
#include "jwtd/audit.h"
#include "jwtd/clock.h"
#include "jwtd/cores.h"
#include "jwtd/db.h"
#include "jwtd/gauges.h"
#include "jwtd/hasher.h"
#include "jwtd/http_server.h"
#include "jwtd/log.h"
#include "jwtd/openapi.h"
#include "jwtd/options.h"
#include "jwtd/readiness.h"
#include "jwtd/routes.h"
#include "jwtd/server.h"
#include "jwtd/services.h"
#include "jwtd/tracer.h"
#include "jwtd/version.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* After this long without a hash the memory is returned to the kernel, and with it what hashing has left in it. */
#define HASHER_IDLE_US (5 * CLOCK_US_PER_S)
#define CRYPTO_QUEUE_LIMIT 4096u
#define DATABASE_QUEUE_LIMIT 4096u
#define OPERATIONS_GRACE_MS 1000
#define DISPATCH_QUEUE_LIMIT UINT_MAX /* holds what has left the crypto queue, which is bounded */

static atomic_bool draining;

static bool is_draining(void) {
    return atomic_load_explicit(&draining, memory_order_relaxed);
}

struct app {
    const struct config *config;
    struct services services;
    struct db_options db_options;
    struct hash_parameters hash_parameters;
    struct openapi *openapi;
    struct background *background;
    struct http_server *operations; /* NULL: there is none */
    struct http_server *server;
    struct watchdog *watchdog;
};

static void *start_hasher(void *context, unsigned index) {
    (void)index;
    return hasher_create(*(const struct hash_parameters *)context);
}

static void stop_hasher(void *state) {
    hasher_destroy(state);
}

static void idle_hasher(void *state) {
    hasher_release_memory(state);
}

/* Logs what the numbers of threads are derived from. */
static unsigned choose_cores(void) {
    struct cores cores;
    char quota[32] = "none";
    cores_read(&cores);
    if (cores.quota.cores > 0)
        (void)snprintf(quota, sizeof quota, "%.2f", cores.quota.cores);
    log_event(LOG_INFO, "cores", "available=%u affinity=%u quota=%s cgroup=%s", cores.available, cores.affinity, quota,
              cores.quota.path);
    return cores.available;
}

/* For parts that fail to be created only when there is no memory. */
static bool is_created(const void *part, const char *name) {
    if (part == NULL)
        log_event(LOG_ERROR, "start_failed", "part=%s error=%s", name, "out of memory");
    return part != NULL;
}

static bool build_database(struct app *app) {
    struct services *services = &app->services;
    const struct config *config = app->config;
    app->db_options = db_options_from_config(config, DB_FOR_SERVICE);
    services->database = db_executor_create(&(struct db_executor_options){ .connection = &app->db_options,
                                                                           .threads = config->database.threads,
                                                                           .connections = config->database.connections,
                                                                           .queue_limit = DATABASE_QUEUE_LIMIT });
    if (services->database == NULL)
        return false;
    services->admissions[ON_DATABASE] = db_executor_admission(services->database);
    services->readiness = readiness_create(services->database);
    return is_created(services->readiness, "readiness");
}

static bool build_pools(struct app *app) {
    struct services *services = &app->services;
    const struct config *config = app->config;
    unsigned cores = choose_cores();
    app->hash_parameters = hash_parameters_from_config(config);
    services->crypto =
        pool_create(&(struct pool_options){ .name = executor_name(ON_CRYPTO),
                                            .threads = config->password.workers > 0 ? config->password.workers : cores,
                                            .queue_limit = CRYPTO_QUEUE_LIMIT,
                                            .nice = config->password.nice,
                                            .thread_start = start_hasher,
                                            .thread_stop = stop_hasher,
                                            .thread_idle = idle_hasher,
                                            .idle_us = HASHER_IDLE_US,
                                            .context = &app->hash_parameters });
    services->dispatch = pool_create(
        &(struct pool_options){ .name = executor_name(ON_DISPATCH), .threads = 1, .queue_limit = DISPATCH_QUEUE_LIMIT });
    if (services->crypto == NULL || services->dispatch == NULL)
        return false;
    services->admissions[ON_CRYPTO] = pool_admission(services->crypto);
    services->admissions[ON_DISPATCH] = pool_admission(services->dispatch);
    return true;
}

static bool build_tokens(struct app *app) {
    struct services *services = &app->services;
    const struct config *config = app->config;
    char error[512];
    services->token_rules = token_rules_from_config(config);
    services->revoked_keys = revoked_keys_create();
    if (!is_created(services->revoked_keys, "revoked_keys"))
        return false;
    services->snapshots = snapshot_holder_create(config, &services->token_rules, services->revoked_keys, error, sizeof error);
    if (services->snapshots == NULL) {
        fprintf(stderr, "jwtd: %s\n", error);
        return false;
    }
    services->revoked = revoked_sessions_create(services->token_rules.access_ttl_s);
    services->roles = current_roles_create(services->token_rules.access_ttl_s);
    if (!is_created(services->revoked, "revoked_sessions") || !is_created(services->roles, "current_roles"))
        return false;
    services->feed = revocation_feed_create(services->revoked, services->token_rules.access_ttl_s);
    if (services->feed == NULL)
        log_event(LOG_ERROR, "start_failed", "part=revocation_feed error=%s", strerrordesc_np(errno));
    return services->feed != NULL;
}

static bool build_limiter(struct app *app) {
    const struct config *config = app->config;
    struct limit_rule rules[LIMIT_CLASS_COUNT];
    limit_rules_from_config(config, rules);
    app->services.limiter = limiter_create(rules, config->limit.table_size);
    app->services.failure_limiter = limiter_create(rules, config->limit.table_size);
    /* all clients of such a socket share the strict bucket of clients without an address */
    char listen[ENDPOINT_TEXT_SIZE];
    if (config->limit.enabled && config->server.listen.is_unix && config->server.trusted_proxies.count == 0)
        log_event(LOG_WARN, "clients_without_address", "listen=%s missing=%s", endpoint_text(&config->server.listen, listen),
                  "server.trusted_proxies");
    return is_created(app->services.limiter, "limiter") && is_created(app->services.failure_limiter, "failure_limiter");
}

/* Without an endpoint there is none. */
static bool build_tracer(struct app *app) {
    const char *endpoint = app->config->trace.otlp_endpoint;
    if (endpoint[0] == '\0')
        return true;
    app->services.tracer = tracer_start(endpoint);
    return app->services.tracer != NULL;
}

static void write_audit(void *background) {
    background_write_audit(background);
}

static void read_revocations(void *background) {
    background_read_revocations(background);
}

/* The operator's first: who asks it sees why the other is not there yet. */
static bool build_listeners(struct app *app) {
    const struct services *services = &app->services;
    if (endpoint_is_set(&app->config->ops.listen)) {
        app->operations = http_server_start(services, routes, routes_count, LISTENER_OPERATIONS);
        if (app->operations == NULL)
            return false;
    }
    app->server = http_server_start(services, routes, routes_count, LISTENER_PUBLIC);
    return app->server != NULL;
}

static bool build(struct app *app) {
    struct services *services = &app->services;
    const struct config *config = app->config;
    services->config = config;
    services->is_draining = is_draining;
    services->password_policy = password_policy_from_config(config);
    services->session_limits = session_limits_from_config(config);
    services->audit = audit_create();
    if (!is_created(services->audit, "audit") || !build_tokens(app) || !build_database(app))
        return false;
    /* as soon as it can be: PostgreSQL opens its connections while the rest is created */
    app->background = background_start(services, &app->db_options);
    if (app->background == NULL || !build_limiter(app) || !build_pools(app) || !build_tracer(app))
        return false;
    revocation_feed_set_waker(services->feed, read_revocations, app->background);
    audit_set_waker(services->audit, write_audit, app->background);
    services->openapi = app->openapi = openapi_create(routes, routes_count, config->server.public_url);
    if (!is_created(app->openapi, "openapi"))
        return false;
    gauges_start(services);
    return build_listeners(app) && watchdog_start(app->server, app->operations, app->background, &app->watchdog);
}

static void destroy(struct app *app) {
    struct services *services = &app->services;
    watchdog_stop(app->watchdog);
    if (app->server != NULL)
        http_server_stop(app->server, app->config->server.shutdown_grace_ms);
    if (app->operations != NULL)
        http_server_stop(app->operations, OPERATIONS_GRACE_MS);
    gauges_stop();
    background_stop(app->background);
    audit_destroy(services->audit);
    tracer_stop(services->tracer);
    pool_destroy(services->crypto);
    pool_destroy(services->dispatch);
    db_executor_destroy(services->database);
    if (services->readiness != NULL)
        readiness_destroy(services->readiness);
    if (services->limiter != NULL)
        limiter_destroy(services->limiter);
    if (services->failure_limiter != NULL)
        limiter_destroy(services->failure_limiter);
    revocation_feed_destroy(services->feed);
    if (services->revoked != NULL)
        revoked_sessions_destroy(services->revoked);
    if (services->roles != NULL)
        current_roles_destroy(services->roles);
    if (services->snapshots != NULL)
        snapshot_holder_destroy(services->snapshots);
    revoked_keys_destroy(services->revoked_keys);
    openapi_destroy(app->openapi);
}

/* Threads inherit the mask, so that every signal waits for the main thread. */
static sigset_t block_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return set;
}

/* Reloads on SIGHUP until another signal stops the service; returns that signal. */
static int wait_for_stop(struct app *app, const struct config_source *source, const sigset_t *set) {
    int received = 0;
    activity_set(ACTIVITY_WAITS);
    while (sigwait(set, &received) == 0 && received == SIGHUP) {
        activity_set("reloads");
        reload(source, &app->services);
        activity_set(ACTIVITY_WAITS);
    }
    return received;
}

/* From now on readiness fails, and replies close their connection; requests are served for server.drain_delay, until load
 * balancers have noticed. */
static void drain(const struct app *app, int received, const sigset_t *set) {
    activity_set("drains");
    log_event(LOG_INFO, "stopping", "signal=%s", received == SIGINT ? "SIGINT" : "SIGTERM");
    notify_supervisor("STOPPING=1");
    atomic_store(&draining, true);
    /* before it is unblocked, or one that is pending would end the process */
    signal(SIGHUP, SIG_IGN);
    /* a second signal ends the process at once */
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
    int64_t delay_ms = app->config->server.drain_delay_ms;
    nanosleep(&(struct timespec){ .tv_sec = delay_ms / 1000, .tv_nsec = delay_ms % 1000 * 1000000 }, NULL);
}

int server_run(const struct config *config, const struct config_source *source) {
    static struct app the_app;
    struct app *app = &the_app;
    app->config = config;
    activity_set("starts");
    heap_begin_start();
    sigset_t set = block_signals();
    int64_t started_us = clock_monotonic_us();
    log_set_emails(config->log.emails);
    bool has_log = log_thread_start();
    if (has_log)
        warn_of_exposed_password(config, source);
    bool is_built = has_log && build(app);
    heap_end_start();
    if (is_built) {
        log_event(LOG_INFO, "started", "version=%s startup_us=%lld", JWTD_VERSION,
                  (long long)(clock_monotonic_us() - started_us));
        notify_supervisor("READY=1");
        int received = wait_for_stop(app, source, &set);
        drain(app, received, &set);
    }
    activity_set("stops");
    destroy(app);
    if (is_built)
        log_event(LOG_INFO, "stopped", "version=%s", JWTD_VERSION);
    log_thread_stop();
    return is_built ? 0 : 1;
}
