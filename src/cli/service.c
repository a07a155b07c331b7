#include "subcommand.h"

#include "jwtd/macros.h"
#include "jwtd/service_credentials.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define ERROR_SIZE 512
#define ONE_NAME "the name of a service"

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

static const struct service_subcommand {
    struct subcommand words;
    bool (*run)(const char *file, const char *name);
} subcommands[] = {
    { { .name = "list", .synopsis = "", .help = "print a line for each service: name and number of secrets, separated by a tab" },
      list },
    { { "add", " NAME", "add a service; its secret is printed on standard output, once: only a hash of it is kept",
        .operand = ONE_NAME },
      add },
    { { "rotate", " NAME", "make a second secret for a service; the first one stays valid until drop-old", .operand = ONE_NAME },
      rotate },
    { { "drop-old", " NAME", "remove the older of two secrets, when the service uses the newer one", .operand = ONE_NAME },
      drop_old },
    { { "drop-new", " NAME", "remove the newer one, which was lost or is not wanted", .operand = ONE_NAME }, drop_new },
    { { "remove", " NAME", "remove a service with its secrets", .operand = ONE_NAME }, remove_service },
};

const struct subcommand_table service_subcommands = { "service", subcommands, ARRAY_LEN(subcommands), sizeof *subcommands };

int cli_service(const struct cli_arguments *arguments) {
    const struct service_subcommand *subcommand = subcommand_choose(&service_subcommands, arguments);
    struct config config;
    if (subcommand == NULL)
        return 2;
    bool done = false;
    if (cli_load_config(arguments, &config)) {
        const char *name = subcommand->words.operand != NULL ? arguments->operands[1] : NULL;
        done = subcommand->run(config.services.credentials_file, name);
    }
    config_fini(&config);
    return done ? 0 : 1;
}
