/*
 * json_memory: the allocator of Jansson inside libjwt: memory is wiped when it is freed, since it holds tokens, and each thread
 * has a flag that is set when an allocation has failed. The service itself parses with json.h.
 *
 * Jansson 2.14 reports some failed allocations as a syntax error and does not notice others, so that a string comes out short:
 * without the flag a token would lack a claim, or be refused. libjwt 1.10.2 copies from the NULL that Jansson
 * returns when it has no memory for the text of a token. So each thread keeps a block in reserve, 64 KiB that are freed when
 * malloc fails: libjwt completes its work, and the caller discards the result because of the flag.
 *
 * Each use of libjwt is between json_memory_begin and json_memory_has_failed, on the same thread. Any thread.
 */
#ifndef JWTD_JSON_MEMORY_H
#define JWTD_JSON_MEMORY_H

#include "jwtd/status.h"

#include <stdbool.h>

/* Clears the flag of this thread and allocates the reserve if it was used up. False: there is no memory for it, and libjwt must
 * not be called. The first call in the process sets Jansson's allocator, so it comes before any other use of Jansson. */
bool json_memory_begin(void) MUST_CHECK;

/* Whether an allocation has failed since json_memory_begin: what libjwt has returned is to be discarded then. */
bool json_memory_has_failed(void);

#endif
