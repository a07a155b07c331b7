/*
 * json_memory: what Jansson allocates, in our own code and inside libjwt: wiped when it is freed, since parsed bodies hold
 * passwords; and a note, for each thread, of whether an allocation has failed.
 *
 * Jansson 2.14 reports some failed allocations as a syntax error and does not notice others, so that a string comes out short:
 * without the note a right password would be refused as wrong. libjwt 1.10.2 copies from the NULL that Jansson returns when it
 * has no memory for the text of a token. So each thread keeps a block in reserve, 64 KiB that are freed when malloc fails: the
 * work goes on to its end, and is thrown away because of the note.
 */
#ifndef JWTD_JSON_MEMORY_H
#define JWTD_JSON_MEMORY_H

#include "jwtd/status.h"

#include <stdbool.h>

/* Before the first use of Jansson; more than once is the same as once. Any thread. */
void json_memory_init(void);

/* Begins a piece of work on this thread: forgets what failed before, and sees to the reserve. False: there is no memory for it,
 * and the work must not begin. */
bool json_memory_begin(void) MUST_CHECK;

/* Whether an allocation of this piece of work has failed: its result is worth nothing then. */
bool json_memory_has_failed(void);

#endif
