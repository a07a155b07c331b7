/* database: looks at and changes rows behind the service's back, as a superuser (JWTD_TEST_SUPERUSER_DATABASE). */
#ifndef JWTD_TEST_DATABASE_H
#define JWTD_TEST_DATABASE_H

#include <stddef.h>

/* Runs one statement with one text parameter (or NULL); copies the first value of the first row, "" when there is none. */
const char *database_value(const char *sql, const char *parameter, char *value, size_t size);
long database_number(const char *sql, const char *parameter);

#endif
