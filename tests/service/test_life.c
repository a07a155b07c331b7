/* What an operator sees: the log, signals, and the end of the service. */
#include "support/account.h"
#include "support/database.h"
#include "support/load.h"
#include "support/raw.h"
#include "tests/runner.h"

#include "jwtd/macros.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

Suite *life_suite(void);

/* ---- the log ---- */

#define CANARY "Kanarienvogel-7391"

static const struct {
    const char *method, *path, *body;
} canaries[] = {
    { "POST", "/auth/register", "{\"email\":\"" CANARY "@example.org\",\"password\":\"p-" CANARY "\"}" },
    { "POST", "/auth/register", "{\"email\":\"ok.canary.%d@example.org\",\"password\":\"p-" CANARY "\"}" },
    { "POST", "/auth/login", "{\"email\":\"" CANARY "@example.org\",\"password\":\"p-" CANARY "\"}" },
    { "POST", "/auth/login", "{\"email\":\"" CANARY "@nobody.example.org\",\"password\":\"p-" CANARY "\"}" },
    { "POST", "/auth/refresh", "{\"refresh_token\":\"jr1_" CANARY "\"}" },
    { "POST", "/auth/logout", "{\"refresh_token\":\"jr1_" CANARY "\",\"" CANARY "\":1}" },
    { "PATCH", "/auth/me", "{\"email\":\"" CANARY "@b.org\",\"current_password\":\"" CANARY "\"}" },
    { "POST", "/auth/password", "{\"current_password\":\"" CANARY "\",\"new_password\":\"" CANARY "\"}" },
    { "GET", "/auth/verify", NULL },
    { "GET", "/auth/sessions/" CANARY, NULL },
    { "POST", "/auth/login", "{\"" CANARY },
};

static void assert_lines_are_json(const struct server *server) {
    char *log = server_log(server), *rest = log, *line;
    size_t lines = 0;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        struct json_object *json = json_tokener_parse(line);
        ck_assert_msg(json != NULL, "%s", line);
        json_object_put(json);
        lines++;
    }
    ck_assert_uint_ge(lines, 10);
    free(log);
}

START_TEST(no_secret_and_no_address_gets_into_the_log) {
    struct server server = server_start((const char *const[]){ "log.level=debug", NULL });
    const char *const headers[] = { "Content-Type: application/json",
                                    ("Authorization: Bearer a." CANARY ".b"),
                                    ("User-Agent: agent " CANARY " \x1b[31m"),
                                    ("Idempotency-Key: " CANARY),
                                    ("Cookie: " CANARY),
                                    ("Origin: https://" CANARY),
                                    NULL };
    for (size_t i = 0; i < ARRAY_LEN(canaries); i++) {
        struct reply reply = http_send(&server, canaries[i].method, canaries[i].path, headers, canaries[i].body);
        http_free(&reply);
    }
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    struct reply reply = refresh_with(&server, tokens.refresh);
    http_free(&reply);
    const char *const secrets[] = { ("p-" CANARY), "jr1_",        "jr2_",         "eyJ",   "$argon2id",
                                    PASSWORD,      account.email, "@example.org", "agent " };
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        ck_assert_msg(server_log_count(&server, secrets[i]) == 0, "%s is in the log", secrets[i]);
    assert_lines_are_json(&server);
    server_finish(&server);
}
END_TEST

START_TEST(what_a_person_did_is_logged_once) {
    struct server server = server_start(NULL);
    struct account account = account_register(&server);
    struct tokens tokens = account_login(&server, &account);
    char body[BODY_SIZE];
    struct reply failed = http_json(&server, "POST", "/auth/login", NULL, credentials(&account, "not the passphrase", body));
    struct reply out = http_json(&server, "POST", "/auth/logout", tokens.access, NULL);
    static const char *const events[] = { "user_registered", "login_succeeded", "login_failed", "logged_out" };
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        char text[64];
        snprintf(text, sizeof text, "\"event\":\"%s\"", events[i]);
        server_check_log_count(&server, text, 1);
    }
    ck_assert_int_ge(server_log_count(&server, account.id), 3);
    http_free(&failed);
    http_free(&out);
    server_finish(&server);
}
END_TEST

START_TEST(the_log_alone_says_why_a_login_failed) {
    struct server server = server_start(NULL);
    struct account known = account_register(&server), disabled = account_register(&server), unknown = account_new();
    char ignored[8];
    database_value("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", disabled.id, ignored, sizeof ignored);
    const struct {
        const struct account *account;
        const char *password, *reason;
    } logins[] = {
        { &known, "not the passphrase", "wrong_password" },
        { &disabled, "not the passphrase", "wrong_password" },
        { &disabled, PASSWORD, "disabled" },
        { &unknown, PASSWORD, "unknown" },
    };
    for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
        char body[BODY_SIZE], text[64];
        snprintf(text, sizeof text, "\"reason\":\"%s\"", logins[i].reason);
        int before = server_log_count(&server, text);
        expect_problem(http_json(&server, "POST", "/auth/login", NULL, credentials(logins[i].account, logins[i].password, body)),
                       401, "invalid_credentials");
        server_check_log_count(&server, text, before + 1);
    }
    server_check_log_count(&server, "\"event\":\"login_failed\"", ARRAY_LEN(logins));
    server_finish(&server);
}
END_TEST

/* ---- more than can be done ---- */

#define CROWD 240

struct crowd {
    const struct server *server;
    struct account account;
    long statuses[CROWD];
    bool is_refused[CROWD]; /* before any work */
    double seconds[CROWD];
    long retry_after[CROWD];
};

static void log_in_with_the_crowd(size_t index, void *context) {
    struct crowd *crowd = context;
    char body[BODY_SIZE], value[32];
    struct reply reply = http_json(crowd->server, "POST", "/auth/login", NULL, credentials(&crowd->account, PASSWORD, body));
    if (reply.status == 503)
        assert_problem(&reply, 503, http_member(&reply, "code"));
    crowd->statuses[index] = reply.status;
    crowd->is_refused[index] = strcmp(http_member(&reply, "code"), "overloaded") == 0;
    crowd->seconds[index] = reply.seconds;
    crowd->retry_after[index] = strtol(http_header(&reply, "Retry-After", value, sizeof value), NULL, 10);
    http_free(&reply);
}

static int count_of(const struct crowd *crowd, long status) {
    int count = 0;
    for (size_t i = 0; i < CROWD; i++)
        count += crowd->statuses[i] == status;
    return count;
}

static long refused_by_clients(const struct crowd *crowd) {
    long count = 0;
    for (size_t i = 0; i < CROWD; i++)
        count += crowd->is_refused[i];
    return count;
}

/* In all lines that say that the overload has ended: more than one on a machine that is slow. */
static long refused_in_log(const struct server *server) {
    static const char mark[] = "\"pool\":\"crypto\",\"refused\":";
    char *log = server_log(server);
    long count = 0;
    for (const char *at = log; (at = strstr(at, mark)) != NULL;) {
        at += sizeof mark - 1;
        count += strtol(at, NULL, 10);
    }
    free(log);
    return count;
}

/* About a twentieth of a second for each hash, two seconds for all: most of the crowd must get 503, and that long
 * before all of them could have been served. */
START_TEST(a_login_that_cannot_be_served_in_time_gets_503_and_a_time_to_come_again) {
    const char *timeout = test_is_sanitized() ? "server.request_timeout=6s" : "server.request_timeout=2s";
    struct server server = server_start((const char *const[]){ "password.memory=64MiB", "password.operations=3",
                                                               "password.nice=0", "password.workers=1", timeout, NULL });
    await_ready(&server);
    struct crowd crowd = { .server = &server, .account = account_register(&server) };
    log_in_with_the_crowd(0, &crowd);
    ck_assert_int_eq(crowd.statuses[0], 200);
    double seconds_for_all = CROWD * crowd.seconds[0], bound = seconds_for_all / 2 > 4 ? seconds_for_all / 2 : 4;
    run_parallel(CROWD, log_in_with_the_crowd, &crowd);
    ck_assert_int_eq(count_of(&crowd, 200) + count_of(&crowd, 503), CROWD);
    ck_assert_int_ge(count_of(&crowd, 200), 1);
    ck_assert_int_ge(count_of(&crowd, 503), CROWD / 4);
    for (size_t i = 0; i < CROWD; i++) {
        ck_assert_msg(crowd.seconds[i] < bound, "%.1f s", crowd.seconds[i]);
        ck_assert(crowd.statuses[i] == 200 || crowd.retry_after[i] >= 1);
    }
    account_login(&server, &crowd.account);
    for (int i = 0; i < 100 && refused_in_log(&server) < refused_by_clients(&crowd); i++)
        usleep(100000);
    ck_assert_int_eq(refused_in_log(&server), refused_by_clients(&crowd));
    ck_assert_int_ge(refused_by_clients(&crowd), CROWD / 4);
    int episodes = server_log_count(&server, "\"event\":\"shedding_started\"");
    ck_assert_msg(episodes >= 1 && episodes <= 3, "%d lines for %ld refusals", episodes, refused_by_clients(&crowd));
    ck_assert_int_eq(server_log_count(&server, "\"event\":\"shedding_stopped\""), episodes);
    server_finish(&server);
}
END_TEST

/* ---- the end ---- */

static void stop_server(size_t index, void *context) {
    struct server *server = context;
    if (index == 1) {
        server_finish(server);
        return;
    }
    char value[32];
    usleep(500000);
    struct reply reply = http_send(server, "GET", "/health/ready", NULL, NULL);
    ck_assert_int_eq(reply.status, 503);
    ck_assert_str_eq(json_string_at(json_object_object_get(reply.json, "checks"), "serving"), "stopping");
    http_free(&reply);
    reply = http_json(server, "POST", "/auth/login", NULL, "{}");
    ck_assert_int_eq(reply.status, 422);
    ck_assert_str_eq(http_header(&reply, "Connection", value, sizeof value), "close");
    http_free(&reply);
}

START_TEST(a_service_that_drains_says_so_to_probes_and_serves_everybody_else) {
    struct server server = server_start((const char *const[]){ "server.drain_delay=3s", NULL });
    time_t begin = time(NULL);
    run_parallel(2, stop_server, &server);
    ck_assert_int_ge(time(NULL) - begin, 2);
}
END_TEST

#define CLIENTS 50

struct logins {
    const struct server *server;
    struct account account;
    long statuses[CLIENTS];
    size_t body_lens[CLIENTS];
    pid_t pid;
    int signal_number;
};

static void log_in_or_signal(size_t index, void *context) {
    struct logins *logins = context;
    char body[BODY_SIZE];
    if (index == CLIENTS) {
        usleep(150000);
        kill(logins->pid, logins->signal_number);
        return;
    }
    const char *const headers[] = { "Content-Type: application/json", NULL };
    struct reply reply = http_try(logins->server, "POST", "/auth/login", headers, credentials(&logins->account, PASSWORD, body));
    logins->statuses[index] = reply.status;
    logins->body_lens[index] = reply.body_len;
    http_free(&reply);
}

static const int signals[] = { SIGTERM, SIGINT };

START_TEST(logins_under_way_are_answered_before_the_service_ends) {
    /* where one hash takes seconds, 50 of them are refused for good reason */
    const char *memory = test_is_sanitized() ? "password.memory=16MiB" : "password.memory=64MiB";
    struct server server = server_start(
        (const char *const[]){ memory, "password.nice=0", "server.request_timeout=50s", "server.shutdown_grace=50s", NULL });
    struct logins logins = {
        .server = &server, .account = account_register(&server), .pid = server.pid, .signal_number = signals[_i]
    };
    run_parallel(CLIENTS + 1, log_in_or_signal, &logins);
    for (size_t i = 0; i < CLIENTS; i++) {
        ck_assert_msg(logins.statuses[i] == 200, "client %zu got %ld", i, logins.statuses[i]);
        ck_assert_uint_gt(logins.body_lens[i], 0);
    }
    ck_assert_int_eq(server_stop(&server, 0), 0);
    server_finish(&server);
}
END_TEST

#define ASKERS 6
#define STOPS 25

static void ask_or_stop(size_t index, void *context) {
    const struct server *server = context;
    long status = 200;
    if (index == ASKERS) {
        usleep(40000);
        kill(server->pid, SIGTERM);
        return;
    }
    while (status == 200) {
        struct reply reply = http_try(server, "GET", "/health/live", NULL, NULL);
        status = reply.status;
        http_free(&reply);
    }
}

/* The library once aborted in one stop of a hundred, when a listening thread was busy in the same moment. */
START_TEST(a_busy_service_ends_well_every_time) {
    struct server keys = server_start(NULL);
    for (int i = 0; i < STOPS; i++) {
        struct server server = server_start_beside(&keys, NULL);
        run_parallel(ASKERS + 1, ask_or_stop, &server);
        ck_assert_int_eq(server_stop(&server, 0), 0);
    }
    server_finish(&keys);
}
END_TEST

START_TEST(a_service_that_stops_closes_kept_connections) {
    struct server server = server_start(NULL);
    struct raw_reply reply;
    int fd = raw_connect(&server);
    raw_send(fd, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", 38);
    raw_read(fd, 500, &reply);
    ck_assert_int_eq(reply.statuses[0], 200);
    ck_assert_int_eq(server_stop(&server, SIGTERM), 0);
    raw_read(fd, 2000, &reply);
    ck_assert(reply.closed);
    close(fd);
    server_finish(&server);
}
END_TEST

START_TEST(a_taken_port_is_an_error) {
    struct server server = server_start(NULL);
    char listen[64], output[4096], keys[128], refresh[128];
    snprintf(listen, sizeof listen, "server.listen=127.0.0.1:%d", server.port);
    snprintf(keys, sizeof keys, "token.keys_dir=%s/keys", server.directory);
    snprintf(refresh, sizeof refresh, "token.refresh_key_file=%s/refresh.key", server.directory);
    const char *const words[] = { "--set", listen, "--set", keys, "--set", refresh, "serve", NULL };
    ck_assert_int_eq(program_run(words, NULL, output, sizeof output), 1);
    ck_assert_ptr_nonnull(strstr(output, "listen_failed"));
    server_finish(&server);
}
END_TEST

START_TEST(a_service_listens_on_ipv6_and_on_a_unix_socket) {
    struct server six = server_start((const char *const[]){ "server.listen=[::1]:0", NULL });
    struct reply reply = http_send(&six, "GET", "/health/live", NULL, NULL);
    ck_assert_int_eq(reply.status, 200);
    http_free(&reply);
    char setting[128], path[96];
    snprintf(path, sizeof path, "%s/socket", six.directory);
    snprintf(setting, sizeof setting, "server.listen=unix:%s", path);
    struct server local = server_start_unready_beside(&six, (const char *const[]){ setting, NULL });
    ck_assert_str_eq(local.url + strlen("unix:"), path);
    ck_assert_int_eq(access(path, F_OK), 0);
    server_finish(&local);
    ck_assert_int_ne(access(path, F_OK), 0);
    server_finish(&six);
}
END_TEST

/* ---- the file of a Unix socket ---- */

static int open_unix_socket(const char *path, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int connect_to(const char *path) {
    struct sockaddr_un address;
    int fd = open_unix_socket(path, &address);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static ino_t file_number(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 ? file.st_ino : 0;
}

START_TEST(a_socket_file_that_another_has_put_there_stays) {
    struct server keys = server_start(NULL);
    struct sockaddr_un address;
    char path[96], setting[128];
    snprintf(path, sizeof path, "%s/socket", keys.directory);
    snprintf(setting, sizeof setting, "server.listen=unix:%s", path);
    struct server server = server_start_unready_beside(&keys, (const char *const[]){ setting, NULL });
    ino_t before = file_number(path);
    char other_path[104];
    snprintf(other_path, sizeof other_path, "%s.other", path);
    int other = open_unix_socket(other_path, &address);
    ck_assert_int_eq(bind(other, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(rename(other_path, path), 0);
    ino_t after = file_number(path);
    ck_assert_uint_ne(before, after);
    server_finish(&server);
    ck_assert_uint_eq(file_number(path), after);
    close(other);
    server_finish(&keys);
}
END_TEST

static void answer_is_404(int fd) {
    static const char request[] = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct raw_reply reply;
    raw_send(fd, request, sizeof request - 1);
    raw_read(fd, 5000, &reply);
    ck_assert_uint_eq(reply.count, 1);
    ck_assert_int_eq(reply.statuses[0], 404);
    close(fd);
}

/* A request whose body is still to come keeps the first one from its end. */
START_TEST(a_successor_takes_the_path_while_the_first_still_answers) {
    static const char header[] = "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 2\r\n\r\n";
    struct server keys = server_start(NULL);
    struct raw_reply reply;
    char path[96], setting[128];
    snprintf(path, sizeof path, "%s/socket", keys.directory);
    snprintf(setting, sizeof setting, "server.listen=unix:%s", path);
    struct server first = server_start_unready_beside(&keys, (const char *const[]){ setting, NULL });
    int slow = connect_to(path);
    raw_send(slow, header, sizeof header - 1);
    usleep(100000);
    kill(first.pid, SIGTERM);
    for (int i = 0; i < 200 && file_number(path) != 0; i++)
        usleep(10000);
    ck_assert_msg(file_number(path) == 0, "the path is not free");
    struct server second = server_start_unready_beside(&keys, (const char *const[]){ setting, NULL });
    answer_is_404(connect_to(path));
    raw_send(slow, "{}", 2);
    raw_read(slow, 5000, &reply);
    ck_assert_int_eq(reply.statuses[0], 422);
    close(slow);
    ck_assert_int_eq(server_stop(&first, 0), 0);
    answer_is_404(connect_to(path));
    server_finish(&second);
    ck_assert_uint_eq(file_number(path), 0);
    server_finish(&keys);
}
END_TEST

Suite *life_suite(void) {
    Suite *suite = suite_create("life");
    TCase *tcase = tcase_create("servers of their own");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, no_secret_and_no_address_gets_into_the_log);
    tcase_add_test(tcase, what_a_person_did_is_logged_once);
    tcase_add_test(tcase, the_log_alone_says_why_a_login_failed);
    tcase_add_test(tcase, a_login_that_cannot_be_served_in_time_gets_503_and_a_time_to_come_again);
    tcase_add_loop_test(tcase, logins_under_way_are_answered_before_the_service_ends, 0, 2);
    tcase_add_test(tcase, a_busy_service_ends_well_every_time);
    tcase_add_test(tcase, a_service_that_drains_says_so_to_probes_and_serves_everybody_else);
    tcase_add_test(tcase, a_service_that_stops_closes_kept_connections);
    tcase_add_test(tcase, a_taken_port_is_an_error);
    tcase_add_test(tcase, a_service_listens_on_ipv6_and_on_a_unix_socket);
    tcase_add_test(tcase, a_socket_file_that_another_has_put_there_stays);
    tcase_add_test(tcase, a_successor_takes_the_path_while_the_first_still_answers);
    suite_add_tcase(suite, tcase);
    return suite;
}
