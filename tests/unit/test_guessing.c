/* How many guesses the default limits on wrong passwords allow, simulated over a month. */
#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/options.h"

#include <check.h>
#include <stdio.h>

Suite *guessing_suite(void);

#define TABLE_SIZE 65536
#define MINUTE (60 * CLOCK_US_PER_S)
#define DAYS 30
#define MINUTES (DAYS * 24 * 60)

static struct limiter *limiter;

static void set_up(void) {
    struct config config = { 0 };
    struct limit_rule rules[LIMIT_CLASS_COUNT];
    ck_assert(config_load(&config, &(struct config_source){ .file = NULL }, stderr));
    limit_rules_from_config(&config, rules);
    config_fini(&config);
    limiter = limiter_create(rules, TABLE_SIZE);
    ck_assert_ptr_nonnull(limiter);
}

static void tear_down(void) {
    limiter_destroy(limiter);
}

/* The buckets of an attempt at a login from an address that the account does not know, as in src/api/attempts.c. */
struct attempt_keys {
    struct limit_key keys[3];
};

static const enum limit_class classes[3] = { LIMIT_ADDRESS_FAILURES, LIMIT_LOGIN_FAILURES, LIMIT_ACCOUNT_FAILURES };

static struct attempt_keys keys_of(unsigned account, unsigned host) {
    struct address address = { .known = true, .bytes = { [10] = 0xff, 0xff, 192, 0, (uint8_t)(host >> 8), (uint8_t)host } };
    char name[32];
    snprintf(name, sizeof name, "user%u@example.org", account);
    return (struct attempt_keys){ {
        limiter_key_of_client(limiter, &address, &address),
        limiter_key_of_account(limiter, text_of(name), ACCOUNT_AT_SITE, &address),
        limiter_key_of_account(limiter, text_of(name), ACCOUNT_ALONE, NULL),
    } };
}

static bool begin(const struct attempt_keys *attempt, int64_t now_us) {
    for (size_t i = 0; i < 3; i++) {
        if (limiter_take(limiter, classes[i], attempt->keys[i], now_us).allowed)
            continue;
        while (i-- > 0)
            limiter_refund(limiter, classes[i], attempt->keys[i], now_us);
        return false;
    }
    return true;
}

static bool guess_wrongly(const struct attempt_keys *attempt, int64_t now_us) {
    if (!begin(attempt, now_us))
        return false;
    for (size_t i = 0; i < 3; i++)
        limiter_fail(limiter, classes[i], attempt->keys[i], now_us);
    return true;
}

static bool log_in_rightly(const struct attempt_keys *attempt, int64_t now_us) {
    if (!begin(attempt, now_us))
        return false;
    for (size_t i = 0; i < 3; i++)
        limiter_refund(limiter, classes[i], attempt->keys[i], now_us);
    return true;
}

/* How often an attacker at one address tries. */
static const int64_t pauses[] = { 1, 2, 15, 30, 59, 60, 61, 120 };

START_TEST(one_address_however_patient_has_one_guess_an_hour_and_locks_nobody_else_out) {
    struct attempt_keys attacker = keys_of(1, 1), owner = keys_of(1, 2);
    unsigned guesses = 0, refused = 0;
    for (int64_t minute = 1; minute <= MINUTES; minute++) {
        if (minute % pauses[_i] == 0)
            guesses += guess_wrongly(&attacker, minute * MINUTE);
        refused += !log_in_rightly(&owner, minute * MINUTE);
    }
    ck_assert_uint_eq(refused, 0);
    ck_assert_uint_le(guesses, 20 + DAYS * 24);
}
END_TEST

START_TEST(a_thousand_addresses_have_a_hundred_guesses_and_then_a_hundred_a_day) {
    unsigned guesses = 0, first_hour = 0;
    for (int64_t minute = 1; minute <= MINUTES; minute++) {
        struct attempt_keys attacker = keys_of(1, (unsigned)minute % 1000);
        guesses += guess_wrongly(&attacker, minute * MINUTE);
        for (unsigned host = 0; minute == 1 && host < 1000; host++) {
            attacker = keys_of(1, host);
            guesses += guess_wrongly(&attacker, minute * MINUTE);
        }
        first_hour = minute == 10 ? guesses : first_hour;
    }
    ck_assert_uint_eq(first_hour, 100);
    ck_assert_uint_le(guesses, 100 + DAYS * 100);
}
END_TEST

START_TEST(an_account_that_many_have_locked_opens_within_hours_although_one_goes_on) {
    struct attempt_keys owner = keys_of(1, 2000), slow = keys_of(1, 1);
    unsigned refused = 0;
    for (unsigned host = 1; host < 1000; host++) {
        struct attempt_keys attacker = keys_of(1, host);
        guess_wrongly(&attacker, MINUTE);
    }
    ck_assert(!log_in_rightly(&owner, MINUTE));
    for (int64_t minute = 2; minute <= MINUTES; minute++) {
        guess_wrongly(&slow, minute * MINUTE);
        refused += !log_in_rightly(&owner, minute * MINUTE) && minute > 6 * 60;
    }
    ck_assert_uint_eq(refused, 0);
}
END_TEST

START_TEST(one_address_fails_for_no_more_than_thirty_accounts_and_then_two_a_minute) {
    unsigned failures = 0;
    for (unsigned account = 1; account <= 600; account++) {
        struct attempt_keys attacker = keys_of(account, 1);
        failures += guess_wrongly(&attacker, MINUTE);
    }
    ck_assert_uint_eq(failures, 30);
    for (unsigned account = 1; account <= 600; account++) {
        struct attempt_keys attacker = keys_of(account, 1);
        failures += guess_wrongly(&attacker, 11 * MINUTE);
    }
    ck_assert_uint_eq(failures, 50);
}
END_TEST

/* Three hundred people, one in ten types it wrong the first time. */
START_TEST(an_office_behind_one_address_logs_in_within_a_quarter_of_an_hour) {
    unsigned refused = 0;
    for (unsigned person = 0; person < 300; person++) {
        struct attempt_keys attempt = keys_of(person, 1);
        int64_t now_us = MINUTE + person * (3 * CLOCK_US_PER_S);
        if (person % 10 == 0)
            refused += !guess_wrongly(&attempt, now_us);
        refused += !log_in_rightly(&attempt, now_us);
    }
    ck_assert_uint_eq(refused, 0);
}
END_TEST

Suite *guessing_suite(void) {
    Suite *suite = suite_create("guessing");
    TCase *tcase = tcase_create("guessing");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, one_address_however_patient_has_one_guess_an_hour_and_locks_nobody_else_out, 0,
                        (int)ARRAY_LEN(pauses));
    tcase_add_test(tcase, a_thousand_addresses_have_a_hundred_guesses_and_then_a_hundred_a_day);
    tcase_add_test(tcase, an_account_that_many_have_locked_opens_within_hours_although_one_goes_on);
    tcase_add_test(tcase, one_address_fails_for_no_more_than_thirty_accounts_and_then_two_a_minute);
    tcase_add_test(tcase, an_office_behind_one_address_logs_in_within_a_quarter_of_an_hour);
    suite_add_tcase(suite, tcase);
    return suite;
}
