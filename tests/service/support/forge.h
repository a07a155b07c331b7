/*
 * forge: access tokens that are signed with a service's own keys, right or wrong in one point. They are written by hand and
 * signed by OpenSSL and libsodium, so that what verifies them is tested against another implementation than itself. All functions
 * fail the test on any error.
 */
#ifndef JWTD_TEST_FORGE_H
#define JWTD_TEST_FORGE_H

#include <stddef.h>

#define FORGED_SIZE 24576
#define FORGER_SECRET_MAX 64

enum signer { BY_HS256, BY_ES256, BY_RS256, SIGNER_COUNT };

enum signed_with {
    SIGNED_WITH_KEY,
    SIGNED_WITH_PUBLIC_PEM,  /* HS256, whatever the signer: its public key as PEM is the secret */
    SIGNED_WITH_STRANGE_KEY, /* another key of the same algorithm, which is in the header as `jwk` */
    SIGNED_WITH_NOTHING,     /* an empty signature */
};

/* Members that are 0 stand for what the service writes. */
struct forged {
    const char *kid; /* as JSON; "" leaves it out */
    const char *alg;
    const char *header; /* more members of the header, such as "\"crit\":[\"x\"]" */
    const char *issuer, *audience;
    const char *without;   /* a claim that is left out */
    int lives_s, begins_s; /* exp and nbf from now on */
    enum signed_with signed_with;
};

/* The newest key by name of each algorithm in a directory, and a strange one of each. The caller ends it by forger_fini. */
struct forger {
    char kid[SIGNER_COUNT][80];
    unsigned char secret[FORGER_SECRET_MAX], strange_secret[FORGER_SECRET_MAX];
    size_t secret_len;                                                   /* of both */
    struct evp_pkey_st *keys[SIGNER_COUNT], *strange_keys[SIGNER_COUNT]; /* NULL for HS256 */
};

void forger_init(struct forger *forger, const char *keys_dir);
void forger_fini(struct forger *forger);

void forge(const struct forger *forger, enum signer signer, const struct forged *forged, char token[FORGED_SIZE]);

#endif
