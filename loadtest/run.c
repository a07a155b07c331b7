#include "run.h"

#include "jwtd/clock.h"
#include "jwtd/cores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

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
