/*
 * key_list: the keys of a directory as `jwtd key` finds them: files and lines of keys.conf, and which key signs. Used by
 * key_life.c only; any thread.
 */
#ifndef JWTD_TOKEN_KEY_LIST_H
#define JWTD_TOKEN_KEY_LIST_H

#include "algorithm.h"
#include "jwtd/key_life.h"
#include "key_states.h"

/* A command at work on the directory. */
struct key_work {
    const struct key_rules *rules;
    int64_t now_s;
    int directory;
    struct key_states states;
    struct key_list list;
    struct key_change *change;
    bool at_once;
    struct key_error error;
};

/* Writes the reason, behind the name of the directory. Returns false. */
bool key_work_fail(const struct key_work *work, const char *reason);

/* Reads keys.conf and the files of the directory, which is open, into work->states and work->list. False: the reason is written.
 */
bool key_work_read_list(struct key_work *work) MUST_CHECK;

/* Reads the key in the file `name` as the service will, which refuses to start with one that cannot be read. */
bool key_work_read_key(const struct key_work *work, const struct algorithm *algorithm, const char *name, bool *can_sign,
                       struct key_error error) MUST_CHECK;

struct key_candidates {
    struct key_candidate keys[KEY_LIST_MAX];
    struct key_info *infos[KEY_LIST_MAX];
    size_t count;
};

/* The keys that may be chosen to sign: neither gone nor revoked, and with a file. */
void key_work_collect(struct key_work *work, struct key_candidates *candidates);

const struct key_info *key_work_signing(const struct key_work *work);    /* NULL: none signs */
struct key_info *key_list_find(struct key_list *list, struct text kid);  /* NULL: there is none */
const struct algorithm *key_info_algorithm(const struct key_info *info); /* NULL: it has no file */

#endif
