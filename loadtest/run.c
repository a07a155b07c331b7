#include "run.h"

#include "display.h"
#include "jwtd/clock.h"
#include "jwtd/cores.h"
#include "jwtd/macros.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define UNEVEN_PART 0.5 /* of where it began */
#define FALL_PART 0.1

void run_init(struct run *run) {
    *run = (struct run){ .started = (double)clock_wall_us() / (double)CLOCK_US_PER_S };
}

void run_fini(struct run *run) {
    for (size_t i = 0; i < run->steps_count; i++)
        free(run->steps[i].tallies);
    free(run->steps);
    free(run->seconds_list);
    free(run->trends);
    metrics_fini(&run->metrics);
    *run = (struct run){ .started = 0 };
}

/* Room for one more behind `count` items, in powers of two; the new one is zeroed. NULL when memory is exhausted. */
static void *grow(void **items, size_t count, size_t size) {
    if ((count & (count - 1)) == 0) {
        void *larger = realloc(*items, (count == 0 ? 1 : count * 2) * size);
        if (larger == NULL)
            return NULL;
        *items = larger;
    }
    return memset((char *)*items + count * size, 0, size);
}

struct run_step *run_add_step(struct run *run) {
    struct tally *tallies = calloc(ENDPOINTS, sizeof *tallies);
    void *items = run->steps;
    struct run_step *step = tallies == NULL ? NULL : grow(&items, run->steps_count, sizeof *step);
    run->steps = items;
    if (step == NULL) {
        free(tallies);
        return NULL;
    }
    run->steps_count++;
    step->tallies = tallies;
    return step;
}

struct run_second *run_add_second(struct run *run) {
    void *items = run->seconds_list;
    struct run_second *second = grow(&items, run->seconds_count, sizeof *second);
    run->seconds_list = items;
    run->seconds_count += second == NULL ? 0 : 1;
    return second;
}

struct run_trend *run_add_trend(struct run *run) {
    void *items = run->trends;
    struct run_trend *trend = grow(&items, run->trends_count, sizeof *trend);
    run->trends = items;
    run->trends_count += trend == NULL ? 0 : 1;
    return trend;
}

void run_step_total(const struct run_step *step, struct tally *total) {
    *total = (struct tally){ .due = 0 };
    for (size_t i = 0; i < ENDPOINTS; i++)
        tally_add(total, &step->tallies[i]);
}

bool run_trend_is_uneven(const struct run_trend *trend) {
    return !trend->grows && trend->worth > 0 && fabs(trend->end - trend->begin) > fmax(trend->worth, trend->begin * UNEVEN_PART);
}

static const char *trend_word(const struct run_trend *trend) {
    if (trend->grows)
        return "grows";
    if (trend->begin - trend->end > fmax(trend->worth, trend->begin * FALL_PART))
        return "falls";
    return run_trend_is_uneven(trend) ? "uneven" : "steady";
}

#define DIGITS_OF_ENDS 4 /* so that they differ where the change is small */

static bool is_of_time(const struct run_trend *trend) {
    return strcmp(trend->unit, "ms") == 0;
}

const char *run_describe_amount(const struct run_trend *trend, double amount, char text[RUN_AMOUNT_SIZE]) {
    char number[DISPLAY_NUMBER_SIZE];
    if (is_of_time(trend))
        display_ms(amount, number);
    else
        display_load(amount, number);
    snprintf(text, RUN_AMOUNT_SIZE, "%s%s%s", number, is_of_time(trend) ? "" : " ", is_of_time(trend) ? "" : trend->unit);
    return text;
}

/* "51.1 to 66.2 MiB", "7.49 ms to 5.02 s". */
static const char *describe_range(const struct run_trend *trend, double from, double to, int digits, char text[RUN_AMOUNT_SIZE]) {
    char low[DISPLAY_NUMBER_SIZE], high[DISPLAY_NUMBER_SIZE];
    if (is_of_time(trend))
        snprintf(text, RUN_AMOUNT_SIZE, "%.24s to %.24s", display_ms(from, low), display_ms(to, high));
    else
        snprintf(text, RUN_AMOUNT_SIZE, "%.20s to %.20s %s", display_number(from, digits, low), display_number(to, digits, high),
                 trend->unit);
    return text;
}

void run_describe_trend(const struct run_trend *trend, char text[RUN_TEXT_SIZE]) {
    char range[RUN_AMOUNT_SIZE], slope[RUN_AMOUNT_SIZE], worth[RUN_AMOUNT_SIZE];
    int len = snprintf(text, RUN_TEXT_SIZE, "%s: %s", trend_word(trend),
                       describe_range(trend, trend->begin, trend->end, DIGITS_OF_ENDS, range));
    if (len < 0 || len >= RUN_TEXT_SIZE)
        return;
    text += len;
    size_t size = RUN_TEXT_SIZE - (size_t)len;
    run_describe_amount(trend, trend->worth, worth);
    if (trend->grows)
        snprintf(text, size, ", by %s an hour (95 %%: %s)", run_describe_amount(trend, trend->slope, slope),
                 describe_range(trend, trend->low, trend->high, 3, range));
    else if (run_trend_is_uneven(trend) && trend->end > trend->begin)
        snprintf(text, size, " (more at the end, without an even growth)");
    else if (trend->low > 0 && trend->worth > 0 && trend->end - trend->begin > trend->worth)
        snprintf(text, size, " (in steps; an even growth counts from %s on)", worth);
    else if (trend->low > 0 && trend->worth > 0)
        snprintf(text, size, " (less than the %s that count as growth)", worth);
}

static void read_cpu_name(char *name, size_t size) {
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
        if (colon != NULL) {
            snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    if (file != NULL)
        fclose(file);
}

void run_read_machine(struct run_machine *machine) {
    struct utsname names;
    *machine = (struct run_machine){ .cores = (double)cores_affinity() };
    read_cpu_name(machine->cpu, sizeof machine->cpu);
    if (uname(&names) == 0) {
        snprintf(machine->kernel, sizeof machine->kernel, "%s %s", names.sysname, names.release);
        snprintf(machine->host, sizeof machine->host, "%s", names.nodename);
    }
    machine->memory_mib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1024 * 1024);
}

const struct run_step *run_find_step(const struct run *run, enum run_phase phase) {
    for (size_t i = run->steps_count; i > 0; i--)
        if (run->steps[i - 1].phase == phase)
            return &run->steps[i - 1];
    return NULL;
}

/* A single bad request of a second says nothing, however few there were. */
bool run_second_is_good(const struct run *run, const struct run_second *second, double share_allowed) {
    const struct run_figures *figures = &second->figures;
    double bad = figures->shed + figures->failed, ended = figures->ok + bad;
    if (ended == 0)
        return figures->in_flight < 1;
    bool in_time = run->options.slo_latency_ms <= 0 || figures->p99 <= run->options.slo_latency_ms;
    return in_time && bad <= fmax(1, share_allowed * ended);
}

void run_find_cause(const struct run_step *step, const struct usage *usage, struct cause *cause) {
    struct tally total;
    run_step_total(step, &total);
    cause_find(cause, usage, &total, step->seconds);
}

/* ---- names ---- */

static const char *const by_items[] = { [BY_RATE] = "rate", [BY_USERS] = "users" };
const struct names run_by_names = { by_items, ARRAY_LEN(by_items) };

static const char *const phase_items[] = {
    [PHASE_WARM_UP] = "warmup",    [PHASE_DOUBLE] = "double",   [PHASE_BISECT] = "bisect", [PHASE_HOLD] = "hold",
    [PHASE_OVERLOAD] = "overload", [PHASE_RECOVER] = "recover", [PHASE_RAMP] = "ramp",     [PHASE_SOAK] = "soak",
    [PHASE_IDLE] = "idle",         [PHASE_CEILING] = "ceiling", [PHASE_PACE] = "pace",     [PHASE_SLICE] = "slice",
    [PHASE_SIDE_A] = "A",          [PHASE_SIDE_B] = "B",        [PHASE_DAY] = "day",
};
const struct names run_phase_names = { phase_items, ARRAY_LEN(phase_items) };

static const char *const verdict_items[] = { [STEP_NOT_JUDGED] = "", [STEP_GOOD] = "good", [STEP_BAD] = "bad" };
const struct names step_verdict_names = { verdict_items, ARRAY_LEN(verdict_items) };

static const char *const collapse_items[] = {
    [COLLAPSE_UNKNOWN] = "unknown", [COLLAPSE_SHEDS] = "sheds",         [COLLAPSE_DEGRADES] = "degrades",
    [COLLAPSE_FAILS] = "fails",     [COLLAPSE_COLLAPSES] = "collapses", [COLLAPSE_CRASHES] = "crashes",
};
const struct names run_collapse_names = { collapse_items, ARRAY_LEN(collapse_items) };

static const char *const collapse_texts[] = {
    [COLLAPSE_UNKNOWN] = "not tried",
    [COLLAPSE_SHEDS] = "sheds, no failures",
    [COLLAPSE_DEGRADES] = "answers late, no failures",
    [COLLAPSE_FAILS] = "requests fail",
    [COLLAPSE_COLLAPSES] = "collapses",
    [COLLAPSE_CRASHES] = "crashes",
};

const char *run_collapse_text(enum run_collapse beyond) {
    return collapse_texts[beyond];
}
