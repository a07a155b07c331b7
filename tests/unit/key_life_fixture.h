/*
 * key_life_fixture: what the tests of key_life.h share: a scratch directory with key files, whose rules the commands get, and
 * what the directory has come to.
 */
#ifndef JWTD_TESTS_KEY_LIFE_FIXTURE_H
#define JWTD_TESTS_KEY_LIFE_FIXTURE_H

#include "token_fixture.h"

#include "jwtd/key_life.h"

#include <utime.h>

#define NOW INT64_C(1795297600) /* 2026-11-21T21:46:40Z */
#define PUBLISH INT64_C(1200)
#define KEEP (FIXTURE_TTL + ACCESS_TOKEN_LEEWAY_S)

static struct scratch scratch;
static char keys_dir[PATH_MAX], refresh_file[PATH_MAX], error[512];
static struct key_rules rules;
static struct key_change change;

static inline void key_life_set_up(void) {
    scratch = scratch_create();
    snprintf(keys_dir, sizeof keys_dir, "%s", scratch_path(&scratch, "keys"));
    snprintf(refresh_file, sizeof refresh_file, "%s", scratch_path(&scratch, "refresh.key"));
    rules = (struct key_rules){
        .keys_dir = keys_dir, .active_kid = "", .refresh_key_file = refresh_file, .publish_before_use_s = PUBLISH, .keep_s = KEEP
    };
    error[0] = '\0';
    ck_assert_int_ge(sodium_init(), 0);
}

static inline void key_life_tear_down(void) {
    scratch_destroy(&scratch);
}

/* A key of HS256 that was made then, and the refresh key. */
static inline void write_key_file(const char *kid, int64_t made_s) {
    char path[64];
    mkdir(keys_dir, 0700);
    scratch_write_text(&scratch, "refresh.key", FIXTURE_KEY_1);
    snprintf(path, sizeof path, "keys/%s.hs256", kid);
    scratch_write_text(&scratch, path, FIXTURE_KEY_1);
    ck_assert_int_eq(utime(scratch_path(&scratch, path), &(struct utimbuf){ made_s, made_s }), 0);
}

/* "a:active b:standby", sorted; a key without a file in brackets, the one that signs with a star. */
static inline const char *states_at(int64_t now_s) {
    static char text[1024];
    struct key_list list;
    size_t len = 0;
    ck_assert_msg(key_list_read(&rules, now_s, &list, error, sizeof error), "%s", error);
    text[0] = '\0';
    for (size_t i = 0; i < list.count; i++) {
        const struct key_info *key = &list.keys[i];
        len += (size_t)snprintf(text + len, sizeof text - len, key->algorithm != NULL ? "%s%s:%s%s" : "%s(%s:%s)%s",
                                len > 0 ? " " : "", key->kid, key->is_gone ? "gone" : key_state_name(key->state),
                                key->signs ? "*" : "");
    }
    return text;
}

/* What the service would load. */
static inline struct keyring *load_at(int64_t now_s) {
    return keyring_load(&rules, now_s, error, sizeof error);
}

/* How many refresh keys it has; the one that signs is copied. */
static inline size_t refresh_keys(const struct keyring *ring, uint8_t signing[REFRESH_KEY_BYTES]) {
    size_t count;
    const struct refresh_key *keys = keyring_refresh_keys(ring, &count);
    memcpy(signing, keys[0].bytes, REFRESH_KEY_BYTES);
    return count;
}

#define ADD(now) key_add(&rules, now, "hs256", &change, error, sizeof error)
#define ACTIVATE(now, kid, at_once) key_activate(&rules, now, kid, at_once, &change, error, sizeof error)
#define RETIRE(now, kid) key_retire(&rules, now, kid, &change, error, sizeof error)
#define REVOKE(now, kid) key_revoke(&rules, now, kid, &change, error, sizeof error)
#define PRUNE(now) key_prune(&rules, now, &change, error, sizeof error)
#define ROTATE(now, at_once) key_rotate_refresh(&rules, now, at_once, &change, error, sizeof error)

#endif
