/*
 * http_thread: what belongs to one HTTP thread alone, so that threads that answer requests write nothing that others read or
 * write. What a request of /auth/verify writes is the list to check when that is changed:
 *
 *   - here: the count of exchanges, and the spare ones; each thread has cache lines of its own
 *   - its exchange, arena and connection (exchange.h, connection.h), and what the library keeps for its connection and thread
 *   - the scanner of its descriptor (input.c), in a cache line of its own: threads own every n-th descriptor
 *   - the lease of the snapshot in force (snapshot.h), which is the thread's
 *   - the generator of request ids (uuid.h), its cells of the metrics (metrics.h), what it does now (activity.h) and its queue of
 *     the log (log.h), each of which is the thread's
 *
 * It reads, and does not write: configuration and keys, the token cache (token_cache.h), the filter of revoked sessions
 * (revoked_sessions.h), the places of users whose roles have changed (current_roles.h), and the flag by which the log's writer is
 * woken, which is written only by the first line after the writer has written all (log.c: up to 500 times a second).
 *
 * It takes a lock only for a session or user that shares its place with one that has been revoked or changed: the shard's.
 * tests/service/test_lock_free.c counts the locks that threads share.
 *
 * Requests that are limited also take a lock of the limiter, those that leave the thread also one of an executor: these are
 * shared.
 */
#ifndef JWTD_HTTP_HTTP_THREAD_H
#define JWTD_HTTP_HTTP_THREAD_H

#include "jwtd/snapshot.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct exchange;

#define HTTP_THREAD_CACHE_LINE 64
#define HTTP_THREAD_SPARES_MAX 8 /* of some 5 KiB each, with their arena's first block and a built reply */

struct http_thread {
    alignas(HTTP_THREAD_CACHE_LINE) atomic_uint in_flight; /* exchanges of this thread; written by it only */
    struct snapshot_lease lease;
    unsigned spare_count;
    struct exchange *spares[HTTP_THREAD_SPARES_MAX]; /* have ended, and begin again with the next requests */
};

struct http_threads {
    struct http_thread *items;
    unsigned count;
    atomic_uint taken;
};

/* One for each HTTP thread. False: out of memory. */
bool http_threads_init(struct http_threads *threads, unsigned count);

/* Frees what the threads hold, their leases too. When they have ended. */
void http_threads_fini(struct http_threads *threads, struct snapshot_holder *snapshots);

/* That of the calling thread, one of the `count` HTTP threads; it takes the next with its first call. */
struct http_thread *http_thread_current(struct http_threads *threads);

/* Exchanges of all threads. Any thread. */
unsigned http_threads_in_flight(struct http_threads *threads);

#endif
