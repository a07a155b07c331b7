#include "jwtd/cli.h"
#include "jwtd/keyring.h"

#include <stdio.h>
#include <string.h>

static bool generate(const struct config *config, bool if_missing) {
    char kid[KID_MAX_LEN + 1], error[512];
    bool (*make)(const char *, const char *, char *, char *, size_t) = if_missing ? keyring_complete : keyring_generate;
    if (!make(config->token.keys_dir, config->token.refresh_key_file, kid, error, sizeof error)) {
        fprintf(stderr, "jwtd: %s\n", error);
        return false;
    }
    if (kid[0] != '\0')
        printf("%s\n", kid);
    return true;
}

int cli_keygen(const struct cli_arguments *arguments) {
    bool if_missing = arguments->argc == 1 && strcmp(arguments->argv[0], "--if-missing") == 0;
    if (arguments->argc > 0 && !if_missing) {
        fprintf(stderr, "usage: jwtd keygen [--if-missing]\n");
        return 2;
    }
    struct config config;
    bool done = cli_load_config(arguments, &config) && generate(&config, if_missing);
    config_fini(&config);
    return done ? 0 : 1;
}
