/* The options of a connection, by what it is for. */
#include "jwtd/config.h"
#include "jwtd/db.h"

static const struct {
    int64_t connect_timeout_ms;
    bool has_statement_timeout;
} uses[] = {
    [DB_FOR_SERVICE] = { 2000, true }, /* a request waits for it */
    [DB_FOR_COMMAND] = { 10000, true },
    [DB_FOR_MIGRATION] = { 10000, false }, /* a migration may take long */
};

struct db_options db_options_from_config(const struct config *config, enum db_use use) {
    return (struct db_options){
        .url = config->database.url,
        .statement_timeout_ms = uses[use].has_statement_timeout ? config->database.statement_timeout_ms : 0,
        .connect_timeout_ms = uses[use].connect_timeout_ms,
        .unprepared = !config->database.prepared,
    };
}
