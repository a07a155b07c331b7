#include "objective.h"

#include "display.h"
#include "duration.h"
#include "instant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERCENTILE_MIN 50.0
#define ERROR_SHARE_DEFAULT 0.001

static bool parse_latency(const char *text, int64_t *ns) {
    double seconds;
    if (!duration_parse(text, false, &seconds))
        return false;
    *ns = llround(seconds * (double)NS_PER_S);
    return *ns > 0;
}

static bool parse_share(const char *text, double *share) {
    char *end;
    double value = strtod(text, &end);
    *share = value / 100;
    return end != text && strcmp(end, "%") == 0 && value >= 0 && value <= 50;
}

/* "p99", "p99.9": the share that may be slower. */
static bool parse_percentile(const char *text, double *allowed) {
    char *end;
    double value = strtod(text, &end);
    *allowed = (100 - value) / 100;
    return end != text && *end == '\0' && value >= PERCENTILE_MIN && value < 100;
}

static bool parse_item(char *item, struct objective *objective) {
    *objective = (struct objective){ .endpoint = -1 };
    snprintf(objective->text, sizeof objective->text, "%s", item);
    char *limit = strstr(item, "<=");
    if (limit == NULL)
        return false;
    *limit = '\0';
    limit += 2;
    char *name = item;
    char *dot = strchr(item, '.');
    if (dot != NULL && (item[0] != 'p' || item[1] < '0' || item[1] > '9')) { /* the dot of p99.9 is none of these */
        *dot = '\0';
        objective->endpoint = endpoint_find(item);
        if (objective->endpoint < 0)
            return false;
        name = dot + 1;
    }
    if (strcmp(name, "err") == 0) {
        objective->of_errors = true;
        return parse_share(limit, &objective->share_allowed);
    }
    return name[0] == 'p' && parse_percentile(name + 1, &objective->share_allowed) && parse_latency(limit, &objective->limit_ns);
}

bool objectives_parse(const char *text, struct objectives *objectives, char *error, size_t error_size) {
    *objectives = (struct objectives){ .count = 0 };
    while (*text != '\0') {
        char item[OBJECTIVE_TEXT_SIZE];
        size_t len = strcspn(text, ", ");
        snprintf(item, sizeof item, "%.*s", (int)len, text);
        text += len + strspn(text + len, ", ");
        if (len == 0)
            continue;
        if (objectives->count == OBJECTIVES_MAX || len >= sizeof item ||
            !parse_item(item, &objectives->items[objectives->count++])) {
            snprintf(error, error_size,
                     "--slo is a list like p99<=250ms,err<=0.1%%,login.p99.9<=2s (percentiles from p50 on), not \"%.*s\"",
                     (int)len, text - len);
            return false;
        }
    }
    if (objectives->count == 0)
        snprintf(error, error_size, "--slo is empty");
    return objectives->count > 0;
}

static bool concerns(const struct objective *objective, size_t endpoint) {
    return objective->endpoint < 0 || (size_t)objective->endpoint == endpoint;
}

struct objective_count objective_count(const struct objective *objective, const struct tally tallies[ENDPOINTS]) {
    struct objective_count count = { 0, 0, 0 };
    for (size_t i = 0; i < ENDPOINTS; i++) {
        const struct tally *tally = &tallies[i];
        if (!concerns(objective, i) || tally->due == 0)
            continue;
        if (objective->of_errors) {
            uint64_t ended = tally_ended(tally), bad = ended - tally->classes[REPLY_OK];
            count.requests += ended;
            count.bad += bad;
            count.bad_without_generator += bad - tally->classes[REPLY_LOCAL];
        } else {
            count.requests += tally->latency.total;
            count.bad += histogram_count_above(&tally->latency, objective->limit_ns);
            count.bad_without_generator += histogram_count_above(&tally->service, objective->limit_ns);
        }
    }
    return count;
}

bool objective_is_met(const struct objective *objective, const struct objective_count *count) {
    return (double)count->bad <= objective->share_allowed * (double)count->requests;
}

const struct objective *objectives_first_missed(const struct objectives *objectives, const struct tally tallies[ENDPOINTS]) {
    for (size_t i = 0; i < objectives->count; i++) {
        struct objective_count count = objective_count(&objectives->items[i], tallies);
        if (!objective_is_met(&objectives->items[i], &count))
            return &objectives->items[i];
    }
    return NULL;
}

static int64_t measured_percentile(const struct objective *objective, const struct tally tallies[ENDPOINTS]) {
    struct histogram sum = { .total = 0 };
    for (size_t i = 0; i < ENDPOINTS; i++)
        if (concerns(objective, i))
            histogram_add(&sum, &tallies[i].latency);
    return histogram_percentile(&sum, 1 - objective->share_allowed);
}

#define DIGITS 3 /* that are enough for most figures */
#define DIGITS_MAX 9

static void write_shares(double measured, double limit, char measured_text[DISPLAY_NUMBER_SIZE],
                         char limit_text[DISPLAY_NUMBER_SIZE]) {
    for (int digits = DIGITS; digits <= DIGITS_MAX; digits++) {
        display_number(measured * 100, digits, measured_text);
        display_number(limit * 100, digits, limit_text);
        if (strcmp(measured_text, limit_text) != 0)
            return;
    }
}

static void write_latencies(int64_t measured_ns, int64_t limit_ns, char measured_text[DISPLAY_NUMBER_SIZE],
                            char limit_text[DISPLAY_NUMBER_SIZE]) {
    for (int digits = DIGITS; digits <= DIGITS_MAX; digits++) {
        display_ms_to((double)measured_ns / (double)NS_PER_MS, digits, measured_text);
        display_ms_to((double)limit_ns / (double)NS_PER_MS, digits, limit_text);
        if (strcmp(measured_text, limit_text) != 0)
            return;
    }
}

const char *objective_describe(const struct objective *objective, const struct tally tallies[ENDPOINTS],
                               char text[OBJECTIVE_TEXT_SIZE]) {
    struct objective_count count = objective_count(objective, tallies);
    const char *sign = objective_is_met(objective, &count) ? "<=" : ">";
    const char *endpoint = objective->endpoint < 0 ? "" : endpoint_name((enum endpoint)objective->endpoint);
    const char *space = objective->endpoint < 0 ? "" : " ";
    char measured[DISPLAY_NUMBER_SIZE], limit[DISPLAY_NUMBER_SIZE];
    if (objective->of_errors) {
        double share = count.requests == 0 ? 0 : (double)count.bad / (double)count.requests;
        write_shares(share, objective->share_allowed, measured, limit);
        snprintf(text, OBJECTIVE_TEXT_SIZE, "%s%serrors %s %% %s %s %%", endpoint, space, measured, sign, limit);
        return text;
    }
    int64_t measured_ns = measured_percentile(objective, tallies);
    if (objective_is_met(objective, &count) && measured_ns > objective->limit_ns) /* the middle of the bucket that holds both */
        measured_ns = objective->limit_ns;
    write_latencies(measured_ns, objective->limit_ns, measured, limit);
    snprintf(text, OBJECTIVE_TEXT_SIZE, "%s%sp%.6g %s %s %s", endpoint, space, 100 - objective->share_allowed * 100, measured,
             sign, limit);
    return text;
}

int64_t objectives_latency_ns(const struct objectives *objectives) {
    int64_t tightest = INT64_MAX;
    for (size_t i = 0; i < objectives->count; i++) {
        const struct objective *objective = &objectives->items[i];
        if (!objective->of_errors && objective->endpoint < 0 && objective->limit_ns < tightest)
            tightest = objective->limit_ns;
    }
    return tightest;
}

double objectives_error_share(const struct objectives *objectives) {
    for (size_t i = 0; i < objectives->count; i++)
        if (objectives->items[i].of_errors)
            return objectives->items[i].share_allowed;
    return ERROR_SHARE_DEFAULT;
}

uint64_t objectives_goodput(const struct objectives *objectives, const struct tally tallies[ENDPOINTS]) {
    int64_t limit = objectives_latency_ns(objectives);
    uint64_t good = 0;
    for (size_t i = 0; i < ENDPOINTS; i++) {
        const struct tally *tally = &tallies[i];
        uint64_t late = tally->due == 0 || limit == INT64_MAX ? 0 : histogram_count_above(&tally->latency, limit);
        uint64_t timeouts = tally->classes[REPLY_TIMEOUT];
        uint64_t late_replies = late > timeouts ? late - timeouts : 0;
        good += tally->classes[REPLY_OK] > late_replies ? tally->classes[REPLY_OK] - late_replies : 0;
    }
    return good;
}
