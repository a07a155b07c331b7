/* The store against a real PostgreSQL. */
#include "store_fixture.h"

Suite *store_suite(void);

Suite *store_suite(void) {
    Suite *suite = suite_create("store");
    TCase *cases[] = { store_users_tests(), store_sessions_tests(), store_races_tests(), store_connection_tests(),
                       store_migrations_tests() };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tcase_add_checked_fixture(cases[i], fixture_start, fixture_stop);
        tcase_set_timeout(cases[i], 20);
        suite_add_tcase(suite, cases[i]);
    }
    return suite;
}
