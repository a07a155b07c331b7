#include "stats.h"

#include "schedule.h"

#include <math.h>
#include <stdlib.h>

#define POINTS_MAX ((size_t)1000)
#define RESAMPLES ((size_t)4000)
#define Z_99 2.5758
#define Z_95 1.96

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double stats_mean(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count == 0 ? 0 : sum / (double)count;
}

static double sorted_at(const double *sorted, size_t count, double rank) {
    if (rank < 0)
        rank = 0;
    if (rank > (double)(count - 1))
        rank = (double)(count - 1);
    return sorted[(size_t)(rank + 0.5)];
}

static double sorted_median(const double *sorted, size_t count) {
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

double stats_median(const double *values, size_t count) {
    double *sorted = count == 0 ? NULL : malloc(count * sizeof *sorted);
    if (sorted == NULL)
        return 0;
    for (size_t i = 0; i < count; i++)
        sorted[i] = values[i];
    qsort(sorted, count, sizeof *sorted, compare);
    double median = sorted_median(sorted, count);
    free(sorted);
    return median;
}

/* The slopes between all pairs of every step-th point; returns how many. */
static size_t fill_slopes(double *slopes, const double *times, const double *values, size_t count, size_t step) {
    size_t filled = 0;
    for (size_t i = 0; i < count; i += step) {
        for (size_t j = i + step; j < count; j += step)
            if (times[j] != times[i])
                slopes[filled++] = (values[j] - values[i]) / (times[j] - times[i]);
    }
    return filled;
}

bool stats_slope(const double *times, const double *values, size_t count, struct interval *slope) {
    if (count < 4)
        return false;
    size_t step = (count + POINTS_MAX - 1) / POINTS_MAX;
    size_t points = (count + step - 1) / step;
    double *slopes = malloc(points * (points - 1) / 2 * sizeof *slopes);
    size_t filled = slopes == NULL ? 0 : fill_slopes(slopes, times, values, count, step);
    if (filled == 0) {
        free(slopes);
        return false;
    }
    qsort(slopes, filled, sizeof *slopes, compare);
    double n = (double)points;
    double width = Z_95 * sqrt(n * (n - 1) * (2 * n + 5) / 18);
    double middle = (double)(filled - 1) / 2;
    slope->estimate = sorted_median(slopes, filled);
    slope->low = sorted_at(slopes, filled, middle - width / 2);
    slope->high = sorted_at(slopes, filled, middle + width / 2);
    free(slopes);
    return true;
}

/* Student's t of 99 % by Cornish and Fisher's expansion, over the normal distribution's; and resamples of n vary by n - 1 of n.
 */
static double widening(double n) {
    double z = Z_99, freedom = n - 1;
    double t = z + (pow(z, 3) + z) / (4 * freedom) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * freedom * freedom);
    return t / z * sqrt(n / freedom);
}

bool stats_ratio(const double *a, const double *b, size_t count, uint64_t seed, struct interval *ratio) {
    double below = stats_mean(a, count), *ratios = calloc(RESAMPLES, sizeof *ratios);
    struct random random;
    random_init(&random, seed);
    size_t filled = 0;
    for (size_t i = 0; i < RESAMPLES && ratios != NULL && count >= 2; i++) {
        double sum_a = 0, sum_b = 0;
        for (size_t k = 0; k < count; k++) {
            size_t chosen = random_next(&random) % count;
            sum_a += a[chosen];
            sum_b += b[chosen];
        }
        if (sum_a > 0)
            ratios[filled++] = sum_b / sum_a;
    }
    bool is_known = filled > 0 && below > 0;
    if (is_known) {
        qsort(ratios, filled, sizeof *ratios, compare);
        double estimate = stats_mean(b, count) / below, wider = widening((double)count);
        double low = sorted_at(ratios, filled, 0.005 * (double)filled), high = sorted_at(ratios, filled, 0.995 * (double)filled);
        ratio->estimate = estimate;
        ratio->low = fmax(estimate - wider * (estimate - low), 0);
        ratio->high = estimate + wider * (high - estimate);
    }
    free(ratios);
    return is_known;
}
