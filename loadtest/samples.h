/*
 * samples: the state of the server and its machine: processor time by thread, memory, descriptors, the
 * control group's throttling, overflows of listen queues, PostgreSQL's activity, and /metrics where there is one.
 *
 * A sample is a reading of counters at one moment; the usage between two of them is their difference per second. Everything is
 * optional: what cannot be read (another machine, other users' processes) is missing and marked so, and nothing fails for it.
 */
#ifndef FAILPOINT_SAMPLES_H
#define FAILPOINT_SAMPLES_H

#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USAGE_GROUPS 12
#define USAGE_NAME_SIZE 16

/* Threads of the server with the same name, digits left out: "crypto-0" and "crypto-1" are "crypto". */
struct usage_group {
    char name[USAGE_NAME_SIZE];
    unsigned threads;
    double cores; /* processor time per second of all of them */
};

/* Between two samples. Members of what is not known are 0, and the flag before them says so. */
struct usage {
    double seconds;
    double machine_cores;    /* there are */
    double machine_busy;     /* of them, by any process */
    double generator_cores;  /* used by the workers */
    double listen_overflows; /* connections dropped since a listen queue was full, on this machine */

    bool server_known; /* the process was found */
    double server_cores, rss_mib, descriptors, descriptors_max, threads;
    struct usage_group groups[USAGE_GROUPS]; /* the busiest first */
    size_t groups_count;

    bool cgroup_known;
    double quota_cores, throttled_share, memory_limit_mib; /* 0: no limit */

    bool database_known;
    double database_cores; /* of its backends; 0 when it is on another machine */
    double database_active, database_waiting, database_connections, database_connections_max;
};

struct sample; /* counters at one moment */

#define SAMPLES_SERVERS 64

struct samples {
    pid_t servers[SAMPLES_SERVERS]; /* every process that listens there; the first is the oldest */
    size_t servers_count;           /* 0: not found */
    char server_name[64];           /* of its program */
    char hash_parameters[64];       /* of a password in the database, "$argon2id$v=19$m=19456,t=2,p=1"; empty: not known */
    void *database;                 /* PGconn; NULL: none */
};

/*
 * `server` 0: the processes that listen on the target's port on this machine. `database_url` NULL: none. False, with a sentence
 * in `error`, only when a database was asked for and does not answer.
 */
bool samples_init(struct samples *samples, const struct target *target, pid_t server, const char *database_url, char *error,
                  size_t error_size);
void samples_fini(struct samples *samples);

/* NULL when memory is exhausted. */
struct sample *sample_take(struct samples *samples, const int *generator_pids, size_t generator_pids_count);
void sample_destroy(struct sample *sample);
void sample_usage(const struct sample *earlier, const struct sample *later, struct usage *usage);

/* Whether the server's process is still there; true when it never was known. */
bool samples_server_lives(const struct samples *samples);

/* Prometheus text: one number for each series. */
struct metric {
    char name[160];
    double before, after;
};
struct metrics {
    struct metric *items;
    size_t count;
    bool known;
};

/* GETs the text from `url` (NULL: /metrics of the target), waiting 2 s at most. The first call fills `before`, later ones
 * `after`. */
void metrics_read(struct metrics *metrics, const struct target *target, const char *url, bool first);
void metrics_fini(struct metrics *metrics);

#endif
