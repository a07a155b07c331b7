#include "src/http/connections.h"
#include "src/http/peers.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <unistd.h>

Suite *peers_suite(void);

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

static struct connections *create_connections(void) {
    struct connections *connections = connections_create(&(struct connection_limits){
        .total = 100, .per_address = PER_ADDRESS, .header_timeout_us = LONG_US, .body_timeout_us = LONG_US });
    ck_assert_ptr_nonnull(connections);
    return connections;
}

/* Whether two addresses are one peer. */
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

START_TEST(an_ipv4_address_is_a_peer_and_an_ipv6_network_of_64_bits_is_one) {
    struct peers *peers = peers_create();
    ck_assert_ptr_nonnull(peers);
    struct address one = address_of(cases[_i].one), other = address_of(cases[_i].other);
    struct peer *peer = peers_enter(peers, &one);
    ck_assert_ptr_nonnull(peer);
    ck_assert_uint_eq(peers_count(peers, &one), 1);
    ck_assert_msg((peers_count(peers, &other) == 1) == cases[_i].same, "%s and %s", cases[_i].one, cases[_i].other);
    peers_leave(peers, peer);
    ck_assert_uint_eq(peers_count(peers, &one), 0);
    peers_destroy(peers);
}
END_TEST

START_TEST(whoever_enters_and_leaves_is_counted_and_then_forgotten) {
    static struct peer *entered[MANY];
    struct peers *peers = peers_create();
    ck_assert_ptr_nonnull(peers);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            char text[ADDRESS_TEXT_SIZE];
            snprintf(text, sizeof text, "10.0.%u.%u", i / 2 / 250, i / 2 % 250);
            struct address address = address_of(text);
            entered[i] = peers_enter(peers, &address);
            ck_assert_uint_eq(peers_count(peers, &address), i % 2 + 1);
        }
        for (unsigned i = 0; i < MANY; i++)
            peers_leave(peers, entered[i]);
    }
    struct address address = address_of("10.0.0.0");
    ck_assert_uint_eq(peers_count(peers, &address), 0);
    peers_destroy(peers);
}
END_TEST

START_TEST(a_site_counts_the_connections_of_all_its_networks) {
    static const char *const members[] = { "2001:db8:1::1", "2001:db8:1::2", "2001:db8:1:2::1", "2001:db8:1:ffff::1" };
    struct address first = address_of(members[0]), other_site = address_of("2001:db8:2::1"), ipv4 = address_of("192.0.2.1");
    struct peer *entered[4];
    struct peers *peers = peers_create();
    ck_assert_ptr_nonnull(peers);
    struct peer *other = peers_enter(peers, &ipv4);
    for (unsigned i = 0; i < 4; i++) {
        struct address address = address_of(members[i]);
        entered[i] = peers_enter(peers, &address);
        ck_assert_uint_eq(peers_count_site(peers, &first), i + 1);
    }
    ck_assert_uint_eq(peers_count(peers, &first), 2);
    ck_assert_uint_eq(peers_count_site(peers, &other_site), 0);
    ck_assert_uint_eq(peers_count_site(peers, &ipv4), 0);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(peers_count_site(peers, &first), 4 - i);
        peers_leave(peers, entered[i]);
    }
    ck_assert_uint_eq(peers_count(peers, &first), 0);
    ck_assert_uint_eq(peers_count_site(peers, &first), 0);
    peers_leave(peers, other);
    peers_destroy(peers);
}
END_TEST

/* Where one more would be; it does not come. */
static enum room look_for_room(struct connections *connections, const struct address *address) {
    enum room room = connections_reserve(connections, OTHER_FD, address);
    connections_cancel(connections, OTHER_FD);
    return room;
}

START_TEST(a_site_has_room_for_four_times_the_connections_of_an_address) {
    struct connections *connections = create_connections();
    struct connection *open[OF_SITE];
    struct address same_site = address_of("2001:db8:1:ffff::1"), other_site = address_of("2001:db8:2::1");
    for (unsigned i = 0; i < OF_SITE; i++) {
        char text[ADDRESS_TEXT_SIZE];
        snprintf(text, sizeof text, "2001:db8:1:%u::1", i / PER_ADDRESS);
        struct address address = address_of(text);
        ck_assert_int_eq(look_for_room(connections, &same_site), ROOM_FREE);
        ck_assert_int_eq(connections_reserve(connections, -1, &address), ROOM_FREE);
        open[i] = connections_add(connections, -1, &address);
        ck_assert_ptr_nonnull(open[i]);
        ck_assert(!connection_is_too_many(open[i]));
    }
    ck_assert_int_ne(look_for_room(connections, &same_site), ROOM_FREE);
    ck_assert_int_eq(look_for_room(connections, &other_site), ROOM_FREE);
    connections_remove(connections, open[0]);
    ck_assert_int_eq(look_for_room(connections, &same_site), ROOM_FREE);
    for (unsigned i = 1; i < OF_SITE; i++)
        connections_remove(connections, open[i]);
    connections_destroy(connections);
}
END_TEST

START_TEST(a_connection_counts_from_its_acceptance_and_once) {
    struct connections *connections = create_connections();
    struct address address = address_of("192.0.2.1"), nobody = { .known = false };
    struct connection *open[PER_ADDRESS + 1];
    for (int i = 0; i <= PER_ADDRESS; i++)
        ck_assert_int_eq(connections_reserve(connections, FIRST_FD + i, &address), i < PER_ADDRESS ? ROOM_FREE : ROOM_SPARE);
    ck_assert_int_eq(look_for_room(connections, &address), ROOM_NONE);
    ck_assert_uint_eq(connections_count(connections), 0);
    /* one that has not been accepted, such as a check of the service by itself, takes nobody's reservation */
    struct connection *check = connections_add(connections, OTHER_FD, &nobody);
    ck_assert_int_eq(look_for_room(connections, &address), ROOM_NONE);
    connections_remove(connections, check);
    for (int i = PER_ADDRESS; i >= 0; i--) { /* in whatever order they are added, it is the last that was one too many */
        open[i] = connections_add(connections, FIRST_FD + i, &address);
        ck_assert_int_eq(connection_is_too_many(open[i]), i == PER_ADDRESS);
        ck_assert_int_eq(look_for_room(connections, &address), ROOM_NONE);
    }
    ck_assert_uint_eq(connections_count(connections), PER_ADDRESS + 1);
    for (int i = 0; i <= PER_ADDRESS; i++)
        connections_remove(connections, open[i]);
    ck_assert_int_eq(look_for_room(connections, &address), ROOM_FREE);
    connections_destroy(connections);
}
END_TEST

START_TEST(who_is_accepted_and_never_comes_is_forgotten) {
    struct connections *connections = create_connections();
    struct address address = address_of("192.0.2.1");
    for (int i = 0; i <= PER_ADDRESS; i++)
        connections_reserve(connections, FIRST_FD + i, &address);
    ck_assert_int_eq(look_for_room(connections, &address), ROOM_NONE);
    /* its number has come again, so that it was closed */
    ck_assert_int_eq(connections_reserve(connections, FIRST_FD, &address), ROOM_SPARE);
    usleep(600000);
    ck_assert_int_eq(look_for_room(connections, &address), ROOM_FREE);
    connections_destroy(connections);
}
END_TEST

START_TEST(with_too_many_on_the_way_the_next_waits_but_not_for_ever) {
    struct connections *connections = create_connections();
    struct address nobody = { .known = false };
    int64_t begin_us = clock_monotonic_us();
    for (int i = 0; i < 64; i++)
        ck_assert_int_eq(connections_reserve(connections, FIRST_FD + i, &nobody), ROOM_FREE);
    ck_assert_int_lt(clock_monotonic_us() - begin_us, 400000);
    ck_assert_int_eq(connections_reserve(connections, OTHER_FD, &nobody), ROOM_FREE);
    ck_assert_int_ge(clock_monotonic_us() - begin_us, 500000);
    connections_destroy(connections);
}
END_TEST

START_TEST(who_has_no_address_is_not_counted) {
    struct peers *peers = peers_create();
    struct address nobody = { .known = false };
    ck_assert_ptr_nonnull(peers);
    ck_assert_ptr_null(peers_enter(peers, &nobody));
    ck_assert_uint_eq(peers_count(peers, &nobody), 0);
    ck_assert_uint_eq(peers_count_site(peers, &nobody), 0);
    peers_leave(peers, NULL);
    peers_destroy(peers);
}
END_TEST

Suite *peers_suite(void) {
    Suite *suite = suite_create("peers");
    TCase *tcase = tcase_create("peers");
    tcase_add_loop_test(tcase, an_ipv4_address_is_a_peer_and_an_ipv6_network_of_64_bits_is_one, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tcase, whoever_enters_and_leaves_is_counted_and_then_forgotten);
    tcase_add_test(tcase, a_site_counts_the_connections_of_all_its_networks);
    tcase_add_test(tcase, a_site_has_room_for_four_times_the_connections_of_an_address);
    tcase_add_test(tcase, a_connection_counts_from_its_acceptance_and_once);
    tcase_add_test(tcase, who_is_accepted_and_never_comes_is_forgotten);
    tcase_add_test(tcase, with_too_many_on_the_way_the_next_waits_but_not_for_ever);
    tcase_add_test(tcase, who_has_no_address_is_not_counted);
    suite_add_tcase(suite, tcase);
    return suite;
}
