/* The ring of signing keys, and the refresh keys. */
#include "jwtd/keyring.h"

#include "algorithm.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "key_files.h"
#include "owner_rights.h"
#include "secret_key.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_TRIES 5

struct keyring {
    struct signing_key keys[KEYS_MAX]; /* sorted by kid */
    size_t count;
    const struct signing_key *active;
    struct refresh_key refresh_keys[REFRESH_KEYS_MAX]; /* the first signs */
    size_t refresh_count;
    char keys_dir[PATH_MAX];
};

bool keyring_is_kid(struct text name) {
    return text_is_made_of(name, TEXT_ID_ALPHABET, 1, KID_MAX_LEN);
}

bool keyring_has_algorithm(const char *name) {
    return algorithm_by_suffix(name) != NULL;
}

static bool join_path(char path[PATH_MAX], struct text directory, const char *file_name, struct key_error error) {
    int len = snprintf(path, PATH_MAX, "%.*s/%s", (int)directory.len, directory.bytes, file_name);
    if (len > 0 && len < PATH_MAX)
        return true;
    snprintf(error.text, error.size, "%.*s: name too long", (int)directory.len, directory.bytes);
    return false;
}

/* The directory of a file, borrowed from its path, and the name in it. */
static struct text directory_of(const char *file, const char **name) {
    const char *slash = strrchr(file, '/');
    *name = slash == NULL ? file : slash + 1;
    return slash == NULL ? text_of(".") : (struct text){ file, (size_t)(slash - file) };
}

/* Calls `visit` for each name in the directory until it returns false, which is then the result. */
static bool visit_directory(DIR *directory, const char *path,
                            bool (*visit)(void *context, const char *name, struct key_error error), void *context,
                            struct key_error error) {
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(directory)) != NULL)
        if (!visit(context, entry->d_name, error))
            return false;
    int failure = errno;
    if (failure != 0)
        snprintf(error.text, error.size, "%s: %s", path, strerrordesc_np(failure));
    return failure == 0;
}

/* ---- loading ---- */

struct loading {
    struct keyring *ring;
    const char *keys_dir;
};

/* Keeps the ring sorted, so that the last key is the newest by name. */
static void insert_key(struct keyring *ring, const struct signing_key *key) {
    assert(ring->count < KEYS_MAX);
    size_t at = ring->count++;
    while (at > 0 && strcmp(ring->keys[at - 1].kid, key->kid) > 0) {
        ring->keys[at] = ring->keys[at - 1];
        at--;
    }
    ring->keys[at] = *key;
}

static bool load_key(void *context, const char *name, struct key_error error) {
    const struct loading *loading = context;
    struct text kid, directory = text_of(loading->keys_dir);
    char path[PATH_MAX];
    struct signing_key key;
    const struct algorithm *algorithm = algorithm_of_file(name, &kid);
    if (algorithm == NULL) {
        /* ".", ".." and the "..data" of a Kubernetes secret are expected */
        if (name[0] != '.')
            log_event(LOG_WARN, "key_file_ignored", "directory=%s file=%s", loading->keys_dir, name);
        return true;
    }
    if (loading->ring->count == KEYS_MAX) {
        snprintf(error.text, error.size, "%s: more than %d keys", loading->keys_dir, KEYS_MAX);
        return false;
    }
    if (!join_path(path, directory, name, error))
        return false;
    if (keyring_find(loading->ring, kid) != NULL)
        return key_refuse(error, path, "there is another key file with this name in front of its suffix");
    if (!signing_key_load(&key, algorithm, kid, path, geteuid(), error))
        return false;
    insert_key(loading->ring, &key);
    return true;
}

static bool load_keys(struct keyring *ring, const char *keys_dir, struct key_error error) {
    DIR *directory = opendir(keys_dir);
    if (directory == NULL) {
        snprintf(error.text, error.size, "%s: %s; `jwtd keygen` makes it, with a key", keys_dir, strerrordesc_np(errno));
        return false;
    }
    bool loaded = key_directory_check(dirfd(directory), keys_dir, geteuid(), error) &&
                  visit_directory(directory, keys_dir, load_key, &(struct loading){ ring, keys_dir }, error);
    closedir(directory);
    if (loaded && ring->count == 0) {
        snprintf(error.text, error.size, "%s: no key (*%s) in this directory; `jwtd keygen` makes one", keys_dir,
                 algorithm_default()->suffix);
        return false;
    }
    return loaded;
}

static const struct signing_key *newest_that_signs(const struct keyring *ring) {
    for (size_t i = ring->count; i > 0; i--)
        if (ring->keys[i - 1].can_sign)
            return &ring->keys[i - 1];
    return NULL;
}

static bool choose_active(struct keyring *ring, const char *keys_dir, const char *active_kid, struct key_error error) {
    ring->active = active_kid[0] == '\0' ? newest_that_signs(ring) : keyring_find(ring, text_of(active_kid));
    if (ring->active != NULL && ring->active->can_sign)
        return true;
    if (active_kid[0] == '\0')
        snprintf(error.text, error.size, "%s: holds public keys only, and none that signs; `jwtd keygen` makes one", keys_dir);
    else if (ring->active == NULL)
        snprintf(error.text, error.size, "%s: token.active_kid names \"%s\", but there is no %s%s", keys_dir, active_kid,
                 active_kid, algorithm_default()->suffix);
    else
        snprintf(error.text, error.size, "%s: token.active_kid names \"%s\", but %s%s is a public key, which cannot sign",
                 keys_dir, active_kid, active_kid, ring->active->algorithm->suffix);
    return false;
}

/* ---- loading refresh keys ---- */

struct refresh_loading {
    struct keyring *ring;
    struct text directory;
    struct text file_name; /* of the key that signs */
};

/* Public, since tokens contain it; it reveals no more of the key than a hash of 256 random bits. */
static void derive_id(struct refresh_key *key) {
    static const char context[] = "jwtd refresh key id";
    uint8_t hash[crypto_generichash_BYTES];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)context, sizeof context - 1, key->bytes, REFRESH_KEY_BYTES);
    memcpy(key->id, hash, sizeof key->id);
}

static bool begin_mac(struct refresh_key *key) {
    crypto_auth_hmacsha512256_state *mac = sodium_malloc(sizeof *mac);
    key->mac = mac;
    if (mac == NULL)
        return false;
    crypto_auth_hmacsha512256_init(mac, key->bytes, REFRESH_KEY_BYTES);
    sodium_mprotect_readonly(mac);
    return true;
}

static bool add_refresh_key(struct keyring *ring, const char *path, struct key_error error) {
    size_t len;
    if (ring->refresh_count == REFRESH_KEYS_MAX) {
        snprintf(error.text, error.size, "%s: more than %d refresh keys", path, REFRESH_KEYS_MAX);
        return false;
    }
    struct refresh_key *key = &ring->refresh_keys[ring->refresh_count];
    struct key_text text;
    if (key_file_read(path, geteuid(), &text, error))
        key->bytes = secret_key_decode(&text, REFRESH_KEY_BYTES, REFRESH_KEY_BYTES, &len, error);
    key_text_wipe(&text);
    if (key->bytes == NULL)
        return false;
    ring->refresh_count++; /* keyring_destroy frees it from here on */
    derive_id(key);
    if (!begin_mac(key))
        snprintf(error.text, error.size, "%s: no memory for the key", path);
    return key->mac != NULL;
}

/* "refresh.key.2026-11" beside "refresh.key". */
static bool load_other_refresh_key(void *context, const char *name, struct key_error error) {
    const struct refresh_loading *loading = context;
    size_t len = loading->file_name.len;
    char path[PATH_MAX];
    if (strncmp(name, loading->file_name.bytes, len) != 0 || name[len] != '.')
        return true;
    if (!text_is_made_of(text_of(name + len + 1), TEXT_ALPHANUMERIC "_-", 1, NAME_MAX)) {
        log_event(LOG_WARN, "key_file_ignored", "directory=%.*s file=%s", (int)loading->directory.len, loading->directory.bytes,
                  name);
        return true;
    }
    return join_path(path, loading->directory, name, error) && add_refresh_key(loading->ring, path, error);
}

static bool load_refresh_keys(struct keyring *ring, const char *file, struct key_error error) {
    struct stat status;
    char path[PATH_MAX];
    if (stat(file, &status) != 0 && errno == ENOENT) {
        snprintf(error.text, error.size, "%s: no refresh key; `jwtd keygen` makes one", file);
        return false;
    }
    if (!add_refresh_key(ring, file, error))
        return false;
    const char *name;
    struct refresh_loading loading = { .ring = ring, .directory = directory_of(file, &name) };
    loading.file_name = text_of(name);
    if (!join_path(path, loading.directory, "", error))
        return false;
    DIR *directory = opendir(path);
    if (directory == NULL && errno == EACCES) {
        /* a user may be allowed to read the file and not to list its directory: then that key is the only one */
        log_event(LOG_WARN, "refresh_keys_not_listed", "directory=%s error=%s", path, strerrordesc_np(EACCES));
        return true;
    }
    if (directory == NULL) {
        snprintf(error.text, error.size, "%s: %s", path, strerrordesc_np(errno));
        return false;
    }
    bool loaded = key_directory_check(dirfd(directory), path, geteuid(), error) &&
                  visit_directory(directory, path, load_other_refresh_key, &loading, error);
    closedir(directory);
    return loaded;
}

struct keyring *keyring_load(const char *keys_dir, const char *active_kid, const char *refresh_key_file, char *error,
                             size_t error_size) {
    struct key_error reason = { error, error_size };
    struct keyring *ring = calloc(1, sizeof *ring);
    if (ring == NULL || sodium_init() < 0) {
        snprintf(error, error_size, "no memory for the keys");
        free(ring);
        return NULL;
    }
    snprintf(ring->keys_dir, sizeof ring->keys_dir, "%s", keys_dir); /* one that is cut off would not have been opened */
    if (load_keys(ring, keys_dir, reason) && choose_active(ring, keys_dir, active_kid, reason) &&
        load_refresh_keys(ring, refresh_key_file, reason))
        return ring;
    keyring_destroy(ring);
    return NULL;
}

void keyring_destroy(struct keyring *keyring) {
    if (keyring == NULL)
        return;
    for (size_t i = 0; i < keyring->count; i++)
        signing_key_release(&keyring->keys[i]);
    for (size_t i = 0; i < keyring->refresh_count; i++) {
        sodium_free((void *)(uintptr_t)keyring->refresh_keys[i].bytes); /* const only for those who borrow */
        sodium_free((void *)(uintptr_t)keyring->refresh_keys[i].mac);
    }
    free(keyring);
}

/* ---- keys ---- */

const struct signing_key *keyring_active(const struct keyring *keyring) {
    assert(keyring->active != NULL);
    return keyring->active;
}

/* A kid is public, so nothing is lost by a comparison that is not in constant time. */
const struct signing_key *keyring_find(const struct keyring *keyring, struct text kid) {
    if (!keyring_is_kid(kid))
        return NULL;
    for (size_t i = 0; i < keyring->count; i++) {
        const struct signing_key *key = &keyring->keys[i];
        if (strncmp(key->kid, kid.bytes, kid.len) == 0 && key->kid[kid.len] == '\0')
            return key;
    }
    return NULL;
}

const struct refresh_key *keyring_refresh_keys(const struct keyring *keyring, size_t *count) {
    assert(keyring->refresh_count > 0);
    *count = keyring->refresh_count;
    return keyring->refresh_keys;
}

size_t keyring_count(const struct keyring *keyring) {
    return keyring->count;
}

const struct signing_key *keyring_key(const struct keyring *keyring, size_t index) {
    assert(index < keyring->count);
    return &keyring->keys[index];
}

bool keyring_may_have(const struct keyring *keyring, struct text kid) {
    assert(keyring_is_kid(kid)); /* so it is no path */
    DIR *directory = opendir(keyring->keys_dir);
    if (directory == NULL)
        return true;
    const struct dirent *entry;
    struct text found;
    bool has_key = false;
    while (!has_key && (errno = 0, entry = readdir(directory)) != NULL)
        has_key = algorithm_of_file(entry->d_name, &found) != NULL && text_equal(found, kid);
    has_key = has_key || errno != 0;
    closedir(directory);
    return has_key;
}

/* ---- new keys ---- */

/* The four digits behind the time are its fraction of a second, so that two keys of one second still sort by age. */
static void name_new_key(int64_t now_us, char kid[KID_MAX_LEN + 1]) {
    time_t seconds = (time_t)(now_us / CLOCK_US_PER_S);
    unsigned fraction = (unsigned)((now_us % CLOCK_US_PER_S) * 0x10000 / CLOCK_US_PER_S);
    struct tm utc;
    char stamp[KID_MAX_LEN / 2];
    gmtime_r(&seconds, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(kid, KID_MAX_LEN + 1, "%s-%04x", stamp, fraction);
}

static bool create_named(int directory, const char *keys_dir, const struct algorithm *algorithm, const struct key_text *text,
                         char kid[KID_MAX_LEN + 1], struct key_error error) {
    for (int i = 0; i < NAME_TRIES; i++) {
        char path[PATH_MAX], name[NAME_MAX];
        name_new_key(clock_wall_us(), kid);
        snprintf(name, sizeof name, "%s%s", kid, algorithm->suffix);
        if (!join_path(path, text_of(keys_dir), name, error))
            return false;
        enum key_file_result result = key_file_create(directory, name, path, text, error);
        if (result != KEY_FILE_EXISTS)
            return result == KEY_FILE_CREATED;
        /* another keygen has taken the name at the same time: the next name is free after 15 microseconds */
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    snprintf(error.text, error.size, "%s: no free name for a new key", keys_dir);
    return false;
}

static bool create_signing_key(int directory, const char *keys_dir, const struct algorithm *algorithm, char kid[KID_MAX_LEN + 1],
                               struct key_error error) {
    struct key_text text = { .path = keys_dir };
    bool created = algorithm->generate(&text, error) && create_named(directory, keys_dir, algorithm, &text, kid, error);
    key_text_wipe(&text);
    return created;
}

static bool count_key(void *context, const char *name, struct key_error error) {
    size_t *count = context;
    struct text kid;
    (void)error;
    *count += algorithm_of_file(name, &kid) != NULL;
    return true;
}

static bool count_keys(int directory, const char *keys_dir, size_t *count, struct key_error error) {
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd < 0 ? NULL : fdopendir(fd);
    *count = 0;
    if (names == NULL) {
        snprintf(error.text, error.size, "%s: %s", keys_dir, strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool counted = visit_directory(names, keys_dir, count_key, count, error);
    closedir(names);
    return counted;
}

/* What the two functions of the header that make keys have in common. */
struct new_keys {
    const char *keys_dir, *refresh_key_file;
    const struct algorithm *algorithm; /* of the signing key */
    bool if_missing;                   /* make a signing key only if there is none */
};

static bool complete_directory(int directory, const struct new_keys *keys, char kid[KID_MAX_LEN + 1], struct key_error error) {
    size_t count;
    if (!count_keys(directory, keys->keys_dir, &count, error))
        return false;
    if (!keys->if_missing && count >= KEYS_MAX) {
        snprintf(error.text, error.size, "%s: holds %zu keys, and with more than %d the service does not start; remove old ones",
                 keys->keys_dir, count, KEYS_MAX);
        return false;
    }
    return (keys->if_missing && count > 0) || create_signing_key(directory, keys->keys_dir, keys->algorithm, kid, error);
}

/* Root wonders what it has no permission for. */
static bool end_writing(int directory, bool done, struct key_error error) {
    size_t len = strlen(error.text);
    if (!done && errno == EACCES && geteuid() != getuid())
        snprintf(error.text + len, error.size - len, " (as user %u, who owns a directory on the way)", (unsigned)geteuid());
    owner_rights_leave(directory);
    return done;
}

static bool create_signing_keys(const struct new_keys *keys, char kid[KID_MAX_LEN + 1], struct key_error error) {
    int directory = owner_rights_enter(keys->keys_dir, true);
    if (directory < 0)
        snprintf(error.text, error.size, "%s: %s", keys->keys_dir, strerrordesc_np(errno));
    return end_writing(directory, directory >= 0 && complete_directory(directory, keys, kid, error), error);
}

static bool create_refresh_key(const char *file, struct key_error error) {
    char path[PATH_MAX];
    const char *name;
    struct key_text text = { .path = file };
    if (!join_path(path, directory_of(file, &name), "", error))
        return false;
    int directory = owner_rights_enter(path, false);
    if (directory < 0)
        snprintf(error.text, error.size, "%s: %s", file, strerrordesc_np(errno));
    secret_key_generate(&text, REFRESH_KEY_BYTES);
    bool done = directory >= 0 && key_file_create(directory, name, file, &text, error) != KEY_FILE_FAILED;
    key_text_wipe(&text);
    return end_writing(directory, done, error);
}

/* The refresh key last: where there is one, there is a signing key too. */
static bool create_keys(const struct new_keys *keys, char kid[KID_MAX_LEN + 1], struct key_error error) {
    kid[0] = '\0';
    error.text[0] = '\0';
    if (sodium_init() < 0) {
        snprintf(error.text, error.size, "libsodium cannot be initialised");
        return false;
    }
    assert(keys->algorithm != NULL);
    return create_signing_keys(keys, kid, error) && create_refresh_key(keys->refresh_key_file, error);
}

bool keyring_generate(const char *keys_dir, const char *refresh_key_file, const char *algorithm, char kid[KID_MAX_LEN + 1],
                      char *error, size_t error_size) {
    const struct new_keys keys = { keys_dir, refresh_key_file, algorithm_by_suffix(algorithm), .if_missing = false };
    return create_keys(&keys, kid, (struct key_error){ error, error_size });
}

bool keyring_complete(const char *keys_dir, const char *refresh_key_file, const char *algorithm, char kid[KID_MAX_LEN + 1],
                      char *error, size_t error_size) {
    const struct new_keys keys = { keys_dir, refresh_key_file, algorithm_by_suffix(algorithm), .if_missing = true };
    return create_keys(&keys, kid, (struct key_error){ error, error_size });
}
