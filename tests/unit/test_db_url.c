#include "jwtd/db.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *db_url_suite(void);

static const struct {
    const char *url, *printed;
} cases[] = {
    { "", "" },
    { "postgres://jwtd@db/jwtd", "user=jwtd dbname=jwtd host=db" },
    { "postgres://jwtd:hunter2@db/jwtd", "user=jwtd password=*** dbname=jwtd host=db" },
    { "postgresql://jwtd:hunter2@db1:5432,db2:5433/jwtd?target_session_attrs=read-write",
      "user=jwtd password=*** dbname=jwtd host=db1,db2 port=5432,5433 target_session_attrs=read-write" },
    { "postgres://:hunter2@db/jwtd", "password=*** dbname=jwtd host=db" },
    { "postgres://jwtd:hunter2%40@db", "user=jwtd password=*** host=db" },
    { "postgres://db:5432/jwtd", "dbname=jwtd host=db port=5432" },
    { "postgres:///jwtd?host=/run/postgresql", "dbname=jwtd host=/run/postgresql" },
    { "postgres://db/jwtd?user=u&password=hunter2&sslmode=require", "user=u password=*** dbname=jwtd host=db sslmode=require" },
    { "postgres://db/jwtd?sslpassword=hunter2", "dbname=jwtd host=db sslpassword=***" },
    { "postgres://db/jwtd?p%61ssword=hunter2", "password=*** dbname=jwtd host=db" },
    { "postgres://u:hunter2@db/jwtd?password=hunter2", "user=u password=*** dbname=jwtd host=db" },
    { "postgres://db/jwtd?passfile=/etc/pgpass", "passfile=/etc/pgpass dbname=jwtd host=db" },
    { "postgres://db/jwtd?application_name=a%0Ab", "dbname=jwtd host=db application_name=***" },
    { "host=db user=jwtd dbname=jwtd", "user=jwtd dbname=jwtd host=db" },
    { "host=db password = hunter2", "password=*** host=db" },
    { "password='hunter2 hunter2' host=db", "password=*** host=db" },
    { "password='hunter2\\' hunter2' host=db", "password=*** host=db" },
    { "password=hunter2\\ hunter2 host=db", "password=*** host=db" },
    { "password=", "password=***" },
    { "host=db password='hunter2://hunter2 password=@'", "password=*** host=db" },
    { "host=db user=password_reset", "user=password_reset host=db" },
    { "host=db user=ada@example.org", "user=ada@example.org host=db" },
    { "host='a b' user='o\\'brien' application_name=''", "user='o\\'brien' host='a b' application_name=''" },
    /* of those, libpq reads a part of the password as something else */
    { "postgres://jwtd:hunter2@hunter2@db/jwtd", "***" },
    { "postgres://jwtd:hunter2/hunter2@db/jwtd", "***" },
    { "postgres://jwtd:hunter2?hunter2@db/jwtd?a=b@c", "***" },
    { "postgres://jwtd:p@hunter2@127.0.0.1/db", "***" },
    { "postgres://jwtd:hunter2", "***" },
    { "postgres://jwtd:5432hunter2/db", "***" },
    { "dbname=postgresql://u:hunter2@127.0.0.1/db", "***" },
    { "host=postgres://u:hunter2@h/db", "***" },
    { "host=h dbname='x password=hunter2'", "***" },
    { "host=h dbname='x password = hunter2'", "***" },
    { "postgres://h/x%20sslpassword=hunter2", "***" },
    /* and these not at all */
    { "host=db PASSWORD=hunter2", "***" },
    { "password='hunter2", "***" },
    { "password='hunter2\\", "***" },
    { "host=db password hunter2", "***" },
    { "postgres://db/jwtd?application_name", "***" },
    { "Postgres://u:hunter2@db/jwtd?a=b", "***" },
    { "hunter2", "***" },
    { "host=db =hunter2", "***" },
};

START_TEST(a_password_in_a_connection_string_is_never_printed) {
    char *printed = NULL;
    size_t len;
    FILE *out = open_memstream(&printed, &len);
    ck_assert_ptr_nonnull(out);
    db_print_url(cases[_i].url, out);
    fclose(out);
    ck_assert_ptr_null(strstr(printed, "hunter2"));
    ck_assert_str_eq(printed, cases[_i].printed);
    ck_assert(db_url_is_valid(cases[_i].url) == (strcmp(printed, "***") != 0));
    free(printed);
}
END_TEST

static const struct {
    const char *url, *problem; /* NULL: none */
} words[] = {
    { "", NULL },
    { "host=db sslmode=verify-full target_session_attrs=read-write gssencmode=disable channel_binding=require", NULL },
    { "postgres://db1,db2/jwtd?sslmode=disable&target_session_attrs=prefer-standby", NULL },
    { "host=db sslmode=verify-fulll", "sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full" },
    { "host=db sslmode=verify", "sslmode must be one of " },
    { "host=db sslmode=''", "sslmode must be one of " },
    { "host=db sslmode='disable, allow'", "sslmode must be one of " },
    { "postgres://db/jwtd?target_session_attrs=readwrite", "target_session_attrs must be one of any, read-write, " },
    { "host=db gssencmode=off", "gssencmode must be one of " },
};

START_TEST(a_word_that_libpq_does_not_know_is_found_without_a_connection) {
    char problem[DB_URL_PROBLEM_SIZE] = "";
    ck_assert(db_url_check_words(words[_i].url, problem) == (words[_i].problem == NULL));
    if (words[_i].problem != NULL)
        ck_assert_msg(strncmp(problem, words[_i].problem, strlen(words[_i].problem)) == 0, "%s", problem);
}
END_TEST

Suite *db_url_suite(void) {
    Suite *suite = suite_create("db_url");
    TCase *redaction = tcase_create("redaction");
    tcase_add_loop_test(redaction, a_password_in_a_connection_string_is_never_printed, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(redaction, a_word_that_libpq_does_not_know_is_found_without_a_connection, 0, (int)ARRAY_LEN(words));
    suite_add_tcase(suite, redaction);
    return suite;
}
