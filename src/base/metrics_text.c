/*
 * The text of the metrics: Prometheus 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/) and OpenMetrics 1.0.0
 * (https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md). They differ in what HELP and TYPE call a
 * counter and an info, in the line UNIT, and in the last line.
 */
#include "metric_table.h"

#include "jwtd/macros.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_SIZE ((size_t)32 * 1024)
#define LABELS_SIZE 512

struct output {
    struct arena *arena;
    char *bytes; /* NULL: out of memory */
    size_t len, size;
    enum metrics_format format;
};

struct metric_samples {
    struct output *output;
    const struct metric_row *row;
};

/* ---- bytes ---- */

static bool reserve(struct output *output, size_t more) {
    size_t size = output->size;
    while (output->bytes != NULL && size - output->len < more)
        size *= 2;
    if (output->bytes == NULL || size == output->size)
        return output->bytes != NULL;
    char *grown = arena_alloc(output->arena, size);
    if (grown != NULL)
        memcpy(grown, output->bytes, output->len);
    output->bytes = grown;
    output->size = size;
    return grown != NULL;
}

__attribute__((format(printf, 2, 3))) static void print(struct output *output, const char *format, ...) {
    va_list values;
    va_start(values, format);
    va_list again;
    va_copy(again, values);
    int len = vsnprintf(NULL, 0, format, values);
    assert(len >= 0);
    if (reserve(output, (size_t)len + 1)) {
        (void)vsnprintf(output->bytes + output->len, (size_t)len + 1, format, again);
        output->len += (size_t)len;
    }
    va_end(again);
    va_end(values);
}

/* ---- names and labels ---- */

static const char *suffix_of(const struct metric_row *row) {
    if (row->type == METRIC_COUNTER)
        return "_total";
    return row->type == METRIC_INFO ? "_info" : "";
}

static const char *type_of(const struct metric_row *row, enum metrics_format format) {
    static const char *const types[] = { "counter", "gauge", "histogram", "info" };
    return row->type == METRIC_INFO && format == METRICS_TEXT ? "gauge" : types[row->type];
}

/* The help texts of the table have nothing to be escaped, which its test says. */
static void write_head(struct output *output, const struct metric_row *row) {
    bool is_open = output->format == METRICS_OPENMETRICS;
    const char *suffix = is_open ? "" : suffix_of(row);
    print(output, "# HELP %s%s %s\n# TYPE %s%s %s\n", row->name, suffix, row->help, row->name, suffix,
          type_of(row, output->format));
    if (is_open && row->unit != NULL)
        print(output, "# UNIT %s %s\n", row->name, row->unit);
}

static void append(char labels[LABELS_SIZE], size_t *len, const char *bytes) {
    size_t more = strlen(bytes);
    assert(*len + more < LABELS_SIZE);
    memcpy(labels + *len, bytes, more + 1);
    *len += more;
}

static void append_escaped(char labels[LABELS_SIZE], size_t *len, const char *value) {
    for (; *value != '\0'; value++)
        if (*value == '\n')
            append(labels, len, "\\n");
        else if (*value == '"' || *value == '\\')
            append(labels, len, (const char[]){ '\\', *value, '\0' });
        else
            append(labels, len, (const char[]){ *value, '\0' });
}

/* `name="value",...` without braces; "" without labels. */
static void write_labels(const struct metric_row *row, const char *const *values, char labels[LABELS_SIZE]) {
    size_t len = 0;
    labels[0] = '\0';
    for (size_t i = 0; i < METRIC_LABELS_MAX && row->labels[i].name != NULL; i++) {
        append(labels, &len, i == 0 ? "" : ",");
        append(labels, &len, row->labels[i].name);
        append(labels, &len, "=\"");
        assert(values[i] != NULL);
        append_escaped(labels, &len, values[i]);
        append(labels, &len, "\"");
    }
}

/* ---- samples ---- */

static void write_name(struct output *output, const struct metric_row *row, const char *suffix, const char *labels) {
    if (labels[0] == '\0')
        print(output, "%s%s ", row->name, suffix);
    else
        print(output, "%s%s{%s} ", row->name, suffix, labels);
}

void metric_sample(struct metric_samples *samples, double value, const char *const *values) {
    char labels[LABELS_SIZE];
    write_labels(samples->row, values, labels);
    write_name(samples->output, samples->row, suffix_of(samples->row), labels);
    print(samples->output, "%.15g\n", value);
}

static void write_histogram(struct output *output, const struct metric_row *row, const char *labels, const uint64_t *cells) {
    uint64_t count = 0, sum_ns = cells[METRIC_HISTOGRAM_CELLS - 1];
    const char *comma = labels[0] != '\0' ? "," : "";
    for (unsigned i = 0; i <= METRIC_BUCKETS; i++) {
        count += cells[i];
        print(output, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", row->name, labels, comma,
              i < METRIC_BUCKETS ? metric_buckets[i].le : "+Inf", count);
    }
    write_name(output, row, "_sum", labels);
    print(output, "%" PRIu64 ".%09" PRIu64 "\n", sum_ns / 1000000000, sum_ns % 1000000000);
    write_name(output, row, "_count", labels);
    print(output, "%" PRIu64 "\n", count);
}

static bool is_zero(const uint64_t *cells, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (cells[i] != 0)
            return false;
    return true;
}

static void write_series(struct output *output, const struct metric_row *row, unsigned index, const uint64_t *cells) {
    const char *values[METRIC_LABELS_MAX] = { NULL };
    char labels[LABELS_SIZE];
    for (unsigned i = METRIC_LABELS_MAX; i-- > 0;) {
        enum metric_set set = row->labels[i].set;
        values[i] = set != METRIC_SET_NONE ? metric_value(set, index % metric_set_size(set)) : NULL;
        index /= metric_set_size(set);
    }
    write_labels(row, values, labels);
    if (row->type == METRIC_HISTOGRAM) {
        write_histogram(output, row, labels, cells);
        return;
    }
    write_name(output, row, suffix_of(row), labels);
    if (row->type == METRIC_GAUGE)
        print(output, "%" PRId64 "\n", (int64_t)cells[0]);
    else
        print(output, "%" PRIu64 "\n", cells[0]);
}

static void write_recorded(struct output *output, const struct metric_row *row, const uint64_t *cells) {
    unsigned series = metric_series(row), each = row->type == METRIC_HISTOGRAM ? METRIC_HISTOGRAM_CELLS : 1;
    for (unsigned i = 0; i < series; i++, cells += each)
        if (!row->hides_zeros || !is_zero(cells, each))
            write_series(output, row, i, cells);
}

struct text metrics_write(struct arena *arena, enum metrics_format format) {
    struct output output = { .arena = arena, .bytes = arena_alloc(arena, FIRST_SIZE), .size = FIRST_SIZE, .format = format };
    uint64_t *sums = arena_alloc(arena, METRIC_CELLS_MAX * sizeof *sums);
    if (sums == NULL)
        return (struct text){ NULL, 0 };
    metric_sum_cells(sums);
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        const struct metric_row *row = &metric_rows[metric];
        write_head(&output, row);
        if (row->is_read)
            metric_read(metric, &(struct metric_samples){ &output, row });
        else
            write_recorded(&output, row, sums + metric_first_cell(metric));
    }
    if (format == METRICS_OPENMETRICS)
        print(&output, "# EOF\n");
    return (struct text){ output.bytes, output.bytes != NULL ? output.len : 0 };
}

/* ---- content negotiation ---- */

const char *metrics_content_type(enum metrics_format format) {
    return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                         : "text/plain; version=0.0.4; charset=utf-8";
}

/* In thousandths (RFC 9110 section 12.4.2); 0 for what is none. */
static unsigned read_weight(struct text text) {
    static const unsigned places[] = { 1000, 0, 100, 10, 1 }; /* by position: "1.000" */
    unsigned weight = 0;
    if (text.len == 0 || text.len > ARRAY_LEN(places))
        return 0;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.bytes[i];
        if (i == 1 ? byte != '.' : byte < '0' || byte > '9')
            return 0;
        weight += i == 1 ? 0 : (unsigned)(byte - '0') * places[i];
    }
    return weight <= 1000 ? weight : 0;
}

/* What one range of an Accept header says: of which type, of which version, how much. */
struct media_range {
    struct text type, version;
    unsigned weight;
};

static struct media_range read_range(struct text text) {
    struct media_range range = { .type = text_take_until(&text, ';'), .weight = 1000 };
    while (text.len > 0) {
        struct text parameter = text_take_until(&text, ';'), name = text_take_until(&parameter, '='),
                    value = text_take_until(&parameter, ';');
        if (value.len >= 2 && value.bytes[0] == '"' && value.bytes[value.len - 1] == '"')
            value = (struct text){ value.bytes + 1, value.len - 2 };
        if (text_equal_ignoring_case(name, text_of("version")))
            range.version = value;
        else if (text_equal_ignoring_case(name, text_of("q")))
            range.weight = read_weight(value);
    }
    return range;
}

/* Whether the range is of this type; the version, when it names one, must be that of the format. */
static bool is_of(const struct media_range *range, const char *type, const char *version) {
    return text_equal_ignoring_case(range->type, text_of(type)) &&
           (range->version.bytes == NULL || text_equal(range->version, text_of(version)));
}

enum metrics_format metrics_choose_format(struct text accept) {
    unsigned open = 0, text = 0, any = 0;
    bool names_text = false;
    while (accept.len > 0) {
        struct media_range range = read_range(text_take_until(&accept, ','));
        if (is_of(&range, "application/openmetrics-text", "1.0.0")) {
            open = range.weight > open ? range.weight : open;
        } else if (is_of(&range, "text/plain", "0.0.4")) {
            names_text = true;
            text = range.weight > text ? range.weight : text;
        } else if (is_of(&range, "text/*", "") || is_of(&range, "*/*", "")) {
            any = range.weight > any ? range.weight : any;
        }
    }
    return open > 0 && open >= (names_text ? text : any) ? METRICS_OPENMETRICS : METRICS_TEXT;
}
