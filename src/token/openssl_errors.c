#include "openssl_errors.h"

#include <errno.h>
#include <openssl/err.h>

struct openssl_errors openssl_errors_begin(void) {
    const struct openssl_errors before = { errno, ERR_peek_last_error() };
    ERR_set_mark();
    errno = 0;
    return before;
}

/* Only the last error of the queue can be read without removing those from before; malloc has said the same by errno. */
bool openssl_errors_end(const struct openssl_errors *before) {
    unsigned long last = ERR_peek_last_error();
    bool lacked = errno == ENOMEM || (last != before->last && ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE);
    ERR_pop_to_mark();
    errno = lacked ? ENOMEM : before->number;
    return lacked;
}
