#include "src/http/address_counts.h"
#include "src/http/connections.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <unistd.h>

Suite *admission_suite(void);

#define MANY 20000
#define PER_ADDRESS 2
#define OF_SITE (PER_ADDRESS * SITE_MULTIPLE)
#define FIRST_FD 100
#define OTHER_FD 99
#define LONG_US (3600 * INT64_C(1000000))

static struct address address_of(const char *text) {
    struct address address = { .known = false };
    ck_assert(address_parse(text_of(text), &address));
    return address;
}

static struct connections *create_for(unsigned total) {
    struct connections *connections = connections_create(&(struct connection_limits){ .thread_name = "reaper",
                                                                                      .total = total,
                                                                                      .per_address = PER_ADDRESS,
                                                                                      .header_timeout_us = LONG_US,
                                                                                      .body_timeout_us = LONG_US });
    ck_assert_ptr_nonnull(connections);
    return connections;
}

static struct connections *create_connections(void) {
    return create_for(100);
}

/* Whether two addresses are counted as one. */
static const struct {
    const char *one, *other;
    bool same;
} cases[] = {
    { "192.0.2.1", "192.0.2.1", true },
    { "192.0.2.1", "192.0.2.2", false },
    { "192.0.2.1", "::ffff:192.0.2.1", true },
    { "2001:db8::1", "2001:db8::ffff:1", true },
    { "2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true },
    { "2001:db8:0:1::1", "2001:db8:0:2::1", false },
    { "::1", "127.0.0.1", false },
};

START_TEST(an_ipv4_address_is_counted_whole_and_an_ipv6_address_by_its_first_64_bits) {
    struct address_counts *counts = address_counts_create();
    ck_assert_ptr_nonnull(counts);
    struct address one = address_of(cases[_i].one), other = address_of(cases[_i].other);
    struct address_count *count = address_counts_add(counts, &one);
    ck_assert_ptr_nonnull(count);
    ck_assert_uint_eq(address_counts_of_network(counts, &one), 1);
    ck_assert_msg((address_counts_of_network(counts, &other) == 1) == cases[_i].same, "%s and %s", cases[_i].one,
                  cases[_i].other);
    address_counts_remove(counts, count);
    ck_assert_uint_eq(address_counts_of_network(counts, &one), 0);
    address_counts_destroy(counts);
}
END_TEST

START_TEST(what_is_added_is_counted_until_it_is_removed) {
    static struct address_count *added[MANY];
    struct address_counts *counts = address_counts_create();
    ck_assert_ptr_nonnull(counts);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            char text[ADDRESS_TEXT_SIZE];
            snprintf(text, sizeof text, "10.0.%u.%u", i / 2 / 250, i / 2 % 250);
            struct address address = address_of(text);
            added[i] = address_counts_add(counts, &address);
            ck_assert_uint_eq(address_counts_of_network(counts, &address), i % 2 + 1);
        }
        for (unsigned i = 0; i < MANY; i++)
            address_counts_remove(counts, added[i]);
    }
    struct address address = address_of("10.0.0.0");
    ck_assert_uint_eq(address_counts_of_network(counts, &address), 0);
    address_counts_destroy(counts);
}
END_TEST

START_TEST(a_site_counts_the_connections_of_all_its_networks) {
    static const char *const members[] = { "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1:2::1", "2001:db8:1:ffff::1" };
    struct address first = address_of(members[0]), elsewhere = address_of("2001:db8:2::1"), ipv4 = address_of("192.0.2.1");
    struct address_count *added[4];
    struct address_counts *counts = address_counts_create();
    ck_assert_ptr_nonnull(counts);
    struct address_count *other = address_counts_add(counts, &ipv4);
    for (unsigned i = 0; i < 4; i++) {
        struct address address = address_of(members[i]);
        added[i] = address_counts_add(counts, &address);
        ck_assert_uint_eq(address_counts_of_site(counts, &first), i + 1);
    }
    ck_assert_uint_eq(address_counts_of_network(counts, &first), 2);
    ck_assert_uint_eq(address_counts_of_site(counts, &elsewhere), 0);
    ck_assert_uint_eq(address_counts_of_site(counts, &ipv4), 0);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(address_counts_of_site(counts, &first), 4 - i);
        address_counts_remove(counts, added[i]);
    }
    ck_assert_uint_eq(address_counts_of_network(counts, &first), 0);
    ck_assert_uint_eq(address_counts_of_site(counts, &first), 0);
    address_counts_remove(counts, other);
    address_counts_destroy(counts);
}
END_TEST

/* Where one more would be; it does not come. */
static enum connection_admission would_admit(struct connections *connections, const struct address *address) {
    enum connection_admission admission = connections_admit(connections, OTHER_FD, address);
    connections_cancel(connections, OTHER_FD);
    return admission;
}

START_TEST(a_site_may_have_four_times_the_connections_of_an_address) {
    struct connections *connections = create_connections();
    struct connection *open[OF_SITE];
    struct address same_site = address_of("2001:db8:1:ffff::1"), other_site = address_of("2001:db8:2::1");
    for (unsigned i = 0; i < OF_SITE; i++) {
        char text[ADDRESS_TEXT_SIZE];
        snprintf(text, sizeof text, "2001:db8:1:%u::1", i / PER_ADDRESS);
        struct address address = address_of(text);
        ck_assert_int_eq(would_admit(connections, &same_site), ADMIT);
        ck_assert_int_eq(connections_admit(connections, -1, &address), ADMIT);
        open[i] = connections_add(connections, -1, &address);
        ck_assert_ptr_nonnull(open[i]);
        ck_assert(!connection_is_too_many(open[i]));
    }
    ck_assert_int_ne(would_admit(connections, &same_site), ADMIT);
    ck_assert_int_eq(would_admit(connections, &other_site), ADMIT);
    connections_remove(connections, open[0]);
    ck_assert_int_eq(would_admit(connections, &same_site), ADMIT);
    for (unsigned i = 1; i < OF_SITE; i++)
        connections_remove(connections, open[i]);
    connections_destroy(connections);
}
END_TEST

START_TEST(a_connection_counts_from_its_acceptance_and_once) {
    struct connections *connections = create_connections();
    struct address address = address_of("192.0.2.1"), unknown = { .known = false };
    struct connection *open[PER_ADDRESS + 1];
    for (int i = 0; i <= PER_ADDRESS; i++)
        ck_assert_int_eq(connections_admit(connections, FIRST_FD + i, &address),
                         i < PER_ADDRESS ? ADMIT : ADMIT_TO_REFUSE_ADDRESS);
    ck_assert_int_eq(would_admit(connections, &address), REJECT_ADDRESS);
    ck_assert_uint_eq(connections_count(connections), 0);
    /* one that has not been accepted, such as a check of the service by itself, takes no other's reservation */
    struct connection *check = connections_add(connections, OTHER_FD, &unknown);
    ck_assert_int_eq(would_admit(connections, &address), REJECT_ADDRESS);
    connections_remove(connections, check);
    for (int i = PER_ADDRESS; i >= 0; i--) { /* in whatever order they are added, it is the last that was one too many */
        open[i] = connections_add(connections, FIRST_FD + i, &address);
        ck_assert_int_eq(connection_is_too_many(open[i]), i == PER_ADDRESS);
        ck_assert_int_eq(open[i]->is_of_address, i == PER_ADDRESS);
        ck_assert_int_eq(would_admit(connections, &address), REJECT_ADDRESS);
    }
    ck_assert_uint_eq(connections_count(connections), PER_ADDRESS + 1);
    for (int i = 0; i <= PER_ADDRESS; i++)
        connections_remove(connections, open[i]);
    ck_assert_int_eq(would_admit(connections, &address), ADMIT);
    connections_destroy(connections);
}
END_TEST

/* Or one address could have them all, and the acceptor would wait for them to expire. */
START_TEST(one_that_is_rejected_for_its_address_leaves_no_reservation) {
    struct connections *connections = create_connections();
    struct address address = address_of("192.0.2.1");
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(connections_admit(connections, FIRST_FD + i, &address) == REJECT_ADDRESS, i > PER_ADDRESS);
    ck_assert_uint_eq(connections_reserved(connections), PER_ADDRESS + 1);
    for (int i = 0; i <= PER_ADDRESS; i++)
        connections_cancel(connections, FIRST_FD + i);
    ck_assert_int_eq(would_admit(connections, &address), ADMIT);
    connections_destroy(connections);
}
END_TEST

START_TEST(one_of_an_address_over_its_limit_is_rejected_for_the_service_when_that_is_over_its_own) {
    struct connections *connections = create_for(PER_ADDRESS + 1);
    struct address address = address_of("192.0.2.1"), other = address_of("192.0.2.2");
    for (int i = 0; i < PER_ADDRESS; i++)
        ck_assert_int_eq(connections_admit(connections, FIRST_FD + i, &address), ADMIT);
    ck_assert_int_eq(connections_admit(connections, FIRST_FD + PER_ADDRESS, &address), ADMIT_TO_REFUSE_ADDRESS);
    ck_assert_int_eq(would_admit(connections, &other), ADMIT_TO_REFUSE);
    ck_assert_int_eq(would_admit(connections, &address), REJECT);
    for (int i = 0; i <= PER_ADDRESS; i++)
        connections_cancel(connections, FIRST_FD + i);
    connections_destroy(connections);
}
END_TEST

START_TEST(a_reservation_that_is_never_taken_expires) {
    struct connections *connections = create_connections();
    struct address address = address_of("192.0.2.1");
    for (int i = 0; i <= PER_ADDRESS; i++)
        connections_admit(connections, FIRST_FD + i, &address);
    ck_assert_int_eq(would_admit(connections, &address), REJECT_ADDRESS);
    /* its number has come again, so that it was closed */
    ck_assert_int_eq(connections_admit(connections, FIRST_FD, &address), ADMIT_TO_REFUSE_ADDRESS);
    usleep(600000);
    ck_assert_int_eq(would_admit(connections, &address), ADMIT);
    connections_destroy(connections);
}
END_TEST

START_TEST(with_too_many_reservations_the_next_waits_for_half_a_second_at_most) {
    struct connections *connections = create_connections();
    struct address unknown = { .known = false };
    int64_t begin_us = clock_monotonic_us();
    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(connections_admit(connections, FIRST_FD + i, &unknown), ADMIT);
    ck_assert_int_lt(clock_monotonic_us() - begin_us, 400000);
    ck_assert_int_eq(connections_admit(connections, OTHER_FD, &unknown), ADMIT);
    ck_assert_int_ge(clock_monotonic_us() - begin_us, 500000);
    connections_destroy(connections);
}
END_TEST

START_TEST(an_unknown_address_is_not_counted) {
    struct address_counts *counts = address_counts_create();
    struct address unknown = { .known = false };
    ck_assert_ptr_nonnull(counts);
    ck_assert_ptr_null(address_counts_add(counts, &unknown));
    ck_assert_uint_eq(address_counts_of_network(counts, &unknown), 0);
    ck_assert_uint_eq(address_counts_of_site(counts, &unknown), 0);
    address_counts_remove(counts, NULL);
    address_counts_destroy(counts);
}
END_TEST

Suite *admission_suite(void) {
    Suite *suite = suite_create("admission");
    TCase *tcase = tcase_create("admission");
    tcase_add_loop_test(tcase, an_ipv4_address_is_counted_whole_and_an_ipv6_address_by_its_first_64_bits, 0,
                        (int)ARRAY_LEN(cases));
    tcase_add_test(tcase, what_is_added_is_counted_until_it_is_removed);
    tcase_add_test(tcase, a_site_counts_the_connections_of_all_its_networks);
    tcase_add_test(tcase, a_site_may_have_four_times_the_connections_of_an_address);
    tcase_add_test(tcase, a_connection_counts_from_its_acceptance_and_once);
    tcase_add_test(tcase, one_that_is_rejected_for_its_address_leaves_no_reservation);
    tcase_add_test(tcase, one_of_an_address_over_its_limit_is_rejected_for_the_service_when_that_is_over_its_own);
    tcase_add_test(tcase, a_reservation_that_is_never_taken_expires);
    tcase_add_test(tcase, with_too_many_reservations_the_next_waits_for_half_a_second_at_most);
    tcase_add_test(tcase, an_unknown_address_is_not_counted);
    suite_add_tcase(suite, tcase);
    return suite;
}
