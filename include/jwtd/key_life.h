/*
 * key_life: what an operator does with signing keys (`jwtd key`). A key is standby, then active, then retiring, then gone; or
 * revoked, from any of these (src/token/key_states.h says what each means, and how the file keys.conf looks).
 *
 * A change is one atomic replacement of keys.conf, under a lock that other processes respect too. Whenever it is killed, there
 * are the states from before or those from after; a key file that was made and has no line yet is standby. Root acts with the
 * rights of the directory's owner (src/token/owner_rights.h). The first change makes keys.conf: the key that signs is active in
 * it, keys with newer names are standby, and those with older ones are retiring, since they may have signed.
 *
 * A running service notices a change within a second (src/server/key_task.c).
 *
 * For commands: on one thread, after sodium_init. `now_s` is clock_wall_s. Functions that return false have written the reason to
 * `error`, at least 512 bytes.
 */
#ifndef JWTD_KEY_LIFE_H
#define JWTD_KEY_LIFE_H

#include "jwtd/key_state.h"
#include "jwtd/keyring.h"

#define KEY_LIST_MAX 320 /* keys with a file, with a line, or both */
#define KEY_NOTE_SIZE 512

struct key_info {
    char kid[KID_MAX_LEN + 1];
    const char *algorithm; /* "HS256"; NULL: there is no file of this key */
    enum key_state state;
    int64_t since_s;
    bool signs, can_sign; /* can_sign: its file is no public key alone */
    bool is_readable;     /* with the rights of the directory's owner; if it is not, the service does not take the keys */
    bool is_gone;         /* retiring, and verifies no more */
    int64_t next_s;       /* standby: when it may sign; retiring: when it verifies no more; else 0 */
};

/* Sorted by kid. */
struct key_list {
    bool has_states; /* there is keys.conf */
    size_t count;
    struct key_info keys[KEY_LIST_MAX];
};

bool key_list_read(const struct key_rules *rules, int64_t now_s, struct key_list *list, char *error,
                   size_t error_size) MUST_CHECK;

/* What a change has done. */
struct key_change {
    char kid[KID_MAX_LEN + 1];    /* of the key that was named or made; of prune: empty */
    char active[KID_MAX_LEN + 1]; /* the key that is active now; empty: none */
    bool is_new_signer;           /* of activate and revoke: that one did not sign before */
    const char *algorithm;        /* of add: of the key that was made, "es256" */
    char note[KEY_NOTE_SIZE];     /* what the operator should know; empty: nothing */
    unsigned removed;             /* files, by prune */
};

/* Makes a key of this algorithm (keyring_generate) that is standby; where no key signs, it is active at once. NULL: the algorithm
 * of the key that signs, or else of the one that was given up last, so that services that verify by themselves can verify by the
 * new one, too; if there has been no key, the default one. Refused if the directory does not exist (keyring_generate makes it),
 * since it is another one than that of the service then. */
bool key_add(const struct key_rules *rules, int64_t now_s, const char *algorithm, struct key_change *change, char *error,
             size_t error_size) MUST_CHECK;

/* Makes a standby or retiring key active, and the one that was active retiring. Refused before it has been standby for
 * publish_before_use_s, unless `at_once`, or no key signs; and if the service could not read its file. */
bool key_activate(const struct key_rules *rules, int64_t now_s, const char *kid, bool at_once, struct key_change *change,
                  char *error, size_t error_size) MUST_CHECK;

/* Makes a standby key retiring. The active one is refused: another is to be activated. */
bool key_retire(const struct key_rules *rules, int64_t now_s, const char *kid, struct key_change *change, char *error,
                size_t error_size) MUST_CHECK;

/* Revokes a key for good. If it signed, another standby or retiring key is active now, if there is one: of the same algorithm if
 * possible (key_states_successor), and the note says what follows from that. Other instances that do not share the directory
 * learn it from the database only (key_revocations.h). */
bool key_revoke(const struct key_rules *rules, int64_t now_s, const char *kid, struct key_change *change, char *error,
                size_t error_size) MUST_CHECK;

/* Removes the files of keys that have been gone for a minute and of revoked keys; the lines of the latter stay. */
bool key_prune(const struct key_rules *rules, int64_t now_s, struct key_change *change, char *error,
               size_t error_size) MUST_CHECK;

/*
 * Replaces the refresh key in two steps, between which every instance must have read the new one, so that nobody is logged out:
 * the first call makes it beside the old one ("refresh.key.next"), where it is accepted; a second call, REFRESH_ROTATION_PAUSE_S
 * later or `at_once`, lets it sign, and keeps the old one beside it ("refresh.key.ID"). Both have running services whose keys are
 * in this directory read their keys, by writing keys.conf again. Where instances have directories of their own, the new file is
 * to be copied before the second call. change->note says what was done and what is next.
 */
#define REFRESH_ROTATION_PAUSE_S 10
bool key_rotate_refresh(const struct key_rules *rules, int64_t now_s, bool at_once, struct key_change *change, char *error,
                        size_t error_size) MUST_CHECK;

#endif
