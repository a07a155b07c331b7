/*
 * fuzz: what the fuzz targets share. A target is tests/fuzz/fuzz_NAME.c with seeds in tests/fuzz/corpus/NAME/ and perhaps words
 * in tests/fuzz/NAME.dict; its first comment says which property it checks beyond "does not crash". `make fuzz` builds and runs
 * all.
 *
 * What does not hold is an assertion that fails: libFuzzer then leaves the input. One thread calls the target.
 */
#ifndef JWTD_TESTS_FUZZ_H
#define JWTD_TESTS_FUZZ_H

#include "jwtd/keyring.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* libFuzzer calls the first once, if it is there, and the second for each input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Takes what stands before the next '\n', or everything. */
struct text fuzz_take_line(struct text *rest);

/* A copy with a NUL behind it, to be freed. */
char *fuzz_string(struct text text);

bool fuzz_contains(struct text text, struct text part);

/* A new directory below TMPDIR, which is removed, with all files in it, when the process exits normally. One a process. */
const char *fuzz_directory(void);

/* A ring of two keys, k1 and k2 (which signs), of known bytes. FUZZ_KEY_1 is k1 and the refresh key. */
#define FUZZ_KEY_1 "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA" /* bytes 1 to 32 */
#define FUZZ_KEY_2 "IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE" /* bytes 32 to 1 */
/* Into directory/keys and directory/refresh.key; and into directory/services a service "orders" with the secret "secret". */
void fuzz_write_keys(const char *directory);
struct keyring *fuzz_keyring(void);

/* What `print` writes, to be freed. */
char *fuzz_printed(void (*print)(const void *context, FILE *out), const void *context);

#endif
