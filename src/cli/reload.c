#include "reload.h"

#include "limits.h"
#include "notify.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SIZE 1024
#define MISTAKE_SIZE 512

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
    bool takes_effect = is_one_of(name, reloadable, sizeof reloadable / sizeof reloadable[0]) &&
                        !is_one_of(name, fixed, sizeof fixed / sizeof fixed[0]);
    char *list = takes_effect ? changes->applied : changes->waiting;
    size_t len = strlen(list);
    snprintf(list + len, NAMES_SIZE - len, "%s%s", len > 0 ? " " : "", name);
}

/* Log lines take one line: the mistakes come one below the other. */
static bool load_config(const struct cli_arguments *arguments, struct config *config) {
    char *mistakes = NULL;
    size_t len;
    FILE *out = open_memstream(&mistakes, &len);
    if (out == NULL)
        return false;
    bool is_good = config_load(config, arguments->source, out);
    fclose(out);
    if (!is_good)
        log_event(LOG_ERROR, "reload_failed", "mistakes=%s", mistakes);
    free(mistakes);
    return is_good;
}

static bool apply(const struct config *config, struct services *services) {
    char mistake[MISTAKE_SIZE];
    if (!live_reload(services->live, config, mistake, sizeof mistake)) {
        log_event(LOG_ERROR, "reload_failed", "mistakes=%s", mistake);
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

void reload(const struct cli_arguments *arguments, struct services *services, struct config *applied) {
    char state[64];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_us());
    notify_supervisor(state);
    struct config config = { 0 };
    struct changes changes = { .applied = "" };
    bool is_good =
        load_config(arguments, &config) && config_compare(applied, &config, note_change, &changes) && apply(&config, services);
    if (is_good) {
        keep(applied, &config);
        log_event(LOG_INFO, "reloaded", "changed=%s needs_restart=%s", changes.applied, changes.waiting);
    }
    config_fini(&config);
    notify_supervisor("READY=1");
}
