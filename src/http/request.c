#include "jwtd/request.h"

#include "exchange.h"

#include "jwtd/macros.h"

struct text request_header(const struct request *request, const char *name) {
    const struct header_view *headers = &container_of(request, const struct exchange, request)->headers;
    return headers->find(headers->source, name);
}
