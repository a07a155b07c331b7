#include "jwtd/cgroup.h"

#include "jwtd/text.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_SIZE 64
#define MOUNT_FIELDS 5 /* the fifth is the mount point */

enum version { VERSION_NONE, VERSION_1, VERSION_2 };

/* Where a part of the tree of groups is mounted: `root` is the group that `point` shows. */
struct mount {
    char root[PATH_MAX], point[PATH_MAX];
};

/* Whether `word` is in a list that is separated by commas. */
static bool has_word(const char *list, const char *word) {
    size_t len = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    }
    return false;
}

/* proc(5): a space, tab, LF or backslash in a path is written as a backslash and three octal digits. */
static void copy_path(const char *text, char path[PATH_MAX]) {
    size_t len = 0;
    while (*text != '\0' && len < PATH_MAX - 1) {
        if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
            int escaped = (text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0');
            path[len++] = (char)escaped;
            text += 4;
        } else {
            path[len++] = *text++;
        }
    }
    path[len] = '\0';
}

/* A line of mountinfo: "31 23 0:28 ROOT POINT options [optional ...] - TYPE source OPTIONS" (proc(5)). Returns false for one that
 * mounts no groups of this version with the processor in them. */
static bool parse_mount(char *line, enum version version, struct mount *mount) {
    char *fields[MOUNT_FIELDS], *field;
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < MOUNT_FIELDS; i++)
        if ((fields[i] = strsep(&line, " ")) == NULL)
            return false;
    do
        field = strsep(&line, " ");
    while (field != NULL && strcmp(field, "-") != 0);
    const char *type = strsep(&line, " ");
    strsep(&line, " ");
    const char *options = strsep(&line, " ");
    if (options == NULL || strcmp(type, version == VERSION_2 ? "cgroup2" : "cgroup") != 0)
        return false;
    copy_path(fields[3], mount->root);
    copy_path(fields[4], mount->point);
    return version == VERSION_2 || has_word(options, "cpu");
}

static bool leads_upwards(const char *path) {
    for (const char *at = strstr(path, "/.."); at != NULL; at = strstr(at + 1, "/.."))
        if (at[3] == '/' || at[3] == '\0')
            return true;
    return false;
}

/* What is left of a group's path below the root of a mount, "" or "/a/b"; NULL: the group is not below it. */
static const char *path_below(const char *path, const char *root) {
    size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, len) != 0 || (path[len] != '/' && path[len] != '\0') || leads_upwards(path + len))
        return NULL;
    return strcmp(path + len, "/") == 0 ? "" : path + len;
}

static FILE *open_below(const char *root, const char *directory, const char *name) {
    char path[2 * PATH_MAX];
    int len = snprintf(path, sizeof path, "%s%s/%s", root, directory, name);
    return len > 0 && (size_t)len < sizeof path ? fopen(path, "re") : NULL;
}

/* The mount that shows the group, the one whose root is nearest to it; else the first of this version. */
static bool find_mount(const char *root, const char *process, enum version version, const char *group, struct mount *found) {
    FILE *file = open_below(root, process, "mountinfo");
    char *line = NULL;
    size_t size = 0, nearest = 0; /* the length of a root, and one more */
    bool is_found = false;
    while (file != NULL && getline(&line, &size, file) > 0) {
        struct mount mount;
        if (!parse_mount(line, version, &mount))
            continue;
        size_t nearness = path_below(group, mount.root) != NULL ? strlen(mount.root) + 1 : 0;
        if (!is_found || nearness > nearest) {
            *found = mount;
            nearest = nearness;
        }
        is_found = true;
    }
    free(line);
    if (file != NULL)
        (void)fclose(file);
    return is_found;
}

static bool read_value(const char *root, const char *directory, const char *name, char value[VALUE_SIZE]) {
    FILE *file = open_below(root, directory, name);
    if (file == NULL)
        return false;
    bool is_read = fgets(value, VALUE_SIZE, file) != NULL;
    (void)fclose(file);
    value[is_read ? strcspn(value, "\n") : 0] = '\0';
    return is_read;
}

/* 0: no limit, which is "max" in version 2 and -1 in version 1. */
static double parse_cores(const char *quota, const char *period) {
    uint64_t quota_us, period_us;
    bool is_limit = text_parse_unsigned(text_of(quota), UINT64_MAX, &quota_us) &&
                    text_parse_unsigned(text_of(period), UINT64_MAX, &period_us);
    return is_limit && period_us > 0 ? (double)quota_us / (double)period_us : 0;
}

static double read_cores(const char *root, const char *directory, enum version version) {
    char quota[VALUE_SIZE], period[VALUE_SIZE];
    if (version == VERSION_1) {
        bool is_read =
            read_value(root, directory, "cpu.cfs_quota_us", quota) && read_value(root, directory, "cpu.cfs_period_us", period);
        return is_read ? parse_cores(quota, period) : 0;
    }
    if (!read_value(root, directory, "cpu.max", quota))
        return 0;
    char *space = strchr(quota, ' ');
    if (space == NULL)
        return 0;
    *space = '\0';
    return parse_cores(quota, space + 1);
}

static void keep_smallest(struct cgroup_quota *quota, double cores, const char *directory) {
    if (cores <= 0 || (quota->cores > 0 && quota->cores <= cores))
        return;
    quota->cores = cores;
    (void)snprintf(quota->path, sizeof quota->path, "%.*s", CGROUP_PATH_SIZE - 1, directory);
}

/* From the group's own directory up to the mount point. */
static void read_groups(const char *root, const struct mount *mount, enum version version, const char *group,
                        struct cgroup_quota *quota) {
    char directory[2 * PATH_MAX];
    const char *below = path_below(group, mount->root);
    size_t point_len = strlen(mount->point);
    (void)snprintf(directory, sizeof directory, "%s%s", mount->point, below != NULL ? below : "");
    for (;;) {
        keep_smallest(quota, read_cores(root, directory, version), directory);
        char *last = strrchr(directory, '/');
        if (last == NULL || last < directory + point_len)
            return;
        *last = '\0';
    }
}

/* A line of /proc/PID/cgroup, "ID:controllers:PATH"; *path points into it. */
static enum version parse_group(char *line, char **path) {
    line[strcspn(line, "\n")] = '\0';
    const char *id = strsep(&line, ":"), *controllers = strsep(&line, ":");
    *path = line;
    if (line == NULL)
        return VERSION_NONE;
    if (strcmp(id, "0") == 0 && controllers[0] == '\0')
        return VERSION_2;
    return has_word(controllers, "cpu") ? VERSION_1 : VERSION_NONE;
}

void cgroup_read_quota(const char *root, const char *process, struct cgroup_quota *quota) {
    char directory[64];
    *quota = (struct cgroup_quota){ .cores = 0 };
    (void)snprintf(directory, sizeof directory, "/proc/%s", process);
    FILE *file = open_below(root, directory, "cgroup");
    char *line = NULL;
    size_t size = 0;
    while (file != NULL && getline(&line, &size, file) > 0) {
        char *group;
        struct mount mount;
        enum version version = parse_group(line, &group);
        if (version != VERSION_NONE && find_mount(root, directory, version, group, &mount))
            read_groups(root, &mount, version, group, quota);
    }
    free(line);
    if (file != NULL)
        (void)fclose(file);
}
