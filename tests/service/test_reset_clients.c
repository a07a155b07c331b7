/* Clients that reset their connection in the middle of a request. */
#include "support/account.h"
#include "support/database.h"
#include "support/process.h"
#include "support/raw.h"
#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *reset_clients_suite(void);

#define REQUEST_SIZE 8192
#define PIPELINED 200
#define PAUSE_MAX_US 8000
#define WARM_UP 100
#define RESETS 500
#define GROWTH_MAX_KIB 1024

/* A hash takes a good part of a second, so that a client that resets within PAUSE_MAX_US does so before its own is done. */
static const char *const slow_hashing[] = { "password.memory=64MiB",
                                            "password.operations=12",
                                            "password.nice=0",
                                            "server.request_timeout=60s",
                                            "password.workers=1",
                                            "database.connections=1",
                                            NULL };

struct victim {
    struct server server;
    struct account account;
    struct tokens tokens;
};

static struct victim victim;

static void start(void) {
    victim.server = server_start(slow_hashing);
    victim.account = account_register(&victim.server);
    victim.tokens = account_login(&victim.server, &victim.account);
}

static void finish(void) {
    server_finish(&victim.server);
}

static int post(char request[REQUEST_SIZE], const char *path, const char *body) {
    return snprintf(request, REQUEST_SIZE,
                    "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", path,
                    strlen(body), body);
}

static int write_login(char request[REQUEST_SIZE]) {
    char body[BODY_SIZE];
    return post(request, "/auth/login", credentials(&victim.account, PASSWORD, body));
}

/* The stages of a request at which a client may go. Each writes what is sent before. */
static int write_half_a_line(char request[REQUEST_SIZE]) {
    return snprintf(request, REQUEST_SIZE, "POST /auth/lo");
}

static int write_half_a_header(char request[REQUEST_SIZE]) {
    return snprintf(request, REQUEST_SIZE, "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-");
}

static int write_half_a_body(char request[REQUEST_SIZE]) {
    return write_login(request) - 10;
}

static int write_half_a_chunk(char request[REQUEST_SIZE]) {
    return snprintf(request, REQUEST_SIZE,
                    "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"email\"");
}

static int write_registration(char request[REQUEST_SIZE]) {
    struct account account = account_new();
    char body[BODY_SIZE];
    memcpy(account.email, "Reset", 5);
    return post(request, "/auth/register", credentials(&account, PASSWORD, body));
}

static int write_question(char request[REQUEST_SIZE]) {
    return snprintf(request, REQUEST_SIZE, "GET /auth/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
                    victim.tokens.access);
}

static int write_pages(char request[REQUEST_SIZE]) {
    int len = 0;
    for (int i = 0; i < PIPELINED; i++)
        len += snprintf(request + len, REQUEST_SIZE - (size_t)len, "GET /docs HTTP/1.1\r\nHost: x\r\n\r\n");
    return len;
}

static int (*const stages[])(char request[REQUEST_SIZE]) = {
    write_half_a_line, write_half_a_header, write_half_a_body, write_half_a_chunk,
    write_login,       write_registration,  write_question,    write_pages,
};

static void reset(int fd) {
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(fd);
}

static void reset_in_the_middle(unsigned index) {
    char request[REQUEST_SIZE];
    int len = stages[index % (ARRAY_LEN(stages))](request);
    int fd = raw_connect(&victim.server);
    raw_send(fd, request, (size_t)len);
    usleep(index * 37 % PAUSE_MAX_US);
    reset(fd);
}

static void reset_many(unsigned count) {
    for (unsigned i = 0; i < count; i++)
        reset_in_the_middle(i);
}

static void expect_descriptors(unsigned long expected) {
    unsigned long count = 0;
    for (int i = 0; i < 300; i++) {
        count = process_descriptors(victim.server.pid);
        if (count <= expected)
            return;
        usleep(50000);
    }
    ck_abort_msg("%lu descriptors, where %lu were", count, expected);
}

/* Hashes, so that the memory for that is in use both times. */
static long memory_in_use(void) {
    account_login(&victim.server, &victim.account);
    return process_status(victim.server.pid, "VmRSS");
}

static long sessions(void) {
    return database_number("SELECT count(*) FROM sessions WHERE user_id = $1", victim.account.id);
}

static long registered(void) {
    return database_number("SELECT count(*) FROM users WHERE email ILIKE 'reset%'", NULL);
}

START_TEST(resets_leave_no_descriptor_no_memory_no_session_and_no_user) {
    unsigned long descriptors = process_descriptors(victim.server.pid);
    reset_many(WARM_UP);
    expect_descriptors(descriptors);
    long memory = memory_in_use(), sessions_before = sessions(), registered_before = registered();
    long threads = process_status(victim.server.pid, "Threads");
    reset_many(RESETS);
    expect_descriptors(descriptors);
    ck_assert_int_eq(sessions(), sessions_before);
    ck_assert_int_eq(registered(), registered_before);
    ck_assert_int_eq(process_status(victim.server.pid, "Threads"), threads);
    long grown = memory_in_use() - memory;
    if (test_is_sanitized())
        test_leaves_out(__func__, "growth of memory: the sanitizers keep what is freed");
    ck_assert_msg(test_is_sanitized() || grown <= GROWTH_MAX_KIB, "%ld KiB more", grown);
}
END_TEST

Suite *reset_clients_suite(void) {
    Suite *suite = suite_create("reset_clients");
    TCase *tcase = tcase_create("resets");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, start, finish);
    tcase_add_test(tcase, resets_leave_no_descriptor_no_memory_no_session_and_no_user);
    suite_add_tcase(suite, tcase);
    return suite;
}
