#include "jwtd/jwks.h"

#include "algorithm.h"

#include "jwtd/arena.h"
#include "jwtd/json_writer.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_LIMIT ((size_t)256 * 1024) /* KEYS_MAX keys of 4096 bits are 55 KiB, in a buffer that grows */
#define HASH_SIZE 16
#define ALGORITHMS_MAX 4

struct jwks {
    struct arena arena;
    struct text text;
    char tag[JWKS_TAG_SIZE];
    const char *algorithms[ALGORITHMS_MAX];
    size_t algorithm_count;
};

/* Keys that do not verify are not in the ring. */
static bool is_published(const struct signing_key *key) {
    return key->algorithm->write_jwk != NULL;
}

static bool write_key(const struct signing_key *key, struct json_writer *writer) {
    json_begin_object(writer);
    json_member_string(writer, "kid", key->kid);
    json_member_string(writer, "use", "sig");
    json_member_string(writer, "alg", key->algorithm->name);
    bool written = key->algorithm->write_jwk(key, writer);
    json_end_object(writer);
    return written;
}

static void note_algorithm(struct jwks *jwks, const char *name) {
    for (size_t i = 0; i < jwks->algorithm_count; i++)
        if (strcmp(jwks->algorithms[i], name) == 0)
            return;
    jwks->algorithms[jwks->algorithm_count++] = name;
}

static bool write_keys(struct jwks *jwks, const struct keyring *keyring) {
    struct json_writer writer;
    bool written = true;
    json_writer_init(&writer, &jwks->arena);
    json_begin_object(&writer);
    json_name(&writer, "keys");
    json_begin_array(&writer);
    for (size_t i = 0; written && i < keyring_count(keyring); i++) {
        const struct signing_key *key = keyring_key(keyring, i);
        if (!is_published(key))
            continue;
        written = write_key(key, &writer);
        note_algorithm(jwks, key->algorithm->name);
    }
    json_end_array(&writer);
    json_end_object(&writer);
    jwks->text = json_writer_finish(&writer);
    return written && jwks->text.bytes != NULL;
}

static void make_tag(struct jwks *jwks) {
    uint8_t hash[HASH_SIZE];
    size_t len = sodium_base64_ENCODED_LEN(HASH_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING) - 1;
    crypto_generichash(hash, sizeof hash, (const uint8_t *)jwks->text.bytes, jwks->text.len, NULL, 0);
    jwks->tag[0] = '"';
    sodium_bin2base64(jwks->tag + 1, sizeof jwks->tag - 1, hash, sizeof hash, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    jwks->tag[1 + len] = '"';
    jwks->tag[2 + len] = '\0';
}

struct jwks *jwks_create(const struct keyring *keyring) {
    struct jwks *jwks = calloc(1, sizeof *jwks);
    if (jwks == NULL)
        return NULL;
    arena_init(&jwks->arena, ARENA_LIMIT);
    if (write_keys(jwks, keyring)) {
        make_tag(jwks);
        return jwks;
    }
    jwks_destroy(jwks);
    return NULL;
}

void jwks_destroy(struct jwks *jwks) {
    if (jwks == NULL)
        return;
    arena_fini(&jwks->arena);
    free(jwks);
}

struct text jwks_text(const struct jwks *jwks) {
    return jwks->text;
}

const char *jwks_tag(const struct jwks *jwks) {
    return jwks->tag;
}

void jwks_write_algorithms(const struct jwks *jwks, struct json_writer *writer) {
    json_begin_array(writer);
    for (size_t i = 0; i < jwks->algorithm_count; i++)
        json_write_string(writer, jwks->algorithms[i]);
    json_end_array(writer);
}
