#include "service_access.h"

#include "basic.h"
#include "exchange.h"

#include "jwtd/service_credentials.h"
#include "jwtd/snapshot.h"

#include <string.h>

enum status service_access_check(struct exchange *exchange) {
    struct request *request = &exchange->request;
    struct basic_credentials credentials;
    if (request->route->access != ACCESS_SERVICE)
        return STATUS_OK;
    enum status status = basic_read(request->arena, request_header(request, "Authorization"), &credentials);
    if (status != STATUS_OK)
        return status == STATUS_BAD_REQUEST ? STATUS_INVALID_CLIENT : status;
    const char *name = service_credentials_check(request->snapshot->services, credentials.name, credentials.secret);
    if (name == NULL)
        return STATUS_INVALID_CLIENT;
    /* a copy, since a token of a new key replaces the snapshot */
    request->service = arena_copy(request->arena, name, strlen(name));
    return request->service != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}
