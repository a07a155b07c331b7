#include "jwtd/cli.h"
#include "jwtd/openapi.h"
#include "jwtd/routes.h"

#include <stdio.h>

static bool print_document(const struct config *config) {
    struct openapi *openapi = openapi_create(routes, routes_count, config->server.public_url);
    if (openapi == NULL) {
        fputs("jwtd: the document cannot be written\n", stderr);
        return false;
    }
    struct text text = openapi_text(openapi);
    printf("%.*s\n", (int)text.len, text.bytes);
    openapi_destroy(openapi);
    return true;
}

int cli_openapi(const struct cli_arguments *arguments) {
    struct config config;
    bool printed = cli_load_config(arguments, &config) && print_document(&config);
    config_fini(&config);
    return printed ? 0 : 1;
}
