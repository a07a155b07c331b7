#include "jwtd/key_life.h"

#include "algorithm.h"
#include "atomic_file.h"
#include "key_directory.h"
#include "key_list.h"
#include "key_states.h"
#include "owner_rights.h"
#include "refresh_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse(const struct key_work *work, const char *reason) {
    snprintf(work->error.text, work->error.size, "key %s %s", work->change->kid, reason);
    return false;
}

/* ---- changes ---- */

static bool set(struct key_work *work, const char *kid, enum key_state state, int64_t since_s) {
    if (!key_states_set(&work->states, kid, state, since_s))
        return key_work_fail(work, "has lines for too many keys in " KEY_STATES_FILE "; `jwtd key prune` removes old ones");
    if (state == KEY_ACTIVE)
        memcpy(work->change->active, kid, strlen(kid) + 1);
    return true;
}

/* What keys.conf would say already, had it been there. */
static bool write_down_states(struct key_work *work) {
    const struct key_info *signing = key_work_signing(work);
    for (size_t i = 0; i < work->list.count && !work->states.has_file; i++) {
        struct key_info *info = &work->list.keys[i];
        bool is_older = signing != NULL && strcmp(info->kid, signing->kid) < 0;
        info->state = info == signing ? KEY_ACTIVE : (is_older ? KEY_RETIRING : KEY_STANDBY);
        if (is_older)
            info->since_s = work->now_s;
        if (!set(work, info->kid, info->state, info->since_s))
            return false;
    }
    for (size_t i = 0; i < work->list.count; i++)
        if (work->list.keys[i].state == KEY_ACTIVE)
            memcpy(work->change->active, work->list.keys[i].kid, sizeof work->change->active);
    return true;
}

/* `active` is to become retiring, another key takes its place. */
static bool replace_active(struct key_work *work, const char *kid) {
    char former[KID_MAX_LEN + 1];
    memcpy(former, work->change->active, sizeof former);
    bool has_former = former[0] != '\0' && strcmp(former, kid) != 0;
    return (!has_former || set(work, former, KEY_RETIRING, work->now_s)) && set(work, kid, KEY_ACTIVE, work->now_s);
}

static bool apply_nothing(struct key_work *work) {
    (void)work;
    return true;
}

/* Of the key that signs, or else of the one that was given up last. NULL: no file shows it. */
static const struct algorithm *algorithm_in_use(const struct key_work *work) {
    const struct key_info *last = NULL;
    for (size_t i = 0; i < work->list.count; i++) {
        const struct key_info *info = &work->list.keys[i];
        bool may_have_signed = info->state == KEY_RETIRING || info->state == KEY_REVOKED;
        if (info->signs)
            return key_info_algorithm(info);
        if (info->algorithm != NULL && may_have_signed && (last == NULL || info->since_s > last->since_s))
            last = info;
    }
    return last == NULL ? NULL : key_info_algorithm(last);
}

/* What is to be known before a key is made. */
static bool apply_choose_algorithm(struct key_work *work) {
    const struct algorithm *algorithm = work->list.count == 0 ? algorithm_default() : algorithm_in_use(work);
    if (work->change->algorithm != NULL)
        return true;
    if (algorithm == NULL)
        return key_work_fail(work, "no file shows by which algorithm the keys signed; name it with --algorithm");
    work->change->algorithm = algorithm->suffix + 1;
    return true;
}

/* The key has a file, and as a rule no line. */
static bool apply_add(struct key_work *work) {
    const struct key_info *info = key_list_find(&work->list, text_of(work->change->kid)), *signing = key_work_signing(work);
    if (info == NULL || info->algorithm == NULL)
        return refuse(work, "has lost its file");
    bool is_first = signing == NULL || signing == info;
    return is_first ? replace_active(work, info->kid) : set(work, info->kid, KEY_STANDBY, work->now_s);
}

static bool is_early(const struct key_work *work, const struct key_info *info) {
    return info->state == KEY_STANDBY && work->now_s < info->next_s;
}

static void note_if_early(struct key_work *work, const struct key_info *info) {
    char from[KEY_TIME_SIZE];
    if (is_early(work, info))
        snprintf(work->change->note, sizeof work->change->note,
                 "until %s services that keep copies of the keys may refuse its tokens", key_time_text(info->next_s, from));
}

/* Once more, for the reason, which the list does not keep; it may have gone away meanwhile. */
static bool read_again(const struct key_work *work, struct key_info *info) {
    char name[NAME_MAX + 1];
    (void)snprintf(name, sizeof name, "%s%s", info->kid, key_info_algorithm(info)->suffix);
    info->is_readable = key_work_read_key(work, key_info_algorithm(info), name, &info->can_sign, work->error);
    return info->is_readable;
}

static bool refuse_early(const struct key_work *work, const struct key_info *info) {
    char reason[KEY_NOTE_SIZE], from[KEY_TIME_SIZE];
    snprintf(reason, sizeof reason, "may sign from %s on, when other services have read it; --now activates it at once",
             key_time_text(info->next_s, from));
    return refuse(work, reason);
}

static bool apply_activate(struct key_work *work) {
    struct key_info *info = key_list_find(&work->list, text_of(work->change->kid));
    if (info == NULL || info->algorithm == NULL)
        return refuse(work, "has no file");
    if (info->state == KEY_REVOKED)
        return refuse(work, "is revoked, for good");
    if (info->is_gone)
        return refuse(work, "is gone; `jwtd key add` makes a new one");
    if (!info->is_readable && !read_again(work, info))
        return false;
    if (!info->can_sign)
        return refuse(work, "is a public key, which cannot sign");
    if (is_early(work, info) && !work->at_once && work->change->active[0] != '\0')
        return refuse_early(work, info);
    note_if_early(work, info);
    return info->state == KEY_ACTIVE || replace_active(work, info->kid);
}

static bool apply_retire(struct key_work *work) {
    const struct key_info *info = key_list_find(&work->list, text_of(work->change->kid));
    if (info == NULL)
        return refuse(work, "is not here");
    if (info->state == KEY_REVOKED)
        return refuse(work, "is revoked already");
    if (info->state == KEY_ACTIVE || info->signs)
        return refuse(work, "signs; activate another one, which retires this one");
    return info->state == KEY_RETIRING || set(work, info->kid, KEY_RETIRING, work->now_s);
}

/* NULL: none can. */
static const struct key_info *successor(struct key_work *work, const struct algorithm *former) {
    struct key_candidates candidates;
    key_work_collect(work, &candidates);
    for (size_t i = 0; i < candidates.count; i++)
        candidates.keys[i].can_sign = candidates.infos[i]->can_sign && candidates.infos[i]->is_readable;
    size_t best = key_states_successor(candidates.keys, candidates.count, former);
    return best == SIZE_MAX ? NULL : candidates.infos[best];
}

static void note_none(struct key_work *work, const struct algorithm *former) {
    snprintf(work->change->note, sizeof work->change->note,
             "no key signs now: nobody can log in until `jwtd key add%s%s` makes one, which signs at once",
             former == NULL ? "" : " --algorithm ", former == NULL ? "" : former->suffix + 1);
}

/* The worst of what can be said. */
static void note_successor(struct key_work *work, const struct key_info *next, const struct algorithm *former) {
    struct key_change *change = work->change;
    if (former != NULL && key_info_algorithm(next) != former)
        snprintf(
            change->note, sizeof change->note,
            "it is of %s, no more of %s, which services that verify by themselves may need: run `jwtd key add --algorithm %s`, "
            "then `jwtd key activate` with its id and --now",
            next->algorithm, former->name, former->suffix + 1);
    else if (next->state == KEY_RETIRING)
        snprintf(change->note, sizeof change->note,
                 "it was retiring, since no standby key is left; `jwtd key add` makes one, to be activated");
    else
        note_if_early(work, next);
}

static bool apply_revoke(struct key_work *work) {
    struct key_info *info = key_list_find(&work->list, text_of(work->change->kid));
    if (info == NULL)
        return refuse(work, "is not here");
    if (info->state == KEY_REVOKED)
        return true;
    bool has_signed = info->signs || info->state == KEY_ACTIVE;
    info->state = KEY_REVOKED;
    if (!set(work, info->kid, KEY_REVOKED, work->now_s))
        return false;
    if (!has_signed)
        return true;
    work->change->active[0] = '\0';
    const struct algorithm *former = key_info_algorithm(info);
    const struct key_info *next = successor(work, former);
    if (next == NULL) {
        note_none(work, former);
        return true;
    }
    note_successor(work, next, former);
    return set(work, next->kid, KEY_ACTIVE, work->now_s);
}

/* Of every suffix: a file that were left without its line would be a standby key. */
static bool remove_files(struct key_work *work, const struct key_info *info) {
    for (size_t i = 0; i < ALGORITHM_COUNT; i++) {
        char name[NAME_MAX + 1];
        (void)snprintf(name, sizeof name, "%s%s", info->kid, algorithm_at(i)->suffix);
        if (unlinkat(work->directory, name, 0) == 0)
            work->change->removed++;
        else if (errno != ENOENT)
            return refuse(work, strerrordesc_np(errno));
    }
    return true;
}

/* The file before the line: without a line the key would be standby. */
static bool apply_prune(struct key_work *work) {
    struct key_states kept = { .has_file = true };
    for (size_t i = 0; i < work->list.count; i++) {
        const struct key_info *info = &work->list.keys[i];
        bool is_gone = key_is_gone(info->state, info->since_s, work->rules->keep_s + KEY_LATE_S, work->now_s);
        bool is_revoked = info->state == KEY_REVOKED;
        if ((is_gone || is_revoked) && info->algorithm != NULL && !remove_files(work, info))
            return false;
        if (!is_gone && (is_revoked || info->algorithm != NULL))
            if (!key_states_set(&kept, info->kid, info->state, info->since_s))
                return key_work_fail(work, "holds too many keys");
    }
    work->states = kept;
    return true;
}

/* With the rights of the owner and the lock. */
static bool apply_locked(struct key_work *work, bool (*apply)(struct key_work *work)) {
    if (!key_work_read_list(work))
        return false;
    const struct key_info *former = key_work_signing(work);
    if (!write_down_states(work) || !apply(work))
        return false;
    const char *active = work->change->active;
    work->change->is_new_signer = active[0] != '\0' && (former == NULL || strcmp(former->kid, active) != 0);
    return work->list.count == 0 || key_states_write(work->directory, work->rules->keys_dir, &work->states, work->error);
}

/* `*wanted` has no list yet, and keeps none, so that a command may run twice. */
static bool run(const struct key_work *wanted, bool (*apply)(struct key_work *work)) {
    struct key_work work = *wanted;
    work.directory = owner_rights_enter(work.rules->keys_dir, false);
    bool is_done = false;
    if (work.directory < 0) {
        key_work_fail(&work, errno == ENOENT
                                 ? "there is no such directory; run this with the configuration of the service, in its "
                                   "directory, or begin with `jwtd keygen`"
                                 : strerrordesc_np(errno));
    } else {
        const char *reason;
        int lock = directory_lock(work.directory, DIRECTORY_LOCK_WAIT_MS, &reason);
        is_done = lock >= 0 ? apply_locked(&work, apply) : key_work_fail(&work, reason);
        if (lock >= 0)
            close(lock);
    }
    owner_rights_leave(work.directory);
    return is_done;
}

/* ---- commands ---- */

bool key_list_read(const struct key_rules *rules, int64_t now_s, struct key_list *list, char *error, size_t error_size) {
    struct key_work work = { .rules = rules, .now_s = now_s, .error = { error, error_size } };
    work.directory = owner_rights_enter(rules->keys_dir, false);
    bool is_read = work.directory >= 0 ? key_work_read_list(&work) : key_work_fail(&work, strerrordesc_np(errno));
    owner_rights_leave(work.directory);
    *list = work.list;
    return is_read;
}

static bool change_key(const struct key_rules *rules, int64_t now_s, const char *kid, bool at_once, struct key_change *change,
                       bool (*apply)(struct key_work *work), char *error, size_t error_size) {
    *change = (struct key_change){ .removed = 0 };
    if (!kid_is_valid(text_of(kid))) {
        snprintf(error, error_size, "this is no key id");
        return false;
    }
    memcpy(change->kid, kid, strlen(kid) + 1);
    struct key_work wanted = {
        .rules = rules, .now_s = now_s, .at_once = at_once, .change = change, .error = { error, error_size }
    };
    return run(&wanted, apply);
}

/* keys.conf first: without it, a key that was made before the process is killed would sign by itself when it is old enough. */
bool key_add(const struct key_rules *rules, int64_t now_s, const char *algorithm, struct key_change *change, char *error,
             size_t error_size) {
    *change = (struct key_change){ .algorithm = algorithm };
    struct key_work wanted = { .rules = rules, .now_s = now_s, .change = change, .error = { error, error_size } };
    return run(&wanted, apply_choose_algorithm) &&
           keyring_generate(rules->keys_dir, rules->refresh_key_file, change->algorithm, change->kid, error, error_size) &&
           run(&wanted, apply_add);
}

bool key_activate(const struct key_rules *rules, int64_t now_s, const char *kid, bool at_once, struct key_change *change,
                  char *error, size_t error_size) {
    return change_key(rules, now_s, kid, at_once, change, apply_activate, error, error_size);
}

bool key_retire(const struct key_rules *rules, int64_t now_s, const char *kid, struct key_change *change, char *error,
                size_t error_size) {
    return change_key(rules, now_s, kid, false, change, apply_retire, error, error_size);
}

bool key_revoke(const struct key_rules *rules, int64_t now_s, const char *kid, struct key_change *change, char *error,
                size_t error_size) {
    return change_key(rules, now_s, kid, false, change, apply_revoke, error, error_size);
}

bool key_prune(const struct key_rules *rules, int64_t now_s, struct key_change *change, char *error, size_t error_size) {
    *change = (struct key_change){ .removed = 0 };
    struct key_work wanted = { .rules = rules, .now_s = now_s, .change = change, .error = { error, error_size } };
    return run(&wanted, apply_prune);
}

/* Without a lock: each step is one link or rename, which a second process finds done. */
static bool rotate_refresh(const struct key_work *work) {
    const char *file = work->rules->refresh_key_file;
    struct key_change *change = work->change;
    char former[REFRESH_ID_SIZE], until[KEY_TIME_SIZE];
    int64_t prepared_s = refresh_key_prepared(file);
    if (prepared_s == 0) {
        snprintf(change->note, sizeof change->note,
                 "%s.next is made, and accepted from now on; when every instance has read it, run this again, and it signs",
                 file);
        return refresh_key_prepare(file, work->error);
    }
    if (!work->at_once && work->now_s < prepared_s + REFRESH_ROTATION_PAUSE_S) {
        snprintf(work->error.text, work->error.size, "%s.next was made a moment ago; run this again in %d seconds, or with --now",
                 file, REFRESH_ROTATION_PAUSE_S);
        return false;
    }
    if (!refresh_key_replace(file, former, work->error))
        return false;
    snprintf(change->note, sizeof change->note, "the new refresh key signs; the old one, %s.%s, may be removed from %s on", file,
             former, key_time_text(work->now_s + work->rules->refresh_keep_s, until));
    return true;
}

bool key_rotate_refresh(const struct key_rules *rules, int64_t now_s, bool at_once, struct key_change *change, char *error,
                        size_t error_size) {
    *change = (struct key_change){ .removed = 0 };
    struct key_work wanted = {
        .rules = rules, .now_s = now_s, .at_once = at_once, .change = change, .error = { error, error_size }
    };
    return rotate_refresh(&wanted) && run(&wanted, apply_nothing);
}
