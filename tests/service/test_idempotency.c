/*
 * What a client gets that sends a request again with its Idempotency-Key: the reply to the first, at any instance and whatever
 * the request has done to its own credentials; and the change is made once. Whoever else knows the key gets nothing by it.
 */
#include "support/account.h"
#include "support/database.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *idempotency_suite(void);

#define NEW_PASSWORD "another long passphrase"
#define OTHER_PASSWORD "a third long passphrase"
#define CROWD 8

static struct server other_server;

/* What a request is about: an administrator with two sessions, another user, and an address that is free. */
struct story {
    struct account account, user, free;
    struct tokens tokens;
    char sessions[2][40]; /* others than that of `tokens` */
    char key[64];
};

static void list_other_sessions(struct story *story) {
    struct reply reply = http_json(&shared_server, "GET", "/auth/sessions", story->tokens.access, NULL);
    struct json_object *list = json_object_object_get(reply.json, "sessions");
    ck_assert_uint_eq(json_object_array_length(list), 3);
    for (size_t i = 0, other = 0; i < 3; i++) {
        struct json_object *session = json_object_array_get_idx(list, i);
        if (!json_boolean_at(session, "current"))
            snprintf(story->sessions[other++], sizeof story->sessions[0], "%s", json_string_at(session, "id"));
    }
    http_free(&reply);
}

static struct story begin_story(void) {
    struct story story = { .account = account_register(&shared_server),
                           .user = account_register(&shared_server),
                           .free = account_new() };
    char ignored[8];
    database_value("UPDATE users SET roles = '{admin}' WHERE id = $1::uuid", story.account.id, ignored, sizeof ignored);
    account_login(&shared_server, &story.account);
    account_login(&shared_server, &story.account);
    story.tokens = account_login(&shared_server, &story.account);
    list_other_sessions(&story);
    snprintf(story.key, sizeof story.key, "key-%.40s", story.account.id);
    return story;
}

/* ---- the requests ---- */

/* `variant` 0 is the request itself, 1 another one that the key does not fit. */
struct request {
    const char *method;
    char path[96];
    bool has_token;
    bool has_version; /* If-Match */
    char body[BODY_SIZE];
};

static struct request request_of(const char *method, const char *path, bool has_token) {
    struct request request = { .method = method, .has_token = has_token };
    snprintf(request.path, sizeof request.path, "%s", path);
    return request;
}

static struct request registration(const struct story *story, int variant) {
    struct request request = request_of("POST", "/auth/register", false);
    credentials(&story->free, variant == 0 ? PASSWORD : OTHER_PASSWORD, request.body);
    return request;
}

/* The same account, spelled in another way. */
static struct request login(const struct story *story, int variant) {
    struct request request = request_of("POST", "/auth/login", false);
    struct account account = story->account;
    account.email[0] = variant == 0 ? account.email[0] : 'u';
    credentials(&account, PASSWORD, request.body);
    return request;
}

static void new_login(const struct story *story, const char *password, const char *new_password, char body[BODY_SIZE]) {
    int len = snprintf(body, BODY_SIZE, "{\"email\":\"%s\",\"password\":\"%s\"", story->account.email, password);
    if (new_password != NULL)
        len += snprintf(body + len, BODY_SIZE - (size_t)len, ",\"new_password\":\"%s\"", new_password);
    snprintf(body + len, BODY_SIZE - (size_t)len, "}");
}

static struct request login_with_change(const struct story *story, int variant) {
    struct request request = request_of("POST", "/auth/login", false);
    new_login(story, variant == 0 ? PASSWORD : NEW_PASSWORD, variant == 0 ? NEW_PASSWORD : OTHER_PASSWORD, request.body);
    return request;
}

static struct request change_of_address(const struct story *story, int variant) {
    struct request request = request_of("PATCH", "/auth/me", true);
    snprintf(request.body, sizeof request.body, "{\"email\":\"%s%s\",\"current_password\":\"" PASSWORD "\"}",
             variant == 0 ? "" : "other.", story->free.email);
    return request;
}

static struct request change_of_password(const struct story *story, int variant) {
    struct request request = request_of("POST", "/auth/password", true);
    (void)story;
    snprintf(request.body, sizeof request.body, "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"%s\"}",
             variant == 0 ? NEW_PASSWORD : OTHER_PASSWORD);
    return request;
}

static struct request deletion(const struct story *story, int variant) {
    struct request request = request_of("DELETE", "/auth/me", true);
    if (variant != 0)
        return change_of_address(story, 0);
    snprintf(request.body, sizeof request.body, "{\"current_password\":\"" PASSWORD "\"}");
    return request;
}

static struct request end_of_session(const struct story *story, int variant) {
    struct request request = request_of("DELETE", "", true);
    snprintf(request.path, sizeof request.path, "/auth/sessions/%s", story->sessions[variant]);
    return request;
}

static struct request creation(const struct story *story, int variant) {
    struct request request = request_of("POST", "/users", true);
    snprintf(request.body, sizeof request.body, "{\"email\":\"%s%s\"}", variant == 0 ? "" : "other.", story->free.email);
    return request;
}

static struct request creation_with_password(const struct story *story, int variant) {
    struct request request = request_of("POST", "/users", true);
    credentials(&story->free, variant == 0 ? PASSWORD : OTHER_PASSWORD, request.body);
    return request;
}

static struct request of_account(const struct account *account, const char *method, const char *rest) {
    char path[96];
    snprintf(path, sizeof path, "/users/%s%s", account->id, rest);
    return request_of(method, path, true);
}

static struct request administration(const struct story *story, int variant) {
    struct request request = of_account(&story->user, "PATCH", "");
    request.has_version = true;
    snprintf(request.body, sizeof request.body, "{\"name\":\"%s\"}", variant == 0 ? "Ada" : "Grace");
    return request;
}

static struct request removal(const struct story *story, int variant) {
    return of_account(variant == 0 ? &story->user : &story->account, "DELETE", "");
}

static struct request end_of_sessions(const struct story *story, int variant) {
    return of_account(variant == 0 ? &story->user : &story->account, "POST", "/sessions/revoke");
}

/* `count` of the address that was free, the account, or the user whom an administrator deals with: what it is when the request
 * was carried out once. */
#define EVENTS(name) "SELECT count(*) FROM auth_events WHERE user_id = $1::uuid AND event = '" name "'"

static const struct kind {
    const char *name;
    struct request (*request)(const struct story *story, int variant);
    long status;
    const char *count;
    enum { FREE, ACCOUNT, USER } of;
    long once;
    long other_status; /* another request with the key, from the same caller */
} kinds[] = {
    { "register", registration, 201, "SELECT count(*) FROM users u JOIN auth_events e ON e.user_id = u.id WHERE u.email = $1",
      FREE, 1, 422 },
    { "login", login, 200, "SELECT count(*) FROM sessions WHERE user_id = $1::uuid", ACCOUNT, 4, 422 },
    { "change of address", change_of_address, 200, EVENTS("email_changed"), ACCOUNT, 1, 422 },
    { "change of password", change_of_password, 204, "SELECT password_version - 1 FROM users WHERE id = $1::uuid", ACCOUNT, 1,
      422 },
    { "deletion", deletion, 204, EVENTS("user_deleted"), ACCOUNT, 1, 401 },
    { "end of a session", end_of_session, 204, EVENTS("session_ended"), ACCOUNT, 1, 422 },
    { "creation", creation, 201, "SELECT count(*) FROM users u JOIN auth_events e ON e.user_id = u.id WHERE u.email = $1", FREE,
      1, 422 },
    { "administration", administration, 200, EVENTS("profile_changed"), USER, 1, 422 },
    { "removal", removal, 204, EVENTS("user_deleted"), USER, 1, 422 },
    { "end of sessions", end_of_sessions, 204, "SELECT count(*) FROM idempotency_keys WHERE user_id = $1::uuid", USER, 1, 422 },
    { "login with a new password", login_with_change, 200, "SELECT password_version - 1 FROM users WHERE id = $1::uuid", ACCOUNT,
      1, 422 },
    { "creation with a password", creation_with_password, 201,
      "SELECT count(*) FROM users u JOIN auth_events e ON e.user_id = u.id WHERE u.email = $1", FREE, 1, 422 },
};
#define KINDS ARRAY_LEN(kinds)

static const char *subject_of(const struct kind *kind, const struct story *story) {
    const char *const subjects[] = { [FREE] = story->free.email, [ACCOUNT] = story->account.id, [USER] = story->user.id };
    return subjects[kind->of];
}

static long times_done(const struct kind *kind, const struct story *story) {
    return database_number(kind->count, subject_of(kind, story)) - kind->once + 1;
}

static struct reply send_with(const struct server *server, const struct request *request, const char *token, const char *key) {
    char authorization[TOKEN_SIZE + 32], idempotency[320];
    const char *headers[5];
    size_t count = 0;
    if (request->body[0] != '\0')
        headers[count++] = "Content-Type: application/json";
    if (key != NULL) {
        snprintf(idempotency, sizeof idempotency, "Idempotency-Key: %s", key);
        headers[count++] = idempotency;
    }
    if (request->has_token && token != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
        headers[count++] = authorization;
    }
    if (request->has_version)
        headers[count++] = "If-Match: \"1\"";
    headers[count] = NULL;
    return http_send(server, request->method, request->path, headers, request->body[0] != '\0' ? request->body : NULL);
}

static struct reply send_kind(const struct server *server, const struct kind *kind, const struct story *story, int variant) {
    struct request request = kind->request(story, variant);
    return send_with(server, &request, story->tokens.access, story->key);
}

static void expect_reply(const struct kind *kind, const struct reply *reply, long status) {
    ck_assert_msg(reply->status == status, "%s: %ld instead of %ld: %s", kind->name, reply->status, status, reply->body);
}

/* ---- tests ---- */

/* The resource, the place of a new one, the session; but for the access token, which is made anew. */
static void expect_same(const struct reply *first, const struct reply *again) {
    char place[64], place_again[64];
    ck_assert_str_eq(http_header(first, "Location", place, sizeof place),
                     http_header(again, "Location", place_again, sizeof place_again));
    if (json_object_object_get_ex(first->json, "refresh_token", NULL)) {
        ck_assert_str_eq(http_member(first, "refresh_token"), http_member(again, "refresh_token"));
        ck_assert_int_eq(me_status(&shared_server, http_member(again, "access_token")), 200);
        return;
    }
    ck_assert_uint_eq(first->body_len, again->body_len);
    if (first->body_len > 0) /* an absent body has no address to compare */
        ck_assert_mem_eq(first->body, again->body, first->body_len);
}

START_TEST(a_request_that_is_sent_again_gets_the_same_reply_at_every_instance_and_is_carried_out_once) {
    const struct kind *kind = &kinds[_i];
    struct story story = begin_story();
    struct reply first = send_kind(&shared_server, kind, &story, 0);
    expect_reply(kind, &first, kind->status);
    const struct server *const servers[] = { &shared_server, &other_server, &shared_server };
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        struct reply again = send_kind(servers[i], kind, &story, 0);
        expect_reply(kind, &again, kind->status);
        expect_same(&first, &again);
        http_free(&again);
    }
    ck_assert_int_eq(times_done(kind, &story), 1);
    http_free(&first);
}
END_TEST

struct crowd {
    const struct kind *kind;
    struct story story;
    long statuses[CROWD];
};

static void send_one(size_t index, void *context) {
    struct crowd *crowd = context;
    struct reply reply = send_kind(index % 2 == 0 ? &shared_server : &other_server, crowd->kind, &crowd->story, 0);
    crowd->statuses[index] = reply.status;
    http_free(&reply);
}

START_TEST(of_many_at_once_at_two_instances_one_is_carried_out_and_all_get_its_reply) {
    struct crowd crowd = { .kind = &kinds[_i], .story = begin_story() };
    run_parallel(CROWD, send_one, &crowd);
    for (size_t i = 0; i < CROWD; i++)
        ck_assert_msg(crowd.statuses[i] == kinds[_i].status, "%s %zu: %ld", kinds[_i].name, i, crowd.statuses[i]);
    ck_assert_int_eq(times_done(&kinds[_i], &crowd.story), 1);
}
END_TEST

START_TEST(another_request_with_the_same_key_is_refused_and_changes_nothing) {
    const struct kind *kind = &kinds[_i];
    struct story story = begin_story();
    expect_status(send_kind(&shared_server, kind, &story, 0), kind->status);
    struct reply other = send_kind(&shared_server, kind, &story, 1);
    assert_problem(&other, kind->other_status, kind->other_status == 422 ? "idempotency_key_reused" : "invalid_token");
    http_free(&other);
    ck_assert_int_eq(times_done(kind, &story), 1);
    expect_status(send_kind(&shared_server, kind, &story, 0), kind->status);
}
END_TEST

START_TEST(a_key_of_one_request_is_none_of_another_route) {
    struct story story = begin_story();
    expect_status(send_kind(&shared_server, &kinds[1], &story, 0), 200);
    expect_problem(send_kind(&shared_server, &kinds[2], &story, 0), 422, "idempotency_key_reused");
    ck_assert_int_eq(times_done(&kinds[2], &story), 0);
}
END_TEST

static const char *const no_keys[] = { "two words", "caf\xc3\xa9" };

START_TEST(a_key_that_is_none_is_refused) {
    struct story story = begin_story();
    char too_long[300];
    memset(too_long, 'k', sizeof too_long);
    too_long[256] = '\0';
    struct request request = kinds[_i].request(&story, 0);
    for (size_t i = 0; i <= ARRAY_LEN(no_keys); i++)
        expect_problem(send_with(&shared_server, &request, story.tokens.access, i == ARRAY_LEN(no_keys) ? too_long : no_keys[i]),
                       400, "invalid_header");
    too_long[255] = '\0';
    expect_status(send_with(&shared_server, &request, story.tokens.access, too_long), kinds[_i].status);
}
END_TEST

/* A refusal is not remembered: with the cause gone, the same request is carried out. */
START_TEST(a_request_that_was_refused_may_be_sent_again_with_its_key) {
    struct story story = begin_story();
    struct request request = change_of_address(&story, 0);
    struct story taken = begin_story();
    snprintf(request.body, sizeof request.body, "{\"email\":\"%s\",\"current_password\":\"" PASSWORD "\"}", taken.account.email);
    expect_problem(send_with(&shared_server, &request, story.tokens.access, "k"), 409, "email_taken");
    expect_status(send_kind(&shared_server, &kinds[4], &taken, 0), 204);
    expect_status(send_with(&shared_server, &request, story.tokens.access, "k"), 200);
}
END_TEST

/* ---- the first one is not over ---- */

/* As the statement does that makes the change, while its transaction lasts. A login waits for it a second in its own statement,
 * and another second when it is looked up. */
static void send_while_it_is_held(size_t index, void *context) {
    const struct kind *kind = &kinds[index];
    struct story story = ((const struct story *)context)[index];
    char digest[80], retry_after[8];
    expect_status(send_kind(&shared_server, kind, &story, 0), kind->status);
    database_value("SELECT encode(digest, 'hex') FROM idempotency_keys k LEFT JOIN users u ON u.id = k.user_id"
                   " WHERE $1 IN (k.user_id::text, u.email)",
                   subject_of(kind, &story), digest, sizeof digest);
    ck_assert_uint_eq(strlen(digest), 64);
    struct pg_conn *holder = database_hold("SELECT pg_advisory_lock(hashtextextended($1, 0))", digest);
    struct reply reply = send_kind(&shared_server, kind, &story, 0);
    expect_reply(kind, &reply, 409);
    ck_assert_str_ne(http_header(&reply, "Retry-After", retry_after, sizeof retry_after), "");
    assert_problem(&reply, 409, "idempotency_in_progress");
    http_free(&reply);
    database_let_go(holder);
    expect_status(send_kind(&shared_server, kind, &story, 0), kind->status);
    ck_assert_int_eq(times_done(kind, &story), 1);
}

START_TEST(while_the_first_one_is_carried_out_for_long_the_others_are_to_come_again) {
    static struct story stories[KINDS];
    for (size_t i = 0; i < KINDS; i++)
        stories[i] = begin_story();
    run_parallel(KINDS, send_while_it_is_held, stories);
}
END_TEST

/* ---- who knows the key ---- */

START_TEST(a_key_of_another_owner_is_another_key) {
    struct story story = begin_story(), other = begin_story();
    snprintf(other.key, sizeof other.key, "%s", story.key);
    expect_status(send_kind(&shared_server, &kinds[_i], &story, 0), kinds[_i].status);
    expect_status(send_kind(&shared_server, &kinds[_i], &other, 0), kinds[_i].status);
    ck_assert_int_eq(times_done(&kinds[_i], &other), 1);
}
END_TEST

/* The replies to the thief are those that he gets without a key. */
START_TEST(a_key_without_its_owners_credentials_tells_nothing) {
    const struct kind *kind = &kinds[_i];
    struct story story = begin_story();
    struct request request = kind->request(&story, 0);
    expect_status(send_kind(&shared_server, kind, &story, 0), kind->status);
    if (request.has_token) {
        expect_problem(send_with(&shared_server, &request, NULL, story.key), 401, "missing_token");
        expect_problem(send_with(&shared_server, &request, "a.b.c", story.key), 401, "invalid_token");
    } else if (kind->request == login || kind->request == login_with_change) {
        credentials(&story.account, OTHER_PASSWORD, request.body);
        expect_problem(send_with(&shared_server, &request, NULL, story.key), 401, "invalid_credentials");
    }
    ck_assert_int_eq(times_done(kind, &story), 1);
}
END_TEST

/* The token of a session that has ended, with the key of a request of its user. */
static const struct {
    const char *who;
    int kind;     /* of the request that was carried out; then the user's sessions end */
    int variant;  /* of the one that comes again */
    bool has_key; /* that of the first */
    long status;
} ended[] = {
    { "a reply without a body", 5, 0, true, 204 },
    { "a reply without a body, another key", 5, 0, false, 401 },
    { "a reply without a body, another request", 5, 1, true, 401 },
    { "a reply with a body", 2, 0, true, 401 },
    { "a reply that compares a password", 3, 0, true, 401 },
};

START_TEST(with_the_token_of_an_ended_session_only_the_end_of_the_same_request_is_told) {
    struct story story = begin_story();
    expect_status(send_kind(&shared_server, &kinds[ended[_i].kind], &story, 0), kinds[ended[_i].kind].status);
    char body[BODY_SIZE];
    expect_status(http_json(&shared_server, "POST", "/auth/logout", NULL, refresh_json(story.tokens.refresh, body)), 204);
    if (!ended[_i].has_key)
        snprintf(story.key, sizeof story.key, "another");
    struct reply reply = send_kind(&shared_server, &kinds[ended[_i].kind], &story, ended[_i].variant);
    ck_assert_msg(reply.status == ended[_i].status, "%s: %ld", ended[_i].who, reply.status);
    http_free(&reply);
}
END_TEST

/* A thief who has a token and the key of a change of the password may not guess at it more often than without the key. */
START_TEST(a_repeated_change_of_the_password_is_no_way_to_guess_it) {
    struct server server =
        server_start_beside(&shared_server, (const char *const[]){ "limit.enabled=true", "limit.login_failures=3/h", NULL });
    struct story story = begin_story();
    expect_status(send_kind(&server, &kinds[3], &story, 0), 204);
    for (int i = 0; i < 3; i++)
        expect_status(send_kind(&server, &kinds[3], &story, 0), 204);
    for (int i = 0; i < 3; i++)
        expect_problem(send_kind(&server, &kinds[3], &story, 1), 422, "idempotency_key_reused");
    expect_status(send_kind(&server, &kinds[3], &story, 1), 429);
    server_finish(&server);
}
END_TEST

/* An administrator's token and the key of a creation, too. */
START_TEST(a_repeated_creation_is_no_way_to_guess_the_password) {
    struct server server =
        server_start_beside(&shared_server, (const char *const[]){ "limit.enabled=true", "limit.login_failures=3/h", NULL });
    struct story story = begin_story();
    struct request first = creation_with_password(&story, 0), other = creation_with_password(&story, 1);
    for (int i = 0; i < 4; i++)
        expect_status(send_with(&server, &first, story.tokens.access, story.key), 201);
    for (int i = 0; i < 3; i++)
        expect_problem(send_with(&server, &other, story.tokens.access, story.key), 422, "idempotency_key_reused");
    expect_status(send_with(&server, &other, story.tokens.access, story.key), 429);
    server_finish(&server);
}
END_TEST

/* ---- passwords, of which nothing is kept ---- */

static const struct {
    const char *new_password, *again_password, *again_new_password;
    long status;
    const char *password; /* in the end */
} changes_at_login[] = {
    { NULL, PASSWORD, NEW_PASSWORD, 422, PASSWORD },
    { NEW_PASSWORD, NEW_PASSWORD, NULL, 422, NEW_PASSWORD },
    { NEW_PASSWORD, NEW_PASSWORD, OTHER_PASSWORD, 422, NEW_PASSWORD },
    { NEW_PASSWORD, PASSWORD, OTHER_PASSWORD, 401, NEW_PASSWORD },
    { NEW_PASSWORD, PASSWORD, NEW_PASSWORD, 200, NEW_PASSWORD },
};

START_TEST(a_login_is_repeated_by_none_that_sets_another_password) {
    struct story story = begin_story();
    struct request request = login_with_change(&story, 0);
    new_login(&story, PASSWORD, changes_at_login[_i].new_password, request.body);
    expect_status(send_with(&shared_server, &request, NULL, story.key), 200);
    new_login(&story, changes_at_login[_i].again_password, changes_at_login[_i].again_new_password, request.body);
    expect_status(send_with(&shared_server, &request, NULL, story.key), changes_at_login[_i].status);
    request = request_of("POST", "/auth/login", false);
    credentials(&story.account, changes_at_login[_i].password, request.body);
    expect_status(send_with(&shared_server, &request, NULL, NULL), 200);
}
END_TEST

START_TEST(a_creation_without_a_password_is_repeated_by_none_with_one) {
    struct story story = begin_story();
    expect_status(send_kind(&shared_server, &kinds[6], &story, 0), 201);
    struct request request = creation_with_password(&story, 0);
    expect_problem(send_with(&shared_server, &request, story.tokens.access, story.key), 422, "idempotency_key_reused");
    expect_status(send_kind(&shared_server, &kinds[6], &story, 0), 201);
}
END_TEST

/* ---- what is kept ---- */

START_TEST(a_login_that_is_repeated_has_the_tokens_of_its_session_as_they_are_now) {
    struct story story = begin_story();
    char body[BODY_SIZE];
    struct reply first = send_kind(&shared_server, &kinds[1], &story, 0);
    struct reply refreshed = refresh_with(&shared_server, http_member(&first, "refresh_token"));
    struct reply again = send_kind(&shared_server, &kinds[1], &story, 0);
    ck_assert_int_eq(again.status, 200);
    ck_assert_str_eq(http_member(&again, "refresh_token"), http_member(&refreshed, "refresh_token"));
    expect_status(
        http_json(&shared_server, "POST", "/auth/logout", NULL, refresh_json(http_member(&again, "refresh_token"), body)), 204);
    expect_problem(send_kind(&shared_server, &kinds[1], &story, 0), 401, "session_expired");
    ck_assert_int_eq(times_done(&kinds[1], &story), 1);
    http_free(&first);
    http_free(&refreshed);
    http_free(&again);
}
END_TEST

START_TEST(an_account_that_was_deleted_does_not_come_back_by_its_key) {
    struct story story = begin_story();
    expect_status(send_kind(&shared_server, &kinds[0], &story, 0), 201);
    struct tokens tokens = account_login(&shared_server, &story.free);
    expect_status(http_json(&shared_server, "DELETE", "/auth/me", tokens.access, "{\"current_password\":\"" PASSWORD "\"}"), 204);
    expect_problem(send_kind(&shared_server, &kinds[0], &story, 0), 422, "idempotency_key_reused");
}
END_TEST

/* The row as text: only digests, ids and the time. */
START_TEST(neither_key_nor_token_nor_password_nor_address_is_kept) {
    struct story story = begin_story();
    char row[1024];
    struct reply reply = send_kind(&shared_server, &kinds[_i], &story, 0);
    ck_assert_int_eq(reply.status, kinds[_i].status);
    database_value("SELECT row_to_json(k) FROM idempotency_keys k ORDER BY created_at DESC LIMIT $1::int", "1", row, sizeof row);
    const char *const secrets[] = { story.key, PASSWORD, NEW_PASSWORD, story.account.email, story.free.email, "jr2_", "eyJ" };
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        ck_assert_ptr_null(strstr(row, secrets[i]));
    ck_assert_uint_lt(strlen(row), 400);
    http_free(&reply);
}
END_TEST

START_TEST(a_request_without_a_key_leaves_nothing) {
    struct story story = begin_story();
    struct request request = kinds[_i].request(&story, 0);
    expect_status(send_with(&shared_server, &request, story.tokens.access, NULL), kinds[_i].status);
    ck_assert_int_eq(database_number("SELECT count(*) FROM idempotency_keys k LEFT JOIN users u ON u.id = k.user_id"
                                     " WHERE $1 IN (k.user_id::text, u.email)",
                                     subject_of(&kinds[_i], &story)),
                     0);
}
END_TEST

/* ---- beside the version before, which keeps a digest of the key in the user's row ---- */

START_TEST(a_registration_at_an_instance_of_the_version_before_is_repeated_here) {
    struct story story = begin_story();
    struct reply first = send_kind(&shared_server, &kinds[0], &story, 0);
    ck_assert_int_eq(first.status, 201);
    ck_assert_int_eq(
        database_number("SELECT count(*) FROM users WHERE email = $1 AND idempotency_digest IS NOT NULL", story.free.email), 1);
    char ignored[8];
    database_value("DELETE FROM idempotency_keys WHERE user_id = (SELECT id FROM users WHERE email = $1)", story.free.email,
                   ignored, sizeof ignored);
    struct reply again = send_kind(&shared_server, &kinds[0], &story, 0);
    ck_assert_int_eq(again.status, 201);
    expect_same(&first, &again);
    expect_problem(send_kind(&shared_server, &kinds[0], &story, 1), 422, "idempotency_key_reused");
    http_free(&first);
    http_free(&again);
}
END_TEST

static void start(void) {
    shared_server = server_start((const char *const[]){ "database.statement_timeout=1s", NULL });
    other_server = server_start_beside(&shared_server, NULL);
}

static void finish(void) {
    server_finish(&other_server);
    server_finish(&shared_server);
}

Suite *idempotency_suite(void) {
    Suite *suite = suite_create("idempotency");
    TCase *tcase = tcase_create("two instances");
    tcase_set_timeout(tcase, 60);
    tcase_add_unchecked_fixture(tcase, start, finish);
    tcase_add_loop_test(tcase, a_request_that_is_sent_again_gets_the_same_reply_at_every_instance_and_is_carried_out_once, 0,
                        (int)KINDS);
    tcase_add_loop_test(tcase, of_many_at_once_at_two_instances_one_is_carried_out_and_all_get_its_reply, 0, (int)KINDS);
    tcase_add_loop_test(tcase, another_request_with_the_same_key_is_refused_and_changes_nothing, 0, (int)KINDS);
    tcase_add_test(tcase, a_key_of_one_request_is_none_of_another_route);
    tcase_add_loop_test(tcase, a_key_that_is_none_is_refused, 0, (int)KINDS);
    tcase_add_test(tcase, a_request_that_was_refused_may_be_sent_again_with_its_key);
    tcase_add_test(tcase, while_the_first_one_is_carried_out_for_long_the_others_are_to_come_again);
    tcase_add_loop_test(tcase, a_key_of_another_owner_is_another_key, 0, (int)KINDS);
    tcase_add_loop_test(tcase, a_key_without_its_owners_credentials_tells_nothing, 0, (int)KINDS);
    tcase_add_loop_test(tcase, with_the_token_of_an_ended_session_only_the_end_of_the_same_request_is_told, 0,
                        (int)ARRAY_LEN(ended));
    tcase_add_test(tcase, a_repeated_change_of_the_password_is_no_way_to_guess_it);
    tcase_add_test(tcase, a_repeated_creation_is_no_way_to_guess_the_password);
    tcase_add_loop_test(tcase, a_login_is_repeated_by_none_that_sets_another_password, 0, (int)ARRAY_LEN(changes_at_login));
    tcase_add_test(tcase, a_creation_without_a_password_is_repeated_by_none_with_one);
    tcase_add_test(tcase, a_login_that_is_repeated_has_the_tokens_of_its_session_as_they_are_now);
    tcase_add_test(tcase, an_account_that_was_deleted_does_not_come_back_by_its_key);
    tcase_add_loop_test(tcase, neither_key_nor_token_nor_password_nor_address_is_kept, 0, (int)KINDS);
    tcase_add_loop_test(tcase, a_request_without_a_key_leaves_nothing, 0, (int)KINDS);
    tcase_add_test(tcase, a_registration_at_an_instance_of_the_version_before_is_repeated_here);
    suite_add_tcase(suite, tcase);
    return suite;
}
