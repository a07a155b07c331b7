#include "address_counts.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

/* The bytes of a network and of the site that begins with it are the same. */
struct prefix {
    uint8_t bytes[16];
    uint8_t is_site;
};

struct address_count {
    struct address_count *next;
    struct address_count *site; /* which counts this one, too; NULL: it has none */
    struct prefix prefix;
    unsigned connections; /* at least 1 */
};

struct address_counts {
    uint8_t secret[crypto_shorthash_KEYBYTES]; /* so that no client can choose addresses that share a bucket */
    struct address_count *buckets[BUCKETS];
};

struct address_counts *address_counts_create(void) {
    struct address_counts *counts = calloc(1, sizeof *counts);
    if (counts != NULL)
        randombytes_buf(counts->secret, sizeof counts->secret);
    return counts;
}

void address_counts_destroy(struct address_counts *counts) {
    for (size_t i = 0; i < BUCKETS; i++) {
        while (counts->buckets[i] != NULL) {
            struct address_count *count = counts->buckets[i];
            counts->buckets[i] = count->next;
            free(count);
        }
    }
    free(counts);
}

static bool network_of(const struct address *address, struct prefix *network) {
    *network = (struct prefix){ .is_site = 0 };
    if (address->known)
        address_network(address, network->bytes);
    return address->known;
}

static bool site_of(const struct address *address, struct prefix *site) {
    *site = (struct prefix){ .is_site = 1 };
    return address->known && address_site(address, site->bytes);
}

static size_t bucket_of(const struct address_counts *counts, const struct prefix *prefix) {
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)prefix, sizeof *prefix, counts->secret);
    return hash % BUCKETS;
}

static struct address_count *find(const struct address_counts *counts, const struct prefix *prefix) {
    struct address_count *count = counts->buckets[bucket_of(counts, prefix)];
    while (count != NULL && memcmp(&count->prefix, prefix, sizeof *prefix) != 0)
        count = count->next;
    return count;
}

static unsigned count_at(const struct address_counts *counts, const struct prefix *prefix) {
    const struct address_count *count = find(counts, prefix);
    return count != NULL ? count->connections : 0;
}

unsigned address_counts_of_network(const struct address_counts *counts, const struct address *address) {
    struct prefix network;
    return network_of(address, &network) ? count_at(counts, &network) : 0;
}

unsigned address_counts_of_site(const struct address_counts *counts, const struct address *address) {
    struct prefix site;
    return site_of(address, &site) ? count_at(counts, &site) : 0;
}

static struct address_count *count_in(struct address_counts *counts, const struct prefix *prefix) {
    struct address_count *count = find(counts, prefix);
    if (count == NULL) {
        count = calloc(1, sizeof *count);
        if (count == NULL)
            return NULL;
        struct address_count **bucket = &counts->buckets[bucket_of(counts, prefix)];
        count->prefix = *prefix;
        count->next = *bucket;
        *bucket = count;
    }
    count->connections++;
    return count;
}

static void count_out(struct address_counts *counts, struct address_count *count) {
    assert(count->connections > 0);
    if (--count->connections > 0)
        return;
    struct address_count **link = &counts->buckets[bucket_of(counts, &count->prefix)];
    while (*link != count)
        link = &(*link)->next;
    *link = count->next;
    free(count);
}

struct address_count *address_counts_add(struct address_counts *counts, const struct address *address) {
    struct prefix network, site;
    if (!network_of(address, &network))
        return NULL;
    struct address_count *count = count_in(counts, &network);
    if (count == NULL || !site_of(address, &site))
        return count;
    /* once for each connection, so that it counts them and not the networks */
    struct address_count *of_site = count_in(counts, &site);
    if (of_site == NULL) {
        count_out(counts, count);
        return NULL;
    }
    count->site = of_site;
    return count;
}

void address_counts_remove(struct address_counts *counts, struct address_count *count) {
    if (count == NULL)
        return;
    if (count->site != NULL)
        count_out(counts, count->site);
    count_out(counts, count);
}

unsigned address_count_connections(const struct address_count *count) {
    return count != NULL ? count->connections : 0;
}
