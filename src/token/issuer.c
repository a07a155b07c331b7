#include "jwtd/issuer.h"

#include "jwtd/macros.h"

#include <stdbool.h>
#include <string.h>

#define NAME_ALPHABET TEXT_ALPHANUMERIC "-._~!$&'()*+,;=" /* RFC 3986 section 3.2.2; no host has a percent sign */
#define IPV6_ALPHABET "0123456789abcdefABCDEF:."
#define PORT_MAX 65535
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

/* The name or address, moving *authority behind it; empty if there is none. */
static struct text next_host(struct text *authority) {
    bool is_ipv6 = authority->len > 0 && authority->bytes[0] == '[';
    const char *end = memchr(authority->bytes, is_ipv6 ? ']' : ':', authority->len);
    size_t len = end == NULL ? authority->len : (size_t)(end - authority->bytes);
    struct text host = { authority->bytes, is_ipv6 && end == NULL ? 0 : len + is_ipv6 };
    authority->bytes += host.len;
    authority->len -= host.len;
    if (!is_ipv6)
        return text_is_made_of(host, NAME_ALPHABET, 1, host.len) ? host : (struct text){ host.bytes, 0 };
    struct text address = { host.bytes + 1, host.len < 2 ? 0 : host.len - 2 };
    return text_is_made_of(address, IPV6_ALPHABET, 2, address.len) ? host : (struct text){ host.bytes, 0 };
}

static bool is_authority(struct text authority) {
    uint64_t port;
    if (next_host(&authority).len == 0)
        return false;
    if (authority.len == 0)
        return true;
    struct text digits = { authority.bytes + 1, authority.len - 1 };
    return authority.bytes[0] == ':' && text_parse_unsigned(digits, PORT_MAX, &port) && port > 0;
}

const char *issuer_obstacle(const char *issuer) {
    bool is_https = strncmp(issuer, https, sizeof https - 1) == 0;
    if (!is_https && strncmp(issuer, http, sizeof http - 1) != 0)
        return "is no https URL";
    struct text host = text_of(issuer + (is_https ? sizeof https : sizeof http) - 1);
    struct text path = text_of(host.bytes + strcspn(host.bytes, "/?#"));
    host.len -= path.len;
    if (!is_authority(host))
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
