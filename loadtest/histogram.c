#include "histogram.h"

#include <assert.h>

#define SUB_BITS 7
#define SUB_BUCKETS ((size_t)1 << SUB_BITS)
#define LONGEST_NS ((INT64_C(1) << 42) - 1)

size_t histogram_bucket(int64_t ns) {
    if (ns < 0)
        ns = 0;
    if (ns > LONGEST_NS)
        ns = LONGEST_NS;
    uint64_t value = (uint64_t)ns;
    if (value < SUB_BUCKETS)
        return (size_t)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return ((size_t)shift + 1) * SUB_BUCKETS + (size_t)((value >> shift) - SUB_BUCKETS);
}

int64_t histogram_value(size_t bucket) {
    assert(bucket < HISTOGRAM_BUCKETS);
    if (bucket < SUB_BUCKETS)
        return (int64_t)bucket;
    size_t shift = bucket / SUB_BUCKETS - 1;
    int64_t lowest = (int64_t)(bucket % SUB_BUCKETS + SUB_BUCKETS) << shift;
    return lowest + (INT64_C(1) << shift) / 2;
}

void histogram_record(struct histogram *histogram, int64_t ns) {
    histogram->buckets[histogram_bucket(ns)]++;
    histogram->sum_ns += ns > 0 ? (uint64_t)ns : 0;
    histogram->total++;
}

void histogram_add(struct histogram *sum, const struct histogram *other) {
    if (other->total == 0)
        return;
    sum->total += other->total;
    sum->sum_ns += other->sum_ns;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum->buckets[i] += other->buckets[i];
}

/* The copies of a histogram that is being written may be a moment apart from bucket to bucket, so the total is taken from the
 * buckets. */
void histogram_subtract(struct histogram *later, const struct histogram *earlier) {
    if (later->total == earlier->total && later->sum_ns == earlier->sum_ns) {
        *later = (struct histogram){ .total = 0 };
        return;
    }
    later->total = 0;
    later->sum_ns -= earlier->sum_ns;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        later->buckets[i] -= earlier->buckets[i];
        later->total += later->buckets[i];
    }
}

int64_t histogram_percentile(const struct histogram *histogram, double share) {
    if (histogram->total == 0)
        return 0;
    assert(share >= 0 && share <= 1);
    double wanted = share * (double)histogram->total;
    uint64_t seen = 0;
    size_t last = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i] == 0)
            continue;
        seen += histogram->buckets[i];
        last = i;
        if ((double)seen >= wanted)
            break;
    }
    return histogram_value(last);
}

double histogram_mean(const struct histogram *histogram) {
    return histogram->total == 0 ? 0 : (double)histogram->sum_ns / (double)histogram->total;
}

uint64_t histogram_count_above(const struct histogram *histogram, int64_t ns) {
    uint64_t count = 0;
    for (size_t i = histogram_bucket(ns) + 1; i < HISTOGRAM_BUCKETS; i++)
        count += histogram->buckets[i];
    return count;
}
