#include "audit_lock.h"

#include <string.h>

static const struct db_statement locks[] = {
    [AUDIT_ADDS] = { .name = "auth_events_lock", .columns = 1, .sql = "SELECT auth_events_lock()" },
    [AUDIT_LISTS] = { .name = "auth_events_lock_to_read", .columns = 1, .sql = "SELECT auth_events_lock_to_read()" },
};

const struct db_statement *audit_lock_of(const struct db_statement *statement) {
    return statement->audit != AUDIT_UNUSED ? &locks[statement->audit] : NULL;
}

bool audit_is_lock(const struct db_statement *statement) {
    return statement == &locks[AUDIT_ADDS] || statement == &locks[AUDIT_LISTS];
}

static enum db_audit_use use_of(const char *sql) {
    if (strstr(sql, "INSERT INTO auth_events") != NULL)
        return AUDIT_ADDS;
    return strstr(sql, " FROM auth_events ") != NULL ? AUDIT_LISTS : AUDIT_UNUSED;
}

bool audit_is_declared(const struct db_statement *statement) {
    return statement->audit == use_of(statement->sql);
}
