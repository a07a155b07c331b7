#include "jwtd/clock.h"
#include "jwtd/limiter.h"
#include "jwtd/macros.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *limiter_suite(void);

#define TABLE_SIZE 1024
#define NOW (1000 * CLOCK_US_PER_S)
#define TOKEN (6 * CLOCK_US_PER_S) /* of the rules below */
#define MINUTE (60 * CLOCK_US_PER_S)
#define LOCK MINUTE
#define LOCK_MAX (8 * MINUTE)
#define THREADS 4
#define TAKES_OF_THREAD 5000
#define MANY_ADDRESSES 1000000u

static const struct limit_rule rules[LIMIT_CLASS_COUNT] = {
    [LIMIT_REGISTER] = { .name = "register", .site_name = "register_site", .amount = 10, .period_us = MINUTE, .burst = 20 },
    [LIMIT_LOGIN] = { .name = "login", .site_name = "login_site", .amount = 10, .period_us = MINUTE, .burst = 10 },
    [LIMIT_REFRESH] = { .name = "refresh",
                        .site_name = "refresh_site",
                        .amount = 1000000,
                        .period_us = 1000 * MINUTE,
                        .burst = 1000 },
    [LIMIT_ACCOUNT_FAILURES] = { .name = "account_failures",
                                 .amount = 10,
                                 .period_us = MINUTE,
                                 .burst = 3,
                                 .lock_us = LIMIT_LOCK_ONE_TOKEN },
    [LIMIT_LOGIN_FAILURES] = { .name = "login_failures",
                               .amount = 10,
                               .period_us = MINUTE,
                               .burst = 3,
                               .lock_us = LOCK,
                               .lock_max_us = LOCK_MAX },
};

static struct limiter *limiter;

static void set_up(void) {
    limiter = limiter_create(rules, TABLE_SIZE);
    ck_assert_ptr_nonnull(limiter);
}

static void tear_down(void) {
    limiter_destroy(limiter);
}

static struct address address_from(const char *text) {
    struct address address;
    ck_assert(address_parse(text_of(text), &address));
    return address;
}

static struct limit_key client_key(const char *text) {
    struct address address = address_from(text);
    return limiter_key_of_client(limiter, &address, &address);
}

static struct limit_key account_key(const char *name) {
    return limiter_key_of_account(limiter, text_of(name), ACCOUNT_ALONE, NULL);
}

static bool take(enum limit_class class, struct limit_key key, int64_t now_us) {
    return limiter_take(limiter, class, key, now_us).allowed;
}

static unsigned take_all(enum limit_class class, struct limit_key key, int64_t now_us) {
    unsigned count = 0;
    while (take(class, key, now_us))
        count++;
    return count;
}

/* ---- buckets ---- */

START_TEST(a_bucket_has_its_burst_and_then_one_token_for_each_that_is_refilled) {
    struct limit_key key = client_key("192.0.2.1");
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, key, NOW), 20);
    ck_assert(!take(LIMIT_REGISTER, key, NOW + TOKEN - 1));
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, key, NOW + TOKEN), 1);
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, key, NOW + 4 * TOKEN), 3);
}
END_TEST

START_TEST(a_bucket_never_holds_more_than_its_burst) {
    struct limit_key key = client_key("192.0.2.1");
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, key, NOW), 20);
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, key, NOW + 3600 * CLOCK_US_PER_S), 20);
}
END_TEST

START_TEST(a_decision_says_what_is_left_and_when_more_comes) {
    struct limit_key key = client_key("192.0.2.1");
    struct limit_decision decision = limiter_take(limiter, LIMIT_LOGIN, key, NOW);
    ck_assert(decision.is_limited && decision.allowed);
    ck_assert_str_eq(decision.name, "login");
    ck_assert_uint_eq(decision.quota, 10);
    ck_assert_int_eq(decision.window_us, MINUTE);
    ck_assert_uint_eq(decision.remaining, 9);
    ck_assert_int_eq(decision.reset_us, TOKEN);
    ck_assert_int_eq(decision.retry_after_us, 0);
    ck_assert_uint_eq(take_all(LIMIT_LOGIN, key, NOW), 9);
    decision = limiter_take(limiter, LIMIT_LOGIN, key, NOW + 1);
    ck_assert(decision.is_limited && !decision.allowed);
    ck_assert_uint_eq(decision.remaining, 0);
    ck_assert_int_eq(decision.reset_us, TOKEN - 1); /* draft-ietf-httpapi-ratelimit-headers: the moment of Retry-After */
    ck_assert_int_eq(decision.retry_after_us, TOKEN - 1);
    decision = limiter_take(limiter, LIMIT_LOGIN, key, NOW + TOKEN + 1);
    ck_assert(decision.allowed && decision.remaining == 0);
    ck_assert_int_eq(decision.reset_us, TOKEN - 1);
}
END_TEST

START_TEST(a_client_that_waits_for_the_retry_time_is_allowed) {
    struct limit_key key = client_key("192.0.2.1");
    take_all(LIMIT_LOGIN, key, NOW);
    int64_t wait_us = limiter_take(limiter, LIMIT_LOGIN, key, NOW).retry_after_us;
    ck_assert(!take(LIMIT_LOGIN, key, NOW + wait_us - 1));
    ck_assert(take(LIMIT_LOGIN, key, NOW + wait_us));
}
END_TEST

START_TEST(a_class_without_a_rule_is_not_limited) {
    struct limit_key key = client_key("192.0.2.1");
    for (int i = 0; i < 1000; i++) {
        struct limit_decision decision = limiter_take(limiter, LIMIT_ACCOUNT, key, NOW);
        ck_assert(decision.allowed && !decision.is_limited);
    }
}
END_TEST

START_TEST(new_rules_hold_for_buckets_that_are_in_use) {
    struct limit_rule changed[LIMIT_CLASS_COUNT];
    memcpy(changed, rules, sizeof changed);
    struct limit_key key = client_key("192.0.2.1");
    ck_assert_uint_eq(take_all(LIMIT_LOGIN, key, NOW), 10);
    changed[LIMIT_LOGIN].burst = 12;
    limiter_set_rules(limiter, changed);
    ck_assert_uint_eq(take_all(LIMIT_LOGIN, key, NOW), 2);
    changed[LIMIT_LOGIN].amount = 0;
    limiter_set_rules(limiter, changed);
    ck_assert(take(LIMIT_LOGIN, key, NOW));
}
END_TEST

START_TEST(a_token_that_is_refunded_can_be_taken_again) {
    struct limit_key key = client_key("192.0.2.1");
    take_all(LIMIT_LOGIN, key, NOW);
    limiter_refund(limiter, LIMIT_LOGIN, key, NOW);
    ck_assert_uint_eq(take_all(LIMIT_LOGIN, key, NOW), 1);
    struct limit_key other = client_key("192.0.2.2");
    limiter_refund(limiter, LIMIT_LOGIN, other, NOW);
    ck_assert_uint_eq(take_all(LIMIT_LOGIN, other, NOW), 10);
}
END_TEST

/* ---- keys ---- */

static const struct {
    const char *one, *other;
    bool same;
} neighbours[] = {
    { "192.0.2.1", "192.0.2.1", true },
    { "192.0.2.1", "192.0.2.2", false },
    { "192.0.2.1", "::ffff:192.0.2.1", true },
    { "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true },
    { "2001:db8:1:2::1", "2001:db8:1:3::1", false },
    { "::1", "::2", true },
};

START_TEST(an_ipv4_address_and_an_ipv6_network_have_one_bucket_each) {
    take_all(LIMIT_LOGIN, client_key(neighbours[_i].one), NOW);
    ck_assert(take(LIMIT_LOGIN, client_key(neighbours[_i].other), NOW) != neighbours[_i].same);
}
END_TEST

/* ---- networks of one IPv6 site ---- */

static struct limit_key network_key(unsigned site, unsigned network) {
    char text[ADDRESS_TEXT_SIZE];
    snprintf(text, sizeof text, "2001:db8:%x:%x::1", site, network);
    return client_key(text);
}

START_TEST(a_site_has_four_times_what_one_of_its_networks_has) {
    unsigned taken = 0;
    for (unsigned network = 0; network < 100; network++) {
        unsigned count = take_all(LIMIT_LOGIN, network_key(1, network), NOW);
        ck_assert_uint_le(count, 10);
        taken += count;
    }
    ck_assert_uint_eq(taken, 40);
    ck_assert_uint_eq(take_all(LIMIT_LOGIN, network_key(2, 0), NOW), 10);
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, network_key(1, 0), NOW), 20);
}
END_TEST

START_TEST(neighbours_of_ipv4_have_nothing_in_common) {
    for (unsigned host = 1; host < 100; host++) {
        char text[ADDRESS_TEXT_SIZE];
        snprintf(text, sizeof text, "192.0.2.%u", host);
        ck_assert_uint_eq(take_all(LIMIT_LOGIN, client_key(text), NOW), 10);
    }
}
END_TEST

START_TEST(a_refused_request_takes_from_neither_bucket) {
    take_all(LIMIT_LOGIN, network_key(1, 0), NOW);
    for (int i = 0; i < 100; i++)
        ck_assert(!take(LIMIT_LOGIN, network_key(1, 0), NOW)); /* its network has none left, its site has 30 */
    for (unsigned network = 1; network <= 3; network++)
        ck_assert_uint_eq(take_all(LIMIT_LOGIN, network_key(1, network), NOW), 10);
    for (int i = 0; i < 100; i++)
        ck_assert(!take(LIMIT_LOGIN, network_key(1, 4), NOW)); /* its site has none left, its network has 10 */
    ck_assert_uint_eq(take_all(LIMIT_LOGIN, network_key(1, 4), NOW + TOKEN), 4);
}
END_TEST

START_TEST(a_decision_is_that_of_the_bucket_with_less_left) {
    struct limit_decision decision = limiter_take(limiter, LIMIT_LOGIN, network_key(1, 0), NOW);
    ck_assert_str_eq(decision.name, "login");
    ck_assert_uint_eq(decision.quota, 10);
    ck_assert_uint_eq(decision.remaining, 9);
    for (unsigned network = 1; network <= 3; network++)
        take_all(LIMIT_LOGIN, network_key(1, network), NOW);
    for (unsigned left = 8; left > 1; left--)
        ck_assert(take(LIMIT_LOGIN, network_key(1, 0), NOW));
    decision = limiter_take(limiter, LIMIT_LOGIN, network_key(1, 4), NOW);
    ck_assert(decision.allowed);
    ck_assert_str_eq(decision.name, "login_site");
    ck_assert_uint_eq(decision.quota, 40);
    ck_assert_int_eq(decision.window_us, MINUTE);
    ck_assert_uint_eq(decision.remaining, 1);
    ck_assert(take(LIMIT_LOGIN, network_key(1, 4), NOW));
    decision = limiter_take(limiter, LIMIT_LOGIN, network_key(1, 4), NOW);
    ck_assert(!decision.allowed);
    ck_assert_str_eq(decision.name, "login_site");
    ck_assert_int_eq(decision.retry_after_us, TOKEN / 4);
}
END_TEST

START_TEST(each_class_has_a_bucket_of_its_own) {
    struct limit_key key = client_key("192.0.2.1");
    take_all(LIMIT_LOGIN, key, NOW);
    ck_assert(take(LIMIT_REGISTER, key, NOW));
}
END_TEST

START_TEST(clients_without_an_address_share_a_strict_bucket_for_each_peer) {
    struct address unknown = { .known = false };
    struct address proxy = address_from("192.0.2.1"), other = address_from("192.0.2.2");
    struct limit_key key = limiter_key_of_client(limiter, &unknown, &proxy);
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, key, NOW), 5);
    ck_assert(!take(LIMIT_REGISTER, key, NOW + 4 * TOKEN - 1));
    ck_assert(take(LIMIT_REGISTER, key, NOW + 4 * TOKEN));
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, limiter_key_of_client(limiter, &unknown, &other), NOW), 5);
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, limiter_key_of_client(limiter, &unknown, &unknown), NOW), 5);
    ck_assert_uint_eq(take_all(LIMIT_REGISTER, client_key("192.0.2.1"), NOW), 20);
}
END_TEST

static const struct {
    const char *one, *other;
    enum account_scope scope;
    bool same;
} places[] = {
    { "192.0.2.1", "192.0.2.1", ACCOUNT_AT_SITE, true },
    { "192.0.2.1", "192.0.2.2", ACCOUNT_AT_SITE, false },
    { "2001:db8:1:2::1", "2001:db8:1:3::1", ACCOUNT_AT_NETWORK, false },
    { "2001:db8:1:2::1", "2001:db8:1:3::1", ACCOUNT_AT_SITE, true },
    { "2001:db8:1::1", "2001:db8:2::1", ACCOUNT_AT_SITE, false },
};

START_TEST(an_account_at_a_site_has_one_bucket_for_all_its_networks) {
    struct address one = address_from(places[_i].one), other = address_from(places[_i].other);
    struct text name = text_of("ada@example.org");
    take_all(LIMIT_LOGIN_FAILURES, limiter_key_of_account(limiter, name, places[_i].scope, &one), NOW);
    struct limit_key key = limiter_key_of_account(limiter, name, places[_i].scope, &other);
    ck_assert(take(LIMIT_LOGIN_FAILURES, key, NOW) != places[_i].same);
}
END_TEST

START_TEST(an_account_has_another_bucket_at_an_address_that_it_knows) {
    struct address home = address_from("192.0.2.1"), office = address_from("192.0.2.2");
    struct text name = text_of("ada@example.org");
    take_all(LIMIT_LOGIN_FAILURES, account_key("ada@example.org"), NOW);
    ck_assert(!take(LIMIT_LOGIN_FAILURES, account_key("ada@example.org"), NOW));
    ck_assert_uint_eq(take_all(LIMIT_LOGIN_FAILURES, limiter_key_of_account(limiter, name, ACCOUNT_AT_NETWORK, &home), NOW), 3);
    ck_assert_uint_eq(take_all(LIMIT_LOGIN_FAILURES, limiter_key_of_account(limiter, name, ACCOUNT_AT_NETWORK, &office), NOW), 3);
    ck_assert_uint_eq(take_all(LIMIT_LOGIN_FAILURES, account_key("bob@example.org"), NOW), 3);
}
END_TEST

/* ---- locks ---- */

/* Wrong passwords until the account is locked; returns for how long. */
static int64_t fail_until_locked(struct limit_key key, int64_t now_us, unsigned *tries) {
    int64_t locked_us = 0;
    for (*tries = 0; locked_us == 0 && take(LIMIT_LOGIN_FAILURES, key, now_us); ++*tries)
        locked_us = limiter_fail(limiter, LIMIT_LOGIN_FAILURES, key, now_us);
    return locked_us;
}

START_TEST(the_last_token_that_fails_locks_the_bucket) {
    struct limit_key key = account_key("ada@example.org");
    unsigned tries;
    ck_assert_int_eq(fail_until_locked(key, NOW, &tries), LOCK);
    ck_assert_uint_eq(tries, 3);
    struct limit_decision decision = limiter_take(limiter, LIMIT_LOGIN_FAILURES, key, NOW + LOCK - 1);
    ck_assert(!decision.allowed);
    ck_assert_int_eq(decision.retry_after_us, 1);
}
END_TEST

START_TEST(attempts_that_succeed_never_lock) {
    struct limit_key key = account_key("ada@example.org");
    for (int i = 0; i < 100; i++) {
        ck_assert(take(LIMIT_LOGIN_FAILURES, key, NOW));
        limiter_refund(limiter, LIMIT_LOGIN_FAILURES, key, NOW);
    }
}
END_TEST

START_TEST(only_failures_lock_and_not_attempts_that_are_under_way) {
    struct limit_key key = account_key("ada@example.org");
    for (int try = 0; try < 3; try++)
        ck_assert(take(LIMIT_LOGIN_FAILURES, key, NOW));
    ck_assert(!take(LIMIT_LOGIN_FAILURES, key, NOW));
    ck_assert_int_eq(limiter_fail(limiter, LIMIT_LOGIN_FAILURES, key, NOW), 0);
    limiter_refund(limiter, LIMIT_LOGIN_FAILURES, key, NOW);
    limiter_refund(limiter, LIMIT_LOGIN_FAILURES, key, NOW);
    for (int try = 0; try < 2; try++)
        ck_assert(take(LIMIT_LOGIN_FAILURES, key, NOW));
    ck_assert_int_eq(limiter_fail(limiter, LIMIT_LOGIN_FAILURES, key, NOW), 0);
    ck_assert_int_eq(limiter_fail(limiter, LIMIT_LOGIN_FAILURES, key, NOW), LOCK);
}
END_TEST

START_TEST(a_lock_ends_with_one_token_and_doubles_up_to_its_longest) {
    static const int64_t locks[] = { LOCK, 2 * LOCK, 4 * LOCK, LOCK_MAX, LOCK_MAX };
    struct limit_key key = account_key("ada@example.org");
    int64_t now_us = NOW;
    for (size_t i = 0; i < ARRAY_LEN(locks); i++) {
        unsigned tries;
        ck_assert_int_eq(fail_until_locked(key, now_us, &tries), locks[i]);
        ck_assert_uint_eq(tries, i == 0 ? 3 : 1);
        now_us += locks[i];
    }
}
END_TEST

START_TEST(repetitions_are_reset_after_a_long_time_without_failures) {
    struct limit_key key = account_key("ada@example.org");
    unsigned tries;
    fail_until_locked(key, NOW, &tries);
    int64_t second_us = NOW + LOCK;
    ck_assert_int_eq(fail_until_locked(key, second_us, &tries), 2 * LOCK);
    int64_t full_us = second_us + 2 * LOCK + 2 * TOKEN;
    ck_assert_int_eq(fail_until_locked(key, full_us + LOCK_MAX + 1, &tries), LOCK);
    ck_assert_uint_eq(tries, 3);
}
END_TEST

START_TEST(a_lock_of_one_token_lasts_as_long_as_its_refill_and_never_grows) {
    struct limit_key key = account_key("ada@example.org");
    int64_t now_us = NOW;
    for (unsigned lock = 0; lock < 5; lock++) {
        unsigned tries = 0;
        int64_t locked_us = 0;
        for (; locked_us == 0 && take(LIMIT_ACCOUNT_FAILURES, key, now_us); tries++)
            locked_us = limiter_fail(limiter, LIMIT_ACCOUNT_FAILURES, key, now_us);
        ck_assert_uint_eq(tries, lock == 0 ? 3 : 1);
        ck_assert_int_eq(locked_us, TOKEN);
        now_us += TOKEN;
    }
    ck_assert(take(LIMIT_ACCOUNT_FAILURES, key, now_us + TOKEN));
    ck_assert(take(LIMIT_ACCOUNT_FAILURES, key, now_us + TOKEN));
}
END_TEST

/* ---- the table ---- */

static struct limit_key key_of_number(uint32_t number) {
    struct address address = { .known = true, .bytes = { [10] = 0xff, [11] = 0xff } };
    memcpy(address.bytes + 12, &number, sizeof number);
    return limiter_key_of_client(limiter, &address, &address);
}

static long resident_kib(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* One assertion at the end, since each takes memory, which the address sanitizer frees late. */
static void take_from_many(uint32_t addresses) {
    uint32_t allowed = 0;
    for (uint32_t i = 0; i < addresses; i++)
        allowed += take(LIMIT_LOGIN, key_of_number(i), NOW);
    ck_assert_uint_eq(allowed, addresses);
}

START_TEST(a_million_addresses_take_no_further_memory) {
    take_from_many(10 * TABLE_SIZE);
    long before = resident_kib();
    take_from_many(MANY_ADDRESSES);
    ck_assert_int_lt(resident_kib() - before, 1024); /* an entry for each would be more than 16 MiB */
}
END_TEST

START_TEST(many_addresses_neither_end_a_lock_nor_refill_an_empty_bucket) {
    struct limit_key locked = account_key("ada@example.org"), empty = client_key("192.0.2.1");
    unsigned tries;
    fail_until_locked(locked, NOW, &tries);
    take_all(LIMIT_LOGIN, empty, NOW);
    for (uint32_t i = 0; i < 100 * TABLE_SIZE; i++)
        ck_assert(take(LIMIT_LOGIN, key_of_number(i), NOW));
    ck_assert(!take(LIMIT_LOGIN_FAILURES, locked, NOW));
    ck_assert(!take(LIMIT_LOGIN, empty, NOW));
}
END_TEST

static void *take_many(void *allowed) {
    struct limit_key *key = allowed;
    static _Atomic unsigned total;
    for (unsigned i = 0; i < TAKES_OF_THREAD; i++) {
        if (take(LIMIT_REFRESH, *key, NOW))
            total++;
        (void)take(LIMIT_LOGIN, key_of_number(i), NOW);
    }
    return &total;
}

START_TEST(no_token_is_taken_twice_by_several_threads) {
    struct limit_key key = client_key("192.0.2.1");
    pthread_t threads[THREADS];
    void *total = NULL;
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_many, &key), 0);
    limiter_set_rules(limiter, rules);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], &total);
    ck_assert_uint_eq(*(_Atomic unsigned *)total, 1000);
}
END_TEST

Suite *limiter_suite(void) {
    Suite *suite = suite_create("limiter");
    TCase *buckets = tcase_create("buckets");
    tcase_add_checked_fixture(buckets, set_up, tear_down);
    tcase_add_test(buckets, a_bucket_has_its_burst_and_then_one_token_for_each_that_is_refilled);
    tcase_add_test(buckets, a_bucket_never_holds_more_than_its_burst);
    tcase_add_test(buckets, a_decision_says_what_is_left_and_when_more_comes);
    tcase_add_test(buckets, a_client_that_waits_for_the_retry_time_is_allowed);
    tcase_add_test(buckets, a_class_without_a_rule_is_not_limited);
    tcase_add_test(buckets, new_rules_hold_for_buckets_that_are_in_use);
    tcase_add_test(buckets, a_token_that_is_refunded_can_be_taken_again);
    suite_add_tcase(suite, buckets);
    TCase *keys = tcase_create("keys");
    tcase_add_checked_fixture(keys, set_up, tear_down);
    tcase_add_loop_test(keys, an_ipv4_address_and_an_ipv6_network_have_one_bucket_each, 0, (int)ARRAY_LEN(neighbours));
    tcase_add_test(keys, a_site_has_four_times_what_one_of_its_networks_has);
    tcase_add_test(keys, neighbours_of_ipv4_have_nothing_in_common);
    tcase_add_test(keys, a_refused_request_takes_from_neither_bucket);
    tcase_add_test(keys, a_decision_is_that_of_the_bucket_with_less_left);
    tcase_add_test(keys, each_class_has_a_bucket_of_its_own);
    tcase_add_test(keys, clients_without_an_address_share_a_strict_bucket_for_each_peer);
    tcase_add_loop_test(keys, an_account_at_a_site_has_one_bucket_for_all_its_networks, 0, (int)ARRAY_LEN(places));
    tcase_add_test(keys, an_account_has_another_bucket_at_an_address_that_it_knows);
    suite_add_tcase(suite, keys);
    TCase *locks = tcase_create("locks");
    tcase_add_checked_fixture(locks, set_up, tear_down);
    tcase_add_test(locks, the_last_token_that_fails_locks_the_bucket);
    tcase_add_test(locks, attempts_that_succeed_never_lock);
    tcase_add_test(locks, only_failures_lock_and_not_attempts_that_are_under_way);
    tcase_add_test(locks, a_lock_ends_with_one_token_and_doubles_up_to_its_longest);
    tcase_add_test(locks, a_lock_of_one_token_lasts_as_long_as_its_refill_and_never_grows);
    tcase_add_test(locks, repetitions_are_reset_after_a_long_time_without_failures);
    suite_add_tcase(suite, locks);
    TCase *table = tcase_create("table");
    tcase_set_timeout(table, 20);
    tcase_add_checked_fixture(table, set_up, tear_down);
    tcase_add_test(table, a_million_addresses_take_no_further_memory);
    tcase_add_test(table, many_addresses_neither_end_a_lock_nor_refill_an_empty_bucket);
    tcase_add_test(table, no_token_is_taken_twice_by_several_threads);
    suite_add_tcase(suite, table);
    return suite;
}
