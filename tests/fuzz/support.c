#include "fuzz.h"

#include "jwtd/clock.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

struct text fuzz_take_line(struct text *rest) {
    const char *end = rest->len > 0 ? memchr(rest->bytes, '\n', rest->len) : NULL;
    struct text line = { rest->bytes, end != NULL ? (size_t)(end - rest->bytes) : rest->len };
    size_t taken = line.len + (end != NULL ? 1 : 0);
    rest->bytes += taken;
    rest->len -= taken;
    return line;
}

char *fuzz_string(struct text text) {
    char *string = malloc(text.len + 1);
    assert(string != NULL);
    if (text.len > 0)
        memcpy(string, text.bytes, text.len);
    string[text.len] = '\0';
    return string;
}

bool fuzz_contains(struct text text, struct text part) {
    return memmem(text.bytes, text.len, part.bytes, part.len) != NULL;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *position) {
    (void)status;
    (void)type;
    (void)position;
    return remove(path);
}

static void remove_directory(void) {
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_directory(void) {
    const char *parent = getenv("TMPDIR");
    int len = snprintf(directory, sizeof directory, "%s/jwtd-fuzz.XXXXXX", parent != NULL ? parent : "/tmp");
    const char *made = len < (int)sizeof directory ? mkdtemp(directory) : NULL;
    assert(made != NULL);
    int failure = atexit(remove_directory);
    assert(failure == 0);
    return made;
}

static void write_key(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert(fd >= 0);
    ssize_t written = write(fd, text, strlen(text));
    assert(written == (ssize_t)strlen(text));
    close(fd);
}

void fuzz_write_keys(const char *parent) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/keys", parent);
    int failure = mkdir(path, 0700);
    assert(failure == 0);
    snprintf(path, sizeof path, "%s/keys/k1.hs256", parent);
    write_key(path, FUZZ_KEY_1);
    snprintf(path, sizeof path, "%s/keys/k2.hs256", parent);
    write_key(path, FUZZ_KEY_2);
    snprintf(path, sizeof path, "%s/refresh.key", parent);
    write_key(path, FUZZ_KEY_1);
    snprintf(path, sizeof path, "%s/services", parent);
    write_key(path, "orders 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n");
}

struct keyring *fuzz_keyring(void) {
    char keys[PATH_MAX], refresh_key[PATH_MAX], error[512];
    const char *parent = fuzz_directory();
    fuzz_write_keys(parent);
    snprintf(keys, sizeof keys, "%s/keys", parent);
    snprintf(refresh_key, sizeof refresh_key, "%s/refresh.key", parent);
    struct key_rules key_rules = { .keys_dir = keys, .active_kid = "", .refresh_key_file = refresh_key };
    struct keyring *ring = keyring_load(&key_rules, clock_wall_s(), error, sizeof error);
    assert(ring != NULL);
    return ring;
}

char *fuzz_printed(void (*print)(const void *context, FILE *out), const void *context) {
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert(out != NULL);
    print(context, out);
    int failure = fclose(out);
    assert(failure == 0 && text != NULL);
    return text;
}
