#include "chart.h"

#include "display.h"
#include "html.h"

#include <math.h>

#define WIDTH 460.0
#define HEIGHT 260.0
#define LEFT 56.0
#define RIGHT 14.0
#define TOP 14.0
#define BOTTOM 42.0
#define TICKS 5
#define CHARACTER 6.6 /* width of a letter of the axis, about */

struct scale {
    double from, to; /* values */
    double begin, end;
    bool is_log;
};

static double place(const struct scale *scale, double value) {
    double from = scale->from, to = scale->to;
    if (scale->is_log) {
        from = log10(from);
        to = log10(to);
        value = log10(value);
    }
    return scale->begin + (value - from) / (to - from) * (scale->end - scale->begin);
}

/* ---- ranges ---- */

struct range {
    double min, max;
    size_t count;
};

static void stretch(struct range *range, double value, bool is_log) {
    if (!isfinite(value) || (is_log && value <= 0))
        return;
    range->min = range->count == 0 || value < range->min ? value : range->min;
    range->max = range->count == 0 || value > range->max ? value : range->max;
    range->count++;
}

static struct range range_of(const struct chart *chart, bool of_x) {
    const struct chart_axis *axis = of_x ? &chart->x : &chart->y;
    struct range range = { .count = 0 };
    for (size_t i = 0; i < chart->series_count; i++) {
        for (size_t k = 0; k < chart->series[i].count; k++) {
            const struct chart_point *point = &chart->series[i].points[k];
            stretch(&range, of_x ? point->x : point->y, axis->is_log);
            if (!of_x && point->most > point->y)
                stretch(&range, point->most, axis->is_log);
        }
    }
    return range;
}

/* A step of 1, 2 or 5 times a power of ten that cuts the span into about TICKS pieces. */
static double tick_step(double span) {
    double power = pow(10, floor(log10(span / TICKS)));
    double rest = span / TICKS / power;
    return (rest <= 1 ? 1 : (rest <= 2 ? 2 : (rest <= 5 ? 5 : 10))) * power;
}

static struct scale scale_linear(struct range range, const struct chart_axis *axis, bool from_zero) {
    double from = from_zero ? 0 : range.min, to = range.max;
    if (axis->at_least > to)
        to = axis->at_least;
    if (to <= from)
        to = from + 1;
    if (from_zero) {
        double step = tick_step(to);
        to = ceil(to / step) * step;
    }
    return (struct scale){ .from = from, .to = to };
}

static struct scale scale_log(struct range range, const struct chart_axis *axis) {
    double from = range.min, to = range.max > axis->at_least ? range.max : axis->at_least;
    if (to < from * 4) {
        from /= 2;
        to *= 2;
    }
    return (struct scale){ .from = from / 1.1, .to = to * 1.1, .is_log = true };
}

static struct scale make_scale(const struct chart *chart, bool of_x) {
    const struct chart_axis *axis = of_x ? &chart->x : &chart->y;
    struct range range = range_of(chart, of_x);
    struct scale scale = axis->is_log ? scale_log(range, axis) : scale_linear(range, axis, !of_x);
    scale.begin = of_x ? LEFT : HEIGHT - BOTTOM;
    scale.end = of_x ? WIDTH - RIGHT : TOP;
    return scale;
}

/* ---- axes ---- */

static const char *tick_text(double value, enum chart_unit unit, char text[HTML_NUMBER_SIZE]) {
    char number[HTML_NUMBER_SIZE];
    switch (unit) {
    case CHART_MS:
        return display_ms(value, text);
    case CHART_SECONDS:
        snprintf(text, HTML_NUMBER_SIZE, "%.20s s", html_number(value, number));
        return text;
    case CHART_PERCENT:
        snprintf(text, HTML_NUMBER_SIZE, "%.20s %%", html_number(value, number));
        return text;
    case CHART_PLAIN:
        break;
    }
    return html_number(value, text);
}

static void write_tick(const struct chart_axis *axis, const struct scale *scale, bool of_x, double value, FILE *out) {
    char text[HTML_NUMBER_SIZE], number[HTML_NUMBER_SIZE];
    double at = place(scale, value);
    if (of_x) {
        fprintf(out, "<line class=tick x1=%.1f x2=%.1f y1=%.1f y2=%.1f />", at, at, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4);
        int len = snprintf(number, sizeof number, "%s", tick_text(value, axis->unit, text));
        double rightmost = WIDTH - 2 - len * CHARACTER / 2; /* the last one must not leave the picture */
        fprintf(out, "<text class=axis text-anchor=middle x=%.1f y=%.1f>%s</text>", at < rightmost ? at : rightmost,
                HEIGHT - BOTTOM + 17, number);
        return;
    }
    fprintf(out, "<line class=grid x1=%.1f x2=%.1f y1=%.1f y2=%.1f />", LEFT, WIDTH - RIGHT, at, at);
    fprintf(out, "<text class=axis text-anchor=end x=%.1f y=%.1f>%s</text>", LEFT - 6, at + 4,
            tick_text(value, axis->unit, text));
}

static void write_linear_ticks(const struct chart_axis *axis, const struct scale *scale, bool of_x, FILE *out) {
    double step = tick_step(scale->to - scale->from);
    int first = (int)ceil(scale->from / step - 0.001), last = (int)floor(scale->to / step + 0.001);
    for (int i = first; i <= last; i++)
        write_tick(axis, scale, of_x, i * step, out);
}

/* Powers of ten, and where there are fewer than three of them, 2 and 5 times each; of the last, only those that do not touch. */
static void write_log_ticks(const struct chart_axis *axis, const struct scale *scale, bool of_x, FILE *out) {
    static const double fine[] = { 1, 2, 5 };
    double decades = log10(scale->to / scale->from), last = -HEIGHT;
    int lowest = (int)floor(log10(scale->from)), highest = (int)floor(log10(scale->to));
    for (int power = lowest; power <= highest; power++) {
        for (size_t i = 0; i < (decades < 3 ? 3 : 1); i++) {
            char text[HTML_NUMBER_SIZE];
            double value = pow(10, power) * fine[i];
            if (value < scale->from || value > scale->to)
                continue;
            double at = place(scale, value);
            int len = snprintf(text, sizeof text, "%s", tick_text(value, axis->unit, (char[HTML_NUMBER_SIZE]){ 0 }));
            if (of_x && at - last < len * CHARACTER + 8)
                continue;
            last = at;
            write_tick(axis, scale, of_x, value, out);
        }
    }
}

static void write_axis(const struct chart_axis *axis, const struct scale *scale, bool of_x, FILE *out) {
    if (axis->is_log)
        write_log_ticks(axis, scale, of_x, out);
    else
        write_linear_ticks(axis, scale, of_x, out);
    if (!of_x)
        return;
    fprintf(out, "<line class=tick x1=%.1f x2=%.1f y1=%.1f y2=%.1f />", LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, HEIGHT - BOTTOM);
    fprintf(out, "<text class=axis text-anchor=middle x=%.1f y=%.1f>", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
    html_text(out, axis->label);
    fputs("</text>", out);
}

/* ---- drawing ---- */

struct frame {
    const struct chart *chart;
    struct scale x, y;
};

static double clamp(double value, double from, double to) {
    return value < from ? from : (value > to ? to : value);
}

static void write_place(const struct frame *frame, double x, double y, FILE *out) {
    double low = frame->y.is_log ? frame->y.from : 0;
    fprintf(out, "%.1f,%.1f ", place(&frame->x, x), place(&frame->y, clamp(y, low, frame->y.to)));
}

static bool is_drawn(const struct frame *frame, const struct chart_point *point) {
    return isfinite(point->x) && isfinite(point->y) && (!frame->x.is_log || point->x > 0) && (!frame->y.is_log || point->y > 0);
}

static void write_area(const struct frame *frame, const struct chart_series *series, FILE *out) {
    fprintf(out, "<polygon class=\"area %s\" points=\"", series->style);
    for (size_t i = 0; i < series->count; i++)
        write_place(frame, series->points[i].x, series->points[i].y, out);
    for (size_t i = series->count; i > 0; i--)
        write_place(frame, series->points[i - 1].x, series->points[i - 1].low, out);
    fputs("\"/>", out);
}

#define DOTS_MAX 40

static void write_spread(const struct frame *frame, const char *style, const struct chart_point *point, FILE *out) {
    double x = place(&frame->x, point->x), low = frame->y.is_log ? frame->y.from : 0;
    fprintf(out, "<line class=\"spread %s\" x1=%.1f x2=%.1f y1=%.1f y2=%.1f />", style, x, x,
            place(&frame->y, clamp(point->least, low, frame->y.to)), place(&frame->y, clamp(point->most, low, frame->y.to)));
}

static void write_line(const struct frame *frame, const struct chart_series *series, FILE *out) {
    fprintf(out, "<polyline class=\"line %s\" points=\"", series->style);
    for (size_t i = 0; i < series->count; i++)
        if (is_drawn(frame, &series->points[i]))
            write_place(frame, series->points[i].x, series->points[i].y, out);
    fputs("\"/>", out);
    for (size_t i = 0; i < series->count && series->count <= DOTS_MAX; i++) {
        const struct chart_point *point = &series->points[i];
        if (is_drawn(frame, point) && point->least < point->most)
            write_spread(frame, series->style, point, out);
        if (is_drawn(frame, point))
            fprintf(out, "<circle class=\"dot %s\" r=2.6 cx=%.1f cy=%.1f />", series->style, place(&frame->x, point->x),
                    place(&frame->y, point->y));
    }
}

static void write_bands(const struct frame *frame, FILE *out) {
    for (size_t i = 0; i < frame->chart->bands_count; i++) {
        const struct chart_band *band = &frame->chart->bands[i];
        double from = place(&frame->x, clamp(band->from, frame->x.from, frame->x.to));
        double to = place(&frame->x, clamp(band->to, frame->x.from, frame->x.to));
        if (to - from < 1)
            continue;
        fprintf(out, "<rect class=band x=%.1f width=%.1f y=%.1f height=%.1f />", from, to - from, TOP, HEIGHT - BOTTOM - TOP);
        if (to - from < (double)(CHARACTER * 6))
            continue;
        fprintf(out, "<text class=axis x=%.1f y=%.1f>", from + 4, TOP + 11);
        html_text(out, band->name);
        fputs("</text>", out);
    }
}

static void write_limit(const struct frame *frame, FILE *out) {
    double limit = frame->chart->limit;
    if (limit <= 0 || limit < frame->y.from || limit > frame->y.to)
        return;
    double y = place(&frame->y, limit);
    fprintf(out, "<line class=limit x1=%.1f x2=%.1f y1=%.1f y2=%.1f />", LEFT, WIDTH - RIGHT, y, y);
    fprintf(out, "<text class=\"axis limit-name\" x=%.1f y=%.1f>", LEFT + 6, y - 5);
    html_text(out, frame->chart->limit_name);
    fputs("</text>", out);
}

static void write_legend(const struct chart *chart, FILE *out) {
    fputs("<ul class=legend>", out);
    for (size_t i = 0; i < chart->series_count; i++) {
        fprintf(out, "<li><i class=\"%s\"></i>", chart->series[i].style);
        html_text(out, chart->series[i].name);
        fputs("</li>", out);
    }
    fputs("</ul>", out);
}

static void write_picture(const struct frame *frame, FILE *out) {
    const struct chart *chart = frame->chart;
    fprintf(out, "<svg viewBox=\"0 0 %.0f %.0f\" role=img aria-label=\"", WIDTH, HEIGHT);
    html_text(out, chart->title);
    fputs("\">", out);
    write_bands(frame, out);
    write_axis(&chart->y, &frame->y, false, out);
    write_axis(&chart->x, &frame->x, true, out);
    for (size_t i = 0; i < chart->series_count; i++)
        if (chart->series[i].is_area)
            write_area(frame, &chart->series[i], out);
    for (size_t i = 0; i < chart->series_count; i++)
        if (!chart->series[i].is_area)
            write_line(frame, &chart->series[i], out);
    write_limit(frame, out);
    fputs("</svg>", out);
}

void chart_write(const struct chart *chart, FILE *out) {
    if (range_of(chart, true).count < 2 || range_of(chart, false).count < 2)
        return;
    struct frame frame = { chart, make_scale(chart, true), make_scale(chart, false) };
    fputs("<figure><figcaption><b>", out);
    html_text(out, chart->title);
    fputs("</b><span>", out);
    html_text(out, chart->y.label);
    fputs("</span></figcaption>", out);
    write_legend(chart, out);
    write_picture(&frame, out);
    if (chart->note != NULL) {
        fputs("<p>", out);
        html_text(out, chart->note);
        fputs("</p>", out);
    }
    fputs("</figure>\n", out);
}
