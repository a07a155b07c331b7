#include "faults.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const struct command_fault command_faults[COMMAND_FAULTS] = {
    { { FAULT_MEMORY, ENOMEM }, "memory" },
    { { FAULT_DESCRIPTORS, EMFILE }, "Too many open files" },
    { { FAULT_DESCRIPTORS, EACCES }, "Permission denied" },
    { { FAULT_WRITES, EIO }, "Input/output error" },
    { { FAULT_WRITES, ENOSPC }, "No space left on device" },
    { { FAULT_WRITES, FAULT_SHORT }, NULL },
};

static void map_control(struct faults *faults, const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, sizeof *faults->control), 0);
    faults->control = mmap(NULL, sizeof *faults->control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(faults->control, MAP_FAILED);
    close(fd);
}

void faults_open(struct faults *faults, const char *directory, const char *name) {
    char path[128];
    const char *library = getenv("JWTD_TEST_FAULT_LIBRARY");
    ck_assert_msg(library != NULL, "JWTD_TEST_FAULT_LIBRARY is not set; run the tests by make test");
    snprintf(path, sizeof path, "%s/%s", directory, name);
    map_control(faults, path);
    snprintf(faults->preload, sizeof faults->preload, "LD_PRELOAD=%s", library);
    snprintf(faults->file, sizeof faults->file, FAULT_FILE_VARIABLE "=%s", path);
    const char *const wrapper[] = { "/usr/bin/env", faults->preload, faults->file, NULL };
    memcpy(faults->wrapper, wrapper, sizeof faults->wrapper);
}

void faults_join(struct faults *faults) {
    const char *path = getenv(FAULT_FILE_VARIABLE);
    ck_assert_ptr_nonnull(path);
    *faults = (struct faults){ 0 };
    map_control(faults, path);
}

void faults_close(struct faults *faults) {
    munmap(faults->control, sizeof *faults->control);
}

void faults_arm(struct faults *faults, struct fault fault, enum fault_scope scope, enum fault_mode mode, long wanted) {
    struct fault_control *control = faults->control;
    atomic_store(&control->mode, FAULT_NONE);
    atomic_store(&control->kind, (int)fault.kind);
    atomic_store(&control->scope, (int)scope);
    atomic_store(&control->error, fault.error);
    atomic_store(&control->seen, 0);
    atomic_store(&control->failed, 0);
    atomic_store(&control->freed, 0);
    atomic_store(&control->wanted, wanted);
    memset(control->last_failed, 0, sizeof control->last_failed);
    memset(control->last_thread, 0, sizeof control->last_thread);
    atomic_store(&control->mode, (int)mode);
}

void faults_disarm(struct faults *faults) {
    atomic_store(&faults->control->mode, FAULT_NONE);
}

const char *faults_describe(const struct faults *faults, struct fault fault, long wanted) {
    static __thread char text[128];
    snprintf(text, sizeof text, "call %ld, to %s on %s: %s", wanted, faults->control->last_failed, faults->control->last_thread,
             fault.error == FAULT_SHORT ? "half of the bytes" : strerrordesc_np(fault.error));
    return text;
}

long faults_stride(void) {
    const char *stride = getenv("STRIDE");
    return stride != NULL ? strtol(stride, NULL, 10) : 1;
}

void faults_add_test(TCase *tcase, const TTest *test, size_t count) {
    const char *only = getenv("ONLY");
    int first = only != NULL ? (int)strtol(only, NULL, 10) : 0;
    tcase_add_loop_test(tcase, test, first, only != NULL ? first + 1 : (int)count);
}
