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
    { "host=db ssl_min_protocol_version=TLSv9", "ssl_min_protocol_version must be one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3" },
    { "host=db ssl_max_protocol_version=tlsv1", NULL },
    { "host=db ssl_max_protocol_version=TLSv1.", "ssl_max_protocol_version must be one of " },
    { "host=db ssl_min_protocol_version='' ssl_max_protocol_version=tlsV1.3", NULL },
    { "host=db sslmode=REQUIRE", "sslmode must be one of " },
    { "host=db sslsni=yes", "sslsni must be one of 0, 1" },
    { "postgres://db/jwtd?connect_timeout=abc", "connect_timeout must be a whole number" },
    { "host=db connect_timeout=''", "connect_timeout must be a whole number" },
    { "host=db connect_timeout=5s", "connect_timeout must be a whole number" },
    { "host=db connect_timeout=99999999999", "connect_timeout must be a whole number" },
    { "host=db connect_timeout=' 5 ' tcp_user_timeout=0 keepalives=0 keepalives_count=-1", NULL },
    { "host=db keepalives=x", "keepalives must be a whole number" },
    { "host=db keepalives_idle=1.5", "keepalives_idle must be a whole number" },
    { "host=db keepalives_interval=x", "keepalives_interval must be a whole number" },
    { "host=db tcp_user_timeout=x", "tcp_user_timeout must be a whole number" },
    { "host=db1,db2,db3 port=5432,,65535", NULL },
    { "host=db port=''", NULL },
    { "host=db port=65536", "port must be 1 to 65535, or one such for each host" },
    { "host=db1,db2 port=5432,0", "port must be 1 to 65535, " },
    { "host=db port=abc", "port must be 1 to 65535, " },
};

START_TEST(a_word_that_libpq_would_refuse_is_found_without_a_connection) {
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
    tcase_add_loop_test(redaction, a_word_that_libpq_would_refuse_is_found_without_a_connection, 0, (int)ARRAY_LEN(words));
    suite_add_tcase(suite, redaction);
    return suite;
}
