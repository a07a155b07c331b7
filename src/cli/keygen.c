#include "jwtd/cli.h"
#include "jwtd/keyring.h"

#include <stdio.h>

#define DEFAULT_ALGORITHM "hs256"

static bool generate(const struct config *config, const char *algorithm, bool if_missing) {
    char kid[KID_MAX_LEN + 1], error[512];
    bool (*make)(const char *, const char *, const char *, char *, char *, size_t) =
        if_missing ? keyring_complete : keyring_generate;
    if (!make(config->token.keys_dir, config->token.refresh_key_file, algorithm, kid, error, sizeof error)) {
        fprintf(stderr, "jwtd: %s\n", error);
        return false;
    }
    if (kid[0] != '\0')
        printf("%s\n", kid);
    return true;
}

int cli_keygen(const struct cli_arguments *arguments) {
    struct config config;
    char algorithms[KEYRING_ALGORITHMS_SIZE];
    const char *algorithm = arguments->algorithm != NULL ? arguments->algorithm : DEFAULT_ALGORITHM;
    if (!keyring_has_algorithm(algorithm)) {
        fprintf(stderr, "jwtd: keygen --algorithm takes one of %s, not %s\n", keyring_algorithms(algorithms), algorithm);
        return 2;
    }
    bool done = cli_load_config(arguments, &config) && generate(&config, algorithm, (arguments->options & CLI_IF_MISSING) != 0);
    config_fini(&config);
    return done ? 0 : 1;
}
