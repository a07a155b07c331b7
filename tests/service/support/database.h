/* database: reads and changes rows without the service, as a superuser (JWTD_TEST_SUPERUSER_DATABASE). */
#ifndef JWTD_TEST_DATABASE_H
#define JWTD_TEST_DATABASE_H

#include <stdbool.h>
#include <stddef.h>

struct pg_conn;

/* Runs one statement with one text parameter (or NULL); copies the first value of the first row, "" when there is none. */
const char *database_value(const char *sql, const char *parameter, char *value, size_t size);
/* Whether the statement, which is said with its one parameter, is done or refused by a constraint; anything else fails the test.
 */
bool database_takes(const char *sql, const char *parameter);
long database_number(const char *sql, const char *parameter);

/* Runs a query with one parameter in a session that lasts, with its locks, until it is let go. */
struct pg_conn *database_hold(const char *sql, const char *parameter);
void database_let_go(struct pg_conn *connection);

#endif
