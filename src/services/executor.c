#include "jwtd/executor.h"

#include <assert.h>

static const char *const names[EXECUTOR_COUNT] = {
    [ON_HTTP] = "http", [ON_DATABASE] = "database", [ON_CRYPTO] = "crypto", [ON_DISPATCH] = "dispatch"
};

const char *executor_name(enum executor executor) {
    assert(executor < EXECUTOR_COUNT);
    return names[executor];
}
