#include "probes.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- connection strings ---- */

static void append(char *text, size_t size, const char *more) {
    size_t len = strlen(text);
    snprintf(text + len, size - len, "%s", more);
}

/* A backslash keeps a quote, or another backslash, from ending the value. */
static void append_quoted(char *text, size_t size, const char *value) {
    append(text, size, "'");
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            append(text, size, "\\");
        append(text, size, (const char[]){ *value, '\0' });
    }
    append(text, size, "'");
}

/* libpq marks what is not to be shown: dispchar. */
static bool is_secret(const PQconninfoOption *option) {
    return option->dispchar[0] == '*';
}

static void append_option(char *text, size_t size, const PQconninfoOption *option) {
    append(text, size, text[0] == '\0' ? "" : " ");
    append(text, size, option->keyword);
    append(text, size, "=");
    if (is_secret(option))
        append(text, size, "***");
    else if (option->val[strcspn(option->val, " '\\")] == '\0' && option->val[0] != '\0')
        append(text, size, option->val);
    else
        append_quoted(text, size, option->val);
}

static bool has_password(const PQconninfoOption *options) {
    for (; options->keyword != NULL; options++)
        if (options->val != NULL && is_secret(options))
            return true;
    return false;
}

/* The name of a database alone is none that PQconninfoParse reads. */
static bool is_name(const char *conninfo) {
    return strpbrk(conninfo, "=:@/") == NULL;
}

void probe_redact_conninfo(const char *conninfo, char *text, size_t size) {
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    if (options == NULL || !has_password(options)) {
        snprintf(text, size, "%s", options != NULL || is_name(conninfo) ? conninfo : "***");
    } else {
        text[0] = '\0';
        for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
            if (option->val != NULL)
                append_option(text, size, option);
    }
    PQconninfoFree(options);
}

/* ---- readings ---- */

/* What is asked once a second must never hold the tester up for long. */
void *probe_database_open(const char *url, char *error, size_t error_size) {
    const char *const names[] = { "dbname", "connect_timeout", "application_name", "options", NULL };
    const char *const values[] = { url, "3", "failpoint", "-c statement_timeout=1000", NULL };
    PGconn *connection = PQconnectdbParams(names, values, 1);
    if (connection != NULL && PQstatus(connection) == CONNECTION_OK)
        return connection;
    snprintf(error, error_size, "--pg: %.300s", connection == NULL ? "no memory" : PQerrorMessage(connection));
    error[strcspn(error, "\n")] = '\0';
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
