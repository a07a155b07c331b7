#include "jwtd/cli.h"
#include "jwtd/db.h"

#include <stdio.h>

int cli_check_config(const struct cli_arguments *arguments) {
    struct config config;
    bool loaded = cli_load_config(arguments, &config);
    if (loaded)
        config_print(&config, db_print_url, stdout);
    config_fini(&config);
    return loaded ? 0 : 1;
}
