#include "bench.h"
#include "command.h"
#include "instant.h"
#include "jwtd/clock.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNTS_DEFAULT 100000.0
#define BUFFER_SIZE ((size_t)64 * 1024)
#define LINE_MAX_SIZE ((size_t)1024)
#define ID_SIZE 64

static bool run_sql(PGconn *database, const char *sql, ExecStatusType expected) {
    PGresult *result = PQexec(database, sql);
    bool done = PQresultStatus(result) == expected;
    PQclear(result);
    return done;
}

/* The hash of account 1, which has just been registered over HTTP: so it is of the kind and the cost that the service makes. */
static char *read_hash(PGconn *database, const char *email) {
    const char *values[] = { email };
    PGresult *result = PQexecParams(database, "SELECT password_hash FROM users WHERE email = $1", 1, NULL, values, NULL, NULL, 0);
    char *hash = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 ? strdup(PQgetvalue(result, 0, 0)) : NULL;
    PQclear(result);
    return hash;
}

/* RFC 9562 version 7, as the service's own ids are: the time, then random bits. */
static void make_id(struct random *random, int64_t wall_ms, char id[ID_SIZE]) {
    uint64_t a = random_next(random), b = random_next(random);
    snprintf(id, ID_SIZE, "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64, (uint64_t)wall_ms >> 16,
             (uint64_t)wall_ms & 0xffff, a & 0xfff, (b >> 48 & 0x3fff) | 0x8000, b & UINT64_C(0xffffffffffff));
}

/* A flag for each account, set where it is there already: those stay as they are. NULL after a failure. */
static bool *find_present(PGconn *database, const struct plan *plan) {
    const char *values[] = { plan->email_before, plan->email_after };
    bool *present = calloc((size_t)plan->accounts + 1, sizeof *present);
    PGresult *result = PQexecParams(
        database,
        "SELECT substr(email_canonical, length($1::text) + 1) FROM users"
        " WHERE starts_with(email_canonical, lower($1::text)) AND right(email_canonical, length($2::text)) = lower($2)",
        2, NULL, values, NULL, NULL, 0);
    bool read = present != NULL && PQresultStatus(result) == PGRES_TUPLES_OK;
    for (int row = 0; read && row < PQntuples(result); row++) {
        const char *rest = PQgetvalue(result, row, 0);
        char *end;
        unsigned long number = strtoul(rest, &end, 10);
        if (end != rest && number <= plan->accounts && strlen(end) == strlen(plan->email_after))
            present[number] = true;
    }
    PQclear(result);
    if (read)
        return present;
    free(present);
    return NULL;
}

static void make_lower(char *text) {
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text + 'a' - 'A');
}

/* COPY's text format: a backslash is the only character of a hash that could mean anything, and none has one. */
static bool copy_rows(PGconn *database, const struct plan *plan, const bool *present, const char *hash, unsigned *added) {
    struct random random;
    random_init(&random, (uint64_t)instant_now());
    int64_t wall_ms = clock_wall_us() / 1000;
    char *buffer = malloc(BUFFER_SIZE);
    size_t len = 0;
    bool done = buffer != NULL && strpbrk(hash, "\\\t\n") == NULL;
    for (unsigned number = 1; number <= plan->accounts && done; number++) {
        char id[ID_SIZE], email[EMAIL_SIZE], canonical[EMAIL_SIZE];
        if (present[number])
            continue;
        make_id(&random, wall_ms, id);
        snprintf(canonical, sizeof canonical, "%s", plan_email(plan, number, email));
        make_lower(canonical);
        len += (size_t)snprintf(buffer + len, LINE_MAX_SIZE, "%s\t%s\t%s\t%s\n", id, email, canonical, hash);
        ++*added;
        if (len > BUFFER_SIZE - LINE_MAX_SIZE) {
            done = PQputCopyData(database, buffer, (int)len) == 1;
            len = 0;
        }
    }
    done = done && (len == 0 || PQputCopyData(database, buffer, (int)len) == 1);
    free(buffer);
    return PQputCopyEnd(database, done ? NULL : "the rows could not be made") == 1 && done;
}

static bool end_copy(PGconn *database) {
    bool done = true;
    for (PGresult *result = PQgetResult(database); result != NULL; result = PQgetResult(database)) {
        done = done && PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
    }
    return done;
}

static bool fill(PGconn *database, const struct plan *plan, const char *hash, unsigned *added) {
    if (!run_sql(database, "SET statement_timeout = 0", PGRES_COMMAND_OK))
        return false;
    bool *present = find_present(database, plan);
    if (present == NULL ||
        !run_sql(database, "COPY users (id, email, email_canonical, password_hash) FROM STDIN", PGRES_COPY_IN)) {
        free(present);
        return false;
    }
    bool copied = copy_rows(database, plan, present, hash, added);
    free(present);
    return end_copy(database) && copied;
}

static int seed_database(const struct bench *bench, PGconn *database, unsigned accounts) {
    char email[EMAIL_SIZE];
    unsigned added = 0;
    struct plan plan = bench->plan;
    plan.accounts = accounts;
    int64_t begin = instant_now();
    char *hash = read_hash(database, plan_email(&plan, 1, email));
    if (hash == NULL)
        return command_fail(EXIT_UNREACHABLE, "that database has no row in its table users for the account just registered, %s",
                            email);
    bool filled = fill(database, &plan, hash, &added);
    free(hash);
    if (!filled)
        return command_fail(EXIT_MISSED, "PostgreSQL: %s", PQerrorMessage(database));
    printf("accounts 1 to %u are there (%u of them new) after %.1f s; use them with --seeded --accounts %u\n", accounts, added,
           ns_to_s(instant_now() - begin), accounts);
    return EXIT_FINE;
}

int command_seed(const struct options *options, const char *line) {
    struct options alone = *options;
    unsigned accounts = (unsigned)(options->accounts > 0 ? options->accounts : ACCOUNTS_DEFAULT);
    if (options->pg == NULL)
        return command_fail(EXIT_USAGE, "seed takes --pg URL: a role of the service's database that may insert into users");
    alone.accounts = 1; /* to register over HTTP */
    struct bench bench;
    int code = bench_init(&bench, &alone, "seed", line);
    if (code == EXIT_FINE)
        code = bench_prepare(&bench);
    if (code == EXIT_FINE)
        code = seed_database(&bench, bench.samples.database, accounts);
    else if (bench.run.verdict.headline[0] != '\0')
        command_fail(code, "%s", bench.run.verdict.headline);
    bench_fini(&bench);
    return code;
}
