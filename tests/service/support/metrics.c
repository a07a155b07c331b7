#include "metrics.h"

#include "http.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES 400
#define PAUSE_US 25000

char *metrics_text(const struct server *operations, const char *accept) {
    char header[512];
    snprintf(header, sizeof header, "Accept: %s", accept != NULL ? accept : "");
    struct reply reply =
        http_send(operations, "GET", "/metrics", (const char *const[]){ accept != NULL ? header : NULL, NULL }, NULL);
    ck_assert_int_eq(reply.status, 200);
    char *text = strdup(reply.body);
    ck_assert_ptr_nonnull(text);
    http_free(&reply);
    return text;
}

/* NULL: there is none. */
static const char *find(const char *text, const char *series) {
    size_t len = strlen(series);
    for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n'), line += line != NULL)
        if (strncmp(line, series, len) == 0 && line[len] == ' ')
            return line + len + 1;
    return NULL;
}

static double read_value(const struct server *operations, const char *series, bool *is_there) {
    char *text = metrics_text(operations, NULL);
    const char *value = find(text, series);
    double number = value != NULL ? strtod(value, NULL) : 0;
    *is_there = value != NULL;
    free(text);
    return number;
}

double metrics_value(const struct server *operations, const char *series) {
    bool is_there;
    return read_value(operations, series, &is_there);
}

bool metrics_have(const struct server *operations, const char *series) {
    bool is_there;
    read_value(operations, series, &is_there);
    return is_there;
}

static void await(const struct server *operations, const char *series, double low, double high) {
    double value = NAN;
    for (int i = 0; i < TRIES; i++) {
        bool is_there;
        value = read_value(operations, series, &is_there);
        if (is_there && value >= low && value <= high)
            return;
        usleep(PAUSE_US);
    }
    ck_abort_msg("%s is %g, not %g to %g", series, value, low, high);
}

void metrics_await_at_least(const struct server *operations, const char *series, double value) {
    await(operations, series, value, INFINITY);
}

void metrics_await_at_most(const struct server *operations, const char *series, double value) {
    await(operations, series, -INFINITY, value);
}
