/* process: what the kernel counts of a process. All fail the test when it has exited. */
#ifndef JWTD_TEST_PROCESS_H
#define JWTD_TEST_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

unsigned long process_ticks(pid_t pid);                          /* of processor time, sysconf(_SC_CLK_TCK) a second */
unsigned long process_thread_ticks(pid_t pid, const char *name); /* the same of its threads whose names begin like this */
long process_status(pid_t pid, const char *name); /* a number of /proc/PID/status, such as "VmRSS" (KiB) or "Threads" */
/* Pages that it has written, which it shares with no other process. Counted: RssAnon of the status is an estimate. */
long process_own_memory_kib(pid_t pid);
/* All its pages in memory, those of programs and libraries that other processes share too. */
long process_resident_kib(pid_t pid);
unsigned long process_descriptors(pid_t pid);

/* How long threads were ready to run while the machine ran something else (run_delay of /proc/PID/schedstat): what a test that
 * measures a promise of the service may take for the machine's part. All 0 where the kernel does not count it. */
#define WAITS_MAX 256
struct waits {
    size_t count;
    struct {
        long thread;
        double waited_s;
    } items[WAITS_MAX];
};
struct waits process_waits(pid_t pid);
double longest_wait_s(pid_t pid, const struct waits *before); /* since then, of the thread that waited longest */
double thread_waited_s(void);                                 /* of the calling thread */

/* Fails the test if the process uses more than a tenth of a core in a second. */
void process_assert_rests(pid_t pid);

#endif
