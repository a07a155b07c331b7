#include "support/account.h"
#include "support/database.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *enumeration_suite(void);

#define PAIRS 20
#define ROUNDS 3

static struct server server;

/* The parameters of production: with the weak ones of the other tests the hash would not dominate. One worker, because two would
 * take turns, each always with the same one of a pair, and one of them may share its core with something else. */
static void start(void) {
    server = server_start(
        (const char *const[]){ "password.memory=19MiB", "password.operations=2", "password.nice=0", "password.workers=1", NULL });
}

static void finish(void) {
    server_finish(&server);
}

/* new_password: NULL for none. */
static double seconds_of_login(const struct account *account, const char *password, const char *new_password) {
    char body[BODY_SIZE];
    credentials(account, password, body);
    size_t end = strlen(body) - 1;
    if (new_password != NULL)
        snprintf(body + end, sizeof body - end, ",\"new_password\":\"%s\"}", new_password);
    struct reply reply = http_json(&server, "POST", "/auth/login", NULL, body);
    double seconds = reply.seconds;
    ck_assert_int_eq(reply.status, 401);
    http_free(&reply);
    return seconds;
}

static int compare_seconds(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static double median(double values[PAIRS]) {
    qsort(values, PAIRS, sizeof values[0], compare_seconds);
    return (values[PAIRS / 2 - 1] + values[PAIRS / 2]) / 2;
}

/* Interleaved, so that whatever else the machine does falls on both. */
static double ratio_of(const struct account *one, const char *password_of_one, const struct account *other,
                       const char *new_password) {
    double ones[PAIRS], others[PAIRS];
    for (size_t i = 0; i < PAIRS; i++) {
        ones[i] = seconds_of_login(one, password_of_one, new_password);
        others[i] = seconds_of_login(other, "not the passphrase", new_password);
    }
    return median(ones) / median(others);
}

/* A machine that is busy with something else can spoil a round; a real difference is there in every one. */
static void assert_ratio(const struct account *one, const char *password_of_one, const struct account *other,
                         const char *new_password) {
    double ratio = 0;
    for (int i = 0; i < ROUNDS; i++) {
        ratio = ratio_of(one, password_of_one, other, new_password);
        if (ratio > 0.8 && ratio < 1.25)
            return;
    }
    ck_abort_msg("ratio %.2f%s", ratio, new_password != NULL ? " with a new password" : "");
}

/* Also with a new password, with which a wrong one is compared once more. */
static void assert_alike(const struct account *one, const char *password_of_one, const struct account *other) {
    assert_ratio(one, password_of_one, other, NULL);
    assert_ratio(one, password_of_one, other, "quite another passphrase");
}

START_TEST(an_unknown_address_takes_as_long_as_a_wrong_password) {
    struct account known = account_register(&server), unknown = account_new();
    assert_alike(&unknown, PASSWORD, &known);
}
END_TEST

START_TEST(a_disabled_user_takes_as_long_as_a_wrong_password) {
    struct account known = account_register(&server), disabled = account_register(&server);
    char ignored[8];
    database_value("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", disabled.id, ignored, sizeof ignored);
    assert_alike(&disabled, PASSWORD, &known);
}
END_TEST

START_TEST(a_corrupt_hash_takes_as_long_as_a_wrong_password) {
    struct account known = account_register(&server), corrupt = account_register(&server);
    char ignored[8];
    database_value("UPDATE users SET password_hash = '$argon2id$broken' WHERE id = $1::uuid", corrupt.id, ignored,
                   sizeof ignored);
    assert_alike(&corrupt, PASSWORD, &known);
}
END_TEST

Suite *enumeration_suite(void) {
    Suite *suite = suite_create("enumeration");
    TCase *tcase = tcase_create("times");
    tcase_set_timeout(tcase, 180);
    tcase_add_unchecked_fixture(tcase, start, finish);
    tcase_add_test(tcase, an_unknown_address_takes_as_long_as_a_wrong_password);
    tcase_add_test(tcase, a_disabled_user_takes_as_long_as_a_wrong_password);
    tcase_add_test(tcase, a_corrupt_hash_takes_as_long_as_a_wrong_password);
    suite_add_tcase(suite, tcase);
    return suite;
}
