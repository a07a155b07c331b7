/*
 * receiver: the callbacks through which the HTTP library reports a request, in the order in which it calls them: the request
 * line (receiver_begin makes the exchange), the header, the pieces of the body and its end (receiver_handle), and the end of the
 * whole (receiver_end frees it). libmicrohttpd 0.9.75 does not report every end: after a second error of its own on one request,
 * and when it runs out of memory, it goes straight to the end of the connection. receiver_abandon, called then, ends the exchange
 * that is still there. So each exchange ends exactly once, which is asserted. All on the HTTP thread of the connection.
 *
 * A refusal that is known before the body is held back until a small body has been read, since that keeps the connection usable;
 * for a body over the limit, or one whose end is not certain, it is sent at once and the connection is closed.
 */
#ifndef JWTD_HTTP_RECEIVER_H
#define JWTD_HTTP_RECEIVER_H

#include <microhttpd.h>

struct connection;

/* `callback_context` is a struct http_context. */
void *receiver_begin(void *callback_context, const char *target, struct MHD_Connection *library_connection);

enum MHD_Result receiver_handle(void *callback_context, struct MHD_Connection *library_connection, const char *url,
                                const char *method, const char *version, const char *upload, size_t *upload_len,
                                void **request_context);

/* Ends the exchange that the library has left behind on a connection that is about to be closed, if there is one. A client whose
 * header could not be read receives 431. The connection's memory is gone already: nothing that points into it is read. */
void receiver_abandon(struct connection *connection);

void receiver_end(void *callback_context, struct MHD_Connection *library_connection, void **request_context,
                  enum MHD_RequestTerminationCode code);

#endif
