/*
 * sequential: Wald's sequential probability ratio test: is the share of bad requests under what is allowed, or over it? It stops
 * as soon as the requests seen so far decide, so that a clear case takes some hundred requests at any rate; a close one takes
 * more.
 *
 * "Good" is a share of half of what is allowed; "bad" is one and a half times of that, or 1.5 % where that is more (that errors
 * stay under 0.1 % takes thousands of requests to show, which the hold at the end does). Either is wrong in 1 of 20
 * cases if requests are independent. Requests that meet the same queue are not, which is why find asks twice. Pure computation.
 */
#ifndef FAILPOINT_SEQUENTIAL_H
#define FAILPOINT_SEQUENTIAL_H

#include <stdint.h>

enum sequential_verdict { SEQUENTIAL_UNDECIDED, SEQUENTIAL_GOOD, SEQUENTIAL_BAD };

/* Of `requests`, `bad` were bad; `allowed` is a share above 0, at most 0.5. */
enum sequential_verdict sequential_test(double allowed, uint64_t requests, uint64_t bad);

/* How many good ones in a row are needed for SEQUENTIAL_GOOD. */
uint64_t sequential_shortest(double allowed);

#endif
