/*
 * chart: a picture of numbers as SVG, for a page that has the styles of report_style.c: lines and stacked areas over one axis,
 * bands that name a stretch of it, and a line that must not be crossed. Colours come from style classes, so that light and dark
 * modes share one picture; the picture scales with its column, and its letters stay readable at the width of a phone.
 */
#ifndef FAILPOINT_CHART_H
#define FAILPOINT_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CHART_SERIES_MAX 6
#define CHART_BANDS_MAX 4

enum chart_unit { CHART_PLAIN, CHART_MS, CHART_SECONDS, CHART_PERCENT };

struct chart_point {
    double x, y;
    double low;         /* of an area: where it begins; it ends at y */
    double least, most; /* of a line: the spread of what y is the median of; alike: there is none */
};

struct chart_series {
    const char *name;
    const char *style; /* class: "p50", "ok", ... */
    bool is_area;
    const struct chart_point *points; /* by x */
    size_t count;
};

struct chart_band {
    const char *name;
    double from, to; /* x */
};

struct chart_axis {
    const char *label;
    enum chart_unit unit;
    bool is_log;     /* values of 0 and less are left out */
    double at_least; /* the axis reaches so far at any rate; 0: as the values say */
};

struct chart {
    const char *title, *note; /* the note below it may be NULL */
    struct chart_axis x, y;
    struct chart_series series[CHART_SERIES_MAX];
    size_t series_count;
    struct chart_band bands[CHART_BANDS_MAX];
    size_t bands_count;
    double limit; /* y of the line; 0: none */
    const char *limit_name;
};

/* A <figure>. Nothing is written when there are not two points to draw. */
void chart_write(const struct chart *chart, FILE *out);

#endif
