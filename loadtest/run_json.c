/* RUN.json: run.h's structures as JSON, both ways by the same tables. */
#include "run.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum member_kind { MEMBER_NUMBER, MEMBER_WHOLE, MEMBER_TEXT, MEMBER_FLAG, MEMBER_ENUM, MEMBER_STRUCT };

struct member {
    const char *name;
    enum member_kind kind;
    size_t offset, size;
    const struct member *members; /* of a struct; a row without a name ends them */
    const struct names *names;    /* of an enum */
};

#define NUMBER_AS(name, type, member)                                                                                            \
    { name, MEMBER_NUMBER, offsetof(struct type, member), 0, NULL, NULL }
#define NUMBER(type, member) NUMBER_AS(#member, type, member)
#define WHOLE(type, member)                                                                                                      \
    { #member, MEMBER_WHOLE, offsetof(struct type, member), 0, NULL, NULL }
#define TEXT_AS(name, type, member)                                                                                              \
    { name, MEMBER_TEXT, offsetof(struct type, member), sizeof(((struct type *)0)->member), NULL, NULL }
#define TEXT(type, member) TEXT_AS(#member, type, member)
#define FLAG(type, member)                                                                                                       \
    { #member, MEMBER_FLAG, offsetof(struct type, member), 0, NULL, NULL }
#define ENUM_AS(name, type, member, names)                                                                                       \
    { name, MEMBER_ENUM, offsetof(struct type, member), 0, NULL, names }
#define ENUM(type, member, names) ENUM_AS(#member, type, member, names)
#define STRUCT(type, member, table)                                                                                              \
    { #member, MEMBER_STRUCT, offsetof(struct type, member), 0, table, NULL }
#define END                                                                                                                      \
    { NULL, MEMBER_NUMBER, 0, 0, NULL, NULL }

_Static_assert(sizeof(enum run_phase) == sizeof(int), "enums are read and written as ints");

static const struct member options_members[] = {
    TEXT(run_options, command),
    TEXT(run_options, line),
    TEXT(run_options, url),
    TEXT(run_options, scenario),
    TEXT(run_options, unit),
    TEXT(run_options, slo),
    ENUM(run_options, arrivals, &arrivals_names),
    ENUM(run_options, by, &run_by_names),
    NUMBER(run_options, seed),
    NUMBER(run_options, workers),
    NUMBER(run_options, connections_max),
    NUMBER(run_options, timeout_s),
    FLAG(run_options, new_connections),
    FLAG(run_options, tls),
    NUMBER(run_options, slo_latency_ms),
    END,
};

static const struct member machine_members[] = {
    TEXT(run_machine, cpu),
    TEXT(run_machine, kernel),
    TEXT(run_machine, host),
    NUMBER(run_machine, cores),
    NUMBER(run_machine, memory_mib),
    TEXT(run_machine, server),
    TEXT(run_machine, hash_parameters),
    END,
};

static const struct member figures_members[] = {
    NUMBER(run_figures, due),         NUMBER(run_figures, ok),      NUMBER(run_figures, good),      NUMBER(run_figures, shed),
    NUMBER(run_figures, failed),      NUMBER(run_figures, offered), NUMBER(run_figures, served),    NUMBER(run_figures, goodput),
    NUMBER(run_figures, p50),         NUMBER(run_figures, p90),     NUMBER(run_figures, p99),       NUMBER(run_figures, p999),
    NUMBER(run_figures, max),         NUMBER(run_figures, mean),    NUMBER(run_figures, in_flight), NUMBER(run_figures, waiting),
    NUMBER(run_figures, connections), NUMBER(run_figures, wait_ms), NUMBER(run_figures, lag_ms),    END,
};

static const struct member usage_members[] = {
    NUMBER(usage, seconds),
    NUMBER(usage, machine_cores),
    NUMBER(usage, machine_busy),
    NUMBER(usage, generator_cores),
    NUMBER(usage, listen_overflows),
    FLAG(usage, server_known),
    NUMBER(usage, server_cores),
    NUMBER(usage, rss_mib),
    NUMBER(usage, descriptors),
    NUMBER(usage, descriptors_max),
    NUMBER(usage, threads),
    FLAG(usage, cgroup_known),
    NUMBER(usage, quota_cores),
    NUMBER(usage, throttled_share),
    NUMBER(usage, memory_limit_mib),
    FLAG(usage, database_known),
    NUMBER(usage, database_cores),
    NUMBER(usage, database_active),
    NUMBER(usage, database_waiting),
    NUMBER(usage, database_connections),
    NUMBER(usage, database_connections_max),
    END,
};

static const struct member second_members[] = {
    NUMBER(run_second, at),
    NUMBER(run_second, seconds),
    STRUCT(run_second, figures, figures_members),
    STRUCT(run_second, usage, usage_members),
    END,
};

static const struct member step_members[] = {
    ENUM(run_step, phase, &run_phase_names),
    NUMBER(run_step, begin),
    NUMBER(run_step, seconds),
    NUMBER(run_step, load),
    NUMBER(run_step, load_end),
    ENUM(run_step, verdict, &step_verdict_names),
    TEXT(run_step, why),
    FLAG(run_step, generator_limited),
    NUMBER(run_step, little_expected),
    NUMBER(run_step, little_seen),
    FLAG(run_step, little_agrees),
    STRUCT(run_step, figures, figures_members),
    STRUCT(run_step, usage, usage_members),
    END,
};

static const struct member trend_members[] = {
    TEXT(run_trend, name),  TEXT(run_trend, unit),   NUMBER(run_trend, slope),
    NUMBER(run_trend, low), NUMBER(run_trend, high), NUMBER(run_trend, begin),
    NUMBER(run_trend, end), FLAG(run_trend, grows),  END,
};

static const struct member metric_members[] = { TEXT(metric, name), NUMBER(metric, before), NUMBER(metric, after), END };

static const struct member verdict_members[] = {
    WHOLE(run_verdict, exit_code),
    TEXT(run_verdict, headline),
    TEXT_AS("because", run_verdict, cause.text),
    ENUM_AS("cause_kind", run_verdict, cause.kind, &cause_names),
    NUMBER_AS("cause_utilisation", run_verdict, cause.utilisation),
    NUMBER(run_verdict, knee),
    NUMBER(run_verdict, limit),
    NUMBER(run_verdict, collapse),
    NUMBER(run_verdict, safe),
    FLAG(run_verdict, at_least),
    ENUM(run_verdict, beyond, &run_collapse_names),
    FLAG(run_verdict, recovered),
    NUMBER(run_verdict, recovery),
    FLAG(run_verdict, generator_limited),
    FLAG(run_verdict, interrupted),
    END,
};

static const struct member run_members[] = {
    NUMBER(run, started),
    NUMBER(run, seconds),
    STRUCT(run, options, options_members),
    STRUCT(run, machine, machine_members),
    STRUCT(run, verdict, verdict_members),
    END,
};

/* ---- structures ---- */

static json_t *write_struct(const struct member *members, const void *base);

static json_t *write_member(const struct member *member, const char *place) {
    switch (member->kind) {
    case MEMBER_NUMBER:
        return json_real(*(const double *)(const void *)place);
    case MEMBER_WHOLE:
        return json_integer(*(const int *)(const void *)place);
    case MEMBER_TEXT:
        return json_string(place);
    case MEMBER_FLAG:
        return json_boolean(*(const bool *)place);
    case MEMBER_ENUM:
        return json_string(names_get(member->names, *(const int *)(const void *)place));
    case MEMBER_STRUCT:
        return write_struct(member->members, place);
    }
    return NULL;
}

static json_t *write_struct(const struct member *members, const void *base) {
    json_t *object = json_object();
    for (; members->name != NULL; members++)
        json_object_set_new(object, members->name, write_member(members, (const char *)base + members->offset));
    return object;
}

static bool read_struct(const struct member *members, const json_t *object, void *base);

/* By its name; by its number in records that were written before there were names for all. */
static bool read_enum(const struct names *names, const json_t *value, int *number) {
    if (json_is_number(value)) {
        double written = json_number_value(value);
        *number = written >= 0 && written < (double)names->count ? (int)written : -1;
    } else {
        *number = json_is_string(value) ? names_find(names, json_string_value(value)) : -1;
    }
    return *number >= 0;
}

static bool read_member(const struct member *member, const json_t *value, char *place) {
    switch (member->kind) {
    case MEMBER_NUMBER:
        *(double *)(void *)place = json_number_value(value);
        return json_is_number(value);
    case MEMBER_WHOLE:
        *(int *)(void *)place = (int)json_integer_value(value);
        return json_is_integer(value);
    case MEMBER_TEXT:
        snprintf(place, member->size, "%s", json_is_string(value) ? json_string_value(value) : "");
        return json_is_string(value);
    case MEMBER_FLAG:
        *(bool *)place = json_is_true(value);
        return json_is_boolean(value);
    case MEMBER_ENUM:
        return read_enum(member->names, value, (int *)(void *)place);
    case MEMBER_STRUCT:
        return read_struct(member->members, value, place);
    }
    return false;
}

static bool read_struct(const struct member *members, const json_t *object, void *base) {
    for (; members->name != NULL; members++)
        if (!read_member(members, json_object_get(object, members->name), (char *)base + members->offset))
            return false;
    return json_is_object(object);
}

/* ---- histograms and tallies ---- */

/* Pairs of bucket and count, of those that are not empty. */
static json_t *write_histogram(const struct histogram *histogram) {
    json_t *buckets = json_array();
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (histogram->buckets[i] > 0)
            json_array_append_new(buckets, json_pack("[I,I]", (json_int_t)i, (json_int_t)histogram->buckets[i]));
    return json_pack("{s:I,s:o}", "sum_ns", (json_int_t)histogram->sum_ns, "buckets", buckets);
}

static bool read_histogram(const json_t *object, struct histogram *histogram) {
    size_t index;
    json_t *pair;
    const json_t *buckets = json_object_get(object, "buckets");
    histogram->sum_ns = (uint64_t)json_integer_value(json_object_get(object, "sum_ns"));
    json_array_foreach(buckets, index, pair) {
        json_int_t bucket = json_integer_value(json_array_get(pair, 0)), count = json_integer_value(json_array_get(pair, 1));
        if (bucket < 0 || bucket >= (json_int_t)HISTOGRAM_BUCKETS || count < 0)
            return false;
        histogram->buckets[bucket] = (uint64_t)count;
        histogram->total += (uint64_t)count;
    }
    return json_is_array(buckets);
}

static json_t *write_tally(const struct tally *tally) {
    json_t *classes = json_object(), *statuses = json_object();
    char status[16];
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        json_object_set_new(classes, reply_class_name((enum reply_class)i), json_integer((json_int_t)tally->classes[i]));
    for (size_t i = 0; i < STATUS_CODES; i++) {
        snprintf(status, sizeof status, "%zu", i);
        if (i > 0 && tally->statuses[i] > 0)
            json_object_set_new(statuses, status, json_integer((json_int_t)tally->statuses[i]));
    }
    return json_pack("{s:I,s:o,s:o,s:o,s:o,s:o}", "due", (json_int_t)tally->due, "classes", classes, "statuses", statuses,
                     "latency", write_histogram(&tally->latency), "service", write_histogram(&tally->service), "shed",
                     write_histogram(&tally->shed));
}

static bool read_tally(json_t *object, struct tally *tally) {
    const char *name;
    json_t *value;
    const json_t *classes = json_object_get(object, "classes");
    tally->due = (uint64_t)json_integer_value(json_object_get(object, "due"));
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        tally->classes[i] = (uint64_t)json_integer_value(json_object_get(classes, reply_class_name((enum reply_class)i)));
    json_object_foreach(json_object_get(object, "statuses"), name, value) {
        unsigned long status = strtoul(name, NULL, 10);
        if (status >= STATUS_CODES)
            return false;
        tally->statuses[status] = (uint64_t)json_integer_value(value);
    }
    return read_histogram(json_object_get(object, "latency"), &tally->latency) &&
           read_histogram(json_object_get(object, "service"), &tally->service) &&
           read_histogram(json_object_get(object, "shed"), &tally->shed);
}

/* ---- steps ---- */

static json_t *write_step(const struct run_step *step) {
    json_t *object = write_struct(step_members, step), *groups = json_array(), *endpoints = json_object();
    for (size_t i = 0; i < step->usage.groups_count; i++) {
        const struct usage_group *group = &step->usage.groups[i];
        json_array_append_new(
            groups, json_pack("{s:s,s:i,s:f}", "name", group->name, "threads", (int)group->threads, "cores", group->cores));
    }
    for (size_t i = 0; i < ENDPOINTS; i++)
        if (step->tallies[i].due > 0)
            json_object_set_new(endpoints, endpoint_name((enum endpoint)i), write_tally(&step->tallies[i]));
    json_object_set_new(object, "thread_groups", groups);
    json_object_set_new(object, "endpoints", endpoints);
    return object;
}

static bool read_groups(const json_t *groups, struct usage *usage) {
    size_t index;
    json_t *value;
    json_array_foreach(groups, index, value) {
        const char *name = json_string_value(json_object_get(value, "name"));
        if (name == NULL || index == USAGE_GROUPS)
            return false;
        struct usage_group *group = &usage->groups[usage->groups_count++];
        snprintf(group->name, sizeof group->name, "%s", name);
        group->threads = (unsigned)json_integer_value(json_object_get(value, "threads"));
        group->cores = json_number_value(json_object_get(value, "cores"));
    }
    return json_is_array(groups);
}

static bool read_step(const json_t *object, struct run_step *step) {
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(object, "endpoints"), name, value) {
        int endpoint = endpoint_find(name);
        if (endpoint < 0 || !read_tally(value, &step->tallies[endpoint]))
            return false;
    }
    return read_struct(step_members, object, step) && read_groups(json_object_get(object, "thread_groups"), &step->usage);
}

/* ---- the file ---- */

bool run_write(const struct run *run, const char *path, char *error, size_t error_size) {
    json_t *root = write_struct(run_members, run), *steps = json_array(), *seconds = json_array(), *trends = json_array(),
           *metrics = json_array();
    for (size_t i = 0; i < run->steps_count; i++)
        json_array_append_new(steps, write_step(&run->steps[i]));
    for (size_t i = 0; i < run->seconds_count; i++)
        json_array_append_new(seconds, write_struct(second_members, &run->seconds_list[i]));
    for (size_t i = 0; i < run->trends_count; i++)
        json_array_append_new(trends, write_struct(trend_members, &run->trends[i]));
    for (size_t i = 0; i < run->metrics.count; i++)
        json_array_append_new(metrics, write_struct(metric_members, &run->metrics.items[i]));
    json_object_set_new(root, "version", json_integer(RUN_VERSION));
    json_object_set_new(root, "steps", steps);
    json_object_set_new(root, "seconds_list", seconds);
    json_object_set_new(root, "trends", trends);
    json_object_set_new(root, "metrics", metrics);
    bool written = root != NULL && json_dump_file(root, path, JSON_COMPACT | JSON_REAL_PRECISION(12)) == 0;
    if (!written)
        snprintf(error, error_size, "%s cannot be written", path);
    json_decref(root);
    return written;
}

static bool read_metrics(const json_t *list, struct metrics *metrics) {
    size_t count = json_array_size(list);
    metrics->items = count == 0 ? NULL : calloc(count, sizeof *metrics->items);
    for (size_t i = 0; metrics->items != NULL && i < count; i++)
        if (!read_struct(metric_members, json_array_get(list, i), &metrics->items[metrics->count++]))
            return false;
    metrics->known = count > 0;
    return json_is_array(list) && metrics->count == count;
}

static bool read_root(const json_t *root, struct run *run) {
    size_t index;
    json_t *value;
    if (!read_struct(run_members, root, run) || !read_metrics(json_object_get(root, "metrics"), &run->metrics))
        return false;
    json_array_foreach(json_object_get(root, "steps"), index, value) {
        struct run_step *step = run_add_step(run);
        if (step == NULL || !read_step(value, step))
            return false;
    }
    json_array_foreach(json_object_get(root, "seconds_list"), index, value) {
        struct run_second *second = run_add_second(run);
        if (second == NULL || !read_struct(second_members, value, second))
            return false;
    }
    json_array_foreach(json_object_get(root, "trends"), index, value) {
        struct run_trend *trend = run_add_trend(run);
        if (trend == NULL || !read_struct(trend_members, value, trend))
            return false;
    }
    return true;
}

bool run_read(struct run *run, const char *path, char *error, size_t error_size) {
    json_error_t problem;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &problem);
    const json_t *version = json_object_get(root, "version");
    bool read = false;
    if (root == NULL)
        snprintf(error, error_size, "%s:%d: %s", path, problem.line, problem.text);
    else if (json_integer_value(version) != RUN_VERSION)
        snprintf(error, error_size, "%s is no record of version %d", path, RUN_VERSION);
    else if (!(read = read_root(root, run)))
        snprintf(error, error_size, "%s is damaged: a member is missing or of another type", path);
    json_decref(root);
    return read;
}
