/* Secret keys in files: mode and owner are checked, and a file is written whole. */
#include "key_files.h"

#include "base64url.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define KEY_TEXT_MAX 1024 /* the text of a file; 512 bytes of key are 684 characters */
#define NEW_KEY_MAX 64
#define ASIDE "~new-" /* then 8 digits: suffix of a file that is being written; no name of a key has a "~" */
#define NEW_KEY_TEXT_SIZE (NEW_KEY_MAX * 2)

/* Returns false, so that a refusal is one line. */
static bool refuse(char *error, size_t error_size, const char *path, const char *reason) {
    snprintf(error, error_size, "%s: %s", path, reason);
    return false;
}

/* The owner of a file can change its mode, and then its content. */
static bool check_owner(const struct stat *status, const char *path, char *error, size_t error_size) {
    if (status->st_uid == 0 || status->st_uid == geteuid())
        return true;
    snprintf(error, error_size, "%s: belongs to user %u, who is neither root nor the user of this process (%u); run chown on it",
             path, (unsigned)status->st_uid, (unsigned)geteuid());
    return false;
}

static bool check_kind(int fd, const char *path, char *error, size_t error_size) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return refuse(error, error_size, path, strerrordesc_np(errno));
    if (!S_ISREG(status.st_mode))
        return refuse(error, error_size, path, "not a regular file");
    if ((status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        snprintf(error, error_size, "%s: mode %04o lets others than owner and group read or write it; run chmod o-rwx on it",
                 path, (unsigned)(status.st_mode & 07777));
        return false;
    }
    return check_owner(&status, path, error, error_size);
}

bool key_directory_check(int fd, const char *path, char *error, size_t error_size) {
    struct stat status;
    struct statvfs mount;
    if (fstat(fd, &status) != 0 || fstatvfs(fd, &mount) != 0)
        return refuse(error, error_size, path, strerrordesc_np(errno));
    /* the directory of a Kubernetes secret has mode 1777, and is mounted read-only */
    if ((status.st_mode & S_IWOTH) != 0 && (mount.f_flag & ST_RDONLY) == 0) {
        snprintf(error, error_size, "%s: mode %04o lets others than owner and group add keys to it; run chmod o-w on it", path,
                 (unsigned)(status.st_mode & 07777));
        return false;
    }
    return check_owner(&status, path, error, error_size);
}

/* Reads up to KEY_TEXT_MAX + 1 bytes, so that the caller notices a text that is too long. */
static bool read_text(int fd, char text[KEY_TEXT_MAX + 1], size_t *len) {
    *len = 0;
    while (*len <= KEY_TEXT_MAX) {
        ssize_t got = read(fd, text + *len, KEY_TEXT_MAX + 1 - *len);
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

/* Padding is optional, but where it stands it must be right (RFC 4648 section 4). */
static size_t length_without_padding(const char *text, size_t len) {
    if (len % 4 != 0 || text[len - 1] != '=')
        return len;
    return text[len - 2] == '=' ? len - 2 : len - 1;
}

static uint8_t *decode_key(const char *path, struct text text, size_t min_len, size_t max_len, size_t *len, char *error,
                           size_t error_size) {
    uint8_t decoded[KEY_TEXT_MAX];
    text.len = length_without_padding(text.bytes, text.len);
    if (!base64url_decode(text, decoded, sizeof decoded, len)) {
        sodium_memzero(decoded, sizeof decoded); /* the part before the bad character */
        refuse(error, error_size, path, "not base64url text (A-Z a-z 0-9 - _)");
        return NULL;
    }
    uint8_t *key = NULL;
    if (*len < min_len || *len > max_len) {
        snprintf(error, error_size, "%s: holds %zu bytes of key, but %s %zu are needed", path, *len,
                 min_len == max_len ? "exactly" : (*len < min_len ? "at least" : "at most"), *len < min_len ? min_len : max_len);
    } else if ((key = sodium_malloc(*len)) == NULL) {
        refuse(error, error_size, path, "no memory for the key");
    } else {
        memcpy(key, decoded, *len);
        sodium_mprotect_readonly(key);
    }
    sodium_memzero(decoded, sizeof decoded);
    return key;
}

uint8_t *key_file_read(const char *path, size_t min_len, size_t max_len, size_t *len, char *error, size_t error_size) {
    /* O_NONBLOCK, since opening a FIFO would otherwise wait for a writer */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        refuse(error, error_size, path, strerrordesc_np(errno));
        return NULL;
    }
    char text[KEY_TEXT_MAX + 1];
    size_t text_len = 0;
    uint8_t *key = NULL;
    if (!check_kind(fd, path, error, error_size))
        goto done;
    if (!read_text(fd, text, &text_len)) {
        refuse(error, error_size, path, strerrordesc_np(errno));
        goto done;
    }
    if (text_len > KEY_TEXT_MAX) {
        refuse(error, error_size, path, "too long for a key");
        goto done;
    }
    text_len = length_without_trailing_space(text, text_len);
    if (text_len == 0) {
        refuse(error, error_size, path, "empty");
        goto done;
    }
    key = decode_key(path, (struct text){ text, text_len }, min_len, max_len, len, error, error_size);
done:
    sodium_memzero(text, sizeof text);
    close(fd);
    return key;
}

static bool write_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            len -= (size_t)written;
        }
    }
    return true;
}

static bool write_random_key(int fd, size_t len) {
    uint8_t key[NEW_KEY_MAX];
    char text[NEW_KEY_TEXT_SIZE];
    assert(len <= sizeof key);
    randombytes_buf(key, len);
    sodium_bin2base64(text, sizeof text, key, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    size_t text_len = strlen(text);
    assert(text_len < sizeof text);
    text[text_len++] = '\n';
    bool written = write_all(fd, text, text_len) && fsync(fd) == 0;
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    return written;
}

/* A name is safe on disk only after its directory was synced. */
static bool sync_directory(int directory) {
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    close(fd);
    return synced;
}

enum key_file_result key_file_create(int directory, const char *name, const char *path, size_t len, char *error,
                                     size_t error_size) {
    struct stat status;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return KEY_FILE_EXISTS;
    char aside[NAME_MAX + 1];
    int needed = snprintf(aside, sizeof aside, "%s" ASIDE "%08x", name, (unsigned)randombytes_random());
    if (needed < 0 || (size_t)needed >= sizeof aside || len > NEW_KEY_MAX) {
        refuse(error, error_size, path, "name or key too long");
        return KEY_FILE_FAILED;
    }
    int fd = openat(directory, aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        refuse(error, error_size, path, strerrordesc_np(errno));
        return KEY_FILE_FAILED;
    }
    enum key_file_result result = KEY_FILE_FAILED;
    /* link, not rename: rename would replace a key that another process has made meanwhile */
    if (write_random_key(fd, len) && linkat(directory, aside, directory, name, 0) == 0)
        result = sync_directory(directory) ? KEY_FILE_CREATED : KEY_FILE_FAILED;
    else if (errno == EEXIST)
        result = KEY_FILE_EXISTS;
    if (result == KEY_FILE_FAILED)
        refuse(error, error_size, path, strerrordesc_np(errno));
    close(fd);
    unlinkat(directory, aside, 0);
    return result;
}
