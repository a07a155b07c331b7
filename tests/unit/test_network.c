#include "jwtd/endpoint.h"
#include "jwtd/macros.h"
#include "jwtd/network.h"

#include <arpa/inet.h>
#include <check.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

Suite *network_suite(void);

/* text -> address, written back; expected NULL: refused */
static const struct {
    const char *text, *expected;
} address_cases[] = {
    { "192.0.2.1", "192.0.2.1" },
    { "192.0.2.1:443", "192.0.2.1" },
    { "192.0.2.1:0", "192.0.2.1" },
    { "0.0.0.0", "0.0.0.0" },
    { "255.255.255.255:65535", "255.255.255.255" },
    { "2001:db8::1", "2001:db8::1" },
    { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
    { "[2001:db8::1]", "2001:db8::1" },
    { "[2001:db8::1]:443", "2001:db8::1" },
    { "::", "::" },
    { "::1", "::1" },
    { "::ffff:192.0.2.1", "192.0.2.1" },
    { "[::ffff:192.0.2.1]:80", "192.0.2.1" },
    { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
    { "", NULL },
    { "unknown", NULL },
    { "_hidden", NULL },
    { "localhost", NULL },
    { "192.0.2", NULL },
    { "192.0.2.256", NULL },
    { "192.0.2.01", NULL },
    { "192.0.2.1.", NULL },
    { " 192.0.2.1", NULL },
    { "192.0.2.1 ", NULL },
    { "192.0.2.1:", NULL },
    { ":80", NULL },
    { "192.0.2.1:65536", NULL },
    { "192.0.2.1:000080", NULL },
    { "192.0.2.1:-1", NULL },
    { "192.0.2.1:8o", NULL },
    { "[192.0.2.1]", NULL },
    { "[2001:db8::1", NULL },
    { "2001:db8::1]", NULL },
    { "[]", NULL },
    { "[", NULL },
    { "[::1]x", NULL },
    { "[::1]:", NULL },
    { "[::1]:65536", NULL },
    { "[::1]]:80", NULL },
    { "fe80::1%eth0", NULL },
    { "1::2::3", NULL },
    { "12345::", NULL },
    { "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", NULL },
};

START_TEST(an_address_is_read_in_every_form_of_a_header_and_in_no_other) {
    struct address address = { .known = false };
    bool parsed = address_parse(text_of(address_cases[_i].text), &address);
    ck_assert_msg(parsed == (address_cases[_i].expected != NULL), "\"%s\"", address_cases[_i].text);
    ck_assert_int_eq(address.known, parsed);
    char text[ADDRESS_TEXT_SIZE];
    ck_assert_str_eq(address_text(&address, text), parsed ? address_cases[_i].expected : "");
}
END_TEST

START_TEST(bytes_behind_a_nul_are_not_ignored) {
    struct address address;
    ck_assert(!address_parse((struct text){ "192.0.2.1\0junk", 14 }, &address));
    ck_assert(!address_parse((struct text){ "::1\0", 4 }, &address));
    ck_assert(!address_parse((struct text){ NULL, 0 }, &address));
}
END_TEST

START_TEST(a_text_need_not_end_behind_the_address) {
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    ck_assert(address_parse((struct text){ "192.0.2.11", 9 }, &address));
    ck_assert_str_eq(address_text(&address, text), "192.0.2.1");
}
END_TEST

static const struct {
    const char *text;
    bool is_loopback;
} loopback_cases[] = {
    { "127.0.0.1", true },        { "127.255.255.254", true }, { "::1", true },
    { "::ffff:127.0.0.1", true }, { "0.0.0.0", false },        { "::", false },
    { "128.0.0.1", false },       { "7f00::1", false },        { "::2", false },
    { "::127.0.0.1", false },     { "10.127.0.1", false },
};

START_TEST(loopback_is_a_network_of_ipv4_and_one_address_of_ipv6) {
    struct address address;
    ck_assert(address_parse(text_of(loopback_cases[_i].text), &address));
    ck_assert_int_eq(address_is_loopback(&address), loopback_cases[_i].is_loopback);
    ck_assert(!address_is_loopback(&(struct address){ .known = false }));
}
END_TEST

START_TEST(a_socket_of_each_family_has_its_address) {
    char text[ADDRESS_TEXT_SIZE];
    struct sockaddr_in ipv4 = { .sin_family = AF_INET };
    ck_assert_int_eq(inet_pton(AF_INET, "192.0.2.1", &ipv4.sin_addr), 1);
    struct address address = address_of_socket((const struct sockaddr *)&ipv4);
    ck_assert_str_eq(address_text(&address, text), "192.0.2.1");

    struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6 };
    ck_assert_int_eq(inet_pton(AF_INET6, "2001:db8::1", &ipv6.sin6_addr), 1);
    address = address_of_socket((const struct sockaddr *)&ipv6);
    ck_assert_str_eq(address_text(&address, text), "2001:db8::1");

    ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:192.0.2.1", &ipv6.sin6_addr), 1);
    address = address_of_socket((const struct sockaddr *)&ipv6);
    ck_assert_str_eq(address_text(&address, text), "192.0.2.1");

    struct sockaddr_un local = { .sun_family = AF_UNIX };
    ck_assert(!address_of_socket((const struct sockaddr *)&local).known);
    ck_assert(!address_of_socket(NULL).known);
}
END_TEST

static const struct {
    const char *text, *expected;
} cidr_cases[] = {
    { "10.0.0.0/8", "10.0.0.0/8" },
    { "0.0.0.0/0", "0.0.0.0/0" },
    { "192.0.2.1", "192.0.2.1/32" },
    { "192.0.2.128/25", "192.0.2.128/25" },
    { "192.0.2.1/32", "192.0.2.1/32" },
    { "::1", "::1/128" },
    { "::1/128", "::1/128" },
    { "::/0", "::/0" },
    { "2001:db8::/32", "2001:db8::/32" },
    { "fc00::/7", "fc00::/7" },
    { "::ffff:10.0.0.0/104", "10.0.0.0/8" },
    { "", NULL },
    { "/8", NULL },
    { "10.0.0.0/", NULL },
    { "10.0.0.0/33", NULL },
    { "10.0.0.0/-1", NULL },
    { "10.0.0.0/8 ", NULL },
    { "10.0.0.0/8/8", NULL },
    { "10.0.0.0/255.0.0.0", NULL },
    { "10.0.0.1/8", NULL },
    { "192.0.2.129/25", NULL },
    { "10.0.0.0:80/8", NULL },
    { "[::1]/128", NULL },
    { "2001:db8::1/32", NULL },
    { "::/129", NULL },
    { "::/1000", NULL },
    { "localhost/8", NULL },
};

START_TEST(a_network_is_read_when_no_bits_stand_behind_its_prefix) {
    struct cidr cidr;
    bool parsed = cidr_parse(text_of(cidr_cases[_i].text), &cidr);
    ck_assert_msg(parsed == (cidr_cases[_i].expected != NULL), "\"%s\"", cidr_cases[_i].text);
    if (parsed) {
        char text[CIDR_TEXT_SIZE];
        ck_assert_str_eq(cidr_text(&cidr, text), cidr_cases[_i].expected);
    }
}
END_TEST

static struct cidr_list list_of(const char *first, const char *second) {
    struct cidr_list list = { .count = 0 };
    const char *const texts[] = { first, second };
    for (int i = 0; i < (int)ARRAY_LEN(texts) && texts[i] != NULL; i++) {
        ck_assert(cidr_parse(text_of(texts[i]), &list.items[list.count]));
        list.count++;
    }
    return list;
}

static const struct {
    const char *network, *address;
    bool inside;
} member_cases[] = {
    { "10.0.0.0/8", "10.255.255.255", true },
    { "10.0.0.0/8", "11.0.0.0", false },
    { "192.0.2.128/25", "192.0.2.128", true },
    { "192.0.2.128/25", "192.0.2.255", true },
    { "192.0.2.128/25", "192.0.2.127", false },
    { "192.0.2.1", "192.0.2.1", true },
    { "192.0.2.1", "192.0.2.2", false },
    { "0.0.0.0/0", "203.0.113.7", true },
    { "0.0.0.0/0", "2001:db8::1", false },
    { "10.0.0.0/8", "::ffff:10.1.2.3", true },
    { "2001:db8::/33", "2001:db8:7fff::1", true },
    { "2001:db8::/33", "2001:db8:8000::", false },
    { "::1", "::1", true },
    { "::1", "::", false },
    { "10.0.0.0/8", NULL, false },
    { "0.0.0.0/0", NULL, false },
};

START_TEST(a_network_holds_its_own_addresses_and_no_others) {
    struct cidr_list list = list_of(member_cases[_i].network, NULL);
    struct address address = { .known = false };
    if (member_cases[_i].address != NULL)
        ck_assert(address_parse(text_of(member_cases[_i].address), &address));
    ck_assert_int_eq(cidr_list_contains(&list, &address), member_cases[_i].inside);
}
END_TEST

START_TEST(each_network_of_a_list_counts_and_an_empty_list_holds_nothing) {
    struct cidr_list list = list_of("10.0.0.0/8", "::1");
    struct cidr_list empty = { .count = 0 };
    struct address address;
    ck_assert(address_parse(text_of("::1"), &address));
    ck_assert(cidr_list_contains(&list, &address));
    ck_assert(!cidr_list_contains(&empty, &address));
}
END_TEST

/* trusted, peer (NULL: a Unix socket), X-Forwarded-For (NULL: none), the client ("": unknown) */
static const struct {
    const char *trusted, *peer, *forwarded, *client;
} client_cases[] = {
    /* no proxy is trusted */
    { NULL, "203.0.113.7", "198.51.100.1", "203.0.113.7" },
    { NULL, "203.0.113.7", NULL, "203.0.113.7" },
    { NULL, NULL, "198.51.100.1", "" },
    /* the peer is not trusted */
    { "10.0.0.0/8", "203.0.113.7", "198.51.100.1", "203.0.113.7" },
    { "10.0.0.0/8", "203.0.113.7", "10.0.0.1", "203.0.113.7" },
    /* it is */
    { "10.0.0.0/8", "10.0.0.1", "198.51.100.1", "198.51.100.1" },
    { "10.0.0.0/8", "10.0.0.1", NULL, "10.0.0.1" },
    { "10.0.0.0/8", "10.0.0.1", "", "10.0.0.1" },
    { "10.0.0.0/8", "10.0.0.1", " , ,", "10.0.0.1" },
    { "10.0.0.0/8", "10.0.0.1", "198.51.100.1, 10.0.0.2,10.0.0.3", "198.51.100.1" },
    { "10.0.0.0/8", "10.0.0.1", "198.51.100.1 ,\t10.0.0.2 ", "198.51.100.1" },
    { "10.0.0.0/8", "10.0.0.1", "198.51.100.1,, 10.0.0.2,", "198.51.100.1" },
    { "10.0.0.0/8", "10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1" },
    { "10.0.0.0/8", "10.0.0.1", "192.0.2.60:4711", "192.0.2.60" },
    /* what a client forged stands to the left of what the proxy saw */
    { "10.0.0.0/8", "10.0.0.1", "192.0.2.66, 198.51.100.1", "198.51.100.1" },
    { "10.0.0.0/8", "10.0.0.1", "10.0.0.66, 198.51.100.1", "198.51.100.1" },
    { "10.0.0.0/8", "10.0.0.1", "junk, 198.51.100.1", "198.51.100.1" },
    /* all of them are trusted: the one that is furthest away */
    { "10.0.0.0/8", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3" },
    /* not an address */
    { "10.0.0.0/8", "10.0.0.1", "198.51.100.1, unknown", "" },
    { "10.0.0.0/8", "10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "" },
    { "10.0.0.0/8", "10.0.0.1", "unknown", "" },
    /* a Unix socket behind a proxy on the same machine */
    { "10.0.0.0/8", NULL, "198.51.100.1", "198.51.100.1" },
    { "10.0.0.0/8", NULL, NULL, "" },
    { "127.0.0.1", "::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1" },
};

START_TEST(the_client_is_the_last_address_that_no_trusted_proxy_has) {
    struct cidr_list trusted = list_of(client_cases[_i].trusted, NULL);
    struct address peer = { .known = false };
    if (client_cases[_i].peer != NULL)
        ck_assert(address_parse(text_of(client_cases[_i].peer), &peer));
    struct address client = client_address(&peer, text_of(client_cases[_i].forwarded), &trusted);
    char text[ADDRESS_TEXT_SIZE];
    ck_assert_str_eq(address_text(&client, text), client_cases[_i].client);
}
END_TEST

/* Which socket address an endpoint is, and back: what getsockname would return. */
static const struct {
    const char *text;
    int family;
} endpoints[] = {
    { "127.0.0.1:8080", AF_INET }, { "0.0.0.0:0", AF_INET },        { "[::1]:8080", AF_INET6 },
    { "[::]:65535", AF_INET6 },    { "[2001:db8::1]:1", AF_INET6 }, { "unix:/run/jwtd.sock", AF_UNIX },
};

START_TEST(an_endpoint_is_one_socket_address) {
    struct endpoint endpoint;
    struct sockaddr_storage address;
    char text[ENDPOINT_TEXT_SIZE];
    ck_assert(endpoint_parse(text_of(endpoints[_i].text), &endpoint));
    ck_assert_str_eq(endpoint_text(&endpoint, text), endpoints[_i].text);
    socklen_t len = endpoint_socket_address(&endpoint, &address);
    ck_assert_int_eq(address.ss_family, endpoints[_i].family);
    ck_assert_uint_le(len, sizeof address);
    ck_assert_int_eq(endpoint.is_unix, address.ss_family == AF_UNIX);
    if (endpoint.is_unix) {
        ck_assert_str_eq(((const struct sockaddr_un *)&address)->sun_path, endpoint.path);
        return;
    }
    char host[64], port[8], expected[128];
    ck_assert_int_eq(getnameinfo((const struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                                 NI_NUMERICHOST | NI_NUMERICSERV),
                     0);
    snprintf(expected, sizeof expected, endpoints[_i].family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    ck_assert_str_eq(expected, endpoints[_i].text);
}
END_TEST

/* What the setting cannot hold: the rest is among its values. */
START_TEST(an_endpoint_with_a_nul_is_none) {
    struct endpoint endpoint = { .port = 4711 };
    ck_assert(!endpoint_parse((struct text){ "unix:/a\0b", 9 }, &endpoint));
    ck_assert(!endpoint_parse((struct text){ "127.0.0.1\0:80", 13 }, &endpoint));
    ck_assert(!endpoint_parse((struct text){ NULL, 0 }, &endpoint));
    ck_assert_uint_eq(endpoint.port, 4711);
}
END_TEST

Suite *network_suite(void) {
    Suite *suite = suite_create("network");
    TCase *addresses = tcase_create("addresses");
    tcase_add_loop_test(addresses, an_address_is_read_in_every_form_of_a_header_and_in_no_other, 0,
                        (int)ARRAY_LEN(address_cases));
    tcase_add_test(addresses, bytes_behind_a_nul_are_not_ignored);
    tcase_add_test(addresses, a_text_need_not_end_behind_the_address);
    tcase_add_loop_test(addresses, loopback_is_a_network_of_ipv4_and_one_address_of_ipv6, 0, (int)ARRAY_LEN(loopback_cases));
    tcase_add_test(addresses, a_socket_of_each_family_has_its_address);
    tcase_add_loop_test(addresses, an_endpoint_is_one_socket_address, 0, (int)ARRAY_LEN(endpoints));
    tcase_add_test(addresses, an_endpoint_with_a_nul_is_none);
    suite_add_tcase(suite, addresses);
    TCase *networks = tcase_create("networks");
    tcase_add_loop_test(networks, a_network_is_read_when_no_bits_stand_behind_its_prefix, 0, (int)ARRAY_LEN(cidr_cases));
    tcase_add_loop_test(networks, a_network_holds_its_own_addresses_and_no_others, 0, (int)ARRAY_LEN(member_cases));
    tcase_add_test(networks, each_network_of_a_list_counts_and_an_empty_list_holds_nothing);
    suite_add_tcase(suite, networks);
    TCase *clients = tcase_create("clients");
    tcase_add_loop_test(clients, the_client_is_the_last_address_that_no_trusted_proxy_has, 0, (int)ARRAY_LEN(client_cases));
    suite_add_tcase(suite, clients);
    return suite;
}
