#include "openssl_errors.h"

#include <errno.h>
#include <openssl/err.h>

void openssl_errors_begin(void) {
    ERR_clear_error();
    errno = 0;
}

bool openssl_errors_lacked_memory(void) {
    bool lacked = errno == ENOMEM;
    unsigned long error;
    while ((error = ERR_get_error()) != 0)
        lacked = lacked || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
    return lacked;
}
