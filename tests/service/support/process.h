/* process: what the kernel counts of a process. All fail the test when it has exited. */
#ifndef JWTD_TEST_PROCESS_H
#define JWTD_TEST_PROCESS_H

#include <sys/types.h>

unsigned long process_ticks(pid_t pid);                          /* of processor time, sysconf(_SC_CLK_TCK) a second */
unsigned long process_thread_ticks(pid_t pid, const char *name); /* the same of its threads whose names begin like this */
long process_status(pid_t pid, const char *name); /* a number of /proc/PID/status, such as "VmRSS" (KiB) or "Threads" */
unsigned long process_descriptors(pid_t pid);

/* Fails the test if the process uses more than a tenth of a core in a second. */
void process_assert_rests(pid_t pid);

#endif
