#include "src/http/direct_reply.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *direct_reply_suite(void);

/* Also that each fits. */
START_TEST(a_reply_past_the_library_is_whole_and_closes) {
    char text[DIRECT_REPLY_SIZE], line[64], code[64];
    const struct status_info *info = status_info((enum status)_i);
    size_t len = direct_reply_write(text, (enum status)_i, false);
    ck_assert_uint_eq(len, strlen(text));
    snprintf(line, sizeof line, "HTTP/1.1 %u ", info->http);
    snprintf(code, sizeof code, "\"code\":\"%s\"", info->name);
    ck_assert_int_eq(strncmp(text, line, strlen(line)), 0);
    ck_assert_ptr_nonnull(strstr(text, "\r\nConnection: close\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "\r\nAccess-Control-Allow-Origin: *\r\n"));
    ck_assert_int_eq(strstr(text, "\r\nRetry-After: ") != NULL, info->retry_later);
    const char *body = strstr(text, "\r\n\r\n") + 4, *length = strstr(text, "\r\nContent-Length: ");
    ck_assert_ptr_nonnull(length);
    ck_assert_uint_eq(strtoul(length + strlen("\r\nContent-Length: "), NULL, 10), strlen(body));
    ck_assert_ptr_nonnull(strstr(body, code));
}
END_TEST

START_TEST(the_reply_to_head_is_the_same_without_the_body) {
    char whole[DIRECT_REPLY_SIZE], head[DIRECT_REPLY_SIZE];
    direct_reply_write(whole, STATUS_REQUEST_TIMEOUT, false);
    size_t len = direct_reply_write(head, STATUS_REQUEST_TIMEOUT, true);
    ck_assert_int_eq(strncmp(whole, head, len), 0);
    ck_assert_str_eq(head + len - 4, "\r\n\r\n");
}
END_TEST

Suite *direct_reply_suite(void) {
    Suite *suite = suite_create("direct_reply");
    TCase *tcase = tcase_create("direct_reply");
    tcase_add_loop_test(tcase, a_reply_past_the_library_is_whole_and_closes, STATUS_OK + 1, STATUS_COUNT);
    tcase_add_test(tcase, the_reply_to_head_is_the_same_without_the_body);
    suite_add_tcase(suite, tcase);
    return suite;
}
