#include "openssl_errors.h"

#include <errno.h>
#include <openssl/err.h>

void openssl_errors_begin(void) {
    errno = 0; /* before the first call, which allocates */
    ERR_clear_error();
}

bool openssl_errors_lacked_memory(void) {
    bool lacked = errno == ENOMEM;
    unsigned long error;
    while ((error = ERR_get_error()) != 0)
        lacked = lacked || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    return lacked;
}
