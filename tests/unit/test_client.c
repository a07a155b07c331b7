#include "exchange_fixture.h"

#include "src/http/client.h"

#include "jwtd/macros.h"

Suite *client_suite(void);

#define LONGEST_ID "0123456789012345678901234567890123456789012345678901234567890.-_"

static const struct {
    const char *given;
    bool is_taken;
} ids[] = {
    { "a", true },    { LONGEST_ID, true }, { LONGEST_ID "x", false }, { "", false },
    { "a b", false }, { "a\"b", false },    { "a/b", false },          { "\xc3\xa4", false },
};

START_TEST(a_sane_request_id_is_taken_and_any_other_replaced) {
    struct fixture_header headers[] = { { "x-request-id", ids[_i].given }, { NULL, NULL } };
    struct exchange_fixture *fixture = exchange_fixture_create(headers);
    client_read_request_id(&fixture->exchange);
    if (ids[_i].is_taken)
        ck_assert_str_eq(fixture->exchange.request.request_id, ids[_i].given);
    else
        ck_assert_uint_eq(strlen(fixture->exchange.request.request_id), UUID_TEXT_LEN);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(a_request_id_needs_no_memory) {
    static const struct fixture_header none[] = { { NULL, NULL } };
    struct exchange_fixture *fixture = exchange_fixture_create(none);
    fixture->exchange.arena.limit = 0;
    client_read_request_id(&fixture->exchange);
    ck_assert_uint_eq(strlen(fixture->exchange.request.request_id), UUID_TEXT_LEN);
    exchange_fixture_destroy(fixture);
}
END_TEST

#define PROXY "10.0.0.1"

static const struct {
    const char *peer;
    struct fixture_header headers[3];
    const char *client; /* empty: unknown */
    bool trusts;
} clients[] = {
    { "192.0.2.1", { { "X-Forwarded-For", "192.0.2.9" } }, "192.0.2.1", false },
    { "192.0.2.1", { { "X-Forwarded-For", "192.0.2.9" } }, "192.0.2.1", true }, /* of no trusted proxy */
    { PROXY, { { "X-Forwarded-For", "192.0.2.9" } }, "192.0.2.9", true },
    { PROXY, { { "x-forwarded-for", "203.0.113.5" }, { "X-FORWARDED-FOR", "192.0.2.9, 10.0.0.2" } }, "192.0.2.9", true },
    { PROXY, { { "X-Forwarded-For", "nonsense" } }, "", true },
};

START_TEST(a_client_behind_a_trusted_proxy_is_the_one_that_the_proxy_names) {
    struct exchange_fixture *fixture = exchange_fixture_create(clients[_i].headers);
    struct request *request = &fixture->exchange.request;
    struct cidr_list *trusted = &fixture->config.server.trusted_proxies;
    char text[ADDRESS_TEXT_SIZE];
    trusted->count = clients[_i].trusts;
    ck_assert(cidr_parse(text_of("10.0.0.0/8"), &trusted->items[0]));
    ck_assert(address_parse(text_of(clients[_i].peer), &request->peer));
    ck_assert_int_eq(client_read(&fixture->exchange), STATUS_OK);
    ck_assert_str_eq(address_text(&request->client, text), clients[_i].client);
    exchange_fixture_destroy(fixture);
}
END_TEST

static const struct {
    struct fixture_header headers[3];
    enum status status;
} without_memory[] = {
    { { { "X-Forwarded-For", "192.0.2.9" } }, STATUS_OUT_OF_MEMORY }, /* the client would be the proxy */
    { { { "User-Agent", "curl" } }, STATUS_OUT_OF_MEMORY },
    { { { "Accept", "*/*" } }, STATUS_OK },
};

START_TEST(a_client_that_cannot_be_read_for_lack_of_memory_is_not_taken_for_another) {
    struct exchange_fixture *fixture = exchange_fixture_create(without_memory[_i].headers);
    struct cidr_list *trusted = &fixture->config.server.trusted_proxies;
    trusted->count = 1;
    ck_assert(cidr_parse(text_of("10.0.0.0/8"), &trusted->items[0]));
    ck_assert(address_parse(text_of(PROXY), &fixture->exchange.request.peer));
    fixture->exchange.arena.limit = 0;
    ck_assert_int_eq(client_read(&fixture->exchange), without_memory[_i].status);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(a_user_agent_is_kept_as_far_as_it_can_be_shown) {
    char given[1001];
    memset(given, 'a', sizeof given - 1);
    given[sizeof given - 1] = '\0';
    memcpy(given, "x\xc3\xa4\t\"<", 6);
    struct fixture_header headers[] = { { "User-Agent", given }, { NULL, NULL } };
    struct exchange_fixture *fixture = exchange_fixture_create(headers);
    ck_assert_int_eq(client_read(&fixture->exchange), STATUS_OK);
    struct text kept = fixture->exchange.request.user_agent;
    ck_assert_uint_eq(kept.len, 256);
    ck_assert_int_eq(memcmp(kept.bytes, "x???\"<aaa", 9), 0);
    exchange_fixture_destroy(fixture);
}
END_TEST

START_TEST(no_user_agent_is_none) {
    static const struct fixture_header none[] = { { NULL, NULL } };
    struct exchange_fixture *fixture = exchange_fixture_create(none);
    ck_assert_int_eq(client_read(&fixture->exchange), STATUS_OK);
    ck_assert_ptr_null(fixture->exchange.request.user_agent.bytes);
    exchange_fixture_destroy(fixture);
}
END_TEST

Suite *client_suite(void) {
    Suite *suite = suite_create("client");
    TCase *tcase = tcase_create("client");
    tcase_add_loop_test(tcase, a_sane_request_id_is_taken_and_any_other_replaced, 0, (int)ARRAY_LEN(ids));
    tcase_add_test(tcase, a_request_id_needs_no_memory);
    tcase_add_loop_test(tcase, a_client_behind_a_trusted_proxy_is_the_one_that_the_proxy_names, 0, (int)ARRAY_LEN(clients));
    tcase_add_loop_test(tcase, a_client_that_cannot_be_read_for_lack_of_memory_is_not_taken_for_another, 0,
                        (int)ARRAY_LEN(without_memory));
    tcase_add_test(tcase, a_user_agent_is_kept_as_far_as_it_can_be_shown);
    tcase_add_test(tcase, no_user_agent_is_none);
    suite_add_tcase(suite, tcase);
    return suite;
}
