/*
 * openssl_errors: why a call of OpenSSL has failed. OpenSSL 3.0 reports some failed allocations as a signature that is wrong or a
 * file that is malformed; a valid token would be rejected for want of memory, and its owner logged out. malloc has set errno
 * then. Any thread; both calls on the same one. The errors that the thread's queue had before stay, and so does errno, since they
 * may be those of an application that uses the verifier library. Pairs of calls may be nested.
 */
#ifndef JWTD_TOKEN_OPENSSL_ERRORS_H
#define JWTD_TOKEN_OPENSSL_ERRORS_H

#include <stdbool.h>

struct openssl_errors {
    int number;         /* errno */
    unsigned long last; /* in the queue */
};

/* Before the calls whose failure is to be explained. */
struct openssl_errors openssl_errors_begin(void);

/* Whether memory was lacking since then; errno is ENOMEM then, else that from before. Removes the errors since then. */
bool openssl_errors_end(const struct openssl_errors *before);

#endif
