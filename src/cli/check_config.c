#include "check_connection.h"

#include "jwtd/cli.h"
#include "jwtd/clock.h"
#include "jwtd/db.h"
#include "jwtd/issuer.h"
#include "jwtd/key_life.h"
#include "jwtd/options.h"

#include <stdio.h>
#include <string.h>

/* Whether the keys can be read, and none of them is one that other services may know. */
static bool are_all_keys_secret(const struct config *config) {
    struct key_rules rules = key_rules_from_config(config);
    struct key_list keys;
    char error[512];
    if (!key_list_read(&rules, clock_wall_us() / CLOCK_US_PER_S, &keys, error, sizeof error))
        return false;
    for (size_t i = 0; i < keys.count; i++) {
        const struct key_info *key = &keys.keys[i];
        if (key->algorithm != NULL && strcmp(key->algorithm, "HS256") != 0 && key->state != KEY_REVOKED && !key->is_gone)
            return false;
    }
    return keys.count > 0;
}

/* As comments, so that what is printed can be read again. */
static void print_remarks(const struct config *config, const char *file) {
    if (db_password_is_exposed(config))
        printf("# database.url has a password, and every user who reaches %s may read it there: chmod o= it\n", file);
    const char *obstacle = issuer_obstacle(config->token.issuer);
    if (obstacle == NULL && are_all_keys_secret(config))
        puts("# token.keys_dir has keys of HS256 only: this service can be discovered, but /.well-known/jwks.json is empty;\n"
             "# jwtd key add --algorithm es256 makes a key that can be published");
    if (obstacle != NULL)
        printf("# token.issuer %s: clients cannot discover this service, and /.well-known/openid-configuration answers 404;\n"
               "# give them the address of /.well-known/jwks.json\n",
               obstacle);
}

int cli_check_config(const struct cli_arguments *arguments) {
    struct config config;
    bool is_right = cli_load_config(arguments, &config);
    if (is_right) {
        config_print(&config, db_print_url, stdout);
        print_remarks(&config, arguments->source->file);
        if ((arguments->options & CLI_CONNECT) != 0)
            is_right = check_connection(&config);
    }
    config_fini(&config);
    return is_right ? 0 : 1;
}
