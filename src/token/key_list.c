#include "key_list.h"

#include "key_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool key_work_fail(const struct key_work *work, const char *reason) {
    snprintf(work->error.text, work->error.size, "%s: %s", work->rules->keys_dir, reason);
    return false;
}

struct key_info *key_list_find(struct key_list *list, struct text kid) {
    for (size_t i = 0; i < list->count; i++)
        if (text_equal(kid, text_of(list->keys[i].kid)))
            return &list->keys[i];
    return NULL;
}

/* NULL: there are too many. */
static struct key_info *add(struct key_list *list, struct text kid) {
    struct key_info *info = key_list_find(list, kid);
    if (info != NULL || list->count == KEY_LIST_MAX)
        return info;
    info = &list->keys[list->count++];
    *info = (struct key_info){ .algorithm = NULL };
    memcpy(info->kid, kid.bytes, kid.len);
    return info;
}

bool key_work_read_key(const struct key_work *work, const struct algorithm *algorithm, const char *name, bool *can_sign,
                       struct key_error error) {
    char path[PATH_MAX];
    struct signing_key key;
    if (!key_path_join(path, text_of(work->rules->keys_dir), name, error) ||
        !signing_key_load(&key, algorithm, text_of("any"), path, geteuid(), error))
        return false;
    *can_sign = key.can_sign;
    signing_key_release(&key);
    return true;
}

/* A file that is gone meanwhile is no key. */
static bool add_file(struct key_work *work, const char *name) {
    struct text kid;
    struct stat status;
    char reason[KEY_NOTE_SIZE];
    const struct algorithm *algorithm = algorithm_of_file(name, &kid);
    if (algorithm == NULL || fstatat(work->directory, name, &status, 0) != 0)
        return true;
    struct key_info *info = add(&work->list, kid);
    if (info == NULL)
        return key_work_fail(work, "holds too many keys");
    info->algorithm = algorithm->name;
    info->since_s = (int64_t)status.st_mtim.tv_sec;
    info->can_sign = true;
    info->is_readable = key_work_read_key(work, algorithm, name, &info->can_sign, (struct key_error){ reason, sizeof reason });
    return true;
}

static bool add_files(struct key_work *work) {
    int fd = openat(work->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    if (names == NULL) {
        key_work_fail(work, strerrordesc_np(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool is_added = true;
    while (is_added && (errno = 0, entry = readdir(names)) != NULL)
        is_added = add_file(work, entry->d_name);
    if (is_added && errno != 0)
        is_added = key_work_fail(work, strerrordesc_np(errno));
    closedir(names);
    return is_added;
}

static bool add_lines(struct key_work *work) {
    for (size_t i = 0; i < work->states.count; i++) {
        const struct key_line *line = &work->states.lines[i];
        struct key_info *info = add(&work->list, text_of(line->kid));
        if (info == NULL)
            return key_work_fail(work, "holds too many keys");
        info->state = line->state;
        info->since_s = line->since_s;
    }
    return true;
}

const struct algorithm *key_info_algorithm(const struct key_info *info) {
    return info->algorithm == NULL ? NULL : algorithm_by_name(text_of(info->algorithm));
}

void key_work_collect(struct key_work *work, struct key_candidates *candidates) {
    candidates->count = 0;
    for (size_t i = 0; i < work->list.count; i++) {
        struct key_info *info = &work->list.keys[i];
        if (info->algorithm == NULL || info->is_gone || info->state == KEY_REVOKED)
            continue;
        candidates->infos[candidates->count] = info;
        candidates->keys[candidates->count++] =
            (struct key_candidate){ info->kid, info->state, info->since_s, info->can_sign, key_info_algorithm(info) };
    }
}

static void choose(struct key_work *work) {
    struct key_candidates candidates;
    for (size_t i = 0; i < work->list.count; i++) {
        struct key_info *info = &work->list.keys[i];
        info->is_gone = key_is_gone(info->state, info->since_s, work->rules->keep_s, work->now_s);
        if (info->state == KEY_STANDBY)
            info->next_s = info->since_s + work->rules->publish_before_use_s;
        if (info->state == KEY_RETIRING)
            info->next_s = info->since_s + work->rules->keep_s;
    }
    key_work_collect(work, &candidates);
    struct key_choice choice =
        key_states_choose(candidates.keys, candidates.count, work->states.has_file, NULL, work->rules, work->now_s);
    if (choice.index != SIZE_MAX)
        candidates.infos[choice.index]->signs = true;
}

static int compare(const void *a, const void *b) {
    return strcmp(((const struct key_info *)a)->kid, ((const struct key_info *)b)->kid);
}

bool key_work_read_list(struct key_work *work) {
    if (!key_states_read(work->directory, work->rules->keys_dir, geteuid(), &work->states, work->error) || !add_files(work) ||
        !add_lines(work))
        return false;
    work->list.has_states = work->states.has_file;
    qsort(work->list.keys, work->list.count, sizeof work->list.keys[0], compare);
    choose(work);
    return true;
}

const struct key_info *key_work_signing(const struct key_work *work) {
    for (size_t i = 0; i < work->list.count; i++)
        if (work->list.keys[i].signs)
            return &work->list.keys[i];
    return NULL;
}
