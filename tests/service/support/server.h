/*
 * server: the real program, started for a test on the real database of the test run.
 *
 * Environment: JWTD_TEST_PROGRAM, the program; JWTD_TEST_DATABASE, conninfo of the service role. A server has a directory of its
 * own for keys and log; instances that share keys are made by server_start_beside. All functions fail the test on any error.
 */
#ifndef JWTD_TEST_SERVER_H
#define JWTD_TEST_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A file of this name in a server's directory is its configuration; `settings` are stronger. */
#define SERVER_CONFIG "jwtd.conf"

struct server {
    pid_t pid;
    char directory[64];
    char log_path[96];
    char url[128]; /* "http://127.0.0.1:40123" */
    int port;
    bool owns_directory;
    bool is_proxy; /* another program that may reply itself: what it replies is not recorded (recorder.h) */
};

/* `settings`: "section.key=value", NULL after the last; they come after the defaults of the tests (weak and fast hashing). All
 * that start a server return when it is ready, which takes its database: before that, tokens and logins are answered 503. */
struct server server_start(const char *const *settings);
struct server server_start_beside(const struct server *other, const char *const *settings);

/* The same for a server whose database is away, which has no port, or whose first moments matter: they return when it listens. */
struct server server_start_unready(const char *const *settings);
struct server server_start_unready_beside(const struct server *other, const char *const *settings);

/* As server_start, but all settings, those of the tests too, stand in SERVER_CONFIG, so that a reload may meet others. */
struct server server_start_from_file(const char *const *settings);

/* The same in steps: a directory with keys and SERVER_CONFIG; the program, which may never listen; the wait until it is ready. */
struct server server_prepare(const char *const *settings);
void server_launch(struct server *server, const char *const *wrapper);
void server_await(struct server *server);

/* `jwtd keygen` in the server's directory, of an algorithm ("es256") or of the default one; no server is signalled. */
void server_make_key(const struct server *server);
void server_make_key_of(const struct server *server, const char *algorithm);

/* With a socket that listens already, handed over as systemd does; the caller keeps its own descriptor of it. */
struct server server_start_activated(const struct server *other, int listening, const char *const *settings);

/* Behind the words of another program that runs it, such as valgrind with its options. */
struct server server_start_wrapped(const struct server *other, const char *const *wrapper, const char *const *settings);

/* The operator's listener of a server, as a server of its own to send requests to; it is not finished. The servers of the tests
 * have none unless `settings` have "ops.listen=127.0.0.1:0". */
struct server server_operations(const struct server *server);

/* Sends a signal and returns the exit code, -1 for a death by signal. */
int server_stop(struct server *server, int signal_number);

/* As server_stop with SIGTERM, checks the exit code, and removes the directory. */
void server_finish(struct server *server);

/* One server for all tests of a case that need nothing special:
 * tcase_add_unchecked_fixture(shared_server_start, shared_server_finish). */
extern struct server shared_server;
void shared_server_start(void);
void shared_server_finish(void);

/* The whole log so far; the caller frees. A thread of the server writes it: what it logs before it replies may be there only a
 * moment after the reply. */
char *server_log(const struct server *server);
int server_log_count(const struct server *server, const char *text); /* how often it is there by now */

/* Whether the log has the text, within ten seconds. */
bool server_log_contains(const struct server *server, const char *text);

/* Fails unless it has the text so often: waits ten seconds for that, and a moment for more. */
void server_check_log_count(const struct server *server, const char *text, int count);

/* Waits until the log has the text, or has it so often, for at most `wait_ms`; the test fails if it does not come. */
void server_await_log(const struct server *server, const char *text, int wait_ms);
void server_await_log_count(const struct server *server, const char *text, int count, int wait_ms);

/* Runs the program with these words (NULL after the last) and returns its exit code; what it printed on both streams to
 * `output`.
 */
int program_run(const char *const *words, const char *input, char *output, size_t output_size);

/* The same for any program, whose path is the first word. */
int command_run(const char *const *words, const char *input, char *output, size_t output_size);

/* The same for the load tester (FAILPOINT_TEST_PROGRAM). */
int failpoint_run(const char *const *words, char *output, size_t output_size);

/* A port of 127.0.0.1 for a program that must be told one. It is none of those that Linux chooses for outgoing connections (32768
 * on, by default), since one of them could take it before the program listens, or while it does not run. */
int find_free_port(void);

#endif
