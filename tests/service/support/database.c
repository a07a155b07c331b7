#include "database.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *connect_as_superuser(void) {
    const char *conninfo = getenv("JWTD_TEST_SUPERUSER_DATABASE");
    ck_assert_msg(conninfo != NULL, "JWTD_TEST_SUPERUSER_DATABASE is not set; run the tests by make test");
    return PQconnectdb(conninfo);
}

const char *database_value(const char *sql, const char *parameter, char *value, size_t size) {
    PGconn *connection = connect_as_superuser();
    PGresult *result = PQexecParams(connection, sql, parameter != NULL ? 1 : 0, NULL, &parameter, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(connection));
    snprintf(value, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(connection);
    return value;
}

struct pg_conn *database_hold(const char *sql, const char *parameter) {
    PGconn *connection = connect_as_superuser();
    PGresult *result = PQexecParams(connection, sql, 1, NULL, &parameter, NULL, NULL, 0);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(connection));
    PQclear(result);
    return connection;
}

void database_let_go(struct pg_conn *connection) {
    PQfinish(connection);
}

bool database_takes(const char *sql, const char *parameter) {
    PGconn *connection = connect_as_superuser();
    PGresult *result = PQexecParams(connection, sql, 1, NULL, &parameter, NULL, NULL, 0);
    bool is_done = PQresultStatus(result) == PGRES_COMMAND_OK;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ck_assert_msg(is_done || (sqlstate != NULL && strcmp(sqlstate, "23514") == 0), "%s: %s", sql, PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
    return is_done;
}

long database_number(const char *sql, const char *parameter) {
    char value[64];
    return strtol(database_value(sql, parameter, value, sizeof value), NULL, 10);
}
