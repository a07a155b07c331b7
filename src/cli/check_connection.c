#include "check_connection.h"

#include "jwtd/clock.h"
#include "jwtd/key_life.h"
#include "jwtd/keyring.h"
#include "jwtd/log.h"
#include "jwtd/migrations.h"
#include "jwtd/options.h"

#include <stdio.h>

#define TIMEOUT_US (15 * CLOCK_US_PER_S)
#define ERROR_SIZE 512

static bool fail(const char *what, const char *reason) {
    fprintf(stderr, "jwtd: %s: %s\n", what, reason);
    return false;
}

static bool check_schema(const struct schema *schema) {
    if (schema->missing[0] != '\0') {
        fprintf(stderr, "jwtd: rights: the role lacks %s: as the owner of the tables run %s\n", schema->missing, schema->cure);
        return false;
    }
    if (schema->state == SCHEMA_OLDER) {
        fprintf(stderr, "jwtd: schema: %s%s is applied, and %s is needed: run jwtd migrate as the owner of the tables\n",
                schema->newest[0] != '\0' ? "up to " : "nothing", schema->newest, migrations_newest());
        return false;
    }
    if (schema->state == SCHEMA_NEWER)
        printf("# schema: %s, of a later version of this program, which knows %s; it can be used\n", schema->newest,
               migrations_newest());
    else
        printf("# schema: %s, which is this program's\n", schema->newest);
    return true;
}

/* As the role of the service, by the same statements. */
static bool check_database(const struct config *config) {
    struct db_options options = db_options_from_config(config, DB_FOR_COMMAND);
    struct db *db = db_create(&options);
    if (db == NULL)
        return fail("database", "out of memory");
    struct schema schema;
    struct db_query query = { .statement = NULL };
    struct db_call call = { .db = db, .deadline_us = clock_monotonic_us() + TIMEOUT_US };
    migrations_check(&query, &schema);
    enum status status = db_run(&call, &query);
    db_destroy(db);
    if (status != STATUS_OK)
        return fail("database", status == STATUS_OUT_OF_MEMORY ? "out of memory" : "it cannot be used; the log above says why");
    puts("# database: it answers");
    return check_schema(&schema);
}

static bool check_keys(const struct config *config) {
    struct key_rules rules = key_rules_from_config(config);
    char error[ERROR_SIZE];
    struct keyring *ring = keyring_load_as_owner(&rules, clock_wall_s(), error, sizeof error);
    if (ring == NULL)
        return fail("keys", error);
    const struct signing_key *active = keyring_active(ring);
    bool is_good = active != NULL || fail("keys", "none of them may sign; jwtd key list shows them");
    if (is_good)
        printf("# keys: %zu, of which %s signs\n", keyring_count(ring), active->kid);
    keyring_destroy(ring);
    return is_good;
}

bool check_connection(const struct config *config) {
    log_init(config->log.level, config->log.format);
    bool has_database = check_database(config), has_keys = check_keys(config);
    return has_database && has_keys;
}
