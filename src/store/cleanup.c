#include "jwtd/cleanup.h"

#include "cleanup_tables.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"

#include <assert.h>

static const struct table {
    const char *name;
    enum status (*delete_batch)(const struct db_call *call, const struct cleanup_rules *rules, int64_t *deleted);
} tables[] = {
    { "sessions", sessions_delete_ended },
    { "revocations", revocations_delete_old },
    { "known_addresses", known_addresses_delete_old },
    { "idempotency_keys", idempotency_keys_delete_old },
};

struct progress {
    bool is_done;
    long long deleted;
};

/* One batch from each table that may have more. */
static enum status delete_batches(const struct db_call *call, const struct cleanup_rules *rules, struct progress *progress,
                                  bool *is_complete) {
    *is_complete = true;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        int64_t deleted = 0;
        if (progress[i].is_done)
            continue;
        enum status status = tables[i].delete_batch(call, rules, &deleted);
        if (status != STATUS_OK)
            return status;
        progress[i].deleted += deleted;
        progress[i].is_done = deleted < rules->batch;
        *is_complete = *is_complete && progress[i].is_done;
    }
    return STATUS_OK;
}

enum status cleanup_run(const struct db_call *call, const struct cleanup_rules *rules, bool *is_complete) {
    struct progress progress[ARRAY_LEN(tables)] = { { .is_done = false } };
    int64_t began_us = clock_monotonic_us(), end_us = began_us + (call->deadline_us - began_us) / 2;
    enum status status;
    assert(rules->batch > 0);
    *is_complete = false;
    do
        status = delete_batches(call, rules, progress, is_complete);
    while (status == STATUS_OK && !*is_complete && clock_monotonic_us() < end_us);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        if (progress[i].deleted > 0)
            log_event(LOG_INFO, "dead_rows_deleted", "table=%s count=%lld", tables[i].name, progress[i].deleted);
    *is_complete = *is_complete && status == STATUS_OK;
    return status;
}
