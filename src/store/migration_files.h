/* The files of migrations/, compiled in by tools/embed_migrations.sh, in the order of their names. */
#ifndef JWTD_STORE_MIGRATION_FILES_H
#define JWTD_STORE_MIGRATION_FILES_H

#include <stddef.h>

struct migration_file {
    const char *version; /* the digits in front: "0001" */
    const char *name;    /* "0001_users.sql" */
    const char *up;      /* what stands between "-- migrate:up" and "-- migrate:down" */
};

extern const struct migration_file migration_files[];
extern const size_t migration_files_count;
extern const char migration_versions[]; /* "{0001,0002}", an array of PostgreSQL */

#endif
