/* RUN.json: run.h's structures as JSON, both ways by the same tables. */
#include "document.h"
#include "json_file.h"
#include "run.h"
#include "run_members.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- structures ---- */

static struct json_object *write_struct(const struct member *members, const void *base);

static struct json_object *write_member(const struct member *member, const char *at) {
    switch (member->kind) {
    case MEMBER_NUMBER:
        return document_real(*(const double *)(const void *)at);
    case MEMBER_WHOLE:
        return document_integer(*(const int *)(const void *)at);
    case MEMBER_TEXT:
        return document_text(at);
    case MEMBER_FLAG:
        return document_boolean(*(const bool *)at);
    case MEMBER_ENUM:
        return document_text(names_get(member->names, *(const int *)(const void *)at));
    case MEMBER_STRUCT:
        return write_struct(member->members, at);
    }
    return NULL;
}

static struct json_object *write_struct(const struct member *members, const void *base) {
    struct json_object *object = document_object();
    for (; members->name != NULL; members++)
        document_add(object, members->name, write_member(members, (const char *)base + members->offset));
    return object;
}

static bool is_number(const struct json *value) {
    return json_kind(value) == JSON_KIND_INTEGER || json_kind(value) == JSON_KIND_REAL;
}

/* By its name; by its number in records that were written before there were names for all. */
static bool read_enum(const struct names *names, const struct json *value, int *number) {
    double written = json_as_double(value);
    if (is_number(value))
        *number = written >= 0 && written < (double)names->count ? (int)written : -1;
    else
        *number = json_kind(value) == JSON_KIND_TEXT ? names_find(names, json_as_text(value).bytes) : -1;
    return *number >= 0;
}

static bool read_text(const struct json *value, char *text, size_t size) {
    bool is_text = json_kind(value) == JSON_KIND_TEXT;
    snprintf(text, size, "%s", is_text ? json_as_text(value).bytes : "");
    return is_text;
}

static bool read_whole(const struct json *value, int *number) {
    int64_t written = json_as_int64(value);
    *number = (int)written;
    return json_kind(value) == JSON_KIND_INTEGER && written >= INT_MIN && written <= INT_MAX;
}

static bool read_struct(const struct member *members, const struct json *object, void *base);

static bool read_member(const struct member *member, const struct json *value, char *at) {
    switch (member->kind) {
    case MEMBER_NUMBER:
        *(double *)(void *)at = json_as_double(value);
        return is_number(value);
    case MEMBER_WHOLE:
        return read_whole(value, (int *)(void *)at);
    case MEMBER_TEXT:
        return read_text(value, at, member->size);
    case MEMBER_FLAG:
        *(bool *)(void *)at = json_as_boolean(value);
        return json_kind(value) == JSON_KIND_BOOLEAN;
    case MEMBER_ENUM:
        return read_enum(member->names, value, (int *)(void *)at);
    case MEMBER_STRUCT:
        return read_struct(member->members, value, at);
    }
    return false;
}

static bool read_struct(const struct member *members, const struct json *object, void *base) {
    for (; members->name != NULL; members++) {
        const struct json *value;
        bool is_there = json_find(object, members->name, &value);
        if (!is_there && members->is_later)
            continue;
        if (!is_there || !read_member(members, value, (char *)base + members->offset))
            return false;
    }
    return true;
}

static const struct json *find(const struct json *object, const char *name) {
    const struct json *value;
    json_find(object, name, &value);
    return value;
}

/* ---- counts ---- */

static void add_count(struct json_object *object, const char *name, uint64_t count) {
    document_add(object, name, document_integer((int64_t)count));
}

/* A member that is missing counts nothing. */
static bool read_count(const struct json *value, uint64_t *count) {
    int64_t written = json_as_int64(value);
    *count = (uint64_t)written;
    return written >= 0;
}

/* Pairs of bucket and count, of those that are not empty. */
static struct json_object *write_histogram(const struct histogram *histogram) {
    struct json_object *object = document_object(), *buckets = document_array();
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] == 0)
            continue;
        struct json_object *pair = document_array();
        document_append(pair, document_integer((int64_t)i));
        document_append(pair, document_integer((int64_t)histogram->buckets[i]));
        document_append(buckets, pair);
    }
    add_count(object, "sum_ns", histogram->sum_ns);
    document_add(object, "buckets", buckets);
    return object;
}

static bool read_bucket(const struct json *pair, struct histogram *histogram) {
    uint64_t bucket, count;
    if (json_item_count(pair) != 2 || !read_count(json_item(pair, 0), &bucket) || bucket >= HISTOGRAM_BUCKETS ||
        !read_count(json_item(pair, 1), &count))
        return false;
    histogram->buckets[bucket] = count;
    histogram->total += count;
    return true;
}

static bool read_histogram(const struct json *object, struct histogram *histogram) {
    const struct json *buckets = find(object, "buckets");
    for (size_t i = 0; i < json_item_count(buckets); i++)
        if (!read_bucket(json_item(buckets, i), histogram))
            return false;
    return json_kind(buckets) == JSON_KIND_ARRAY && read_count(find(object, "sum_ns"), &histogram->sum_ns);
}

static struct json_object *write_tally(const struct tally *tally) {
    struct json_object *object = document_object(), *classes = document_object(), *statuses = document_object();
    char status[16];
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        add_count(classes, reply_class_name((enum reply_class)i), tally->classes[i]);
    for (size_t i = 0; i < STATUS_CODES; i++) {
        snprintf(status, sizeof status, "%zu", i);
        if (i > 0 && tally->statuses[i] > 0)
            add_count(statuses, status, tally->statuses[i]);
    }
    add_count(object, "due", tally->due);
    document_add(object, "classes", classes);
    document_add(object, "statuses", statuses);
    document_add(object, "latency", write_histogram(&tally->latency));
    document_add(object, "service", write_histogram(&tally->service));
    document_add(object, "shed", write_histogram(&tally->shed));
    return object;
}

static bool read_status(void *context, const char *name, const struct json *value) {
    struct tally *tally = context;
    char *end;
    unsigned long status = strtoul(name, &end, 10);
    return *end == '\0' && status < STATUS_CODES && read_count(value, &tally->statuses[status]);
}

static bool read_tally(const struct json *object, struct tally *tally) {
    const struct json *classes = find(object, "classes");
    for (size_t i = 0; i < REPLY_CLASSES; i++)
        if (!read_count(find(classes, reply_class_name((enum reply_class)i)), &tally->classes[i]))
            return false;
    return read_count(find(object, "due"), &tally->due) && json_each_member(find(object, "statuses"), read_status, tally) &&
           read_histogram(find(object, "latency"), &tally->latency) && read_histogram(find(object, "service"), &tally->service) &&
           read_histogram(find(object, "shed"), &tally->shed);
}

/* ---- steps ---- */

static struct json_object *write_group(const struct usage_group *group) {
    struct json_object *object = document_object();
    document_add(object, "name", document_text(group->name));
    document_add(object, "threads", document_integer(group->threads));
    document_add(object, "cores", document_real(group->cores));
    return object;
}

static struct json_object *write_step(const struct run_step *step) {
    struct json_object *object = write_struct(step_members, step), *groups = document_array(), *endpoints = document_object();
    for (size_t i = 0; i < step->usage.groups_count; i++)
        document_append(groups, write_group(&step->usage.groups[i]));
    for (size_t i = 0; i < ENDPOINTS; i++)
        if (step->tallies[i].due > 0)
            document_add(endpoints, endpoint_name((enum endpoint)i), write_tally(&step->tallies[i]));
    document_add(object, "thread_groups", groups);
    document_add(object, "endpoints", endpoints);
    return object;
}

static bool read_group(const struct json *value, struct usage_group *group) {
    group->threads = (unsigned)json_as_int64(find(value, "threads"));
    group->cores = json_as_double(find(value, "cores"));
    return read_text(find(value, "name"), group->name, sizeof group->name);
}

static bool read_groups(const struct json *groups, struct usage *usage) {
    usage->groups_count = json_item_count(groups);
    if (usage->groups_count > USAGE_GROUPS)
        return false;
    for (size_t i = 0; i < usage->groups_count; i++)
        if (!read_group(json_item(groups, i), &usage->groups[i]))
            return false;
    return json_kind(groups) == JSON_KIND_ARRAY;
}

static bool read_endpoint(void *context, const char *name, const struct json *value) {
    struct run_step *step = context;
    int endpoint = endpoint_find(name);
    return endpoint >= 0 && read_tally(value, &step->tallies[endpoint]);
}

static bool read_step(const struct json *object, struct run_step *step) {
    return read_struct(step_members, object, step) && read_groups(find(object, "thread_groups"), &step->usage) &&
           json_each_member(find(object, "endpoints"), read_endpoint, step);
}

/* ---- the file ---- */

static struct json_object *write_run(const struct run *run) {
    struct json_object *root = write_struct(run_members, run), *steps = document_array(), *seconds = document_array(),
                       *trends = document_array(), *metrics = document_array();
    for (size_t i = 0; i < run->steps_count; i++)
        document_append(steps, write_step(&run->steps[i]));
    for (size_t i = 0; i < run->seconds_count; i++)
        document_append(seconds, write_struct(second_members, &run->seconds_list[i]));
    for (size_t i = 0; i < run->trends_count; i++)
        document_append(trends, write_struct(trend_members, &run->trends[i]));
    for (size_t i = 0; i < run->metrics.count; i++)
        document_append(metrics, write_struct(metric_members, &run->metrics.items[i]));
    document_add(root, "version", document_integer(RUN_VERSION));
    document_add(root, "steps", steps);
    document_add(root, "seconds_list", seconds);
    document_add(root, "trends", trends);
    document_add(root, "metrics", metrics);
    return root;
}

bool run_write(const struct run *run, const char *path, char *error, size_t error_size) {
    struct json_object *root = write_run(run);
    bool written = json_object_to_file_ext(path, root, DOCUMENT_FLAGS) == 0;
    if (!written)
        snprintf(error, error_size, "%s cannot be written", path);
    json_object_put(root);
    return written;
}

static bool read_metrics(const struct json *list, struct metrics *metrics) {
    size_t count = json_item_count(list);
    metrics->items = count == 0 ? NULL : calloc(count, sizeof *metrics->items);
    for (size_t i = 0; metrics->items != NULL && i < count; i++)
        if (!read_struct(metric_members, json_item(list, i), &metrics->items[metrics->count++]))
            return false;
    metrics->known = count > 0;
    return json_kind(list) == JSON_KIND_ARRAY && metrics->count == count;
}

static bool add_step(struct run *run, const struct json *value) {
    struct run_step *step = run_add_step(run);
    return step != NULL && read_step(value, step);
}

static bool add_second(struct run *run, const struct json *value) {
    struct run_second *second = run_add_second(run);
    return second != NULL && read_struct(second_members, value, second);
}

static bool add_trend(struct run *run, const struct json *value) {
    struct run_trend *trend = run_add_trend(run);
    return trend != NULL && read_struct(trend_members, value, trend);
}

static bool read_list(const struct json *list, struct run *run, bool (*add)(struct run *run, const struct json *value)) {
    for (size_t i = 0; i < json_item_count(list); i++)
        if (!add(run, json_item(list, i)))
            return false;
    return true;
}

static bool read_root(const struct json *root, struct run *run) {
    return read_struct(run_members, root, run) && read_metrics(find(root, "metrics"), &run->metrics) &&
           read_list(find(root, "steps"), run, add_step) && read_list(find(root, "seconds_list"), run, add_second) &&
           read_list(find(root, "trends"), run, add_trend);
}

bool run_read(struct run *run, const char *path, char *error, size_t error_size) {
    struct json_file file;
    if (!json_file_open(&file, path, error, error_size))
        return false;
    bool is_known = json_as_int64(find(file.root, "version")) == RUN_VERSION;
    bool read = is_known && read_root(file.root, run);
    if (!is_known)
        snprintf(error, error_size, "%s is no record of version %d", path, RUN_VERSION);
    else if (!read)
        snprintf(error, error_size, "%s is damaged: a member is missing or of another type", path);
    json_file_close(&file);
    return read;
}
