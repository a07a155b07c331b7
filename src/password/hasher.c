#include "jwtd/hasher.h"

#include "reusable_memory.h"

#include "jwtd/clock.h"
#include "jwtd/metrics.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

_Static_assert(PASSWORD_HASH_SIZE == crypto_pwhash_argon2id_STRBYTES, "libsodium writes this many bytes");

#define DERIVED_LEN 32 /* as in the strings that libsodium makes */

struct hasher {
    struct hash_parameters parameters;
    struct reusable_memory memory;
};

/* ---- the three calls of libsodium that need the memory ---- */

/* Recorded first: what this maps, the first time on a thread, must not be mapped to the memory that is lent. */
static int64_t begin_hash(struct reusable_memory *memory) {
    metric_change(METRIC_HASHES_IN_FLIGHT, 0, 1);
    reusable_memory_lend(memory);
    return clock_monotonic_us();
}

/* Returns whether the memory was used. */
static bool end_hash(struct reusable_memory *memory, int64_t begin_us) {
    bool was_used = reusable_memory_return(memory);
    metric_change(METRIC_HASHES_IN_FLIGHT, 0, -1);
    metric_observe(METRIC_HASH_DURATION, 0, (clock_monotonic_us() - begin_us) * 1000);
    return was_used;
}

static bool make_string(struct hasher *hasher, struct text password, char hash[PASSWORD_HASH_SIZE]) {
    int64_t begin_us = begin_hash(&hasher->memory);
    int result =
        crypto_pwhash_argon2id_str(hash, password.bytes, password.len, hasher->parameters.operations, hasher->parameters.memory);
    end_hash(&hasher->memory, begin_us);
    return result == 0;
}

/* The work of a check with nothing to check against. */
static bool dummy_hash(struct hasher *hasher, struct text password) {
    static const unsigned char salt[crypto_pwhash_argon2id_SALTBYTES];
    unsigned char derived[DERIVED_LEN];

    int64_t begin_us = begin_hash(&hasher->memory);
    int result =
        crypto_pwhash_argon2id(derived, sizeof derived, password.bytes, password.len, salt, hasher->parameters.operations,
                               hasher->parameters.memory, crypto_pwhash_argon2id_ALG_ARGON2ID13);
    end_hash(&hasher->memory, begin_us);
    sodium_memzero(derived, sizeof derived);
    return result == 0;
}

/*
 * libsodium 1.0.18 returns the same for a failed allocation as for a wrong password: -1 and EINVAL. But the lent memory is the
 * last that it allocates for a hash: if it was used no allocation has failed, and if it was not the password was not checked.
 */
static enum hash_match check_string(struct reusable_memory *memory, struct text password, const char *hash) {
    int64_t begin_us = begin_hash(memory);
    int result = crypto_pwhash_argon2id_str_verify(hash, password.bytes, password.len);
    if (!end_hash(memory, begin_us))
        return HASH_OUT_OF_MEMORY;
    return result == 0 ? HASH_MATCHES : HASH_DIFFERS;
}

/* ---- parameters of a stored string ---- */

/* STATUS_OK and the parameters, STATUS_INTERNAL if the string is corrupt, or STATUS_OUT_OF_MEMORY. */
static enum status read_parameters(const char *hash, struct hash_parameters *stored) {
    static const char before_memory[] = "$argon2id$v=19$m=";
    static const char before_operations[] = ",t=";
    char *end;

    /* Called only for libsodium's parser: what it accepts has exactly this form, with numbers of 32 bits. */
    errno = 0;
    if (crypto_pwhash_argon2id_str_needs_rehash(hash, crypto_pwhash_argon2id_OPSLIMIT_MIN, crypto_pwhash_argon2id_MEMLIMIT_MIN) <
        0)
        return errno == ENOMEM ? STATUS_OUT_OF_MEMORY : STATUS_INTERNAL;
    unsigned long kibibytes = strtoul(hash + sizeof before_memory - 1, &end, 10);
    unsigned long operations = strtoul(end + sizeof before_operations - 1, &end, 10);
    if (kibibytes > HASH_MEMORY_MAX / 1024 || operations > HASH_OPERATIONS_MAX)
        return STATUS_INTERNAL;
    *stored = (struct hash_parameters){ .memory = kibibytes * 1024, .operations = (unsigned)operations };
    return STATUS_OK;
}

/* A hash of more memory than the current parameters have: rare, and replaced at its owner's next login. */
static enum hash_match check_larger(struct text password, const char *hash, size_t size) {
    struct reusable_memory memory;

    if (!reusable_memory_init(&memory, size))
        return HASH_OUT_OF_MEMORY;
    enum hash_match match = check_string(&memory, password, hash);
    reusable_memory_fini(&memory);
    return match;
}

/* ---- public ---- */

static bool parameters_are_possible(struct hash_parameters parameters) {
    return parameters.memory >= crypto_pwhash_argon2id_MEMLIMIT_MIN && parameters.memory <= HASH_MEMORY_MAX &&
           parameters.operations >= crypto_pwhash_argon2id_OPSLIMIT_MIN && parameters.operations <= HASH_OPERATIONS_MAX;
}

struct hasher *hasher_create(struct hash_parameters parameters) {
    /* sodium_init picks the fastest argon2id that the processor can run; it may be called again and by several threads. */
    if (!parameters_are_possible(parameters) || sodium_init() < 0)
        return NULL;
    struct hasher *hasher = malloc(sizeof *hasher);
    if (hasher == NULL)
        return NULL;
    hasher->parameters = parameters;
    if (!reusable_memory_init(&hasher->memory, parameters.memory)) {
        free(hasher);
        return NULL;
    }
    return hasher;
}

void hasher_destroy(struct hasher *hasher) {
    if (hasher == NULL)
        return;
    reusable_memory_fini(&hasher->memory);
    free(hasher);
}

void hasher_release_memory(struct hasher *hasher) {
    reusable_memory_release(&hasher->memory);
}

enum status hasher_hash(struct hasher *hasher, struct text password, char hash[PASSWORD_HASH_SIZE]) {
    return make_string(hasher, password, hash) ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

enum hash_match hasher_verify(struct hasher *hasher, struct text password, const char *hash) {
    struct hash_parameters stored;
    enum hash_match without_hash = HASH_DIFFERS;

    if (hash != NULL) {
        enum status status = read_parameters(hash, &stored);
        if (status == STATUS_OUT_OF_MEMORY)
            return HASH_OUT_OF_MEMORY;
        if (status == STATUS_OK && stored.memory > hasher->memory.size)
            return check_larger(password, hash, stored.memory);
        if (status == STATUS_OK)
            return check_string(&hasher->memory, password, hash);
        without_hash = HASH_CORRUPT;
    }
    return dummy_hash(hasher, password) ? without_hash : HASH_OUT_OF_MEMORY;
}

bool hasher_needs_rehash(const struct hasher *hasher, const char *hash) {
    struct hash_parameters stored;

    return read_parameters(hash, &stored) == STATUS_OK &&
           (stored.memory != hasher->parameters.memory / 1024 * 1024 || stored.operations != hasher->parameters.operations);
}
