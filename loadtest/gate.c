#include "gate.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAME_MEMORY 0.05 /* kernels count it a little differently from one start to the next */

/* ---- whether it is the same test ---- */

struct same {
    const char *what, *run, *baseline;
};

static bool is_same_memory(const struct run_machine *one, const struct run_machine *other) {
    return fabs(one->memory_mib - other->memory_mib) <= SAME_MEMORY * other->memory_mib;
}

static bool is_same_test(const struct run *run, const struct run *baseline, char *error, size_t error_size) {
    const struct same texts[] = {
        { "processors", run->machine.cpu, baseline->machine.cpu },
        { "hash parameters", run->machine.hash_parameters, baseline->machine.hash_parameters },
        { "commands", run->options.command, baseline->options.command },
        { "scenarios", run->options.scenario, baseline->options.scenario },
        { "objectives", run->options.slo, baseline->options.slo },
        { "kinds of load", names_get(&run_by_names, (int)run->options.by), names_get(&run_by_names, (int)baseline->options.by) },
        { "arrivals", names_get(&arrivals_names, (int)run->options.arrivals),
          names_get(&arrivals_names, (int)baseline->options.arrivals) },
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(texts[i].run, texts[i].baseline) != 0) {
            snprintf(error, error_size, "the two runs have different %s: \"%s\" and \"%s\"", texts[i].what, texts[i].run,
                     texts[i].baseline);
            return false;
        }
    }
    if (run->machine.cores != baseline->machine.cores || !is_same_memory(&run->machine, &baseline->machine)) {
        snprintf(error, error_size, "the two runs are of different machines: %.0f cores, %.0f MiB and %.0f cores, %.0f MiB",
                 run->machine.cores, run->machine.memory_mib, baseline->machine.cores, baseline->machine.memory_mib);
        return false;
    }
    if (run->options.new_connections != baseline->options.new_connections || run->options.tls != baseline->options.tls) {
        snprintf(error, error_size, "the two runs have different connections");
        return false;
    }
    return true;
}

/* ---- what is compared ---- */

static void add_line(struct gate *gate, const char *name, const char *unit, double run, double baseline, bool more_is_better,
                     double tolerance) {
    if (baseline <= 0)
        return;
    assert(gate->count < GATE_LINES);
    struct gate_line *line = &gate->lines[gate->count++];
    snprintf(line->name, sizeof line->name, "%s", name);
    snprintf(line->unit, sizeof line->unit, "%s", unit);
    line->baseline = baseline;
    line->run = run;
    line->worse = 100 * (more_is_better ? baseline - run : run - baseline) / baseline;
    line->is_regression = line->worse > tolerance;
    gate->is_regression = gate->is_regression || line->is_regression;
}

static const struct run_step *last_step(const struct run *run) {
    return run->steps_count > 0 ? &run->steps[run->steps_count - 1] : NULL;
}

bool gate_compare(const struct run *run, const struct run *baseline, double tolerance_percent, struct gate *gate, char *error,
                  size_t error_size) {
    *gate = (struct gate){ .count = 0 };
    if (!is_same_test(run, baseline, error, error_size))
        return false;
    if (strcmp(run->options.command, "find") == 0) {
        add_line(gate, "limit", run->options.unit, run->verdict.limit, baseline->verdict.limit, true, tolerance_percent);
        return true;
    }
    const struct run_step *own = last_step(run), *other = last_step(baseline);
    if (own == NULL || other == NULL || own->load != other->load || own->load_end != other->load_end) {
        snprintf(error, error_size, "the two runs have other loads");
        return false;
    }
    add_line(gate, "answered", "/s", own->figures.served, other->figures.served, true, tolerance_percent);
    add_line(gate, "in time", "/s", own->figures.goodput, other->figures.goodput, true, tolerance_percent);
    /* the tail of one run is known much less well than its rate */
    add_line(gate, "p99", "ms", own->figures.p99, other->figures.p99, false, 4 * tolerance_percent);
    return true;
}
