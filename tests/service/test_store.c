/* The store against a real PostgreSQL. */
#include "store_fixture.h"

Suite *store_suite(void);

static void add(Suite *suite, TCase *tcase) {
    tcase_add_checked_fixture(tcase, fixture_start, fixture_stop);
    tcase_set_timeout(tcase, 180);
    suite_add_tcase(suite, tcase);
}

Suite *store_suite(void) {
    Suite *suite = suite_create("store");
    add(suite, store_users_tests());
    add(suite, store_admin_tests());
    add(suite, store_sessions_tests());
    add(suite, store_idempotency_tests());
    add(suite, store_refresh_tests());
    add(suite, store_races_tests());
    add(suite, store_unprepared_tests());
    add(suite, store_audit_tests());
    add(suite, store_executor_tests());
    add(suite, store_executor_deadline_tests());
    add(suite, store_executor_server_tests());
    /* about connections that are this program's alone, and what their options set */
    if (!test_is_pooled()) {
        add(suite, store_connection_tests());
        add(suite, store_migrations_tests());
        add(suite, store_executor_connection_tests());
    }
    return suite;
}
