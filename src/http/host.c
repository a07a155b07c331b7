#include "host.h"

#include "jwtd/network.h"

#include <string.h>

bool host_cannot_be_rebound(struct text host) {
    struct address address;
    if (host.len == 0 || address_parse(host, &address))
        return true;
    const char *colon = memchr(host.bytes, ':', host.len);
    struct text name = { host.bytes, colon != NULL ? (size_t)(colon - host.bytes) : host.len };
    return text_equal_ignoring_case(name, text_of("localhost"));
}
