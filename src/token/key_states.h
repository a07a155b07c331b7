/*
 * key_states: the states of the signing keys, as the file keys.conf in the directory of the keys says them, and what follows from
 * them: which key signs, and which still verify.
 *
 * A line for each key, `KID STATE SINCE`, separated by blanks; SINCE is a time like 2026-11-21T21:35:00Z, always in UTC. Lines
 * that are empty or begin with # are ignored. The last line ends with LF, as every line, so that a file cut short is noticed. A
 * kid stands in one line, and at most one key is active. Anything else in the file is an error, and none of it is used.
 *
 *   standby    is published and verifies, and does not sign yet. A key file without a line is standby since the time of the file.
 *   active     signs, and verifies.
 *   retiring   verifies until its last token has expired (`keep_s` after SINCE); then it is gone, although its file may remain.
 *   revoked    neither signs nor verifies, and never will again.
 *
 * Other services know a new key only after the time for which they keep the keys that they have read (token.publish_before_use).
 * `jwtd key activate` observes that; where there is no active key, or it is revoked, another one signs:
 * key_states_successor.
 *
 * Without the file every key verifies. The key that signs is the newest by name of those whose file is as old as
 * token.publish_before_use; if none is, the oldest by the time of the file. token.active_kid, if it is set, signs in any case. So
 * a new file signs when the services that keep copies of the keys have had the time to notice it, and the first key signs at
 * once.
 *
 * Used in src/token only. Functions of files: on any thread; they take no lock but where that is said.
 */
#ifndef JWTD_TOKEN_KEY_STATES_H
#define JWTD_TOKEN_KEY_STATES_H

#include "jwtd/key_state.h"
#include "jwtd/text.h"
#include "key_files.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_STATES_FILE "keys.conf"
#define KEY_STATES_MAX 256 /* lines with a key */

struct key_rules; /* keyring.h */

struct key_line {
    char kid[KID_MAX_LEN + 1];
    enum key_state state;
    int64_t since_s;
};

struct key_states {
    bool has_file; /* keys.conf */
    size_t count;
    struct key_line lines[KEY_STATES_MAX];
};

/* The text of keys.conf; it may hold any bytes. False, with the number of the line and the reason in `error`; never with what the
 * line says. `path` is for the error. */
bool key_states_parse(struct text text, const char *path, struct key_states *states, struct key_error error) MUST_CHECK;

/* Reads keys.conf in an open directory; without one *states is empty, and that is no failure. False, with the file's name and the
 * reason in `error`: it is unreadable, too long, no regular file, writable by others than owner and group, owned by others than
 * root and the user of this process, or wrong. */
bool key_states_read(int directory, const char *keys_dir, uid_t owner, struct key_states *states,
                     struct key_error error) MUST_CHECK;

/* Replaces keys.conf, with mode 0644, since it is no secret and other services that read the keys need it. The caller holds
 * directory_lock (atomic_file.h). False, with the reason in `error`: the old one is there, unless the directory alone could not
 * be synced. */
bool key_states_write(int directory, const char *keys_dir, const struct key_states *states, struct key_error error) MUST_CHECK;

const struct key_line *key_states_find(const struct key_states *states, struct text kid); /* NULL: it has no line */

/* Sets the line of a key; adds one if it has none. False: there are KEY_STATES_MAX. */
bool key_states_set(struct key_states *states, const char *kid, enum key_state state, int64_t since_s) MUST_CHECK;

/* The state of a key that has a file, `name` in the open directory: that of its line; without one, and without keys.conf, it is
 * standby since the time of the file. False, with `path` and the reason in `error`: the file is not there. */
bool key_states_of_file(const struct key_states *states, int directory, const char *name, struct text kid, const char *path,
                        struct key_line *line, struct key_error error) MUST_CHECK;

/* Whether a retiring key is gone. */
bool key_is_gone(enum key_state state, int64_t since_s, int64_t keep_s, int64_t now_s);

/* A key with a file, for the choice. */
struct key_candidate {
    const char *kid;
    enum key_state state;
    int64_t since_s; /* without keys.conf: the time of the file */
    bool can_sign;   /* not a public key alone */
    const struct algorithm *algorithm;
};

struct key_choice {
    size_t index;          /* of the key that signs; SIZE_MAX: none can */
    bool is_substitute;    /* there is keys.conf, and the key is not active in it */
    int64_t next_change_s; /* when another choice is due, or a key is gone; INT64_MAX: never */
};

/* The key that signs, by the rules above, among those that are neither revoked nor gone. `has_states`: there is keys.conf.
 * `former`: the algorithm of the key that is active in it, if that is revoked; NULL: it is not, or has no file. */
struct key_choice key_states_choose(const struct key_candidate *keys, size_t count, bool has_states,
                                    const struct algorithm *former, const struct key_rules *rules, int64_t now_s);

/* The key that takes the place of one that signed by the algorithm `former` (NULL: unknown, and does not matter): one of the same
 * algorithm rather than another with public keys, and that rather than one whose keys other services get by hand only; of these a
 * standby key, the one that was published first, rather than a retiring one, the one that was retired last. SIZE_MAX: none can
 * sign. */
size_t key_states_successor(const struct key_candidate *keys, size_t count, const struct algorithm *former);

#endif
