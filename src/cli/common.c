#include "jwtd/cli.h"
#include "jwtd/db.h"

#include <stdio.h>

/* The URL is checked also when something else is wrong, so that all mistakes are reported together. It is NULL when there was no
 * memory for its default. */
bool cli_load_config(const struct cli_arguments *arguments, struct config *config) {
    bool is_loaded = config_load(config, arguments->source, stderr);
    bool is_url_right = config->database.url == NULL || db_check_config(config, stderr);
    return is_loaded && is_url_right;
}
