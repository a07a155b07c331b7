/* status, clock and uuid: small enough for one file. */
#include "jwtd/clock.h"
#include "jwtd/macros.h"
#include "jwtd/status.h"
#include "jwtd/uuid.h"
#include "jwtd/violation.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *base_suite(void);

START_TEST(every_status_has_a_code_of_its_own_and_says_what_to_do) {
    for (int i = 0; i < STATUS_COUNT; i++) {
        const struct status_info *info = status_info((enum status)i);
        ck_assert_ptr_nonnull(info->name);
        ck_assert_ptr_nonnull(info->title);
        ck_assert_ptr_nonnull(info->detail);
        ck_assert_uint_ge(info->http, 200);
        bool is_for_later = info->http == 503 || info->http == 429 || i == STATUS_IDEMPOTENCY_IN_PROGRESS;
        ck_assert_int_eq(info->retry_later, is_for_later);
        ck_assert_ptr_null(strpbrk(info->detail, "<>&\"\\"));
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(info->name, status_info((enum status)j)->name);
    }
    ck_assert_uint_eq(status_info((enum status)99)->http, 500);
}
END_TEST

/* Client programs switch on these: a change breaks them. */
static const struct {
    enum status status;
    const char *code;
    unsigned http;
} published[] = {
    { STATUS_OK, "ok", 200 },
    { STATUS_BAD_REQUEST, "bad_request", 400 },
    { STATUS_INVALID_JSON, "invalid_json", 400 },
    { STATUS_INVALID_REQUEST, "invalid_request", 400 },
    { STATUS_INVALID_HEADER, "invalid_header", 400 },
    { STATUS_INVALID_PARAMETER, "invalid_parameter", 400 },
    { STATUS_NOT_FOUND, "not_found", 404 },
    { STATUS_NOT_DISCOVERABLE, "not_discoverable", 404 },
    { STATUS_METHOD_NOT_ALLOWED, "method_not_allowed", 405 },
    { STATUS_NOT_ACCEPTABLE, "not_acceptable", 406 },
    { STATUS_REQUEST_TIMEOUT, "request_timeout", 408 },
    { STATUS_BODY_TOO_LARGE, "body_too_large", 413 },
    { STATUS_TARGET_TOO_LONG, "target_too_long", 414 },
    { STATUS_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415 },
    { STATUS_MISDIRECTED_REQUEST, "misdirected_request", 421 },
    { STATUS_HEADER_TOO_LARGE, "header_too_large", 431 },
    { STATUS_INVALID_BODY, "validation_failed", 422 },
    { STATUS_IDEMPOTENCY_KEY_REUSED, "idempotency_key_reused", 422 },
    { STATUS_IDEMPOTENCY_IN_PROGRESS, "idempotency_in_progress", 409 },
    { STATUS_EMAIL_TAKEN, "email_taken", 409 },
    { STATUS_LAST_ADMIN, "last_admin", 409 },
    { STATUS_PRECONDITION_FAILED, "precondition_failed", 412 },
    { STATUS_PRECONDITION_REQUIRED, "precondition_required", 428 },
    { STATUS_MISSING_TOKEN, "missing_token", 401 },
    { STATUS_INVALID_TOKEN, "invalid_token", 401 },
    { STATUS_INVALID_CREDENTIALS, "invalid_credentials", 401 },
    { STATUS_INVALID_REFRESH_TOKEN, "invalid_refresh_token", 401 },
    { STATUS_REFRESH_TOKEN_REUSED, "refresh_token_reused", 401 },
    { STATUS_SESSION_EXPIRED, "session_expired", 401 },
    { STATUS_INVALID_CLIENT, "invalid_client", 401 },
    { STATUS_WRONG_PASSWORD, "wrong_password", 403 },
    { STATUS_INSUFFICIENT_SCOPE, "insufficient_scope", 403 },
    { STATUS_PASSWORD_CHANGE_REQUIRED, "password_change_required", 403 },
    { STATUS_RATE_LIMITED, "rate_limited", 429 },
    { STATUS_ACCOUNT_LOCKED, "account_locked", 429 },
    { STATUS_OVERLOADED, "overloaded", 503 },
    { STATUS_DEADLINE_EXCEEDED, "deadline_exceeded", 503 },
    { STATUS_DATABASE_UNAVAILABLE, "database_unavailable", 503 },
    { STATUS_OUT_OF_MEMORY, "out_of_memory", 503 },
    { STATUS_REFRESH_TOO_SOON, "refresh_too_soon", 503 },
    { STATUS_STARTING, "starting", 503 },
    { STATUS_REVOCATIONS_STALE, "revocations_stale", 503 },
    { STATUS_KEYS_UNAVAILABLE, "keys_unavailable", 503 },
    { STATUS_SHUTTING_DOWN, "shutting_down", 503 },
    { STATUS_INTERNAL, "internal_error", 500 },
};

_Static_assert(ARRAY_LEN(published) == STATUS_COUNT, "every status is published");

START_TEST(codes_and_numbers_are_those_that_were_published) {
    const struct status_info *info = status_info(published[_i].status);
    ck_assert_str_eq(info->name, published[_i].code);
    ck_assert_uint_eq(info->http, published[_i].http);
}
END_TEST

/* Front ends choose their own words by these. */
static const struct {
    enum violation violation;
    const char *code;
} published_violations[] = {
    { VIOLATION_REQUIRED, "required" },
    { VIOLATION_WRONG_TYPE, "wrong_type" },
    { VIOLATION_TOO_SHORT, "too_short" },
    { VIOLATION_TOO_LONG, "too_long" },
    { VIOLATION_CONTAINS_NUL, "contains_nul" },
    { VIOLATION_CONTROL_CHARACTER, "control_character" },
    { VIOLATION_INVALID_EMAIL, "invalid_email" },
    { VIOLATION_EMAIL_TAKEN, "email_taken" },
    { VIOLATION_WRONG_PASSWORD, "wrong_password" },
    { VIOLATION_INVALID_ROLE, "invalid_role" },
    { VIOLATION_UNCHANGED, "unchanged" },
    { VIOLATION_TOO_COMMON, "too_common" },
    { VIOLATION_CONTAINS_EMAIL, "contains_email" },
    { VIOLATION_CONTAINS_SERVICE, "contains_service" },
};

_Static_assert(ARRAY_LEN(published_violations) == VIOLATION_COUNT - 1, "every violation is published");

START_TEST(codes_of_members_are_those_that_were_published_and_described) {
    const struct violation_info *info = violation_info(published_violations[_i].violation);
    ck_assert_str_eq(info->code, published_violations[_i].code);
    ck_assert_int_eq(info->description[strlen(info->description) - 1], '.');
    ck_assert_ptr_null(strpbrk(info->description, "<>&\""));
}
END_TEST

static const struct {
    int64_t us;
    const char *text;
} times[] = {
    { INT64_C(1795210500123456), "2026-11-20T21:35:00.123Z" },
    { 0, "1970-01-01T00:00:00.000Z" },
    { 999, "1970-01-01T00:00:00.000Z" },
    { INT64_C(1709164799999999), "2024-02-28T23:59:59.999Z" },
    { INT64_C(1709164800000000), "2024-02-29T00:00:00.000Z" },
    { -1, "1969-12-31T23:59:59.999Z" },
    { -1000000, "1969-12-31T23:59:59.000Z" },
    { INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z" },
};

START_TEST(a_time_is_written_as_rfc_3339) {
    char text[CLOCK_TEXT_SIZE];
    ck_assert_str_eq(clock_text(times[_i].us, text), times[_i].text);
}
END_TEST

#define HOUR_S INT64_C(3600)
#define DAY_S (24 * HOUR_S)

/* What was kept for 900 s at the first reading; seconds that both clocks pass, and by how many the wall clock is set before. */
static const struct {
    const char *what;
    struct {
        int64_t set_by_s, pass_s;
    } steps[3];
    int64_t advanced_s;
} retentions[] = {
    { "undisturbed", { { 0, 400 }, { 0, 500 } }, 900 },
    { "set forward for a moment", { { 2 * HOUR_S, 2 }, { -2 * HOUR_S, 2 } }, 2 + 2 - 2 * HOUR_S },
    { "set forward for good", { { 2 * HOUR_S, 400 }, { 0, 500 } }, 900 },
    { "set back for good: tokens live for longer", { { -HOUR_S, 900 }, { 0, HOUR_S - 1 } }, 899 },
    { "set back for a moment", { { -HOUR_S, 1 }, { HOUR_S, 1 } }, 2 - HOUR_S },
    { "set back by years", { { -1000 * DAY_S, 60 } }, -DAY_S },
};

START_TEST(the_retention_clock_is_never_ahead_of_the_wall_clock_or_of_the_time_since_the_boot) {
    struct clock_retention clock = { .now_us = 0 };
    int64_t wall_s = 1800000000, boot_s = 100, wall_moved_s = 0, boot_moved_s = 0;
    int64_t began_us = clock_retention_advance(&clock, wall_s * CLOCK_US_PER_S, boot_s * CLOCK_US_PER_S), now_us = began_us;
    ck_assert_int_gt(began_us, 0);
    for (size_t i = 0; i < ARRAY_LEN(retentions[_i].steps); i++) {
        wall_moved_s += retentions[_i].steps[i].set_by_s + retentions[_i].steps[i].pass_s;
        boot_moved_s += retentions[_i].steps[i].pass_s;
        now_us =
            clock_retention_advance(&clock, (wall_s + wall_moved_s) * CLOCK_US_PER_S, (boot_s + boot_moved_s) * CLOCK_US_PER_S);
    }
    ck_assert_msg((now_us - began_us) / CLOCK_US_PER_S == retentions[_i].advanced_s, "%s: %lld", retentions[_i].what,
                  (long long)((now_us - began_us) / CLOCK_US_PER_S));
    ck_assert_int_gt(now_us, 0);
}
END_TEST

START_TEST(the_clocks_agree_and_run_forward) {
    int64_t before = clock_monotonic_us();
    int64_t wall_us = clock_wall_us(), wall_s = clock_wall_s();
    ck_assert_int_le(before, clock_monotonic_us());
    ck_assert_int_ge(wall_s, wall_us / CLOCK_US_PER_S);
    ck_assert_int_le(wall_s - wall_us / CLOCK_US_PER_S, 60);
    ck_assert_int_gt(wall_s, INT64_C(1700000000));
}
END_TEST

static struct uuid (*const makers[])(void) = { uuid_create, uuid_create_for_log };

START_TEST(ids_are_version_7_of_now_and_never_twice) {
    struct uuid before = makers[_i]();
    for (int i = 0; i < 10000; i++) {
        struct uuid id = makers[_i](), back;
        char text[UUID_TEXT_SIZE];
        uuid_text(&id, text);
        ck_assert_int_eq(text[14], '7');
        ck_assert_ptr_nonnull(strchr("89ab", text[19]));
        ck_assert(!uuid_equal(&id, &before));
        ck_assert(uuid_parse(text, UUID_TEXT_LEN, &back));
        ck_assert(uuid_equal(&id, &back));
        before = id;
    }
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | before.bytes[i];
    ck_assert_int_le(clock_wall_us() / 1000 - ms, 60000);
}
END_TEST

static const char *const no_ids[] = {
    "",
    "01a1fb20-4e0e-7d54-9961-6bfafcff7e2",
    "01a1fb20-4e0e-7d54-9961-6bfafcff7e277",
    "01a1fb204-e0e-7d54-9961-6bfafcff7e27",
    "01a1fb20-4e0e-7d54-9961-6bfafcff7e2g",
    "01a1fb20+4e0e-7d54-9961-6bfafcff7e27",
    "{1a1fb20-4e0e-7d54-9961-6bfafcff7e27",
};

START_TEST(what_is_no_id_is_refused_and_changes_nothing) {
    struct uuid before = uuid_create(), id = before;
    ck_assert(!uuid_parse(no_ids[_i], strlen(no_ids[_i]), &id));
    ck_assert(uuid_equal(&id, &before));
}
END_TEST

/* An invalid byte at each position. */
START_TEST(every_character_of_an_id_counts) {
    static const char strange[] = { 'g', 'G', ' ', '/', ':', '@', '`', '\0', '\xff' };
    const char *good = "01a1fb20-4e0e-7d54-9961-6bfafcff7e27";
    for (size_t place = 0; place < UUID_TEXT_LEN; place++) {
        for (size_t i = 0; i < sizeof strange; i++) {
            char text[UUID_TEXT_SIZE];
            struct uuid id;
            memcpy(text, good, sizeof text);
            text[place] = strange[i];
            ck_assert_msg(!uuid_parse(text, UUID_TEXT_LEN, &id), "byte %02x at %zu", (unsigned char)strange[i], place);
        }
    }
}
END_TEST

enum { THREADS = 4, IDS_EACH = 5000 };
static struct uuid made[THREADS][IDS_EACH];
static struct uuid (*maker)(void);

static void *make_ids(void *mine) {
    struct uuid *ids = (struct uuid *)mine;
    for (int i = 0; i < IDS_EACH; i++)
        ids[i] = maker();
    return NULL;
}

static int compare_ids(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct uuid));
}

START_TEST(threads_never_make_the_same_id) {
    pthread_t threads[THREADS];
    maker = makers[_i];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_ids, made[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct uuid *all = &made[0][0];
    qsort(all, (size_t)THREADS * IDS_EACH, sizeof *all, compare_ids);
    for (int i = 1; i < THREADS * IDS_EACH; i++)
        ck_assert(!uuid_equal(&all[i - 1], &all[i]));
}
END_TEST

/* All random bits but those that share a byte with version or variant; the time is the same in both processes. */
static void take_random_bytes(uint8_t bytes[8]) {
    struct uuid id = maker();
    bytes[0] = id.bytes[7];
    memcpy(bytes + 1, id.bytes + 9, 7);
}

START_TEST(a_process_and_its_child_never_make_the_same_id) {
    uint8_t of_parent[8], of_child[8];
    int pipes[2];
    maker = makers[_i];
    take_random_bytes(of_parent);
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        take_random_bytes(of_child);
        _exit(write(pipes[1], of_child, sizeof of_child) == sizeof of_child ? 0 : 1);
    }
    take_random_bytes(of_parent);
    ck_assert_int_eq(read(pipes[0], of_child, sizeof of_child), sizeof of_child);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_mem_ne(of_parent, of_child, sizeof of_child);
}
END_TEST

START_TEST(an_id_may_be_written_in_upper_case) {
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    ck_assert(uuid_parse("01A1FB20-4E0E-7D54-9961-6BFAFCFF7E27", UUID_TEXT_LEN, &id));
    ck_assert_str_eq(uuid_text(&id, text), "01a1fb20-4e0e-7d54-9961-6bfafcff7e27");
}
END_TEST

Suite *base_suite(void) {
    Suite *suite = suite_create("base");
    TCase *tcase = tcase_create("base");
    tcase_add_test(tcase, every_status_has_a_code_of_its_own_and_says_what_to_do);
    tcase_add_loop_test(tcase, codes_and_numbers_are_those_that_were_published, 0, STATUS_COUNT);
    tcase_add_loop_test(tcase, codes_of_members_are_those_that_were_published_and_described, 0,
                        (int)ARRAY_LEN(published_violations));
    tcase_add_loop_test(tcase, a_time_is_written_as_rfc_3339, 0, (int)ARRAY_LEN(times));
    tcase_add_loop_test(tcase, the_retention_clock_is_never_ahead_of_the_wall_clock_or_of_the_time_since_the_boot, 0,
                        (int)ARRAY_LEN(retentions));
    tcase_add_test(tcase, the_clocks_agree_and_run_forward);
    tcase_add_loop_test(tcase, ids_are_version_7_of_now_and_never_twice, 0, (int)ARRAY_LEN(makers));
    tcase_add_loop_test(tcase, what_is_no_id_is_refused_and_changes_nothing, 0, (int)ARRAY_LEN(no_ids));
    tcase_add_test(tcase, every_character_of_an_id_counts);
    tcase_add_loop_test(tcase, threads_never_make_the_same_id, 0, (int)ARRAY_LEN(makers));
    tcase_add_loop_test(tcase, a_process_and_its_child_never_make_the_same_id, 0, (int)ARRAY_LEN(makers));
    tcase_add_test(tcase, an_id_may_be_written_in_upper_case);
    suite_add_tcase(suite, tcase);
    return suite;
}
