/*
 * kill_at_call: what a command leaves that is killed at any moment.
 */
#ifndef TESTS_UNIT_KILL_AT_CALL_H
#define TESTS_UNIT_KILL_AT_CALL_H

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs the command in a process of its own until it is about to make its system call number `calls`, from 1 on, and kills it
 * there. False: it has come to its end before, and has succeeded. */
static inline bool kill_at_call(bool (*command)(void), unsigned calls) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(command() ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    for (unsigned stops = 0; WIFSTOPPED(status) && stops < 2 * calls - 1; stops++) { /* one before a call and one behind it */
        ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    }
    if (!WIFSTOPPED(status)) {
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return false;
    }
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return true;
}

#endif
