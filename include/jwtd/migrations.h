/*
 * migrations: brings a database to the schema of this program. The files of migrations/ are compiled in (format and
 * bookkeeping table of dbmate, so that either tool can apply them). Each is applied in a transaction of its own under one
 * advisory lock, so that instances that start together apply each once; applied ones are skipped. For the command
 * line and tests; the role must be allowed to create tables, the role that serves must not. Nor may it write schema_migrations:
 * whatever was granted on that table, to whom it may be but its owner, is taken back but for SELECT whenever the owner migrates.
 */
#ifndef JWTD_MIGRATIONS_H
#define JWTD_MIGRATIONS_H

#include "jwtd/db.h"

#include <stdio.h>

/* Applies what is missing, a line for each on `out`. False: the reason is logged. */
bool migrations_apply(const struct db_options *options, FILE *out) MUST_CHECK;

/* One line for each migration, "applied" or "pending". *pending counts the latter. */
bool migrations_print_status(const struct db_options *options, FILE *out, unsigned *pending) MUST_CHECK;

/* Whether the schema holds all migrations of this program (newer ones do no harm). For the readiness check. */
enum status migrations_are_applied(const struct db_call *call, bool *applied) MUST_CHECK;

#endif
