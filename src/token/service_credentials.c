#include "key_files.h"
#include "service_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_SIZE_MAX (SERVICE_SECRETS_MAX * SERVICE_LINE_SIZE)

bool service_is_name(struct text name) {
    return text_is_made_of(name, TEXT_ID_ALPHABET, 1, SERVICE_NAME_MAX_LEN);
}

/* ---- reading ---- */

static bool read_hash(struct text digits, uint8_t hash[crypto_hash_sha256_BYTES]) {
    if (!text_is_made_of(digits, "0123456789abcdef", 2 * (size_t)crypto_hash_sha256_BYTES, 2 * (size_t)crypto_hash_sha256_BYTES))
        return false;
    for (size_t i = 0; i < crypto_hash_sha256_BYTES; i++)
        hash[i] = (uint8_t)(text_hex_digit(digits.bytes[2 * i]) * 16 + text_hex_digit(digits.bytes[2 * i + 1]));
    return true;
}

/* What is wrong with the next line; NULL: it is in the set. */
static const char *add_line(struct service_credentials *set, struct text text) {
    const char *blank = text.len > 0 ? memchr(text.bytes, ' ', text.len) : NULL;
    struct text name = { text.bytes, blank != NULL ? (size_t)(blank - text.bytes) : 0 };
    if (blank == NULL || !service_is_name(name))
        return "does not begin with the name of a service (1 to 64 of A-Z a-z 0-9 . _ -) and one blank";
    if (set->count == SERVICE_SECRETS_MAX)
        return "is one more than the file may have";
    struct service_line *line = &set->lines[set->count];
    *line = (struct service_line){ .name = "" };
    memcpy(line->name, name.bytes, name.len);
    if (!read_hash((struct text){ blank + 1, text.len - name.len - 1 }, line->hash))
        return "does not end with a SHA-256 in 64 lower-case hexadecimal digits";
    size_t of_this_name = 1;
    for (size_t i = 0; i < set->count; i++) {
        bool is_same_name = strcmp(set->lines[i].name, line->name) == 0;
        if (is_same_name && memcmp(set->lines[i].hash, line->hash, sizeof line->hash) == 0)
            return "is there twice";
        of_this_name += is_same_name;
    }
    if (of_this_name > SERVICE_SECRETS_EACH)
        return "is a third secret of one service";
    set->count++;
    return NULL;
}

static bool parse(struct text text, const char *path, struct service_credentials *set, char *error, size_t error_size) {
    for (unsigned number = 1; text.len > 0; number++) {
        const char *newline = memchr(text.bytes, '\n', text.len);
        size_t len = newline != NULL ? (size_t)(newline - text.bytes) : text.len;
        const char *wrong = add_line(set, (struct text){ text.bytes, len });
        if (wrong != NULL) {
            snprintf(error, error_size, "%s: line %u %s", path, number, wrong);
            return false;
        }
        size_t taken = len + (newline != NULL);
        text = (struct text){ text.bytes + taken, text.len - taken };
    }
    return true;
}

bool service_lines_read(int fd, const char *path, struct service_credentials *set, char *error, size_t error_size) {
    char bytes[FILE_SIZE_MAX + 1];
    size_t len;
    if (!key_file_check(fd, path, (struct key_error){ error, error_size }))
        return false;
    if (!key_read_whole(fd, bytes, sizeof bytes, &len)) {
        snprintf(error, error_size, "%s: %s", path, strerrordesc_np(errno));
        return false;
    }
    if (len == sizeof bytes) {
        snprintf(error, error_size, "%s: is larger than %zu bytes", path, FILE_SIZE_MAX);
        return false;
    }
    set->count = 0;
    return parse((struct text){ bytes, len }, path, set, error, error_size);
}

struct service_credentials *service_credentials_load(const char *file, char *error, size_t error_size) {
    struct service_credentials *set = calloc(1, sizeof *set);
    if (set == NULL) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    /* O_NONBLOCK, since opening a FIFO would otherwise wait for a writer */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool is_good = fd >= 0 ? service_lines_read(fd, file, set, error, error_size) : errno == ENOENT;
    if (fd >= 0)
        close(fd);
    else if (!is_good)
        snprintf(error, error_size, "%s: %s", file, strerrordesc_np(errno));
    if (is_good)
        return set;
    free(set);
    return NULL;
}

struct service_credentials *service_credentials_copy(const struct service_credentials *set) {
    struct service_credentials *copy = malloc(sizeof *copy);
    if (copy != NULL)
        *copy = *set;
    return copy;
}

void service_credentials_destroy(struct service_credentials *set) {
    free(set);
}

/* ---- using ---- */

size_t service_credentials_count(const struct service_credentials *set) {
    return set->count;
}

const char *service_credentials_check(const struct service_credentials *set, struct text name, struct text secret) {
    struct service_line sent = { .name = "" };
    if (service_is_name(name))
        memcpy(sent.name, name.bytes, name.len); /* else it stays empty, as the name of no line is */
    crypto_hash_sha256(sent.hash, (const unsigned char *)(secret.len > 0 ? secret.bytes : ""), secret.len);
    unsigned found = 0; /* index of the line, from 1 */
    for (unsigned i = 0; i < set->count; i++) {
        /* each result is 0 or -1; no line is there twice, so one matches at most */
        int differs = sodium_memcmp(set->lines[i].name, sent.name, sizeof sent.name) |
                      sodium_memcmp(set->lines[i].hash, sent.hash, sizeof sent.hash);
        found |= ~(unsigned)differs & (i + 1);
    }
    return found > 0 ? set->lines[found - 1].name : NULL;
}

static bool is_first_of_name(const struct service_credentials *set, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(set->lines[i].name, set->lines[index].name) == 0)
            return false;
    return true;
}

void service_credentials_visit(const struct service_credentials *set,
                               void (*visit)(void *context, const char *name, size_t secrets), void *context) {
    for (size_t i = 0; i < set->count; i++) {
        size_t secrets = 0;
        for (size_t j = i; j < set->count; j++)
            secrets += strcmp(set->lines[i].name, set->lines[j].name) == 0;
        if (is_first_of_name(set, i))
            visit(context, set->lines[i].name, secrets);
    }
}
