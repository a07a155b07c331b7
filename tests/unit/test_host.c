/* Which names in Host DNS could lead elsewhere. */
#include "src/http/host.h"

#include "jwtd/macros.h"

#include <check.h>

Suite *host_suite(void);

static const struct {
    const char *host;
    bool is_fixed;
} hosts[] = {
    { "", true },
    { "127.0.0.1", true },
    { "127.0.0.1:9464", true },
    { "192.0.2.1:80", true },
    { "[::1]", true },
    { "[::1]:9464", true },
    { "localhost", true },
    { "LOCALHOST:9464", true },
    { "localhost.", false },
    { "localhost.example", false },
    { "localhost@example", false },
    { "xlocalhost", false },
    { "127.0.0.1.example", false },
    { "127.1", false }, /* an address for a browser, which writes it out */
    { "example:127.0.0.1", false },
    { "[::1", false },
    { "[::1].example", false },
    { ":9464", false },
    { "a", false },
};

START_TEST(an_address_and_localhost_cannot_be_led_elsewhere) {
    ck_assert_int_eq(host_cannot_be_rebound(text_of(hosts[_i].host)), hosts[_i].is_fixed);
}
END_TEST

Suite *host_suite(void) {
    Suite *suite = suite_create("host");
    TCase *tcase = tcase_create("host");
    tcase_add_loop_test(tcase, an_address_and_localhost_cannot_be_led_elsewhere, 0, ARRAY_LEN(hosts));
    suite_add_tcase(suite, tcase);
    return suite;
}
