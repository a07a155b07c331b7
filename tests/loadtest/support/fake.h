/*
 * fake: a small HTTP server whose limits are known, in a process of its own, for tests of the tester. It answers as the wire
 * contract says, one request after the other as if each took 1/capacity seconds, with the faults that its behaviour names.
 */
#ifndef FAILPOINT_TEST_FAKE_H
#define FAILPOINT_TEST_FAKE_H

#include <stdbool.h>
#include <sys/types.h>

struct fake_behaviour {
    double capacity;       /* requests a second; 0: no limit */
    double latency_s;      /* of each request, however many there are; for one without a capacity. 0: none */
    unsigned queue;        /* requests that wait at most; more are answered 503. 0: any number */
    double freeze_every_s; /* 0: never */
    double freeze_s;
    unsigned wrong_after;           /* requests, before there is a wrong body; 0: from the first on */
    double limit;                   /* logins a second; more are answered 429. 0: no limit */
    unsigned crash_after;           /* requests; 0: never */
    unsigned leak;                  /* bytes of each request */
    const char *wrong_body;         /* of every login, instead of tokens; NULL: the right one */
    const char *status;             /* of every reply, "404 Not Found"; NULL: the right one */
    const char *raw;                /* sent instead of every reply; NULL: HTTP */
    bool is_silent;                 /* no reply, or none behind `raw` */
    bool closes;                    /* the connection, instead of a reply or behind `raw` */
    bool is_full;                   /* nothing is accepted, and no connection waits for that any more */
    struct fake_accounts *accounts; /* NULL: none are kept */
    int hash;                       /* the parameters of this one's password hashes, above 0 */
};

/*
 * Accounts that several fakes share, as services do that have one database. A login of an account whose hash has other parameters
 * than this one's costs FAKE_REHASH_COST times as much, and leaves a hash of this one's.
 */
#define FAKE_ACCOUNTS 1024
#define FAKE_REHASH_COST 5
struct fake_accounts {
    int hashes[FAKE_ACCOUNTS]; /* by the number in the address; 0: of neither */
};

struct fake_accounts *fake_accounts_create(void);
void fake_accounts_destroy(struct fake_accounts *accounts);

struct fake {
    pid_t pid;
    char url[64];
};

struct fake fake_start(const struct fake_behaviour *behaviour);
void fake_stop(struct fake *fake);

#endif
