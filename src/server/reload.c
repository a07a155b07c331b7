#include "reload.h"

#include "limit_rules.h"
#include "notify.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SIZE 1024
#define ERROR_SIZE 512

/* Settings that take effect at once; a name that ends in "." stands for its section. */
static const char *const reloadable[] = { "log.level", "limit.", "cors.allowed_origins", "token.active_kid" };
/* The table of buckets is made once. */
static const char *const fixed[] = { "limit.table_size" };

static bool is_one_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(names[i]);
        if (strncmp(name, names[i], len) == 0 && (name[len] == '\0' || names[i][len - 1] == '.'))
            return true;
    }
    return false;
}

struct changes {
    char applied[NAMES_SIZE], waiting[NAMES_SIZE];
};

static void note_change(const char *name, void *context) {
    struct changes *changes = context;
    bool takes_effect = is_one_of(name, reloadable, ARRAY_LEN(reloadable)) && !is_one_of(name, fixed, ARRAY_LEN(fixed));
    char *list = takes_effect ? changes->applied : changes->waiting;
    size_t len = strlen(list);
    snprintf(list + len, NAMES_SIZE - len, "%s%s", len > 0 ? " " : "", name);
}

/* Log lines take one line: the errors come one below the other. */
static bool load_config(const struct config_source *source, struct config *config) {
    char *errors = NULL;
    size_t len;
    FILE *out = open_memstream(&errors, &len);
    if (out == NULL)
        return false;
    bool is_good = config_load(config, source, out);
    fclose(out);
    if (!is_good)
        log_event(LOG_ERROR, "reload_failed", "errors=%s", errors);
    free(errors);
    return is_good;
}

static bool apply(const struct config *config, struct services *services) {
    char error[ERROR_SIZE];
    if (!snapshot_reload(services->snapshots, config, error, sizeof error)) {
        log_event(LOG_ERROR, "reload_failed", "errors=%s", error);
        return false;
    }
    struct limit_rule rules[LIMIT_CLASS_COUNT];
    limits_read(config, rules);
    limiter_set_rules(services->limiter, rules);
    limiter_set_rules(services->failure_limiter, rules);
    log_set_level(config->log.level);
    return true;
}

/* The members that take effect move over; the rest of `applied` is what the service was started with. */
static void keep(struct config *applied, struct config *config) {
    enum log_level level = config->log.level;
    applied->log.level = level;
    unsigned table_size = applied->limit.table_size;
    applied->limit = config->limit;
    applied->limit.table_size = table_size;
    struct string_list origins = applied->cors.allowed_origins;
    applied->cors.allowed_origins = config->cors.allowed_origins;
    config->cors.allowed_origins = origins;
    char *kid = applied->token.active_kid;
    applied->token.active_kid = config->token.active_kid;
    config->token.active_kid = kid;
}

void reload(const struct config_source *source, struct services *services, struct config *applied) {
    char state[64];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_us());
    notify_supervisor(state);
    struct config config = { 0 };
    struct changes changes = { .applied = "" };
    bool is_good =
        load_config(source, &config) && config_compare(applied, &config, note_change, &changes) && apply(&config, services);
    if (is_good) {
        keep(applied, &config);
        log_event(LOG_INFO, "reloaded", "changed=%s needs_restart=%s", changes.applied, changes.waiting);
    }
    config_fini(&config);
    notify_supervisor("READY=1");
}
