/*
 * probes: single readings of the machine's counters, for samples.c, and what else needs libpq. A reading is false, or 0, where
 * there is nothing to read.
 */
#ifndef FAILPOINT_PROBES_H
#define FAILPOINT_PROBES_H

#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROBE_THREADS 512

struct probe_thread {
    pid_t id;
    char name[16];
    uint64_t cpu_ns;
};

struct probe_cgroup {
    double quota_cores, memory_limit_mib; /* 0: none */
    uint64_t throttled_us;
};

/* ---- probes_process.c ---- */

/* The beginning of a file, NUL behind it; false when it is empty or cannot be read. */
bool probe_read_file(const char *path, char *text, size_t size);

/* Adds the threads of a process behind those that are there; returns the new count. */
size_t probe_threads(pid_t pid, struct probe_thread threads[PROBE_THREADS], size_t count);
uint64_t probe_cpu_ns(pid_t pid); /* of a process with one thread, as the workers and PostgreSQL's backends are */
double probe_rss_mib(pid_t pid);
double probe_descriptors(pid_t pid);
double probe_descriptors_max(pid_t pid);
bool probe_lives(pid_t pid); /* is there, and no zombie */
bool probe_name(pid_t pid, char *name, size_t size);

/* The processes of this machine that listen where the target is; how many, up to `max`. */
size_t probe_listeners(const struct target *target, pid_t *pids, size_t max);

/* ---- probes_machine.c ---- */

double probe_machine_busy_s(void); /* seconds of processor time, of all cores since the start, that were not idle */
double probe_listen_overflows(void);
bool probe_cgroup(pid_t pid, struct probe_cgroup *cgroup);

/* ---- probes_database.c: libpq is known there, and in seed.c, only ---- */

struct probe_database {
    double active, waiting, connections, connections_max;
    uint64_t cpu_ns; /* of its backends, where they run here */
};

/*
 * A connection string of libpq, URL or not, without its passwords: with *** for them, written as keywords and values; as it is
 * when it has none. What libpq cannot read is hidden whole. Connects to nothing.
 */
void probe_redact_conninfo(const char *conninfo, char *text, size_t size);

/* PGconn, or NULL with a sentence in `error`. */
void *probe_database_open(const char *url, char *error, size_t error_size);
void probe_database_close(void *database);
bool probe_database(void *database, struct probe_database *reading);
void probe_hash_parameters(void *database, char *text, size_t size); /* empty when there is no such table */

#endif
