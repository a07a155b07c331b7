#include "keys.h"

#include "jwtd/clock.h"

#include <assert.h>
#include <dirent.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define REFUSAL_SIZE 256
#define REFUSED_PAUSE_S 10

/* Of the names, times, sizes and numbers of the files in the directory. */
struct fingerprint {
    uint8_t bytes[crypto_generichash_BYTES];
};

struct keys {
    pthread_rwlock_t lock; /* guards current; who has `reading` may read that without it */
    struct key_set *current;
    pthread_mutex_t reading;        /* taken before `lock`; guards all below */
    char *directory;                /* NULL: none */
    int64_t keep_s;                 /* of struct key_set_directory */
    struct fingerprint fingerprint; /* of what was read */
    struct fingerprint refused;     /* of what could not be read at refused_us */
    int64_t refused_us;
    char refusal[REFUSAL_SIZE];
    char *given, *fetched; /* JWK Sets; NULL: none */
    size_t given_len, fetched_len;
};

/* ---- the set in force ---- */

const struct key_set *keys_begin(struct keys *keys) {
    pthread_rwlock_rdlock(&keys->lock);
    return keys->current;
}

void keys_end(struct keys *keys) {
    pthread_rwlock_unlock(&keys->lock);
}

static void replace(struct keys *keys, struct key_set *set) {
    pthread_rwlock_wrlock(&keys->lock);
    struct key_set *before = keys->current;
    keys->current = set;
    pthread_rwlock_unlock(&keys->lock);
    key_set_destroy(before);
}

/* ---- reading ---- */

static struct fingerprint directory_fingerprint(const char *path) {
    struct fingerprint result = { { 0 } };
    crypto_generichash_state state;
    struct stat status;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return result; /* as before the first reading: key_set_add_directory says what is wrong */
    crypto_generichash_init(&state, NULL, 0, sizeof result.bytes);
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (fstatat(dirfd(directory), entry->d_name, &status, 0) != 0)
            memset(&status, 0, sizeof status);
        const int64_t numbers[] = { (int64_t)status.st_ino,         (int64_t)status.st_size, status.st_mode,
                                    (int64_t)status.st_uid,         status.st_mtim.tv_sec,   status.st_mtim.tv_nsec,
                                    (int64_t)status.st_ctim.tv_sec, status.st_ctim.tv_nsec };
        crypto_generichash_update(&state, (const uint8_t *)entry->d_name, strlen(entry->d_name) + 1);
        crypto_generichash_update(&state, (const uint8_t *)numbers, sizeof numbers);
    }
    crypto_generichash_final(&state, result.bytes, sizeof result.bytes);
    closedir(directory);
    return result;
}

/* A new set of all sources, and puts it in force. The caller has `reading`. */
static bool rebuild(struct keys *keys, char *error, size_t error_size) {
    struct key_set *set = key_set_create();
    const struct key_set_directory source = { keys->directory, keys->keep_s, clock_wall_s() };
    if (set == NULL) {
        snprintf(error, error_size, "no memory for the keys");
        return false;
    }
    if (keys->current != NULL)
        key_set_copy_revoked(set, keys->current);
    bool added =
        (keys->directory == NULL || key_set_add_directory(set, &source, error, error_size)) &&
        (keys->given == NULL || key_set_add_jwks(set, (struct text){ keys->given, keys->given_len }, true, error, error_size)) &&
        (keys->fetched == NULL ||
         key_set_add_jwks(set, (struct text){ keys->fetched, keys->fetched_len }, false, error, error_size));
    if (!added) {
        key_set_destroy(set);
        return false;
    }
    replace(keys, set);
    return true;
}

static bool is_equal(const struct fingerprint *a, const struct fingerprint *b) {
    return memcmp(a, b, sizeof *a) == 0 && sodium_is_zero(a->bytes, sizeof a->bytes) == 0;
}

/* What cannot be read is read again after a pause only: it may be many keys, and the caller may be a request. */
static bool read_changed(struct keys *keys, bool at_once, char *error, size_t error_size) {
    /* before the reading: what changes meanwhile is read the next time */
    struct fingerprint fingerprint = directory_fingerprint(keys->directory);
    int64_t now_us = clock_monotonic_us();
    if (is_equal(&fingerprint, &keys->fingerprint) && clock_wall_s() < key_set_next_gone_s(keys->current))
        return true;
    if (!at_once && is_equal(&fingerprint, &keys->refused) && now_us - keys->refused_us < REFUSED_PAUSE_S * CLOCK_US_PER_S) {
        snprintf(error, error_size, "%s", keys->refusal);
        return false;
    }
    bool is_read = rebuild(keys, error, error_size);
    if (is_read) {
        keys->fingerprint = fingerprint;
    } else {
        keys->refused = fingerprint;
        keys->refused_us = now_us;
        snprintf(keys->refusal, sizeof keys->refusal, "%s", error);
    }
    return is_read;
}

bool keys_read(struct keys *keys, bool at_once, char *error, size_t error_size) {
    if (keys->directory == NULL)
        return true;
    pthread_mutex_lock(&keys->reading);
    bool is_read = read_changed(keys, at_once, error, error_size);
    pthread_mutex_unlock(&keys->reading);
    return is_read;
}

void keys_await_reading(struct keys *keys) {
    pthread_mutex_lock(&keys->reading);
    pthread_mutex_unlock(&keys->reading);
}

bool keys_have_file(const struct keys *keys, struct text kid) {
    DIR *directory = keys->directory == NULL ? NULL : opendir(keys->directory);
    if (directory == NULL)
        return false;
    bool has_file = false;
    for (const struct dirent *entry = readdir(directory); entry != NULL && !has_file; entry = readdir(directory))
        has_file = key_set_is_key_file(entry->d_name, kid);
    closedir(directory);
    return has_file;
}

static char *copy_bytes(struct text text) {
    char *copy = malloc(text.len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text.bytes, text.len);
    copy[text.len] = '\0';
    return copy;
}

bool keys_set_fetched(struct keys *keys, struct text jwks, char *error, size_t error_size) {
    bool is_set = true;
    pthread_mutex_lock(&keys->reading);
    if (keys->fetched == NULL || !text_equal((struct text){ keys->fetched, keys->fetched_len }, jwks)) {
        char *before = keys->fetched;
        size_t before_len = keys->fetched_len;
        keys->fetched = copy_bytes(jwks);
        keys->fetched_len = jwks.len;
        if (keys->fetched == NULL)
            snprintf(error, error_size, "no memory for the keys");
        is_set = keys->fetched != NULL && rebuild(keys, error, error_size);
        free(is_set ? before : keys->fetched);
        if (!is_set) {
            keys->fetched = before;
            keys->fetched_len = before_len;
        }
    }
    pthread_mutex_unlock(&keys->reading);
    return is_set;
}

/* ---- revoked keys ---- */

/* Not while a set is made that would replace this one without it. */
void keys_revoke(struct keys *keys, struct text kid) {
    pthread_mutex_lock(&keys->reading);
    pthread_rwlock_wrlock(&keys->lock);
    key_set_revoke(keys->current, kid);
    pthread_rwlock_unlock(&keys->lock);
    pthread_mutex_unlock(&keys->reading);
}

bool keys_have_all_revoked(struct keys *keys) {
    bool have_all = key_set_has_all_revoked(keys_begin(keys));
    keys_end(keys);
    return have_all;
}

/* ---- creation ---- */

/* Otherwise threads that check tokens all the time would keep the one that has new keys waiting. */
static void init_locks(struct keys *keys) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&keys->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    pthread_mutex_init(&keys->reading, NULL);
}

static bool copy_sources(struct keys *keys, const char *directory, int64_t keep_s, struct text jwks) {
    keys->keep_s = keep_s;
    keys->directory = directory == NULL ? NULL : strdup(directory);
    keys->given = jwks.bytes == NULL ? NULL : copy_bytes(jwks);
    keys->given_len = jwks.len;
    return (directory == NULL || keys->directory != NULL) && (jwks.bytes == NULL || keys->given != NULL);
}

struct keys *keys_create(const char *directory, int64_t keep_s, struct text jwks, char *error, size_t error_size) {
    struct keys *keys = sodium_init() < 0 ? NULL : calloc(1, sizeof *keys);
    snprintf(error, error_size, "no memory for the keys");
    if (keys == NULL)
        return NULL;
    init_locks(keys);
    bool created = copy_sources(keys, directory, keep_s, jwks);
    if (created && directory != NULL)
        keys->fingerprint = directory_fingerprint(directory);
    if (created && rebuild(keys, error, error_size))
        return keys;
    keys_destroy(keys);
    return NULL;
}

void keys_destroy(struct keys *keys) {
    if (keys == NULL)
        return;
    key_set_destroy(keys->current);
    pthread_rwlock_destroy(&keys->lock);
    pthread_mutex_destroy(&keys->reading);
    if (keys->given != NULL)
        sodium_memzero(keys->given, keys->given_len);
    free(keys->given);
    free(keys->fetched);
    free(keys->directory);
    free(keys);
}
