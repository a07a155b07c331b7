#include "probes.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is asked once a second must never hold the tester up for long. */
void *probe_database_open(const char *url, char *mistake, size_t mistake_size) {
    const char *const names[] = { "dbname", "connect_timeout", "application_name", "options", NULL };
    const char *const values[] = { url, "3", "failpoint", "-c statement_timeout=1000", NULL };
    PGconn *connection = PQconnectdbParams(names, values, 1);
    if (connection != NULL && PQstatus(connection) == CONNECTION_OK)
        return connection;
    snprintf(mistake, mistake_size, "--pg: %.300s", connection == NULL ? "no memory" : PQerrorMessage(connection));
    mistake[strcspn(mistake, "\n")] = '\0';
    PQfinish(connection);
    return NULL;
}

void probe_database_close(void *database) {
    PQfinish(database);
}

static double read_number(const PGresult *result, int column) {
    return strtod(PQgetvalue(result, 0, column), NULL);
}

/* The backends' processor time, where /proc knows these processes. */
static uint64_t sum_cpu(const char *pids) {
    uint64_t sum = 0;
    char *end;
    for (long pid = strtol(pids, &end, 10); end != pids; pid = strtol(pids, &end, 10)) {
        char name[32];
        if (probe_name((pid_t)pid, name, sizeof name) && strncmp(name, "postgres", 8) == 0)
            sum += probe_cpu_ns((pid_t)pid);
        pids = *end == '\0' ? end : end + 1;
    }
    return sum;
}

bool probe_database(void *database, struct probe_database *reading) {
    static const char query[] = "SELECT count(*) FILTER (WHERE state = 'active'),"
                                " count(*) FILTER (WHERE state = 'active' AND wait_event_type = 'Lock'),"
                                " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
                                " current_setting('max_connections'), string_agg(pid::text, ' ')"
                                " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    if (database == NULL)
        return false;
    if (PQstatus(database) != CONNECTION_OK)
        PQreset(database);
    PGresult *result = PQexec(database, query);
    bool read = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
    if (read) {
        *reading = (struct probe_database){ .active = read_number(result, 0),
                                            .waiting = read_number(result, 1),
                                            .connections = read_number(result, 2),
                                            .connections_max = read_number(result, 3),
                                            .cpu_ns = sum_cpu(PQgetvalue(result, 0, 4)) };
    }
    PQclear(result);
    return read;
}

/* "$argon2id$v=19$m=19456,t=2,p=1$salt$hash" without the last two. */
void probe_hash_parameters(void *database, char *text, size_t size) {
    text[0] = '\0';
    if (database == NULL)
        return;
    PGresult *result = PQexec(database, "SELECT substring(password_hash from '^(.*)\\$[^$]*\\$[^$]*$') FROM users LIMIT 1");
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
        snprintf(text, size, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
}
