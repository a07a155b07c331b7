/* The file keys.conf, and the choice of the key that signs. */
#include "key_states.h"

#include "algorithm.h"
#include "atomic_file.h"
#include "jwtd/macros.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEADER "# The states of the signing keys, written by `jwtd key`: KID STATE SINCE\n"
#define LINE_SIZE (KID_MAX_LEN + sizeof " retiring " + KEY_TIME_SIZE)
#define TEXT_MAX ((size_t)64 * 1024)

/* ---- parsing ---- */

/* The next word of a line, moving *line behind it. */
static struct text next_word(struct text *line) {
    while (line->len > 0 && text_is_blank(line->bytes[0])) {
        line->bytes++;
        line->len--;
    }
    struct text word = { line->bytes, 0 };
    while (word.len < line->len && !text_is_blank(word.bytes[word.len]))
        word.len++;
    line->bytes += word.len;
    line->len -= word.len;
    return word;
}

static bool has_active(const struct key_states *states) {
    for (size_t i = 0; i < states->count; i++)
        if (states->lines[i].state == KEY_ACTIVE)
            return true;
    return false;
}

/* NULL, or what is wrong with the line. */
static const char *parse_line(struct text line, struct key_states *states) {
    struct text kid = next_word(&line), state_word = next_word(&line), since = next_word(&line), more = next_word(&line);
    enum key_state state;
    int64_t since_s;
    if (kid.len == 0 || kid.bytes[0] == '#')
        return NULL;
    if (!kid_is_valid(kid))
        return "this is no key id";
    if (!key_state_by_name(state_word, &state))
        return "the state is none of standby, active, retiring, revoked";
    if (!key_time_read(since, &since_s))
        return "the time is not written like 2026-11-21T21:35:00Z";
    if (more.len > 0)
        return "there is something behind the time";
    if (key_states_find(states, kid) != NULL)
        return "the key stands in an earlier line too";
    if (state == KEY_ACTIVE && has_active(states))
        return "another key is active";
    if (states->count == KEY_STATES_MAX)
        return "there are too many keys";
    struct key_line *added = &states->lines[states->count++];
    *added = (struct key_line){ .state = state, .since_s = since_s };
    memcpy(added->kid, kid.bytes, kid.len);
    return NULL;
}

bool key_states_parse(struct text text, const char *path, struct key_states *states, struct key_error error) {
    *states = (struct key_states){ .has_file = true };
    for (unsigned number = 1; text.len > 0; number++) {
        const char *end = memchr(text.bytes, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.bytes);
        const char *wrong =
            end == NULL ? "the line does not end: the file is cut short" : parse_line((struct text){ text.bytes, len }, states);
        if (wrong != NULL) {
            snprintf(error.text, error.size, "%s:%u: %s", path, number, wrong);
            return false;
        }
        text.bytes += len + 1;
        text.len -= len + 1;
    }
    return true;
}

/* ---- the file ---- */

static bool fail(const char *keys_dir, const char *reason, struct key_error error) {
    snprintf(error.text, error.size, "%s/" KEY_STATES_FILE ": %s", keys_dir, reason);
    return false;
}

/* What it says decides which key signs, but it is no secret. */
static const char *check_file(int fd, uid_t owner) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return strerrordesc_np(errno);
    if (!S_ISREG(status.st_mode))
        return "not a regular file";
    if ((status.st_mode & S_IWOTH) != 0)
        return "others than owner and group may write it; run chmod o-w on it";
    if (status.st_uid != 0 && status.st_uid != owner)
        return "belongs to another user than root and the one of the keys; run chown on it";
    return status.st_size > (off_t)TEXT_MAX ? "too long" : NULL;
}

/* NULL, or the reason. The size was checked, but the file may grow meanwhile. */
static const char *read_text(int fd, char *text, size_t *len) {
    if (!key_read_whole(fd, text, TEXT_MAX + 1, len))
        return strerrordesc_np(errno);
    return *len > TEXT_MAX ? "too long" : NULL;
}

static bool read_file(int fd, const char *keys_dir, uid_t owner, struct key_states *states, struct key_error error) {
    char path[sizeof KEY_STATES_FILE + 512];
    size_t len;
    const char *wrong = check_file(fd, owner);
    char *text = wrong == NULL ? malloc(TEXT_MAX + 1) : NULL;
    if (wrong == NULL)
        wrong = text == NULL ? "no memory for it" : read_text(fd, text, &len);
    bool is_good = wrong == NULL;
    if (is_good) {
        (void)snprintf(path, sizeof path, "%s/" KEY_STATES_FILE, keys_dir);
        is_good = key_states_parse((struct text){ text, len }, path, states, error);
    } else {
        fail(keys_dir, wrong, error);
    }
    free(text);
    return is_good;
}

bool key_states_read(int directory, const char *keys_dir, uid_t owner, struct key_states *states, struct key_error error) {
    *states = (struct key_states){ .has_file = false };
    /* O_NONBLOCK, since opening a FIFO would otherwise wait for a writer */
    int fd = openat(directory, KEY_STATES_FILE, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || fail(keys_dir, strerrordesc_np(errno), error);
    bool is_read = read_file(fd, keys_dir, owner, states, error);
    close(fd);
    return is_read;
}

bool key_states_write(int directory, const char *keys_dir, const struct key_states *states, struct key_error error) {
    char text[sizeof HEADER + KEY_STATES_MAX * LINE_SIZE] = HEADER, since[KEY_TIME_SIZE];
    size_t len = sizeof HEADER - 1;
    for (size_t i = 0; i < states->count; i++) {
        const struct key_line *line = &states->lines[i];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s %s %s\n", line->kid, key_state_name(line->state),
                                key_time_text(line->since_s, since));
        assert(len < sizeof text);
    }
    const struct file_access access = { 0644, FILE_GROUP_ANY };
    switch (atomic_file_replace(directory, KEY_STATES_FILE, &access, (struct text){ text, len })) {
    case FILE_WRITTEN:
        return true;
    case FILE_UNSYNCED:
        snprintf(error.text, error.size, "%s/" KEY_STATES_FILE ": replaced, but not synced to the disk: %s", keys_dir,
                 strerrordesc_np(errno));
        return false;
    default:
        return fail(keys_dir, strerrordesc_np(errno), error);
    }
}

/* ---- lines ---- */

const struct key_line *key_states_find(const struct key_states *states, struct text kid) {
    for (size_t i = 0; i < states->count; i++)
        if (text_equal(kid, text_of(states->lines[i].kid)))
            return &states->lines[i];
    return NULL;
}

bool key_states_set(struct key_states *states, const char *kid, enum key_state state, int64_t since_s) {
    assert(kid_is_valid(text_of(kid)));
    const struct key_line *found = key_states_find(states, text_of(kid));
    if (found == NULL && states->count == KEY_STATES_MAX)
        return false;
    struct key_line *line = &states->lines[found == NULL ? states->count++ : (size_t)(found - states->lines)];
    *line = (struct key_line){ .state = state, .since_s = since_s };
    (void)snprintf(line->kid, sizeof line->kid, "%s", kid);
    return true;
}

bool key_states_of_file(const struct key_states *states, int directory, const char *name, struct text kid, const char *path,
                        struct key_line *line, struct key_error error) {
    struct stat status;
    const struct key_line *found = key_states_find(states, kid);
    if (found == NULL && fstatat(directory, name, &status, 0) != 0)
        return key_refuse(error, path, strerrordesc_np(errno));
    *line = found != NULL ? *found : (struct key_line){ .state = KEY_STANDBY, .since_s = (int64_t)status.st_mtim.tv_sec };
    memcpy(line->kid, kid.bytes, kid.len);
    return true;
}

/* ---- the choice ---- */

bool key_is_gone(enum key_state state, int64_t since_s, int64_t keep_s, int64_t now_s) {
    return state == KEY_RETIRING && since_s < now_s - keep_s;
}

static bool is_earlier(const struct key_candidate *a, const struct key_candidate *b) {
    return a->since_s < b->since_s || (a->since_s == b->since_s && strcmp(a->kid, b->kid) < 0);
}

/* How much services that verify by themselves must do to accept the tokens of this key. */
static int distance(const struct key_candidate *key, const struct algorithm *former) {
    if (former == NULL || key->algorithm == former)
        return 0;
    return key->algorithm->write_jwk != NULL ? 1 : 2;
}

static bool is_better_successor(const struct key_candidate *a, const struct key_candidate *b, const struct algorithm *former) {
    int distance_a = distance(a, former), distance_b = distance(b, former);
    if (distance_a != distance_b)
        return distance_a < distance_b;
    if (a->state != b->state)
        return a->state == KEY_STANDBY;
    return a->state == KEY_STANDBY ? is_earlier(a, b) : is_earlier(b, a);
}

size_t key_states_successor(const struct key_candidate *keys, size_t count, const struct algorithm *former) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        bool is_able = keys[i].can_sign && (keys[i].state == KEY_STANDBY || keys[i].state == KEY_RETIRING);
        if (is_able && (best == SIZE_MAX || is_better_successor(&keys[i], &keys[best], former)))
            best = i;
    }
    return best;
}

static struct key_choice choose_by_state(const struct key_candidate *keys, size_t count, const struct algorithm *former) {
    for (size_t i = 0; i < count; i++)
        if (keys[i].can_sign && keys[i].state == KEY_ACTIVE)
            return (struct key_choice){ .index = i };
    return (struct key_choice){ .index = key_states_successor(keys, count, former), .is_substitute = true };
}

static struct key_choice choose_by_name(const struct key_candidate *keys, size_t count, const struct key_rules *rules,
                                        int64_t now_s) {
    size_t newest = SIZE_MAX, first = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (!keys[i].can_sign || (rules->active_kid[0] != '\0' && strcmp(keys[i].kid, rules->active_kid) != 0))
            continue;
        if (rules->active_kid[0] != '\0')
            return (struct key_choice){ .index = i };
        bool is_published = keys[i].since_s <= now_s - rules->publish_before_use_s;
        if (is_published && (newest == SIZE_MAX || strcmp(keys[i].kid, keys[newest].kid) > 0))
            newest = i;
        if (first == SIZE_MAX || is_earlier(&keys[i], &keys[first]))
            first = i;
    }
    return (struct key_choice){ .index = newest != SIZE_MAX ? newest : first };
}

/* When a key is gone, or one signs in place of the chosen one. */
static int64_t change_of(const struct key_candidate *key, const struct key_candidate *chosen, bool has_states,
                         const struct key_rules *rules, int64_t now_s) {
    if (has_states)
        return key->state == KEY_RETIRING ? key->since_s + rules->keep_s + 1 : INT64_MAX;
    int64_t signs_from_s = !key->can_sign ? 0 : key->since_s + rules->publish_before_use_s;
    return signs_from_s > now_s && strcmp(key->kid, chosen->kid) != 0 ? signs_from_s : INT64_MAX;
}

struct key_choice key_states_choose(const struct key_candidate *keys, size_t count, bool has_states,
                                    const struct algorithm *former, const struct key_rules *rules, int64_t now_s) {
    struct key_choice choice = has_states ? choose_by_state(keys, count, former) : choose_by_name(keys, count, rules, now_s);
    choice.next_change_s = INT64_MAX;
    bool is_fixed = !has_states && rules->active_kid[0] != '\0';
    for (size_t i = 0; i < count && choice.index != SIZE_MAX && !is_fixed; i++) {
        int64_t change_s = change_of(&keys[i], &keys[choice.index], has_states, rules, now_s);
        if (change_s > now_s && change_s < choice.next_change_s)
            choice.next_change_s = change_s;
    }
    return choice;
}
