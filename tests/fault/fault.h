/*
 * fault: memory that a test shares with fault.so inside the program, by a file: the test says which call of which kind is to
 * fail and how, and reads how many there were.
 */
#ifndef JWTD_TEST_FAULT_H
#define JWTD_TEST_FAULT_H

#include <stdatomic.h>

#define FAULT_FILE_VARIABLE "FAULT_FILE"
#define FAULT_SHORT (-1) /* as an error: half of the bytes are written, which is no error to the caller */

/* The table in fault.c says which calls are of which kind. */
enum fault_kind {
    FAULT_MEMORY,
    FAULT_THREADS,
    FAULT_DESCRIPTORS, /* every call that makes one */
    FAULT_WRITES,      /* to files and pipes, with fsync, link and rename */
    FAULT_SENDS,       /* to sockets */
    FAULT_SHARED_LOCKS /* that another thread had taken before; they never fail, and are only counted */
};

enum fault_mode {
    FAULT_NONE,
    FAULT_ONE, /* the wanted call */
    FAULT_ALL  /* from the wanted one on; only as much memory can be allocated as has been freed */
};

enum fault_scope {
    FAULT_ANY_THREAD,
    FAULT_MAIN_THREAD,
    FAULT_REQUEST_THREADS, /* those that serve requests; the times of the others' calls differ from run to run */
    FAULT_HASHING_THREADS,
    FAULT_HTTP_THREADS,
    FAULT_START_THREADS /* of those that connect to the database only one, since they all do it in the same way */
};

struct fault_control {
    atomic_int mode; /* set last; FAULT_NONE while the other members change */
    atomic_int kind, scope;
    atomic_int error;   /* an errno, or FAULT_SHORT */
    atomic_long wanted; /* counted from 1 */
    atomic_long seen, failed;
    atomic_long freed;    /* bytes, since memory was full */
    char last_failed[24]; /* the function's name */
    char last_thread[17]; /* and that of its thread */
};

#endif
