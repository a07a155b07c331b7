#include "jwtd/cli.h"
#include "jwtd/log.h"
#include "jwtd/migrations.h"

#include <stdio.h>

static int print_status(const struct db_options *options) {
    unsigned pending;
    if (!migrations_print_status(options, stdout, &pending))
        return 1;
    return pending == 0 ? 0 : 1;
}

int cli_migrate(const struct cli_arguments *arguments) {
    struct config config;
    int code = 1;
    if (cli_load_config(arguments, &config)) {
        log_init(config.log.level, config.log.format);
        struct db_options options = db_options_from_config(&config, DB_FOR_MIGRATION);
        if ((arguments->options & CLI_STATUS) != 0)
            code = print_status(&options);
        else
            code = migrations_apply(&options, stdout) ? 0 : 1;
    }
    config_fini(&config);
    return code;
}
