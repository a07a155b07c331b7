#include "audit_failures.h"

#include <assert.h>
#include <string.h>

struct failure_key failure_key_of(const struct audit_event *event) {
    struct failure_key key;
    memset(&key, 0, sizeof key);
    if (event->user_id != NULL)
        key.user_id = *event->user_id;
    if (event->client->known)
        address_network(event->client, key.network);
    key.reason = event->reason;
    return key;
}

static size_t first_slot(const struct failure_table *table, const struct failure_key *key) {
    uint64_t words[crypto_shorthash_siphashx24_BYTES / sizeof(uint64_t)];
    crypto_shorthash_siphashx24((unsigned char *)words, (const unsigned char *)key, sizeof *key, table->secret);
    return words[0] % AUDIT_FAILURE_SLOTS;
}

struct failure *failure_table_find(struct failure_table *table, const struct failure_key *key) {
    _Static_assert(sizeof *key == sizeof key->user_id + sizeof key->network + sizeof key->reason, "all its bytes are hashed");
    assert(table->count <= AUDIT_FAILURES_MAX);
    size_t slot = first_slot(table, key);
    while (table->slots[slot].count > 0 && memcmp(&table->slots[slot].key, key, sizeof *key) != 0)
        slot = (slot + 1) % AUDIT_FAILURE_SLOTS;
    bool is_full = table->count == AUDIT_FAILURES_MAX && table->slots[slot].count == 0;
    return is_full ? NULL : &table->slots[slot];
}
