#include "jwtd/cli.h"
#include "jwtd/keyring.h"

#include <stdio.h>

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
    struct config config;
    bool done = cli_load_config(arguments, &config) && generate(&config, arguments->if_missing);
    config_fini(&config);
    return done ? 0 : 1;
}
