/*
 * metrics: what the operator's listener of a server answers at /metrics, and single series of it. All fail the test when there is
 * no reply.
 */
#ifndef JWTD_TEST_METRICS_H
#define JWTD_TEST_METRICS_H

#include "server.h"

/* The text; the caller frees. `accept` NULL: no such header. */
char *metrics_text(const struct server *operations, const char *accept);

/* The value of a series: its name and, in braces, its labels, as the text has them; 0 when there is none. */
double metrics_value(const struct server *operations, const char *series);
bool metrics_have(const struct server *operations, const char *series);

/* Waits for up to ten seconds until the series has at least (at most) this value; the test fails if it does not. */
void metrics_await_at_least(const struct server *operations, const char *series, double value);
void metrics_await_at_most(const struct server *operations, const char *series, double value);

#endif
