/*
 * prometheus: a real Prometheus, with the files of config/prometheus that ship, which scrapes servers of the test. In the copies
 * that it reads, each duration is replaced by a short one of a table in prometheus.c, and the addresses are those of the test;
 * everything else is as it ships. All functions fail the test on any error.
 */
#ifndef JWTD_TEST_PROMETHEUS_H
#define JWTD_TEST_PROMETHEUS_H

#include "server.h"

#include <json-c/json.h>
#include <stdbool.h>

#define PROMETHEUS_TARGETS_MAX 16

struct prometheus_target {
    const char *instance; /* the label that its series get */
    int port;             /* of its ops.listen */
};

struct prometheus {
    struct server address;
    char directory[96]; /* below `directory` of prometheus_start, which is removed later as a whole */
};

struct prometheus prometheus_start(const char *directory, const struct prometheus_target *targets, size_t count);
void prometheus_stop(struct prometheus *prometheus);

/* The result of /api/v1/query now: an array, empty when the expression has no series. The caller puts it. */
struct json_object *prometheus_query(const struct prometheus *prometheus, const char *expression);

/* Whether the expression has a series whose value is a number. */
bool prometheus_has_value(const struct prometheus *prometheus, const char *expression);

/* The names of the alerts of the rules that it has read, an array; the caller puts it. */
struct json_object *prometheus_alerts(const struct prometheus *prometheus);

/* The text with each duration ("[5m]", "for: 1h") replaced; the caller frees. A duration that the table has not fails the test.
 */
char *prometheus_shorten(const char *text);

#endif
