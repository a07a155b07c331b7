#include "peers.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

/* The bytes of a network and of the site that begins with it are the same. */
struct place {
    uint8_t bytes[16];
    uint8_t is_site;
};

struct peer {
    struct peer *next;
    struct peer *site; /* which counts this one, too; NULL: it has none */
    struct place place;
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

static bool network_of(const struct address *address, struct place *network) {
    *network = (struct place){ .is_site = 0 };
    if (address->known)
        address_network(address, network->bytes);
    return address->known;
}

static bool site_of(const struct address *address, struct place *site) {
    *site = (struct place){ .is_site = 1 };
    return address->known && address_site(address, site->bytes);
}

static size_t bucket_of(const struct peers *peers, const struct place *place) {
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)place, sizeof *place, peers->secret);
    return hash % BUCKETS;
}

static struct peer *find(const struct peers *peers, const struct place *place) {
    struct peer *peer = peers->buckets[bucket_of(peers, place)];
    while (peer != NULL && memcmp(&peer->place, place, sizeof *place) != 0)
        peer = peer->next;
    return peer;
}

static unsigned count_at(const struct peers *peers, const struct place *place) {
    const struct peer *peer = find(peers, place);
    return peer != NULL ? peer->count : 0;
}

unsigned peers_count(const struct peers *peers, const struct address *address) {
    struct place network;
    return network_of(address, &network) ? count_at(peers, &network) : 0;
}

unsigned peers_count_site(const struct peers *peers, const struct address *address) {
    struct place site;
    return site_of(address, &site) ? count_at(peers, &site) : 0;
}

static struct peer *enter(struct peers *peers, const struct place *place) {
    struct peer *peer = find(peers, place);
    if (peer == NULL) {
        peer = calloc(1, sizeof *peer);
        if (peer == NULL)
            return NULL;
        struct peer **bucket = &peers->buckets[bucket_of(peers, place)];
        peer->place = *place;
        peer->next = *bucket;
        *bucket = peer;
    }
    peer->count++;
    return peer;
}

static void leave(struct peers *peers, struct peer *peer) {
    if (--peer->count > 0)
        return;
    struct peer **link = &peers->buckets[bucket_of(peers, &peer->place)];
    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    free(peer);
}

struct peer *peers_enter(struct peers *peers, const struct address *address) {
    struct place network, site;
    if (!network_of(address, &network))
        return NULL;
    struct peer *peer = enter(peers, &network);
    if (peer == NULL || !site_of(address, &site))
        return peer;
    /* entered anew for each connection, so that it counts them and not the networks */
    struct peer *around = enter(peers, &site);
    if (around == NULL) {
        leave(peers, peer);
        return NULL;
    }
    peer->site = around;
    return peer;
}

void peers_leave(struct peers *peers, struct peer *peer) {
    if (peer == NULL)
        return;
    if (peer->site != NULL)
        leave(peers, peer->site);
    leave(peers, peer);
}
