/*
 * The alerts and the board that ship, with a real Prometheus that scrapes real instances: each alert fires under its fault and
 * resolves after it, and each panel has data. All faults are there at the same time, each on an instance of its own, since most
 * of the time is spent waiting.
 */
#include "support/account.h"
#include "support/cluster.h"
#include "support/prometheus.h"
#include "support/proxy.h"
#include "support/raw.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "tests/runner.h"

#include <check.h>
#include <glob.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

Suite *alerts_suite(void);

#define WAIT_S 150 /* what takes some twenty seconds on a quiet machine */
#define EXPRESSION_SIZE 2048
#define SETTINGS_MAX 12

enum instance { STEADY, WITHOUT_DATABASE, SLOW_DATABASE, OVERLOADED, ATTACKED, WITH_KEYS, AHEAD, GROWING, DOWN, INSTANCES };

static const char *const names[INSTANCES] = {
    "steady", "without_database", "slow_database", "overloaded", "attacked", "with_keys", "ahead", "growing", "down",
};

static struct cluster cluster;
static struct proxy *refuser, *delayer; /* between WITHOUT_DATABASE, SLOW_DATABASE and the database */
static struct server servers[INSTANCES];
static int ops_ports[INSTANCES];
static struct prometheus prometheus;
static struct account victim, unnoticed; /* of ATTACKED; a login of one takes the try that the limit leaves to it */

/* ---- the instances ---- */

static const char *const more_settings[INSTANCES][SETTINGS_MAX] = {
    /* one thread, a few hashes a second, and what waits for more than a second is refused */
    [OVERLOADED] = { "password.memory=64MiB", "password.operations=4", "password.workers=1", "server.request_timeout=2s" },
    [ATTACKED] = { "limit.enabled=true", "limit.register=off", "limit.login=off", "limit.refresh=off", "limit.account=off",
                   "limit.address_failures=off", "limit.login_failures=1/10h" },
    [AHEAD] = { "server.max_connections_per_address=1" },
    [GROWING] = { "server.max_connections_per_address=0" },
};

struct settings {
    char ops[64], database[CLUSTER_SETTING_SIZE];
    const char *items[SETTINGS_MAX + 3];
};

static struct settings *settings_of(enum instance instance, struct settings *settings) {
    size_t count = 0;
    snprintf(settings->ops, sizeof settings->ops, "ops.listen=127.0.0.1:%d", ops_ports[instance]);
    int port = instance == WITHOUT_DATABASE ? proxy_port(refuser)
               : instance == SLOW_DATABASE  ? proxy_port(delayer)
                                            : cluster.port;
    cluster_setting(port, "", settings->database);
    settings->items[count++] = settings->ops;
    settings->items[count++] = settings->database;
    for (size_t i = 0; more_settings[instance][i] != NULL; i++)
        settings->items[count++] = more_settings[instance][i];
    settings->items[count] = NULL;
    return settings;
}

/* `jwtd key SUBCOMMAND`, for the keys of this instance. */
static void run_key_command(enum instance instance, const char *subcommand) {
    struct settings settings;
    char keys[128], refresh_key[128], output[1024];
    const char *directory = servers[instance].directory;
    settings_of(instance, &settings);
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", directory);
    snprintf(refresh_key, sizeof refresh_key, "token.refresh_key_file=%s/refresh.key", directory);
    const char *const words[] = { "--set", keys, "--set", refresh_key, "--set", settings.database, "key", subcommand, NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
}

static void start_servers(void) {
    for (enum instance i = STEADY; i < INSTANCES; i++) {
        struct settings settings;
        ops_ports[i] = find_free_port();
        settings_of(i, &settings);
        servers[i] = i == WITH_KEYS ? server_start_from_file(settings.items) : server_start(settings.items);
        if (i != WITH_KEYS)
            run_key_command(i, "add");
    }
}

static void start_prometheus(void) {
    struct prometheus_target targets[INSTANCES];
    for (enum instance i = STEADY; i < INSTANCES; i++)
        targets[i] = (struct prometheus_target){ names[i], ops_ports[i] };
    prometheus = prometheus_start(servers[STEADY].directory, targets, INSTANCES);
}

static void start_all(void) {
    cluster = cluster_create(NULL);
    refuser = proxy_start(cluster.port);
    delayer = proxy_start(cluster.port);
    start_servers();
    start_prometheus();
    victim = account_register(&servers[ATTACKED]);
    unnoticed = account_register(&servers[ATTACKED]);
}

static void finish_all(void) {
    prometheus_stop(&prometheus);
    for (enum instance i = STEADY; i < INSTANCES; i++)
        server_finish(&servers[i]);
    proxy_stop(delayer);
    proxy_stop(refuser);
    cluster_remove(&cluster);
}

/* ---- waiting ---- */

/* Whether the expression has a value, or has none. */
static void await(const char *expression, bool wanted, const char *what) {
    int64_t until_us = clock_monotonic_us() + WAIT_S * CLOCK_US_PER_S;
    while (prometheus_has_value(&prometheus, expression) != wanted) {
        ck_assert_msg(clock_monotonic_us() < until_us, "%s: %s %s", what, expression,
                      wanted ? "has no value" : "still has a value");
        usleep(100000);
    }
}

/* ---- faults ---- */

static void lose_database(void) {
    proxy_set_mode(refuser, PROXY_REFUSES);
}

static void return_database(void) {
    proxy_set_mode(refuser, PROXY_FORWARDS);
}

static struct tokens slow_session;

static void delay_database(void) {
    struct account account = account_register(&servers[SLOW_DATABASE]);
    slow_session = account_login(&servers[SLOW_DATABASE], &account);
    proxy_set_delay(delayer, 200); /* of each piece, so of a reply twice that */
}

static void end_delay(void) {
    proxy_set_delay(delayer, 0);
}

static void ask_slow_database(void) {
    expect_status(http_json(&servers[SLOW_DATABASE], "GET", "/auth/me", slow_session.access, NULL), 200);
}

/* A login of somebody who is not known costs a hash too. */
static void log_in_at(enum instance instance) {
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    struct account unknown = account_new();
    char body[BODY_SIZE];
    struct reply reply =
        http_try(&servers[instance], "POST", "/auth/login", headers, credentials(&unknown, "not the password", body));
    http_free(&reply);
}

static void log_in_without_database(void) {
    log_in_at(WITHOUT_DATABASE);
}

static void log_in_too_often(void) {
    log_in_at(OVERLOADED);
}

/* The first wrong password locks the account for the address. */
static void guess_passwords(void) {
    log_in_at(ATTACKED);
}

static void use_old_refresh_token(void) {
    const struct server *server = &servers[ATTACKED];
    struct tokens tokens = account_login(server, &victim);
    struct reply second = refresh_with(server, tokens.refresh),
                 third = refresh_with(server, http_member(&second, "refresh_token"));
    ck_assert_int_eq(third.status, 200);
    expect_problem(refresh_with(server, tokens.refresh), 401, "refresh_token_reused");
    http_free(&second);
    http_free(&third);
}

/* The only line of keys.conf. Keys without a line are standby. */
static void let_key_sign_since(enum instance instance, time_t since) {
    char pattern[128], path[128], new_path[136], time[32];
    glob_t keys;
    snprintf(pattern, sizeof pattern, "%s/keys/*.hs256", servers[instance].directory);
    ck_assert_int_eq(glob(pattern, 0, NULL, &keys), 0);
    const char *name = strrchr(keys.gl_pathv[0], '/') + 1;
    snprintf(path, sizeof path, "%s/keys/keys.conf", servers[instance].directory);
    snprintf(new_path, sizeof new_path, "%s.new", path);
    struct tm utc;
    ck_assert_uint_gt(strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&since, &utc)), 0);
    FILE *file = fopen(new_path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "%.*s active %s\n", (int)strcspn(name, "."), name, time);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(new_path, path), 0);
    globfree(&keys);
}

#define DAY_S ((time_t)24 * 60 * 60)

static void let_key_be_old(void) {
    let_key_sign_since(WITH_KEYS, time(NULL) - 101 * DAY_S);
}

static void replace_key(void) {
    let_key_sign_since(WITH_KEYS, time(NULL));
    run_key_command(WITH_KEYS, "add");
}

static void let_key_be_of_tomorrow(void) {
    let_key_sign_since(AHEAD, time(NULL) + DAY_S);
}

static void set_clock_of_key_right(void) {
    let_key_sign_since(AHEAD, time(NULL));
}

static long config_len;

static const char *config_path(char path[96]) {
    snprintf(path, 96, "%s/" SERVER_CONFIG, servers[WITH_KEYS].directory);
    return path;
}

static void reload_nonsense(void) {
    char path[96];
    FILE *file = fopen(config_path(path), "ae");
    ck_assert_ptr_nonnull(file);
    static const char nonsense[] = "[nonsense]\nsense = 0\n";
    fputs(nonsense, file);
    config_len = ftell(file) - (long)strlen(nonsense);
    ck_assert_int_eq(fclose(file), 0);
    kill(servers[WITH_KEYS].pid, SIGHUP);
}

static void reload_sense(void) {
    char path[96];
    ck_assert_int_eq(truncate(config_path(path), config_len), 0);
    kill(servers[WITH_KEYS].pid, SIGHUP);
}

#define CROWD 4500
static int crowd[CROWD];

/* Each connection has some ten KiB as long as it is there. The rule is about a process that ran the day before. */
static void let_memory_grow(void) {
    char *day_before = prometheus_shorten("process_start_time_seconds{instance=\"growing\"} offset 26h");
    await(day_before, true, "growing memory");
    free(day_before);
    static const char live[] = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    for (size_t i = 0; i < CROWD; i++) {
        char status[13] = "";
        crowd[i] = raw_connect(&servers[GROWING]);
        raw_send(crowd[i], live, sizeof live - 1);
        ck_assert_int_eq(recv(crowd[i], status, sizeof status - 1, 0), sizeof status - 1);
    }
}

static void free_memory(void) {
    for (size_t i = 0; i < CROWD; i++)
        close(crowd[i]);
}

/* The second connection is refused while the first one is there. */
static void connect_too_often(void) {
    static const char live[] = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
    char status[13] = "";
    int first = raw_connect(&servers[AHEAD]), second = raw_connect(&servers[AHEAD]);
    raw_send(second, live, sizeof live - 1);
    (void)recv(second, status, sizeof status - 1, 0);
    close(second);
    close(first);
}

static void take_down(void) {
    server_stop(&servers[DOWN], SIGKILL);
}

static void take_up(void) {
    struct settings settings;
    struct server again = server_start_beside(&servers[DOWN], settings_of(DOWN, &settings)->items);
    again.owns_directory = true;
    servers[DOWN] = again;
}

/* What the database cannot hold, for whatever reason, is lost; anything else waits. */
static void lose_audit(void) {
    cluster_run(&cluster, "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                          " RAISE EXCEPTION 'lost' USING ERRCODE = '22021'; END $$;"
                          " CREATE TRIGGER lose BEFORE INSERT ON auth_events FOR EACH ROW WHEN (NEW.user_agent = 'lost')"
                          " EXECUTE FUNCTION lose()");
}

static void keep_audit(void) {
    cluster_run(&cluster, "DROP TRIGGER lose ON auth_events; DROP FUNCTION lose()");
}

static void log_in_unnoticed(void) {
    static const char *const headers[] = { "Content-Type: application/json", "User-Agent: lost", NULL };
    char body[BODY_SIZE];
    expect_status(http_send(&servers[ATTACKED], "POST", "/auth/login", headers, credentials(&unnoticed, PASSWORD, body)), 200);
}

static const struct fault {
    enum instance instance;
    const char *alerts[4];         /* that fire for the instance */
    const char *service_alerts[3]; /* that fire for all instances together, of which this one is one */
    void (*begin)(void), (*end)(void);
    void (*repeat)(void); /* again and again as long as it lasts, by `threads` threads */
    unsigned threads, pause_ms;
} faults[] = {
    { DOWN, { "JwtdInstanceDown" }, { NULL }, take_down, take_up, NULL, 0, 0 },
    { WITHOUT_DATABASE,
      { "JwtdDatabaseLost", "JwtdRevocationsStale", "JwtdNotReady" },
      { "JwtdErrorBudgetBurnsFast", "JwtdErrorBudgetBurnsSlowly" },
      lose_database,
      return_database,
      log_in_without_database,
      1,
      20 },
    { SLOW_DATABASE, { NULL }, { "JwtdSlow" }, delay_database, end_delay, ask_slow_database, 2, 20 },
    { OVERLOADED, { "JwtdShedding", "JwtdHashQueueSlow" }, { NULL }, NULL, NULL, log_in_too_often, 24, 100 },
    { ATTACKED, { NULL }, { "JwtdRefreshTokenReuse" }, NULL, NULL, use_old_refresh_token, 1, 50 },
    { ATTACKED, { NULL }, { "JwtdLockouts" }, NULL, NULL, guess_passwords, 1, 50 },
    { ATTACKED, { "JwtdAuditEventsLost" }, { NULL }, lose_audit, keep_audit, log_in_unnoticed, 1, 200 },
    { WITH_KEYS, { "JwtdKeyOld", "JwtdNoStandbyKey" }, { NULL }, let_key_be_old, replace_key, NULL, 0, 0 },
    { WITH_KEYS, { "JwtdReloadFailed" }, { NULL }, reload_nonsense, reload_sense, NULL, 0, 0 },
    { AHEAD, { "JwtdAddressLimit" }, { NULL }, NULL, NULL, connect_too_often, 1, 100 },
    { AHEAD, { "JwtdKeyFromTheFuture" }, { NULL }, let_key_be_of_tomorrow, set_clock_of_key_right, NULL, 0, 0 },
#define GROWTH                                                                                                                   \
    (ARRAY_LEN(faults) - 1) /* the last one: the sanitizers keep what is freed, and their memory follows other rules             \
                             */
    { GROWING, { "JwtdMemoryGrows" }, { NULL }, let_memory_grow, free_memory, NULL, 0, 0 },
};

static bool is_left_out(size_t fault) {
    return fault == GROWTH && test_is_sanitized();
}

/* ---- what the clients of a service without a fault do ---- */

static void use_service(void) {
    const struct server *server = &servers[STEADY];
    char body[BODY_SIZE];
    struct account user = account_register(server);
    struct tokens tokens = account_login(server, &user);
    expect_problem(http_json(server, "POST", "/auth/login", NULL, credentials(&user, "a wrong passphrase", body)), 401,
                   "invalid_credentials");
    expect_status(refresh_with(server, tokens.refresh), 200);
    expect_status(refresh_with(server, tokens.refresh), 200);
    ck_assert_int_eq(me_status(server, tokens.access), 200);
    expect_status(http_json(server, "GET", "/auth/verify", tokens.access, NULL), 200);
    expect_status(http_json(server, "POST", "/auth/logout", tokens.access, NULL), 204);
}

/* ---- the threads ---- */

static struct {
    void (*script)(void);
    atomic_bool lasts[ARRAY_LEN(faults)];
    atomic_bool is_over;
} play;

#define THREADS_MAX 64
static size_t fault_of_thread[THREADS_MAX];

static void repeat_fault(size_t index) {
    const struct fault *fault = &faults[index];
    while (!atomic_load(&play.is_over)) {
        if (atomic_load(&play.lasts[index]))
            fault->repeat();
        usleep(atomic_load(&play.lasts[index]) ? fault->pause_ms * 1000 : 20000);
    }
}

static void play_part(size_t index, void *context) {
    (void)context;
    if (index == 0) {
        play.script();
        atomic_store(&play.is_over, true);
    } else if (index == 1) {
        for (; !atomic_load(&play.is_over); usleep(100000))
            use_service();
    } else {
        repeat_fault(fault_of_thread[index]);
    }
}

/* The script runs beside the clients, and those that make faults while they last. */
static void run(void (*script)(void)) {
    size_t count = 2;
    play.script = script;
    atomic_store(&play.is_over, false);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        for (unsigned j = 0; j < faults[i].threads; j++) {
            ck_assert_uint_lt(count, THREADS_MAX);
            fault_of_thread[count++] = i;
        }
    run_parallel(count, play_part, NULL);
}

/* ---- alerts ---- */

static const char *firing(char expression[EXPRESSION_SIZE], const char *alert, const char *instance) {
    snprintf(expression, EXPRESSION_SIZE, "ALERTS{alertname=\"%s\",alertstate=\"firing\",instance=\"%s\"}", alert, instance);
    return expression;
}

/* It may have fired and resolved between two looks, so the past is asked, too. */
static void await_fired(const char *alert, const char *instance) {
    char selector[EXPRESSION_SIZE], expression[EXPRESSION_SIZE + 32];
    snprintf(expression, sizeof expression, "count_over_time(%s[10m])", firing(selector, alert, instance));
    await(expression, true, alert);
}

static void await_resolved(const char *alert, const char *instance) {
    char expression[EXPRESSION_SIZE];
    await(firing(expression, alert, instance), false, alert);
}

static void for_each_alert(void (*look)(const char *alert, const char *instance)) {
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        for (size_t j = 0; !is_left_out(i) && faults[i].alerts[j] != NULL; j++)
            look(faults[i].alerts[j], names[faults[i].instance]);
        for (size_t j = 0; !is_left_out(i) && faults[i].service_alerts[j] != NULL; j++)
            look(faults[i].service_alerts[j], "");
    }
}

static void set_faults(bool last) {
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        void (*change)(void) = last ? faults[i].begin : faults[i].end;
        if (change != NULL && !is_left_out(i))
            change();
        atomic_store(&play.lasts[i], last);
    }
}

/* ---- tests ---- */

/* A duration in the table of prometheus.c is tested as it ships, too. */
static const char *const checks[][5] = {
    { "/usr/bin/promtool", "check", "config", "config/prometheus/prometheus.yml" },
    { "/usr/bin/promtool", "check", "rules", "config/prometheus/alerts.yml" },
    { "/usr/bin/promtool", "test", "rules", "tests/prometheus/alerts_test.yml" },
    { "/usr/bin/promtool", "test", "rules", "tests/prometheus/alerts_of_days_test.yml" },
};

START_TEST(the_rules_are_right_by_themselves) {
    char output[16384];
    ck_assert_msg(command_run(checks[_i], NULL, output, sizeof output) == 0, "%s", output);
}
END_TEST

/* As Grafana would ask, of all instances. */
static char *expression_of(const struct json_object *target) {
    static const char *const variables[][2] = { { "$__rate_interval", "5s" }, { "$instance", ".*" } };
    char *text = prometheus_shorten(json_string_at(target, "expr"));
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        char *result = NULL;
        size_t size;
        FILE *file = open_memstream(&result, &size);
        ck_assert_ptr_nonnull(file);
        const char *rest = text;
        for (const char *at; (at = strstr(rest, variables[i][0])) != NULL; rest = at + strlen(variables[i][0]))
            fprintf(file, "%.*s%s", (int)(at - rest), rest, variables[i][1]);
        fputs(rest, file);
        ck_assert_int_eq(fclose(file), 0);
        free(text);
        text = result;
    }
    return text;
}

static void check_panels(void) {
    struct json_object *board = json_object_from_file("config/grafana/jwtd.json");
    struct json_object *panels = json_object_object_get(board, "panels");
    size_t queries = 0;
    for (size_t i = 0; i < json_object_array_length(panels); i++) {
        const struct json_object *panel = json_object_array_get_idx(panels, i);
        struct json_object *targets = json_object_object_get(panel, "targets");
        for (size_t j = 0; targets != NULL && j < json_object_array_length(targets); j++, queries++) {
            char *expression = expression_of(json_object_array_get_idx(targets, j));
            await(expression, true, json_string_at(panel, "title"));
            free(expression);
        }
    }
    ck_assert_uint_gt(queries, 20);
    json_object_put(board);
}

/* Those that depend on how busy the machine is may fire anywhere. */
static void check_that_the_steady_one_is_well(void) {
    static const char any[] = "count_over_time(ALERTS{alertstate=\"firing\",instance=\"steady\","
                              "alertname!~\"JwtdHashQueueSlow|JwtdInstanceDown|JwtdRevocationsStale|JwtdShedding\"}[10m])";
    struct json_object *series = prometheus_query(&prometheus, any);
    ck_assert_msg(json_object_array_length(series) == 0, "%s", json_object_to_json_string(series));
    json_object_put(series);
}

static void let_it_happen(void) {
    check_panels();
    set_faults(true);
    for_each_alert(await_fired);
    check_that_the_steady_one_is_well();
    set_faults(false);
    for_each_alert(await_resolved);
}

static struct json_object *without_fault; /* names of alerts */

static void take_out(const char *alert, const char *instance) {
    size_t count = json_object_array_length(without_fault), i = 0;
    (void)instance;
    while (i < count && strcmp(json_object_get_string(json_object_array_get_idx(without_fault, i)), alert) != 0)
        i++;
    ck_assert_msg(i < count, "%s is no alert, or expected twice", alert);
    json_object_array_del_idx(without_fault, i, 1);
}

static void check_that_every_alert_has_its_fault(void) {
    without_fault = prometheus_alerts(&prometheus);
    for_each_alert(take_out);
    size_t left_out = is_left_out(GROWTH) ? 1 : 0;
    ck_assert_msg(json_object_array_length(without_fault) == left_out, "%s", json_object_to_json_string(without_fault));
    json_object_put(without_fault);
}

START_TEST(every_panel_has_data_and_every_alert_fires_under_its_fault_and_resolves_after_it) {
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (is_left_out(GROWTH))
        test_leaves_out(__func__, "growing memory: the sanitizers keep what is freed");
    start_all();
    check_that_every_alert_has_its_fault();
    run(let_it_happen);
    finish_all();
}
END_TEST

Suite *alerts_suite(void) {
    Suite *suite = suite_create("alerts");
    TCase *tcase = tcase_create("alerts");
    tcase_set_timeout(tcase, 2 * WAIT_S);
    tcase_add_loop_test(tcase, the_rules_are_right_by_themselves, 0, (int)ARRAY_LEN(checks));
    tcase_add_test(tcase, every_panel_has_data_and_every_alert_fires_under_its_fault_and_resolves_after_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
