/*
 * streams: replies that do not end by themselves (stream.h), and the thread, "streams", that writes them.
 *
 * The library is not asked to write them: it notices neither that the client of a suspended connection has gone nor that one is
 * too slow, and to resume a connection for each event takes its lock a thousand times for a thousand followers. So the connection
 * of a stream stays suspended from beginning to end, its exchange belongs to the streams' thread, and that writes to the
 * descriptor, as a chunked body (RFC 9112 section 7.1), or as bytes until the close for a client of HTTP/1.0. The library cannot
 * close or reuse the descriptor meanwhile. It pays with a walk over all that are suspended whenever it resumes any.
 *
 *     HTTP thread      ANSWERED --- streams_take --+                         +--> STREAMED: closes the connection
 *     "streams"                                    +--> STREAMING -----------+
 *                                                       exchange_resume: when the client has gone or is too slow, the kind
 *                                                       has ended it, or the service stops
 *
 * Nothing is queued for a follower but the part that its socket has not taken, STREAM_PART_SIZE and its framing. While there is
 * one, nothing more is written for it; one whose socket takes nothing for STREAM_STALL_US is disconnected. Kinds that know more
 * end a follower that is too far behind by themselves. What one follower is sent at a time is bounded, so that none waits long
 * for another. A connection that streams has no deadline, and the socket's own buffer is small (STREAM_SOCKET_BUFFER).
 */
#ifndef JWTD_HTTP_STREAMS_H
#define JWTD_HTTP_STREAMS_H

#include "jwtd/status.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct services;
struct stream_kind;
struct streams;

#define STREAM_STALL_US INT64_C(10000000)
#define STREAM_SOCKET_BUFFER (32 * 1024)

/* Borrows both until streams_destroy. NULL: no memory, descriptor or thread, as errno says. Main thread. */
struct streams *streams_create(const struct services *services, const struct stream_kind *kind, unsigned limit);

/* Takes over an ANSWERED exchange whose reply is a stream: sends its header, then what the kind writes. STATUS_OVERLOADED: there
 * are as many as the limit. STATUS_SHUTTING_DOWN, STATUS_OUT_OF_MEMORY. With these the exchange is as it was. On its HTTP
 * thread, which must not touch the exchange after STATUS_OK. */
enum status streams_take(struct streams *streams, struct exchange *exchange) MUST_CHECK;

/* Whether the thread has completed a round within `limit_us` since it was asked for one by the call before. Asks for the next
 * one; does not wait. On one thread at a time, while they run; true for NULL. */
bool streams_are_alive(struct streams *streams, int64_t limit_us);

/* Ends all streams, each with the last part of its kind and the end of the body, and waits for that: for a socket that takes
 * nothing at most a second. None is taken from now on. NULL is allowed. Main thread. */
void streams_stop(struct streams *streams);
void streams_destroy(struct streams *streams); /* when no HTTP thread is left; stops before; NULL is allowed */

#endif
