/*
 * cluster: a PostgreSQL of a test's own, which it may crash, fill and reconfigure, migrated and reached by TCP on 127.0.0.1. Its
 * data are in JWTD_TEST_DIRECTORY, where tools/test.sh removes what a failed test has left. All functions fail the test when
 * they fail.
 */
#ifndef JWTD_TEST_CLUSTER_H
#define JWTD_TEST_CLUSTER_H

#include <stddef.h>

#define CLUSTER_URL_SIZE 256
#define CLUSTER_SETTING_SIZE 512
#define CLUSTER_SETTINGS_MAX 8
#define CLUSTER_PATH_SIZE 256

struct cluster {
    char directory[128];
    int port;
    const char *settings[CLUSTER_SETTINGS_MAX + 3]; /* for its starts; NULL after the last */
};

/* Made and started with these settings ("name=value", NULL after the last) and what makes tests quick. */
struct cluster cluster_create(const char *const *settings);
void cluster_remove(struct cluster *cluster);

void cluster_migrate(const struct cluster *cluster); /* as the owner of its tables; has been done */
void cluster_start(const struct cluster *cluster);
void cluster_stop(const struct cluster *cluster);  /* ends its sessions and writes everything down */
void cluster_crash(const struct cluster *cluster); /* as pg_ctl stop -m immediate: it must recover at its next start */

/* A second one that follows the first one's log, until cluster_promote makes it a primary: with all that the first one has
 * written, which must write no more (it would never come to its end), or, when that is NULL, with what it has. */
struct cluster cluster_create_standby(const struct cluster *primary);
void cluster_await_standby(const struct cluster *primary); /* until it has all that the primary, which writes no more, has */
void cluster_promote(const struct cluster *standby, const struct cluster *primary);

/* How to connect: `port` is the cluster's own or a proxy's. Returns `url`. */
const char *cluster_url(const char *role, int port, char url[CLUSTER_URL_SIZE]);
/* The same as a setting of the service: "database.url=...", `more` being further words or "". */
const char *cluster_setting(int port, const char *more, char setting[CLUSTER_SETTING_SIZE]);

/* Runs one statement, printf-like, as the superuser. cluster_number returns its first value. */
void cluster_run(const struct cluster *cluster, const char *format, ...) __attribute__((format(printf, 2, 3)));
long cluster_number(const struct cluster *cluster, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* No space is left for a table: its file is replaced by /dev/full, so that what is written there fails with ENOSPC, from the
 * kernel itself, wherever and by whomever the tests are run. The table must be empty. Both restart the cluster. */
void cluster_find_file(const struct cluster *cluster, const char *table, char path[CLUSTER_PATH_SIZE]);
void cluster_fill_disk_of(const struct cluster *cluster, const char *path);
void cluster_make_space_for(const struct cluster *cluster, const char *path);

/* The directory of its Unix socket. */
void cluster_find_socket(const struct cluster *cluster, char path[CLUSTER_PATH_SIZE]);

/* Polls until the statement returns a number above 0; fails after some 20 s. */
void cluster_await(const struct cluster *cluster, const char *statement);

#endif
