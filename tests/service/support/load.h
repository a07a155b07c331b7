/*
 * load: a few front ends that refresh their session and ask who they are, over and over, while a script does something to the
 * service or its database. Each keeps its tokens through whatever happens: it takes 503 for "later", with the same token.
 */
#ifndef JWTD_TEST_LOAD_H
#define JWTD_TEST_LOAD_H

#include "account.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOAD_CLIENTS 8

struct load_client {
    struct tokens tokens;
    unsigned good;        /* 200 */
    unsigned unavailable; /* 503 with Retry-After */
    unsigned other;       /* anything else; other_status is that of the first */
    long other_status;
    double slowest_s;
    _Atomic int64_t good_since_us; /* when the last request that was answered 200 began, of clock_monotonic_us */
    double kept_waiting_s;         /* see load_assert_only_200_and_503 */
};

struct load {
    const struct server *server;
    struct load_client clients[LOAD_CLIENTS];
    void (*script)(struct load *load);
    void *context; /* the script's */
    atomic_bool over;
    double machine_s; /* see load_assert_only_200_and_503 */
};

/* Registers and logs in, so the service must be well. */
void load_prepare(struct load *load, const struct server *server);

/* Runs the clients until the script has returned and each has had one 200, which a busy machine may not reach before; for that no
 * longer than 30 s. */
void load_run(struct load *load, void (*script)(struct load *load), void *context);

/* For the script: waits until each client has had a 200 to a request that it began after this call; returns how many seconds
 * that took. Fails after 30 s. */
double load_await_good(struct load *load);

/* Whether all requests were answered, each with 200 or 503; fails the test if not, and if none went well or one took longer.
 * Added to that, and to other times that the service promises, is load->machine_s: of all threads of the service and the clients,
 * the longest time that one was ready to run during load_run and the machine ran something else. */
void load_assert_only_200_and_503(const struct load *load, double slowest_s);
unsigned load_unavailable(const struct load *load);

/* Every client's session lives, in one lineage: its last token refreshes, within 5 s. */
void load_assert_sessions_live(struct load *load);

/* Waits until /health/ready says 200; returns how many seconds that took. Fails after 30 s. */
double await_ready(const struct server *server);

#endif
