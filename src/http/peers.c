#include "peers.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

struct peer {
    struct peer *next;
    uint8_t network[16];
    unsigned count;
};

struct peers {
    uint8_t secret[crypto_shorthash_KEYBYTES]; /* so that nobody can choose addresses that share a bucket */
    struct peer *buckets[BUCKETS];
};

struct peers *peers_create(void) {
    struct peers *peers = calloc(1, sizeof *peers);
    if (peers != NULL)
        randombytes_buf(peers->secret, sizeof peers->secret);
    return peers;
}

void peers_destroy(struct peers *peers) {
    for (size_t i = 0; i < BUCKETS; i++) {
        while (peers->buckets[i] != NULL) {
            struct peer *peer = peers->buckets[i];
            peers->buckets[i] = peer->next;
            free(peer);
        }
    }
    free(peers);
}

static size_t bucket_of(const struct peers *peers, const uint8_t network[16]) {
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, network, 16, peers->secret);
    return hash % BUCKETS;
}

static struct peer *find(const struct peers *peers, const uint8_t network[16]) {
    struct peer *peer = peers->buckets[bucket_of(peers, network)];
    while (peer != NULL && memcmp(peer->network, network, 16) != 0)
        peer = peer->next;
    return peer;
}

unsigned peers_count(const struct peers *peers, const struct address *address) {
    if (!address->known)
        return 0;
    uint8_t network[16];
    address_network(address, network);
    const struct peer *peer = find(peers, network);
    return peer != NULL ? peer->count : 0;
}

struct peer *peers_enter(struct peers *peers, const struct address *address) {
    if (!address->known)
        return NULL;
    uint8_t network[16];
    address_network(address, network);
    struct peer *peer = find(peers, network);
    if (peer == NULL) {
        peer = calloc(1, sizeof *peer);
        if (peer == NULL)
            return NULL;
        struct peer **bucket = &peers->buckets[bucket_of(peers, network)];
        memcpy(peer->network, network, sizeof network);
        peer->next = *bucket;
        *bucket = peer;
    }
    peer->count++;
    return peer;
}

void peers_leave(struct peers *peers, struct peer *peer) {
    if (peer == NULL || --peer->count > 0)
        return;
    struct peer **link = &peers->buckets[bucket_of(peers, peer->network)];
    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    free(peer);
}
