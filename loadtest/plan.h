/*
 * plan: what all workers read and nothing changes once they run: target, API, scenario, and how connections are made and used.
 */
#ifndef FAILPOINT_PLAN_H
#define FAILPOINT_PLAN_H

#include "objective.h"
#include "scenario.h"
#include "schedule.h"
#include "target.h"

#include <stdint.h>

#define PLAN_TEXT_SIZE 128

enum retry_after { RETRY_HONOUR, RETRY_IGNORE };
extern const struct names retry_after_names;

struct plan {
    struct target target;
    struct api api;
    const struct scenario *scenario;
    struct objectives objectives;
    enum arrivals arrivals;
    uint64_t seed;
    unsigned workers;
    unsigned connections_max;     /* of one worker */
    unsigned sources;             /* loopback source addresses to begin with: 127.0.0.1 and on */
    unsigned accounts;            /* user 1 to this one exist, or are registered */
    unsigned first_account;       /* the number in the address of user 1 */
    unsigned sessions;            /* over all workers */
    bool seeded;                  /* the accounts are there already */
    bool new_connections;         /* one for each request */
    bool verify_peer;             /* TLS: accept only certificates that the system's authorities have signed */
    int64_t timeout_ns;           /* of one request, from when it is issued */
    int64_t think_ns;             /* mean pause between the steps of a flow, and between the requests of a user */
    int64_t artificial_delay_ns;  /* before each request: to test how a slow generator is reported */
    enum retry_after retry_after; /* of a user, after 429 or 503 */
    bool once;                    /* a user stops when one request of its was answered well */
    char email_before[PLAN_TEXT_SIZE], email_after[PLAN_TEXT_SIZE]; /* around the number of an account */
    char password[PLAN_TEXT_SIZE];
    char run_tag[16]; /* in new users' addresses, so that two runs do not use the same */
};

struct options;

/* From the options of a command that has a target. False, with a sentence in `error`. plan_fini in any case. */
bool plan_init(struct plan *plan, const struct options *options, char *error, size_t error_size);
void plan_fini(struct plan *plan);

#define EMAIL_SIZE 320

/* The address of user `number` (from 1); returns `email`. */
const char *plan_email(const struct plan *plan, unsigned number, char email[EMAIL_SIZE]);

#endif
