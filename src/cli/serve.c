/* jwtd serve */
#include "jwtd/cli.h"
#include "jwtd/log.h"
#include "jwtd/server.h"

int cli_serve(const struct cli_arguments *arguments) {
    struct config config = { 0 };
    int code = 1;
    if (cli_load_config(arguments, &config)) {
        log_init(config.log.level, config.log.format);
        code = server_run(&config, arguments->source);
    }
    config_fini(&config);
    return code;
}
