/*
 * openssl_errors: why a call of OpenSSL has failed. OpenSSL 3.0 reports some failed allocations as a signature that is wrong or a
 * file that is malformed; a valid token would be rejected for want of memory, and its owner logged out. malloc has set errno
 * then. Any thread; both calls on the same one.
 */
#ifndef JWTD_TOKEN_OPENSSL_ERRORS_H
#define JWTD_TOKEN_OPENSSL_ERRORS_H

#include <stdbool.h>

/* Before the calls whose failure is to be explained. */
void openssl_errors_begin(void);

/* Whether memory was lacking since then. Empties the thread's queue of errors. */
bool openssl_errors_lacked_memory(void);

#endif
