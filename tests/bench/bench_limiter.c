/* Nanoseconds of a decision on one thread, from the address to the decision: prints those of one address and of a million, first
 * of IPv4, then of IPv6, where a decision reads two buckets. */
#include "jwtd/clock.h"
#include "jwtd/limiter.h"

#include <stdio.h>
#include <string.h>

#define DECISIONS 4000000u
#define ADDRESSES 1000000u
#define TABLE_SIZE 65536

/* Networks of IPv6 are 256 to a site, as providers assign them to households. */
static struct address address_of_number(uint32_t number, bool is_ipv6) {
    struct address address = { .known = true };
    if (is_ipv6) {
        const uint8_t bytes[] = { 0x20, 0x01, 0x0d, 0xb8, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number };
        memcpy(address.bytes, bytes, sizeof bytes);
    } else {
        memset(address.bytes + 10, 0xff, 2);
        memcpy(address.bytes + 12, &number, sizeof number);
    }
    return address;
}

static double nanoseconds(struct limiter *limiter, uint32_t addresses, bool is_ipv6) {
    int64_t begin_us = clock_monotonic_us();
    unsigned refused = 0;
    for (uint32_t i = 0; i < DECISIONS; i++) {
        uint32_t number = (uint32_t)(i * UINT64_C(2654435761) % addresses); /* in no order */
        struct address address = address_of_number(number, is_ipv6);
        struct limit_key key = limiter_key_of_client(limiter, &address, &address);
        refused += !limiter_take(limiter, LIMIT_LOGIN, key, clock_monotonic_us()).allowed;
    }
    double us = (double)(clock_monotonic_us() - begin_us);
    return refused < DECISIONS ? us * 1000 / DECISIONS : 0;
}

int main(void) {
    const struct limit_rule rules[LIMIT_CLASS_COUNT] = {
        [LIMIT_LOGIN] = { .name = "login",
                          .site_name = "login_site",
                          .amount = 10,
                          .period_us = 60 * CLOCK_US_PER_S,
                          .burst = 20 },
    };
    struct limiter *limiter = limiter_create(rules, TABLE_SIZE);
    if (limiter == NULL)
        return 1;
    for (int is_ipv6 = 0; is_ipv6 <= 1; is_ipv6++) {
        double one = nanoseconds(limiter, 1, is_ipv6);
        double many = nanoseconds(limiter, ADDRESSES, is_ipv6);
        printf("%.0f %.0f%s", one, many, is_ipv6 ? "\n" : " ");
    }
    limiter_destroy(limiter);
    return 0;
}
