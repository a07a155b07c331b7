#include "jwtd/cli.h"

#include <stdio.h>

bool cli_load_config(const struct cli_arguments *arguments, struct config *config) {
    return config_load(config, arguments->source, stderr);
}
