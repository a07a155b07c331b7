/*
 * fault: memory that a test shares with fault_malloc.so inside the service, by a file: the test says which allocation is to fail,
 * and reads how many there were. Only threads that carry requests count.
 */
#ifndef JWTD_TEST_FAULT_H
#define JWTD_TEST_FAULT_H

#include <stdatomic.h>

#define FAULT_FILE_VARIABLE "FAULT_FILE"

enum fault_mode {
    FAULT_NONE,
    FAULT_ONE, /* the wanted one */
    FAULT_ALL  /* from the wanted one on memory is full: only as much as is freed can be had again */
};

struct fault_control {
    atomic_int mode;
    atomic_long wanted; /* counted from 1 */
    atomic_long seen, failed;
    atomic_long freed; /* bytes, since memory was full */
};

#endif
