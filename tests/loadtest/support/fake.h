/*
 * fake: a small HTTP server whose limits are known, in a process of its own, for tests of the tester. It answers as the wire
 * contract says, one request after the other as if each took 1/capacity seconds, with the faults that its behaviour names.
 */
#ifndef FAILPOINT_TEST_FAKE_H
#define FAILPOINT_TEST_FAKE_H

#include <sys/types.h>

struct fake_behaviour {
    double capacity;       /* requests a second; 0: no limit */
    unsigned queue;        /* requests that wait at most; more are answered 503. 0: any number */
    double freeze_every_s; /* 0: never */
    double freeze_s;
    double limit;           /* logins a second; more are answered 429. 0: no limit */
    unsigned crash_after;   /* requests; 0: never */
    unsigned leak;          /* bytes of each request */
    const char *wrong_body; /* of every login, instead of tokens; NULL: the right one */
};

struct fake {
    pid_t pid;
    char url[64];
};

struct fake fake_start(const struct fake_behaviour *behaviour);
void fake_stop(struct fake *fake);

#endif
