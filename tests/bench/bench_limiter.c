/* Nanoseconds of a bucket decision on one thread, from the address to the verdict: prints "one address, a million addresses". */
#include "jwtd/clock.h"
#include "jwtd/limiter.h"

#include <stdio.h>
#include <string.h>

#define DECISIONS 4000000u
#define ADDRESSES 1000000u
#define TABLE_SIZE 65536

static double nanoseconds(struct limiter *limiter, uint32_t addresses) {
    int64_t begin_us = clock_monotonic_us();
    unsigned refused = 0;
    for (uint32_t i = 0; i < DECISIONS; i++) {
        /* scattered as hashes of real addresses are: the table is visited in no order */
        uint32_t number = i % addresses * 2654435761u;
        struct address address = { .known = true, .bytes = { [10] = 0xff, [11] = 0xff } };
        memcpy(address.bytes + 12, &number, sizeof number);
        struct limit_key key = limiter_key_of_client(limiter, &address, &address);
        refused += !limiter_take(limiter, LIMIT_LOGIN, key, clock_monotonic_us()).allowed;
    }
    double us = (double)(clock_monotonic_us() - begin_us);
    return refused < DECISIONS ? us * 1000 / DECISIONS : 0;
}

int main(void) {
    const struct limit_rule rules[LIMIT_CLASS_COUNT] = {
        [LIMIT_LOGIN] = { .name = "login", .amount = 10, .period_us = 60 * CLOCK_US_PER_S, .burst = 20 },
    };
    struct limiter *limiter = limiter_create(rules, TABLE_SIZE);
    if (limiter == NULL)
        return 1;
    double one = nanoseconds(limiter, 1);
    double many = nanoseconds(limiter, ADDRESSES);
    printf("%.0f %.0f\n", one, many);
    limiter_destroy(limiter);
    return 0;
}
