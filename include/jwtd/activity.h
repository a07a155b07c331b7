/*
 * activity: what each thread of the process does now, and since when, for who asks why the service is stuck (GET /debug/threads).
 *
 * A thread says so itself, in a cell of its own that other threads only read. It costs some 10 ns, and takes no lock but for the
 * first time on each thread. The texts are constant and say nothing about users: the path of a route, the name of a step.
 */
#ifndef JWTD_ACTIVITY_H
#define JWTD_ACTIVITY_H

#include "jwtd/thread.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ACTIVITY_WAITS "waits"

/* What the calling thread does from now on; the text lives for ever. Returns what it did before; NULL: it had not said. */
const char *activity_set(const char *what);

struct thread_activity {
    pid_t id; /* the kernel's, as in top -H and gdb */
    char name[THREAD_NAME_MAX_LEN + 1];
    char state;       /* as in proc(5): R runs, S sleeps, D waits for a disk, t is stopped by a debugger */
    int64_t cpu_ms;   /* processor time that it has used */
    const char *what; /* NULL: it has not said */
    int64_t for_us;   /* for so long; the clock has ticks of some milliseconds */
};

/* Calls `visit` for each thread of the process, in the order of their ids. False: the kernel does not report them (/proc). Any
 * thread.
 */
bool activity_visit(void (*visit)(const struct thread_activity *thread, void *context), void *context);

#endif
