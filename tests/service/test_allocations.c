/*
 * Each allocation of a request fails once, and then all from it on, for one after the other until there is none left to fail. The
 * service answers as it should, or 503 with Retry-After, or closes without a word what it could not even accept; it never
 * crashes, and it never says anything else. ONLY=4 runs one kind of request.
 *
 * Not under the sanitizers, which bring an allocator of their own.
 */
#include "support/account.h"
#include "support/faults.h"
#include "support/process.h"
#include "support/raw.h"
#include "tests/fault/fault.h"
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

Suite *allocations_suite(void);

#define REQUEST_SIZE ((size_t)512 * 1024)
#define LARGE_BODY ((size_t)300 * 1000)
#define WAIT_MS 8000
#define WELL_TRIES 200
#define WELL_PAUSE_US 20000u
#define ALLOCATIONS_MAX 3000
/* Of one kind of request: of the connection itself, before there is anybody who could answer. */
#define CLOSED_MAX 12

static struct server keeper, server;
static struct account account;
static struct tokens tokens;
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

static size_t write_docs(char *request) {
    return (size_t)snprintf(request, REQUEST_SIZE,
                            "GET /docs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: a=b; c=d\r\n\r\n");
}

static size_t write_verify(char *request) {
    return with_token(request, "GET", "/auth/verify");
}

/* A token that nobody has seen yet is checked from its signature on. */
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

static size_t write_login(char *request) {
    char body[BODY_SIZE];
    return with_body(request, "/auth/login", "", credentials(&account, PASSWORD, body), false);
}

static size_t write_chunked_login(char *request) {
    char body[BODY_SIZE];
    return with_body(request, "/auth/login", "", credentials(&account, PASSWORD, body), true);
}

static size_t write_refresh(char *request) {
    char body[BODY_SIZE];
    return with_body(request, "/auth/refresh", "", refresh_json(tokens.refresh, body), false);
}

static size_t write_register(char *request) {
    char body[BODY_SIZE];
    struct account other = account_new();
    return with_body(request, "/auth/register", "Idempotency-Key: a-key\r\n", credentials(&other, PASSWORD, body), false);
}

static size_t write_logout(char *request) {
    return with_body(request, "/auth/logout", "", "{\"refresh_token\":\"jr1_none\"}", false);
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

static const struct request_case {
    const char *name;
    size_t (*write)(char *request);
    int status;
} cases[] = {
    { "live", write_live, 200 },
    { "docs", write_docs, 200 },
    { "verify", write_verify, 200 },
    { "first verify", write_first_verify, 200 },
    { "me", write_me, 200 },
    { "sessions", write_sessions, 200 },
    { "login", write_login, 200 },
    { "chunked login", write_chunked_login, 200 },
    { "refresh", write_refresh, 200 },
    { "register", write_register, 201 },
    { "logout", write_logout, 204 },
    { "large body", write_large_body, 400 },
    { "large chunked body", write_large_chunked_body, 400 },
};
#define CASES ARRAY_LEN(cases)

/* ---- one run ---- */

static void start(void) {
    keeper = server_start(NULL);
    faults_open(&faults, keeper.directory, "fault");
    server =
        server_start_wrapped(&keeper, faults.wrapper,
                             (const char *const[]){ "server.body_limit=1MiB", "server.request_timeout=400ms", "server.threads=1",
                                                    "password.workers=1", "database.connections=1", NULL });
    account = account_register(&server);
    tokens = account_login(&server, &account);
}

static void finish(void) {
    faults_close(&faults);
    server_finish(&server);
    server_finish(&keeper);
}

struct outcome {
    int status; /* 0: closed without a word */
    long failed;
    bool retry_after;
};

static struct outcome ask(const struct request_case *request_case, enum fault_mode mode, long wanted) {
    static char request[REQUEST_SIZE];
    static struct raw_reply reply;
    size_t len = request_case->write(request);
    faults_arm(&faults, (struct fault){ FAULT_MEMORY, ENOMEM }, FAULT_REQUEST_THREADS, mode, wanted);
    int fd = raw_connect(&server);
    raw_send(fd, request, len);
    raw_read(fd, WAIT_MS, &reply);
    faults_disarm(&faults);
    close(fd);
    ck_assert_msg(waitpid(server.pid, NULL, WNOHANG) == 0, "%s: the service died when allocation %ld failed", request_case->name,
                  wanted);
    ck_assert_msg(reply.closed, "%s: no answer when allocation %ld failed", request_case->name, wanted);
    return (struct outcome){ .status = reply.count > 0 ? reply.statuses[0] : 0,
                             .failed = atomic_load(&faults.control->failed),
                             .retry_after = strcasestr(reply.bytes, "\r\nRetry-After: ") != NULL };
}

/* A connection to the database that has failed is sought again a little later. */
static void await_well(const struct request_case *request_case) {
    int status = 0;
    for (int i = 0; i < WELL_TRIES && status != request_case->status; i++) {
        if (i > 0)
            usleep(WELL_PAUSE_US);
        status = ask(request_case, FAULT_NONE, 0).status;
    }
    ck_assert_msg(status == request_case->status, "%s: %d although nothing fails any more", request_case->name, status);
}

static void fail_each_allocation(const struct request_case *request_case, enum fault_mode mode) {
    unsigned closed = 0, unavailable = 0;
    long wanted = 1;
    for (; wanted < ALLOCATIONS_MAX; wanted++) {
        struct outcome outcome = ask(request_case, mode, wanted);
        bool is_unavailable = outcome.status == 503 && outcome.retry_after;
        ck_assert_msg(outcome.status == request_case->status || is_unavailable || outcome.status == 0,
                      "%s: %d when allocation %ld failed%s", request_case->name, outcome.status, wanted,
                      mode == FAULT_ALL ? " and all that followed" : "");
        closed += outcome.status == 0;
        unavailable += is_unavailable;
        if (outcome.failed == 0)
            break;
        if (outcome.status != request_case->status)
            await_well(request_case);
    }
    ck_assert_int_lt(wanted, ALLOCATIONS_MAX);
    ck_assert_msg(closed <= CLOSED_MAX, "%s: closed %u times without a word", request_case->name, closed);
    ck_assert_msg(unavailable > 0, "%s: no allocation of %ld led to 503", request_case->name, wanted);
    printf("%s, %s: %ld allocations, %u times 503, %u times closed\n", request_case->name, mode == FAULT_ONE ? "one" : "all",
           wanted - 1, unavailable, closed);
}

START_TEST(whichever_allocation_fails_the_answer_is_right_or_503) {
    const char *only = getenv("ONLY");
    if (only != NULL && strtol(only, NULL, 10) != _i)
        SKIP_TEST("ONLY names another case");
    if (test_is_sanitized())
        SKIP_TEST("the sanitizers bring an allocator of their own");
    start();
    for (enum fault_mode mode = FAULT_ONE; mode <= FAULT_ALL; mode++)
        fail_each_allocation(&cases[_i], mode);
    finish();
}
END_TEST

Suite *allocations_suite(void) {
    Suite *suite = suite_create("allocations");
    TCase *tcase = tcase_create("every one");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, whichever_allocation_fails_the_answer_is_right_or_503, 0, (int)CASES);
    suite_add_tcase(suite, tcase);
    return suite;
}
