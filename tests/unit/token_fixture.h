/*
 * token_fixture: what the tests of src/token/ share: a scratch directory with key files, a ring of two keys ("k1", "k2", active),
 * and a signer of its own, so that tokens can be forged that libjwt would not make.
 */
#ifndef JWTD_TESTS_TOKEN_FIXTURE_H
#define JWTD_TESTS_TOKEN_FIXTURE_H

#include "jwtd/access_token.h"
#include "jwtd/clock.h"
#include "jwtd/keyring.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE_TOKEN_SIZE 16384
#define FIXTURE_NOW INT64_C(1800000000)
#define FIXTURE_TTL INT64_C(900)
#define FIXTURE_KEY_1 "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA" /* bytes 1 to 32 */
#define FIXTURE_KEY_2 "IB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE" /* bytes 32 to 1 */

static const struct token_rules fixture_rules = { .issuer = "jwtd", .audience = "jwtd", .access_ttl_s = FIXTURE_TTL };

struct scratch {
    char path[PATH_MAX / 2];
};

static inline struct scratch scratch_create(void) {
    struct scratch created;
    const char *parent = getenv("TMPDIR");
    snprintf(created.path, sizeof created.path, "%s/jwtd-test-XXXXXX", parent == NULL ? "/tmp" : parent);
    ck_assert_ptr_nonnull(mkdtemp(created.path));
    return created;
}

static inline int scratch_remove_one(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void scratch_destroy(const struct scratch *scratch) {
    nftw(scratch->path, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Returns the path, in a buffer of its own until the next call. */
static inline const char *scratch_path(const struct scratch *scratch, const char *name) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", scratch->path, name);
    return path;
}

static inline void scratch_write(const struct scratch *scratch, const char *name, const void *bytes, size_t len, mode_t mode) {
    const char *path = scratch_path(scratch, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static inline void scratch_write_text(const struct scratch *scratch, const char *name, const char *text) {
    scratch_write(scratch, name, text, strlen(text), 0600);
}

/* At the present time; a key signs as soon as it is there. */
static inline struct keyring *fixture_load(const char *keys_dir, const char *active_kid, const char *refresh_key_file,
                                           char *error, size_t error_size) {
    struct key_rules rules = { .keys_dir = keys_dir,
                               .active_kid = active_kid,
                               .refresh_key_file = refresh_key_file,
                               .keep_s = FIXTURE_TTL + ACCESS_TOKEN_LEEWAY_S };
    return keyring_load(&rules, clock_wall_s(), error, error_size);
}

static inline struct keyring *fixture_keyring(void) {
    struct scratch directory = scratch_create();
    char reason[512] = "";
    char refresh_key[PATH_MAX];
    scratch_write_text(&directory, "k1.hs256", FIXTURE_KEY_1);
    scratch_write_text(&directory, "k2.hs256", FIXTURE_KEY_2);
    scratch_write_text(&directory, ".refresh.key", FIXTURE_KEY_1);
    snprintf(refresh_key, sizeof refresh_key, "%s", scratch_path(&directory, ".refresh.key"));
    struct keyring *loaded = fixture_load(directory.path, "", refresh_key, reason, sizeof reason);
    ck_assert_msg(loaded != NULL, "%s", reason);
    scratch_destroy(&directory);
    return loaded;
}

static inline void fixture_append(char token[FIXTURE_TOKEN_SIZE], const char *text) {
    size_t at = strlen(token);
    snprintf(token + at, FIXTURE_TOKEN_SIZE - at, "%s", text);
}

static inline void fixture_append_base64(char token[FIXTURE_TOKEN_SIZE], const void *bytes, size_t len) {
    size_t at = strlen(token);
    ck_assert_ptr_nonnull(
        sodium_bin2base64(token + at, FIXTURE_TOKEN_SIZE - at, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING));
}

/* header.payload.signature with HMAC-SHA256, whatever header and payload say. */
static inline void fixture_sign(char token[FIXTURE_TOKEN_SIZE], const char *header, const char *payload,
                                const struct signing_key *key) {
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    token[0] = '\0';
    fixture_append_base64(token, header, strlen(header));
    fixture_append(token, ".");
    fixture_append_base64(token, payload, strlen(payload));
    crypto_auth_hmacsha256_init(&state, key->bytes, key->len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)token, strlen(token));
    crypto_auth_hmacsha256_final(&state, mac);
    fixture_append(token, ".");
    fixture_append_base64(token, mac, sizeof mac);
}

#endif
