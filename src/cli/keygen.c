#include "jwtd/cli.h"
#include "jwtd/keyring.h"

#include <stdio.h>

static bool generate(const struct config *config) {
    char kid[KID_MAX_LEN + 1], mistake[512];
    if (!keyring_generate(config->token.keys_dir, config->token.refresh_key_file, kid, mistake, sizeof mistake)) {
        fprintf(stderr, "jwtd: %s\n", mistake);
        return false;
    }
    printf("%s\n", kid);
    return true;
}

int cli_keygen(const struct cli_arguments *arguments) {
    if (arguments->argc > 0) {
        fprintf(stderr, "usage: jwtd keygen\n");
        return 2;
    }
    struct config config;
    bool done = cli_load_config(arguments, &config) && generate(&config);
    config_fini(&config);
    return done ? 0 : 1;
}
