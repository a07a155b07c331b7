/* What administrators do over HTTP. That the last one stays, and pages while users come and go: store_admin.c. */
#include "support/account.h"
#include "support/database.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *users_suite(void);

#define NEW_PASSWORD "quite another passphrase"
#define PATH_SIZE 2048
#define TAG_SIZE 32

static struct account administrator;
static struct tokens admin;

/* A change in SQL by the id or address of a user. */
static void in_sql(const char *statement, const char *parameter) {
    char ignored[8];
    database_value(statement, parameter, ignored, sizeof ignored);
}

static struct account register_administrator(void) {
    struct account account = account_register(&shared_server);
    in_sql("UPDATE users SET roles = '{admin}' WHERE id = $1", account.id);
    return account;
}

static void start(void) {
    shared_server_start();
    account_keep_administrator();
    administrator = register_administrator();
    admin = account_login(&shared_server, &administrator);
}

/* With a bearer token and, unless NULL, If-Match. */
static struct reply send_as(const char *token, const char *method, const char *path, const char *tag, const char *body) {
    char authorization[TOKEN_SIZE + 32], if_match[TAG_SIZE + 16];
    const char *headers[4] = { authorization, "Content-Type: application/json", NULL, NULL };
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
    snprintf(if_match, sizeof if_match, "If-Match: %s", tag != NULL ? tag : "");
    headers[2] = tag != NULL ? if_match : NULL;
    return http_send(&shared_server, method, path, headers, body);
}

static struct reply send(const char *method, const char *path, const char *tag, const char *body) {
    return send_as(admin.access, method, path, tag, body);
}

static struct reply get(const char *path) {
    return send("GET", path, NULL, NULL);
}

static const char *path_of(const struct account *account, const char *rest) {
    static char paths[4][PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_SIZE, "/users/%s%s", account->id, rest);
    return path;
}

/* The ETag of a user, as it is now. */
static const char *tag_of(const struct account *account, char tag[TAG_SIZE]) {
    struct reply reply = get(path_of(account, ""));
    ck_assert_int_eq(reply.status, 200);
    http_header(&reply, "ETag", tag, TAG_SIZE);
    http_free(&reply);
    return tag;
}

static struct reply change(const struct account *account, const char *body) {
    char tag[TAG_SIZE];
    return send("PATCH", path_of(account, ""), tag_of(account, tag), body);
}

static long login_status(const struct account *account, const char *password) {
    char body[BODY_SIZE];
    struct reply reply = http_json(&shared_server, "POST", "/auth/login", NULL, credentials(account, password, body));
    long status = reply.status;
    http_free(&reply);
    return status;
}

/* ---- who may ---- */

#define NOBODY "/users/0192f3c0-0000-7000-8000-000000000000"

static const struct {
    const char *method, *path, *tag, *body;
} routes[] = {
    { "GET", "/users", NULL, NULL },
    { "POST", "/users", NULL, "{\"email\":\"nobody@example.org\"}" },
    { "GET", NOBODY, NULL, NULL },
    { "PATCH", NOBODY, "\"1\"", "{\"disabled\":true}" },
    { "DELETE", NOBODY, NULL, NULL },
    { "GET", NOBODY "/sessions", NULL, NULL },
    { "POST", NOBODY "/sessions/revoke", NULL, NULL },
};

START_TEST(only_an_administrator_may) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    char challenge[128];
    struct reply reply = send_as(tokens.access, routes[_i].method, routes[_i].path, routes[_i].tag, routes[_i].body);
    ck_assert_ptr_nonnull(strstr(http_header(&reply, "WWW-Authenticate", challenge, sizeof challenge), "insufficient_scope"));
    expect_problem(reply, 403, "insufficient_scope");
    expect_problem(http_json(&shared_server, routes[_i].method, routes[_i].path, NULL, routes[_i].body), 401, "missing_token");
    if (strncmp(routes[_i].path, NOBODY, sizeof NOBODY - 1) == 0)
        expect_problem(send(routes[_i].method, routes[_i].path, routes[_i].tag, routes[_i].body), 404, "not_found");
}
END_TEST

/* Within the life of the access token, on the instance that is asked. */
START_TEST(who_is_no_administrator_any_more_may_not_from_then_on) {
    struct account other = register_administrator();
    struct tokens tokens = account_login(&shared_server, &other);
    expect_status(send_as(tokens.access, "GET", "/users", NULL, NULL), 200);
    expect_status(change(&other, "{\"roles\":[]}"), 200);
    expect_problem(send_as(tokens.access, "GET", "/users", NULL, NULL), 403, "insufficient_scope");
    expect_status(change(&other, "{\"roles\":[\"admin\"]}"), 200);
    expect_status(send_as(tokens.access, "GET", "/users", NULL, NULL), 200);
}
END_TEST

/* What another instance may have done, which this one has not read. */
static const struct {
    const char *statement; /* by the id of the administrator */
    int status;
    const char *code;
} endings[] = {
    { "UPDATE users SET disabled_at = now() WHERE id = $1", 403, "insufficient_scope" },
    { "UPDATE users SET roles = '{editor}' WHERE id = $1", 403, "insufficient_scope" },
    { "UPDATE sessions SET revoked_at = now(), revoke_reason = 'logout' WHERE user_id = $1", 401, "invalid_token" },
    { "DELETE FROM users WHERE id = $1", 401, "invalid_token" },
};

START_TEST(who_is_no_administrator_any_more_changes_nothing_on_an_instance_that_has_not_read_it) {
    struct account other = register_administrator(), victim = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &other);
    char tag[TAG_SIZE], own_tag[TAG_SIZE], body[BODY_SIZE], state[64];
    tag_of(&victim, tag);
    snprintf(body, sizeof body, "{\"email\":\"backdoor-%s\",\"roles\":[\"admin\"]}", other.email);
    expect_status(send_as(tokens.access, "PATCH", path_of(&victim, ""), tag, "{}"), 200);
    in_sql(endings[_i].statement, other.id);
    if (strncmp(endings[_i].statement, "DELETE", 6) != 0) {
        tag_of(&other, own_tag);
        expect_problem(
            send_as(tokens.access, "PATCH", path_of(&other, ""), own_tag, "{\"disabled\":false,\"roles\":[\"admin\"]}"),
            endings[_i].status, endings[_i].code);
    }
    const struct {
        const char *method, *path, *tag, *body;
    } changes[] = {
        { "POST", "/users", NULL, body },
        { "PATCH", path_of(&victim, ""), tag, "{\"roles\":[\"admin\"]}" },
        { "DELETE", path_of(&victim, ""), NULL, NULL },
        { "POST", path_of(&victim, "/sessions/revoke"), NULL, NULL },
    };
    account_login(&shared_server, &victim);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++)
        expect_problem(send_as(tokens.access, changes[i].method, changes[i].path, changes[i].tag, changes[i].body),
                       endings[_i].status, endings[_i].code);
    database_value("SELECT count(*) FROM users WHERE email LIKE 'backdoor-%' AND email = 'backdoor-' || $1", other.email, state,
                   sizeof state);
    ck_assert_str_eq(state, "0");
    database_value("SELECT roles::text || ' ' || (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND revoked_at IS NULL)"
                   " FROM users u WHERE id = $1",
                   victim.id, state, sizeof state);
    ck_assert_str_eq(state, "{} 1");
}
END_TEST

/* ---- look-up and pages ---- */

static size_t count_of(const struct reply *reply) {
    return json_object_array_length(json_object_object_get(reply->json, "users"));
}

static const char *email_at(const struct reply *reply, size_t index) {
    return json_string_at(json_object_array_get_idx(json_object_object_get(reply->json, "users"), index), "email");
}

START_TEST(a_user_is_found_by_the_whole_address_without_regard_to_case) {
    struct account account = account_register(&shared_server);
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/users?email=%s", account.email);
    path[sizeof "/users?email=" - 1] = 'u';
    struct reply reply = get(path);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_uint_eq(count_of(&reply), 1);
    const struct json_object *user = json_object_array_get_idx(json_object_object_get(reply.json, "users"), 0);
    ck_assert_str_eq(json_string_at(user, "id"), account.id);
    ck_assert_str_eq(json_string_at(user, "email"), account.email);
    ck_assert(!json_boolean_at(user, "disabled") && !json_boolean_at(user, "password_change_required"));
    ck_assert(json_object_object_get_ex(reply.json, "next", NULL));
    http_free(&reply);
    reply = get("/users?email=nobody@nowhere.example");
    ck_assert_uint_eq(count_of(&reply), 0);
    http_free(&reply);
}
END_TEST

/* Follows `Link` until there is none, which is where `next` is null. Returns how many of these users were seen, each once. */
static size_t walk(const char *query, const char *part_of_email, size_t limit) {
    char path[PATH_SIZE], link[PATH_SIZE], cursor[PATH_SIZE];
    size_t found = 0, pages = 0;
    snprintf(path, sizeof path, "/users?%s", query);
    for (bool is_last = false; !is_last; pages++) {
        struct reply reply = get(path);
        ck_assert_msg(reply.status == 200, "%s: %ld %s", path, reply.status, reply.body);
        ck_assert_uint_le(count_of(&reply), limit);
        for (size_t i = 0; i < count_of(&reply); i++)
            found += strstr(email_at(&reply, i), part_of_email) != NULL;
        http_header(&reply, "Link", link, sizeof link);
        is_last = link[0] == '\0';
        ck_assert_int_eq(is_last, json_object_object_get(reply.json, "next") == NULL);
        if (!is_last) {
            ck_assert_uint_eq(count_of(&reply), limit);
            snprintf(cursor, sizeof cursor, "cursor=%s>; rel=\"next\"", http_member(&reply, "next"));
            ck_assert_ptr_nonnull(strstr(link, cursor));
            snprintf(path, sizeof path, "/users%.*s", (int)strcspn(link + 1, ">"), link + 1);
        }
        http_free(&reply);
        ck_assert_uint_lt(pages, 400);
    }
    return found;
}

START_TEST(pages_lead_to_every_user_once) {
    in_sql("INSERT INTO users (id, email, email_canonical, password_hash)"
           " SELECT gen_random_uuid(), 'Page' || n || '@example.org', 'page' || n || '@example.org', 'none'"
           " FROM generate_series(1, 45) n",
           NULL);
    ck_assert_uint_eq(walk("prefix=PaGe&limit=10", "Page", 10), 45);
    ck_assert_uint_eq(walk("prefix=page&limit=15", "Page", 15), 45); /* the last page is full */
    ck_assert_uint_eq(walk("prefix=page&limit=100", "Page", 100), 45);
    ck_assert_uint_eq(walk("limit=100", "Page", 100), 45);
    ck_assert_uint_eq(walk("prefix=&email=&cursor=", "Page", 20), 45);
    in_sql("DELETE FROM users WHERE email LIKE 'Page%'", NULL);
}
END_TEST

/* Letters that take as much room as an address can have; a right-to-left mark would be no visible character. */
START_TEST(an_address_of_any_letters_and_length_is_found_by_its_prefix) {
    char prefix[256] = "", path[PATH_SIZE];
    for (int i = 0; i < 30; i++)
        snprintf(prefix + strlen(prefix), sizeof prefix - strlen(prefix), "%s", "%D7%90");
    in_sql(
        "INSERT INTO users (id, email, email_canonical, password_hash)"
        " SELECT gen_random_uuid(), e, e, 'none'"
        " FROM (SELECT repeat('\xd7\x90', 31) || n || '@' || repeat(repeat('a', 60) || '.', 2) || repeat('b', 50) || '.org' AS e"
        "       FROM generate_series(10, 12) n) AS made",
        NULL);
    snprintf(path, sizeof path, "prefix=%s&limit=1", prefix);
    ck_assert_uint_eq(walk(path, "\xd7\x90", 1), 3);
    in_sql("DELETE FROM users WHERE email LIKE '\xd7\x90%'", NULL);
}
END_TEST

START_TEST(a_page_of_users_with_as_much_metadata_as_fits_is_whole) {
    in_sql("INSERT INTO users (id, email, email_canonical, password_hash, metadata, admin_metadata, name)"
           " SELECT gen_random_uuid(), 'big' || n || '@example.org', 'big' || n || '@example.org', 'none', m, m, repeat('n', 256)"
           " FROM generate_series(1, 101) n, CAST('{\"a\":\"' || repeat('x', 4088) || '\"}' AS json) AS m",
           NULL);
    ck_assert_uint_eq(walk("prefix=big&limit=100", "big", 100), 101);
    in_sql("DELETE FROM users WHERE email LIKE 'big%'", NULL);
}
END_TEST

/* Each named like the parameter that is wrong. */
static const struct {
    const char *query, *wrong;
} wrong_queries[] = {
    { "limit=", "limit" },
    { "limit=0", "limit" },
    { "limit=101", "limit" },
    { "limit=1000", "limit" },
    { "limit=1&limit=2", "limit" },
    { "prefix=%ff", "prefix" },
    { "prefix=a%00", "prefix" },
    { "limit=-1", "limit" },
    { "limit=x", "limit" },
    { "email=ada@example.org&prefix=a", "prefix" },
    { "email=ada@example.org&cursor=AAAAAAAAAAAAAAAAAAAAAA", "cursor" },
    { "email=ada", "email" },
    { "cursor=AAAA", "cursor" },
    { "cursor=AAAAAAAAAAAAAAAAAAAAAAA", "cursor" },
    { "cursor=%2F%2F%2F%2F", "cursor" },
    { "cursor=%C3%A9%C3%A9%C3%A9%C3%A9", "cursor" },
    { "prefix=a&cursor=YmI", "cursor" },     /* "bb": of another prefix */
    { "prefix=a&cursor=YQA", "cursor" },     /* "a" and a NUL */
    { "prefix=a&cursor=Yf8", "cursor" },     /* "a" and no UTF-8 */
    { "prefix=a&cursor=YWE=YWE", "cursor" }, /* padding */
};

START_TEST(a_parameter_that_cannot_be_is_refused) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/users?%s", wrong_queries[_i].query);
    expect_problem_about(get(path), "invalid_parameter", "parameter", wrong_queries[_i].wrong);
}
END_TEST

/* ---- one user ---- */

START_TEST(a_user_is_created_with_password_and_roles) {
    struct account account = account_new();
    char body[BODY_SIZE], value[128];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"" PASSWORD "\",\"roles\":[\"editor\",\"a\",\"editor\"]}",
             account.email);
    struct reply reply = send("POST", "/users", NULL, body);
    ck_assert_int_eq(reply.status, 201);
    snprintf(account.id, sizeof account.id, "%s", http_member(&reply, "id"));
    ck_assert_str_eq(http_header(&reply, "Location", value, sizeof value), path_of(&account, ""));
    ck_assert_str_eq(http_header(&reply, "ETag", value, sizeof value), "\"1\"");
    ck_assert_ptr_nonnull(strstr(reply.body, "\"roles\":[\"editor\",\"a\"]"));
    http_free(&reply);
    account_login(&shared_server, &account);
    expect_problem(send("POST", "/users", NULL, body), 409, "email_taken");
    ck_assert_int_eq(database_number("SELECT count(*) FROM auth_events WHERE user_id = $1::uuid AND event = 'user_created'"
                                     " AND actor LIKE 'admin:%'",
                                     account.id),
                     1);
}
END_TEST

START_TEST(nobody_can_log_in_to_an_account_without_a_password) {
    static const char *const guesses[] = { "", " ", "none", "!" };
    struct account account = account_new();
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\"}", account.email);
    expect_status(send("POST", "/users", NULL, body), 201);
    for (size_t i = 1; i < ARRAY_LEN(guesses); i++)
        ck_assert_int_eq(login_status(&account, guesses[i]), 401);
    ck_assert(server_log_count(&shared_server, "password_hash_corrupt") == 0);
}
END_TEST

static const struct {
    const char *members, *pointer, *code;
} wrong_members[] = {
    { "\"password\":\"password123\"", "/password", "too_common" },
    { "\"password\":null", "/password", "wrong_type" },
    { "\"roles\":\"admin\"", "/roles", "wrong_type" },
    { "\"roles\":[\"a b\"]", "/roles", "invalid_role" },
    { "\"roles\":[\"\"]", "/roles", "invalid_role" },
    { "\"roles\":[1]", "/roles", "invalid_role" },
    { "\"roles\":[[\"a\"]]", "/roles", "invalid_role" },
    { "\"roles\":[\"a\\u0000\"]", "/roles", "invalid_role" },
};

START_TEST(what_is_wrong_with_a_new_user_is_said) {
    struct account account = account_new();
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",%s}", account.email, wrong_members[_i].members);
    struct reply reply = send("POST", "/users", NULL, body);
    if (strstr(body, "u0000") != NULL && reply.status == 400) { /* NUL below the first level */
        http_free(&reply);
        return;
    }
    assert_problem(&reply, 422, "validation_failed");
    const struct json_object *error = json_object_array_get_idx(json_object_object_get(reply.json, "errors"), 0);
    ck_assert_str_eq(json_string_at(error, "pointer"), wrong_members[_i].pointer);
    ck_assert_str_eq(json_string_at(error, "code"), wrong_members[_i].code);
    http_free(&reply);
}
END_TEST

START_TEST(more_roles_than_a_token_carries_are_refused) {
    struct account account = account_register(&shared_server);
    char body[8192] = "{\"roles\":[";
    for (int i = 0; i < 300; i++)
        snprintf(body + strlen(body), 32, "\"role%d\",", i);
    snprintf(body + strlen(body) - 1, 8, "]}");
    expect_problem(change(&account, body), 422, "validation_failed");
}
END_TEST

static const struct {
    const char *tag;
    long status;
    const char *code;
} tags[] = {
    { NULL, 428, "precondition_required" },  { "*", 400, "invalid_header" },
    { "1", 400, "invalid_header" },          { "\"x\"", 400, "invalid_header" },
    { "\"\"", 400, "invalid_header" },       { "\"1\", \"2\"", 400, "invalid_header" },
    { "\"0\"", 400, "invalid_header" },      { "\"99999999999999999999\"", 400, "invalid_header" },
    { "\"2\"", 412, "precondition_failed" },
};

START_TEST(a_change_needs_the_version_that_was_read) {
    struct account account = account_register(&shared_server);
    expect_problem(send("PATCH", path_of(&account, ""), tags[_i].tag, "{\"disabled\":true}"), tags[_i].status, tags[_i].code);
    if (tags[_i].tag != NULL)
        expect_problem(send("DELETE", path_of(&account, ""), tags[_i].tag, NULL), tags[_i].status, tags[_i].code);
    ck_assert_int_eq(login_status(&account, PASSWORD), 200);
}
END_TEST

START_TEST(two_administrators_do_not_overwrite_each_other) {
    struct account account = account_register(&shared_server);
    char tag[TAG_SIZE], next[TAG_SIZE];
    tag_of(&account, tag);
    struct reply reply = send("PATCH", path_of(&account, ""), tag, "{\"roles\":[\"one\"]}");
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_ne(http_header(&reply, "ETag", next, sizeof next), tag);
    http_free(&reply);
    expect_problem(send("PATCH", path_of(&account, ""), tag, "{\"roles\":[\"two\"]}"), 412, "precondition_failed");
    expect_status(send("PATCH", path_of(&account, ""), tag, "{\"roles\":[\"one\"]}"), 200); /* its reply was lost */
    char weak[TAG_SIZE + 2];
    snprintf(weak, sizeof weak, "W/%s", next); /* behind a proxy that compresses */
    expect_status(send("PATCH", path_of(&account, ""), weak, "{\"roles\":[\"two\"]}"), 200);
}
END_TEST

static const struct {
    const char *headers[2];
    const char *wrong;
} repeated[] = {
    { { "If-Match: \"1\"", "If-Match: \"2\"" }, "If-Match" },
    { { "If-Match: \"1\"", "if-match: \"1\"" }, "If-Match" },
    { { "Idempotency-Key: a", "Idempotency-Key: b" }, "Idempotency-Key" },
    { { "Idempotency-Key: a", "idempotency-key: a" }, "Idempotency-Key" },
    { { "If-Match: 1", "Idempotency-Key: a" }, "If-Match" },
    { { "If-Match: \"1\"", "Idempotency-Key: a b" }, "Idempotency-Key" },
};

/* Or a proxy could act on one of two lines, and the service on the other. */
START_TEST(a_header_with_one_value_is_refused_by_its_name_when_it_is_sent_twice_or_is_none) {
    struct account account = account_register(&shared_server);
    char authorization[TOKEN_SIZE + 32];
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", admin.access);
    const char *const headers[] = { authorization, "Content-Type: application/json", repeated[_i].headers[0],
                                    repeated[_i].headers[1], NULL };
    expect_problem_about(http_send(&shared_server, "PATCH", path_of(&account, ""), headers, "{\"disabled\":true}"),
                         "invalid_header", "header", repeated[_i].wrong);
    expect_problem_about(http_send(&shared_server, "DELETE", path_of(&account, ""), headers, NULL), "invalid_header", "header",
                         repeated[_i].wrong);
    ck_assert_int_eq(login_status(&account, PASSWORD), 200);
}
END_TEST

/* On this instance at once. */
START_TEST(who_is_disabled_is_out_until_enabled) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    expect_status(change(&account, "{\"disabled\":true}"), 200);
    ck_assert_int_eq(me_status(&shared_server, tokens.access), 401);
    expect_problem(refresh_with(&shared_server, tokens.refresh), 401, "invalid_refresh_token");
    ck_assert_int_eq(login_status(&account, PASSWORD), 401);
    expect_status(change(&account, "{\"disabled\":false}"), 200);
    ck_assert_int_eq(me_status(&shared_server, tokens.access), 401);
    ck_assert_int_eq(login_status(&account, PASSWORD), 200);
}
END_TEST

START_TEST(sessions_are_shown_and_all_ended) {
    struct account account = account_register(&shared_server);
    struct tokens one = account_login(&shared_server, &account), two = account_login(&shared_server, &account);
    struct reply reply = get(path_of(&account, "/sessions"));
    ck_assert_int_eq(reply.status, 200);
    const struct json_object *sessions = json_object_object_get(reply.json, "sessions");
    ck_assert_uint_eq(json_object_array_length(sessions), 2);
    ck_assert(!json_boolean_at(json_object_array_get_idx(sessions, 0), "current"));
    http_free(&reply);
    expect_status(send("POST", path_of(&account, "/sessions/revoke"), NULL, NULL), 204);
    ck_assert_int_eq(me_status(&shared_server, one.access), 401);
    ck_assert_int_eq(me_status(&shared_server, two.access), 401);
    expect_status(send("POST", path_of(&account, "/sessions/revoke"), NULL, NULL), 204);
    account_login(&shared_server, &account);
}
END_TEST

START_TEST(a_deleted_user_is_gone) {
    struct account account = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &account);
    expect_status(send("DELETE", path_of(&account, ""), NULL, NULL), 204);
    ck_assert_int_eq(me_status(&shared_server, tokens.access), 401);
    expect_problem(get(path_of(&account, "")), 404, "not_found");
    expect_problem(send("DELETE", path_of(&account, ""), NULL, NULL), 404, "not_found");
}
END_TEST

/* "Who ended this session, when, from where, and why" is one call. */
START_TEST(the_events_of_a_user_say_who_ended_a_session_and_why) {
    struct account account = account_register(&shared_server);
    account_login(&shared_server, &account);
    struct reply reply = get(path_of(&account, "/sessions"));
    char session[40], path[PATH_SIZE], actor[64];
    const struct json_object *sessions = json_object_object_get(reply.json, "sessions");
    snprintf(session, sizeof session, "%s", json_string_at(json_object_array_get_idx(sessions, 0), "id"));
    http_free(&reply);
    expect_status(change(&account, "{\"disabled\":true}"), 200);
    snprintf(path, sizeof path, "/users/%s/events?session=%s&event=session_ended", account.id, session);
    snprintf(actor, sizeof actor, "admin:%s", administrator.id);
    reply = get(path);
    ck_assert_int_eq(reply.status, 200);
    const struct json_object *events = json_object_object_get(reply.json, "events");
    ck_assert_uint_eq(json_object_array_length(events), 1);
    const struct json_object *event = json_object_array_get_idx(events, 0);
    ck_assert_str_eq(json_string_at(event, "event"), "session_ended");
    ck_assert_str_eq(json_string_at(event, "session_id"), session);
    ck_assert_str_eq(json_string_at(event, "reason"), "user_disabled");
    ck_assert_str_eq(json_string_at(event, "actor"), actor);
    ck_assert_str_eq(json_string_at(event, "ip"), "127.0.0.1");
    http_free(&reply);
    struct account other = account_register(&shared_server);
    struct tokens tokens = account_login(&shared_server, &other);
    expect_problem(send_as(tokens.access, "GET", path_of(&other, "/events"), NULL, NULL), 403, "insufficient_scope");
}
END_TEST

START_TEST(pages_lead_to_every_event_once) {
    struct account account = account_register(&shared_server);
    char path[PATH_SIZE], cursor[128] = "";
    for (int i = 0; i < 6; i++)
        expect_status(change(&account, i % 2 == 0 ? "{\"roles\":[\"a\"]}" : "{\"roles\":[]}"), 200);
    size_t found = 0, pages = 0;
    do {
        snprintf(path, sizeof path, "/users/%s/events?event=roles_changed&limit=2%s", account.id, cursor);
        struct reply reply = get(path);
        ck_assert_int_eq(reply.status, 200);
        found += json_object_array_length(json_object_object_get(reply.json, "events"));
        const char *next = http_member(&reply, "next");
        snprintf(cursor, sizeof cursor, next[0] != '\0' ? "&cursor=%s" : "%s", next);
        http_free(&reply);
    } while (cursor[0] != '\0' && ++pages < 10);
    ck_assert_uint_eq(found, 6);
}
END_TEST

static const struct {
    const char *query, *wrong;
} wrong_event_queries[] = {
    { "limit=0", "limit" },
    { "limit=101", "limit" },
    { "session=x", "session" },
    { "event=A", "event" },
    { "event=password_forgotten", "event" },
    { "event=session", "event" },
    { "event=session_ended,", "event" },
    { "cursor=x", "cursor" },
    { "limit=2&event=session_ended&limit=2", "limit" },
    { "event=session_ended_session_ended_session_ended", "event" },
};

START_TEST(a_parameter_of_events_that_cannot_be_is_refused) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, NOBODY "/events?%s", wrong_event_queries[_i].query);
    expect_problem_about(get(path), "invalid_parameter", "parameter", wrong_event_queries[_i].wrong);
}
END_TEST

static const char *const kinds[] = {
    "user_registered",          "user_created",  "user_deleted",    "user_disabled", "user_enabled",   "password_changed",
    "password_change_required", "email_changed", "profile_changed", "roles_changed", "session_opened", "session_ended",
    "refresh_token_reused",     "login_failed",  "account_locked"
};

START_TEST(events_of_any_kind_that_there_is_can_be_asked_for) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, NOBODY "/events?event=%s", kinds[_i]);
    expect_status(get(path), 200);
}
END_TEST

/* ---- the forced change of a password ---- */

static struct reply log_in_with(const struct account *account, const char *password, const char *new_password) {
    char body[BODY_SIZE];
    snprintf(body, sizeof body, "{\"email\":\"%s\",\"password\":\"%s\",\"new_password\":\"%s\"}", account->email, password,
             new_password);
    return http_json(&shared_server, "POST", "/auth/login", NULL, body);
}

START_TEST(who_must_change_the_password_gets_in_with_a_new_one_only) {
    struct account account = account_register(&shared_server);
    struct tokens before = account_login(&shared_server, &account), tokens;
    char body[BODY_SIZE];
    expect_status(change(&account, "{\"password_change_required\":true}"), 200);
    ck_assert_int_eq(me_status(&shared_server, before.access), 401);
    expect_problem(refresh_with(&shared_server, before.refresh), 401, "invalid_refresh_token");
    expect_problem(http_json(&shared_server, "POST", "/auth/login", NULL, credentials(&account, PASSWORD, body)), 403,
                   "password_change_required");
    expect_problem(log_in_with(&account, "not the passphrase", NEW_PASSWORD), 401, "invalid_credentials");
    expect_problem(log_in_with(&account, PASSWORD, "password123"), 422, "validation_failed");
    struct reply reply = log_in_with(&account, PASSWORD, PASSWORD);
    assert_problem(&reply, 422, "validation_failed");
    ck_assert_ptr_nonnull(strstr(reply.body, "\"pointer\":\"/new_password\",\"code\":\"unchanged\""));
    http_free(&reply);
    reply = log_in_with(&account, PASSWORD, NEW_PASSWORD);
    ck_assert_int_eq(reply.status, 200);
    snprintf(tokens.access, sizeof tokens.access, "%s", http_member(&reply, "access_token"));
    snprintf(tokens.refresh, sizeof tokens.refresh, "%s", http_member(&reply, "refresh_token"));
    http_free(&reply);
    ck_assert_int_eq(me_status(&shared_server, tokens.access), 200);
    expect_status(refresh_with(&shared_server, tokens.refresh), 200);
    ck_assert_int_eq(login_status(&account, PASSWORD), 401);
    ck_assert_int_eq(login_status(&account, NEW_PASSWORD), 200);
    ck_assert_int_eq(database_number("SELECT count(*) FROM auth_events WHERE user_id = $1::uuid AND event IN"
                                     " ('password_change_required', 'password_changed')",
                                     account.id),
                     2);
}
END_TEST

START_TEST(a_login_may_change_the_password_unasked_and_ends_the_other_sessions) {
    struct account account = account_register(&shared_server);
    struct tokens other = account_login(&shared_server, &account);
    expect_status(log_in_with(&account, PASSWORD, NEW_PASSWORD), 200);
    ck_assert_int_eq(me_status(&shared_server, other.access), 401);
    ck_assert_int_eq(login_status(&account, NEW_PASSWORD), 200);
}
END_TEST

/* Its reply was lost: the client sends the same again, and the user does not find the own password wrong. For a minute, and only
 * with the password that was set. */
START_TEST(a_login_that_has_changed_the_password_may_be_repeated) {
    struct account account = account_register(&shared_server);
    expect_status(change(&account, "{\"password_change_required\":true}"), 200);
    expect_status(log_in_with(&account, PASSWORD, NEW_PASSWORD), 200);
    expect_status(log_in_with(&account, PASSWORD, NEW_PASSWORD), 200);
    expect_problem(log_in_with(&account, PASSWORD, "a third passphrase"), 401, "invalid_credentials");
    in_sql("UPDATE users SET password_changed_at = password_changed_at - interval '2 minutes' WHERE id = $1", account.id);
    expect_problem(log_in_with(&account, PASSWORD, NEW_PASSWORD), 401, "invalid_credentials");
    expect_status(change(&account, "{\"password_change_required\":true}"), 200);
    expect_problem(log_in_with(&account, PASSWORD, NEW_PASSWORD), 401, "invalid_credentials");
}
END_TEST

/* ---- the last administrator ---- */

START_TEST(the_last_administrator_stays_whoever_asks) {
    in_sql("UPDATE users SET roles = '{}' WHERE id <> $1 AND 'admin' = ANY (roles)", administrator.id);
    expect_problem(change(&administrator, "{\"roles\":[]}"), 409, "last_admin");
    expect_problem(change(&administrator, "{\"disabled\":true}"), 409, "last_admin");
    expect_problem(send("DELETE", path_of(&administrator, ""), NULL, NULL), 409, "last_admin");
    expect_problem(send("DELETE", "/auth/me", NULL, "{\"current_password\":\"" PASSWORD "\"}"), 409, "last_admin");
    expect_status(get("/users"), 200);
    account_keep_administrator();
}
END_TEST

static struct account pair[2];
static struct tokens pair_tokens[2];
static long pair_statuses[2];

static void delete_the_other(size_t index, void *context) {
    struct reply reply = send_as(pair_tokens[index].access, "DELETE", path_of(&pair[1 - index], ""), NULL, NULL);
    pair_statuses[index] = reply.status;
    http_free(&reply);
    (void)context;
}

/* The second one is refused as the last one, or because the token is revoked by then. */
START_TEST(two_administrators_who_delete_each_other_leave_one) {
    for (int i = 0; i < 2; i++) {
        pair[i] = register_administrator();
        pair_tokens[i] = account_login(&shared_server, &pair[i]);
    }
    in_sql("UPDATE users SET roles = '{}'"
           " WHERE 'admin' = ANY (roles) AND id NOT IN (SELECT id FROM users WHERE 'admin' = ANY (roles) ORDER BY created_at "
           "DESC LIMIT 2)",
           NULL);
    run_parallel(2, delete_the_other, NULL);
    ck_assert_int_eq((pair_statuses[0] == 204) + (pair_statuses[1] == 204), 1);
    long refused = pair_statuses[pair_statuses[0] == 204 ? 1 : 0];
    ck_assert_msg(refused == 409 || refused == 401, "%ld", refused);
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE 'admin' = ANY (roles)", NULL), 1);
    account_keep_administrator();
}
END_TEST

Suite *users_suite(void) {
    Suite *suite = suite_create("users");
    TCase *tcase = tcase_create("one server");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, start, shared_server_finish);
    tcase_add_loop_test(tcase, only_an_administrator_may, 0, (int)ARRAY_LEN(routes));
    tcase_add_test(tcase, who_is_no_administrator_any_more_may_not_from_then_on);
    tcase_add_loop_test(tcase, who_is_no_administrator_any_more_changes_nothing_on_an_instance_that_has_not_read_it, 0,
                        (int)ARRAY_LEN(endings));
    tcase_add_test(tcase, a_user_is_found_by_the_whole_address_without_regard_to_case);
    tcase_add_test(tcase, pages_lead_to_every_user_once);
    tcase_add_test(tcase, an_address_of_any_letters_and_length_is_found_by_its_prefix);
    tcase_add_test(tcase, a_page_of_users_with_as_much_metadata_as_fits_is_whole);
    tcase_add_loop_test(tcase, a_parameter_that_cannot_be_is_refused, 0, (int)ARRAY_LEN(wrong_queries));
    tcase_add_test(tcase, a_user_is_created_with_password_and_roles);
    tcase_add_test(tcase, nobody_can_log_in_to_an_account_without_a_password);
    tcase_add_loop_test(tcase, what_is_wrong_with_a_new_user_is_said, 0, (int)ARRAY_LEN(wrong_members));
    tcase_add_test(tcase, more_roles_than_a_token_carries_are_refused);
    tcase_add_loop_test(tcase, a_change_needs_the_version_that_was_read, 0, (int)ARRAY_LEN(tags));
    tcase_add_loop_test(tcase, a_header_with_one_value_is_refused_by_its_name_when_it_is_sent_twice_or_is_none, 0,
                        (int)ARRAY_LEN(repeated));
    tcase_add_test(tcase, two_administrators_do_not_overwrite_each_other);
    tcase_add_test(tcase, who_is_disabled_is_out_until_enabled);
    tcase_add_test(tcase, sessions_are_shown_and_all_ended);
    tcase_add_test(tcase, a_deleted_user_is_gone);
    tcase_add_test(tcase, the_events_of_a_user_say_who_ended_a_session_and_why);
    tcase_add_test(tcase, pages_lead_to_every_event_once);
    tcase_add_loop_test(tcase, a_parameter_of_events_that_cannot_be_is_refused, 0, (int)ARRAY_LEN(wrong_event_queries));
    tcase_add_loop_test(tcase, events_of_any_kind_that_there_is_can_be_asked_for, 0, (int)ARRAY_LEN(kinds));
    tcase_add_test(tcase, who_must_change_the_password_gets_in_with_a_new_one_only);
    tcase_add_test(tcase, a_login_may_change_the_password_unasked_and_ends_the_other_sessions);
    tcase_add_test(tcase, a_login_that_has_changed_the_password_may_be_repeated);
    tcase_add_test(tcase, the_last_administrator_stays_whoever_asks);
    tcase_add_test(tcase, two_administrators_who_delete_each_other_leave_one);
    suite_add_tcase(suite, tcase);
    return suite;
}
