#include "bench.h"

#include "command.h"
#include "cost.h"
#include "duration.h"
#include "instant.h"
#include "jwtd/macros.h"
#include "probes.h"
#include "report.h"
#include "transport.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ERROR_SIZE 512

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

bool bench_interrupted(void) {
    return interrupted != 0;
}

/* ---- the record ---- */

static void describe(struct run *run, const struct plan *plan, const struct options *options, const char *command,
                     const char *line) {
    struct run_options *record = &run->options;
    snprintf(record->command, sizeof record->command, "%s", command);
    snprintf(record->line, sizeof record->line, "%s", line);
    snprintf(record->url, sizeof record->url, "%s", plan->target.url);
    snprintf(record->scenario, sizeof record->scenario, "%s", plan->scenario->name);
    record->by = options->by == BY_USERS || options->users > 0 ? BY_USERS : BY_RATE;
    snprintf(record->unit, sizeof record->unit, "%s", record->by == BY_USERS ? "users" : plan->scenario->unit);
    snprintf(record->slo, sizeof record->slo, "%s", options->slo != NULL ? options->slo : plan->scenario->slo);
    record->arrivals = plan->arrivals;
    record->seed = options->seed;
    record->workers = (double)plan->workers;
    record->connections_max = (double)plan->connections_max * (double)plan->workers;
    record->timeout_s = options->timeout_s;
    record->new_connections = plan->new_connections;
    record->tls = plan->target.tls;
    record->core_price = options->core_price;
    int64_t latency = objectives_latency_ns(&plan->objectives);
    record->slo_latency_ms = latency == INT64_MAX ? 0 : (double)latency / (double)NS_PER_MS;
    run_read_machine(&run->machine);
}

/* ---- beginning and end ---- */

static bool make_views(struct bench *bench) {
    bench->before = calloc(1, sizeof *bench->before);
    bench->now = calloc(1, sizeof *bench->now);
    bench->mark = calloc(1, sizeof *bench->mark);
    return bench->before != NULL && bench->now != NULL && bench->mark != NULL;
}

static void catch_signals(void) {
    struct sigaction action = { .sa_handler = note_interrupt };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int bench_init(struct bench *bench, const struct options *options, const char *command, const char *line) {
    char error[ERROR_SIZE] = "";
    *bench = (struct bench){ .options = options, .begin_ns = instant_now() };
    run_init(&bench->run);
    display_init(&bench->display, options->quiet);
    if (!plan_init(&bench->plan, options, error, sizeof error))
        return command_fail(EXIT_USAGE, "%s", error);
    describe(&bench->run, &bench->plan, options, command, line);
    if (!make_views(bench) || (bench->plan.target.tls && !transport_tls_init(bench->plan.verify_peer)))
        return command_fail(EXIT_GENERATOR, "no memory");
    /* before the samples: a worker must not inherit the connection to the database */
    bench->engine = engine_create(&bench->plan, error, sizeof error);
    if (bench->engine == NULL)
        return command_fail(EXIT_GENERATOR, "%s", error);
    catch_signals();
    if (!samples_init(&bench->samples, &bench->plan.target, (pid_t)options->pid, options->pg, error, sizeof error))
        return command_fail(EXIT_UNREACHABLE, "%s", error);
    for (size_t i = 0; i < bench->samples.servers_count; i++)
        bench->run.machine.server_idle_mib += probe_rss_mib(bench->samples.servers[i]);
    snprintf(bench->run.machine.server, sizeof bench->run.machine.server, "%s", bench->samples.server_name);
    snprintf(bench->run.machine.hash_parameters, sizeof bench->run.machine.hash_parameters, "%s", bench->samples.hash_parameters);
    return EXIT_FINE;
}

void bench_fini(struct bench *bench) {
    engine_destroy(bench->engine);
    samples_fini(&bench->samples);
    transport_tls_fini();
    plan_fini(&bench->plan);
    run_fini(&bench->run);
    free(bench->before);
    free(bench->now);
    free(bench->mark);
}

static int exit_code_of_trouble(enum worker_trouble trouble) {
    if (trouble == TROUBLE_REFUSED || trouble == TROUBLE_UNREACHABLE || trouble == TROUBLE_NOT_ADMITTED)
        return EXIT_UNREACHABLE;
    return trouble == TROUBLE_RATE_LIMITED ? EXIT_MISSED : EXIT_GENERATOR;
}

int bench_trouble(struct bench *bench) {
    struct run_verdict *verdict = &bench->run.verdict;
    const char *sentence = engine_trouble(bench->engine);
    snprintf(verdict->headline, sizeof verdict->headline, "%s: %s", bench->run.options.scenario,
             sentence == NULL ? "no memory" : sentence);
    verdict->exit_code = exit_code_of_trouble(engine_trouble_kind(bench->engine));
    verdict->generator_limited = verdict->exit_code == EXIT_GENERATOR;
    return verdict->exit_code;
}

int bench_prepare(struct bench *bench) {
    struct order order = { .kind = ORDER_PREPARE };
    engine_begin(bench->engine, &order);
    enum engine_state state;
    int64_t noted = instant_now();
    while ((state = engine_state(bench->engine)) == ENGINE_BUSY && !bench_interrupted()) {
        usleep(5000);
        if (instant_now() - noted > NS_PER_S) {
            noted = instant_now();
            engine_read(bench->engine, bench->now);
            if (bench->plan.sessions > 0)
                display_note(&bench->display, "preparing: %u of %u sessions", bench->now->sessions, bench->plan.sessions);
            else
                display_note(&bench->display, "preparing: accounts");
        }
    }
    if (state == ENGINE_TROUBLE)
        return bench_trouble(bench);
    if (state == ENGINE_BUSY) { /* Ctrl-C */
        bench->run.verdict.interrupted = true;
        bench->run.verdict.exit_code = EXIT_INTERRUPTED;
        snprintf(bench->run.verdict.headline, RUN_HEADLINE_SIZE, "interrupted while preparing");
        return EXIT_INTERRUPTED;
    }
    metrics_read(&bench->run.metrics, &bench->plan.target, bench->options->metrics, true);
    return EXIT_FINE;
}

int bench_finish(struct bench *bench) {
    struct run_verdict *verdict = &bench->run.verdict;
    char error[ERROR_SIZE] = "";
    metrics_read(&bench->run.metrics, &bench->plan.target, bench->options->metrics, false);
    bench->run.seconds = ns_to_s(instant_now() - bench->begin_ns);
    cost_find(&bench->run, &verdict->cost);
    display_clear(&bench->display);
    puts(verdict->headline);
    int code = EXIT_FINE;
    if (!run_write(&bench->run, bench->options->out, error, sizeof error))
        code = command_fail(EXIT_MISSED, "%s", error);
    if (bench->options->html[0] != '\0' && !report_write(&bench->run, bench->options->html, error, sizeof error))
        code = command_fail(EXIT_MISSED, "%s", error);
    return verdict->exit_code != EXIT_FINE ? verdict->exit_code : code;
}

/* ---- commands ---- */

/* Leaves no file behind: a run that cannot begin has no record. */
static bool can_write(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink(path);
    else if (errno == EEXIST)
        fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int bench_check_options(const struct options *options, const char *command) {
    const char *const paths[] = { options->out, options->html };
    if (options->rate > 0 && options->users > 0)
        return command_fail(EXIT_USAGE, "%s takes --rate N or --users N", command);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (paths[i][0] != '\0' && !can_write(paths[i]))
            return command_fail(EXIT_USAGE, "%s cannot be written: %s", paths[i], strerrordesc_np(errno));
    return EXIT_FINE;
}

int bench_run_command(const struct bench_command *command, const struct options *options, const char *line) {
    struct bench bench;
    if (command->needs_load && options->rate <= 0 && options->users <= 0)
        return command_fail(EXIT_USAGE, "%s takes --rate N or --users N", command->name);
    int code = bench_check_options(options, command->name);
    if (code != EXIT_FINE)
        return code;
    code = bench_init(&bench, options, command->name, line);
    if (code == EXIT_FINE) {
        if (command->unit != NULL)
            snprintf(bench.run.options.unit, sizeof bench.run.options.unit, "%s", command->unit);
        if (command->without_accounts || bench_prepare(&bench) == EXIT_FINE)
            command->run(&bench);
        code = bench_finish(&bench);
    }
    bench_fini(&bench);
    return code;
}

struct order bench_order(enum run_by by, double load, double seconds, uint64_t seed) {
    assert(load >= 0 && seconds > 0 && seconds <= DURATION_MAX_S);
    struct order order = { .seed = seed };
    if (by == BY_USERS) {
        order.kind = ORDER_USERS;
        order.users = (unsigned)load;
        order.duration_ns = s_to_ns(seconds);
    } else {
        order.kind = ORDER_LOAD;
        order.segments_count = 1;
        order.segments[0] = (struct segment){ load, load, s_to_ns(seconds) };
    }
    return order;
}

double bench_seconds(const struct bench *bench, double by_default) {
    return bench->options->duration_s > 0 ? bench->options->duration_s : by_default;
}

void bench_show(struct bench *bench, const char *what, double load) {
    char number[DISPLAY_NUMBER_SIZE];
    snprintf(bench->display.progress, sizeof bench->display.progress, "%s %s %s", what, display_load(load, number),
             bench->run.options.unit);
}
