#include "exchange_fixture.h"
#include "token_fixture.h"

#include "src/http/bearer.h"

#include "jwtd/clock.h"
#include "jwtd/current_roles.h"
#include "jwtd/macros.h"
#include "jwtd/revoked_sessions.h"
#include "jwtd/verifier.h"

Suite *bearer_suite(void);

#define MAX_STALE_S 60
#define VALUE_SIZE (FIXTURE_TOKEN_SIZE + 32)

static const struct uuid user_id = { .bytes = { 1 } }, live_session = { .bytes = { 2 } }, ended_session = { .bytes = { 3 } };

static struct keyring *ring;
static struct exchange_fixture *fixture;
static char value[VALUE_SIZE];

static void read_revocations_before(int64_t seconds) {
    revoked_sessions_set_read(fixture->services.revoked, clock_monotonic_us() - seconds * CLOCK_US_PER_S);
}

static void read_keys_before(int64_t seconds) {
    revoked_keys_set_read(fixture->services.revoked_keys, clock_monotonic_us() - seconds * CLOCK_US_PER_S);
}

static void set_up(void) {
    ring = fixture_keyring();
    fixture = exchange_fixture_create(&(struct fixture_header){ NULL, NULL });
    fixture->snapshot.verifier = verifier_create(ring, &fixture_rules);
    fixture->services.revoked = revoked_sessions_create(FIXTURE_TTL);
    fixture->services.roles = current_roles_create(FIXTURE_TTL);
    fixture->services.revoked_keys = revoked_keys_create();
    ck_assert_ptr_nonnull(fixture->services.revoked_keys);
    read_keys_before(0);
    fixture->snapshot.config.token.max_stale_ms = MAX_STALE_S * 1000;
    read_revocations_before(0);
    current_roles_set_ready(fixture->services.roles);
    ck_assert_int_eq(revoked_sessions_add(fixture->services.revoked, &ended_session, clock_retention_s()), STATUS_OK);
}

static void tear_down(void) {
    revoked_keys_destroy(fixture->services.revoked_keys);
    current_roles_destroy(fixture->services.roles);
    revoked_sessions_destroy(fixture->services.revoked);
    verifier_destroy(fixture->snapshot.verifier);
    exchange_fixture_destroy(fixture);
    keyring_destroy(ring);
}

enum sent { NOTHING, ANOTHER_SCHEME, EMPTY, GARBAGE, OF_AN_ENDED_SESSION, GOOD, GOOD_AMONG_BLANKS, SENT_COUNT };

static void authorize(const char *before, struct text token, const char *behind) {
    snprintf(value, sizeof value, "%s%.*s%s", before, (int)token.len, token.bytes, behind);
    fixture->exchange.headers = fixture_headers((const struct fixture_header[]){ { "authorization", value }, { NULL, NULL } });
}

static struct text sign(const struct uuid *session_id) {
    struct text token;
    ck_assert_int_eq(access_token_create(&fixture->exchange.arena, ring, &fixture_rules, &user_id, session_id,
                                         text_of("[\"admin\"]"), clock_wall_s(), &token),
                     STATUS_OK);
    return token;
}

static void send_token(enum sent sent) {
    switch (sent) {
    case NOTHING:
    case SENT_COUNT:
        return;
    case ANOTHER_SCHEME:
        return authorize("Basic ", text_of("YTpi"), "");
    case EMPTY:
        return authorize("Bearer ", text_of(""), "");
    case GARBAGE:
        return authorize("Bearer ", text_of("garbage"), "");
    case OF_AN_ENDED_SESSION:
        return authorize("Bearer ", sign(&ended_session), "");
    case GOOD:
        return authorize("Bearer ", sign(&live_session), "");
    case GOOD_AMONG_BLANKS:
        return authorize("bEARER   ", sign(&live_session), " \t");
    }
}

static const struct {
    enum access access;
    const char *name;
    enum status status[SENT_COUNT];
} accesses[] = {
    { ACCESS_PUBLIC, "public", { [NOTHING] = STATUS_OK } /* whatever is sent */ },
    { ACCESS_BEARER,
      "bearer",
      { STATUS_MISSING_TOKEN, STATUS_MISSING_TOKEN, STATUS_INVALID_TOKEN, STATUS_INVALID_TOKEN, STATUS_INVALID_TOKEN, STATUS_OK,
        STATUS_OK } },
    { ACCESS_OPTIONAL_BEARER,
      "optional bearer",
      { STATUS_OK, STATUS_OK, STATUS_INVALID_TOKEN, STATUS_INVALID_TOKEN, STATUS_INVALID_TOKEN, STATUS_OK, STATUS_OK } },
    { ACCESS_BEARER_OR_BODY, "bearer or body", { [NOTHING] = STATUS_OK } /* the steps decide */ },
};

START_TEST(each_access_refuses_what_its_header_says) {
    fixture->route.access = accesses[_i].access;
    for (enum sent sent = NOTHING; sent < SENT_COUNT; sent++) {
        fixture->exchange.headers.count = 0;
        send_token(sent);
        fixture->exchange.request.has_claims = false;
        enum status status = bearer_check(&fixture->exchange);
        ck_assert_msg(status == accesses[_i].status[sent], "%s, %d: %s", accesses[_i].name, (int)sent, status_info(status)->name);
        bool is_good = accesses[_i].access != ACCESS_PUBLIC && sent >= GOOD;
        ck_assert_int_eq(fixture->exchange.request.has_claims, is_good);
        if (is_good)
            ck_assert(uuid_equal(&fixture->exchange.request.claims.session_id, &live_session));
    }
}
END_TEST

START_TEST(a_token_of_an_ended_session_says_so_and_whose_it_was) {
    fixture->route.access = ACCESS_BEARER_OR_BODY;
    send_token(OF_AN_ENDED_SESSION);
    ck_assert_int_eq(bearer_check(&fixture->exchange), STATUS_OK);
    ck_assert(!fixture->exchange.request.has_claims);
    ck_assert(fixture->exchange.request.session_has_ended);
    ck_assert(uuid_equal(&fixture->exchange.request.claims.session_id, &ended_session));
}
END_TEST

static const struct {
    const char *role, *roles_json;
    enum status status;
} roles[] = {
    { NULL, "[]", STATUS_OK },
    { "admin", "[\"admin\"]", STATUS_OK },
    { "admin", "[\"editor\",\"admin\",\"x\"]", STATUS_OK },
    { "admin", "[\"superadmin\",\"admin\"]", STATUS_OK },
    { "admin", "[]", STATUS_INSUFFICIENT_SCOPE },
    { "admin", "[\"editor\"]", STATUS_INSUFFICIENT_SCOPE },
    { "admin", "[\"admin2\",\"superadmin\",\"Admin\"]", STATUS_INSUFFICIENT_SCOPE },
};

START_TEST(a_route_with_a_role_is_for_tokens_that_have_it) {
    struct text token;
    fixture->route.access = ACCESS_BEARER;
    fixture->route.role = roles[_i].role;
    ck_assert_int_eq(access_token_create(&fixture->exchange.arena, ring, &fixture_rules, &user_id, &live_session,
                                         text_of(roles[_i].roles_json), clock_wall_s(), &token),
                     STATUS_OK);
    authorize("Bearer ", token, "");
    ck_assert_int_eq(bearer_check(&fixture->exchange), roles[_i].status);
}
END_TEST

/* An error of the service is never "no token": a token that cannot be checked is not treated as absent. */
START_TEST(while_the_revoked_sessions_are_not_known_no_access_lets_a_token_pass) {
    static const enum access all[] = { ACCESS_BEARER, ACCESS_OPTIONAL_BEARER, ACCESS_BEARER_OR_BODY };
    revoked_sessions_destroy(fixture->services.revoked);
    fixture->services.revoked = revoked_sessions_create(FIXTURE_TTL);
    send_token(GOOD);
    fixture->route.access = all[_i];
    ck_assert_int_eq(bearer_check(&fixture->exchange), STATUS_STARTING);
    ck_assert(!fixture->exchange.request.has_claims);
}
END_TEST

START_TEST(once_the_revocations_are_too_old_no_access_lets_a_token_pass) {
    static const enum access all[] = { ACCESS_BEARER, ACCESS_OPTIONAL_BEARER, ACCESS_BEARER_OR_BODY };
    fixture->route.access = all[_i];
    send_token(GOOD);
    read_revocations_before(MAX_STALE_S - 1);
    ck_assert_int_eq(bearer_check(&fixture->exchange), STATUS_OK);
    read_revocations_before(MAX_STALE_S + 1);
    ck_assert_int_eq(bearer_check(&fixture->exchange), STATUS_REVOCATIONS_STALE);
    ck_assert(!fixture->exchange.request.has_claims);
}
END_TEST

/* A revoked key is worth as much as all sessions. */
START_TEST(once_the_revoked_keys_are_too_old_no_token_passes_either) {
    fixture->route.access = ACCESS_BEARER;
    send_token(GOOD);
    read_keys_before(MAX_STALE_S - 1);
    ck_assert_int_eq(bearer_check(&fixture->exchange), STATUS_OK);
    read_keys_before(MAX_STALE_S + 1);
    ck_assert_int_eq(bearer_check(&fixture->exchange), STATUS_REVOCATIONS_STALE);
}
END_TEST

START_TEST(a_token_that_is_bad_however_old_the_revocations_are_is_called_bad) {
    fixture->route.access = ACCESS_BEARER;
    read_revocations_before(MAX_STALE_S + 1);
    for (enum sent sent = NOTHING; sent < GOOD; sent++) {
        send_token(sent);
        ck_assert_int_eq(bearer_check(&fixture->exchange), accesses[1].status[sent]);
    }
}
END_TEST

Suite *bearer_suite(void) {
    Suite *suite = suite_create("bearer");
    TCase *tcase = tcase_create("bearer");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, each_access_refuses_what_its_header_says, 0, (int)ARRAY_LEN(accesses));
    tcase_add_loop_test(tcase, a_route_with_a_role_is_for_tokens_that_have_it, 0, (int)ARRAY_LEN(roles));
    tcase_add_test(tcase, a_token_of_an_ended_session_says_so_and_whose_it_was);
    tcase_add_loop_test(tcase, while_the_revoked_sessions_are_not_known_no_access_lets_a_token_pass, 0, 3);
    tcase_add_loop_test(tcase, once_the_revocations_are_too_old_no_access_lets_a_token_pass, 0, 3);
    tcase_add_test(tcase, once_the_revoked_keys_are_too_old_no_token_passes_either);
    tcase_add_test(tcase, a_token_that_is_bad_however_old_the_revocations_are_is_called_bad);
    suite_add_tcase(suite, tcase);
    return suite;
}
