#include "service.h"

#include <check.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RELOAD_TRIES 400
#define RELOAD_PAUSE_US 25000u
#define FORM_SIZE 8192

const char *service_command(const struct server *server, const char *subcommand, const char *name, char line[256]) {
    char file[160], output[1024];
    snprintf(file, sizeof file, "services.credentials_file=%s/services.credentials", server->directory);
    int code =
        program_run((const char *const[]){ "--set", file, "service", subcommand, name, NULL }, NULL, output, sizeof output);
    ck_assert_msg(code == 0, "service %s returned %d: %s", subcommand, code, output);
    snprintf(line, 256, "%.*s", (int)strcspn(output, "\n"), output);
    return line;
}

void service_reload(const struct server *server) {
    static const char done[] = "\"event\":\"reloaded\"";
    int before = server_log_count(server, done);
    kill(server->pid, SIGHUP);
    for (int i = 0; i < RELOAD_TRIES && server_log_count(server, done) == before; i++)
        usleep(RELOAD_PAUSE_US);
    ck_assert_int_eq(server_log_count(server, done), before + 1);
}

struct service service_with(const char *name, const char *secret) {
    struct service service;
    char both[160], encoded[224];
    snprintf(service.name, sizeof service.name, "%s", name);
    snprintf(service.secret, sizeof service.secret, "%s", secret);
    snprintf(both, sizeof both, "%s:%s", service.name, service.secret);
    ck_assert_ptr_nonnull(
        sodium_bin2base64(encoded, sizeof encoded, (const unsigned char *)both, strlen(both), sodium_base64_VARIANT_ORIGINAL));
    snprintf(service.authorization, sizeof service.authorization, "Authorization: Basic %s", encoded);
    return service;
}

struct service service_add(const struct server *server, const char *name) {
    char secret[256];
    service_command(server, "add", name, secret);
    service_reload(server);
    return service_with(name, secret);
}

struct reply service_post(const struct server *server, const struct service *service, const char *path, const char *form) {
    const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
                                    service != NULL ? service->authorization : NULL, NULL };
    return http_send(server, "POST", path, headers, form);
}

struct reply service_ask(const struct server *server, const struct service *service, const char *path, const char *token) {
    char form[FORM_SIZE];
    ck_assert_int_lt(snprintf(form, sizeof form, "token=%s", token), FORM_SIZE);
    return service_post(server, service, path, form);
}
