#include "reload.h"

#include "notify.h"

#include "jwtd/clock.h"
#include "jwtd/db.h"
#include "jwtd/gauges.h"
#include "jwtd/log.h"
#include "jwtd/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SIZE 1024
#define ERROR_SIZE 512

struct changes {
    char applied[NAMES_SIZE], needs_restart[NAMES_SIZE]; /* names of settings, separated by blanks */
};

static void note_change(const char *name, bool takes_effect, void *context) {
    struct changes *changes = context;
    char *list = takes_effect ? changes->applied : changes->needs_restart;
    size_t len = strlen(list);
    snprintf(list + len, NAMES_SIZE - len, "%s%s", len > 0 ? " " : "", name);
}

/* The same checks as at the start; all errors are logged in one line, of which each has one. */
static bool load_config(const struct config_source *source, struct config *config) {
    char *errors = NULL;
    size_t len;
    FILE *out = open_memstream(&errors, &len);
    bool is_good = out != NULL && config_load(config, source, out) && db_check_config(config, out);
    bool is_listed = out != NULL && fclose(out) == 0 && errors != NULL && errors[0] != '\0';
    if (!is_good)
        log_event(LOG_ERROR, "reload_failed", "errors=%s", is_listed ? errors : "out of memory");
    free(errors);
    return is_good;
}

void warn_of_exposed_password(const struct config *config, const struct config_source *source) {
    if (db_password_is_exposed(config))
        log_event(LOG_WARN, "password_exposed", "setting=%s file=%s advice=%s", "database.url", source->file,
                  "every user who reaches the file may read it: chmod o= it");
}

/* For the modules that keep copies of settings. */
static void update_copies(const struct services *services) {
    const struct snapshot *snapshot = snapshot_acquire(services->snapshots);
    struct limit_rule rules[LIMIT_CLASS_COUNT];
    limit_rules_from_config(&snapshot->config, rules);
    limiter_set_rules(services->limiter, rules);
    limiter_set_rules(services->failure_limiter, rules);
    log_set_level(snapshot->config.log.level);
    log_set_emails(snapshot->config.log.emails);
    snapshot_release(services->snapshots, snapshot);
}

static bool replace(const struct services *services, const struct config *loaded, struct changes *changes) {
    char error[ERROR_SIZE] = "out of memory";
    struct config next;
    const struct snapshot *current = snapshot_acquire(services->snapshots);
    bool is_good = config_reload(&current->config, loaded, &next, note_change, changes) &&
                   snapshot_reload(services->snapshots, &next, error, sizeof error);
    snapshot_release(services->snapshots, current);
    if (!is_good)
        log_event(LOG_ERROR, "reload_failed", "errors=%s", error);
    return is_good;
}

void reload(const struct config_source *source, const struct services *services) {
    char state[64];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_us());
    notify_supervisor(state);
    struct config loaded = { 0 };
    struct changes changes = { .applied = "" };
    bool is_done = load_config(source, &loaded) && replace(services, &loaded, &changes);
    if (is_done) {
        warn_of_exposed_password(&loaded, source);
        update_copies(services);
        log_event(LOG_INFO, "reloaded", "changed=%s needs_restart=%s", changes.applied, changes.needs_restart);
    } else {
        snapshot_note_failed_reload(services->snapshots);
    }
    gauges_note_reload(is_done);
    config_fini(&loaded);
    notify_supervisor("READY=1");
}
