#include "samples.h"

#include "instant.h"
#include "jwtd/cores.h"
#include "probes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMELESS "(main)"

struct sample {
    int64_t taken_ns;
    double machine_busy_s, listen_overflows;
    uint64_t generator_ns;
    struct probe_thread threads[PROBE_THREADS];
    size_t threads_count;
    double rss_mib, descriptors, descriptors_max;
    bool cgroup_known, database_known;
    struct probe_cgroup cgroup;
    struct probe_database database;
};

bool samples_init(struct samples *samples, const struct target *target, pid_t server, const char *database_url, char *error,
                  size_t error_size) {
    *samples = (struct samples){ .servers_count = 0 };
    if (server > 0) {
        samples->servers[0] = server;
        samples->servers_count = 1;
    } else {
        samples->servers_count = probe_listeners(target, samples->servers, SAMPLES_SERVERS);
    }
    if (samples->servers_count > 0 && !probe_name(samples->servers[0], samples->server_name, sizeof samples->server_name))
        samples->servers_count = 0;
    if (database_url == NULL)
        return true;
    samples->database = probe_database_open(database_url, error, error_size);
    probe_hash_parameters(samples->database, samples->hash_parameters, sizeof samples->hash_parameters);
    return samples->database != NULL;
}

void samples_fini(struct samples *samples) {
    probe_database_close(samples->database);
    samples->database = NULL;
}

bool samples_server_lives(const struct samples *samples) {
    for (size_t i = 0; i < samples->servers_count; i++)
        if (probe_lives(samples->servers[i]))
            return true;
    return samples->servers_count == 0;
}

static void read_server(const struct samples *samples, struct sample *sample) {
    for (size_t i = 0; i < samples->servers_count; i++) {
        pid_t pid = samples->servers[i];
        sample->threads_count = probe_threads(pid, sample->threads, sample->threads_count);
        sample->rss_mib += probe_rss_mib(pid);
        sample->descriptors += probe_descriptors(pid);
        sample->descriptors_max += probe_descriptors_max(pid);
    }
    if (samples->servers_count > 0)
        sample->cgroup_known = probe_cgroup(samples->servers[0], &sample->cgroup);
}

struct sample *sample_take(struct samples *samples, const int *generator_pids, size_t generator_pids_count) {
    struct sample *sample = calloc(1, sizeof *sample);
    if (sample == NULL)
        return NULL;
    sample->machine_busy_s = probe_machine_busy_s();
    sample->listen_overflows = probe_listen_overflows();
    for (size_t i = 0; i < generator_pids_count; i++)
        sample->generator_ns += probe_cpu_ns(generator_pids[i]);
    read_server(samples, sample);
    sample->database_known = probe_database(samples->database, &sample->database);
    sample->taken_ns = instant_now();
    return sample;
}

void sample_destroy(struct sample *sample) {
    free(sample);
}

/* ---- usage ---- */

/* "crypto-12" and "crypto-3" are "crypto". */
static void group_name(const char *thread, char name[USAGE_NAME_SIZE]) {
    size_t len = strlen(thread);
    while (len > 0 && strchr("0123456789-_/:#. ", thread[len - 1]) != NULL)
        len--;
    snprintf(name, USAGE_NAME_SIZE, "%.*s", (int)len, len == 0 ? NAMELESS : thread);
    if (len == 0)
        snprintf(name, USAGE_NAME_SIZE, NAMELESS);
}

static uint64_t earlier_cpu(const struct sample *earlier, pid_t id) {
    for (size_t i = 0; i < earlier->threads_count; i++)
        if (earlier->threads[i].id == id)
            return earlier->threads[i].cpu_ns;
    return 0;
}

static struct usage_group *find_group(struct usage *usage, const char *thread) {
    char name[USAGE_NAME_SIZE];
    group_name(thread, name);
    for (size_t i = 0; i < usage->groups_count; i++)
        if (strcmp(usage->groups[i].name, name) == 0)
            return &usage->groups[i];
    if (usage->groups_count == USAGE_GROUPS)
        return &usage->groups[USAGE_GROUPS - 1];
    struct usage_group *group = &usage->groups[usage->groups_count++];
    memcpy(group->name, name, sizeof name);
    return group;
}

static int busier(const void *a, const void *b) {
    double left = ((const struct usage_group *)a)->cores, right = ((const struct usage_group *)b)->cores;
    return (left < right) - (left > right);
}

static void use_of_server(const struct sample *earlier, const struct sample *later, struct usage *usage) {
    usage->server_known = later->threads_count > 0;
    usage->rss_mib = later->rss_mib;
    usage->descriptors = later->descriptors;
    usage->descriptors_max = later->descriptors_max;
    usage->threads = (double)later->threads_count;
    for (size_t i = 0; i < later->threads_count; i++) {
        const struct probe_thread *thread = &later->threads[i];
        uint64_t before = earlier_cpu(earlier, thread->id);
        double cores = thread->cpu_ns > before ? ns_to_s((int64_t)(thread->cpu_ns - before)) / usage->seconds : 0;
        struct usage_group *group = find_group(usage, thread->name);
        group->threads++;
        group->cores += cores;
        usage->server_cores += cores;
    }
    qsort(usage->groups, usage->groups_count, sizeof usage->groups[0], busier);
}

static double per_second(double earlier, double later, double seconds) {
    return later > earlier ? (later - earlier) / seconds : 0;
}

void sample_usage(const struct sample *earlier, const struct sample *later, struct usage *usage) {
    double seconds = ns_to_s(later->taken_ns - earlier->taken_ns);
    *usage = (struct usage){ .seconds = seconds > 0.001 ? seconds : 0.001, .machine_cores = (double)cores_affinity() };
    seconds = usage->seconds;
    usage->machine_busy = per_second(earlier->machine_busy_s, later->machine_busy_s, seconds);
    usage->generator_cores = per_second((double)earlier->generator_ns / 1e9, (double)later->generator_ns / 1e9, seconds);
    usage->listen_overflows =
        later->listen_overflows > earlier->listen_overflows ? later->listen_overflows - earlier->listen_overflows : 0;
    use_of_server(earlier, later, usage);
    usage->cgroup_known = earlier->cgroup_known && later->cgroup_known;
    if (usage->cgroup_known) {
        usage->quota_cores = later->cgroup.quota_cores;
        usage->memory_limit_mib = later->cgroup.memory_limit_mib;
        usage->throttled_share =
            per_second((double)earlier->cgroup.throttled_us / 1e6, (double)later->cgroup.throttled_us / 1e6, seconds);
    }
    usage->database_known = earlier->database_known && later->database_known;
    if (usage->database_known) {
        usage->database_cores = per_second((double)earlier->database.cpu_ns / 1e9, (double)later->database.cpu_ns / 1e9, seconds);
        usage->database_active = later->database.active;
        usage->database_waiting = later->database.waiting;
        usage->database_connections = later->database.connections;
        usage->database_connections_max = later->database.connections_max;
    }
}
