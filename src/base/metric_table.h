/* metric_table: the rows of all metrics and the sets of their label values. Constant data, but for the values that modules give.
 * For src/base/ only. */
#ifndef JWTD_BASE_METRIC_TABLE_H
#define JWTD_BASE_METRIC_TABLE_H

#include "jwtd/metrics.h"

#include <stdbool.h>

#define METRIC_LABELS_MAX 3

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_INFO };

struct metric_row {
    const char *name; /* without the suffix that the type adds: _total, _info */
    enum metric_type type;
    const char *unit; /* also the end of its name; NULL: none */
    const char *help;
    struct {
        const char *name;
        enum metric_set set;
    } labels[METRIC_LABELS_MAX];
    bool is_read;     /* by a function; false: it is recorded */
    bool hides_zeros; /* series that nothing was recorded in are not written: there may be many */
};

extern const struct metric_row metric_rows[METRIC_COUNT];

/* Upper bounds of a histogram's buckets; one more bucket has no bound. */
#define METRIC_BUCKETS 15
extern const struct metric_bucket {
    int64_t ns;
    const char *le; /* the same text in both formats, so that a series keeps its name */
} metric_buckets[METRIC_BUCKETS];

/* How many values a set can have; 1 for METRIC_SET_NONE. */
unsigned metric_set_size(enum metric_set set);

/* Of all labels of a recorded row together. */
unsigned metric_series(const struct metric_row *row);

/* Cells of metrics.c: of a counter and a gauge one for each series; of a histogram METRIC_BUCKETS + 1 counts and the sum in ns.
 */
#define METRIC_HISTOGRAM_CELLS (METRIC_BUCKETS + 2)
#define METRIC_CELLS_MAX 8192

/* Adds up all threads, into METRIC_CELLS_MAX numbers. */
void metric_sum_cells(uint64_t *sums);

/* The first cell of a row that is recorded. After metric_sum_cells. */
unsigned metric_first_cell(enum metric metric);

/* Calls the row's reader, if it has one. */
void metric_read(enum metric metric, struct metric_samples *samples);

#endif
