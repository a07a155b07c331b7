/*
 * reverse_proxy: the programs that stand between clients and services, nginx and others, started with the files of config/proxies
 * that ship, in which only the ports, and the directory of other files, are replaced. They run in the foreground until they are
 * stopped. All functions but reverse_proxy_is_here fail the test on any error.
 */
#ifndef JWTD_TEST_REVERSE_PROXY_H
#define JWTD_TEST_REVERSE_PROXY_H

#include "server.h"

#include <stdbool.h>
#include <stddef.h>

#define REVERSE_PROXIES_MAX 8
#define REVERSE_PROXY_FILES_MAX 3
#define REVERSE_PROXY_WORDS_MAX 12

struct reverse_proxy {
    const char *name;
    const char *files[REVERSE_PROXY_FILES_MAX]; /* in config/proxies; they are copied into a directory of the test's */
    const char *place;                          /* the directory where they say that they are; NULL: they do not */
    const char *before_port;                    /* what stands before each port */
    const char *main_file;                      /* of what the proxy needs besides, called "main"; NULL: nothing */
    const char *words[REVERSE_PROXY_WORDS_MAX]; /* to start it in that directory, in the foreground */
    bool is_optional;                           /* there is no Debian package of it: tested if it is there */
    bool has_admins_port;                       /* for tokens with the role admin; else its paths that begin with /admin are */
    bool is_before_jwtd;                        /* clients reach jwtd itself, and no other backend */
    bool drops_stale_for;                       /* it does not copy X-Auth-Stale-For */
    long without_jwtd;                          /* the status while jwtd is away */
    const char *replaced, *replacement;         /* what a test changes in its files besides; NULL: nothing */
};

extern const struct reverse_proxy reverse_proxies[];
extern const size_t reverse_proxies_count;

/* Whether its program is there; may be called before the tests run. */
bool reverse_proxy_is_here(const struct reverse_proxy *proxy);

/* One that runs. */
struct running_proxy {
    const struct reverse_proxy *proxy;
    struct server address; /* where clients connect */
    struct server admins;  /* the same, unless the proxy has a port for them */
    pid_t pid;
    char directory[96]; /* below `directory` of reverse_proxy_start, which is removed later as a whole */
};

struct running_proxy reverse_proxy_start(const struct reverse_proxy *proxy, const char *directory, int jwtd_port,
                                         int backend_port);
void reverse_proxy_stop(struct running_proxy *running);

#endif
