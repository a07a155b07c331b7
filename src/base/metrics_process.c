/* What the process says of itself, under the names that every client library of Prometheus uses. */
#include "metric_table.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/version.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void read_build(struct metric_samples *samples, void *context) {
    (void)context;
    metric_sample(samples, 1, (const char *const[]){ JWTD_VERSION, jwtd_commit });
}

static void read_cpu(struct metric_samples *samples, void *context) {
    struct timespec used;
    (void)context;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
        metric_sample(samples, (double)used.tv_sec + (double)used.tv_nsec / 1e9, NULL);
}

/* Since Linux 6.2 the size of the directory is their number; before, it is 0, and they are listed. */
static double count_descriptors(void) {
    struct stat status;
    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
        return (double)status.st_size;
    DIR *directory = opendir("/proc/self/fd");
    double count = 0;
    if (directory == NULL)
        return -1;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.' ? 1 : 0;
    (void)closedir(directory);
    return count - 1; /* that of the directory itself */
}

static void read_open_fds(struct metric_samples *samples, void *context) {
    double count = count_descriptors();
    (void)context;
    if (count >= 0)
        metric_sample(samples, count, NULL);
}

static void read_max_fds(struct metric_samples *samples, void *context) {
    struct rlimit limit;
    (void)context;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metric_sample(samples, (double)limit.rlim_cur, NULL);
}

struct process_state {
    uint64_t threads, start_ticks, virtual_bytes, resident_pages;
};

/* The numbers of fields in proc(5). */
static uint64_t *place_of(struct process_state *state, unsigned field) {
    if (field == 20)
        return &state->threads;
    if (field == 22)
        return &state->start_ticks;
    if (field == 23)
        return &state->virtual_bytes;
    return field == 24 ? &state->resident_pages : NULL;
}

/* The name, in parentheses, is the second field, and may have blanks. */
static bool parse_state(const char *line, struct process_state *state) {
    const char *name_end = strrchr(line, ')');
    struct text fields = text_of(name_end != NULL ? name_end + 1 : "");
    (void)text_take_until(&fields, ' ');
    for (unsigned field = 3; field <= 24; field++) {
        uint64_t *place = place_of(state, field);
        struct text value = text_take_until(&fields, ' ');
        if (place != NULL && !text_parse_unsigned(value, UINT64_MAX, place))
            return false;
    }
    return true;
}

static bool read_state(struct process_state *state) {
    char line[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return false;
    size_t len = fread(line, 1, sizeof line - 1, file);
    (void)fclose(file);
    line[len] = '\0';
    return parse_state(line, state);
}

static void read_virtual_memory(struct metric_samples *samples, void *context) {
    struct process_state state;
    (void)context;
    if (read_state(&state))
        metric_sample(samples, (double)state.virtual_bytes, NULL);
}

static void read_resident_memory(struct metric_samples *samples, void *context) {
    struct process_state state;
    (void)context;
    if (read_state(&state))
        metric_sample(samples, (double)state.resident_pages * (double)sysconf(_SC_PAGESIZE), NULL);
}

static void read_threads(struct metric_samples *samples, void *context) {
    struct process_state state;
    (void)context;
    if (read_state(&state))
        metric_sample(samples, (double)state.threads, NULL);
}

static double start_time; /* 0: unknown */
static pthread_once_t start_time_once = PTHREAD_ONCE_INIT;

/* Once: each reading would differ a little, and look like a restart. /proc/stat, which has the time of the boot, may be hidden.
 */
static void find_start_time(void) {
    struct process_state state;
    struct timespec since_boot;
    if (!read_state(&state) || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return;
    double age =
        (double)since_boot.tv_sec + (double)since_boot.tv_nsec / 1e9 - (double)state.start_ticks / (double)sysconf(_SC_CLK_TCK);
    start_time = (double)clock_wall_us() / CLOCK_US_PER_S - age;
}

static void read_start_time(struct metric_samples *samples, void *context) {
    (void)context;
    pthread_once(&start_time_once, find_start_time);
    if (start_time > 0)
        metric_sample(samples, start_time, NULL);
}

static const struct {
    enum metric metric;
    metric_reader *read;
} readers[] = {
    { METRIC_BUILD, read_build },
    { METRIC_PROCESS_CPU, read_cpu },
    { METRIC_PROCESS_OPEN_FDS, read_open_fds },
    { METRIC_PROCESS_MAX_FDS, read_max_fds },
    { METRIC_PROCESS_VIRTUAL_MEMORY, read_virtual_memory },
    { METRIC_PROCESS_RESIDENT_MEMORY, read_resident_memory },
    { METRIC_PROCESS_START_TIME, read_start_time },
    { METRIC_PROCESS_THREADS, read_threads },
};

void metrics_register_process(void) {
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        metric_register(readers[i].metric, readers[i].read, NULL);
}

void metrics_unregister_process(void) {
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        metric_unregister(readers[i].metric);
}
