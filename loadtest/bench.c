#include "bench.h"

#include "command.h"
#include "instant.h"
#include "report.h"
#include "transport.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MISTAKE_SIZE 512
#define DESCRIPTORS_KEPT 128U /* of each process, for everything that is no connection */
#define CONNECTIONS_DEFAULT 2000.0
#define ACCOUNTS_DEFAULT 16.0

static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

bool bench_interrupted(void) {
    return interrupted != 0;
}

static int fail(int code, const char *mistake) {
    fprintf(stderr, "failpoint: %s\n", mistake);
    return code;
}

/* ---- the plan ---- */

static unsigned raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 1000000 ? 1000000U : (unsigned)limit.rlim_cur;
}

static double or_default(double value, double instead) {
    return value > 0 ? value : instead;
}

/* As many processes as the descriptors ask for; one does 100,000 requests a second, so more are seldom of use beside a server. */
static bool share_out(struct plan *plan, const struct options *options, char *mistake, size_t mistake_size) {
    double wanted = or_default(options->connections, options->users > CONNECTIONS_DEFAULT ? options->users : CONNECTIONS_DEFAULT);
    unsigned descriptors = raise_descriptors();
    unsigned room = descriptors > 2 * DESCRIPTORS_KEPT ? descriptors - DESCRIPTORS_KEPT : DESCRIPTORS_KEPT;
    unsigned needed = ((unsigned)wanted + room - 1) / room;
    plan->workers = options->workers > 0 ? (unsigned)options->workers : needed;
    if (plan->workers < needed || plan->workers > ENGINE_WORKERS_MAX) {
        snprintf(mistake, mistake_size,
                 "%.0f connections need %u processes of %u descriptors each: use --workers %u (at most %d), or raise ulimit -n",
                 wanted, needed, descriptors, needed, ENGINE_WORKERS_MAX);
        return false;
    }
    plan->connections_max = ((unsigned)wanted + plan->workers - 1) / plan->workers;
    return true;
}

static bool take_email(struct plan *plan, const char *form) {
    const char *number = strstr(form, "{}");
    if (number == NULL || strlen(form) >= sizeof plan->email_before || strpbrk(form, "\"\\\r\n") != NULL)
        return false;
    snprintf(plan->email_before, sizeof plan->email_before, "%.*s", (int)(number - form), form);
    snprintf(plan->email_after, sizeof plan->email_after, "%s", number + 2);
    return true;
}

static bool is_printable(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ')
            return false;
    return true;
}

static bool take_words(struct plan *plan, const struct options *options, char *mistake, size_t mistake_size) {
    plan->scenario = scenario_find(options->scenario);
    const char *wrong = NULL;
    if (plan->scenario == NULL)
        wrong = "--scenario is one of register, login, refresh, me, verify, mixed, session";
    else if (strcmp(options->arrivals, "poisson") != 0 && strcmp(options->arrivals, "uniform") != 0)
        wrong = "--arrivals is poisson or uniform";
    else if (strcmp(options->retry_after, "honour") != 0 && strcmp(options->retry_after, "ignore") != 0)
        wrong = "--retry-after is honour or ignore";
    else if (!take_email(plan, options->email))
        wrong = "--email needs {} where the number of the account goes";
    else if (strlen(options->password) >= sizeof plan->password || !is_printable(options->password))
        wrong = "--password is too long, or has control characters";
    if (wrong != NULL) {
        snprintf(mistake, mistake_size, "%s", wrong);
        return false;
    }
    plan->arrivals = strcmp(options->arrivals, "uniform") == 0 ? ARRIVALS_UNIFORM : ARRIVALS_POISSON;
    plan->retry_after = strcmp(options->retry_after, "honour") == 0 ? RETRY_HONOUR : RETRY_IGNORE;
    snprintf(plan->password, sizeof plan->password, "%s", options->password);
    return true;
}

static bool make_plan(struct plan *plan, const struct options *options, char *mistake, size_t mistake_size) {
    *plan = (struct plan){ .seed = (uint64_t)options->seed };
    if (!target_init(&plan->target, options->words[0], mistake, mistake_size) ||
        !take_words(plan, options, mistake, mistake_size) || !share_out(plan, options, mistake, mistake_size))
        return false;
    const char *slo = options->slo != NULL ? options->slo : plan->scenario->slo;
    if (!objectives_parse(slo, &plan->objectives, mistake, mistake_size) ||
        !api_init(&plan->api, options->api, mistake, mistake_size))
        return false;
    plan->sources = (unsigned)or_default(options->sources, 1);
    if (plan->sources > 1 && !plan->target.loopback4) {
        snprintf(mistake, mistake_size, "--sources works for targets on 127.0.0.0/8 only");
        return false;
    }
    plan->accounts = (unsigned)or_default(options->accounts, ACCOUNTS_DEFAULT);
    plan->sessions = plan->scenario->sessions == 0 ? 0 : (unsigned)or_default(options->sessions, plan->scenario->sessions);
    if (plan->sessions > 0 && plan->sessions < plan->workers)
        plan->sessions = plan->workers;
    plan->seeded = options->seeded;
    plan->new_connections = options->new_connections;
    plan->verify_peer = !options->insecure;
    plan->timeout_ns = s_to_ns(options->timeout_s);
    plan->think_ns = s_to_ns(or_default(options->think_s, plan->scenario->is_flow ? 1 : 0));
    plan->artificial_delay_ns = (int64_t)(options->artificial_delay_us * (double)NS_PER_US);
    plan->once = options->once;
    snprintf(plan->run_tag, sizeof plan->run_tag, "%" PRIx64, (uint64_t)instant_now() & UINT64_C(0xffffffffff));
    return true;
}

/* ---- the record ---- */

static void describe(struct run *run, const struct plan *plan, const struct options *options, const char *command,
                     const char *line) {
    struct run_options *record = &run->options;
    snprintf(record->command, sizeof record->command, "%s", command);
    snprintf(record->line, sizeof record->line, "%s", line);
    snprintf(record->url, sizeof record->url, "%s", plan->target.url);
    snprintf(record->scenario, sizeof record->scenario, "%s", plan->scenario->name);
    bool by_users = strcmp(options->by, "users") == 0 || options->users > 0;
    snprintf(record->by, sizeof record->by, "%s", by_users ? "users" : "rate");
    snprintf(record->unit, sizeof record->unit, "%s", by_users ? "users" : plan->scenario->unit);
    snprintf(record->slo, sizeof record->slo, "%s", options->slo != NULL ? options->slo : plan->scenario->slo);
    snprintf(record->arrivals, sizeof record->arrivals, "%s", options->arrivals);
    record->seed = options->seed;
    record->workers = (double)plan->workers;
    record->connections_max = (double)plan->connections_max * (double)plan->workers;
    record->timeout_s = options->timeout_s;
    record->new_connections = plan->new_connections;
    record->tls = plan->target.tls;
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
    char mistake[MISTAKE_SIZE] = "";
    *bench = (struct bench){ .options = options, .begin_ns = instant_now() };
    run_init(&bench->run);
    display_init(&bench->display, options->quiet);
    if (!make_plan(&bench->plan, options, mistake, sizeof mistake))
        return fail(EXIT_USAGE, mistake);
    describe(&bench->run, &bench->plan, options, command, line);
    if (!make_views(bench) || (bench->plan.target.tls && !transport_tls_init(bench->plan.verify_peer)))
        return fail(EXIT_GENERATOR, "no memory");
    /* before the samples: a worker must not inherit the connection to the database */
    bench->engine = engine_create(&bench->plan, mistake, sizeof mistake);
    if (bench->engine == NULL)
        return fail(EXIT_GENERATOR, mistake);
    catch_signals();
    if (!samples_init(&bench->samples, &bench->plan.target, (pid_t)options->pid, options->pg, mistake, sizeof mistake))
        return fail(EXIT_UNREACHABLE, mistake);
    snprintf(bench->run.machine.server, sizeof bench->run.machine.server, "%s", bench->samples.server_name);
    snprintf(bench->run.machine.hash_parameters, sizeof bench->run.machine.hash_parameters, "%s", bench->samples.hash_parameters);
    return EXIT_FINE;
}

void bench_fini(struct bench *bench) {
    engine_destroy(bench->engine);
    samples_fini(&bench->samples);
    transport_tls_fini();
    api_fini(&bench->plan.api);
    run_fini(&bench->run);
    free(bench->before);
    free(bench->now);
    free(bench->mark);
}

static int exit_code_of_trouble(enum worker_trouble trouble) {
    if (trouble == TROUBLE_UNREACHABLE || trouble == TROUBLE_NOT_ADMITTED)
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
            display_note(&bench->display, "preparing: %u of %u sessions", bench->now->sessions, bench->plan.sessions);
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
    char mistake[MISTAKE_SIZE] = "";
    metrics_read(&bench->run.metrics, &bench->plan.target, bench->options->metrics, false);
    bench->run.seconds = ns_to_s(instant_now() - bench->begin_ns);
    display_clear(&bench->display);
    puts(verdict->headline);
    if (!run_write(&bench->run, bench->options->out, mistake, sizeof mistake))
        fail(EXIT_MISSED, mistake);
    if (bench->options->html[0] != '\0' && !report_write(&bench->run, bench->options->html, mistake, sizeof mistake))
        fail(EXIT_MISSED, mistake);
    return verdict->exit_code;
}
