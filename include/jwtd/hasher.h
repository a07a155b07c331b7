/*
 * hasher: argon2id without the page faults of stock libsodium.
 *
 * libsodium maps and unmaps its memory for every hash, which costs 30 to 50 % of a hash, the more the dearer a page fault is on
 * the machine. The program therefore links libsodium statically and routes its mmap and munmap (linker option --wrap) to memory
 * that each hasher keeps: 1.4 to 2 times as many hashes per second (make bench). The result is the same, byte for byte.
 * libsodium's pwhash is known here only.
 *
 * One hasher belongs to one thread from hasher_create to hasher_destroy. Passwords are taken with their length and never kept.
 */
#ifndef JWTD_HASHER_H
#define JWTD_HASHER_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_HASH_SIZE 128 /* with its NUL: "$argon2id$v=19$m=19456,t=2,p=1$...$..." */
#define PASSWORD_MAX_LEN 1024  /* bytes, after normalisation too */

/* Above these a stored hash counts as corrupt: one login may not cost the whole machine. */
#define HASH_MEMORY_MAX ((size_t)1024 * 1024 * 1024)
#define HASH_OPERATIONS_MAX 64

struct hasher;

struct hash_parameters {
    size_t memory;       /* bytes, multiples of 1 KiB; 8 KiB to HASH_MEMORY_MAX */
    unsigned operations; /* passes; 1 to HASH_OPERATIONS_MAX */
};

/* NULL if out of memory or if the parameters are out of bounds. The first hash is the first to touch the memory. */
struct hasher *hasher_create(struct hash_parameters parameters);
void hasher_destroy(struct hasher *hasher);

/* For a thread that has nothing to do: returns the pages to the kernel, and with them what the last hash has left there. */
void hasher_release_memory(struct hasher *hasher);

/* STATUS_OK and a hash string with a fresh salt, or STATUS_OUT_OF_MEMORY. */
enum status hasher_hash(struct hasher *hasher, struct text password, char hash[PASSWORD_HASH_SIZE]) MUST_CHECK;

enum hash_match {
    HASH_MATCHES,
    HASH_DIFFERS,
    HASH_CORRUPT,      /* the stored string is no argon2id hash that this build can check; as much work was done all the same */
    HASH_OUT_OF_MEMORY /* nothing is known about the password */
};

/* Checks a password against a stored hash of any argon2id parameters. hash NULL: does the work of a check with the current
 * parameters and returns HASH_DIFFERS, so that an unknown account costs what a known one does. */
enum hash_match hasher_verify(struct hasher *hasher, struct text password, const char *hash) MUST_CHECK;

/* Whether a stored hash was made with other parameters than the current ones. */
bool hasher_needs_rehash(const struct hasher *hasher, const char *hash);

#endif
