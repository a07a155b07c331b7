/* The ring of signing keys, and the refresh key. */
#include "jwtd/keyring.h"

#include "jwtd/clock.h"
#include "jwtd/key_files.h"
#include "jwtd/log.h"

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

#define KEY_SUFFIX ".hs256"
#define NEW_KEY_LEN 48
#define NAME_TRIES 5

struct keyring {
    struct signing_key keys[KEYS_MAX]; /* sorted by kid */
    size_t count;
    const struct signing_key *active;
    uint8_t *refresh_key;
};

struct error {
    char *text;
    size_t size;
};

bool keyring_is_kid(struct text name) {
    static const char kid_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (name.len == 0 || name.len > KID_MAX_LEN)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (memchr(kid_characters, name.bytes[i], sizeof kid_characters - 1) == NULL)
            return false;
    return true;
}

/* False for a file that is no key of this ring. */
static bool kid_of_file(const char *name, struct text *kid) {
    size_t len = strlen(name);
    size_t suffix_len = sizeof KEY_SUFFIX - 1;
    if (len < suffix_len || strcmp(name + len - suffix_len, KEY_SUFFIX) != 0)
        return false;
    *kid = (struct text){ name, len - suffix_len };
    return keyring_is_kid(*kid);
}

/* Keeps the ring sorted, so that the last key is the newest by name. */
static void insert_kid(struct keyring *ring, struct text kid) {
    struct signing_key new_key = { .bytes = NULL };
    memcpy(new_key.kid, kid.bytes, kid.len);
    size_t at = ring->count;
    while (at > 0 && strcmp(ring->keys[at - 1].kid, new_key.kid) > 0) {
        ring->keys[at] = ring->keys[at - 1];
        at--;
    }
    ring->keys[at] = new_key;
    ring->count++;
}

static bool list_kids(struct keyring *ring, const char *keys_dir, DIR *directory, struct error error) {
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(directory)) != NULL) {
        struct text kid;
        if (!kid_of_file(entry->d_name, &kid)) {
            /* ".", ".." and the "..data" of a Kubernetes secret are there by design */
            if (entry->d_name[0] != '.')
                log_event(LOG_WARN, "key_file_ignored", "directory=%s file=%s", keys_dir, entry->d_name);
            continue;
        }
        if (ring->count == KEYS_MAX) {
            snprintf(error.text, error.size, "%s: more than %d keys", keys_dir, KEYS_MAX);
            return false;
        }
        insert_kid(ring, kid);
    }
    if (errno != 0) {
        snprintf(error.text, error.size, "%s: %s", keys_dir, strerrordesc_np(errno));
        return false;
    }
    return true;
}

static bool find_kids(struct keyring *ring, const char *keys_dir, struct error error) {
    DIR *directory = opendir(keys_dir);
    if (directory == NULL) {
        snprintf(error.text, error.size, "%s: %s; `jwtd keygen` makes it, with a key", keys_dir, strerrordesc_np(errno));
        return false;
    }
    bool listed =
        key_directory_check(dirfd(directory), keys_dir, error.text, error.size) && list_kids(ring, keys_dir, directory, error);
    closedir(directory);
    if (listed && ring->count == 0) {
        snprintf(error.text, error.size, "%s: no key (*" KEY_SUFFIX ") in this directory; `jwtd keygen` makes one", keys_dir);
        return false;
    }
    return listed;
}

bool keyring_may_have(const char *keys_dir, struct text kid) {
    assert(keyring_is_kid(kid)); /* so that it fits into a name with the suffix behind it, and is no path */
    DIR *directory = opendir(keys_dir);
    if (directory == NULL)
        return true;
    const struct dirent *entry;
    bool found = false;
    while (!found && (errno = 0, entry = readdir(directory)) != NULL)
        found = strncmp(entry->d_name, kid.bytes, kid.len) == 0 && strcmp(entry->d_name + kid.len, KEY_SUFFIX) == 0;
    found = found || errno != 0;
    closedir(directory);
    return found;
}

static bool path_of_key(const char *keys_dir, const char *kid, char path[PATH_MAX], struct error error) {
    int len = snprintf(path, PATH_MAX, "%s/%s" KEY_SUFFIX, keys_dir, kid);
    if (len < 0 || len >= PATH_MAX) {
        snprintf(error.text, error.size, "%s: name too long", keys_dir);
        return false;
    }
    return true;
}

static bool read_keys(struct keyring *ring, const char *keys_dir, struct error error) {
    for (size_t i = 0; i < ring->count; i++) {
        struct signing_key *key = &ring->keys[i];
        char path[PATH_MAX];
        if (!path_of_key(keys_dir, key->kid, path, error))
            return false;
        key->bytes = key_file_read(path, SIGNING_KEY_MIN, SIGNING_KEY_MAX, &key->len, error.text, error.size);
        if (key->bytes == NULL)
            return false;
    }
    return true;
}

static bool choose_active(struct keyring *ring, const char *keys_dir, const char *active_kid, struct error error) {
    ring->active = active_kid[0] == '\0' ? &ring->keys[ring->count - 1]
                                         : keyring_find(ring, (struct text){ active_kid, strlen(active_kid) });
    if (ring->active == NULL) {
        snprintf(error.text, error.size, "%s: token.active_kid names \"%s\", but there is no %s" KEY_SUFFIX, keys_dir, active_kid,
                 active_kid);
        return false;
    }
    return true;
}

static bool read_refresh_key(struct keyring *ring, const char *file, struct error error) {
    size_t len;
    struct stat status;
    if (stat(file, &status) != 0 && errno == ENOENT) {
        snprintf(error.text, error.size, "%s: no refresh key; `jwtd keygen` makes one", file);
        return false;
    }
    ring->refresh_key = key_file_read(file, REFRESH_KEY_BYTES, REFRESH_KEY_BYTES, &len, error.text, error.size);
    return ring->refresh_key != NULL;
}

struct keyring *keyring_load(const char *keys_dir, const char *active_kid, const char *refresh_key_file, char *error,
                             size_t error_size) {
    struct error reason = { error, error_size };
    struct keyring *ring = calloc(1, sizeof *ring);
    if (ring == NULL || sodium_init() < 0) {
        snprintf(error, error_size, "no memory for the keys");
        free(ring);
        return NULL;
    }
    if (find_kids(ring, keys_dir, reason) && read_keys(ring, keys_dir, reason) &&
        choose_active(ring, keys_dir, active_kid, reason) && read_refresh_key(ring, refresh_key_file, reason))
        return ring;
    keyring_destroy(ring);
    return NULL;
}

void keyring_destroy(struct keyring *keyring) {
    if (keyring == NULL)
        return;
    for (size_t i = 0; i < keyring->count; i++)
        sodium_free((void *)(uintptr_t)keyring->keys[i].bytes); /* wipes; const only for those who borrow */
    sodium_free(keyring->refresh_key);
    free(keyring);
}

const struct signing_key *keyring_active(const struct keyring *keyring) {
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

const uint8_t *keyring_refresh_key(const struct keyring *keyring) {
    return keyring->refresh_key;
}

size_t keyring_count(const struct keyring *keyring) {
    return keyring->count;
}

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

static bool create_signing_key(const char *keys_dir, char kid[KID_MAX_LEN + 1], struct error error) {
    for (int i = 0; i < NAME_TRIES; i++) {
        char path[PATH_MAX];
        name_new_key(clock_wall_us(), kid);
        if (!path_of_key(keys_dir, kid, path, error))
            return false;
        enum key_file_result result = key_file_create(path, NEW_KEY_LEN, error.text, error.size);
        if (result != KEY_FILE_EXISTS)
            return result == KEY_FILE_CREATED;
        /* another keygen was as quick: the next name is due in 15 microseconds */
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    snprintf(error.text, error.size, "%s: no free name for a new key", keys_dir);
    return false;
}

static bool create_directory(const char *keys_dir) {
    if (mkdir(keys_dir, 0700) != 0)
        return errno == EEXIST;
    int fd = open(keys_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && key_file_adopt(fd, keys_dir);
    if (fd >= 0)
        close(fd);
    return done;
}

static bool count_keys(const char *keys_dir, size_t *count) {
    const struct dirent *entry;
    struct text kid;
    DIR *directory = opendir(keys_dir);
    *count = 0;
    if (directory == NULL)
        return false;
    while ((errno = 0, entry = readdir(directory)) != NULL)
        *count += kid_of_file(entry->d_name, &kid);
    int error = errno;
    closedir(directory);
    errno = error;
    return error == 0;
}

/* The refresh key last: whoever finds it finds a signing key, too. */
static bool create_keys(const char *keys_dir, const char *refresh_key_file, bool if_missing, char kid[KID_MAX_LEN + 1],
                        struct error error) {
    size_t count;
    kid[0] = '\0';
    if (sodium_init() < 0) {
        snprintf(error.text, error.size, "libsodium cannot be initialised");
        return false;
    }
    if (!create_directory(keys_dir) || !count_keys(keys_dir, &count)) {
        snprintf(error.text, error.size, "%s: %s", keys_dir, strerrordesc_np(errno));
        return false;
    }
    if (!if_missing && count >= KEYS_MAX) {
        snprintf(error.text, error.size, "%s: holds %zu keys, and with more than %d the service does not start; remove old ones",
                 keys_dir, count, KEYS_MAX);
        return false;
    }
    if ((!if_missing || count == 0) && !create_signing_key(keys_dir, kid, error))
        return false;
    return key_file_create(refresh_key_file, REFRESH_KEY_BYTES, error.text, error.size) != KEY_FILE_FAILED;
}

bool keyring_generate(const char *keys_dir, const char *refresh_key_file, char kid[KID_MAX_LEN + 1], char *error,
                      size_t error_size) {
    return create_keys(keys_dir, refresh_key_file, false, kid, (struct error){ error, error_size });
}

bool keyring_complete(const char *keys_dir, const char *refresh_key_file, char kid[KID_MAX_LEN + 1], char *error,
                      size_t error_size) {
    return create_keys(keys_dir, refresh_key_file, true, kid, (struct error){ error, error_size });
}
