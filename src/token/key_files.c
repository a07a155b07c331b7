#include "key_files.h"

#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void key_text_wipe(struct key_text *text) {
    sodium_memzero(text, sizeof *text);
}

bool key_refuse(struct key_error error, const char *path, const char *reason) {
    snprintf(error.text, error.size, "%s: %s", path, reason);
    return false;
}

bool key_refuse_open(struct key_error error, const char *path) {
    struct stat status;
    int reason = errno;
    if (reason != EACCES || stat(path, &status) != 0)
        return key_refuse(error, path, strerrordesc_np(reason));
    snprintf(error.text, error.size,
             "%s: %s: it belongs to user %u and group %u with mode %04o, and the process is of user %u; run chown %u on it", path,
             strerrordesc_np(reason), (unsigned)status.st_uid, (unsigned)status.st_gid, (unsigned)(status.st_mode & 07777),
             (unsigned)geteuid(), (unsigned)geteuid());
    return false;
}

/* The owner of a file can change its mode, and then its content. */
static bool check_owner(const struct stat *status, uid_t owner, const char *path, struct key_error error) {
    if (status->st_uid == 0 || status->st_uid == owner)
        return true;
    snprintf(error.text, error.size, "%s: belongs to user %u, and not to root or user %u, as it must; run chown on it", path,
             (unsigned)status->st_uid, (unsigned)owner);
    return false;
}

static bool refuse_mode(const char *path, mode_t mode, const char *what, struct key_error error) {
    snprintf(error.text, error.size, "%s: mode %04o lets others than owner and group %s", path, (unsigned)(mode & 07777), what);
    return false;
}

static bool check_kind(int fd, uid_t owner, struct key_text *text, struct key_error error) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return key_refuse(error, text->path, strerrordesc_np(errno));
    if (!S_ISREG(status.st_mode))
        return key_refuse(error, text->path, "not a regular file");
    text->mode = status.st_mode;
    if ((status.st_mode & S_IWOTH) != 0)
        return refuse_mode(text->path, text->mode, "write it; run chmod o-rwx on it", error);
    return check_owner(&status, owner, text->path, error);
}

bool key_text_check_private(const struct key_text *text, struct key_error error) {
    return (text->mode & S_IROTH) == 0 || refuse_mode(text->path, text->mode, "read it; run chmod o-rwx on it", error);
}

bool key_file_check(int fd, const char *path, struct key_error error) {
    struct key_text text;
    text.path = path;
    return check_kind(fd, geteuid(), &text, error) && key_text_check_private(&text, error);
}

bool key_directory_check(int fd, const char *path, uid_t owner, struct key_error error) {
    struct stat status;
    struct statvfs mount;
    if (fstat(fd, &status) != 0 || fstatvfs(fd, &mount) != 0)
        return key_refuse(error, path, strerrordesc_np(errno));
    /* the directory of a Kubernetes secret has mode 1777, and is mounted read-only */
    if ((status.st_mode & S_IWOTH) != 0 && (mount.f_flag & ST_RDONLY) == 0)
        return refuse_mode(path, status.st_mode, "add keys to it; run chmod o-w on it", error);
    return check_owner(&status, owner, path, error);
}

bool key_read_whole(int fd, char *bytes, size_t size, size_t *len) {
    *len = 0;
    while (*len < size) {
        ssize_t got = read(fd, bytes + *len, size - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        *len += (size_t)got;
    }
    return true;
}

static size_t length_without_trailing_space(const char *text, size_t len) {
    while (len > 0 && strchr(" \t\r\n\v\f", text[len - 1]) != NULL && text[len - 1] != '\0')
        len--;
    return len;
}

static bool read_text(int fd, uid_t owner, struct key_text *text, struct key_error error) {
    if (!check_kind(fd, owner, text, error))
        return false;
    if (!key_read_whole(fd, text->bytes, sizeof text->bytes, &text->len))
        return key_refuse(error, text->path, strerrordesc_np(errno));
    if (text->len > KEY_TEXT_MAX)
        return key_refuse(error, text->path, "too long for a key");
    text->len = length_without_trailing_space(text->bytes, text->len);
    return text->len > 0 || key_refuse(error, text->path, "empty");
}

bool key_file_read(const char *path, uid_t owner, struct key_text *text, struct key_error error) {
    text->path = path;
    text->len = 0;
    /* O_NONBLOCK, since opening a FIFO would otherwise wait for a writer */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return key_refuse_open(error, path);
    bool is_read = read_text(fd, owner, text, error);
    close(fd);
    return is_read;
}

/* In a directory of root whose group is another one the group is the service's. */
static struct file_access find_access(int directory, const char *like) {
    const mode_t own = S_IRUSR | S_IWUSR;
    struct stat status;
    if (like != NULL && fstatat(directory, like, &status, 0) == 0 && S_ISREG(status.st_mode))
        return (struct file_access){ own | (status.st_mode & (S_IRGRP | S_IWGRP)), status.st_gid };
    bool is_for_group = fstat(directory, &status) == 0 && status.st_uid == 0 && status.st_gid != 0 &&
                        (status.st_mode & (S_IRGRP | S_IROTH)) == S_IRGRP;
    return is_for_group ? (struct file_access){ own | S_IRGRP, status.st_gid } : (struct file_access){ own, FILE_GROUP_ANY };
}

enum key_file_result key_file_create(int directory, const char *name, const char *like, const char *path,
                                     const struct key_text *text, struct key_error error) {
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return KEY_FILE_EXISTS;
    struct file_access access = find_access(directory, like);
    enum file_result result = atomic_file_create(directory, name, &access, (struct text){ text->bytes, text->len });
    if (result == FILE_WRITTEN || result == FILE_EXISTS)
        return result == FILE_WRITTEN ? KEY_FILE_CREATED : KEY_FILE_EXISTS;
    key_refuse(error, path, strerrordesc_np(errno));
    return KEY_FILE_FAILED;
}
