/*
 * keyring: the signing keys of access tokens, by key id, and the keys of refresh tokens.
 *
 * token.keys_dir holds one file per signing key, whose suffix names the algorithm (src/token/algorithm.h) and whose name in front
 * of that is the key's id: `<kid>.hs256` has 32 to 512 bytes of key in base64url (with or without padding), `<kid>.es256` and
 * `<kid>.rs256` a private key in PEM, or a public key, which verifies only (src/token/public_key.h). White space at the end is
 * ignored. A kid is 1 to 64 of
 * A-Z a-z 0-9 . _ -, and no two keys have the same. Other files are ignored with a warning, and those whose name begins with a
 * dot without one.
 *
 * The file keys.conf beside them says which key signs, which verify only, and which are refused (src/token/key_states.h). Without
 * it every key verifies, and one that can signs: token.active_kid; or the newest by name that has been there for
 * token.publish_before_use (by the time of its file), so that services which keep copies of the keys know it before its first
 * token comes. The ring holds the keys that verify at the moment when it is loaded, and says when that will be different.
 *
 * The file token.refresh_key_file holds the refresh key that signs, 32 bytes. Files beside it whose name has one part more
 * ("refresh.key.2026-11" beside "refresh.key"; the part is made of A-Z a-z 0-9 _ -) hold keys that verify only; other files
 * whose name begins so are ignored with a warning. To replace the key without ending a session: put the new one beside it,
 * reload every instance, exchange the names of the two, reload every instance, and remove the old one when the last session that
 * began before must have ended. The log line keys_read has the number of keys and the id of the one that signs.
 *
 * keyring_load fails, and names the file, if a key file holds no good key, is unreadable, accessible to others than owner and
 * group (a public key may be read by all), or owned by others than root and the user of this process; or if others than root,
 * that user and the group could add a file to the directory of signing keys or that of the refresh key (src/token/key_files.h).
 * Keys of HS256 and refresh keys are in sodium_malloc'ed, read-only memory, others in that of OpenSSL, which is not touched
 * without such a key.
 *
 * A ring is not modified after keyring_load: safe from every thread. A reload makes another one.
 */
#ifndef JWTD_KEYRING_H
#define JWTD_KEYRING_H

#include "jwtd/key_state.h"
#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_MAX 64
#define KEY_LATE_S 60 /* after so long every instance has noticed that a key signs no more, also with a clock that is behind */
#define REFRESH_KEY_BYTES 32
#define REFRESH_KEY_ID_BYTES 4
#define REFRESH_KEYS_MAX 16

struct revoked_keys;

/* From the configuration (options.h); texts are borrowed. */
struct key_rules {
    const char *keys_dir, *active_kid, *refresh_key_file;
    int64_t publish_before_use_s;
    int64_t refresh_keep_s; /* how long a refresh key is needed after its last signature: the life of a session */
    struct revoked_keys
        *revoked; /* borrowed while a ring lives; NULL: what keys.conf says of revoked keys is all that is known */
    int64_t
        keep_s; /* how long after its line in keys.conf a key must verify: the life of an access token, the leeway, KEY_LATE_S */
};

struct keyring;
struct algorithm;
struct evp_pkey_st;                  /* OpenSSL's EVP_PKEY */
struct crypto_auth_hmacsha512_state; /* libsodium's */

struct signing_key {
    char kid[KID_MAX_LEN + 1];
    const struct algorithm *algorithm; /* the only one that it signs and verifies with */
    const uint8_t *bytes;              /* of HS256: sodium_malloc'ed; else NULL */
    size_t len;
    struct evp_pkey_st *pair; /* of other algorithms; NULL with HS256 */
    size_t signature_size;    /* bytes of every signature by it */
    bool can_sign;            /* false: a public key alone */
    enum key_state state;     /* by keys.conf; KEY_STANDBY without it */
    int64_t since_s;          /* of the state; without a line in keys.conf the time of the file */
};

struct refresh_key {
    uint8_t id[REFRESH_KEY_ID_BYTES]; /* derived from the key; two keys may have the same */
    const uint8_t *bytes;             /* REFRESH_KEY_BYTES, sodium_malloc'ed */
    /* HMAC-SHA512-256 begun with the key, to be copied: half the cost of a MAC of so few bytes. It is worth as much as the key,
     * and sodium_malloc'ed, too. */
    const struct crypto_auth_hmacsha512_state *mac;
};

/* At the time `now_s` (clock_wall_s). NULL on any failure; the reason, with the file's name, is written to `error` (512 bytes are
 * enough but for long paths). A ring without a key that may sign is no failure; it is logged. */
struct keyring *keyring_load(const struct key_rules *rules, int64_t now_s, char *error, size_t error_size);
/* The same for a command, as the service reads them: root acts with the rights of the directory's owner, who is the user of the
 * service (owner_rights.h). On one thread. */
struct keyring *keyring_load_as_owner(const struct key_rules *rules, int64_t now_s, char *error, size_t error_size);
void keyring_destroy(struct keyring *keyring);

/* The key that signs; NULL: none may, for instance since it was revoked a moment ago and another ring is not loaded yet. */
const struct signing_key *keyring_active(const struct keyring *keyring);

/* When another key signs, or one is gone, so that another ring must be loaded: seconds, INT64_MAX for never. */
int64_t keyring_next_change(const struct keyring *keyring);

const struct signing_key *keyring_find(const struct keyring *keyring, struct text kid);       /* NULL: unknown */
const struct refresh_key *keyring_refresh_keys(const struct keyring *keyring, size_t *count); /* the first signs; never none */
/* How many keys are known to be revoked; a number that only grows. A key of the ring that is revoked is not found any more. */
size_t keyring_revocations(const struct keyring *keyring);

/* Why another ring must be loaded, as a word for the log: keys.conf is another file than the one that was read, a key of the ring
 * was revoked, or the time of keyring_next_change has come. NULL: this one is up to date. It asks the disk once. */
const char *keyring_outdated(const struct keyring *keyring, int64_t now_s);

const char *signing_key_algorithm(const struct signing_key *key); /* "ES256" */

size_t keyring_count(const struct keyring *keyring);
const struct signing_key *keyring_key(const struct keyring *keyring, size_t index); /* below keyring_count; sorted by kid */

bool keyring_has_algorithm(const char *name); /* whether there is a suffix of key files of this name: "hs256" */

/* Writes the names that keyring_has_algorithm knows: "hs256, es256, rs256"; returns `text`. */
#define KEYRING_ALGORITHMS_SIZE 64
const char *keyring_algorithms(char text[KEYRING_ALGORITHMS_SIZE]);

/* Whether the directory of the keys has a file for this kid at the moment, valid or not, which was not left out of the ring
 * because the key is revoked or gone; true also when the directory cannot be listed. It is listed, since a lookup of a name that
 * does not exist would leave an entry in the kernel's cache for each kid that a client makes up. */
bool keyring_may_have(const struct keyring *keyring, struct text kid) MUST_CHECK;

/*
 * Makes a new signing key in keys_dir, which is created with mode 0700 if it is missing, as a file that those can read who can
 * read the newest private key there, or, if it is the first, of mode 0600 or 0640 (src/token/key_files.h: key_file_create),
 * named by UTC time ("20261120T213500Z-1a2b.hs256"), and the refresh key if there is none. `algorithm` is "hs256" (48 random
 * bytes), "es256" or "rs256" (2048 bits), as keyring_has_algorithm knows it. Files appear whole (written aside, synced, then
 * linked without overwriting). Root does it with the rights of the first owner of a directory on the way who is not root, so that
 * the files belong to him (src/token/owner_rights.h). The new kid is written to `kid`. False, with the reason in `error` (at
 * least 512 bytes); also when keys_dir holds KEYS_MAX keys, since keyring_load would fail with one more. Concurrent calls may
 * exceed that limit.
 *
 * If it is killed at any moment, there is a refresh key only if there is a signing key. A file that was written aside may remain,
 * "<name>~new-<8 hexadecimal digits>", which is ignored.
 */
bool keyring_generate(const char *keys_dir, const char *refresh_key_file, const char *algorithm, char kid[KID_MAX_LEN + 1],
                      char *error, size_t error_size) MUST_CHECK;

/* The same, but makes a signing key only if keys_dir holds none of any algorithm, valid or not; otherwise `kid` is "". If nothing
 * is missing it writes nothing. Concurrent calls may make a signing key each. */
bool keyring_complete(const char *keys_dir, const char *refresh_key_file, const char *algorithm, char kid[KID_MAX_LEN + 1],
                      char *error, size_t error_size) MUST_CHECK;

#endif
