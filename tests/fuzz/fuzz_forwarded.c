/*
 * The client's address behind proxies (client_address of network.h). The input is lines: the trusted networks, separated by
 * blanks; the peer (anything that is no address: an unknown peer, as that of a Unix socket); the rest is X-Forwarded-For.
 *
 * Checked: a peer that is not trusted is the client itself, whatever the header says; the client is the peer, unknown, or stands
 * in the header; and what a client itself puts in front of the header changes nothing once an address that is not trusted was
 * found behind it.
 */
#include "fuzz.h"

#include "jwtd/macros.h"
#include "jwtd/network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 1024

static bool same(const struct address *one, const struct address *other) {
    return one->known == other->known && (!one->known || memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0);
}

static struct text take_word(struct text *rest, char end) {
    const char *found = rest->len > 0 ? memchr(rest->bytes, end, rest->len) : NULL;
    struct text word = { rest->bytes, found != NULL ? (size_t)(found - rest->bytes) : rest->len };
    size_t taken = word.len + (found != NULL ? 1 : 0);
    *rest = (struct text){ rest->bytes + taken, rest->len - taken };
    return word;
}

static struct cidr_list read_trusted(struct text line) {
    struct cidr_list list = { .count = 0 };
    while (line.len > 0 && list.count < CIDR_LIST_MAX)
        list.count += cidr_parse(take_word(&line, ' '), &list.items[list.count]);
    return list;
}

static bool stands_in(struct text header, const struct address *client) {
    while (header.len > 0) {
        struct address each = { .known = true };
        struct text item = take_word(&header, ',');
        while (item.len > 0 && (item.bytes[0] == ' ' || item.bytes[0] == '\t'))
            item = (struct text){ item.bytes + 1, item.len - 1 };
        while (item.len > 0 && (item.bytes[item.len - 1] == ' ' || item.bytes[item.len - 1] == '\t'))
            item.len--;
        if (address_parse(item, &each) && same(&each, client))
            return true;
    }
    return false;
}

static void assert_prefix_changes_nothing(const struct address *peer, struct text header, const struct cidr_list *trusted,
                                          const struct address *client) {
    static const char *const prefixes[] = { "203.0.113.66,", ",", "nonsense, ", "10.0.0.1, ::1 ,", "\t,127.0.0.1," };
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        char longer[HEADER_MAX + 32];
        size_t prefix_len = strlen(prefixes[i]);
        memcpy(longer, prefixes[i], prefix_len);
        memcpy(longer + prefix_len, header.bytes, header.len);
        struct address found = client_address(peer, (struct text){ longer, prefix_len + header.len }, trusted);
        assert(same(&found, client));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct text rest = { (const char *)bytes, len };
    struct cidr_list trusted = read_trusted(fuzz_take_line(&rest));
    struct address peer;
    if (!address_parse(fuzz_take_line(&rest), &peer))
        peer = (struct address){ .known = false };
    if (rest.len > HEADER_MAX)
        return 0;
    char *copy = fuzz_string(rest); /* so that a read behind its end is found */
    struct text header = { copy, rest.len };
    bool is_trusted = trusted.count > 0 && (!peer.known || cidr_list_contains(&trusted, &peer));
    struct address client = client_address(&peer, header, &trusted);
    if (!is_trusted)
        assert(same(&client, &peer));
    else
        assert(!client.known || same(&client, &peer) || stands_in(header, &client));
    if (is_trusted && client.known && !cidr_list_contains(&trusted, &client))
        assert_prefix_changes_nothing(&peer, header, &trusted, &client);
    free(copy);
    return 0;
}
