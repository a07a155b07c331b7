/* What the commands tell an operator whose database, schema or keys are not as they must be. */
#include "store_fixture.h"

#include "support/server.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *operator_commands_suite(void);

static char output[16384], keys[160], refresh_key[160];

static void start(void) {
    shared_server_start();
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", shared_server.directory);
    snprintf(refresh_key, sizeof refresh_key, "token.refresh_key_file=%s/refresh.key", shared_server.directory);
}

struct words {
    const char *setting;            /* NULL: none */
    const char *word[2], *value[2]; /* of the database's conninfo, behind those of the tests */
};

static int run(const struct words *more, const char *command, const char *option) {
    char urls[3][URL_SIZE], setting[URL_SIZE + 16];
    const char *url = getenv("JWTD_TEST_DATABASE");
    for (size_t i = 0; i < ARRAY_LEN(more->word) && more->word[i] != NULL; i++)
        url = database_with(url, more->word[i], more->value[i], urls[i]);
    snprintf(setting, sizeof setting, "database.url=%s", url);
    const char *const words[] = { "--set", keys,    "--set", refresh_key,
                                  "--set", setting, "--set", more->setting != NULL ? more->setting : "log.level=info",
                                  command, option,  NULL };
    return program_run(words, NULL, output, sizeof output);
}

static const struct words none, away = { .word = { "host", "port" }, .value = { "127.0.0.1", "1" } },
                                other = { .word = { "dbname" }, .value = { "postgres" } };

static const struct {
    struct words more;
    int code;
    const char *printed[3];
} connections[] = {
    { { .setting = NULL }, 0, { "\n# database: it answers\n", "\n# schema: ", "\n# keys: 1, of which " } },
    { { .word = { "host", "port" }, .value = { "127.0.0.1", "1" } },
      1,
      { "\"event\":\"database_unavailable\"", "jwtd: database: it cannot be used", "\n# keys: 1" } },
    { { .word = { "sslmode" }, .value = { "verify-fulll" } }, 1, { "database.url: sslmode must be one of disable, " } },
    { { .word = { "user" }, .value = { "nobody_of_this_name" } },
      1,
      { "nobody_of_this_name", "jwtd: database: it cannot be used" } },
    { { .word = { "dbname" }, .value = { "postgres" } },
      1,
      { "# database: it answers", "jwtd: schema: nothing is applied, and ", "run jwtd migrate" } },
    { { .setting = "token.keys_dir=/nonexistent" }, 1, { "# schema: ", "jwtd: keys: /nonexistent: No such file or directory" } },
};

START_TEST(check_config_tries_database_schema_and_keys_and_names_what_is_wrong) {
    if (getenv("JWTD_DATABASE_PREPARED") != NULL && _i > 0)
        return; /* the pooler answers for the database */
    int code = run(&connections[_i].more, "check-config", "--connect");
    for (size_t i = 0; i < ARRAY_LEN(connections[_i].printed) && connections[_i].printed[i] != NULL; i++)
        ck_assert_msg(strstr(output, connections[_i].printed[i]) != NULL, "%s is not in:\n%s", connections[_i].printed[i],
                      output);
    ck_assert_int_eq(code, connections[_i].code);
}
END_TEST

START_TEST(without_connect_check_config_asks_nobody) {
    ck_assert_int_eq(run(&away, "check-config", NULL), 0);
    ck_assert_ptr_null(strstr(output, "database_unavailable"));
}
END_TEST

/* Through the pooler only: it refuses the first, and the second is what it wants. */
START_TEST(behind_a_pooler_prepared_statements_name_the_setting) {
    if (getenv("JWTD_DATABASE_PREPARED") == NULL)
        return;
    ck_assert_int_eq(run(&(struct words){ .setting = "database.prepared=true" }, "check-config", "--connect"), 1);
    ck_assert_msg(strstr(output, "set database.prepared = false") != NULL, "%s", output);
    ck_assert_int_eq(run(&none, "check-config", "--connect"), 0);
}
END_TEST

START_TEST(migrate_names_the_right_that_is_missing) {
    if (getenv("JWTD_DATABASE_PREPARED") != NULL)
        return; /* the pooler knows this database by another name */
    ck_assert_int_eq(run(&other, "migrate", NULL), 1);
    static const char *const named[] = { "\"event\":\"migration_failed\"", "\"role\":\"jwtd\"",
                                         "\"reason\":\"permission denied for schema public\"",
                                         "\"cure\":\"migrate as the owner of the tables; the role needs CREATE" };
    for (size_t i = 0; i < ARRAY_LEN(named); i++)
        ck_assert_msg(strstr(output, named[i]) != NULL, "%s is not in:\n%s", named[i], output);
}
END_TEST

Suite *operator_commands_suite(void) {
    Suite *suite = suite_create("operator_commands");
    TCase *tcase = tcase_create("commands");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, start, shared_server_finish);
    tcase_add_loop_test(tcase, check_config_tries_database_schema_and_keys_and_names_what_is_wrong, 0, ARRAY_LEN(connections));
    tcase_add_test(tcase, without_connect_check_config_asks_nobody);
    tcase_add_test(tcase, behind_a_pooler_prepared_statements_name_the_setting);
    tcase_add_test(tcase, migrate_names_the_right_that_is_missing);
    suite_add_tcase(suite, tcase);
    return suite;
}
