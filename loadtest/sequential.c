#include "sequential.h"

#include <assert.h>
#include <math.h>

#define WRONG_IN 0.05
#define GOOD_PART 0.5
#define BAD_PART 1.5
#define BAD_SHARE_MIN 0.015

/* ln((1 - beta) / alpha), with both errors alike; crossed upwards it is bad, downwards good. */
static double boundary(void) {
    return log((1 - WRONG_IN) / WRONG_IN);
}

enum sequential_verdict sequential_test(double allowed, uint64_t requests, uint64_t bad) {
    assert(allowed > 0 && allowed <= 0.5 && bad <= requests);
    double good_share = allowed * GOOD_PART, bad_share = fmax(allowed * BAD_PART, BAD_SHARE_MIN);
    double likelihood =
        (double)bad * log(bad_share / good_share) + (double)(requests - bad) * log((1 - bad_share) / (1 - good_share));
    if (likelihood >= boundary())
        return SEQUENTIAL_BAD;
    return likelihood <= -boundary() ? SEQUENTIAL_GOOD : SEQUENTIAL_UNDECIDED;
}

uint64_t sequential_shortest(double allowed) {
    double bad_share = fmax(allowed * BAD_PART, BAD_SHARE_MIN);
    return (uint64_t)ceil(boundary() / log((1 - allowed * GOOD_PART) / (1 - bad_share)));
}
