/* The service: makes its parts bottom up, waits for a signal, ends them in the other order. */
#include "background.h"
#include "limits.h"
#include "notify.h"
#include "reload.h"
#include "watchdog.h"

#include "jwtd/cli.h"
#include "jwtd/clock.h"
#include "jwtd/cores.h"
#include "jwtd/db.h"
#include "jwtd/hasher.h"
#include "jwtd/http_server.h"
#include "jwtd/log.h"
#include "jwtd/readiness.h"
#include "jwtd/routes.h"
#include "jwtd/services.h"
#include "jwtd/version.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 2000
/* After this long without a hash the memory goes back to the kernel, and with it what hashing has left in it. */
#define HASHER_IDLE_US (5 * CLOCK_US_PER_S)
#define CRYPTO_QUEUE_LIMIT 4096u
#define DATABASE_QUEUE_LIMIT 4096u
#define DISPATCH_QUEUE_LIMIT UINT_MAX /* holds what has left the crypto queue, which is bounded */

static atomic_bool draining;

static bool is_draining(void) {
    return atomic_load_explicit(&draining, memory_order_relaxed);
}

struct house {
    struct config config;
    struct services services;
    struct db_options db_options;
    struct hash_parameters hash_parameters;
    struct background *background;
    struct http_server *server;
    struct watchdog *watchdog;
};

static void *start_db(void *context, unsigned index) {
    (void)index;
    return db_create(context);
}

static void stop_db(void *state) {
    db_destroy(state);
}

static int64_t useless_db(const void *state) {
    return db_useless_until(state);
}

static void recover_db(void *state) {
    db_recover(state);
}

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

static bool build_pools(struct house *house) {
    const struct config *config = &house->config;
    house->db_options = (struct db_options){ .url = config->database.url,
                                             .statement_timeout_ms = config->database.statement_timeout_ms,
                                             .connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                             .unprepared = !config->database.prepared };
    house->hash_parameters =
        (struct hash_parameters){ .memory = config->password.memory, .operations = config->password.operations };
    house->services.pools[ON_DATABASE] = pool_create(&(struct pool_options){ .name = "database",
                                                                             .threads = config->database.connections,
                                                                             .queue_limit = DATABASE_QUEUE_LIMIT,
                                                                             .thread_start = start_db,
                                                                             .thread_stop = stop_db,
                                                                             .thread_useless = useless_db,
                                                                             .thread_recover = recover_db,
                                                                             .context = &house->db_options });
    unsigned workers = config->password.workers > 0 ? config->password.workers : cores_available();
    house->services.pools[ON_CRYPTO] = pool_create(&(struct pool_options){ .name = "crypto",
                                                                           .threads = workers,
                                                                           .queue_limit = CRYPTO_QUEUE_LIMIT,
                                                                           .nice = config->password.nice,
                                                                           .thread_start = start_hasher,
                                                                           .thread_stop = stop_hasher,
                                                                           .thread_idle = idle_hasher,
                                                                           .idle_us = HASHER_IDLE_US,
                                                                           .context = &house->hash_parameters });
    house->services.pools[ON_DISPATCH] =
        pool_create(&(struct pool_options){ .name = "dispatch", .threads = 1, .queue_limit = DISPATCH_QUEUE_LIMIT });
    if (house->services.pools[ON_DATABASE] == NULL || house->services.pools[ON_CRYPTO] == NULL ||
        house->services.pools[ON_DISPATCH] == NULL)
        return false;
    house->services.readiness = readiness_create(house->services.pools[ON_DATABASE]);
    return house->services.readiness != NULL;
}

static bool build_tokens(struct house *house) {
    struct services *services = &house->services;
    const struct config *config = &house->config;
    char mistake[512];
    services->token_rules = (struct token_rules){ .issuer = config->token.issuer,
                                                  .audience = config->token.audience,
                                                  .access_ttl_s = config->token.access_ttl_ms / 1000 };
    services->live = live_holder_create(config, &services->token_rules, mistake, sizeof mistake);
    if (services->live == NULL) {
        fprintf(stderr, "jwtd: %s\n", mistake);
        return false;
    }
    services->revoked = revoked_sessions_create(services->token_rules.access_ttl_s);
    services->roles = current_roles_create(services->token_rules.access_ttl_s);
    return services->revoked != NULL && services->roles != NULL;
}

static bool build_limiter(struct house *house) {
    const struct config *config = &house->config;
    struct limit_rule rules[LIMIT_CLASS_COUNT];
    limits_read(config, rules);
    house->services.limiter = limiter_create(rules, config->limit.table_size);
    house->services.failure_limiter = limiter_create(rules, config->limit.table_size);
    /* everybody behind such a socket shares the strict bucket of clients without an address */
    if (config->limit.enabled && strncmp(config->server.listen, "unix:", 5) == 0 && config->server.trusted_proxies.count == 0)
        log_event(LOG_WARN, "clients_without_address", "listen=%s missing=%s", config->server.listen, "server.trusted_proxies");
    return house->services.limiter != NULL && house->services.failure_limiter != NULL;
}

static bool build(struct house *house) {
    struct services *services = &house->services;
    const struct config *config = &house->config;
    services->config = config;
    services->is_draining = is_draining;
    services->password_policy =
        (struct password_policy){ .min_length = config->password.min_length, .service_name = text_of(config->token.issuer) };
    services->session_limits = (struct session_limits){ .ttl_ms = config->token.refresh_ttl_ms,
                                                        .idle_ms = config->token.refresh_idle_ms,
                                                        .retry_window_ms = config->token.refresh_retry_window_ms };
    if (!build_tokens(house) || !build_limiter(house) || !build_pools(house))
        return false;
    house->background = background_start(services, &house->db_options);
    if (house->background == NULL)
        return false;
    house->server = http_server_start(services, routes, routes_count);
    return house->server != NULL;
}

static void take_down(struct house *house) {
    struct services *services = &house->services;
    watchdog_stop(house->watchdog);
    if (house->server != NULL)
        http_server_stop(house->server, house->config.server.shutdown_grace_ms);
    if (house->background != NULL)
        background_stop(house->background);
    for (size_t place = 0; place < PLACE_COUNT; place++)
        if (services->pools[place] != NULL)
            pool_destroy(services->pools[place]);
    if (services->readiness != NULL)
        readiness_destroy(services->readiness);
    if (services->limiter != NULL)
        limiter_destroy(services->limiter);
    if (services->failure_limiter != NULL)
        limiter_destroy(services->failure_limiter);
    if (services->revoked != NULL)
        revoked_sessions_destroy(services->revoked);
    if (services->roles != NULL)
        current_roles_destroy(services->roles);
    if (services->live != NULL)
        live_holder_destroy(services->live);
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

/* Answers SIGHUP until the service is to stop; gives the signal that says so. */
static int wait_for_stop(struct house *house, const struct cli_arguments *arguments, const sigset_t *set) {
    int received = 0;
    while (sigwait(set, &received) == 0 && received == SIGHUP)
        reload(arguments, &house->services, &house->config);
    return received;
}

/* From now on probes are told that the service stops, and clients to close; for a while longer it serves everybody, until those
 * who balance load have noticed. */
static void drain(const struct house *house, int received, const sigset_t *set) {
    log_event(LOG_INFO, "stopping", "signal=%s", received == SIGINT ? "SIGINT" : "SIGTERM");
    notify_supervisor("STOPPING=1");
    atomic_store(&draining, true);
    /* before it is let through, or one that waits already would end the process */
    signal(SIGHUP, SIG_IGN);
    /* a second signal ends the process at once */
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
    int64_t delay_ms = house->config.server.drain_delay_ms;
    nanosleep(&(struct timespec){ .tv_sec = delay_ms / 1000, .tv_nsec = delay_ms % 1000 * 1000000 }, NULL);
}

static int run(struct house *house, const struct cli_arguments *arguments) {
    sigset_t set = block_signals();
    int64_t started_us = clock_monotonic_us();
    bool is_built = build(house);
    if (is_built) {
        log_event(LOG_INFO, "started", "version=%s us=%lld", JWTD_VERSION, (long long)(clock_monotonic_us() - started_us));
        notify_supervisor("READY=1");
        house->watchdog = watchdog_start(house->server, house->background);
        int received = wait_for_stop(house, arguments, &set);
        drain(house, received, &set);
    }
    take_down(house);
    if (is_built)
        log_event(LOG_INFO, "stopped", "version=%s", JWTD_VERSION);
    return is_built ? 0 : 1;
}

int cli_serve(const struct cli_arguments *arguments) {
    static struct house house;
    if (arguments->argc > 0) {
        fprintf(stderr, "jwtd: serve takes no words\n");
        return 2;
    }
    int code = 1;
    if (cli_load_config(arguments, &house.config)) {
        log_init(house.config.log.level, house.config.log.format);
        code = run(&house, arguments);
    }
    config_fini(&house.config);
    return code;
}
