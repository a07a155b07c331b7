/*
 * stats: the few statistics that verdicts rest on. Pure computation; inputs are not changed.
 */
#ifndef FAILPOINT_STATS_H
#define FAILPOINT_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interval {
    double estimate, low, high; /* 95 %, where nothing else is said */
};

/*
 * Theil and Sen's slope: the median of the slopes between all pairs of points, which a few outliers do not move, with Sen's
 * interval by the normal approximation of Kendall's tau. At most 1,000 points are used (evenly thinned). False with fewer than 4
 * points, equal times throughout, or no memory.
 */
bool stats_slope(const double *times, const double *values, size_t count, struct interval *slope);

/*
 * The ratio of the means of b over a, measured in pairs, with a 99 % bootstrap interval: percentiles of 4,000 resamples of whole
 * pairs, so that what moves both of a pair moves nothing, and widened as Student's t is for so few pairs. False with fewer than
 * two pairs, when a's mean is 0, or without memory.
 */
bool stats_ratio(const double *a, const double *b, size_t count, uint64_t seed, struct interval *ratio);

double stats_mean(const double *values, size_t count);   /* 0 when empty */
double stats_median(const double *values, size_t count); /* 0 when empty or memory is exhausted */

#endif
