#include "jwtd/request.h"

#include "exchange.h"

#include "jwtd/macros.h"

#include <string.h>

struct text request_header(const struct request *request, const char *name) {
    const struct header_view *headers = &container_of(request, const struct exchange, request)->headers;
    return header_view_find(headers, text_of(name));
}

struct text request_query(const struct request *request, const char *name, size_t index) {
    for (size_t i = 0; i < request->query_count; i++)
        if (strcmp(request->query[i].parameter->name, name) == 0 && index-- == 0)
            return request->query[i].value;
    return (struct text){ NULL, 0 };
}
