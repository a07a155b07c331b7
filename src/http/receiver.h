/*
 * receiver: the callbacks through which the HTTP library reports a request, in the order in which it calls them: the request line
 * (receiver_begin creates the exchange), the header, the pieces of the body and its end (receiver_handle), and the end of the
 * request (receiver_end ends the exchange). libmicrohttpd 0.9.75 does not report every end: after a second error of its own on
 * one request, and when it runs out of memory, it reports the end of the connection only. receiver_abandon, called then, ends the
 * exchange that is left. So each exchange ends exactly once, which is asserted. All on the HTTP thread of the connection.
 *
 * A refusal that is decided before the body is sent after a body within server.body_limit has been read, since that keeps the
 * connection usable; for a larger body, or one whose end is not certain, it is sent at once and the connection is closed.
 * A route that ignores bodies (BODY_IGNORED) answers from the header alone: proxies announce the body of their client's request
 * and send none. Then the connection is closed too, so that what follows is never taken for a request (RFC 9112 section 11.2).
 */
#ifndef JWTD_HTTP_RECEIVER_H
#define JWTD_HTTP_RECEIVER_H

#include <microhttpd.h>

struct connection;

/* `callback_context` is a struct http_context. Returns the exchange; NULL if out of memory: receiver_handle sends 503 then. */
void *receiver_begin(void *callback_context, const char *target, struct MHD_Connection *library_connection);

/* `callback_context`: the same. */
enum MHD_Result receiver_handle(void *callback_context, struct MHD_Connection *library_connection, const char *url,
                                const char *method, const char *version, const char *upload, size_t *upload_len,
                                void **request_context);

/* Ends the exchange that is left on a connection that is about to be closed, if there is one. A client whose header could not be
 * read receives 431. The library has freed the memory of the
 * connection: nothing that points into it is read. */
void receiver_abandon(struct connection *connection);

void receiver_end(void *callback_context, struct MHD_Connection *library_connection, void **request_context,
                  enum MHD_RequestTerminationCode code);

#endif
