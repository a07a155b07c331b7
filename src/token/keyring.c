/* The ring of signing keys. */
#include "jwtd/keyring.h"

#include "algorithm.h"
#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/revoked_keys.h"
#include "key_directory.h"
#include "key_files.h"
#include "key_states.h"
#include "owner_rights.h"
#include "refresh_keys.h"

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
    const struct signing_key *active; /* NULL: none may sign */
    int64_t next_change_s;
    struct revoked_keys *revoked;             /* NULL: none is known */
    struct stat states_file;                  /* keys.conf, from before it was read; zeros: there was none */
    char left_out[KEYS_MAX][KID_MAX_LEN + 1]; /* those of revoked keys and of keys that are gone, which have files */
    size_t left_out_count;
    struct refresh_keys refresh;
    char keys_dir[PATH_MAX];
};

bool keyring_has_algorithm(const char *name) {
    return algorithm_by_suffix(name) != NULL;
}

const char *keyring_algorithms(char text[KEYRING_ALGORITHMS_SIZE]) {
    size_t len = 0;
    for (size_t i = 0; i < ALGORITHM_COUNT; i++) {
        len +=
            (size_t)snprintf(text + len, KEYRING_ALGORITHMS_SIZE - len, "%s%s", i > 0 ? ", " : "", algorithm_at(i)->suffix + 1);
        assert(len < KEYRING_ALGORITHMS_SIZE);
    }
    return text;
}

/* ---- loading ---- */

struct loading {
    struct keyring *ring;
    int directory;
    const struct key_rules *rules;
    int64_t now_s;
    struct key_states states;
    const struct algorithm *former; /* of a key that is active in keys.conf, and revoked by the database; NULL: none is */
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

static bool has_place(const struct keyring *ring, const char *keys_dir, struct key_error error) {
    if (ring->count + ring->left_out_count < KEYS_MAX)
        return true;
    snprintf(error.text, error.size, "%s: more than %d keys", keys_dir, KEYS_MAX);
    return false;
}

static bool is_revoked(const struct keyring *ring, struct text kid) {
    return ring->revoked != NULL && revoked_keys_contain(ring->revoked, kid);
}

static bool verifies(const struct loading *loading, const struct key_line *line) {
    return line->state != KEY_REVOKED && !is_revoked(loading->ring, text_of(line->kid)) &&
           !key_is_gone(line->state, line->since_s, loading->rules->keep_s, loading->now_s);
}

static bool load_key(void *context, const char *name, struct key_error error) {
    struct loading *loading = context;
    struct keyring *ring = loading->ring;
    const char *keys_dir = loading->rules->keys_dir;
    struct text kid;
    struct key_line line;
    char path[PATH_MAX];
    struct signing_key key;
    const struct algorithm *algorithm = algorithm_of_file(name, &kid);
    if (algorithm == NULL) {
        /* ".", ".." and the "..data" of a Kubernetes secret are expected */
        if (name[0] != '.' && strcmp(name, KEY_STATES_FILE) != 0)
            log_event(LOG_WARN, "key_file_ignored", "directory=%s file=%s", keys_dir, name);
        return true;
    }
    if (!has_place(ring, keys_dir, error) || !key_path_join(path, text_of(keys_dir), name, error) ||
        !key_states_of_file(&loading->states, loading->directory, name, kid, path, &line, error))
        return false;
    if (!verifies(loading, &line)) {
        memcpy(ring->left_out[ring->left_out_count++], line.kid, sizeof line.kid);
        if (line.state == KEY_ACTIVE)
            loading->former = algorithm;
        return true;
    }
    if (keyring_find(ring, kid) != NULL)
        return key_refuse(error, path, "there is another key file with this name in front of its suffix");
    if (!signing_key_load(&key, algorithm, kid, path, geteuid(), error))
        return false;
    key.state = line.state;
    key.since_s = line.since_s;
    insert_key(ring, &key);
    return true;
}

/* Logs what cannot be meant. False: the key that should sign is missing. */
static bool check_states(const struct loading *loading, struct key_error error) {
    const struct key_rules *rules = loading->rules;
    for (size_t i = 0; i < loading->states.count; i++) {
        const struct key_line *line = &loading->states.lines[i];
        bool is_expected = line->state == KEY_REVOKED || is_revoked(loading->ring, text_of(line->kid)) ||
                           key_is_gone(line->state, line->since_s, rules->keep_s, loading->now_s);
        if (is_expected || keyring_find(loading->ring, text_of(line->kid)) != NULL)
            continue;
        if (line->state == KEY_ACTIVE) {
            snprintf(error.text, error.size, "%s/" KEY_STATES_FILE ": \"%s\" is active, but there is no file of this key",
                     rules->keys_dir, line->kid);
            return false;
        }
        log_event(LOG_WARN, "key_without_file", "directory=%s kid=%s state=%s", rules->keys_dir, line->kid,
                  key_state_name(line->state));
    }
    return true;
}

/* Without keys.conf: a directory that was not meant so. */
static bool refuse_choice(const struct loading *loading, struct key_error error) {
    const char *keys_dir = loading->rules->keys_dir, *kid = loading->rules->active_kid;
    const struct signing_key *named = keyring_find(loading->ring, text_of(kid));
    if (kid[0] == '\0')
        snprintf(error.text, error.size, "%s: holds public keys only, and none that signs; `jwtd keygen` makes one", keys_dir);
    else if (named == NULL)
        snprintf(error.text, error.size, "%s: token.active_kid names \"%s\", but there is no %s%s", keys_dir, kid, kid,
                 algorithm_default()->suffix);
    else
        snprintf(error.text, error.size, "%s: token.active_kid names \"%s\", but %s%s is a public key, which cannot sign",
                 keys_dir, kid, kid, named->algorithm->suffix);
    return false;
}

static void log_choice(const struct loading *loading, bool is_substitute) {
    const struct keyring *ring = loading->ring;
    if (loading->rules->active_kid[0] != '\0' && loading->states.has_file)
        log_event(LOG_WARN, "active_kid_ignored", "directory=%s cause=%s", loading->rules->keys_dir, KEY_STATES_FILE);
    if (ring->active == NULL)
        log_event(LOG_ERROR, "no_key_signs", "directory=%s keys=%zu", loading->rules->keys_dir, ring->count);
    else if (is_substitute)
        log_event(LOG_WARN, "no_active_key", "directory=%s signs=%s", loading->rules->keys_dir, ring->active->kid);
}

static bool choose_active(const struct loading *loading, struct key_error error) {
    struct keyring *ring = loading->ring;
    const struct key_rules *rules = loading->rules;
    struct key_candidate candidates[KEYS_MAX];
    for (size_t i = 0; i < ring->count; i++) {
        const struct signing_key *key = &ring->keys[i];
        candidates[i] = (struct key_candidate){ key->kid, key->state, key->since_s, key->can_sign, key->algorithm };
    }
    struct key_choice choice =
        key_states_choose(candidates, ring->count, loading->states.has_file, loading->former, rules, loading->now_s);
    ring->active = choice.index == SIZE_MAX ? NULL : &ring->keys[choice.index];
    ring->next_change_s = choice.next_change_s;
    bool may_be_none = loading->states.has_file || ring->left_out_count > 0;
    if (may_be_none)
        log_choice(loading, choice.is_substitute);
    return ring->active != NULL || may_be_none || refuse_choice(loading, error);
}

/* Zeros: there is no such file, or it cannot be seen. */
static void look_at_states(const char *keys_dir, struct stat *status) {
    char path[PATH_MAX];
    char no_error[1] = "";
    if (!key_path_join(path, text_of(keys_dir), KEY_STATES_FILE, (struct key_error){ no_error, sizeof no_error }) ||
        stat(path, status) != 0)
        *status = (struct stat){ .st_ino = 0 };
}

/* What keys.conf says is revoked, so that it stays so whatever the file says later. */
static bool note_revoked(const struct loading *loading, struct key_error error) {
    for (size_t i = 0; i < loading->states.count && loading->ring->revoked != NULL; i++) {
        const struct key_line *line = &loading->states.lines[i];
        if (line->state == KEY_REVOKED &&
            revoked_keys_add(loading->ring->revoked, text_of(line->kid), line->since_s) != STATUS_OK)
            return key_refuse(error, loading->rules->keys_dir, "too many revoked keys");
    }
    return true;
}

/* The states first: a key is made before its line, and a key without a line is standby. */
static bool load_directory(struct loading *loading, DIR *directory, struct key_error error) {
    const char *keys_dir = loading->rules->keys_dir;
    look_at_states(keys_dir, &loading->ring->states_file);
    if (!key_directory_check(loading->directory, keys_dir, geteuid(), error) ||
        !key_states_read(loading->directory, keys_dir, geteuid(), &loading->states, error) || !note_revoked(loading, error) ||
        !key_directory_visit(directory, keys_dir, load_key, loading, error))
        return false;
    if (loading->ring->count + loading->ring->left_out_count > 0)
        return check_states(loading, error) && choose_active(loading, error);
    snprintf(error.text, error.size, "%s: no key (*%s) in this directory; `jwtd keygen` makes one", keys_dir,
             algorithm_default()->suffix);
    return false;
}

static bool load_keys(struct keyring *ring, const struct key_rules *rules, int64_t now_s, struct key_error error) {
    DIR *directory = opendir(rules->keys_dir);
    if (directory == NULL && errno == EACCES)
        return key_refuse_open(error, rules->keys_dir);
    if (directory == NULL) {
        snprintf(error.text, error.size, "%s: %s; `jwtd keygen` makes it, with a key", rules->keys_dir, strerrordesc_np(errno));
        return false;
    }
    struct loading *loading = malloc(sizeof *loading); /* as large as a small stack */
    bool is_loaded = false;
    if (loading == NULL) {
        snprintf(error.text, error.size, "no memory for the keys");
    } else {
        *loading = (struct loading){ .ring = ring, .directory = dirfd(directory), .rules = rules, .now_s = now_s };
        is_loaded = load_directory(loading, directory, error);
    }
    free(loading);
    closedir(directory);
    return is_loaded;
}

struct keyring *keyring_load(const struct key_rules *rules, int64_t now_s, char *error, size_t error_size) {
    struct key_error reason = { error, error_size };
    struct keyring *ring = calloc(1, sizeof *ring);
    if (ring == NULL || sodium_init() < 0) {
        snprintf(error, error_size, "no memory for the keys");
        free(ring);
        return NULL;
    }
    ring->revoked = rules->revoked;
    snprintf(ring->keys_dir, sizeof ring->keys_dir, "%s", rules->keys_dir); /* one that is cut off would not have been opened */
    if (load_keys(ring, rules, now_s, reason) && refresh_keys_load(&ring->refresh, rules->refresh_key_file, reason))
        return ring;
    keyring_destroy(ring);
    return NULL;
}

struct keyring *keyring_load_as_owner(const struct key_rules *rules, int64_t now_s, char *error, size_t error_size) {
    struct keyring *ring = NULL;
    int directory = owner_rights_enter(rules->keys_dir, false);
    if (directory < 0)
        snprintf(error, error_size, "%s: %s", rules->keys_dir, strerrordesc_np(errno));
    else
        ring = keyring_load(rules, now_s, error, error_size);
    owner_rights_leave(directory);
    return ring;
}

void keyring_destroy(struct keyring *keyring) {
    if (keyring == NULL)
        return;
    for (size_t i = 0; i < keyring->count; i++)
        signing_key_release(&keyring->keys[i]);
    refresh_keys_fini(&keyring->refresh);
    free(keyring);
}

/* ---- keys ---- */

const struct signing_key *keyring_active(const struct keyring *keyring) {
    const struct signing_key *active = keyring->active;
    return active != NULL && !is_revoked(keyring, text_of(active->kid)) ? active : NULL;
}

size_t keyring_revocations(const struct keyring *keyring) {
    return keyring->revoked != NULL ? revoked_keys_count(keyring->revoked) : 0;
}

static bool has_revoked(const struct keyring *keyring) {
    for (size_t i = 0; i < keyring->count; i++)
        if (is_revoked(keyring, text_of(keyring->keys[i].kid)))
            return true;
    return false;
}

int64_t keyring_next_change(const struct keyring *keyring) {
    return keyring->next_change_s;
}

const char *keyring_outdated(const struct keyring *keyring, int64_t now_s) {
    const struct stat *then = &keyring->states_file;
    struct stat now;
    look_at_states(keyring->keys_dir, &now);
    bool is_same = now.st_dev == then->st_dev && now.st_ino == then->st_ino && now.st_size == then->st_size &&
                   now.st_mtim.tv_sec == then->st_mtim.tv_sec && now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
    if (!is_same)
        return "states_changed";
    if (has_revoked(keyring))
        return "key_revoked";
    return now_s >= keyring->next_change_s ? "time" : NULL;
}

/* A kid is public, so nothing is lost by a comparison that is not in constant time. */
const struct signing_key *keyring_find(const struct keyring *keyring, struct text kid) {
    if (!kid_is_valid(kid) || is_revoked(keyring, kid))
        return NULL;
    for (size_t i = 0; i < keyring->count; i++) {
        const struct signing_key *key = &keyring->keys[i];
        if (strncmp(key->kid, kid.bytes, kid.len) == 0 && key->kid[kid.len] == '\0')
            return key;
    }
    return NULL;
}

const struct refresh_key *keyring_refresh_keys(const struct keyring *keyring, size_t *count) {
    assert(keyring->refresh.count > 0);
    *count = keyring->refresh.count;
    return keyring->refresh.keys;
}

const char *signing_key_algorithm(const struct signing_key *key) {
    return key->algorithm->name;
}

size_t keyring_count(const struct keyring *keyring) {
    return keyring->count;
}

const struct signing_key *keyring_key(const struct keyring *keyring, size_t index) {
    assert(index < keyring->count);
    return &keyring->keys[index];
}

static bool is_left_out(const struct keyring *keyring, struct text kid) {
    for (size_t i = 0; i < keyring->left_out_count; i++)
        if (text_equal(kid, text_of(keyring->left_out[i])))
            return true;
    return false;
}

bool keyring_may_have(const struct keyring *keyring, struct text kid) {
    assert(kid_is_valid(kid)); /* so it is no path */
    if (is_left_out(keyring, kid) || is_revoked(keyring, kid))
        return false;
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
                         const char *like, char kid[KID_MAX_LEN + 1], struct key_error error) {
    for (int i = 0; i < NAME_TRIES; i++) {
        char path[PATH_MAX], name[NAME_MAX];
        name_new_key(clock_wall_us(), kid);
        snprintf(name, sizeof name, "%s%s", kid, algorithm->suffix);
        if (!key_path_join(path, text_of(keys_dir), name, error))
            return false;
        enum key_file_result result = key_file_create(directory, name, like, path, text, error);
        if (result != KEY_FILE_EXISTS)
            return result == KEY_FILE_CREATED;
        /* another keygen has taken the name at the same time: the next name is free after 15 microseconds */
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    snprintf(error.text, error.size, "%s: no free name for a new key", keys_dir);
    return false;
}

static bool create_signing_key(int directory, const char *keys_dir, const struct algorithm *algorithm, const char *like,
                               char kid[KID_MAX_LEN + 1], struct key_error error) {
    struct key_text text = { .path = keys_dir };
    bool created = algorithm->generate(&text, error) && create_named(directory, keys_dir, algorithm, &text, like, kid, error);
    key_text_wipe(&text);
    return created;
}

/* The keys of a directory. */
struct present_keys {
    int directory;
    size_t count;
    char newest[NAME_MAX + 1]; /* file of a private key, by its name; "": none */
};

/* A key that all users may read is a public one. */
static bool count_key(void *context, const char *name, struct key_error error) {
    struct present_keys *present = context;
    struct stat status;
    struct text kid;
    (void)error;
    if (algorithm_of_file(name, &kid) == NULL)
        return true;
    present->count++;
    if (strcmp(name, present->newest) > 0 && fstatat(present->directory, name, &status, 0) == 0 &&
        (status.st_mode & S_IROTH) == 0)
        memcpy(present->newest, name, strlen(name) + 1);
    return true;
}

static bool count_keys(int directory, const char *keys_dir, struct present_keys *present, struct key_error error) {
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd < 0 ? NULL : fdopendir(fd);
    *present = (struct present_keys){ .directory = directory };
    if (names == NULL) {
        snprintf(error.text, error.size, "%s: %s", keys_dir, strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool counted = key_directory_visit(names, keys_dir, count_key, present, error);
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
    struct present_keys present;
    if (!count_keys(directory, keys->keys_dir, &present, error))
        return false;
    if (!keys->if_missing && present.count >= KEYS_MAX) {
        snprintf(error.text, error.size, "%s: holds %zu keys, and with more than %d the service does not start; remove old ones",
                 keys->keys_dir, present.count, KEYS_MAX);
        return false;
    }
    const char *like = present.newest[0] != '\0' ? present.newest : NULL;
    return (keys->if_missing && present.count > 0) ||
           create_signing_key(directory, keys->keys_dir, keys->algorithm, like, kid, error);
}

static bool create_signing_keys(const struct new_keys *keys, char kid[KID_MAX_LEN + 1], struct key_error error) {
    int directory = owner_rights_enter(keys->keys_dir, true);
    if (directory < 0)
        snprintf(error.text, error.size, "%s: %s", keys->keys_dir, strerrordesc_np(errno));
    return key_directory_leave(directory, directory >= 0 && complete_directory(directory, keys, kid, error), error);
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
    return create_signing_keys(keys, kid, error) && refresh_key_create(keys->refresh_key_file, error);
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
