/*
 * histogram: counts of durations in log-linear buckets. Each power of two is cut into 128 buckets, so that the middle of a bucket
 * is off by 0.4 % at most (under 128 ns: by nothing). From 0 to 2^42 ns (73 minutes); longer ones count as the longest.
 *
 * All counts only grow. Two histograms of the same thing, from two workers or two steps, are added; an earlier copy of one is
 * subtracted to see what came since. Plain data without pointers: it may lie in shared memory and be copied by assignment. One
 * writer; a reader in another process sees counts that are at most a moment apart from each other.
 */
#ifndef FAILPOINT_HISTOGRAM_H
#define FAILPOINT_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS ((size_t)(42 - 7 + 1) * 128)

struct histogram {
    uint64_t total;
    uint64_t sum_ns; /* exact */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, int64_t ns); /* negative counts as 0 */

void histogram_add(struct histogram *sum, const struct histogram *other);
void histogram_subtract(struct histogram *later, const struct histogram *earlier);

/* The duration that a share (0 to 1) of them does not exceed, in ns; 0 when empty. The largest is that of share 1. */
int64_t histogram_percentile(const struct histogram *histogram, double share);
double histogram_mean(const struct histogram *histogram); /* ns; exact; 0 when empty */

/* How many took longer than `ns`, exact up to the bucket in which it lies, which counts as not longer. */
uint64_t histogram_count_above(const struct histogram *histogram, int64_t ns);

/* For writing one down: the bucket of a duration, and the middle of a bucket. */
size_t histogram_bucket(int64_t ns);
int64_t histogram_value(size_t bucket);

#endif
