#include "report.h"

#include "command.h"
#include "cost.h"
#include "display.h"
#include "html.h"
#include "search.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* ---- the headline ---- */

static const char *class_of_verdict(const struct run_verdict *verdict) {
    switch (verdict->exit_code) {
    case EXIT_FINE:
        return "fine";
    case EXIT_MISSED:
    case EXIT_BROKE:
    case EXIT_REGRESSION:
        return "bad";
    default:
        return "warn";
    }
}

static void write_time(double seconds, FILE *out) {
    time_t whole = (time_t)seconds;
    struct tm parts;
    char text[64] = "";
    if (gmtime_r(&whole, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    fputs(text, out);
}

static void write_header(const struct run *run, FILE *out) {
    fprintf(out, "<header class=\"%s\"><h1>", class_of_verdict(&run->verdict));
    html_text(out, run->verdict.headline);
    fputs("</h1><p>", out);
    html_text(out, run->options.scenario);
    fputs(" against ", out);
    html_text(out, run->options.url);
    fputs(", ", out);
    write_time(run->started, out);
    fputs("</p>", out);
    if (run->verdict.drift[0] != '\0') {
        fputs("<p class=drift>", out);
        html_text(out, run->verdict.drift);
        fputs("</p>", out);
    }
    fputs("</header>\n", out);
}

/* ---- numbers ---- */

static void write_card(FILE *out, const char *name, const char *value, const char *what) {
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    html_text(out, value);
    fputs("<small>", out);
    html_text(out, what);
    fputs("</small></dd></div>", out);
}

static void write_load_card(FILE *out, const char *name, double load, const char *unit, const char *what) {
    char number[HTML_NUMBER_SIZE], value[RUN_TEXT_SIZE];
    if (load <= 0)
        return;
    snprintf(value, sizeof value, "%s %s", html_number(load, number), unit);
    write_card(out, name, value, what);
}

static void write_recovery(const struct run *run, FILE *out) {
    const struct run_verdict *verdict = &run->verdict;
    char number[DISPLAY_NUMBER_SIZE], value[64], wait[SEARCH_WAIT_SIZE], failures[SEARCH_HALF_LOAD_SIZE], what[RUN_TEXT_SIZE];
    if (verdict->beyond == COLLAPSE_UNKNOWN)
        return;
    snprintf(value, sizeof value, "%s", display_ms(verdict->recovery * 1000, number));
    if (!verdict->recovered)
        snprintf(value, sizeof value, "%s", verdict->recovering ? "under way" : verdict->interrupted ? "not known" : "none");
    const char *semicolon = search_describe_half_load(run, failures)[0] != '\0' ? "; " : "";
    snprintf(what, sizeof what, "above the limit: %s%s%s%s", run_collapse_text(verdict->beyond), search_describe_wait(run, wait),
             semicolon, failures);
    write_card(out, "Recovery", value, what);
}

static void write_costs(const struct run *run, FILE *out) {
    struct run_cost cost;
    const struct run_step *step = cost_find(run, &cost);
    char value[RUN_TEXT_SIZE], what[RUN_TEXT_SIZE], number[HTML_NUMBER_SIZE], errors[COST_TEXT_SIZE];
    if (step == NULL)
        return;
    write_card(out, "Errors per million requests", html_number(cost.errors_per_million, value),
               cost_explain_errors(&cost, step, errors));
    snprintf(value, sizeof value, "%s MiB", html_number(cost.memory_mib, number));
    snprintf(what, sizeof what, "the %s MiB of before the load, and what it added, scaled from %s/s",
             html_number(run->machine.server_idle_mib, number), display_load(step->figures.served, errors));
    if (cost.memory_mib > 0)
        write_card(out, "Memory for 1,000 requests/s", value, what);
    if (cost.cores <= 0)
        return;
    snprintf(value, sizeof value, "%s cores", html_number(cost.cores, number));
    bool has_price = run->options.core_price > 0;
    snprintf(what, sizeof what, "of server%s%s%s", step->usage.database_known ? " and database" : "",
             has_price ? "; they cost " : "", has_price ? html_number(cost.price, number) : "");
    write_card(out, "Processor for 1,000 requests/s", value, what);
}

static void write_numbers(const struct run *run, FILE *out) {
    const struct run_verdict *verdict = &run->verdict;
    const char *unit = run->options.unit;
    char what[RUN_TEXT_SIZE + 80];
    fputs("<dl class=numbers>", out);
    write_load_card(out, "Run it at", verdict->safe, unit, "or less: three quarters of the limit, which leaves room for bursts");
    snprintf(what, sizeof what, "%s, %s", search_describe_limit(verdict), run->options.slo);
    write_load_card(out, verdict->at_least ? "Limit, at least" : "Limit", verdict->limit, unit, what);
    write_load_card(out, "Knee", verdict->knee, unit,
                    "up to here requests do not queue; from here to the limit they wait, within the objective");
    write_load_card(out, "Collapse", verdict->collapse, unit, search_describe_collapse(verdict));
    write_recovery(run, out);
    const struct run_step *last = run->steps_count > 0 ? &run->steps[run->steps_count - 1] : NULL;
    if (last != NULL && verdict->limit <= 0) {
        char text[DISPLAY_NUMBER_SIZE];
        write_load_card(out, "Answered", last->figures.served, "/s", "of all endpoints");
        write_card(out, "p99", display_ms(last->figures.p99, text), run->options.slo);
    }
    write_costs(run, out);
    fputs("</dl>\n", out);
}

/* ---- steps ---- */

/* The name is shown beside the value where the columns have no room: on a phone. */
static void write_cell(FILE *out, const char *name, double number) {
    char text[HTML_NUMBER_SIZE];
    fprintf(out, "<td data-name=\"%s\">%s</td>", name, html_number(number, text));
}

static void write_duration(FILE *out, const char *name, double ms) {
    char text[DISPLAY_NUMBER_SIZE];
    fprintf(out, "<td data-name=\"%s\">%s</td>", name, ms > 0 ? display_ms(ms, text) : "");
}

static void write_words(FILE *out, const struct run_step *step) {
    fprintf(out, "<td class=\"words %s\">", step->verdict == STEP_BAD ? "bad-word" : "good");
    html_text(out, names_get(&step_verdict_names, (int)step->verdict));
    if (step->why[0] != '\0') {
        fputs(": ", out);
        html_text(out, step->why);
    }
    if (step->generator_limited)
        fputs(" (failpoint itself was the limit)", out);
    if (!step->little_agrees && step->little_expected > 0)
        fputs(" (something changed while it was measured)", out);
    fputs("</td>", out);
}

static void write_step(FILE *out, const struct run *run, const struct run_step *step) {
    const struct run_figures *figures = &step->figures;
    char load[HTML_NUMBER_SIZE];
    fputs("<tr><td class=load>", out);
    html_text(out, names_get(&run_phase_names, (int)step->phase));
    fprintf(out, " %s ", html_number(step->load, load));
    html_text(out, run->options.unit);
    fputs("</td>", out);
    write_cell(out, "offered/s", figures->offered);
    write_cell(out, "answered/s", figures->served);
    write_cell(out, "shed", figures->shed);
    write_cell(out, "failed", figures->failed);
    write_duration(out, "p50", figures->p50);
    write_duration(out, "p99", figures->p99);
    write_cell(out, "server cores", step->usage.server_cores);
    write_words(out, step);
    fputs("</tr>\n", out);
}

static void write_steps(const struct run *run, FILE *out) {
    fputs("<h2>Steps</h2>", out);
    if (strcmp(run->options.command, "find") == 0)
        fputs("<p>The load was doubled until it was too much, then narrowed down between the highest that was good and the "
              "lowest that "
              "was bad (bisect), and held. A bad one is tried twice. Then came 1.5 times the limit (overload), and half of it "
              "(recover).</p>",
              out);
    fputs("<div class=\"wide steps\" tabindex=0 role=region aria-label=Steps><table><thead><tr><th>load</th>"
          "<th>offered/s</th><th>answered/s</th><th>shed</th><th>failed</th><th>p50</th><th>p99</th><th>server "
          "cores</th><th class=words>verdict</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < run->steps_count; i++)
        write_step(out, run, &run->steps[i]);
    fputs("</tbody></table></div>\n", out);
}

/* ---- what grows ---- */

static void write_trend(FILE *out, const struct run_trend *trend) {
    char text[RUN_TEXT_SIZE];
    run_describe_trend(trend, text);
    fputs("<dt>", out);
    html_text(out, trend->name);
    fprintf(out, "</dt><dd class=\"%s\">", trend->grows ? "bad-word" : run_trend_is_uneven(trend) ? "" : "good");
    html_text(out, text);
    fputs("</dd>", out);
}

static void write_trends(const struct run *run, FILE *out) {
    if (run->trends_count == 0)
        return;
    fputs("<h2>Growth</h2><dl class=facts>", out);
    for (size_t i = 0; i < run->trends_count; i++)
        write_trend(out, &run->trends[i]);
    fputs("</dl>\n", out);
}

/* ---- how it was measured ---- */

static void write_fact(FILE *out, const char *name, const char *value) {
    if (value[0] == '\0')
        return;
    fprintf(out, "<dt>%s</dt><dd>", name);
    html_text(out, value);
    fputs("</dd>", out);
}

static const char *describe_arrivals(const struct run_options *options) {
    if (options->by == BY_USERS)
        return "users who wait for their replies (closed loop)";
    return options->arrivals == ARRIVALS_UNIFORM ? "arrivals at even intervals (open loop)"
                                                 : "arrivals by chance (Poisson, open loop)";
}

static void write_facts(const struct run *run, FILE *out) {
    const struct run_machine *machine = &run->machine;
    const struct run_options *options = &run->options;
    char text[RUN_TEXT_SIZE * 3], number[HTML_NUMBER_SIZE];
    fputs("<h2>How it was measured</h2><pre>", out);
    html_text(out, options->line);
    fputs("</pre><dl class=facts>", out);
    write_fact(out, "Objective", options->slo);
    snprintf(text, sizeof text, "%s; seed %s, %s connections at most, processes that send: %s%s", describe_arrivals(options),
             html_number(options->seed, number), html_number(options->connections_max, (char[HTML_NUMBER_SIZE]){ 0 }),
             html_number(options->workers, (char[HTML_NUMBER_SIZE]){ 0 }),
             options->new_connections ? ", a new connection for each request" : "");
    write_fact(out, "Load", text);
    snprintf(text, sizeof text, "%s cores of %s, %s", html_number(machine->cores, number), machine->cpu, machine->kernel);
    write_fact(out, "Machine", text);
    write_fact(out, "Server", machine->server);
    write_fact(out, "Password hash", machine->hash_parameters);
    write_fact(out, "Because", run->verdict.cause.text);
    write_fact(out, "Took", display_ms(run->seconds * 1000, number));
    fputs("</dl>\n", out);
}

/* ---- the page ---- */

static void write_page(const struct run *run, FILE *out) {
    fputs("<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
          "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
          "<meta http-equiv=Content-Security-Policy content=\"default-src 'none';style-src 'unsafe-inline';img-src data:\">"
          "<link rel=icon href=\"data:,\"><title>",
          out);
    html_text(out, run->verdict.headline);
    fprintf(out, "</title><style>%s</style></head><body><main>\n", report_style);
    write_header(run, out);
    write_numbers(run, out);
    fputs("<h2>Charts</h2><div class=charts>\n", out);
    report_write_charts(run, out);
    fputs("</div>\n", out);
    write_trends(run, out);
    write_steps(run, out);
    write_facts(run, out);
    fputs("</main></body></html>\n", out);
}

bool report_write(const struct run *run, const char *path, char *error, size_t error_size) {
    FILE *out = fopen(path, "we");
    if (out != NULL)
        write_page(run, out);
    bool is_written = out != NULL && !ferror(out);
    if (out != NULL)
        is_written = fclose(out) == 0 && is_written;
    if (!is_written)
        snprintf(error, error_size, "%s cannot be written: %s", path, strerrordesc_np(errno));
    return is_written;
}
