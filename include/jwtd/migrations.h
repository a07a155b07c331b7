/*
 * migrations: brings a database to the schema of this program. The files of migrations/ are compiled in (format and bookkeeping
 * table of dbmate, so that either tool can apply them). Each is applied in a transaction of its own under one advisory lock, so
 * that of several processes at once only one applies it; applied ones are skipped. For the command line and tests. The role must
 * be allowed to create tables; the role of the service must not be, nor may it write schema_migrations: whenever the owner of
 * that table migrates, every privilege on it but SELECT is revoked from all other roles. Nothing is granted: the service's role
 * has its rights by ALTER DEFAULT PRIVILEGES of the owner (roles.sql), or by a GRANT. As a superuser it migrates as well, with a
 * warning, since default privileges are those of the role that makes a table.
 */
#ifndef JWTD_MIGRATIONS_H
#define JWTD_MIGRATIONS_H

#include "jwtd/db.h"

#include <stdio.h>

/* Applies the pending ones, and prints a line for each; and one for each that a later version of the program has applied. One
 * that waits for a lock on a table is tried again for some minutes. False: the reason is logged, and of a right that is missing
 * the cure. */
bool migrations_apply(const struct db_options *options, FILE *out) MUST_CHECK;

/* Prints a line for each migration, "applied" or "pending", or "newer" for one of a later version. *pending is the number of the
 * second. False: the reason is logged. */
bool migrations_print_status(const struct db_options *options, FILE *out, unsigned *pending) MUST_CHECK;

#define MIGRATION_VERSION_SIZE 16
#define SCHEMA_MISSING_SIZE 512
#define SCHEMA_CURE_SIZE 1280
#define RIGHTS_CURE "jwtd check-config --connect writes out the GRANT, which the owner of the tables runs"

enum schema_state {
    SCHEMA_OLDER, /* migrations of this program are pending */
    SCHEMA_CURRENT,
    SCHEMA_FORBIDDEN, /* the role lacks a right without which it cannot serve; what is applied was not asked */
    SCHEMA_NEWER /* a later version has applied some, too; it leaves the schema one that this program can use (docs/operators.md)
                  */
};

struct schema {
    enum schema_state state;
    char newest[MIGRATION_VERSION_SIZE]; /* the last that is applied, cut off; "": none */
    char missing[SCHEMA_MISSING_SIZE];   /* the rights that the role lacks, cut off: "SELECT, INSERT on users; ..."; "": none */
    char cure[SCHEMA_CURE_SIZE]; /* what ends that, as their owner, cut off: "GRANT SELECT, INSERT ON users TO jwtd; ..." */
};

/* Asks which migrations are applied, and whether the role has the rights on the tables that the program needs, and USAGE on their
 * schema. A column's privilege counts as the table's. Those of clean-up, of `jwtd key revoke` and of the audit are reported when
 * they are missing, without SCHEMA_FORBIDDEN, since requests are served without them (table_rights.h). For the readiness check.
 * Fails as db.h says. */
void migrations_check(struct db_query *query, struct schema *schema);

/* The last migration of this program. */
const char *migrations_newest(void);

#endif
