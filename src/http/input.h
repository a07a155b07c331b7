/*
 * input: passes what the library receives through a scanner (scanner.h), before the library sees it.
 *
 * The library does not offer the raw bytes, so its calls of recv are intercepted: the program defines recv, and the dynamic
 * linker prefers the program's definition. The bytes of HTTP connections go through their scanner; for all other descriptors,
 * such as those of libpq, this is the system's recv and nothing else. Should the library receive by another call in a later
 * version, no request is found well formed and all are refused: it fails closed.
 *
 * A header that is too large for the library is refused here: it would be answered with the library's own page, which no script
 * of another origin may read.
 *
 * The functions but the last two are called on the HTTP thread of the connection, as is recv; descriptors share nothing.
 */
#ifndef JWTD_HTTP_INPUT_H
#define JWTD_HTTP_INPUT_H

#include "jwtd/status.h"

#include <stdbool.h>

/* For a new connection. False: the number of the descriptor is too high, and the connection must be shut down.
 */
bool input_begin(int fd);

/* Before the descriptor is closed, and after all else that is asked of it here: another thread may begin with it then. */
void input_end(int fd);

/* scanner_take_request of this connection. */
bool input_take_request(int fd);

/* The library has read the next request line, and asks for its exchange. */
void input_note_line(int fd);

/* Whether the library has refused a request line by itself, and the status of the page that it has sent; 0: it has closed the
 * connection without one. For a connection that the library has closed. */
bool input_is_line_refused(int fd, unsigned *page);

/* scanner_is_too_large of this connection: 431 or 414 has been sent, and the library was told that the client has closed. */
bool input_is_refused(int fd);

/* Which of them was sent, once; STATUS_OK: none, or it was taken before. */
enum status input_take_refusal(int fd);

/* scanner_has_begun and scanner_is_head, as of what the library received last. Any thread that keeps the descriptor from being
 * closed. */
bool input_has_begun(int fd);
bool input_is_head(int fd);

#endif
