#include "exchange_fixture.h"
#include "token_fixture.h"

#include "src/http/basic.h"
#include "src/http/service_access.h"

#include "jwtd/macros.h"
#include "jwtd/service_credentials.h"

Suite *service_access_suite(void);

static struct scratch scratch;
static struct exchange_fixture *fixture;
static char secret[SERVICE_SECRET_SIZE];

static void set_up(void) {
    char error[512], file[PATH_MAX];
    scratch = scratch_create();
    snprintf(file, sizeof file, "%s", scratch_path(&scratch, "services"));
    ck_assert(service_credentials_change(file, SERVICE_ADD, text_of("orders-1.x_y"), secret, error, sizeof error));
    fixture = exchange_fixture_create(&(struct fixture_header){ NULL, NULL });
    fixture->snapshot.services = service_credentials_load(file, error, sizeof error);
    ck_assert_msg(fixture->snapshot.services != NULL, "%s", error);
    fixture->route.access = ACCESS_SERVICE;
}

static void tear_down(void) {
    service_credentials_destroy(fixture->snapshot.services);
    exchange_fixture_destroy(fixture);
    scratch_destroy(&scratch);
}

static enum status send_value(const char *value) {
    fixture->exchange.request.service = NULL;
    fixture->exchange.headers = fixture_headers((const struct fixture_header[]){ { "authorization", value }, { NULL, NULL } });
    return service_access_check(&fixture->exchange);
}

static void encode(char *value, size_t size, const char *scheme, const char *credentials) {
    size_t len = (size_t)snprintf(value, size, "%s", scheme);
    ck_assert_ptr_nonnull(sodium_bin2base64(value + len, size - len, (const unsigned char *)credentials, strlen(credentials),
                                            sodium_base64_VARIANT_ORIGINAL));
}

static void expand(char text[512], const char *pattern) {
    const char *mark = strchr(pattern, '$');
    if (mark == NULL)
        snprintf(text, 512, "%s", pattern);
    else
        snprintf(text, 512, "%.*s%s%s", (int)(mark - pattern), pattern, secret, mark + 1);
}

/* "$" is the secret. */
static const struct {
    const char *scheme, *credentials;
    bool is_good;
} sent[] = {
    { "Basic ", "orders-1.x_y:$", true },
    { "bASIC ", "orders-1.x_y:$", true },       /* RFC 9110 section 11.1 */
    { "Basic   ", "orders-1.x_y:$", true },     /* 1*SP, RFC 9110 section 11.4 */
    { "Basic ", "orders%2D1%2Ex%5fy:$", true }, /* RFC 6749 section 2.3.1 */
    { "Basic ", "%6f%72ders-1.x_y:$", true },
    { "Basic ", "orders-1.x_y:%24", false },
    { "Basic ", "orders-1.x_y:$ ", false },
    { "Basic ", "orders-1.x_y:+$", false },
    { "Basic ", "orders-1.x_y:$:", false },
    { "Basic ", "orders-1.x_y::$", false },
    { "Basic ", "orders-1.x_y%3A$", false },
    { "Basic ", "orders-1.x_y", false },
    { "Basic ", "orders-1.x_y:", false },
    { "Basic ", ":$", false },
    { "Basic ", ":", false },
    { "Basic ", "", false },
    { "Basic ", "orders-1.x_z:$", false },
    { "Basic ", "orders-1.x_y%:$", false },
    { "Basic ", "orders-1.x_y%2:$", false },
    { "Basic ", "orders-1.x_y%00:$", false },
    { "Basic ", "orders-1.x_y%ff:$", false },
    { "Basic ", "orders-1.x_y\xff:$", false },
    { "Bearer ", "orders-1.x_y:$", false },
    { "Basic", "orders-1.x_y:$", false },
    { "Basic\t", "orders-1.x_y:$", false },
    { "", "orders-1.x_y:$", false },
};

START_TEST(the_name_and_secret_of_a_service_are_read_as_two_rfcs_say) {
    char credentials[512], value[1024];
    expand(credentials, sent[_i].credentials);
    encode(value, sizeof value, sent[_i].scheme, credentials);
    enum status status = send_value(value);
    ck_assert_msg(status == (sent[_i].is_good ? STATUS_OK : STATUS_INVALID_CLIENT), "%s: %s", credentials,
                  status_info(status)->name);
    const char *service = fixture->exchange.request.service;
    if (sent[_i].is_good)
        ck_assert_str_eq(service, "orders-1.x_y");
    else
        ck_assert_ptr_null(service);
}
END_TEST

START_TEST(base64_that_has_two_texts_is_not_accepted) {
    char credentials[512], value[1024], damaged[1100];
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    expand(credentials, "orders-1.x_y:$"); /* 56 bytes: one "=" at the end */
    encode(value, sizeof value, "Basic ", credentials);
    size_t len = strlen(value);
    ck_assert_int_eq(value[len - 1], '=');
    ck_assert_int_ne(value[len - 2], '=');
    ck_assert_int_eq(send_value(value), STATUS_OK);
    snprintf(damaged, sizeof damaged, "%.*s", (int)len - 1, value);
    ck_assert_int_eq(send_value(damaged), STATUS_INVALID_CLIENT); /* no padding */
    snprintf(damaged, sizeof damaged, "%s=", value);
    ck_assert_int_eq(send_value(damaged), STATUS_INVALID_CLIENT);
    snprintf(damaged, sizeof damaged, "%.12s %s", value, value + 12);
    ck_assert_int_eq(send_value(damaged), STATUS_INVALID_CLIENT); /* a blank inside */
    for (size_t i = 0; i < 3; i++) {                              /* other stray bits in the last character */
        memcpy(damaged, value, len + 1);
        damaged[len - 2] = alphabet[(size_t)(strchr(alphabet, value[len - 2]) - alphabet) + i + 1];
        ck_assert_int_eq(send_value(damaged), STATUS_INVALID_CLIENT);
    }
}
END_TEST

/* libsodium 1.0.18 takes the bytes from 0x80 up for characters of base64. */
START_TEST(a_byte_that_is_no_ascii_is_no_base64) {
    struct basic_credentials credentials;
    char value[] = "Basic YWI/OmM="; /* ab?:c */
    ck_assert_int_eq(basic_read(&fixture->exchange.arena, text_of(value), &credentials), STATUS_OK);
    for (unsigned byte = 0x80; byte <= 0xff; byte++) {
        value[9] = (char)byte;
        ck_assert_int_eq(basic_read(&fixture->exchange.arena, text_of(value), &credentials), STATUS_BAD_REQUEST);
    }
}
END_TEST

START_TEST(credentials_of_any_length_are_refused_alike) {
    static char value[16384];
    for (size_t len = 6; len < sizeof value - 1; len += len < 1024 ? 1 : 97) {
        memcpy(value, "Basic ", 6);
        memset(value + 6, 'A', len - 6);
        value[len] = '\0';
        ck_assert_int_eq(send_value(value), STATUS_INVALID_CLIENT);
    }
}
END_TEST

START_TEST(without_a_header_and_without_services_nobody_is_one) {
    char credentials[512], value[1024], error[512];
    expand(credentials, "orders-1.x_y:$");
    encode(value, sizeof value, "Basic ", credentials);
    fixture->exchange.headers.count = 0;
    ck_assert_int_eq(service_access_check(&fixture->exchange), STATUS_INVALID_CLIENT);
    service_credentials_destroy(fixture->snapshot.services);
    fixture->snapshot.services = service_credentials_load(scratch_path(&scratch, "nothing"), error, sizeof error);
    ck_assert_int_eq(send_value(value), STATUS_INVALID_CLIENT);
    ck_assert_int_eq(send_value("Basic Og=="), STATUS_INVALID_CLIENT);
}
END_TEST

START_TEST(a_route_for_others_does_not_read_them) {
    fixture->route.access = ACCESS_PUBLIC;
    ck_assert_int_eq(send_value("Basic garbage"), STATUS_OK);
    ck_assert_ptr_null(fixture->exchange.request.service);
}
END_TEST

START_TEST(without_memory_no_service_is_refused_for_its_secret) {
    char credentials[512], value[1024];
    expand(credentials, "orders-1.x_y:$");
    encode(value, sizeof value, "Basic ", credentials);
    enum status status = STATUS_OUT_OF_MEMORY;
    for (size_t limit = 0; status != STATUS_OK; limit += 16) {
        ck_assert_uint_lt(limit, 65536);
        arena_fini(&fixture->exchange.arena);
        arena_init(&fixture->exchange.arena, limit);
        status = send_value(value);
        ck_assert(status == STATUS_OK || status == STATUS_OUT_OF_MEMORY);
    }
}
END_TEST

Suite *service_access_suite(void) {
    Suite *suite = suite_create("service_access");
    TCase *tcase = tcase_create("service_access");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, the_name_and_secret_of_a_service_are_read_as_two_rfcs_say, 0, (int)ARRAY_LEN(sent));
    tcase_add_test(tcase, base64_that_has_two_texts_is_not_accepted);
    tcase_add_test(tcase, a_byte_that_is_no_ascii_is_no_base64);
    tcase_add_test(tcase, credentials_of_any_length_are_refused_alike);
    tcase_add_test(tcase, without_a_header_and_without_services_nobody_is_one);
    tcase_add_test(tcase, a_route_for_others_does_not_read_them);
    tcase_add_test(tcase, without_memory_no_service_is_refused_for_its_secret);
    suite_add_tcase(suite, tcase);
    return suite;
}
