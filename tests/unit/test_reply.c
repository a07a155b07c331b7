#include "exchange_fixture.h"

#include "jwtd/macros.h"
#include "jwtd/reply.h"

#include <signal.h>
#include <stdio.h>

Suite *reply_suite(void);

static const struct fixture_header no_headers[] = { { NULL, NULL } };
static struct exchange_fixture *fixture;
static struct request *request;
static const struct reply *reply;

static void set_up(void) {
    fixture = exchange_fixture_create(no_headers);
    request = &fixture->exchange.request;
    reply = &fixture->exchange.reply;
}

static void tear_down(void) {
    exchange_fixture_destroy(fixture);
}

static const char *find_in(const struct header_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->fields[i].name, name) == 0)
            return list->fields[i].value;
    return NULL;
}

static const char *header_of_reply(const char *name) {
    return find_in(&reply->headers, name);
}

static bool body_has(const char *code) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"code\":\"%s\"", code);
    return memmem(reply->body.bytes, reply->body.len, wanted, strlen(wanted)) != NULL;
}

/* From here on the arena has `left` bytes, and no request can be answered that needs more. */
static void leave_memory(size_t left) {
    arena_fini(&fixture->exchange.arena);
    arena_init(&fixture->exchange.arena, left);
}

static void expect_out_of_memory(void) {
    ck_assert_uint_eq(reply->http_status, 503);
    ck_assert_str_eq(reply->content_type, "application/problem+json");
    ck_assert(body_has("out_of_memory"));
    ck_assert_str_eq(header_of_reply("Retry-After"), "1");
    ck_assert_uint_eq(reply->headers.count, 1);
}

START_TEST(a_problem_says_what_the_table_of_statuses_says) {
    const struct status_info *info = status_info((enum status)_i);
    ck_assert_int_eq(reply_problem(request, (enum status)_i), STEP_DONE);
    ck_assert_uint_eq(reply->http_status, info->http);
    ck_assert_str_eq(reply->content_type, "application/problem+json");
    ck_assert(body_has(info->name));
    ck_assert_int_eq(header_of_reply("WWW-Authenticate") != NULL, info->http == 401 || _i == STATUS_INSUFFICIENT_SCOPE);
    ck_assert_int_eq(header_of_reply("Retry-After") != NULL, info->retry_later);
    ck_assert_int_eq(reply->retry_after_us > 0, info->retry_later);
}
END_TEST

static const struct {
    int64_t us;
    const char *value;
    int64_t seconds;
} times[] = {
    { -1, "1", 1 },
    { 0, "1", 1 },
    { 1, "1", 1 },
    { 1000000, "1", 1 },
    { 1000001, "2", 2 },
    { 59999999, "60", 60 },
    { 3600000000, "3600", 3600 },
};

START_TEST(the_time_to_wait_is_said_in_whole_seconds_rounded_up) {
    reply_retry_later(request, STATUS_OVERLOADED, times[_i].us);
    ck_assert_str_eq(header_of_reply("Retry-After"), times[_i].value);
    ck_assert_int_eq(reply->retry_after_us, times[_i].seconds * 1000000);
}
END_TEST

START_TEST(a_second_reply_carries_nothing_of_the_first) {
    reply_retry_later(request, STATUS_OVERLOADED, 5000000);
    ck_assert_int_eq(reply_header(request, "Location", "/auth/me"), STATUS_OK);
    reply_empty(request, 204);
    ck_assert_uint_eq(reply->http_status, 204);
    ck_assert_uint_eq(reply->headers.count, 0);
    ck_assert_ptr_null(reply->content_type);
    ck_assert_ptr_null(reply->body.bytes);
    ck_assert_int_eq(reply->retry_after_us, 0);
}
END_TEST

START_TEST(what_every_reply_carries_stays_with_the_second) {
    ck_assert_int_eq(header_list_add(&fixture->exchange.common_headers, "Vary", "Origin"), STATUS_OK);
    reply_empty(request, 204);
    reply_problem(request, STATUS_INTERNAL);
    ck_assert_str_eq(find_in(&fixture->exchange.common_headers, "Vary"), "Origin");
}
END_TEST

static void create_something(void) {
    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_member_string(&writer, "id", "0196a1b2-0000-7000-8000-000000000000");
    json_end_object(&writer);
    reply_json_with_header(request, 201, &writer, "Location", "/auth/me");
}

static void be_limited(void) {
    struct limit_decision decision = {
        .is_limited = true, .name = "login", .quota = 10, .window_us = 60000000, .reset_us = 60000000, .retry_after_us = 6000000
    };
    reply_limited(request, STATUS_ACCOUNT_LOCKED, &decision);
}

/* Else who waits for one bucket comes back to be refused by the other. */
START_TEST(retry_after_is_the_later_of_a_lock_and_the_empty_bucket_of_the_route) {
    static const struct {
        int64_t refill_us;
        const char *value;
    } cases[] = { { 0, "6" }, { 2000000, "6" }, { 6000000, "6" }, { 66000000, "66" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture->exchange.refill_us = cases[i].refill_us;
        be_limited();
        ck_assert_str_eq(header_of_reply("Retry-After"), cases[i].value);
    }
}
END_TEST

static void show_a_token_is_missing(void) {
    reply_problem(request, STATUS_MISSING_TOKEN);
}

/* As verify.c does it. */
static void answer_with_headers(void) {
    reply_empty(request, 200);
    enum status status = reply_header(request, "X-Auth-Subject", "0196a1b2-0000-7000-8000-000000000000");
    if (status == STATUS_OK)
        status = reply_header(request, "X-Auth-Roles", "admin");
    if (status != STATUS_OK)
        reply_problem(request, status);
}

static const struct {
    void (*answer)(void);
    unsigned http_status;
    const char *headers[4];
} wholes[] = {
    { create_something, 201, { "Location" } },
    { be_limited, 429, { "Retry-After", "RateLimit-Policy", "RateLimit" } },
    { show_a_token_is_missing, 401, { "WWW-Authenticate" } },
    { answer_with_headers, 200, { "X-Auth-Subject", "X-Auth-Roles" } },
};

/* However little memory is left. */
START_TEST(a_reply_is_sent_whole_or_is_503_without_a_header_of_the_first) {
    unsigned whole = 0, out_of_memory = 0;
    for (size_t left = 0; left <= 4096; left += 16) {
        leave_memory(left);
        wholes[_i].answer();
        if (reply->http_status != wholes[_i].http_status) {
            expect_out_of_memory();
            out_of_memory++;
            continue;
        }
        size_t wanted = 0;
        while (wanted < 4 && wholes[_i].headers[wanted] != NULL)
            ck_assert_ptr_nonnull(header_of_reply(wholes[_i].headers[wanted++]));
        ck_assert_uint_eq(reply->headers.count, wanted);
        whole++;
    }
    ck_assert_uint_gt(whole, 0);
    ck_assert_uint_gt(out_of_memory, 0);
}
END_TEST

static const struct {
    const char *value;
    enum status status;
    const char *sent;
} values[] = {
    { "admin,editor", STATUS_OK, "admin,editor" },
    { "", STATUS_OK, " " }, /* the same on the wire */
    { "a\r\nSet-Cookie: b", STATUS_INTERNAL, NULL },
    { "k\xc3\xb6ln", STATUS_INTERNAL, NULL },
    { "a\x7f", STATUS_INTERNAL, NULL },
};

START_TEST(a_header_has_visible_ascii_or_is_not_written) {
    reply_empty(request, 200);
    ck_assert_int_eq(reply_header(request, "X-Test", values[_i].value), values[_i].status);
    if (values[_i].sent == NULL)
        ck_assert_ptr_null(header_of_reply("X-Test"));
    else
        ck_assert_str_eq(header_of_reply("X-Test"), values[_i].sent);
}
END_TEST

START_TEST(one_header_too_many_is_not_written_in_silence) {
    reply_empty(request, 200);
    for (int i = 0; i < HEADER_LIST_MAX; i++)
        ck_assert_int_eq(reply_header(request, "X-Test", "x"), STATUS_OK);
    ck_assert_int_eq(reply_header(request, "X-Test", "x"), STATUS_INTERNAL);
}
END_TEST

START_TEST(a_header_is_never_written_before_its_reply) {
    (void)!reply_header(request, "X-Test", "x");
}
END_TEST

START_TEST(an_invalid_body_names_each_field) {
    static const struct field_problem problems[] = {
        { .pointer = "/email", .violation = VIOLATION_REQUIRED, .detail = "email is missing" },
        { .pointer = "/password", .violation = VIOLATION_TOO_SHORT, .detail = "password must not be empty", .min = 1 },
    };
    static const char errors[] =
        "\"errors\":[{\"pointer\":\"/email\",\"code\":\"required\",\"detail\":\"email is missing\"},"
        "{\"pointer\":\"/password\",\"code\":\"too_short\",\"detail\":\"password must not be empty\",\"min\":1}]";
    reply_invalid_fields(request, problems, ARRAY_LEN(problems));
    ck_assert_uint_eq(reply->http_status, 422);
    ck_assert_ptr_nonnull(memmem(reply->body.bytes, reply->body.len, errors, strlen(errors)));
}
END_TEST

Suite *reply_suite(void) {
    Suite *suite = suite_create("reply");
    TCase *tcase = tcase_create("reply");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, retry_after_is_the_later_of_a_lock_and_the_empty_bucket_of_the_route);
    tcase_add_loop_test(tcase, a_problem_says_what_the_table_of_statuses_says, STATUS_OK + 1, STATUS_COUNT);
    tcase_add_loop_test(tcase, the_time_to_wait_is_said_in_whole_seconds_rounded_up, 0, (int)ARRAY_LEN(times));
    tcase_add_test(tcase, a_second_reply_carries_nothing_of_the_first);
    tcase_add_test(tcase, what_every_reply_carries_stays_with_the_second);
    tcase_add_loop_test(tcase, a_reply_is_sent_whole_or_is_503_without_a_header_of_the_first, 0, (int)ARRAY_LEN(wholes));
    tcase_add_loop_test(tcase, a_header_has_visible_ascii_or_is_not_written, 0, (int)ARRAY_LEN(values));
    tcase_add_test(tcase, one_header_too_many_is_not_written_in_silence);
    tcase_add_test_raise_signal(tcase, a_header_is_never_written_before_its_reply, SIGABRT);
    tcase_add_test(tcase, an_invalid_body_names_each_field);
    suite_add_tcase(suite, tcase);
    return suite;
}
