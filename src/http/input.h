/*
 * input: passes what the library receives through a scanner (scanner.h), before the library sees it.
 *
 * The library does not hand out raw bytes, so its call of recv is answered here: the program defines recv, and the dynamic
 * linker prefers a definition of the program. For the descriptors of HTTP connections the bytes go through their scanner, for
 * all others, such as those of libpq, this is the kernel's recv and nothing else. Should a library ever receive by another
 * call, no request is found well formed and all are refused: it fails closed.
 *
 * The first three functions are called on the HTTP thread of the connection, as is recv; descriptors share nothing.
 */
#ifndef JWTD_HTTP_INPUT_H
#define JWTD_HTTP_INPUT_H

#include <stdbool.h>

/* A new connection. False: the descriptor is too high a number, and must be closed. */
bool input_begin(int fd);

/* Before the descriptor is closed. */
void input_end(int fd);

/* scanner_take_request of this connection. */
bool input_take_request(int fd);

/* scanner_has_begun and scanner_is_head, as of what the library received last. Any thread that keeps the descriptor from being
 * closed. */
bool input_has_begun(int fd);
bool input_is_head(int fd);

#endif
