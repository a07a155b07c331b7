#include "cluster.h"

#include "server.h"

#include "jwtd/macros.h"

#include <check.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 24
#define POLLS_MAX 2000
#define PAUSE_US 10000u

/* ---- programs ---- */

static int run_program(const char *const *words) {
    pid_t pid = fork();
    int status;
    if (pid == 0) {
        execvp(words[0], (char *const *)(const void *)words);
        _exit(127);
    }
    ck_assert_int_ge(pid, 0); /* not in the child: Check takes a lock, which another thread may have had */
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* tools/database.sh COMMAND DIRECTORY WORDS... */
static void run_database_script(const struct cluster *cluster, const char *command, const char *const *more) {
    const char *words[WORDS_MAX] = { "tools/database.sh", command, cluster->directory };
    size_t count = 3;
    for (; more != NULL && *more != NULL; more++) {
        ck_assert_uint_lt(count, WORDS_MAX - 1);
        words[count++] = *more;
    }
    ck_assert_msg(run_program(words) == 0, "tools/database.sh %s failed", command);
}

/* ---- its life ---- */

/* A name that is not in use; tools/database.sh creates the directory. */
static void name_cluster(struct cluster *cluster) {
    const char *parent = getenv("JWTD_TEST_DIRECTORY");
    cluster->port = find_free_port();
    snprintf(cluster->directory, sizeof cluster->directory, "%s/jwtd-cluster-%d-%d", parent != NULL ? parent : "/tmp",
             (int)getpid(), cluster->port);
}

/* In the cluster's own memory, where they stay for its next start. */
static void set_up(struct cluster *cluster, const char *const *settings) {
    static const char *const quick[] = { "fsync=off", "full_page_writes=off" };
    size_t count = 0;
    name_cluster(cluster);
    for (size_t i = 0; i < ARRAY_LEN(quick); i++)
        cluster->settings[count++] = quick[i];
    for (; settings != NULL && *settings != NULL; settings++) {
        ck_assert_uint_lt(count, CLUSTER_SETTINGS_MAX);
        cluster->settings[count++] = *settings;
    }
}

void cluster_start(const struct cluster *cluster) {
    const char *words[CLUSTER_SETTINGS_MAX + 3] = { 0 };
    char port[32];
    size_t count = 0;
    snprintf(port, sizeof port, "port=%d", cluster->port);
    words[count++] = "listen_addresses=127.0.0.1";
    words[count++] = port;
    for (size_t i = 0; cluster->settings[i] != NULL; i++)
        words[count++] = cluster->settings[i];
    run_database_script(cluster, "start", words);
}

void cluster_migrate(const struct cluster *cluster) {
    char url[CLUSTER_URL_SIZE], setting[CLUSTER_URL_SIZE + 16], output[4096];
    snprintf(setting, sizeof setting, "database.url=%s", cluster_url("jwtd_owner", cluster->port, url));
    const char *const words[] = { "--set", setting, "migrate", NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
}

struct cluster cluster_create(const char *const *settings) {
    struct cluster cluster = { 0 };
    set_up(&cluster, settings);
    cluster_start(&cluster);
    cluster_migrate(&cluster);
    return cluster;
}

void cluster_remove(struct cluster *cluster) {
    run_database_script(cluster, "remove", NULL);
}

void cluster_stop(const struct cluster *cluster) {
    run_database_script(cluster, "stop", NULL);
}

static pid_t postmaster(const struct cluster *cluster) {
    char path[192];
    long pid = 0;
    snprintf(path, sizeof path, "%s/data/postmaster.pid", cluster->directory);
    FILE *file = fopen(path, "re");
    ck_assert_msg(file != NULL, "%s", path);
    ck_assert_int_eq(fscanf(file, "%ld", &pid), 1);
    fclose(file);
    ck_assert_int_gt(pid, 1);
    return (pid_t)pid;
}

/* A process that has exited and was not waited for still exists, but has no working directory any more. */
static bool is_running(pid_t pid) {
    char path[64], target[256];
    snprintf(path, sizeof path, "/proc/%d/cwd", (int)pid);
    return readlink(path, target, sizeof target) > 0;
}

void cluster_crash(const struct cluster *cluster) {
    pid_t pid = postmaster(cluster);
    ck_assert_int_eq(kill(pid, SIGQUIT), 0);
    for (int i = 0; i < POLLS_MAX && is_running(pid); i++)
        usleep(PAUSE_US);
    ck_assert(!is_running(pid));
}

/* ---- a standby ---- */

static void copy_data(const struct cluster *standby, const struct cluster *primary) {
    char script[1024];
    const char *bin = getenv("JWTD_TEST_PG_BIN");
    ck_assert_msg(bin != NULL, "JWTD_TEST_PG_BIN is not set; run the tests by make test");
    /* whose data they are, PostgreSQL checks; `prepared` keeps tools/database.sh from writing to a standby */
    snprintf(
        script, sizeof script,
        "umask 077 && mkdir -p %s && %s/pg_basebackup --no-sync -D %s/data -R -X stream -c fast -h 127.0.0.1 -p %d -U postgres"
        " && touch -d '+1 hour' %s/prepared && chown -R --reference=%s/ %s",
        standby->directory, bin, standby->directory, primary->port, standby->directory, primary->directory, standby->directory);
    const char *const words[] = { "sh", "-c", script, NULL };
    ck_assert_int_eq(run_program(words), 0);
}

struct cluster cluster_create_standby(const struct cluster *primary) {
    struct cluster standby = { 0 };
    set_up(&standby, primary->settings + 2);
    copy_data(&standby, primary);
    cluster_start(&standby);
    return standby;
}

void cluster_await_standby(const struct cluster *primary) {
    cluster_await(primary, "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_lsn()");
}

void cluster_promote(const struct cluster *standby, const struct cluster *primary) {
    if (primary != NULL)
        cluster_await_standby(primary);
    cluster_run(standby, "SELECT pg_promote(true, 20)");
    cluster_await(standby, "SELECT (NOT pg_is_in_recovery())::integer");
}

/* ---- how to reach it ---- */

const char *cluster_url(const char *role, int port, char url[CLUSTER_URL_SIZE]) {
    snprintf(url, CLUSTER_URL_SIZE, "host=127.0.0.1 port=%d user=%s dbname=jwtd sslmode=disable gssencmode=disable", port, role);
    return url;
}

const char *cluster_setting(int port, const char *more, char setting[CLUSTER_SETTING_SIZE]) {
    char url[CLUSTER_URL_SIZE];
    snprintf(setting, CLUSTER_SETTING_SIZE, "database.url=%s%s%s", more, more[0] != '\0' ? " " : "",
             cluster_url("jwtd", port, url));
    return setting;
}

static PGresult *run_statement(const struct cluster *cluster, const char *format, va_list arguments) {
    char url[CLUSTER_URL_SIZE], statement[2048];
    vsnprintf(statement, sizeof statement, format, arguments);
    PGconn *connection = PQconnectdb(cluster_url("postgres", cluster->port, url));
    ck_assert_msg(PQstatus(connection) == CONNECTION_OK, "%s", PQerrorMessage(connection));
    PGresult *result = PQexec(connection, statement);
    ExecStatusType outcome = PQresultStatus(result);
    ck_assert_msg(outcome == PGRES_COMMAND_OK || outcome == PGRES_TUPLES_OK, "%s: %s", statement, PQerrorMessage(connection));
    PQfinish(connection);
    return result;
}

void cluster_run(const struct cluster *cluster, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PQclear(run_statement(cluster, format, arguments));
    va_end(arguments);
}

long cluster_number(const struct cluster *cluster, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    PGresult *result = run_statement(cluster, format, arguments);
    va_end(arguments);
    long number = PQntuples(result) > 0 ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return number;
}

void cluster_await(const struct cluster *cluster, const char *statement) {
    for (int i = 0; i < POLLS_MAX; i++) {
        if (cluster_number(cluster, "%s", statement) > 0)
            return;
        usleep(PAUSE_US);
    }
    ck_abort_msg("%s stays 0", statement);
}

/* ---- no space left ---- */

void cluster_find_file(const struct cluster *cluster, const char *table, char path[CLUSTER_PATH_SIZE]) {
    long node = cluster_number(cluster, "SELECT pg_relation_filenode('%s')", table);
    long database = cluster_number(cluster, "SELECT oid FROM pg_database WHERE datname = 'jwtd'");
    ck_assert_int_eq(cluster_number(cluster, "SELECT pg_relation_size('%s')", table), 0);
    snprintf(path, CLUSTER_PATH_SIZE, "%s/data/base/%ld/%ld", cluster->directory, database, node);
}

void cluster_fill_disk_of(const struct cluster *cluster, const char *path) {
    char kept[CLUSTER_PATH_SIZE + 8];
    snprintf(kept, sizeof kept, "%s.kept", path);
    cluster_stop(cluster);
    ck_assert_int_eq(rename(path, kept), 0);
    ck_assert_int_eq(symlink("/dev/full", path), 0);
    cluster_start(cluster);
}

void cluster_make_space_for(const struct cluster *cluster, const char *path) {
    char kept[CLUSTER_PATH_SIZE + 8];
    snprintf(kept, sizeof kept, "%s.kept", path);
    cluster_stop(cluster);
    ck_assert_int_eq(rename(kept, path), 0);
    cluster_start(cluster);
}

/* Line 5 of postmaster.pid. */
void cluster_find_socket(const struct cluster *cluster, char path[CLUSTER_PATH_SIZE]) {
    char file_path[CLUSTER_PATH_SIZE];
    snprintf(file_path, sizeof file_path, "%s/data/postmaster.pid", cluster->directory);
    FILE *file = fopen(file_path, "r");
    ck_assert_msg(file != NULL, "%s cannot be read", file_path);
    for (int line = 1; line <= 5; line++)
        ck_assert_ptr_nonnull(fgets(path, CLUSTER_PATH_SIZE, file));
    path[strcspn(path, " \n")] = '\0';
    fclose(file);
}
