/*
 * hasher: argon2id without the page faults of stock libsodium.
 *
 * libsodium maps and unmaps its memory for every hash, which takes 30 to 50 % of the time of a hash, depending on what a page
 * fault costs on the machine. The program therefore links libsodium statically and routes its mmap and munmap (linker option
 * --wrap) to memory that each hasher keeps: 1.4 to 2 times as many hashes per second (make bench). The result is the same, byte
 * for byte. libsodium's pwhash is known here only.
 *
 * One hasher belongs to one thread from hasher_create to hasher_destroy. Passwords have a length and may contain NUL; no copy is
 * kept, but what a hash has left in the hasher's memory stays until the next hash or hasher_release_memory.
 */
#ifndef JWTD_HASHER_H
#define JWTD_HASHER_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_HASH_SIZE 128 /* with its NUL: "$argon2id$v=19$m=19456,t=2,p=1$...$..." */
#define PASSWORD_MAX_LEN 1024  /* bytes, after normalisation too */

/* Above these a stored hash counts as corrupt: one login must not take all memory or processor time. */
#define HASH_MEMORY_MAX ((size_t)1024 * 1024 * 1024)
#define HASH_OPERATIONS_MAX 64

struct hasher;

struct hash_parameters {
    size_t memory;       /* bytes, 8 KiB to HASH_MEMORY_MAX; argon2id uses whole KiB */
    unsigned operations; /* passes; 1 to HASH_OPERATIONS_MAX */
};

/* NULL if out of memory or if the parameters are out of bounds. Only address space is allocated: pages come with the first hash.
 */
struct hasher *hasher_create(struct hash_parameters parameters);
void hasher_destroy(struct hasher *hasher); /* NULL is ignored */

/* For an idle thread: releases the pages to the kernel, and with them what the last hash has left there. */
void hasher_release_memory(struct hasher *hasher);

/* STATUS_OK and a hash string with a fresh salt, or STATUS_OUT_OF_MEMORY. */
enum status hasher_hash(struct hasher *hasher, struct text password, char hash[PASSWORD_HASH_SIZE]) MUST_CHECK;

enum hash_match {
    HASH_MATCHES,
    HASH_DIFFERS,
    HASH_CORRUPT,      /* the stored string is no argon2id hash that this build can check; it took as long as a check */
    HASH_OUT_OF_MEMORY /* the password was not checked */
};

/* Checks a password against a stored hash of any argon2id parameters up to HASH_MEMORY_MAX and HASH_OPERATIONS_MAX. hash NULL:
 * does the work of a check with the current parameters and returns HASH_DIFFERS, so that an unknown account takes as long as a
 * known one. */
enum hash_match hasher_verify(struct hasher *hasher, struct text password, const char *hash) MUST_CHECK;

/* Whether a stored hash was made with other parameters than the current ones. False, too, for a corrupt one, and if out of
 * memory. */
bool hasher_needs_rehash(const struct hasher *hasher, const char *hash);

#endif
