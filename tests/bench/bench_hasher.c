/* Hashes per second of the program's own hashing module. */
#include "hash_rate.h"
#include "jwtd/hasher.h"

static void *start(size_t memory, unsigned operations) {
    return hasher_create((struct hash_parameters){ .memory = memory, .operations = operations });
}

static bool hash_once(void *state) {
    static const char password[] = "correct horse battery staple";
    char hash[PASSWORD_HASH_SIZE];

    return hasher_hash(state, (struct text){ password, sizeof password - 1 }, hash) == STATUS_OK;
}

static void stop(void *state) {
    hasher_destroy(state);
}

int main(int argc, char **argv) {
    return hash_rate_main((struct hash_rate){ .name = "hasher", .start = start, .hash = hash_once, .stop = stop }, argc, argv);
}
