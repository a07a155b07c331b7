/*
 * thread: starts the threads of the program (but for those of the HTTP library), and initialises the condition variables on which
 * they wait until a deadline.
 *
 * Each thread has a name, which top, perf and gdb show; all signals blocked, so that they reach the main thread; and a stack of
 * 512 KiB, which suffices for name resolution in libpq. Deadlines are of clock_monotonic_us.
 */
#ifndef JWTD_THREAD_H
#define JWTD_THREAD_H

#include "jwtd/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define THREAD_NAME_MAX_LEN 15 /* Linux keeps no more */

/* The caller's memory, at one address from thread_start to the return of thread_join. The members are thread.c's. */
struct thread {
    pthread_t id;
    char name[THREAD_NAME_MAX_LEN + 1];
    void (*run)(void *context);
    void *context;
};

/* Runs run(context) on a new thread. A longer name is cut. STATUS_OUT_OF_MEMORY: no thread was started, for want of memory or by
 * a limit on threads; errno has the reason, which is logged, and thread_join must not be called. */
enum status thread_start(struct thread *thread, const char *name, void (*run)(void *context), void *context) MUST_CHECK;

/* Waits until `run` has returned. Once for each thread that was started. */
void thread_join(struct thread *thread);

/* For condition_wait_until; to be destroyed by pthread_cond_destroy. Cannot fail. */
void condition_init_monotonic(pthread_cond_t *condition);

/* The lock is held before and after. INT64_MAX: without a deadline. False: the deadline has passed. True: the condition was
 * signalled, or the wake-up was spurious: the caller checks again what it waits for. */
bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_us);

#endif
