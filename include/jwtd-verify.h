/*
 * jwtd-verify.h: libjwtd-verify, which checks the access tokens of jwtd in another service of the same machine or network.
 *
 * A token is checked by keys: those of a directory (the service's token.keys_dir or a copy), of a JWKS (RFC 7517), or both. Given
 * the address of the service and credentials (`jwtd service add NAME`), a verifier also follows the service's feed of revocations
 * in a thread of its own, so that a token is refused within a second of its session's logout; and fetches the public keys from
 * SERVICE/.well-known/jwks.json. It is the code by which the service itself checks tokens.
 *
 *     struct jwtd_verify_options options = { .jwks = text, .jwks_len = strlen(text), .service_url = "https://auth.example",
 *                                            .service_name = "shop", .service_secret = secret };
 *     struct jwtd_verifier *verifier = jwtd_verify_create(&options, sizeof options, error, sizeof error);
 *     jwtd_verify_wait(verifier, 5000);
 *     if (jwtd_verify(verifier, token, token_len, &claims, sizeof claims) == JWTD_VERIFY_VALID) ...
 *
 * While the feed is lost, a verifier goes on from memory: what it knows is then as old as jwtd_verify_stale_s says, and beyond
 * max_stale_s every token that would be valid is JWTD_VERIFY_STALE. So it is before the first synchronisation (jwtd_verify_wait).
 * A key that was revoked, by the feed or by keys.conf, is never good again for the verifier that has learnt it. There is place
 * for 1024; with more, every token that would be valid is JWTD_VERIFY_STALE until the verifier is made again.
 * Roles are those of the token: when a user's roles change, they take effect here with the next token.
 *
 * Threads: every function but jwtd_verify_destroy may be called by any number of threads at once on one verifier; a process may
 * have several. jwtd_verify waits for no network; it may read the directory of keys, up to ten times a second while it changes.
 * The thread of a verifier has all signals blocked. The library writes nothing to stdout or stderr, exports no name but those
 * below, calls curl_global_init and sodium_init once, and stays loaded after dlclose.
 *
 * fork: a verifier belongs to the process that has made it. In the child no function waits for a lock of the copy: every token
 * is JWTD_VERIFY_STALE, with service_url and without, jwtd_verify_last_error says why, other functions return false or
 * INT64_MAX, and jwtd_verify_destroy does nothing. Create verifiers after the last fork.
 *
 * ABI: structures are passed with their size, as the caller was compiled. Members are only added, at the end; zero is the default
 * of each. So a program runs with every later libjwtd-verify.so.1. C11, or C++ from C++11.
 */
#ifndef JWTD_VERIFY_H
#define JWTD_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JWTD_VERIFY_API __attribute__((visibility("default")))

/* The service allows for clocks that differ by so much, and so does a verifier by default. Other libraries have other defaults:
 * nimbus-jose-jwt and jsonwebtoken (Rust) 60 s, PyJWT and golang-jwt 0. */
#define JWTD_VERIFY_LEEWAY_S 5
#define JWTD_VERIFY_NO_LEEWAY (-1)
#define JWTD_VERIFY_LEEWAY_MAX_S 300
#define JWTD_VERIFY_MAX_STALE_S 60

struct jwtd_verifier;

enum jwtd_verify_result {
    JWTD_VERIFY_VALID,       /* and only then there are claims */
    JWTD_VERIFY_INVALID,     /* no token of these keys for this issuer and audience, or not valid yet */
    JWTD_VERIFY_EXPIRED,     /* it was valid once */
    JWTD_VERIFY_REVOKED,     /* its session has ended, or its key was revoked */
    JWTD_VERIFY_UNKNOWN_KEY, /* its `kid` is of no key, also after the keys were read again (fetched keys: are being fetched) */
    JWTD_VERIFY_STALE, /* it would be valid, but what is known of revocations is too old or not whole; or its key is not known
                          while no keys were fetched yet, or while keys_dir has a file of it and cannot be read: answer 503 */
    JWTD_VERIFY_OUT_OF_MEMORY, /* nothing was decided: answer 503 */
};

/* Strings are copied; they may be NULL or "" where a default is named. */
struct jwtd_verify_options {
    const char *keys_dir; /* key files <kid>.hs256 and so on, and keys.conf, if there is one: it says which keys are revoked, and
                             which retire, and so are left out max_life_s and leeway after that, and a minute; NULL: none */
    const char *jwks;     /* a JWK Set as text: EC (ES256), RSA (RS256), and oct (HS256) keys, each with `kid`; NULL: none */
    size_t jwks_len;
    const char *issuer;   /* exactly this `iss`; NULL: "jwtd", the service's default */
    const char *audience; /* this one of `aud`; NULL: "jwtd" */
    int32_t
        leeway_s; /* 0: JWTD_VERIFY_LEEWAY_S; JWTD_VERIFY_NO_LEEWAY; else 1 to JWTD_VERIFY_LEEWAY_MAX_S, 30 with service_url */
    int32_t max_life_s; /* a token with more seconds from `iat` to `exp` is invalid; 0: a day, the most that jwtd can be set to */
    int32_t max_stale_s;     /* 0: JWTD_VERIFY_MAX_STALE_S; else 2 to 86400 */
    const char *service_url; /* "https://host[:port]", or "http://" on this machine; NULL: no feed, and no keys but those above */
    const char *service_name;   /* of `jwtd service add NAME` */
    const char *service_secret; /* what that has printed */
    const char *ca_file;        /* certificates (PEM) that service_url is checked with; NULL: those of the system */
    /* Called with a sentence when something begins or ceases to be wrong with the feed or the keys, for the caller's log: by the
     * verifier's thread, or one that calls a function below. The text ends with the call. NULL: none. */
    void (*report)(void *context, const char *text);
    void *report_context;
    int plain_http; /* not 0: http:// also to other machines, where any machine on the way can read the secret and forge keys */
};

struct jwtd_verify_claims {
    char user_id[37];    /* `sub`, a UUID in lower case */
    char session_id[37]; /* `sid`, a UUID in lower case */
    char roles[1025];    /* names separated by commas, "" for none; see jwtd_verify_has_role */
    int64_t issued_at;   /* `iat`, seconds since 1970 */
    int64_t expires_at;  /* `exp` */
};

/* A verifier, to be destroyed; options_size is sizeof(struct jwtd_verify_options). It reads the keys of keys_dir and jwks, which
 * must be valid, and starts following the feed without waiting for it. NULL: the reason, with the name of the file or option, is
 * in `error`, of error_size bytes (256 are enough but for long paths). */
JWTD_VERIFY_API struct jwtd_verifier *jwtd_verify_create(const struct jwtd_verify_options *options, size_t options_size,
                                                         char *error, size_t error_size);

/* Stops the thread (within milliseconds; libcurl's own thread that resolves a name may outlive it), wipes keys, cached tokens and
 * its copy of the secret (libcurl has one of its own), and frees all. NULL is allowed. No other call on the verifier may be under
 * way. */
JWTD_VERIFY_API void jwtd_verify_destroy(struct jwtd_verifier *verifier);

/* Checks a token as it stands behind "Bearer ", token_len bytes, of any content. *claims, of claims_size bytes
 * (sizeof(struct jwtd_verify_claims)), is filled if it is valid, and zeroed if not; NULL if they are not wanted. */
JWTD_VERIFY_API enum jwtd_verify_result jwtd_verify(struct jwtd_verifier *verifier, const char *token, size_t token_len,
                                                    struct jwtd_verify_claims *claims, size_t claims_size);

/* Whether the roles of these claims contain exactly this one. */
JWTD_VERIFY_API bool jwtd_verify_has_role(const struct jwtd_verify_claims *claims, const char *role);

/* "valid", "invalid", "expired", "revoked", "unknown_key", "stale", "out_of_memory"; "unknown" for anything else. */
JWTD_VERIFY_API const char *jwtd_verify_result_name(enum jwtd_verify_result result);

/* What to answer: 200, 401 with `WWW-Authenticate: Bearer error="invalid_token"`, or 503 with `Retry-After: 1`. */
JWTD_VERIFY_API unsigned jwtd_verify_http_status(enum jwtd_verify_result result);

/* How old is what is known of revocations, in seconds: 0 or 1 while the feed is followed, INT64_MAX before the first
 * synchronisation, and always 0 without service_url. A revocation that is younger may be unknown. */
JWTD_VERIFY_API int64_t jwtd_verify_stale_s(const struct jwtd_verifier *verifier);

/* Waits until the feed was synchronised once and, if there are no other keys, keys were fetched. False: not within timeout_ms;
 * jwtd_verify_last_error says why. True at once without service_url. */
JWTD_VERIFY_API bool jwtd_verify_wait(struct jwtd_verifier *verifier, unsigned timeout_ms);

/* Writes what is wrong at present with the feed or the keys, such as "feed: 401: the service refuses name or secret" (of at most
 * 256 bytes with the NUL), and "" if nothing is. */
JWTD_VERIFY_API void jwtd_verify_last_error(struct jwtd_verifier *verifier, char *error, size_t error_size);

/* Reads keys_dir again, at once (on SIGHUP, say), and asks for the fetched keys. Without it, keys are read again when a token
 * names an unknown one, at most once a second, ten times if there is a file of it, and every minute in any case (fetched keys:
 * every five). False: the directory
 * cannot be read or has an invalid key, see jwtd_verify_last_error; the keys from before stay. */
JWTD_VERIFY_API bool jwtd_verify_read_keys(struct jwtd_verifier *verifier);

#ifdef __cplusplus
}
#endif

#endif
