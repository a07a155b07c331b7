/* What an Idempotency-Key is bound to, and which steps a request runs because of it; without libmicrohttpd and the database. */
#include "exchange_fixture.h"

#include "src/http/idempotency.h"

#include "jwtd/macros.h"
#include "jwtd/reply.h"

#include <sodium.h>
#include <stdio.h>

Suite *request_key_suite(void);

struct body {
    struct text email, password, note;
    bool all;
};

static const struct field fields[] = {
    FIELD(body, email, FIELD_EMAIL),
    FIELD(body, password, FIELD_PASSWORD),
    FIELD(body, note, FIELD_TEXT, .max_len = 100),
    FIELD(body, all, FIELD_BOOLEAN),
};
static const struct body_schema schema = { .fields = fields, .count = ARRAY_LEN(fields), .scratch_size = sizeof(struct body) };

static enum step_result unused(struct request *request) {
    (void)request;
    return STEP_DONE;
}
static const struct step step = { .name = "step", .executor = ON_HTTP, .run = unused };

static struct exchange_fixture *fixture;
static struct body body;
static char path[] = "/a", other_path[] = "/b";

static void send_headers(const char *key, const char *if_match) {
    static struct fixture_header headers[3];
    size_t count = 0;
    if (key != NULL)
        headers[count++] = (struct fixture_header){ "Idempotency-Key", key };
    if (if_match != NULL)
        headers[count++] = (struct fixture_header){ "If-Match", if_match };
    headers[count] = (struct fixture_header){ NULL, NULL };
    fixture->exchange.headers = fixture_headers(headers);
}

static void set_up(void) {
    fixture = exchange_fixture_create(&(struct fixture_header){ NULL, NULL });
    struct exchange *exchange = &fixture->exchange;
    body = (struct body){ .email = text_of("ada@example.org"), .password = text_of("secret"), .note = { NULL, 0 } };
    fixture->route.access = ACCESS_BEARER;
    fixture->route.headers[0] = "Idempotency-Key";
    fixture->route.body = &schema;
    fixture->route.steps[0] = &step;
    fixture->route.replies[0].http_status = 204;
    exchange->method = "PATCH";
    exchange->path = path;
    exchange->request.scratch = &body;
    exchange->request.has_claims = true;
    send_headers("key", NULL);
}

static void tear_down(void) {
    exchange_fixture_destroy(fixture);
}

/* ---- the header ---- */

static const struct {
    const char *key;
    bool is_one;
} keys[] = {
    { NULL, true },           { "k", true },      { "!~\"\\", true }, { "", false }, { "a key", false },
    { "caf\xc3\xa9", false }, { "a\x7f", false },
};

START_TEST(a_key_is_visible_ascii) {
    send_headers(keys[_i].key, NULL);
    ck_assert_int_eq(idempotency_check(&fixture->exchange), keys[_i].is_one ? STATUS_OK : STATUS_INVALID_HEADER);
    fixture->route.headers[0] = NULL; /* a route that takes none does not read it */
    ck_assert_int_eq(idempotency_check(&fixture->exchange), STATUS_OK);
}
END_TEST

START_TEST(a_key_has_up_to_255_characters) {
    static char key[257]; /* the request keeps its address */
    for (size_t len = 255; len <= 256; len++) {
        memset(key, 'k', len);
        key[len] = '\0';
        send_headers(key, NULL);
        ck_assert_int_eq(idempotency_check(&fixture->exchange), len == 255 ? STATUS_OK : STATUS_INVALID_HEADER);
    }
}
END_TEST

/* ---- what it is bound to ---- */

struct bound {
    char digest[80], fingerprint[80];
};

static struct bound bind_to(const char *kind, const char *owner) {
    struct bound bound;
    ck_assert_int_eq(request_bind_key(&fixture->exchange.request, kind, text_of(owner)), STATUS_OK);
    snprintf(bound.digest, sizeof bound.digest, "%s", fixture->exchange.request.key.digest);
    snprintf(bound.fingerprint, sizeof bound.fingerprint, "%s", fixture->exchange.request.key.fingerprint);
    ck_assert_uint_eq(strlen(bound.digest), 64);
    ck_assert_uint_eq(strlen(bound.fingerprint), 64);
    return bound;
}

START_TEST(a_key_is_bound_to_its_owner) {
    struct bound bound = bind_to("user", "1");
    ck_assert_str_eq(bound.digest, bind_to("user", "1").digest);
    ck_assert_str_ne(bound.digest, bind_to("user", "2").digest);
    ck_assert_str_ne(bound.digest, bind_to("email", "1").digest);
    ck_assert_str_ne(bound.digest, bind_to("use", "r1").digest);
    send_headers("other", NULL);
    ck_assert_str_ne(bound.digest, bind_to("user", "1").digest);
}
END_TEST

static void nothing(void) {
}

static void another_method(void) {
    fixture->exchange.method = "POST";
}

static void another_path(void) {
    fixture->exchange.path = other_path;
}

static void another_version(void) {
    send_headers("key", "\"7\"");
}

static void another_address(void) {
    body.email = text_of("grace@example.org");
}

static void an_empty_text(void) {
    body.note = text_of("");
}

static void a_text(void) {
    body.note = text_of("note");
}

static void a_flag(void) {
    body.all = true;
}

static void another_password(void) {
    body.password = text_of("another secret");
}

static void no_password(void) {
    body.password = (struct text){ NULL, 0 };
}

static void another_key(void) {
    send_headers("other", NULL);
}

static const struct {
    void (*differ)(void);
    bool is_same_request;
} differences[] = {
    { nothing, true },          { another_method, false },  { another_path, false },
    { another_version, false }, { another_address, false }, { an_empty_text, false },
    { a_text, false },          { a_flag, false },          { another_password, true }, /* a digest of one could be guessed at */
    { no_password, false },     { another_key, false },                                 /* the fingerprint is keyed with it */
};

START_TEST(a_request_is_the_same_with_the_same_method_path_and_body_but_for_passwords) {
    struct bound first = bind_to("user", "1");
    differences[_i].differ();
    struct bound second = bind_to("user", "1");
    ck_assert_int_eq(strcmp(first.fingerprint, second.fingerprint) == 0, differences[_i].is_same_request);
}
END_TEST

static void add(crypto_generichash_state *state, const char *text) {
    uint64_t len = text != NULL ? strlen(text) : UINT64_MAX; /* little-endian, as the machine */
    crypto_generichash_update(state, (const unsigned char *)&len, sizeof len);
    if (text != NULL)
        crypto_generichash_update(state, (const unsigned char *)text, len);
}

/* A registration leaves the digest of its key, which the version before looks for, in the user's row (src/api/register.c).
 * Whoever has read the row must not be able to find the fingerprint of the request by guessing its fields. */
START_TEST(a_fingerprint_is_not_keyed_with_the_digest_that_a_registration_stores) {
    unsigned char stored[32], guessed[32];
    char text[65];
    crypto_generichash_state state;
    fixture->route.body = NULL;
    crypto_generichash(stored, sizeof stored, (const unsigned char *)"key", 3, NULL, 0);
    crypto_generichash_init(&state, stored, sizeof stored, sizeof guessed);
    add(&state, "PATCH");
    add(&state, path);
    add(&state, NULL);
    crypto_generichash_final(&state, guessed, sizeof guessed);
    ck_assert_str_ne(bind_to("user", "1").fingerprint, sodium_bin2hex(text, sizeof text, guessed, sizeof guessed));
}
END_TEST

/* ---- which steps run ---- */

static bool begins_with_route(void) {
    fixture->exchange.steps = NULL;
    idempotency_begin(&fixture->exchange);
    return fixture->exchange.steps == fixture->route.steps;
}

START_TEST(only_a_key_whose_owner_is_known_is_looked_up_first) {
    ck_assert(!begins_with_route());
    fixture->route.access = ACCESS_PUBLIC;
    ck_assert(begins_with_route());
    fixture->route.access = ACCESS_BEARER;
    fixture->route.headers[0] = NULL;
    ck_assert(begins_with_route());
}
END_TEST

START_TEST(a_request_without_a_key_runs_the_steps_of_its_route_and_no_others) {
    send_headers(NULL, NULL);
    ck_assert(begins_with_route());
    ck_assert_ptr_null(fixture->exchange.request.key.digest);
    reply_problem(&fixture->exchange.request, STATUS_EMAIL_TAKEN);
    fixture->exchange.is_admitted = true;
    ck_assert(!idempotency_set_aside(&fixture->exchange));
    ck_assert(!idempotency_go_on(&fixture->exchange));
}
END_TEST

static const struct {
    enum status refusal, query_status;
    bool is_admitted, is_set_aside;
} refusals[] = {
    { STATUS_EMAIL_TAKEN, STATUS_OK, true, true },
    { STATUS_INVALID_TOKEN, STATUS_OK, true, true },
    { STATUS_DEADLINE_EXCEEDED, STATUS_OK, true, true }, /* a row that has become stale */
    { STATUS_IDEMPOTENCY_IN_PROGRESS, STATUS_IDEMPOTENCY_IN_PROGRESS, true, true },
    { STATUS_DATABASE_UNAVAILABLE, STATUS_DATABASE_UNAVAILABLE, true, false },
    { STATUS_RATE_LIMITED, STATUS_OK, true, false },
    { STATUS_OVERLOADED, STATUS_OK, false, false },
};

START_TEST(what_may_have_been_done_already_is_looked_up_before_it_is_refused_and_once) {
    struct exchange *exchange = &fixture->exchange;
    exchange->steps = fixture->route.steps;
    bind_to("user", "1");
    reply_problem(&exchange->request, refusals[_i].refusal);
    exchange->request.query_status = refusals[_i].query_status;
    exchange->is_admitted = refusals[_i].is_admitted;
    ck_assert_int_eq(idempotency_set_aside(exchange), refusals[_i].is_set_aside);
    ck_assert_int_eq(reply_is_written(&exchange->reply), !refusals[_i].is_set_aside);
    if (!refusals[_i].is_set_aside)
        return;
    ck_assert_uint_eq(exchange->refusal->http_status, status_info(refusals[_i].refusal)->http);
    reply_problem(&exchange->request, STATUS_IDEMPOTENCY_KEY_REUSED);
    ck_assert(!idempotency_set_aside(exchange));
}
END_TEST

START_TEST(a_reply_that_is_no_refusal_is_sent) {
    fixture->exchange.steps = fixture->route.steps;
    bind_to("user", "1");
    fixture->exchange.is_admitted = true;
    reply_empty(&fixture->exchange.request, 204);
    ck_assert(!idempotency_set_aside(&fixture->exchange));
}
END_TEST

START_TEST(a_session_that_has_ended_may_ask_for_a_reply_without_a_body_only) {
    ck_assert(idempotency_admits_ended_session(&fixture->exchange));
    fixture->route.replay[0] = &step;
    ck_assert(!idempotency_admits_ended_session(&fixture->exchange));
    fixture->route.replay[0] = NULL;
    send_headers(NULL, NULL);
    ck_assert(!idempotency_admits_ended_session(&fixture->exchange));
}
END_TEST

Suite *request_key_suite(void) {
    Suite *suite = suite_create("request_key");
    TCase *tcase = tcase_create("request_key");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, a_key_is_visible_ascii, 0, (int)ARRAY_LEN(keys));
    tcase_add_test(tcase, a_key_has_up_to_255_characters);
    tcase_add_test(tcase, a_key_is_bound_to_its_owner);
    tcase_add_loop_test(tcase, a_request_is_the_same_with_the_same_method_path_and_body_but_for_passwords, 0,
                        (int)ARRAY_LEN(differences));
    tcase_add_test(tcase, a_fingerprint_is_not_keyed_with_the_digest_that_a_registration_stores);
    tcase_add_test(tcase, only_a_key_whose_owner_is_known_is_looked_up_first);
    tcase_add_test(tcase, a_request_without_a_key_runs_the_steps_of_its_route_and_no_others);
    tcase_add_loop_test(tcase, what_may_have_been_done_already_is_looked_up_before_it_is_refused_and_once, 0,
                        (int)ARRAY_LEN(refusals));
    tcase_add_test(tcase, a_reply_that_is_no_refusal_is_sent);
    tcase_add_test(tcase, a_session_that_has_ended_may_ask_for_a_reply_without_a_body_only);
    suite_add_tcase(suite, tcase);
    return suite;
}
