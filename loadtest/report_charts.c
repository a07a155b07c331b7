/* The charts of a run, and the figures that they are drawn from. */
#include "jwtd/macros.h"
#include "report.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define NEAR_LOADS 1.05 /* times the lowest of them */
#define SAME_REGION 1.3 /* times a load: where latency that falls from one to the other is chance */
#define POINTS_MAX 2000 /* of a picture: more seconds than that are thinned out */

/* ---- latency over load, from the steps ---- */

/* A trial that was ended since its queue grew shows the latency of the moment when it was ended, not that of the load. */
static bool was_cut(const struct run *run, const struct run_step *step) {
    return step->verdict == STEP_BAD && step->figures.p99 <= run->options.slo_latency_ms;
}

static bool is_about_load(const struct run *run, const struct run_step *step) {
    switch (step->phase) {
    case PHASE_WARM_UP:
    case PHASE_OVERLOAD:
    case PHASE_RECOVER:
    case PHASE_SOAK:
    case PHASE_IDLE:
    case PHASE_DAY:
        return false;
    default:
        return step->figures.ok > 0 && !was_cut(run, step);
    }
}

static int by_load(const void *one, const void *other) {
    const struct chart_point *a = one, *b = other;
    return (a->x > b->x) - (a->x < b->x);
}

static int by_value(const void *one, const void *other) {
    const struct chart_point *a = one, *b = other;
    return (a->y > b->y) - (a->y < b->y);
}

/* Trials of about one load become one point, their median, with their spread: a line through all of them would go up and down
 * where a search ends. */
static size_t merge_loads(struct chart_point *points, size_t count) {
    size_t merged = 0;
    for (size_t i = 0; i < count;) {
        double sum = 0;
        size_t near = 0;
        for (double x = points[i].x; i + near < count && points[i + near].x <= NEAR_LOADS * x; near++)
            sum += points[i + near].x;
        qsort(points + i, near, sizeof *points, by_value);
        points[merged++] = (struct chart_point){
            .x = sum / (double)near, .y = points[i + near / 2].y, .least = points[i].y, .most = points[i + near - 1].y
        };
        i += near;
    }
    return merged;
}

/* Latency does not fall when load rises. Where it seems to, between loads that are not far from each other, or above the limit,
 * where a trial shows the moment at which it was ended, the two become one point with their spread. */
static size_t merge_falls(double limit, struct chart_point *points, size_t count) {
    size_t merged = 0;
    for (size_t i = 0; i < count; i++) {
        struct chart_point point = points[i];
        for (; merged > 0 && point.y < points[merged - 1].y; merged--) {
            const struct chart_point *before = &points[merged - 1];
            if (point.x > SAME_REGION * before->x && point.x <= limit)
                break;
            point = (struct chart_point){ .x = (before->x + point.x) / 2,
                                          .y = (before->y + point.y) / 2,
                                          .least = fmin(before->least, point.least),
                                          .most = fmax(before->most, point.most) };
        }
        points[merged++] = point;
    }
    return merged;
}

/* A member of the figures, as an offset, over the load of the steps. */
static size_t points_over_load(const struct run *run, size_t offset, struct chart_point *points) {
    size_t count = 0;
    for (size_t i = 0; i < run->steps_count && count < POINTS_MAX; i++) {
        const struct run_step *step = &run->steps[i];
        if (!is_about_load(run, step))
            continue;
        double y = *(const double *)(const void *)((const char *)&step->figures + offset);
        points[count++] = (struct chart_point){ .x = step->load, .y = y };
    }
    qsort(points, count, sizeof *points, by_load);
    return merge_falls(run->verdict.limit, points, merge_loads(points, count));
}

struct percentile {
    const char *name, *style;
    size_t offset;
};

static const struct percentile percentiles[] = {
    { "p50", "p50", offsetof(struct run_figures, p50) },
    { "p90", "p90", offsetof(struct run_figures, p90) },
    { "p99", "p99", offsetof(struct run_figures, p99) },
};

static void write_latency_over_load(const struct run *run, struct chart_point *points, FILE *out) {
    char label[64];
    snprintf(label, sizeof label, "load, %s", run->options.unit);
    struct chart chart = {
        .title = "Latency over load",
        .note = "Counted from the moment a request was due. Each dot is a load; where several trials were made about it, its bar "
                "goes from "
                "the quickest trial to the slowest. Trials that ended early, because the queue grew, are left out.",
        .x = { .label = label, .is_log = true },
        .y = { .label = "logarithmic", .unit = CHART_MS, .is_log = true, .at_least = run->options.slo_latency_ms },
        .limit = run->options.slo_latency_ms,
        .limit_name = "objective"
    };
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
        struct chart_point *own = points + i * POINTS_MAX;
        size_t count = points_over_load(run, percentiles[i].offset, own);
        chart.series[chart.series_count++] =
            (struct chart_series){ percentiles[i].name, percentiles[i].style, false, own, count };
    }
    chart_write(&chart, out);
}

/* ---- everything over time, from the seconds ---- */

static size_t stride(const struct run *run) {
    return run->seconds_count / POINTS_MAX + 1;
}

static double per_second(const struct run_second *second, double count) {
    return second->seconds > 0 ? count / second->seconds : 0;
}

static double ok_rate(const struct run_second *second) {
    return per_second(second, second->figures.ok);
}

static double shed_rate(const struct run_second *second) {
    return per_second(second, second->figures.shed);
}

static double failed_rate(const struct run_second *second) {
    return per_second(second, second->figures.failed);
}

static double offered_rate(const struct run_second *second) {
    return per_second(second, second->figures.due);
}

static double p50_of(const struct run_second *second) {
    return second->figures.p50;
}

static double p99_of(const struct run_second *second) {
    return second->figures.p99;
}

/* Clocks are read one after the other, so that all of it may come out as a little more. */
static double share(double part, double whole) {
    double percent = whole > 0 ? 100 * part / whole : 0;
    return percent < 100 ? percent : 100;
}

static double server_share(const struct run_second *second) {
    return share(second->usage.server_cores, second->usage.machine_cores);
}

static double machine_share(const struct run_second *second) {
    return share(second->usage.machine_busy, second->usage.machine_cores);
}

static double generator_share(const struct run_second *second) {
    return share(second->usage.generator_cores, second->usage.machine_cores);
}

static double database_share(const struct run_second *second) {
    return share(second->usage.database_cores, second->usage.machine_cores);
}

static double memory_of(const struct run_second *second) {
    return second->usage.rss_mib;
}

static double descriptors_of(const struct run_second *second) {
    return second->usage.descriptors;
}

struct curve {
    const char *name, *style;
    bool is_area; /* on top of the area before it */
    double (*value)(const struct run_second *second);
};

/* Curves over the seconds from `first` on, `count` of them. */
static void add_curves(const struct run *run, size_t first, size_t count, const struct curve *curves, size_t curves_count,
                       struct chart *chart, struct chart_point *points) {
    assert(chart->series_count + curves_count <= CHART_SERIES_MAX && first + count <= run->seconds_count);
    size_t step = stride(run);
    for (size_t c = 0; c < curves_count; c++) {
        struct chart_point *own = points + c * POINTS_MAX;
        const struct chart_point *below = c > 0 && curves[c - 1].is_area ? own - POINTS_MAX : NULL;
        size_t used = 0;
        for (size_t i = first; i < first + count && used < POINTS_MAX; i += step, used++) {
            const struct run_second *second = &run->seconds_list[i];
            double low = curves[c].is_area && below != NULL ? below[used].y : 0;
            double value = curves[c].value(second);
            own[used] = (struct chart_point){ .x = second->at, .y = curves[c].is_area ? low + value : value, .low = low };
        }
        chart->series[chart->series_count++] =
            (struct chart_series){ curves[c].name, curves[c].style, curves[c].is_area, own, used };
    }
}

static const struct curve outcomes[] = {
    { "answered", "ok", true, ok_rate },
    { "shed (429, 503)", "shed", true, shed_rate },
    { "failed", "failed", true, failed_rate },
    { "offered", "machine", false, offered_rate },
};

static void write_outcomes(const struct run *run, struct chart_point *points, FILE *out) {
    struct chart chart = { .title = "What became of the requests",
                           .x = { .label = "time", .unit = CHART_SECONDS },
                           .y = { .label = "requests per second" } };
    add_curves(run, 0, run->seconds_count, outcomes, ARRAY_LEN(outcomes), &chart, points);
    chart_write(&chart, out);
}

static const struct curve latencies[] = { { "p50", "p50", false, p50_of }, { "p99", "p99", false, p99_of } };

static void write_latency_over_time(const struct run *run, struct chart_point *points, FILE *out) {
    struct chart chart = {
        .title = "Latency over time",
        .x = { .label = "time", .unit = CHART_SECONDS },
        .y = { .label = "logarithmic", .unit = CHART_MS, .is_log = true, .at_least = run->options.slo_latency_ms },
        .limit = run->options.slo_latency_ms,
        .limit_name = "objective"
    };
    add_curves(run, 0, run->seconds_count, latencies, ARRAY_LEN(latencies), &chart, points);
    chart_write(&chart, out);
}

static bool any_second(const struct run *run, double (*value)(const struct run_second *second)) {
    for (size_t i = 0; i < run->seconds_count; i++)
        if (value(&run->seconds_list[i]) > 0)
            return true;
    return false;
}

/* Only what was seen: a server on another machine shows nothing. */
static void write_utilisation(const struct run *run, struct chart_point *points, FILE *out) {
    static const struct curve all[] = {
        { "machine", "machine", false, machine_share },
        { "server", "server", false, server_share },
        { "database", "database", false, database_share },
        { "failpoint", "generator", false, generator_share },
    };
    struct curve seen[ARRAY_LEN(all)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (any_second(run, all[i].value))
            seen[count++] = all[i];
    struct chart chart = { .title = "Processor time",
                           .x = { .label = "time", .unit = CHART_SECONDS },
                           .y = { .label = "of all cores", .unit = CHART_PERCENT, .at_least = 100 } };
    if (count > 0)
        add_curves(run, 0, run->seconds_count, seen, count, &chart, points);
    chart_write(&chart, out);
}

static void write_growth(const struct run *run, const char *title, const char *label, const struct curve *curve,
                         struct chart_point *points, FILE *out) {
    if (!any_second(run, curve->value))
        return;
    struct chart chart = { .title = title, .x = { .label = "time", .unit = CHART_SECONDS }, .y = { .label = label } };
    add_curves(run, 0, run->seconds_count, curve, 1, &chart, points);
    chart_write(&chart, out);
}

/* ---- overload and recovery ---- */

static size_t seconds_before(const struct run *run, double at) {
    size_t count = 0;
    while (count < run->seconds_count && run->seconds_list[count].at <= at)
        count++;
    return count;
}

static void write_overload(const struct run *run, struct chart_point *points, FILE *out) {
    const struct run_step *overload = run_find_step(run, PHASE_OVERLOAD), *recover = run_find_step(run, PHASE_RECOVER);
    if (overload == NULL)
        return;
    const struct run_step *last = recover != NULL ? recover : overload;
    size_t first = seconds_before(run, overload->begin - 3), end = seconds_before(run, last->begin + last->seconds + 1);
    struct chart chart = { .title = "Above the limit, and back",
                           .x = { .label = "time", .unit = CHART_SECONDS },
                           .y = { .label = "requests per second" } };
    chart.bands[chart.bands_count++] = (struct chart_band){ "overload", overload->begin, overload->begin + overload->seconds };
    if (recover != NULL)
        chart.bands[chart.bands_count++] = (struct chart_band){ "half", recover->begin, recover->begin + recover->seconds };
    static const struct curve curves[] = { { "offered", "machine", false, offered_rate },
                                           { "answered", "ok", false, ok_rate },
                                           { "shed (429, 503)", "shed", false, shed_rate },
                                           { "failed", "failed", false, failed_rate } };
    add_curves(run, first, end - first, curves, ARRAY_LEN(curves), &chart, points);
    chart_write(&chart, out);
}

void report_write_charts(const struct run *run, FILE *out) {
    static const struct curve memory = { "resident memory", "server", false, memory_of };
    static const struct curve descriptors = { "descriptors", "generator", false, descriptors_of };
    struct chart_point *points = calloc((size_t)CHART_SERIES_MAX * POINTS_MAX, sizeof *points);
    if (points == NULL)
        return;
    write_latency_over_load(run, points, out);
    write_outcomes(run, points, out);
    write_overload(run, points, out);
    write_latency_over_time(run, points, out);
    write_utilisation(run, points, out);
    write_growth(run, "Memory of the server", "MiB", &memory, points, out);
    write_growth(run, "Descriptors of the server", "open", &descriptors, points, out);
    free(points);
}
