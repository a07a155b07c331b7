/*
 * Each call that a request causes fails once, kind by kind, and of the allocations also all from it on, for one after the other
 * until there is none left to fail. The service answers as it should, or 503 with Retry-After, or closes without a reply where it
 * cannot send one; it never exits, it sends no other reply, and the request may be repeated: no user is registered twice, and no
 * session is lost. ONLY=4 runs one kind of request, STRIDE=10 every tenth call.
 */
#include "support/account.h"
#include "support/database.h"
#include "support/faults.h"
#include "support/load.h"
#include "support/process.h"
#include "support/raw.h"
#include "support/service.h"
#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *fault_requests_suite(void);

#define REQUEST_SIZE ((size_t)512 * 1024)
#define LARGE_BODY ((size_t)300 * 1000)
#define WAIT_MS 8000
#define WELL_TRIES 200
#define WELL_PAUSE_US 20000u
#define CALLS_MAX 3000
/* Of one kind of request: of the connection itself, before a reply could be sent. */
#define CLOSED_MAX 12

static struct server server;
static struct account account;
static struct account prober; /* who logs in to see whether the database is back: whose sessions are not counted */
static struct tokens tokens;
static struct service service;
static struct faults faults;

/* ---- requests ---- */

static size_t with_body(char *request, const char *path, const char *headers, const char *body, bool chunked) {
    size_t len = strlen(body);
    if (chunked)
        return (size_t)snprintf(request, REQUEST_SIZE,
                                "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "
                                "application/json\r\n%sTransfer-Encoding: chunked\r\n\r\n"
                                "%zx\r\n%s\r\n0\r\n\r\n",
                                path, headers, len, body);
    return (size_t)snprintf(
        request, REQUEST_SIZE,
        "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
        path, headers, len, body);
}

static size_t with_token(char *request, const char *method, const char *path) {
    return (size_t)snprintf(request, REQUEST_SIZE,
                            "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", method, path,
                            tokens.access);
}

static size_t write_live(char *request) {
    return (size_t)snprintf(request, REQUEST_SIZE, "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
}

static size_t write_keys(char *request) {
    return (size_t)snprintf(request, REQUEST_SIZE, "GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
}

static size_t write_docs(char *request) {
    return (size_t)snprintf(request, REQUEST_SIZE,
                            "GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a=b; c=d\r\n\r\n");
}

static size_t write_verify(char *request) {
    return with_token(request, "GET", "/auth/verify");
}

/* The token has no role. */
static size_t write_verify_for_role(char *request) {
    return with_token(request, "GET", "/auth/verify/x?a=b&role=admin");
}

/* A token that is not in the verifier's cache is checked from its signature on. */
static size_t write_first_verify(char *request) {
    tokens = account_login(&server, &account);
    return write_verify(request);
}

static size_t write_me(char *request) {
    return with_token(request, "GET", "/auth/me");
}

static size_t write_sessions(char *request) {
    return with_token(request, "GET", "/auth/sessions");
}

static long sessions_before; /* of the account, before each login */

static long count_sessions(void) {
    return database_number("SELECT count(*) FROM sessions JOIN users ON users.id = user_id WHERE email = $1", account.email);
}

static size_t write_login(char *request) {
    char body[BODY_SIZE];
    return with_body(request, "/auth/login", "", credentials(&account, PASSWORD, body), false);
}

#define HASH_OF_OTHER_PARAMETERS "$argon2id$v=19$m=32,t=1,p=1$FeohYrSOxfokkbWZ4YXejw$y09rj3EkKEjF2I6i21e+RNSBG/2MtK0SuQWI/omYKLI"

static size_t write_login_with_old_hash(char *request) {
    char ignored[64];
    database_value("UPDATE users SET password_hash = '" HASH_OF_OTHER_PARAMETERS "' WHERE email = $1", account.email, ignored,
                   sizeof ignored);
    return write_login(request);
}

/* As after a restart of the database: the connection that is found dead is replaced in the middle of the request. */
static size_t write_reconnecting_login(char *request) {
    size_t len = write_login(request);
    database_number("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", "jwtd");
    return len;
}

/* Of a session that has not been refreshed yet. */
static size_t write_refresh(char *request) {
    char body[BODY_SIZE];
    tokens = account_login(&server, &account);
    return with_body(request, "/auth/refresh", "", refresh_json(tokens.refresh, body), false);
}

static struct account registered;

static size_t write_register(char *request) {
    char body[BODY_SIZE];
    registered = account_new();
    return with_body(request, "/auth/register", "Idempotency-Key: a-key\r\n", credentials(&registered, PASSWORD, body), false);
}

static struct account changed;
static struct tokens changed_tokens;

#define CHANGE_JSON "{\"current_password\":\"" PASSWORD "\",\"new_password\":\"another long passphrase\"}"

/* Whose password has just been changed, as the reply that was lost would have said. */
static size_t write_repeated_change(char *request) {
    char headers[TOKEN_SIZE + 32], ignored[64];
    if (changed.email[0] == '\0') {
        changed = account_register(&server);
        changed_tokens = account_login(&server, &changed);
        expect_status(http_json(&server, "POST", "/auth/password", changed_tokens.access, CHANGE_JSON), 204);
    }
    database_value("UPDATE users SET password_changed_at = now() WHERE email = $1", changed.email, ignored, sizeof ignored);
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", changed_tokens.access);
    return with_body(request, "/auth/password", headers, CHANGE_JSON, false);
}

/* ---- requests of an administrator ---- */

static struct account administrator;
static struct tokens administrator_tokens;

static void log_in_administrator(void) {
    char ignored[8];
    if (administrator.email[0] != '\0')
        return;
    administrator = account_register(&server);
    database_value("UPDATE users SET roles = '{admin}' WHERE id = $1", administrator.id, ignored, sizeof ignored);
    administrator_tokens = account_login(&server, &administrator);
    ck_assert_int_eq(me_status(&server, administrator_tokens.access), 200); /* from now on it is in the verifier's cache */
}

static size_t write_events(char *request) {
    char path[96];
    log_in_administrator();
    tokens = administrator_tokens;
    snprintf(path, sizeof path, "/users/%s/events?limit=1", administrator.id);
    return with_token(request, "GET", path);
}

/* The change that was sent last, each with a key of its own. */
static struct {
    char path[64], key[48], if_match[48], authorization[TOKEN_SIZE + 32], body[BODY_SIZE];
    const char *headers[5];
    long version; /* of the user, before it */
} change;
static unsigned changes;

static size_t with_change(char *request, const char *method) {
    log_in_administrator();
    snprintf(change.key, sizeof change.key, "Idempotency-Key: change-%u", changes++);
    snprintf(change.authorization, sizeof change.authorization, "Authorization: Bearer %s", administrator_tokens.access);
    change.headers[0] = "Content-Type: application/json";
    change.headers[1] = change.authorization;
    change.headers[2] = change.key;
    change.headers[3] = change.if_match[0] != '\0' ? change.if_match : NULL;
    return (size_t)snprintf(
        request, REQUEST_SIZE,
        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n%s\r\n%s\r\n%s%sContent-Length: %zu\r\n\r\n%s", method,
        change.path, change.headers[0], change.authorization, change.key, change.if_match,
        change.if_match[0] != '\0' ? "\r\n" : "", strlen(change.body), change.body);
}

static size_t write_user_change(char *request) {
    log_in_administrator();
    change.version = database_number("SELECT version FROM users WHERE id = $1", account.id);
    snprintf(change.path, sizeof change.path, "/users/%s", account.id);
    snprintf(change.if_match, sizeof change.if_match, "If-Match: \"%ld\"", change.version);
    snprintf(change.body, sizeof change.body, "{\"name\":\"%u\",\"metadata\":{\"n\":%u}}", changes, changes);
    return with_change(request, "PATCH");
}

static size_t write_user_creation(char *request) {
    registered = account_new();
    snprintf(change.path, sizeof change.path, "/users");
    snprintf(change.body, sizeof change.body, "{\"email\":\"%s\",\"name\":\"Ada\"}", registered.email);
    return with_change(request, "POST");
}

static size_t write_logout(char *request) {
    return with_body(request, "/auth/logout", "", "{\"refresh_token\":\"jr1_none\"}", false);
}

static size_t with_form(char *request, const char *path, const char *token) {
    return (size_t)snprintf(request, REQUEST_SIZE,
                            "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n"
                            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\ntoken=%s",
                            path, service.authorization, strlen("token=") + strlen(token), token);
}

static size_t write_introspection(char *request) {
    return with_form(request, "/auth/introspect", tokens.access);
}

static size_t write_introspection_of_refresh_token(char *request) {
    return with_form(request, "/auth/introspect", tokens.refresh);
}

static size_t write_revocation(char *request) {
    tokens = account_login(&server, &account);
    return with_form(request, "/auth/revoke", tokens.access);
}

/* Blanks, which are no JSON. */
static size_t write_large(char *request, bool chunked) {
    char *body = malloc(LARGE_BODY + 1);
    ck_assert_ptr_nonnull(body);
    memset(body, ' ', LARGE_BODY);
    body[LARGE_BODY] = '\0';
    size_t len = with_body(request, "/auth/login", "", body, chunked);
    free(body);
    return len;
}

static size_t write_large_body(char *request) {
    return write_large(request, false);
}

static size_t write_large_chunked_body(char *request) {
    return write_large(request, true);
}

/* ---- what holds however the request has ended ---- */

/* A statement whose deadline has passed is given up by the service, and may still commit. */
static void await_statements(void) {
    int tries = WELL_TRIES;
    while (database_number("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND state <> 'idle'", "jwtd") > 0) {
        ck_assert_msg(tries-- > 0, "the statements of the service do not end");
        usleep(WELL_PAUSE_US);
    }
}

static void expect_one_session_at_most(int status) {
    await_statements();
    long made = count_sessions() - sessions_before;
    char ignored[64];
    /* a user has a hundred at most: the next login would take the place of another */
    database_value("DELETE FROM sessions USING users WHERE users.id = user_id AND email = $1", account.email, ignored,
                   sizeof ignored);
    sessions_before = 0;
    ck_assert_msg(made == 1 || (made == 0 && status != 200), "%ld sessions by one login that was answered %d", made, status);
}

/* The same request again, as the contract allows. */
static void expect_one_user(int status) {
    char body[BODY_SIZE];
    const char *const headers[] = { "Content-Type: application/json", "Idempotency-Key: a-key", NULL };
    (void)status;
    expect_status(http_send(&server, "POST", "/auth/register", headers, credentials(&registered, PASSWORD, body)), 201);
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email = $1", registered.email), 1);
}

static void expect_one_user_change(int status) {
    (void)status;
    await_statements();
    expect_status(http_send(&server, "PATCH", change.path, change.headers, change.body), 200);
    ck_assert_int_eq(database_number("SELECT version FROM users WHERE id = $1", account.id), change.version + 1);
}

static void expect_one_created_user(int status) {
    (void)status;
    await_statements();
    expect_status(http_send(&server, "POST", change.path, change.headers, change.body), 201);
    ck_assert_int_eq(database_number("SELECT count(*) FROM users WHERE email = $1", registered.email), 1);
}

static void expect_living_session(int status) {
    (void)status;
    expect_status(refresh_with(&server, tokens.refresh), 200);
}

/* RFC 7009 section 2.2.1: after 503 it may live, and may be revoked again. */
static void expect_ended_session(int status) {
    if (status != 200)
        expect_status(service_ask(&server, &service, "/auth/revoke", tokens.access), 200);
    expect_problem(refresh_with(&server, tokens.refresh), 401, "invalid_refresh_token");
}

static const struct request_case {
    const char *name;
    size_t (*write)(char *request);
    int status;
    void (*check)(int status); /* when nothing fails any more, with the status of the request; NULL: there is nothing to check */
    const char *part;          /* which a reply with this status has; NULL: any */
    const char *algorithm;     /* of the key; NULL: hs256 */
} cases[] = {
    { "live", write_live, 200, NULL, NULL, NULL },
    { "docs", write_docs, 200, NULL, NULL, NULL },
    { "verify", write_verify, 200, NULL, NULL, NULL },
    { "first verify", write_first_verify, 200, NULL, NULL, NULL },
    { "verify for a role", write_verify_for_role, 403, NULL, NULL, NULL },
    { "me", write_me, 200, NULL, NULL, NULL },
    { "sessions", write_sessions, 200, NULL, NULL, NULL },
    { "login", write_login, 200, expect_one_session_at_most, NULL, NULL },
    { "reconnecting login", write_reconnecting_login, 200, expect_one_session_at_most, NULL, NULL },
    { "login with an old hash", write_login_with_old_hash, 200, expect_one_session_at_most, NULL, NULL },
    { "refresh", write_refresh, 200, expect_living_session, NULL, NULL },
    { "register", write_register, 201, expect_one_user, NULL, NULL },
    { "logout", write_logout, 204, NULL, NULL, NULL },
    { "a repeated password change", write_repeated_change, 204, NULL, NULL, NULL },
    { "change of a user", write_user_change, 200, expect_one_user_change, NULL, NULL },
    { "creation of a user", write_user_creation, 201, expect_one_created_user, NULL, NULL },
    { "events of a user", write_events, 200, NULL, "\"events\":[{", NULL },
    { "introspection", write_introspection, 200, NULL, "\"active\":true", NULL },
    { "introspection of a refresh token", write_introspection_of_refresh_token, 200, NULL, "\"active\":true", NULL },
    { "revocation", write_revocation, 200, expect_ended_session, NULL, NULL },
    { "keys", write_keys, 200, NULL, NULL, "es256" },
    { "first verify of ES256", write_first_verify, 200, NULL, NULL, "es256" },
    { "login with ES256", write_login, 200, expect_one_session_at_most, NULL, "es256" },
    { "refresh with RS256", write_refresh, 200, expect_living_session, NULL, "rs256" },
    { "large body", write_large_body, 400, NULL, NULL, NULL },
    { "large chunked body", write_large_chunked_body, 400, NULL, NULL, NULL },
};
#define CASES ARRAY_LEN(cases)

/* But for its connection, which is closed without an answer when there is none. */
static bool needs_no_memory(const struct request_case *request_case) {
    return request_case->write == write_verify;
}

static const struct run {
    const char *name;
    struct fault fault;
    enum fault_mode mode;
    bool leads_to_503; /* sooner or later, whatever the request, but for one that needs no memory */
} runs[] = {
    { "allocations", { FAULT_MEMORY, ENOMEM }, FAULT_ONE, true },
    { "all allocations", { FAULT_MEMORY, ENOMEM }, FAULT_ALL, true },
    { "descriptors", { FAULT_DESCRIPTORS, EMFILE }, FAULT_ONE, false },
    { "forbidden descriptors", { FAULT_DESCRIPTORS, EACCES }, FAULT_ONE, false },
    { "sends", { FAULT_SENDS, ECONNRESET }, FAULT_ONE, false },
    { "sends without a reader", { FAULT_SENDS, EPIPE }, FAULT_ONE, false },
    { "sends without buffers", { FAULT_SENDS, ENOBUFS }, FAULT_ONE, false },
    { "short sends", { FAULT_SENDS, FAULT_SHORT }, FAULT_ONE, false },
};
#define RUNS ARRAY_LEN(runs)

/* ---- one run ---- */

/* Short where many requests wait for the end of their time. */
static const char *short_timeout(void) {
    return test_is_sanitized() ? "server.request_timeout=2s" : "server.request_timeout=400ms";
}

/* Where a key of another algorithm is; that of the server's own directory has one of HS256. */
static char keys_dir[64];

static void make_key(const char *algorithm, char setting[128]) {
    char refresh[128], output[512];
    snprintf(keys_dir, sizeof keys_dir, "/tmp/jwtd-test-keys-%ld", (long)getpid());
    snprintf(setting, 128, "token.keys_dir=%s", keys_dir);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s.refresh", keys_dir);
    const char *const words[] = { "--set", setting, "--set", refresh, "keygen", "--algorithm", algorithm, NULL };
    ck_assert_msg(program_run(words, NULL, output, sizeof output) == 0, "%s", output);
}

static void remove_keys(void) {
    char command[256];
    if (keys_dir[0] == '\0')
        return;
    snprintf(command, sizeof command, "rm -rf '%s' '%s.refresh'", keys_dir, keys_dir);
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): a test's own directory */
}

static void start(const char *timeout, const char *algorithm) {
    char keys[128];
    if (algorithm != NULL)
        make_key(algorithm, keys);
    /* the only limit is on wrong passwords: none of these is wrong, so none may count as wrong */
    server = server_prepare((const char *const[]){ "server.body_limit=1MiB", timeout, "server.threads=1", "password.memory=64KiB",
                                                   "password.workers=1", "database.connections=1", "limit.enabled=true",
                                                   "limit.register=off", "limit.login=off", "limit.refresh=off",
                                                   "limit.account=off", "limit.service=off", "limit.address_failures=off",
                                                   "limit.login_failures=2/24h", algorithm != NULL ? keys : NULL, NULL });
    char secret[256];
    service = service_with("orders", service_command(&server, "add", "orders", secret));
    faults_open(&faults, server.directory, "fault");
    server_launch(&server, faults.wrapper);
    server_await(&server);
    await_ready(&server); /* until the revoked keys are known, a login is answered with 503 */
    account = account_register(&server);
    prober = account_register(&server);
    tokens = account_login(&server, &account);
    sessions_before = count_sessions();
}

static void finish(void) {
    faults_close(&faults);
    server_finish(&server);
    remove_keys();
}

struct outcome {
    int status; /* 0: closed without a word */
    long seen, failed;
    bool retry_after;
};

static bool is_verified(const struct request_case *request_case, const struct raw_reply *reply) {
    bool is_verify = request_case->write == write_verify || request_case->write == write_first_verify;
    return is_verify && reply->count > 0 && reply->statuses[0] == 200;
}

/* A proxy may forward the client's own header in the place of one that is missing. */
static bool has_identity(const struct raw_reply *reply) {
    static const char *const headers[] = { "\r\nX-Auth-Subject: ", "\r\nX-Auth-Session: ", "\r\nX-Auth-Roles: -\r\n" };
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        if (strstr(reply->bytes, headers[i]) == NULL)
            return false;
    return true;
}

static struct outcome ask(const struct request_case *request_case, const struct run *run, enum fault_scope scope, long wanted) {
    static char request[REQUEST_SIZE];
    static struct raw_reply reply;
    size_t len = request_case->write(request);
    faults_arm(&faults, run->fault, scope, wanted > 0 ? run->mode : FAULT_NONE, wanted);
    int fd = raw_connect(&server);
    raw_send(fd, request, len);
    raw_read(fd, WAIT_MS, &reply);
    faults_disarm(&faults);
    close(fd);
    const char *what = faults_describe(&faults, run->fault, wanted);
    ck_assert_msg(!is_verified(request_case, &reply) || has_identity(&reply), "%s: after %s %s", request_case->name, what,
                  reply.bytes);
    ck_assert_msg(waitpid(server.pid, NULL, WNOHANG) == 0, "%s: the service died after %s", request_case->name, what);
    ck_assert_msg(reply.closed, "%s: no answer after %s", request_case->name, what);
    if (reply.count > 0 && reply.statuses[0] == request_case->status && request_case->part != NULL)
        ck_assert_msg(strstr(reply.bytes, request_case->part) != NULL, "%s after %s: %s", request_case->name, what, reply.bytes);
    return (struct outcome){ .status = reply.count > 0 ? reply.statuses[0] : 0,
                             .seen = atomic_load(&faults.control->seen),
                             .failed = atomic_load(&faults.control->failed),
                             .retry_after = strcasestr(reply.bytes, "\r\nRetry-After: ") != NULL };
}

/* A connection to the database that has failed is opened again a little later. A login that is answered 503 may have made its
 * session: the deadline can pass while PostgreSQL commits it. */
static void await_database(void) {
    char body[BODY_SIZE];
    long status = 0;
    for (int i = 0; i < WELL_TRIES && status != 200; i++) {
        if (i > 0)
            usleep(WELL_PAUSE_US);
        struct reply reply = http_json(&server, "POST", "/auth/login", NULL, credentials(&prober, PASSWORD, body));
        status = reply.status;
        http_free(&reply);
    }
    ck_assert_msg(status == 200, "%ld although nothing fails any more", status);
}

static void fail_each_call(const struct request_case *request_case, const struct run *run) {
    unsigned closed = 0, unavailable = 0;
    struct outcome outcome;
    long wanted = 1;
    if (needs_no_memory(request_case)) /* once it has been checked, since the last key was revoked */
        ask(request_case, run, FAULT_REQUEST_THREADS, CALLS_MAX);
    do {
        ck_assert_int_lt(wanted, CALLS_MAX);
        outcome = ask(request_case, run, FAULT_REQUEST_THREADS, wanted);
        bool is_unavailable = outcome.status == 503 && outcome.retry_after;
        ck_assert_msg(outcome.status == request_case->status || is_unavailable || outcome.status == 0, "%s: %d after %s%s",
                      request_case->name, outcome.status, faults_describe(&faults, run->fault, wanted),
                      run->mode == FAULT_ALL ? " and all that followed" : "");
        closed += outcome.status == 0;
        unavailable += is_unavailable;
        if (request_case->check != NULL || outcome.status != request_case->status)
            await_database();
        if (request_case->check != NULL)
            request_case->check(outcome.status);
        wanted += faults_stride();
    } while (outcome.failed > 0);
    ck_assert(outcome.seen > 0);
    ck_assert_msg(closed <= CLOSED_MAX, "%s, %s: closed %u times without a word", request_case->name, run->name, closed);
    if (run->leads_to_503)
        ck_assert_msg((unavailable == 0) == needs_no_memory(request_case), "%s, %s: %u times 503", request_case->name, run->name,
                      unavailable);
    printf("%s, %s: %ld calls, %u times 503, %u times closed\n", request_case->name, run->name, outcome.seen, unavailable,
           closed);
}

START_TEST(whichever_call_fails_the_answer_is_right_or_503) {
    start(short_timeout(), cases[_i].algorithm);
    for (size_t i = 0; i < RUNS; i++)
        if (runs[i].mode == FAULT_ONE || cases[_i].write != write_reconnecting_login) /* which has to wait each time */
            fail_each_call(&cases[_i], &runs[i]);
    finish();
}
END_TEST

/* The last thing that the hashing thread does for a login is to hash the password with the parameters of today. */
START_TEST(a_login_succeeds_although_its_new_hash_cannot_be_made) {
    static const struct request_case login = { "login with an old hash", write_login_with_old_hash, 200, NULL, NULL, NULL };
    /* no 503 but for what fails */
    start("server.request_timeout=4s", NULL);
    int last_status = 0;
    struct outcome outcome;
    long wanted = 1;
    do {
        ck_assert_int_lt(wanted, CALLS_MAX);
        outcome = ask(&login, &runs[0], FAULT_HASHING_THREADS, wanted++);
        if (outcome.failed > 0)
            last_status = outcome.status;
    } while (outcome.failed > 0);
    ck_assert_int_gt(wanted, 3);
    ck_assert_int_eq(last_status, 200);
    finish();
}
END_TEST

Suite *fault_requests_suite(void) {
    Suite *suite = suite_create("fault_requests");
    TCase *tcase = tcase_create("every call");
    tcase_set_timeout(tcase, 120);
    faults_add_test(tcase, whichever_call_fails_the_answer_is_right_or_503, CASES);
    tcase_add_test(tcase, a_login_succeeds_although_its_new_hash_cannot_be_made);
    suite_add_tcase(suite, tcase);
    return suite;
}
