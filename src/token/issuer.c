#include "jwtd/issuer.h"

#include "jwtd/macros.h"

#include <stdbool.h>
#include <string.h>

#define HOST_ALPHABET TEXT_ALPHANUMERIC "-._~%!$&'()*+,;=:[]" /* with a port (RFC 3986 section 3.2) */
#define PATH_ALPHABET TEXT_ALPHANUMERIC "-._~%!$&'()*+,;=:@/"

static const char https[] = "https://", http[] = "http://";

static bool is_this_machine(struct text host) {
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t len = strlen(names[i]);
        if (host.len >= len && memcmp(host.bytes, names[i], len) == 0 && (host.len == len || host.bytes[len] == ':'))
            return true;
    }
    return false;
}

const char *issuer_obstacle(const char *issuer) {
    bool is_https = strncmp(issuer, https, sizeof https - 1) == 0;
    if (!is_https && strncmp(issuer, http, sizeof http - 1) != 0)
        return "is no https URL";
    struct text host = text_of(issuer + (is_https ? sizeof https : sizeof http) - 1);
    struct text path = text_of(host.bytes + strcspn(host.bytes, "/?#"));
    host.len -= path.len;
    if (!text_is_made_of(host, HOST_ALPHABET, 1, host.len))
        return "is a URL without a host, or with more than host and port in that place";
    if (!text_is_made_of(path, PATH_ALPHABET, 0, path.len))
        return "is a URL with a query, a fragment or a character that has no place in one";
    return is_https || is_this_machine(host) ? NULL : "is an http URL of another host than localhost";
}

struct text issuer_base(const char *issuer) {
    struct text base = text_of(issuer);
    while (base.len > 0 && base.bytes[base.len - 1] == '/')
        base.len--;
    return base;
}
