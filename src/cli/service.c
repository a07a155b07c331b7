#include "jwtd/cli.h"
#include "jwtd/macros.h"
#include "jwtd/service_credentials.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_SIZE 512

static bool report(const char *error) {
    fprintf(stderr, "jwtd: %s\n", error);
    return false;
}

static void print_service(void *context, const char *name, size_t secrets) {
    (void)context;
    printf("%s\t%zu\n", name, secrets);
}

static bool list(const char *file, const char *name) {
    (void)name;
    char error[ERROR_SIZE];
    struct service_credentials *set = service_credentials_load_as_owner(file, error, sizeof error);
    if (set == NULL)
        return report(error);
    service_credentials_visit(set, print_service, NULL);
    service_credentials_destroy(set);
    return true;
}

/* The secret alone on standard output, so that a script can read it. It is nowhere else from then on, so a secret that could not
 * be printed is of no use, and the exit code says so. */
static bool change(const char *file, enum service_change change, const char *name) {
    char secret[SERVICE_SECRET_SIZE] = "", error[ERROR_SIZE];
    bool is_done = service_credentials_change(file, change, text_of(name), secret, error, sizeof error);
    bool is_printed = secret[0] == '\0' || (puts(secret) != EOF && fflush(stdout) == 0);
    sodium_memzero(secret, sizeof secret);
    if (!is_done)
        return report(error);
    if (!is_printed)
        return report("the secret could not be printed: remove the service, or drop-new after rotate, and make another");
    /* the whole path, since a relative one leads elsewhere than that of the service when the directory is not the same */
    char *path = realpath(file, NULL);
    fprintf(stderr, "jwtd: %s is changed; a running service reads it with SIGHUP (systemctl reload jwtd)\n",
            path != NULL ? path : file);
    free(path);
    return true;
}

static bool add(const char *file, const char *name) {
    return change(file, SERVICE_ADD, name);
}
static bool rotate(const char *file, const char *name) {
    return change(file, SERVICE_ROTATE, name);
}
static bool drop_old(const char *file, const char *name) {
    return change(file, SERVICE_DROP_OLD, name);
}
static bool drop_new(const char *file, const char *name) {
    return change(file, SERVICE_DROP_NEW, name);
}
static bool remove_service(const char *file, const char *name) {
    return change(file, SERVICE_REMOVE, name);
}

static const struct subcommand {
    const char *name;
    int operands; /* behind it: the name of a service, or none */
    bool (*run)(const char *file, const char *name);
} subcommands[] = {
    { "list", 0, list },         { "add", 1, add },           { "rotate", 1, rotate },
    { "drop-old", 1, drop_old }, { "drop-new", 1, drop_new }, { "remove", 1, remove_service },
};

static const struct subcommand *find_subcommand(const struct cli_arguments *arguments) {
    for (size_t i = 0; arguments->operand_count > 0 && i < ARRAY_LEN(subcommands); i++)
        if (strcmp(subcommands[i].name, arguments->operands[0]) == 0)
            return arguments->operand_count == 1 + subcommands[i].operands ? &subcommands[i] : NULL;
    return NULL;
}

int cli_service(const struct cli_arguments *arguments) {
    const struct subcommand *subcommand = find_subcommand(arguments);
    struct config config;
    if (subcommand == NULL) {
        fputs("usage: jwtd service list | add NAME | rotate NAME | drop-old NAME | drop-new NAME | remove NAME\n", stderr);
        return 2;
    }
    bool done = false;
    if (cli_load_config(arguments, &config)) {
        const char *name = subcommand->operands > 0 ? arguments->operands[1] : NULL;
        done = subcommand->run(config.services.credentials_file, name);
    }
    config_fini(&config);
    return done ? 0 : 1;
}
