#include "refresh_keys.h"

#include "atomic_file.h"
#include "jwtd/log.h"
#include "key_directory.h"
#include "owner_rights.h"
#include "secret_key.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT ".next"

struct refresh_loading {
    struct refresh_keys *keys;
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

static bool add_refresh_key(struct refresh_keys *keys, const char *path, struct key_error error) {
    size_t len;
    if (keys->count == REFRESH_KEYS_MAX) {
        snprintf(error.text, error.size, "%s: more than %d refresh keys", path, REFRESH_KEYS_MAX);
        return false;
    }
    struct refresh_key *key = &keys->keys[keys->count];
    struct key_text text;
    if (key_file_read(path, geteuid(), &text, error))
        key->bytes = secret_key_decode(&text, REFRESH_KEY_BYTES, REFRESH_KEY_BYTES, &len, error);
    key_text_wipe(&text);
    if (key->bytes == NULL)
        return false;
    keys->count++; /* refresh_keys_fini frees it from here on */
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
    return key_path_join(path, loading->directory, name, error) && add_refresh_key(loading->keys, path, error);
}

bool refresh_keys_load(struct refresh_keys *keys, const char *file, struct key_error error) {
    struct stat status;
    char path[PATH_MAX];
    if (stat(file, &status) != 0 && errno == ENOENT) {
        snprintf(error.text, error.size, "%s: no refresh key; `jwtd keygen` makes one", file);
        return false;
    }
    if (!add_refresh_key(keys, file, error))
        return false;
    const char *name;
    struct refresh_loading loading = { .keys = keys, .directory = key_path_directory(file, &name) };
    loading.file_name = text_of(name);
    if (!key_path_join(path, loading.directory, "", error))
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
                  key_directory_visit(directory, path, load_other_refresh_key, &loading, error);
    closedir(directory);
    return loaded;
}

void refresh_keys_fini(struct refresh_keys *keys) {
    for (size_t i = 0; i < keys->count; i++) {
        sodium_free((void *)(uintptr_t)keys->keys[i].bytes); /* const only for those who borrow */
        sodium_free((void *)(uintptr_t)keys->keys[i].mac);
    }
}

/* ---- for commands ---- */

/* Makes the key `suffix` behind the name of the file if there is none; who may read the file may read it, too. */
static bool create(const char *file, const char *suffix, struct key_error error) {
    char path[PATH_MAX], whole[PATH_MAX];
    const char *name, *like;
    struct key_text text = { .path = whole };
    int len = snprintf(whole, sizeof whole, "%s%s", file, suffix);
    if (len < 0 || (size_t)len >= sizeof whole)
        return key_refuse(error, file, "name too long");
    (void)key_path_directory(file, &like);
    if (!key_path_join(path, key_path_directory(whole, &name), "", error))
        return false;
    int directory = owner_rights_enter(path, false);
    if (directory < 0)
        key_refuse(error, whole, strerrordesc_np(errno));
    secret_key_generate(&text, REFRESH_KEY_BYTES);
    bool done = directory >= 0 && key_file_create(directory, name, like, whole, &text, error) != KEY_FILE_FAILED;
    key_text_wipe(&text);
    return key_directory_leave(directory, done, error);
}

bool refresh_key_create(const char *file, struct key_error error) {
    return create(file, "", error);
}

/* As the owner of the directory: root would not trust what belongs to another user. */
static bool load_as_owner(struct refresh_keys *keys, const char *file, struct key_error error) {
    char path[PATH_MAX];
    const char *name;
    if (!key_path_join(path, key_path_directory(file, &name), "", error))
        return false;
    int directory = owner_rights_enter(path, false);
    bool is_read = directory >= 0 ? refresh_keys_load(keys, file, error) : key_refuse(error, file, strerrordesc_np(errno));
    return key_directory_leave(directory, is_read, error);
}

bool refresh_key_prepare(const char *file, struct key_error error) {
    struct refresh_keys keys = { .count = 0 };
    bool is_read = load_as_owner(&keys, file, error);
    bool has_place = keys.count < REFRESH_KEYS_MAX;
    refresh_keys_fini(&keys);
    if (is_read && !has_place)
        return key_refuse(error, file, "there are too many refresh keys beside it; remove those that no session needs any more");
    return is_read && create(file, NEXT, error);
}

int64_t refresh_key_prepared(const char *file) {
    char path[PATH_MAX];
    struct stat status;
    int len = snprintf(path, sizeof path, "%s" NEXT, file);
    return len > 0 && (size_t)len < sizeof path && stat(path, &status) == 0 ? (int64_t)status.st_mtim.tv_sec : 0;
}

static void write_id(const struct refresh_key *key, char text[REFRESH_ID_SIZE]) {
    sodium_bin2hex(text, REFRESH_ID_SIZE, key->id, REFRESH_KEY_ID_BYTES);
}

/* Whether the key that signs is beside its file already, under another name: a call that was killed has put it there. */
static bool has_copy(const struct refresh_keys *keys) {
    for (size_t i = 1; i < keys->count; i++)
        if (sodium_memcmp(keys->keys[0].bytes, keys->keys[i].bytes, REFRESH_KEY_BYTES) == 0)
            return true;
    return false;
}

/* The old key gets its second name first, so that it is never missing. */
static bool replace(int directory, const char *file, const char *name, const char *former, bool is_copied,
                    struct key_error error) {
    char old_name[NAME_MAX + 1], next_name[NAME_MAX + 1];
    if (snprintf(old_name, sizeof old_name, "%s.%s", name, former) >= (int)sizeof old_name ||
        snprintf(next_name, sizeof next_name, "%s" NEXT, name) >= (int)sizeof next_name)
        return key_refuse(error, file, "name too long");
    if ((!is_copied && linkat(directory, name, directory, old_name, 0) != 0) ||
        renameat(directory, next_name, directory, name) != 0)
        return key_refuse(error, file, strerrordesc_np(errno));
    return directory_sync(directory) || key_refuse(error, file, strerrordesc_np(errno));
}

bool refresh_key_replace(const char *file, char former[REFRESH_ID_SIZE], struct key_error error) {
    char path[PATH_MAX];
    const char *name;
    struct refresh_keys keys = { .count = 0 };
    bool is_read = load_as_owner(&keys, file, error);
    bool is_copied = is_read && has_copy(&keys);
    if (is_read)
        write_id(&keys.keys[0], former);
    refresh_keys_fini(&keys);
    if (!is_read || !key_path_join(path, key_path_directory(file, &name), "", error))
        return false;
    int directory = owner_rights_enter(path, false);
    if (directory < 0)
        key_refuse(error, file, strerrordesc_np(errno));
    return key_directory_leave(directory, directory >= 0 && replace(directory, file, name, former, is_copied, error), error);
}
