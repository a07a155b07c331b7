#include "bench.h"
#include "command.h"
#include "probes.h"

#include <math.h>
#include <stdio.h>

#define CONNECTIONS_DEFAULT 10000.0
#define SECONDS_DEFAULT 10.0
#define OPENING_MAX_S 60.0

struct idling {
    unsigned wanted;
    double seconds, opened_at; /* opened_at: when all were there; 0: not yet */
    unsigned most;
};

static bool is_enough(void *context, const struct bench_progress *progress) {
    struct idling *idling = context;
    unsigned now = progress->view->connections;
    idling->most = now > idling->most ? now : idling->most;
    if (idling->opened_at <= 0 && now >= idling->wanted)
        idling->opened_at = progress->trial.seconds;
    if (idling->opened_at <= 0)
        return progress->trial.seconds > OPENING_MAX_S;
    return progress->trial.seconds > idling->opened_at + idling->seconds;
}

static double rss_mib(const struct samples *samples) {
    double sum = 0;
    for (size_t i = 0; i < samples->servers_count; i++)
        sum += probe_rss_mib(samples->servers[i]);
    return sum;
}

static void conclude(struct bench *bench, const struct idling *idling, const struct run_step *step, double before) {
    struct run_verdict *verdict = &bench->run.verdict;
    unsigned held = bench->now->connections;
    double after = step->usage.server_known ? step->usage.rss_mib : 0;
    double grown = fmax(after - before, 0); /* a server that gives memory back meanwhile can hide them all */
    int len;
    if (idling->opened_at <= 0)
        len = snprintf(verdict->headline, sizeof verdict->headline, "only %u of %u connections could be opened", idling->most,
                       idling->wanted);
    else
        len = snprintf(verdict->headline, sizeof verdict->headline,
                       "%u idle connections, opened in %.2f s, %u there after %.0f s more", idling->wanted, idling->opened_at,
                       held, idling->seconds);
    if (step->usage.server_known && idling->most > 0 && len > 0)
        snprintf(verdict->headline + len, sizeof verdict->headline - (size_t)len,
                 "; %.1f KiB of the server's memory each (%.1f to %.1f MiB); %llu were closed by the server and opened again",
                 grown * 1024 / idling->most, before, after,
                 (unsigned long long)(bench->now->opened > idling->most ? bench->now->opened - idling->most : 0));
    verdict->interrupted = bench_interrupted();
    bool kept = idling->opened_at > 0 && held >= idling->wanted - idling->wanted / 100;
    if (verdict->interrupted)
        verdict->exit_code = EXIT_INTERRUPTED;
    else
        verdict->exit_code = bench->crashed ? EXIT_BROKE : kept ? EXIT_FINE : EXIT_MISSED;
}

static void idle(struct bench *bench) {
    struct idling idling = { .wanted = (unsigned)bench->options->connections, .seconds = bench_seconds(bench, SECONDS_DEFAULT) };
    struct bench_step asked = { .phase = PHASE_IDLE, .load = idling.wanted, .enough = is_enough, .context = &idling };
    asked.order = (struct order){ .kind = ORDER_IDLE, .connections = idling.wanted };
    double before = rss_mib(&bench->samples);
    snprintf(bench->display.progress, sizeof bench->display.progress, "idle %u connections", idling.wanted);
    const struct run_step *step = bench_run(bench, &asked);
    if (step != NULL)
        conclude(bench, &idling, step, before);
}

int command_idle(const struct options *options, const char *line) {
    static const struct bench_command command = { .name = "idle", .unit = "connections", .without_accounts = true, .run = idle };
    struct options complete = *options;
    if (complete.connections <= 0)
        complete.connections = CONNECTIONS_DEFAULT;
    return bench_run_command(&command, &complete, line);
}
