#include "../../src/store/db_errors.h"

#include <check.h>

Suite *db_errors_suite(void);

static const struct {
    const char *sqlstate;
    enum status status;
    enum db_remedy remedy;
} cases[] = {
    { "40001", STATUS_DATABASE_UNAVAILABLE, REMEDY_RETRY },
    { "40P01", STATUS_DATABASE_UNAVAILABLE, REMEDY_RETRY },
    { "40003", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "08006", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "08P01", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "25P03", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "57P01", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "57P02", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "57P03", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "25006", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "26000", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { "0A000", STATUS_INTERNAL, REMEDY_RECONNECT },
    { "57014", STATUS_DEADLINE_EXCEEDED, REMEDY_NONE },
    { "55P03", STATUS_DEADLINE_EXCEEDED, REMEDY_NONE },
    { "53100", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "53200", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "53300", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "58030", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "XX001", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "28P01", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "3D000", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "3F000", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "42P01", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "42703", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "42501", STATUS_DATABASE_UNAVAILABLE, REMEDY_NONE },
    { "23505", STATUS_EMAIL_TAKEN, REMEDY_NONE },
    { "23503", STATUS_INTERNAL, REMEDY_NONE },
    { "23514", STATUS_INTERNAL, REMEDY_NONE },
    { "22021", STATUS_BAD_REQUEST, REMEDY_NONE },
    { "22P05", STATUS_BAD_REQUEST, REMEDY_NONE },
    { "22P02", STATUS_INTERNAL, REMEDY_NONE },
    { "42601", STATUS_INTERNAL, REMEDY_NONE },
    { "25001", STATUS_INTERNAL, REMEDY_NONE },
    { "zzzzz", STATUS_INTERNAL, REMEDY_NONE },
    { "5", STATUS_INTERNAL, REMEDY_NONE },
    /* none: the connection was lost before the server could say anything */
    { "", STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
    { NULL, STATUS_DATABASE_UNAVAILABLE, REMEDY_RECONNECT },
};

START_TEST(an_sqlstate_means_one_status_and_one_remedy) {
    struct db_verdict verdict = db_judge(cases[_i].sqlstate);
    ck_assert_int_eq(verdict.status, cases[_i].status);
    ck_assert_int_eq(verdict.remedy, cases[_i].remedy);
}
END_TEST

Suite *db_errors_suite(void) {
    Suite *suite = suite_create("db_errors");
    TCase *table = tcase_create("table");
    tcase_add_loop_test(table, an_sqlstate_means_one_status_and_one_remedy, 0, (int)(sizeof cases / sizeof cases[0]));
    suite_add_tcase(suite, table);
    return suite;
}
