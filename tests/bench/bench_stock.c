/* Hashes per second of libsodium as other programs use it: the shared library, no --wrap. */
#include "hash_rate.h"

#include <sodium.h>

struct stock {
    size_t memory;
    unsigned operations;
};

static void *start(size_t memory, unsigned operations) {
    struct stock *stock = sodium_init() < 0 ? NULL : malloc(sizeof *stock);

    if (stock != NULL)
        *stock = (struct stock){ .memory = memory, .operations = operations };
    return stock;
}

static bool hash_once(void *state) {
    static const char password[] = "correct horse battery staple";
    const struct stock *stock = state;
    char hash[crypto_pwhash_STRBYTES];

    return crypto_pwhash_str_alg(hash, password, sizeof password - 1, stock->operations, stock->memory,
                                 crypto_pwhash_ALG_ARGON2ID13) == 0;
}

static void stop(void *state) {
    free(state);
}

int main(int argc, char **argv) {
    return hash_rate_main((struct hash_rate){ .name = "stock", .start = start, .hash = hash_once, .stop = stop }, argc, argv);
}
