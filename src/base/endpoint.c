#include "jwtd/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define UNIX_PREFIX "unix:"
#define PORT_MAX_DIGITS 5

_Static_assert(sizeof((struct sockaddr_un){ 0 }.sun_path) == ENDPOINT_PATH_SIZE, "a path fits into a socket's address");

static bool parse_unix(struct text path, struct endpoint *endpoint) {
    bool is_path = path.len > 0 && path.len < ENDPOINT_PATH_SIZE && path.bytes[0] == '/';
    for (size_t i = 0; is_path && i < path.len; i++)
        is_path = (unsigned char)path.bytes[i] >= ' ' && path.bytes[i] != 0x7f;
    if (!is_path || path.bytes[path.len - 1] == ' ' || !text_is_utf8(path))
        return false;
    *endpoint = (struct endpoint){ .is_unix = true };
    memcpy(endpoint->path, path.bytes, path.len);
    return true;
}

/* The port stands behind the only colon, or behind the bracket. */
static bool parse_internet(struct text text, struct endpoint *endpoint) {
    const char *colon = text.len > 0 ? memrchr(text.bytes, ':', text.len) : NULL;
    if (colon == NULL || colon == text.bytes)
        return false;
    bool has_port = text.bytes[0] == '[' ? colon[-1] == ']' : memchr(text.bytes, ':', text.len) == colon;
    struct text host = { text.bytes, (size_t)(colon - text.bytes) };
    struct text port = { colon + 1, text.len - host.len - 1 };
    struct address address;
    uint64_t number;
    if (!has_port || port.len > PORT_MAX_DIGITS || !text_parse_unsigned(port, UINT16_MAX, &number) ||
        !address_parse(host, &address))
        return false;
    *endpoint = (struct endpoint){ .host = address, .port = (uint16_t)number };
    return true;
}

bool endpoint_parse(struct text text, struct endpoint *endpoint) {
    static const size_t prefix_len = sizeof UNIX_PREFIX - 1;
    if (text.len >= prefix_len && memcmp(text.bytes, UNIX_PREFIX, prefix_len) == 0)
        return parse_unix((struct text){ text.bytes + prefix_len, text.len - prefix_len }, endpoint);
    return parse_internet(text, endpoint);
}

bool endpoint_is_set(const struct endpoint *endpoint) {
    return endpoint->is_unix || endpoint->host.known;
}

const char *endpoint_text(const struct endpoint *endpoint, char text[ENDPOINT_TEXT_SIZE]) {
    char host[ADDRESS_TEXT_SIZE];
    text[0] = '\0';
    if (!endpoint_is_set(endpoint))
        return text;
    if (endpoint->is_unix)
        (void)snprintf(text, ENDPOINT_TEXT_SIZE, UNIX_PREFIX "%s", endpoint->path);
    else
        (void)snprintf(text, ENDPOINT_TEXT_SIZE, strchr(address_text(&endpoint->host, host), ':') != NULL ? "[%s]:%u" : "%s:%u",
                       host, (unsigned)endpoint->port);
    return text;
}

socklen_t endpoint_socket_address(const struct endpoint *endpoint, struct sockaddr_storage *address) {
    memset(address, 0, sizeof *address);
    if (endpoint->is_unix) {
        struct sockaddr_un *to = (struct sockaddr_un *)address;
        to->sun_family = AF_UNIX;
        memcpy(to->sun_path, endpoint->path, ENDPOINT_PATH_SIZE);
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(endpoint->path) + 1);
    }
    return address_to_socket(&endpoint->host, endpoint->port, address);
}
