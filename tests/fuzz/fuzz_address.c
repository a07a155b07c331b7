/*
 * Addresses and networks as text (address_parse, cidr_parse of network.h). The input is lines; each is tried as both.
 *
 * Checked: what parses prints and parses again to the same; nothing that follows an address is ignored (a NUL or a blank behind
 * it makes it none); a network has no host bits, and contains exactly the addresses that a comparison bit by bit says.
 */
#include "fuzz.h"

#include "jwtd/network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 8

static bool bit(const uint8_t bytes[16], unsigned at) {
    return (bytes[at / 8] >> (7 - at % 8) & 1) != 0;
}

static void check_suffixes(struct text line) {
    static const char suffixes[] = { '\0', ' ', '\t', '/', ']', 'x' };
    char *longer = fuzz_string(line);
    struct address address;
    struct cidr cidr;
    for (size_t i = 0; i < sizeof suffixes; i++) {
        longer[line.len] = suffixes[i];
        bool is_address = address_parse((struct text){ longer, line.len + 1 }, &address);
        bool is_cidr = cidr_parse((struct text){ longer, line.len + 1 }, &cidr);
        assert(!is_address && !is_cidr);
    }
    free(longer);
}

static bool check_address(struct text line, struct address *address) {
    struct address again;
    char text[ADDRESS_TEXT_SIZE];
    if (!address_parse(line, address))
        return false;
    assert(address->known);
    bool parses = address_parse(text_of(address_text(address, text)), &again);
    assert(parses && memcmp(again.bytes, address->bytes, sizeof again.bytes) == 0);
    check_suffixes(line);
    return true;
}

static bool check_cidr(struct text line, struct cidr *cidr) {
    struct cidr again;
    char text[CIDR_TEXT_SIZE];
    if (!cidr_parse(line, cidr))
        return false;
    assert(cidr->prefix <= 128);
    for (unsigned at = cidr->prefix; at < 128; at++)
        assert(!bit(cidr->bytes, at));
    bool parses = cidr_parse(text_of(cidr_text(cidr, text)), &again);
    assert(parses && again.prefix == cidr->prefix && memcmp(again.bytes, cidr->bytes, sizeof again.bytes) == 0);
    return true;
}

static void check_containment(const struct cidr *cidr, const struct address *address) {
    struct cidr_list list = { .items = { *cidr }, .count = 1 };
    bool expected = true;
    for (unsigned at = 0; at < cidr->prefix; at++)
        expected = expected && bit(cidr->bytes, at) == bit(address->bytes, at);
    assert(cidr_list_contains(&list, address) == expected);
    assert(!cidr_list_contains(&list, &(struct address){ .known = false }));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct text rest = { (const char *)bytes, len };
    struct address addresses[LINES_MAX];
    struct cidr cidrs[LINES_MAX];
    size_t address_count = 0, cidr_count = 0;
    for (size_t i = 0; i < LINES_MAX && rest.len > 0; i++) {
        struct text line = fuzz_take_line(&rest);
        address_count += check_address(line, &addresses[address_count]);
        cidr_count += check_cidr(line, &cidrs[cidr_count]);
    }
    for (size_t i = 0; i < cidr_count; i++)
        for (size_t j = 0; j < address_count; j++)
            check_containment(&cidrs[i], &addresses[j]);
    return 0;
}
