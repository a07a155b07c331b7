/*
 * faults: programs of the tests whose N-th call of a kind fails (tests/fault/fault.h), loaded with fault.so by a wrapper of
 * server_launch or by the words before a command. One struct faults serves one program after the other.
 */
#ifndef JWTD_TEST_FAULTS_H
#define JWTD_TEST_FAULTS_H

#include "tests/fault/fault.h"

#include <check.h>
#include <stddef.h>

struct faults {
    struct fault_control *control;
    char preload[512], file[160];
    const char *wrapper[4]; /* env(1) with the words above, NULL after the last; `faults` must not move */
};

/* How calls of a kind fail. */
struct fault {
    enum fault_kind kind;
    int error; /* an errno or FAULT_SHORT */
};

/* How the calls of a command that writes files fail, and what it says then; NULL: it goes on with the rest of the bytes. */
struct command_fault {
    struct fault fault;
    const char *cause;
};
#define COMMAND_FAULTS 6
extern const struct command_fault command_faults[COMMAND_FAULTS];

/* Opens a control file of this name in an existing directory. */
void faults_open(struct faults *faults, const char *directory, const char *name);
/* In a program that the wrapper has started: its own control, without a wrapper. */
void faults_join(struct faults *faults);
void faults_close(struct faults *faults);

void faults_arm(struct faults *faults, struct fault fault, enum fault_scope scope, enum fault_mode mode, long wanted);
/* Nothing fails any more; `seen`, `failed` and `last_failed` of the control stay to be read. */
void faults_disarm(struct faults *faults);

/* From one call that fails to the next: STRIDE of the environment, or 1. */
long faults_stride(void);

/* Adds a loop test over `count` rows of a table, or over the one whose number is ONLY of the environment. */
void faults_add_test(TCase *tcase, const TTest *test, size_t count);

/* "call 3, to open on jwtd: Too many open files", in a buffer of the thread's own. */
const char *faults_describe(const struct faults *faults, struct fault fault, long wanted);

#endif
