/*
 * service: a sibling with credentials, and its calls. All fail the test on any error.
 */
#ifndef JWTD_TEST_SERVICE_H
#define JWTD_TEST_SERVICE_H

#include "http.h"

struct service {
    char name[72];
    char secret[64];
    char authorization[256]; /* "Authorization: Basic ...", a line for http_send */
};

/* `jwtd service SUBCOMMAND NAME` on the file of this server; returns the first line that it printed. */
const char *service_command(const struct server *server, const char *subcommand, const char *name, char line[256]);

/* SIGHUP, and waits until it is done. */
void service_reload(const struct server *server);

struct service service_with(const char *name, const char *secret);

/* Adds a service; from then on the running server knows it. */
struct service service_add(const struct server *server, const char *name);

/* POST with a form body; `service` NULL: without credentials. */
struct reply service_post(const struct server *server, const struct service *service, const char *path, const char *form);
struct reply service_ask(const struct server *server, const struct service *service, const char *path, const char *token);

#endif
