#include "jwtd/network.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define MAPPED_PREFIX 96 /* bits of ::ffff:0:0/96, the IPv4-mapped addresses (RFC 4291 section 2.5.5.2) */
#define PORT_MAX_DIGITS 5
#define PORT_MAX 65535
#define PREFIX_MAX_DIGITS 3

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void set_ipv4(uint8_t bytes[16], const void *ipv4) {
    memcpy(bytes, mapped, sizeof mapped);
    memcpy(bytes + sizeof mapped, ipv4, 4);
}

struct address address_of_socket(const struct sockaddr *address) {
    struct address result = { .known = false };
    if (address == NULL)
        return result;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, address, sizeof ipv4);
        set_ipv4(result.bytes, &ipv4.sin_addr);
        result.known = true;
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, address, sizeof ipv6);
        memcpy(result.bytes, &ipv6.sin6_addr, sizeof result.bytes);
        result.known = true;
    }
    return result;
}

/* inet_pton stops at a NUL, so bytes behind one would be ignored. */
static bool copy_string(struct text text, char string[ADDRESS_TEXT_SIZE]) {
    if (text.len == 0 || text.len >= ADDRESS_TEXT_SIZE || memchr(text.bytes, '\0', text.len) != NULL)
        return false;
    memcpy(string, text.bytes, text.len);
    string[text.len] = '\0';
    return true;
}

static bool parse_ipv4(struct text text, uint8_t bytes[16]) {
    char string[ADDRESS_TEXT_SIZE];
    struct in_addr ipv4;
    if (!copy_string(text, string) || inet_pton(AF_INET, string, &ipv4) != 1)
        return false;
    set_ipv4(bytes, &ipv4);
    return true;
}

static bool parse_ipv6(struct text text, uint8_t bytes[16]) {
    char string[ADDRESS_TEXT_SIZE];
    struct in6_addr ipv6;
    if (!copy_string(text, string) || inet_pton(AF_INET6, string, &ipv6) != 1)
        return false;
    memcpy(bytes, &ipv6, sizeof ipv6);
    return true;
}

/* The bytes of `text` from `start` on. */
static struct text rest_of(struct text text, size_t start) {
    return (struct text){ text.bytes + start, text.len - start };
}

static bool is_port(struct text text) {
    uint64_t port;
    return text.len <= PORT_MAX_DIGITS && text_parse_unsigned(text, PORT_MAX, &port);
}

/* "[2001:db8::1]" or "[2001:db8::1]:443". */
static bool parse_bracketed(struct text text, uint8_t bytes[16]) {
    const char *end = memchr(text.bytes, ']', text.len);
    if (end == NULL)
        return false;
    size_t inner = (size_t)(end - text.bytes) - 1;
    struct text behind = rest_of(text, inner + 2);
    if (behind.len > 0 && (behind.bytes[0] != ':' || !is_port(rest_of(behind, 1))))
        return false;
    return parse_ipv6((struct text){ text.bytes + 1, inner }, bytes);
}

static bool parse_address_bytes(struct text text, uint8_t bytes[16]) {
    if (text.len == 0)
        return false;
    if (text.bytes[0] == '[')
        return parse_bracketed(text, bytes);
    const char *colon = memchr(text.bytes, ':', text.len);
    if (colon == NULL)
        return parse_ipv4(text, bytes);
    /* One colon is an IPv4 address with a port; no IPv6 address has fewer than two. */
    size_t before = (size_t)(colon - text.bytes);
    if (memchr(colon + 1, ':', text.len - before - 1) == NULL)
        return is_port(rest_of(text, before + 1)) && parse_ipv4((struct text){ text.bytes, before }, bytes);
    return parse_ipv6(text, bytes);
}

bool address_parse(struct text text, struct address *address) {
    struct address parsed = { .known = true };
    if (!parse_address_bytes(text, parsed.bytes))
        return false;
    *address = parsed;
    return true;
}

static bool is_mapped(const uint8_t bytes[16]) {
    return memcmp(bytes, mapped, sizeof mapped) == 0;
}

bool address_is_loopback(const struct address *address) {
    static const uint8_t ipv6[16] = { [15] = 1 };
    bool is_ipv4 = is_mapped(address->bytes) && address->bytes[12] == 127;
    return address->known && (is_ipv4 || memcmp(address->bytes, ipv6, sizeof ipv6) == 0);
}

socklen_t address_to_socket(const struct address *address, uint16_t port, struct sockaddr_storage *socket_address) {
    assert(address->known);
    if (is_mapped(address->bytes)) {
        struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        memcpy(&ipv4.sin_addr, address->bytes + sizeof mapped, sizeof ipv4.sin_addr);
        memcpy(socket_address, &ipv4, sizeof ipv4);
        return sizeof ipv4;
    }
    struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    memcpy(&ipv6.sin6_addr, address->bytes, sizeof ipv6.sin6_addr);
    memcpy(socket_address, &ipv6, sizeof ipv6);
    return sizeof ipv6;
}

void address_network(const struct address *address, uint8_t network[16]) {
    assert(address->known);
    memset(network, 0, 16);
    memcpy(network, address->bytes, is_mapped(address->bytes) ? 16 : 8);
}

bool address_site(const struct address *address, uint8_t site[16]) {
    assert(address->known);
    memset(site, 0, 16);
    if (is_mapped(address->bytes))
        return false;
    memcpy(site, address->bytes, 6);
    return true;
}

const char *address_text(const struct address *address, char text[ADDRESS_TEXT_SIZE]) {
    text[0] = '\0';
    if (!address->known)
        return text;
    const char *written = is_mapped(address->bytes) ? inet_ntop(AF_INET, address->bytes + sizeof mapped, text, ADDRESS_TEXT_SIZE)
                                                    : inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_SIZE);
    assert(written == text);
    return written;
}

/* Whether the bits of `bytes` behind the first `prefix` are all zero. */
static bool host_bits_are_zero(const uint8_t bytes[16], unsigned prefix) {
    for (unsigned bit = prefix; bit < 128; bit++)
        if ((bytes[bit / 8] & (0x80U >> (bit % 8))) != 0)
            return false;
    return true;
}

bool cidr_parse(struct text text, struct cidr *cidr) {
    struct cidr parsed = { .prefix = 128 };
    const char *slash = text.len > 0 ? memchr(text.bytes, '/', text.len) : NULL;
    struct text host = { text.bytes, slash != NULL ? (size_t)(slash - text.bytes) : text.len };
    bool is_ipv4 = parse_ipv4(host, parsed.bytes);
    if (!is_ipv4 && !parse_ipv6(host, parsed.bytes))
        return false;
    if (slash != NULL) {
        struct text digits = rest_of(text, host.len + 1);
        uint64_t prefix;
        if (digits.len > PREFIX_MAX_DIGITS || !text_parse_unsigned(digits, is_ipv4 ? 32 : 128, &prefix))
            return false;
        parsed.prefix = (unsigned)prefix + (is_ipv4 ? MAPPED_PREFIX : 0);
    }
    if (!host_bits_are_zero(parsed.bytes, parsed.prefix))
        return false;
    *cidr = parsed;
    return true;
}

/* The prefix decides the family: 0.0.0.0/0 is ::ffff:0:0/96, and no shorter prefix is one of IPv4. */
const char *cidr_text(const struct cidr *cidr, char text[CIDR_TEXT_SIZE]) {
    char address[ADDRESS_TEXT_SIZE];
    bool is_ipv4 = is_mapped(cidr->bytes) && cidr->prefix >= MAPPED_PREFIX;
    struct address host = { .known = true };
    memcpy(host.bytes, cidr->bytes, sizeof host.bytes);
    snprintf(text, CIDR_TEXT_SIZE, "%s/%u", address_text(&host, address), is_ipv4 ? cidr->prefix - MAPPED_PREFIX : cidr->prefix);
    return text;
}

static bool cidr_contains(const struct cidr *cidr, const uint8_t bytes[16]) {
    unsigned whole = cidr->prefix / 8;
    unsigned rest = cidr->prefix % 8;
    if (memcmp(cidr->bytes, bytes, whole) != 0)
        return false;
    return rest == 0 || ((cidr->bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

bool cidr_list_contains(const struct cidr_list *list, const struct address *address) {
    for (size_t i = 0; address->known && i < list->count; i++)
        if (cidr_contains(&list->items[i], address->bytes))
            return true;
    return false;
}

static struct text trim(struct text text) {
    while (text.len > 0 && text_is_blank(text.bytes[0]))
        text = rest_of(text, 1);
    while (text.len > 0 && text_is_blank(text.bytes[text.len - 1]))
        text.len--;
    return text;
}

/* Takes the last element off a comma-separated list. */
static struct text take_last(struct text *list) {
    size_t start = list->len;
    while (start > 0 && list->bytes[start - 1] != ',')
        start--;
    struct text last = rest_of(*list, start);
    list->len = start > 0 ? start - 1 : 0;
    return trim(last);
}

struct address client_address(const struct address *peer, struct text forwarded, const struct cidr_list *trusted) {
    bool peer_is_trusted = trusted->count > 0 && (!peer->known || cidr_list_contains(trusted, peer));
    struct address client = *peer;
    while (peer_is_trusted && forwarded.len > 0) {
        struct text last = take_last(&forwarded);
        if (last.len == 0)
            continue; /* RFC 9110 section 5.6.1.2: empty elements of a list are ignored */
        if (!address_parse(last, &client))
            return (struct address){ .known = false };
        if (!cidr_list_contains(trusted, &client))
            return client;
    }
    return client;
}
