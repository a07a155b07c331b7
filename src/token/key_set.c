#include "jwtd/key_set.h"

#include "algorithm.h"
#include "jwk.h"
#include "key_files.h"
#include "key_states.h"
#include "token_cache.h"
#include "token_check.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct key_set {
    struct signing_key keys[KEY_SET_MAX];
    size_t count;
    char revoked[REVOKED_KEYS_MAX][KID_MAX_LEN + 1]; /* in the set or not */
    size_t revoked_count;
    bool has_lost_revoked;     /* there was no place for one */
    int64_t next_gone_s;       /* when the first of the keys is gone; INT64_MAX: none will be */
    struct token_cache *cache; /* NULL: there was no memory for one after a key was revoked */
};

struct key_set *key_set_create(void) {
    struct key_set *set = sodium_init() < 0 ? NULL : calloc(1, sizeof *set);
    if (set == NULL)
        return NULL;
    set->next_gone_s = INT64_MAX;
    set->cache = token_cache_create();
    if (set->cache != NULL)
        return set;
    free(set);
    return NULL;
}

void key_set_destroy(struct key_set *set) {
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++)
        signing_key_release(&set->keys[i]);
    token_cache_destroy(set->cache);
    free(set);
}

/* A kid is public, so nothing is lost by a comparison that is not in constant time. */
static const struct signing_key *find(const struct key_set *set, struct text kid) {
    for (size_t i = 0; i < set->count; i++)
        if (text_equal(text_of(set->keys[i].kid), kid))
            return &set->keys[i];
    return NULL;
}

static bool is_revoked(const struct key_set *set, struct text kid) {
    for (size_t i = 0; i < set->revoked_count; i++)
        if (text_equal(text_of(set->revoked[i]), kid))
            return true;
    return false;
}

void key_set_revoke(struct key_set *set, struct text kid) {
    assert(kid.len <= KID_MAX_LEN);
    if (is_revoked(set, kid))
        return;
    if (set->revoked_count == REVOKED_KEYS_MAX) {
        set->has_lost_revoked = true;
        return;
    }
    char *place = set->revoked[set->revoked_count++];
    memcpy(place, kid.bytes, kid.len);
    place[kid.len] = '\0';
    struct signing_key *key = (struct signing_key *)(uintptr_t)find(set, kid); /* this set's own */
    if (key == NULL)
        return;
    signing_key_release(key);
    *key = set->keys[--set->count];
    token_cache_destroy(set->cache); /* it may have tokens of this key */
    set->cache = token_cache_create();
}

void key_set_copy_revoked(struct key_set *set, const struct key_set *from) {
    assert(set->count == 0 && set->revoked_count == 0);
    memcpy(set->revoked, from->revoked, sizeof set->revoked);
    set->revoked_count = from->revoked_count;
    set->has_lost_revoked = from->has_lost_revoked;
}

bool key_set_has_all_revoked(const struct key_set *set) {
    return !set->has_lost_revoked;
}

size_t key_set_count(const struct key_set *set) {
    return set->count;
}

/* ---- sources ---- */

/* A directory that is read. */
struct reading {
    struct key_set *set;
    const struct key_set_directory *source;
    uid_t owner; /* who owns the directory puts keys into it whatever their mode */
    struct key_states states;
    size_t first; /* of its keys in the set */
    struct key_error error;
};

/* Whether a key file counts. */
static bool is_wanted(struct reading *reading, struct text kid) {
    struct key_set *set = reading->set;
    const struct key_line *line = key_states_find(&reading->states, kid);
    const struct signing_key *found = find(set, kid);
    if (is_revoked(set, kid) || (found != NULL && found < &set->keys[reading->first]))
        return false;
    if (line == NULL || line->state != KEY_RETIRING)
        return true;
    int64_t gone_s = line->since_s + reading->source->keep_s + 1;
    bool is_gone = gone_s <= reading->source->now_s;
    if (!is_gone && gone_s < set->next_gone_s)
        set->next_gone_s = gone_s;
    return !is_gone;
}

static bool add_file(struct reading *reading, const char *name) {
    struct key_set *set = reading->set;
    struct text kid;
    char path[PATH_MAX];
    const struct algorithm *algorithm = algorithm_of_file(name, &kid);
    if (algorithm == NULL || !is_wanted(reading, kid))
        return true;
    if (set->count == KEY_SET_MAX)
        return key_refuse(reading->error, reading->source->path, "too many keys");
    int len = snprintf(path, sizeof path, "%s/%s", reading->source->path, name);
    if (len < 0 || (size_t)len >= sizeof path)
        return key_refuse(reading->error, reading->source->path, "name too long");
    if (find(set, kid) != NULL)
        return key_refuse(reading->error, path, "there is another key file with this name in front of its suffix");
    if (!signing_key_load(&set->keys[set->count], algorithm, kid, path, reading->owner, reading->error))
        return false;
    set->count++;
    return true;
}

static bool read_states(struct reading *reading, int directory) {
    if (!key_states_read(directory, reading->source->path, reading->owner, &reading->states, reading->error))
        return false;
    for (size_t i = 0; i < reading->states.count; i++)
        if (reading->states.lines[i].state == KEY_REVOKED)
            key_set_revoke(reading->set, text_of(reading->states.lines[i].kid));
    reading->first = reading->set->count;
    return true;
}

static bool add_files(struct reading *reading, DIR *directory) {
    const char *path = reading->source->path;
    const struct dirent *entry;
    struct stat status;
    if (fstat(dirfd(directory), &status) != 0)
        return key_refuse(reading->error, path, strerrordesc_np(errno));
    reading->owner = status.st_uid;
    if (!key_directory_check(dirfd(directory), path, reading->owner, reading->error) || !read_states(reading, dirfd(directory)))
        return false;
    while ((errno = 0, entry = readdir(directory)) != NULL)
        if (!add_file(reading, entry->d_name))
            return false;
    return errno == 0 || key_refuse(reading->error, path, strerrordesc_np(errno));
}

bool key_set_add_directory(struct key_set *set, const struct key_set_directory *source, char *error, size_t error_size) {
    struct key_error reason = { error, error_size };
    DIR *directory = opendir(source->path);
    if (directory == NULL)
        return key_refuse(reason, source->path, strerrordesc_np(errno));
    struct reading *reading = malloc(sizeof *reading); /* as large as a small stack */
    bool added = false;
    if (reading == NULL) {
        key_refuse(reason, source->path, "no memory for the keys");
    } else {
        *reading = (struct reading){ .set = set, .source = source, .error = reason };
        added = add_files(reading, directory);
    }
    free(reading);
    closedir(directory);
    return added;
}

bool key_set_is_key_file(const char *file_name, struct text kid) {
    struct text found;
    return algorithm_of_file(file_name, &found) != NULL && text_equal(found, kid);
}

int64_t key_set_next_gone_s(const struct key_set *set) {
    return set->next_gone_s;
}

bool key_set_add_jwks(struct key_set *set, struct text jwks, bool with_secrets, char *error, size_t error_size) {
    struct signing_key read[KEY_SET_MAX];
    size_t count;
    enum status status = jwks_read(jwks, with_secrets, read, KEY_SET_MAX, &count);
    if (status != STATUS_OK) {
        snprintf(error, error_size, "%s", status == STATUS_OUT_OF_MEMORY ? "out of memory" : "no JWK Set");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct text kid = text_of(read[i].kid);
        if (set->count < KEY_SET_MAX && find(set, kid) == NULL && !is_revoked(set, kid))
            set->keys[set->count++] = read[i];
        else
            signing_key_release(&read[i]);
    }
    return true;
}

/* ---- checking ---- */

static enum token_verdict check_new(const struct key_set *set, const struct token_rules *rules, struct text token,
                                    struct token_claims *claims, char unknown_kid[KID_MAX_LEN + 1]) {
    struct token_parts parts;
    struct token_header header;
    enum status status = token_open(token, &parts, &header);
    if (status == STATUS_OK) {
        const struct signing_key *key = find(set, text_of(header.kid));
        if (is_revoked(set, text_of(header.kid)))
            return TOKEN_REVOKED_KEY;
        if (key == NULL) {
            memcpy(unknown_kid, header.kid, sizeof header.kid);
            return TOKEN_UNKNOWN_KEY;
        }
        status = token_check(&parts, &header, key, rules, claims);
    }
    if (status == STATUS_OUT_OF_MEMORY)
        return TOKEN_OUT_OF_MEMORY;
    return status == STATUS_OK ? TOKEN_VALID : TOKEN_INVALID;
}

enum token_verdict key_set_check(const struct key_set *set, const struct token_rules *rules, struct text token, int64_t now_s,
                                 int64_t leeway_s, struct verified_token *found) {
    struct token_claims claims;
    found->unknown_kid[0] = '\0';
    /* the length first: the cache copies the token */
    if (token.len == 0 || token.len > ACCESS_TOKEN_MAX_LEN)
        return TOKEN_INVALID;
    bool is_known = set->cache != NULL && token_cache_find(set->cache, token, &claims);
    enum token_verdict verdict = is_known ? TOKEN_VALID : check_new(set, rules, token, &claims, found->unknown_kid);
    if (verdict != TOKEN_VALID)
        return verdict;
    if (!token_is_current(&claims.fixed, now_s, leeway_s))
        return now_s >= claims.fixed.expires_at ? TOKEN_EXPIRED : TOKEN_INVALID;
    if (!is_known && set->cache != NULL)
        token_cache_keep(set->cache, token, &claims);
    if (set->has_lost_revoked)
        return TOKEN_REVOCATIONS_LOST;
    found->user_id = claims.fixed.user_id;
    found->session_id = claims.fixed.session_id;
    found->issued_at = claims.fixed.issued_at;
    found->expires_at = claims.fixed.expires_at;
    found->roles_len = claims.roles_len;
    memcpy(found->roles_json, claims.roles, claims.roles_len);
    return TOKEN_VALID;
}
