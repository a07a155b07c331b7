#include "cost.h"

#include "display.h"

#include <stdio.h>

#define MILLION 1e6
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
    cost->memory_mib = usage->rss_mib / figures->served * THOUSAND;
    cost->cores = (usage->server_cores + usage->database_cores) / figures->served * THOUSAND;
    cost->price = cost->cores * run->options.core_price;
    return step;
}

void cost_print(const struct run *run) {
    struct run_cost cost;
    char errors[DISPLAY_NUMBER_SIZE], memory[DISPLAY_NUMBER_SIZE], cores[DISPLAY_NUMBER_SIZE], price[DISPLAY_NUMBER_SIZE];
    const struct run_step *step = cost_find(run, &cost);
    if (step == NULL)
        return;
    printf("  errors per million requests: %s\n", display_load(cost.errors_per_million, errors));
    if (step->usage.server_known && step->figures.served < SERVED_MIN)
        puts("  too little load to say what 1,000 requests a second need");
    if (cost.memory_mib <= 0)
        return;
    printf("  scaled to 1,000 requests a second: %s MiB, %s cores%s", display_load(cost.memory_mib, memory),
           display_load(cost.cores, cores), run->options.core_price > 0 ? "" : "\n");
    if (run->options.core_price > 0)
        printf(", which cost %s\n", display_load(cost.price, price));
}
