/*
 * problems: what is wrong at present with the list of revoked keys, with the feed, with the keys of the directory, and with those
 * that are fetched: one sentence each, for jwtd_verify_last_error; a change is reported to the caller's function. Any thread.
 */
#ifndef JWTD_VERIFY_PROBLEMS_H
#define JWTD_VERIFY_PROBLEMS_H

#include <pthread.h>
#include <stddef.h>

enum problem_part { PROBLEM_REVOKED_KEYS, PROBLEM_FEED, PROBLEM_DIRECTORY, PROBLEM_FETCHED, PROBLEM_PARTS };

#define PROBLEM_SIZE 256

struct problems {
    pthread_mutex_t lock; /* guards the texts */
    char texts[PROBLEM_PARTS][PROBLEM_SIZE];
    void (*report)(void *context, const char *text); /* NULL: none; called without the lock */
    void *context;
};

void problems_init(struct problems *problems, void (*report)(void *context, const char *text), void *context);
void problems_fini(struct problems *problems);

/* "": nothing is wrong. */
void problems_set(struct problems *problems, enum problem_part part, const char *text);

/* The first that there is, or "". */
void problems_first(struct problems *problems, char *text, size_t size);

#endif
