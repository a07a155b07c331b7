#include "cost.h"

#include "display.h"

#include <math.h>
#include <stdio.h>

#define MILLION 1e6
#define NONE_SEEN 3.0 /* so many expected ones are unlikely to be none: 5 % */
#define THOUSAND 1e3
#define SERVED_MIN 50.0 /* a second */

static const struct run_step *step_of_result(const struct run *run) {
    for (size_t i = run->steps_count; i > 0 && run->verdict.limit > 0; i--) {
        const struct run_step *step = &run->steps[i - 1];
        if (step->phase == PHASE_HOLD && step->verdict == STEP_GOOD && step->load == run->verdict.limit)
            return step;
    }
    return run->steps_count == 0 ? NULL : &run->steps[run->steps_count - 1];
}

const struct run_step *cost_find(const struct run *run, struct run_cost *cost) {
    const struct run_step *step = step_of_result(run);
    *cost = (struct run_cost){ .errors_per_million = 0 };
    if (step == NULL || step->figures.due <= 0)
        return NULL;
    const struct run_figures *figures = &step->figures;
    const struct usage *usage = &step->usage;
    cost->errors_per_million = (figures->shed + figures->failed) / figures->due * MILLION;
    if (!usage->server_known || figures->served < SERVED_MIN)
        return step;
    double idle_mib = run->machine.server_idle_mib;
    if (idle_mib > 0)
        cost->memory_mib = idle_mib + fmax(usage->rss_mib - idle_mib, 0) / figures->served * THOUSAND;
    cost->cores = (usage->server_cores + usage->database_cores) / figures->served * THOUSAND;
    cost->price = cost->cores * run->options.core_price;
    return step;
}

const char *cost_explain_errors(const struct run_cost *cost, const struct run_step *step, char text[COST_TEXT_SIZE]) {
    char bound[DISPLAY_NUMBER_SIZE], served[DISPLAY_NUMBER_SIZE];
    if (cost->errors_per_million > 0)
        snprintf(text, COST_TEXT_SIZE, "refused or failed, at %s answered a second", display_load(step->figures.served, served));
    else
        snprintf(text, COST_TEXT_SIZE, "none of %.0f requests, so under %s with 95 %% certainty", step->figures.due,
                 display_load(NONE_SEEN / step->figures.due * MILLION, bound));
    return text;
}

void cost_print(const struct run *run) {
    struct run_cost cost;
    char text[COST_TEXT_SIZE], numbers[4][DISPLAY_NUMBER_SIZE];
    const struct run_step *step = cost_find(run, &cost);
    if (step == NULL)
        return;
    printf("  errors per million requests: %s (%s)\n", display_load(cost.errors_per_million, numbers[0]),
           cost_explain_errors(&cost, step, text));
    if (step->usage.server_known && step->figures.served < SERVED_MIN)
        puts("  too little load to say what 1,000 requests a second need");
    if (cost.cores <= 0)
        return;
    printf("  scaled to 1,000 requests a second: %s cores", display_load(cost.cores, numbers[0]));
    if (cost.memory_mib > 0)
        printf(", %s MiB (%s MiB before the load, %s MiB at %s/s)", display_load(cost.memory_mib, numbers[0]),
               display_load(run->machine.server_idle_mib, numbers[1]), display_load(step->usage.rss_mib, numbers[2]),
               display_load(step->figures.served, numbers[3]));
    if (run->options.core_price > 0)
        printf("; the cores cost %s, at %s each", display_load(cost.price, numbers[0]),
               display_load(run->options.core_price, numbers[1]));
    putchar('\n');
}
