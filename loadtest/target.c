#include "target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parts {
    const char *host;
    int host_len;
    const char *port;
    int port_len;
};

/* "host", "host:port", "[::1]", "[::1]:port"; len bytes. */
static bool split_authority(const char *authority, size_t len, struct parts *parts) {
    const char *end = authority + len, *host_end;
    *parts = (struct parts){ .host = authority };
    if (len > 0 && authority[0] == '[') {
        host_end = memchr(authority, ']', len);
        if (host_end == NULL)
            return false;
        parts->host = authority + 1;
        parts->host_len = (int)(host_end - parts->host);
        host_end++;
    } else {
        host_end = memchr(authority, ':', len);
        host_end = host_end == NULL ? end : host_end;
        parts->host_len = (int)(host_end - authority);
    }
    if (host_end < end) {
        if (*host_end != ':')
            return false;
        parts->port = host_end + 1;
        parts->port_len = (int)(end - parts->port);
    }
    return parts->host_len > 0 && memchr(authority, '@', len) == NULL;
}

static bool parse_port(struct target *target, const struct parts *parts) {
    target->port = target->tls ? 443 : 80;
    if (parts->port == NULL)
        return true;
    char text[8], *end;
    if (parts->port_len < 1 || parts->port_len > 5)
        return false;
    snprintf(text, sizeof text, "%.*s", parts->port_len, parts->port);
    unsigned long port = strtoul(text, &end, 10);
    target->port = (unsigned)port;
    return *end == '\0' && text[0] >= '0' && text[0] <= '9' && port > 0 && port < 65536;
}

static bool resolve(struct target *target, char *error, size_t error_size) {
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC }, *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", target->port);
    int status = getaddrinfo(target->name, port, &hints, &found);
    if (status != 0 || found == NULL) {
        snprintf(error, error_size, "%s: %s", target->name, gai_strerror(status));
        return false;
    }
    /* an IPv4 address first, since "localhost" is often both and served on one */
    const struct addrinfo *best = found;
    for (const struct addrinfo *each = found; each != NULL; each = each->ai_next) {
        if (each->ai_family == AF_INET) {
            best = each;
            break;
        }
    }
    memcpy(&target->address, best->ai_addr, best->ai_addrlen);
    target->address_len = best->ai_addrlen;
    freeaddrinfo(found);
    const struct sockaddr_in *four = (const struct sockaddr_in *)&target->address;
    target->loopback4 = target->address.ss_family == AF_INET && ntohl(four->sin_addr.s_addr) >> 24 == 127;
    return true;
}

bool target_init(struct target *target, const char *url, char *error, size_t error_size) {
    *target = (struct target){ .tls = strncmp(url, "https://", 8) == 0 };
    struct parts parts;
    snprintf(error, error_size, "\"%.100s\" is no URL such as http://127.0.0.1:8080", url);
    size_t scheme = target->tls ? 8 : 7;
    if ((!target->tls && strncmp(url, "http://", 7) != 0) || strlen(url) >= TARGET_TEXT_SIZE || strpbrk(url, " \t\r\n?#") != NULL)
        return false;
    const char *authority = url + scheme;
    size_t len = strcspn(authority, "/");
    if (!split_authority(authority, len, &parts) || !parse_port(target, &parts))
        return false;
    snprintf(target->name, sizeof target->name, "%.*s", parts.host_len, parts.host);
    snprintf(target->host, sizeof target->host, "%.*s", (int)len, authority);
    snprintf(target->prefix, sizeof target->prefix, "%s", authority + len);
    snprintf(target->url, sizeof target->url, "%s", url);
    for (char *text = target->prefix; *text != '\0' && text[strlen(text) - 1] == '/';)
        text[strlen(text) - 1] = '\0';
    for (char *text = target->url; text[strlen(text) - 1] == '/';)
        text[strlen(text) - 1] = '\0';
    return resolve(target, error, error_size);
}
