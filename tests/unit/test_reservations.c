#include "src/http/reservations.h"

#include <check.h>

Suite *reservations_suite(void);

#define START_US INT64_C(1000000000)

static void add(struct reservations *reservations, int fd, int64_t since_us) {
    reservations_add(reservations, (struct reservation){ .fd = fd, .since_us = since_us });
}

START_TEST(a_reservation_is_taken_once_and_by_its_descriptor) {
    struct reservations reservations = { .count = 0 };
    struct reservation taken;
    for (int fd = 0; fd < RESERVATIONS_MAX; fd++)
        add(&reservations, fd, START_US);
    for (int fd = RESERVATIONS_MAX - 1; fd >= 0; fd -= 2) {
        ck_assert(reservations_take(&reservations, fd, &taken));
        ck_assert_int_eq(taken.fd, fd);
        ck_assert(!reservations_take(&reservations, fd, &taken));
    }
    ck_assert_uint_eq(reservations.count, RESERVATIONS_MAX / 2);
    ck_assert(!reservations_take(&reservations, -1, &taken));
}
END_TEST

START_TEST(a_reservation_expires_after_half_a_second) {
    struct reservations reservations = { .count = 0 };
    struct reservation taken;
    add(&reservations, 3, START_US);
    add(&reservations, 4, START_US + 1);
    ck_assert(!reservations_take_expired(&reservations, START_US + RESERVATION_LIMIT_US - 1, &taken));
    ck_assert(reservations_take_expired(&reservations, START_US + RESERVATION_LIMIT_US, &taken));
    ck_assert_int_eq(taken.fd, 3);
    ck_assert(!reservations_take_expired(&reservations, START_US + RESERVATION_LIMIT_US, &taken));
    ck_assert(reservations_take_expired(&reservations, START_US + RESERVATION_LIMIT_US + 1, &taken));
}
END_TEST

Suite *reservations_suite(void) {
    Suite *suite = suite_create("reservations");
    TCase *tcase = tcase_create("reservations");
    tcase_add_test(tcase, a_reservation_is_taken_once_and_by_its_descriptor);
    tcase_add_test(tcase, a_reservation_expires_after_half_a_second);
    suite_add_tcase(suite, tcase);
    return suite;
}
