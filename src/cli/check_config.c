#include "jwtd/cli.h"
#include "jwtd/db.h"
#include "jwtd/issuer.h"

#include <stdio.h>

/* As comments, so that what is printed can be read again. */
static void print_remarks(const struct config *config) {
    const char *obstacle = issuer_obstacle(config->token.issuer);
    if (obstacle != NULL)
        printf("# token.issuer %s: clients cannot discover this service, and /.well-known/openid-configuration answers 404;\n"
               "# give them the address of /.well-known/jwks.json\n",
               obstacle);
}

int cli_check_config(const struct cli_arguments *arguments) {
    struct config config;
    bool loaded = cli_load_config(arguments, &config);
    if (loaded) {
        config_print(&config, db_print_url, stdout);
        print_remarks(&config);
    }
    config_fini(&config);
    return loaded ? 0 : 1;
}
