/* How a command changes the file of service credentials: under a lock, aside, by rename. */
#include "atomic_file.h"
#include "key_files.h"
#include "owner_rights.h"
#include "service_lines.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of one command. */
struct change {
    const char *path, *name; /* of the file, and its name in the directory */
    int directory;           /* O_PATH */
    struct stat before;      /* of the file; st_mode 0: there is none */
    struct service_credentials *set;
    bool is_replaced; /* the file */
    char *error;
    size_t error_size;
};

static bool refuse(const struct change *change, const char *reason) {
    snprintf(change->error, change->error_size, "%s: %s", change->path, reason);
    return false;
}

static bool refuse_errno(const struct change *change) {
    return refuse(change, strerrordesc_np(errno));
}

/* ---- the lines ---- */

static size_t count_of(const struct service_credentials *set, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < set->count; i++)
        count += strcmp(set->lines[i].name, name) == 0;
    return count;
}

/* Of the lines of this name, `count` from that with the index `first`. */
static void remove_lines(struct service_credentials *set, const char *name, size_t first, size_t count) {
    size_t kept = 0, seen = 0;
    for (size_t i = 0; i < set->count; i++) {
        bool is_of_name = strcmp(set->lines[i].name, name) == 0;
        if (!is_of_name || seen < first || seen >= first + count)
            set->lines[kept++] = set->lines[i];
        seen += is_of_name;
    }
    set->count = kept;
}

static void append(struct service_credentials *set, const char *name, const char *secret) {
    struct service_line *line = &set->lines[set->count++];
    *line = (struct service_line){ .name = "" };
    memcpy(line->name, name, strlen(name));
    crypto_hash_sha256(line->hash, (const unsigned char *)secret, strlen(secret));
}

static const struct {
    size_t min, max; /* of the secrets that the service must have */
    const char *refusal;
    bool adds;
    size_t first, removes; /* secrets, from that with this index */
} changes[] = {
    [SERVICE_ADD] = { 0, 0, "there is a service of this name already; rotate makes another secret for it", true, 0, 0 },
    [SERVICE_ROTATE] = { 1, 1, "there must be a service of this name with one secret; drop-old removes the older of two", true, 0,
                         0 },
    [SERVICE_DROP_OLD] = { 2, 2, "there must be a service of this name with two secrets", false, 0, 1 },
    [SERVICE_DROP_NEW] = { 2, 2, "there must be a service of this name with two secrets", false, 1, 1 },
    [SERVICE_REMOVE] = { 1, SERVICE_SECRETS_EACH, "there is no service of this name", false, 0, SERVICE_SECRETS_EACH },
};

static bool apply(const struct change *change, enum service_change kind, const char *name, const char *secret) {
    size_t count = count_of(change->set, name);
    if (count < changes[kind].min || count > changes[kind].max)
        return refuse(change, changes[kind].refusal);
    if (changes[kind].adds && change->set->count == SERVICE_SECRETS_MAX)
        return refuse(change, "has as many secrets as it may have");
    remove_lines(change->set, name, changes[kind].first, changes[kind].removes);
    if (changes[kind].adds)
        append(change->set, name, secret);
    return true;
}

/* ---- the file ---- */

static bool read_lines(struct change *change, int links) {
    int fd = openat(change->directory, change->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | links);
    if (fd < 0 && errno == ELOOP)
        return refuse(change, "is a symbolic link, which a command does not replace");
    if (fd < 0)
        return errno == ENOENT || refuse_errno(change);
    bool is_read = service_lines_read(fd, change->path, change->set, change->error, change->error_size) &&
                   (fstat(fd, &change->before) == 0 || refuse_errno(change));
    close(fd);
    return is_read;
}

/* The same group may read it, and no others. */
static struct file_access access_of(const struct change *change) {
    const mode_t allowed = S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP;
    bool is_new = change->before.st_mode == 0;
    return is_new ? (struct file_access){ S_IRUSR | S_IWUSR, FILE_GROUP_ANY }
                  : (struct file_access){ change->before.st_mode & allowed, change->before.st_gid };
}

static bool replace_file(struct change *change) {
    char text[SERVICE_SECRETS_MAX * SERVICE_LINE_SIZE + 1];
    size_t len = 0;
    for (size_t i = 0; i < change->set->count; i++) {
        const struct service_line *line = &change->set->lines[i];
        char digits[2 * crypto_hash_sha256_BYTES + 1];
        sodium_bin2hex(digits, sizeof digits, line->hash, sizeof line->hash);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s %s\n", line->name, digits);
        assert(len < sizeof text);
    }
    struct file_access access = access_of(change);
    enum file_result result = atomic_file_replace(change->directory, change->name, &access, (struct text){ text, len });
    if (result == FILE_FAILED)
        return refuse_errno(change);
    change->is_replaced = true;
    if (result == FILE_WRITTEN)
        return true;
    snprintf(change->error, change->error_size, "%s: replaced, but not synced to the disk: %s", change->path,
             strerrordesc_np(errno));
    return false;
}

static bool change_in_directory(struct change *change, enum service_change kind, const char *name, const char *secret) {
    const char *reason;
    int lock = directory_lock(change->directory, DIRECTORY_LOCK_WAIT_MS, &reason);
    if (lock < 0)
        return refuse(change, reason);
    bool is_done = read_lines(change, O_NOFOLLOW) && apply(change, kind, name, secret) && replace_file(change);
    close(lock);
    return is_done;
}

static void make_secret(char secret[SERVICE_SECRET_SIZE]) {
    uint8_t bytes[32];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2base64(secret, SERVICE_SECRET_SIZE, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    assert(strlen(secret) == SERVICE_SECRET_LEN);
    sodium_memzero(bytes, sizeof bytes);
}

/* Root goes on with the rights of the owner, until owner_rights_leave. */
static bool enter_directory(struct change *change) {
    char directory[PATH_MAX];
    const char *slash = strrchr(change->path, '/');
    size_t len = slash != NULL ? (size_t)(slash - change->path) + 1 : 0; /* with the slash, so that "/file" is in "/" */
    if (len >= sizeof directory)
        return refuse(change, "the path is too long");
    memcpy(directory, slash != NULL ? change->path : "", len);
    directory[len] = '\0';
    change->name = change->path + len;
    change->directory = owner_rights_enter(len > 0 ? directory : ".", false);
    return change->directory >= 0 || refuse_errno(change);
}

struct service_credentials *service_credentials_load_as_owner(const char *file, char *error, size_t error_size) {
    struct change change = { .path = file, .directory = -1, .error = error, .error_size = error_size };
    change.set = calloc(1, sizeof *change.set);
    if (change.set == NULL) {
        refuse(&change, "out of memory");
        return NULL;
    }
    bool is_read = enter_directory(&change) && read_lines(&change, 0);
    owner_rights_leave(change.directory);
    if (is_read)
        return change.set;
    free(change.set);
    return NULL;
}

bool service_credentials_change(const char *file, enum service_change kind, struct text name, char secret[SERVICE_SECRET_SIZE],
                                char *error, size_t error_size) {
    struct change change = { .path = file, .directory = -1, .error = error, .error_size = error_size };
    char own_name[SERVICE_NAME_MAX_LEN + 1] = "", own_secret[SERVICE_SECRET_SIZE] = "";
    if (!service_is_name(name)) {
        snprintf(error, error_size, "the name of a service is 1 to %d of A-Z a-z 0-9 . _ -", SERVICE_NAME_MAX_LEN);
        return false;
    }
    change.set = calloc(1, sizeof *change.set);
    if (change.set == NULL)
        return refuse(&change, "out of memory");
    memcpy(own_name, name.bytes, name.len);
    if (changes[kind].adds)
        make_secret(own_secret);
    bool is_done = enter_directory(&change) && change_in_directory(&change, kind, own_name, own_secret);
    owner_rights_leave(change.directory);
    if (change.is_replaced && changes[kind].adds)
        memcpy(secret, own_secret, sizeof own_secret);
    sodium_memzero(own_secret, sizeof own_secret);
    free(change.set);
    return is_done;
}
