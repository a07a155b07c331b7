#include "server.h"

#include "load.h"

#include "jwtd/clock.h"
#include "jwtd/macros.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 96
#define START_TRIES 600
#define START_PAUSE_US 50000u
#define LOG_PAUSE_US 5000u
#define LOG_WAIT_MS 10000
#define PORT_TRIES 1000
#define PORT_FIRST 20000
#define PORT_LAST 32767

static const char *program(void) {
    const char *path = getenv("JWTD_TEST_PROGRAM");
    ck_assert_msg(path != NULL, "JWTD_TEST_PROGRAM is not set; run the tests by make test");
    return path;
}

static const char *const defaults[] = {
    "server.listen=127.0.0.1:0", "server.request_timeout=20s", "password.memory=8MiB",
    "password.operations=1",     "password.allow_weak=true",   "database.statement_timeout=10s",
    "log.format=json",           "limit.enabled=false",        "token.publish_before_use=0",
};

/* The release before this one, which has no such setting, has a path of its own (Makefile). */
static const char *no_operations(void) {
    return strstr(program(), "/previous/") == NULL ? "ops.listen=" : NULL;
}

struct words {
    const char *items[WORDS_MAX];
    size_t count;
};

static void add_word(struct words *words, const char *word) {
    ck_assert_uint_lt(words->count, WORDS_MAX - 1);
    words->items[words->count++] = word;
    words->items[words->count] = NULL;
}

static void add_setting(struct words *words, const char *setting) {
    add_word(words, "--set");
    add_word(words, setting);
}

struct paths {
    char keys[128], refresh_key[128], credentials[128], database[512];
};

static void add_settings(struct words *words, const struct server *server, struct paths *paths, const char *const *settings) {
    const char *database = getenv("JWTD_TEST_DATABASE");
    ck_assert_msg(database != NULL, "JWTD_TEST_DATABASE is not set; run the tests by make test");
    snprintf(paths->keys, sizeof paths->keys, "token.keys_dir=%s/keys", server->directory);
    snprintf(paths->refresh_key, sizeof paths->refresh_key, "token.refresh_key_file=%s/refresh.key", server->directory);
    snprintf(paths->credentials, sizeof paths->credentials, "services.credentials_file=%s/services.credentials",
             server->directory);
    snprintf(paths->database, sizeof paths->database, "database.url=%s", database);
    add_setting(words, paths->keys);
    add_setting(words, paths->refresh_key);
    add_setting(words, paths->credentials);
    add_setting(words, paths->database);
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        add_setting(words, defaults[i]);
    if (no_operations() != NULL)
        add_setting(words, no_operations());
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++)
        add_setting(words, settings[i]);
}

static const char *const test_variables[] = { "JWTD_TEST_PROGRAM",        "JWTD_TEST_DATABASE",
                                              "JWTD_TEST_OWNER_DATABASE", "JWTD_TEST_SUPERUSER_DATABASE",
                                              "JWTD_TEST_PG_BIN",         "JWTD_TEST_DIRECTORY",
                                              "JWTD_TEST_FAULT_LIBRARY",  "JWTD_TEST_EXCHANGES" };

/* As sd_listen_fds(3) wants it: the first descriptor behind the standard ones, and the process's own number. */
static void hand_over(int socket) {
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    if (socket == 3)
        fcntl(3, F_SETFD, 0);
    else
        dup2(socket, 3);
}

static pid_t spawn_with(const struct words *words, int input, int output, int listening) {
    pid_t pid = fork();
    if (pid != 0) {
        ck_assert_int_ge(pid, 0); /* not in the child: Check takes a lock, which another thread may have had */
        return pid;
    }
    /* the program takes every JWTD_ variable for a setting */
    for (size_t i = 0; i < ARRAY_LEN(test_variables); i++)
        unsetenv(test_variables[i]);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    if (listening >= 0)
        hand_over(listening);
    execv(words->items[0], (char *const *)(const void *)words->items);
    _exit(127);
}

static pid_t spawn(const struct words *words, int input, int output) {
    return spawn_with(words, input, output, -1);
}

static int wait_for(pid_t pid) {
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static char *read_file(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &file), 0);
    char *text = calloc(1, (size_t)file.st_size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_ge(read(fd, text, (size_t)file.st_size), 0);
    close(fd);
    return text;
}

char *server_log(const struct server *server) {
    return read_file(server->log_path);
}

int server_log_count(const struct server *server, const char *text) {
    char *log = server_log(server);
    int count = 0;
    for (const char *at = strstr(log, text); at != NULL; at = strstr(at + 1, text))
        count++;
    free(log);
    return count;
}

void server_await_log_count(const struct server *server, const char *text, int count, int wait_ms) {
    int64_t until_us = clock_monotonic_us() + INT64_C(1000) * wait_ms;
    int seen;
    while ((seen = server_log_count(server, text)) < count && clock_monotonic_us() < until_us)
        usleep(LOG_PAUSE_US);
    ck_assert_msg(seen >= count, "the log has %s %d times, not %d, after %d ms", text, seen, count, wait_ms);
}

void server_await_log(const struct server *server, const char *text, int wait_ms) {
    server_await_log_count(server, text, 1, wait_ms);
}

bool server_log_contains(const struct server *server, const char *text) {
    int64_t until_us = clock_monotonic_us() + LOG_WAIT_MS * INT64_C(1000);
    while (server_log_count(server, text) == 0 && clock_monotonic_us() < until_us)
        usleep(LOG_PAUSE_US);
    return server_log_count(server, text) > 0;
}

void server_check_log_count(const struct server *server, const char *text, int count) {
    server_await_log_count(server, text, count, LOG_WAIT_MS);
    usleep(LOG_PAUSE_US);
    int seen = server_log_count(server, text);
    ck_assert_msg(seen == count, "the log has %s %d times, not %d", text, seen, count);
}

/* `field` of the line that says where it listens. */
static bool read_url(struct server *server, const char *field) {
    char mark[32];
    snprintf(mark, sizeof mark, "\"%s\":\"", field);
    char *log = server_log(server);
    const char *url = strstr(log, mark);
    const char *end = url == NULL ? NULL : strchr(url + strlen(mark), '"');
    if (end != NULL) {
        url += strlen(mark);
        snprintf(server->url, sizeof server->url, "%.*s", (int)(end - url), url);
        const char *port = strrchr(server->url, ':');
        server->port = port == NULL ? 0 : (int)strtol(port + 1, NULL, 10);
    }
    free(log);
    return end != NULL;
}

static void await_listening(struct server *server) {
    for (int i = 0; i < START_TRIES; i++) {
        if (read_url(server, "url"))
            return;
        ck_assert_msg(waitpid(server->pid, NULL, WNOHANG) == 0, "the server ended at start: %s", server_log(server));
        usleep(START_PAUSE_US);
    }
    ck_abort_msg("the server does not listen");
}

void server_await(struct server *server) {
    await_listening(server);
    await_ready(server);
}

struct launch {
    bool from_file; /* no settings but those of the file */
    const char *const *settings;
    const char *const *wrapper; /* words before the program's own, NULL after the last; or NULL */
    int listening;              /* -1: none */
    bool is_unready;
};

static void start_program(struct server *server, struct launch options) {
    struct words words = { .count = 0 };
    struct paths paths;
    char config[96];
    for (size_t i = 0; options.wrapper != NULL && options.wrapper[i] != NULL; i++)
        add_word(&words, options.wrapper[i]);
    add_word(&words, program());
    snprintf(config, sizeof config, "%s/" SERVER_CONFIG, server->directory);
    if (access(config, R_OK) == 0) {
        add_word(&words, "--config");
        add_word(&words, config);
    }
    if (!options.from_file)
        add_settings(&words, server, &paths, options.settings);
    add_word(&words, "serve");
    snprintf(server->log_path, sizeof server->log_path, "%s/log-XXXXXX", server->directory);
    int log = mkstemp(server->log_path);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(log, 0);
    ck_assert_int_ge(null, 0);
    server->pid = spawn_with(&words, null, log, options.listening);
    close(log);
    close(null);
}

static void launch(struct server *server, struct launch options) {
    start_program(server, options);
    if (options.is_unready)
        await_listening(server);
    else
        server_await(server);
}

static void read_output(int fd, char *output, size_t size) {
    size_t len = 0;
    ssize_t got;
    while (len < size - 1 && (got = read(fd, output + len, size - 1 - len)) > 0)
        len += (size_t)got;
    output[len] = '\0';
}

static int run(const char *path, const char *const *arguments, const char *input, char *output, size_t output_size) {
    struct words words = { .count = 0 };
    int in[2], out[2];
    add_word(&words, path);
    for (size_t i = 0; arguments[i] != NULL; i++)
        add_word(&words, arguments[i]);
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = spawn(&words, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    if (input != NULL)
        ck_assert_int_eq(write(in[1], input, strlen(input)), (ssize_t)strlen(input));
    close(in[1]);
    read_output(out[0], output, output_size);
    close(out[0]);
    return wait_for(pid);
}

static void make_key(const struct server *server, const char *algorithm) {
    struct words words = { .count = 0 };
    struct paths paths;
    char output[1024];
    add_word(&words, program());
    add_settings(&words, server, &paths, NULL);
    add_word(&words, "keygen");
    if (algorithm != NULL) {
        add_word(&words, "--algorithm");
        add_word(&words, algorithm);
    }
    int code = run(words.items[0], words.items + 1, NULL, output, sizeof output);
    ck_assert_msg(code == 0, "keygen returned %d: %s", code, output);
}

void server_make_key(const struct server *server) {
    make_key(server, NULL);
}

void server_make_key_of(const struct server *server, const char *algorithm) {
    make_key(server, algorithm);
}

static struct server start_new(struct launch options) {
    struct server server = { .directory = "/tmp/jwtd-test-XXXXXX", .owns_directory = true };
    ck_assert_ptr_nonnull(mkdtemp(server.directory));
    server_make_key(&server);
    launch(&server, options);
    return server;
}

struct server server_start(const char *const *settings) {
    return start_new((struct launch){ .settings = settings, .listening = -1 });
}

struct server server_start_unready(const char *const *settings) {
    return start_new((struct launch){ .settings = settings, .listening = -1, .is_unready = true });
}

/* On the command line the last one counts; a file may not say a thing twice. */
static bool is_set_again(const struct words *words, size_t at, size_t name_len) {
    for (size_t i = at + 2; i < words->count; i += 2)
        if (strncmp(words->items[i], words->items[at], name_len) == 0)
            return true;
    return false;
}

/* "section.key=value" as two lines; a section may be repeated. */
static void write_settings(const struct server *server, const char *const *settings) {
    struct words words = { .count = 0 };
    struct paths paths;
    char path[96];
    snprintf(path, sizeof path, "%s/" SERVER_CONFIG, server->directory);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    add_settings(&words, server, &paths, settings);
    for (size_t i = 1; i < words.count; i += 2) {
        const char *setting = words.items[i];
        size_t section = strcspn(setting, "."), name = strcspn(setting, "=");
        if (is_set_again(&words, i, name + 1))
            continue;
        fprintf(file, "[%.*s]\n%.*s = %s\n", (int)section, setting, (int)(name - section - 1), setting + section + 1,
                setting + name + 1);
    }
    ck_assert_int_eq(fclose(file), 0);
}

struct server server_prepare(const char *const *settings) {
    struct server server = { .directory = "/tmp/jwtd-test-XXXXXX", .owns_directory = true };
    ck_assert_ptr_nonnull(mkdtemp(server.directory));
    server_make_key(&server);
    write_settings(&server, settings);
    return server;
}

void server_launch(struct server *server, const char *const *wrapper) {
    start_program(server, (struct launch){ .from_file = true, .wrapper = wrapper, .listening = -1 });
}

struct server server_start_from_file(const char *const *settings) {
    struct server server = server_prepare(settings);
    server_launch(&server, NULL);
    server_await(&server);
    return server;
}

static struct server start_beside(const struct server *other, struct launch options) {
    struct server server = { 0 };
    memcpy(server.directory, other->directory, sizeof server.directory);
    launch(&server, options);
    return server;
}

struct server server_start_beside(const struct server *other, const char *const *settings) {
    return start_beside(other, (struct launch){ .settings = settings, .listening = -1 });
}

struct server server_start_unready_beside(const struct server *other, const char *const *settings) {
    return start_beside(other, (struct launch){ .settings = settings, .listening = -1, .is_unready = true });
}

struct server server_start_activated(const struct server *other, int listening, const char *const *settings) {
    return start_beside(other, (struct launch){ .settings = settings, .listening = listening });
}

struct server server_start_wrapped(const struct server *other, const char *const *wrapper, const char *const *settings) {
    return start_beside(other, (struct launch){ .settings = settings, .wrapper = wrapper, .listening = -1 });
}

struct server server_operations(const struct server *server) {
    struct server operations = *server;
    operations.owns_directory = false;
    ck_assert(read_url(&operations, "operations"));
    return operations;
}

int server_stop(struct server *server, int signal_number) {
    kill(server->pid, signal_number);
    int code = wait_for(server->pid);
    server->pid = 0;
    return code;
}

void server_finish(struct server *server) {
    if (server->pid > 0)
        ck_assert_int_eq(server_stop(server, SIGTERM), 0);
    if (!server->owns_directory)
        return;
    struct words words = { .count = 0 };
    add_word(&words, "/bin/rm");
    add_word(&words, "-rf");
    add_word(&words, server->directory);
    ck_assert_int_eq(wait_for(spawn(&words, STDIN_FILENO, STDERR_FILENO)), 0);
}

struct server shared_server;

void shared_server_start(void) {
    shared_server = server_start(NULL);
}

void shared_server_finish(void) {
    server_finish(&shared_server);
}

int command_run(const char *const *words, const char *input, char *output, size_t output_size) {
    return run(words[0], words + 1, input, output, output_size);
}

int program_run(const char *const *words, const char *input, char *output, size_t output_size) {
    return run(program(), words, input, output, output_size);
}

int failpoint_run(const char *const *words, char *output, size_t output_size) {
    const char *path = getenv("FAILPOINT_TEST_PROGRAM");
    ck_assert_msg(path != NULL, "FAILPOINT_TEST_PROGRAM is not set; run the tests by make test");
    return run(path, words, NULL, output, output_size);
}

int find_free_port(void) {
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t number;
        ck_assert_int_eq(getrandom(&number, sizeof number, 0), sizeof number);
        int port = PORT_FIRST + number % (PORT_LAST - PORT_FIRST + 1);
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fd, 0);
        bool is_free = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (is_free)
            return port;
    }
    ck_abort_msg("there is no free port from %d to %d", PORT_FIRST, PORT_LAST);
}
