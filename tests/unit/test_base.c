/* status, clock and uuid: small enough for one file. */
#include "jwtd/clock.h"
#include "jwtd/status.h"
#include "jwtd/uuid.h"

#include <check.h>
#include <string.h>

Suite *base_suite(void);

START_TEST(every_status_has_a_code_of_its_own_and_says_what_to_do) {
    for (int i = 0; i < STATUS_COUNT; i++) {
        const struct status_info *info = status_info((enum status)i);
        ck_assert_ptr_nonnull(info->name);
        ck_assert_ptr_nonnull(info->title);
        ck_assert_ptr_nonnull(info->detail);
        ck_assert_uint_ge(info->http, 200);
        ck_assert_int_eq(info->retry_later, info->http == 503 || info->http == 429);
        ck_assert_ptr_null(strpbrk(info->detail, "<>&\"\\"));
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(info->name, status_info((enum status)j)->name);
    }
    ck_assert_uint_eq(status_info((enum status)99)->http, 500);
}
END_TEST

START_TEST(a_time_is_written_as_rfc_3339) {
    char text[CLOCK_TEXT_SIZE];
    ck_assert_str_eq(clock_text(INT64_C(1795210500123456), text), "2026-11-20T21:35:00.123Z");
    ck_assert_str_eq(clock_text(0, text), "1970-01-01T00:00:00.000Z");
    ck_assert_int_le(clock_monotonic_us(), clock_monotonic_us());
}
END_TEST

START_TEST(ids_are_version_7_of_now_and_never_twice) {
    struct uuid before = uuid_create();
    for (int i = 0; i < 10000; i++) {
        struct uuid id = uuid_create(), back;
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

START_TEST(what_is_no_id_is_refused) {
    struct uuid id;
    ck_assert(!uuid_parse(no_ids[_i], strlen(no_ids[_i]), &id));
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
    tcase_add_test(tcase, a_time_is_written_as_rfc_3339);
    tcase_add_test(tcase, ids_are_version_7_of_now_and_never_twice);
    tcase_add_loop_test(tcase, what_is_no_id_is_refused, 0, (int)(sizeof no_ids / sizeof no_ids[0]));
    tcase_add_test(tcase, an_id_may_be_written_in_upper_case);
    suite_add_tcase(suite, tcase);
    return suite;
}
