#include "jwtd/auth_events.h"
#include "jwtd/macros.h"
#include "jwtd/refresh_token.h"
#include "jwtd/routes.h"

#include "src/api/steps.h"
#include "src/http/router.h"
#include "src/http/target.h"

#include <check.h>
#include <string.h>

Suite *routes_suite(void);

START_TEST(every_row_says_who_may_call_and_what_is_done) {
    ck_assert(routes_are_sound(routes, routes_count));
    for (size_t i = 0; i < routes_count; i++) {
        ck_assert_msg(routes[i].access != ACCESS_UNSET, "%s", routes[i].path);
        ck_assert_msg(routes[i].summary != NULL, "%s", routes[i].path);
        ck_assert_int_eq(routes[i].path[0], '/');
        for (size_t j = 0; j < i; j++)
            ck_assert(routes[i].method != routes[j].method || strcmp(routes[i].path, routes[j].path) != 0);
    }
}
END_TEST

static enum step_result unused_step(struct request *request) {
    (void)request;
    return STEP_DONE;
}

static enum step_result unused_question(struct request *request, struct db_query *query) {
    (void)request;
    (void)query;
    return STEP_DONE;
}

static const struct step on_dispatch = { "x", ON_DISPATCH, .run = unused_step };
static const struct step without_a_question = { "x", ON_DATABASE, .run = unused_step };
static const struct step without_a_half_for_a_failure = { "x", ON_DATABASE, .ask = unused_question, .may_fail = true };
static const struct step with_a_question_elsewhere = { "x", ON_HTTP, .run = unused_step, .ask = unused_question };
static const struct step without_anything_to_run = { "x", ON_HTTP, .run = NULL };

static void without_method(struct route *row) {
    row->method = METHOD_UNSET;
}

static void without_path(struct route *row) {
    row->path = NULL;
}

static void with_a_relative_path(struct route *row) {
    row->path = "a";
}

static void with_more_ids_than_a_request_keeps(struct route *row) {
    row->path = "/{a}/{b}/{c}";
}

static void with_a_wildcard_in_the_middle(struct route *row) {
    row->path = "/a/*/b";
}

static void without_summary(struct route *row) {
    row->summary = NULL;
}

static void without_a_name(struct route *row) {
    row->name = NULL;
}

static void without_a_group(struct route *row) {
    row->group = GROUP_UNSET;
}

static void with_a_parameter_that_nobody_explains(struct route *row) {
    row->query[0] = (struct query_parameter){ .name = "x", .max_len = 1, .example = "x" };
}

static void with_a_header_that_nobody_explains(struct route *row) {
    row->headers[0] = "X-Unknown";
}

static void with_a_field_that_nobody_explains(struct route *row) {
    static const struct field field = { .name = "x", .type = FIELD_BOOLEAN };
    static const struct body_schema body = { &field, 1, false, sizeof(bool), "Body" };
    row->body = &body;
}

static void with_a_text_field_without_an_example(struct route *row) {
    static const struct field field = { .name = "x", .type = FIELD_TEXT, .max_len = 1, .description = "x" };
    static const struct body_schema body = { &field, 1, false, sizeof(struct text), "Body" };
    row->body = &body;
}

static void with_a_body_without_a_name(struct route *row) {
    static const struct field field = { .name = "x", .type = FIELD_BOOLEAN, .description = "x" };
    static const struct body_schema body = { &field, 1, false, sizeof(bool), NULL };
    row->body = &body;
}

static void reply_with(struct route *row, const struct reply_schema *schema) {
    row->replies[0] = (struct route_reply){ .http_status = 200, .schema = schema };
}

static void with_a_reply_without_a_name(struct route *row) {
    static const struct reply_member member = { .name = "x", .type = REPLY_BOOLEAN, .description = "x" };
    static const struct reply_schema schema = { &member, 1, NULL };
    reply_with(row, &schema);
}

static void with_a_member_that_nobody_explains(struct route *row) {
    static const struct reply_member member = { .name = "x", .type = REPLY_BOOLEAN };
    static const struct reply_schema schema = { &member, 1, "Reply" };
    reply_with(row, &schema);
}

static void with_a_member_without_an_example(struct route *row) {
    static const struct reply_member member = { .name = "x", .type = REPLY_STRING, .description = "x" };
    static const struct reply_schema schema = { &member, 1, "Reply" };
    reply_with(row, &schema);
}

static void with_a_member_of_a_format_that_nobody_knows(struct route *row) {
    static const struct reply_member member = {
        .name = "x", .type = REPLY_STRING, .description = "x", .example = "x", .format = "uid"
    };
    static const struct reply_schema schema = { &member, 1, "Reply" };
    reply_with(row, &schema);
}

static void with_a_member_of_a_member_that_nobody_explains(struct route *row) {
    static const struct reply_member inner_member = { .name = "x", .type = REPLY_BOOLEAN };
    static const struct reply_schema inner = { &inner_member, 1, "Inner" };
    static const struct reply_member member = { .name = "x", .type = REPLY_OBJECT, .description = "x", .schema = &inner };
    static const struct reply_schema schema = { &member, 1, "Reply" };
    reply_with(row, &schema);
}

static void with_a_header_of_a_reply_that_nobody_explains(struct route *row) {
    row->replies[0].headers[0] = "X-Unknown";
}

static void without_access(struct route *row) {
    row->access = ACCESS_UNSET;
}

static void with_a_role_without_a_token(struct route *row) {
    row->role = "admin";
}

static void without_limit(struct route *row) {
    row->limit = LIMIT_UNSET;
}

static void with_the_limit_of_services_for_others(struct route *row) {
    row->limit = LIMIT_SERVICE;
}

static void for_services_with_the_limit_of_others(struct route *row) {
    row->access = ACCESS_SERVICE;
}

static void with_a_format_without_a_schema(struct route *row) {
    row->body = NULL;
}

static void with_a_schema_without_a_format(struct route *row) {
    row->body_format = BODY_NONE;
}

static void with_more_fields_than_a_body_can_have(struct route *row) {
    static struct body_schema body;
    body = *row->body;
    body.count = BODY_FIELDS_MAX + 1;
    row->body = &body;
}

static void with_a_form_that_has_no_text(struct route *row) {
    static const struct field field = { .name = "x", .type = FIELD_BOOLEAN };
    static const struct body_schema body = { &field, 1, false, sizeof(bool), "Body" };
    row->body_format = BODY_FORM;
    row->body = &body;
}

static void without_steps(struct route *row) {
    row->steps[0] = NULL;
}

static void with_a_step_of_the_pipeline(struct route *row) {
    row->steps[0] = &on_dispatch;
}

static void with_a_step_on_the_database_that_asks_nothing(struct route *row) {
    row->steps[0] = &without_a_question;
}

static void with_a_step_that_may_fail_unseen(struct route *row) {
    row->steps[0] = &without_a_half_for_a_failure;
}

static void with_a_step_that_asks_on_another_executor(struct route *row) {
    row->steps[0] = &with_a_question_elsewhere;
}

static void with_a_step_without_a_function(struct route *row) {
    row->steps[0] = &without_anything_to_run;
}

static void without_a_word_on_repetition(struct route *row) {
    row->headers[0] = NULL;
    row->replay[0] = NULL;
}

static void with_a_key_though_it_may_be_repeated_without(struct route *row) {
    row->is_repeatable = true;
}

static void without_a_way_to_make_its_reply_again(struct route *row) {
    row->replay[0] = NULL;
}

static void with_a_way_to_make_a_reply_again_that_is_never_asked_for(struct route *row) {
    row->headers[0] = NULL;
    row->is_repeatable = true;
}

static void without_replies(struct route *row) {
    row->replies[0].http_status = 0;
}

static void for_operators_though_it_waits_for_an_executor(struct route *row) {
    row->listener = LISTENER_BOTH;
}

static void (*const damages[])(struct route *row) = {
    without_method,
    without_path,
    with_a_relative_path,
    with_more_ids_than_a_request_keeps,
    with_a_wildcard_in_the_middle,
    without_summary,
    without_a_name,
    without_a_group,
    with_a_parameter_that_nobody_explains,
    with_a_header_that_nobody_explains,
    with_a_field_that_nobody_explains,
    with_a_text_field_without_an_example,
    with_a_body_without_a_name,
    with_a_reply_without_a_name,
    with_a_member_that_nobody_explains,
    with_a_member_without_an_example,
    with_a_member_of_a_format_that_nobody_knows,
    with_a_member_of_a_member_that_nobody_explains,
    with_a_header_of_a_reply_that_nobody_explains,
    without_access,
    with_a_role_without_a_token,
    without_limit,
    with_the_limit_of_services_for_others,
    for_services_with_the_limit_of_others,
    with_a_format_without_a_schema,
    with_a_schema_without_a_format,
    with_more_fields_than_a_body_can_have,
    with_a_form_that_has_no_text,
    without_steps,
    with_a_step_of_the_pipeline,
    with_a_step_on_the_database_that_asks_nothing,
    with_a_step_that_may_fail_unseen,
    with_a_step_that_asks_on_another_executor,
    with_a_step_without_a_function,
    without_a_word_on_repetition,
    with_a_key_though_it_may_be_repeated_without,
    without_a_way_to_make_its_reply_again,
    with_a_way_to_make_a_reply_again_that_is_never_asked_for,
    without_replies,
    for_operators_though_it_waits_for_an_executor,
};

START_TEST(a_row_that_says_too_little_or_too_much_does_not_start) {
    struct route row = routes[0];
    ck_assert(routes_are_sound(&row, 1));
    damages[_i](&row);
    ck_assert(!routes_are_sound(&row, 1));
}
END_TEST

START_TEST(two_rows_for_the_same_request_do_not_start) {
    const struct route rows[] = { routes[0], routes[1], routes[0] };
    ck_assert(routes_are_sound(rows, 2));
    ck_assert(!routes_are_sound(rows, 3));
}
END_TEST

START_TEST(two_rows_of_one_name_do_not_start) {
    struct route rows[] = { routes[0], routes[1] };
    rows[1].name = rows[0].name;
    ck_assert(!routes_are_sound(rows, 2));
}
END_TEST

START_TEST(what_proxies_and_probes_ask_is_never_limited) {
    for (size_t i = 0; i < routes_count; i++) {
        const char *path = routes[i].path;
        bool is_open = routes[i].listener != LISTENER_PUBLIC ||
                       (strncmp(path, "/auth/", 6) != 0 && strncmp(path, "/users", 6) != 0) ||
                       strncmp(path, "/auth/verify", 12) == 0;
        ck_assert_msg(is_open == (routes[i].limit == LIMIT_NONE), "%s", path);
    }
}
END_TEST

/* What its reply to the first request was, a client that has lost it finds out by sending it again. */
START_TEST(every_request_that_changes_something_may_be_sent_again) {
    for (size_t i = 0; i < routes_count; i++) {
        enum method method = routes[i].method;
        bool may_change = method == METHOD_POST || method == METHOD_PATCH || method == METHOD_DELETE;
        ck_assert_msg(may_change == (routes[i].is_repeatable || route_takes_key(&routes[i])), "%s", routes[i].path);
    }
}
END_TEST

static bool takes_a_password(const struct route *route) {
    for (size_t i = 0; route->body != NULL && i < route->body->count; i++)
        if (route->body->fields[i].type == FIELD_PASSWORD || route->body->fields[i].type == FIELD_NEW_PASSWORD)
            return true;
    return false;
}

static bool has_a_step_that_hashes(const struct route *route) {
    for (size_t i = 0; i < ROUTE_STEPS_MAX && route->steps[i] != NULL; i++)
        if (route->steps[i]->executor == ON_CRYPTO)
            return true;
    return false;
}

/* That hashing happens nowhere else: tests/service/test_hashing_threads.c. */
START_TEST(a_route_that_takes_a_password_and_no_other_has_a_step_on_a_thread_that_hashes) {
    for (size_t i = 0; i < routes_count; i++)
        ck_assert_msg(takes_a_password(&routes[i]) == has_a_step_that_hashes(&routes[i]), "%s", routes[i].path);
}
END_TEST

START_TEST(every_field_lies_inside_its_scratch) {
    for (size_t i = 0; i < routes_count; i++) {
        const struct body_schema *body = routes[i].body;
        for (size_t f = 0; body != NULL && f < body->count; f++) {
            enum field_type type = body->fields[f].type;
            size_t size = type == FIELD_BOOLEAN ? sizeof(bool)
                          : type == FIELD_FLAG  ? sizeof(enum field_flag)
                                                : sizeof(struct text);
            ck_assert_uint_le(body->fields[f].offset + size, body->scratch_size);
            ck_assert(body->fields[f].type != FIELD_TEXT || body->fields[f].max_len > 0);
        }
    }
}
END_TEST

/* What a reader copies from the document has the form that the service takes. */
START_TEST(examples_of_tokens_and_cursors_have_their_form) {
    ck_assert_uint_eq(strlen(EXAMPLE_REFRESH_TOKEN), REFRESH_TOKEN_LEN);
    ck_assert_int_eq(strncmp(EXAMPLE_REFRESH_TOKEN, "jr2_", 4), 0);
    ck_assert(auth_events_cursor_is_valid(text_of(EXAMPLE_EVENTS_CURSOR)));
}
END_TEST

static const struct {
    const char *target;
    const char *path; /* NULL: the target makes no sense */
} targets[] = {
    { "/auth/me", "/auth/me" },
    { "/auth/me?x=%00", "/auth/me" },
    { "/", "/" },
    { "http://host/auth/me", "/auth/me" },
    { "https://host:1/x?y", "/x" },
    { "http://x/health/live?z=/y", "/health/live" },
    { "http://[2001:db8::1]:8080/x", "/x" },
    { "http://host", NULL },
    { "http://x?y=/health/live", NULL }, /* the authority ends here, and no path follows */
    { "http://x#/health/live", NULL },
    { "http:///health/live", NULL },
    { "http://x@y/health/live", NULL },
    { "http://x:\\evil/health/live", NULL },
    { "http://x?/health/live?z", NULL },
    { "auth/me", NULL },
    { "*", NULL },
    { "", NULL },
    { "/a b", NULL },
    { "/a\x7f", NULL },
    { "/a\xc3\xa9", NULL },
    { "/auth/%6de", "/auth/%6de" },
};

START_TEST(the_path_of_a_target_is_taken_as_it_was_sent) {
    struct arena arena;
    arena_init(&arena, 1 << 16);
    char *path;
    enum status status = target_path(&arena, targets[_i].target, &path);
    ck_assert_int_eq(status, targets[_i].path != NULL ? STATUS_OK : STATUS_BAD_REQUEST);
    if (targets[_i].path == NULL)
        ck_assert_ptr_null(path);
    else
        ck_assert_str_eq(path, targets[_i].path);
    arena_fini(&arena);
}
END_TEST

/* That it is sent so often as is parsed here: a_heartbeat_says_how_old_the_knowledge_is_and_moves_the_cursor. */
START_TEST(a_follower_is_sent_a_comment_every_15_seconds_unless_it_wants_more) {
    static const struct {
        const char *value;
        int64_t seconds; /* 0: refused */
    } heartbeats[] = { { NULL, 15 }, { "15", 15 }, { "1", 1 }, { "0", 0 }, { "16", 0 }, { "", 0 } };
    for (size_t i = 0; i < ARRAY_LEN(heartbeats); i++) {
        int64_t us = 0;
        bool is_good = revocations_parse_heartbeat(text_of(heartbeats[i].value), &us);
        ck_assert(is_good == (heartbeats[i].seconds > 0));
        ck_assert(!is_good || us == heartbeats[i].seconds * INT64_C(1000000));
    }
}
END_TEST

Suite *routes_suite(void) {
    Suite *suite = suite_create("routes");
    TCase *tcase = tcase_create("routes");
    tcase_add_test(tcase, every_row_says_who_may_call_and_what_is_done);
    tcase_add_loop_test(tcase, a_row_that_says_too_little_or_too_much_does_not_start, 0, (int)ARRAY_LEN(damages));
    tcase_add_test(tcase, two_rows_for_the_same_request_do_not_start);
    tcase_add_test(tcase, two_rows_of_one_name_do_not_start);
    tcase_add_test(tcase, what_proxies_and_probes_ask_is_never_limited);
    tcase_add_test(tcase, every_request_that_changes_something_may_be_sent_again);
    tcase_add_test(tcase, a_route_that_takes_a_password_and_no_other_has_a_step_on_a_thread_that_hashes);
    tcase_add_test(tcase, a_follower_is_sent_a_comment_every_15_seconds_unless_it_wants_more);
    tcase_add_test(tcase, every_field_lies_inside_its_scratch);
    tcase_add_test(tcase, examples_of_tokens_and_cursors_have_their_form);
    tcase_add_loop_test(tcase, the_path_of_a_target_is_taken_as_it_was_sent, 0, (int)ARRAY_LEN(targets));
    suite_add_tcase(suite, tcase);
    return suite;
}
