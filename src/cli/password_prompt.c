#include "password_prompt.h"

#include "jwtd/macros.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum line_result { LINE_READ, LINE_TOO_LONG, LINE_HAS_NUL, LINE_MISSING, LINE_INTERRUPTED };

static const char *const line_errors[] = {
    [LINE_TOO_LONG] = "the password is longer than 1024 bytes",
    [LINE_HAS_NUL] = "the password contains a NUL byte",
    [LINE_MISSING] = "there is no password on standard input",
    [LINE_INTERRUPTED] = "interrupted",
};
_Static_assert(PASSWORD_MAX_LEN == 1024, "the sentence above names the limit");

/* Byte by byte, so that neither a buffer of stdio keeps the password nor bytes after the line are read. */
static enum line_result read_line(struct typed_password *password) {
    enum line_result result = LINE_READ;
    char byte = '\0';
    password->len = 0;
    for (;;) {
        ssize_t count = read(STDIN_FILENO, &byte, 1);
        if (count < 0)
            return errno == EINTR ? LINE_INTERRUPTED : LINE_MISSING;
        if (count == 0 && password->len == 0)
            return LINE_MISSING;
        if (count == 0 || byte == '\n')
            return result;
        if (byte == '\0')
            result = LINE_HAS_NUL;
        else if (password->len == sizeof password->bytes)
            result = LINE_TOO_LONG;
        else
            password->bytes[password->len++] = byte;
    }
}

static volatile sig_atomic_t caught_signal;

static void catch_signal(int number) {
    caught_signal = number;
}

static const int terminal_signals[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP };
#define TERMINAL_SIGNALS ARRAY_LEN(terminal_signals)

/* Without SA_RESTART, so that a signal ends the read and the echo is restored before the process ends. */
static void catch_signals(struct sigaction old[TERMINAL_SIGNALS]) {
    struct sigaction action = { .sa_handler = catch_signal };
    sigemptyset(&action.sa_mask);
    caught_signal = 0;
    for (size_t i = 0; i < TERMINAL_SIGNALS; i++)
        sigaction(terminal_signals[i], &action, &old[i]);
}

static void restore_signals(const struct sigaction old[TERMINAL_SIGNALS]) {
    for (size_t i = 0; i < TERMINAL_SIGNALS; i++)
        sigaction(terminal_signals[i], &old[i], NULL);
    if (caught_signal != 0)
        raise(caught_signal);
}

static enum line_result ask(const char *question, struct typed_password *password) {
    struct sigaction old_actions[TERMINAL_SIGNALS];
    struct termios shown, hidden;
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return LINE_MISSING;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fputs(question, stderr);
    catch_signals(old_actions);
    enum line_result result = LINE_MISSING;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0) {
        result = read_line(password);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    }
    fputc('\n', stderr);
    restore_signals(old_actions);
    return result;
}

static bool is_read(enum line_result result) {
    if (result != LINE_READ)
        fprintf(stderr, "jwtd: %s\n", line_errors[result]);
    return result == LINE_READ;
}

static bool confirm(const struct typed_password *password) {
    struct typed_password again;
    bool read = is_read(ask("The same again: ", &again));
    bool same = read && again.len == password->len && sodium_memcmp(again.bytes, password->bytes, password->len) == 0;
    sodium_memzero(&again, sizeof again);
    if (read && !same)
        fprintf(stderr, "jwtd: the two passwords differ\n");
    return same;
}

bool password_prompt(struct typed_password *password) {
    if (isatty(STDIN_FILENO) == 0)
        return is_read(read_line(password));
    return is_read(ask("Password: ", password)) && confirm(password);
}
