/*
 * service_credentials: which services may introspect and revoke tokens and follow revocations, and with which secrets.
 *
 * The file services.credentials_file has a line "NAME HASH" for each secret: the name of a service (1 to 64 of A-Z a-z 0-9 . _
 * -), one blank, and the SHA-256 of the secret in 64 lower-case hexadecimal digits. A secret is 32 random bytes in base64url (43
 * characters), so that its hash needs neither salt nor stretching. A service may have two secrets at a time, the older one first,
 * so that it can change to another one without an outage. The file is read strictly: nothing else may stand in it, no line twice,
 * and at most SERVICE_SECRETS_MAX lines. A file that is missing, or empty, means that there are no services. Its mode and owner
 * are checked as those of a key file (src/token/key_files.h).
 *
 * A set is not modified after it was loaded: safe from every thread. The functions that change the file are for commands, on one
 * thread.
 */
#ifndef JWTD_SERVICE_CREDENTIALS_H
#define JWTD_SERVICE_CREDENTIALS_H

#include "jwtd/status.h"
#include "jwtd/text.h"

#include <stdbool.h>
#include <stddef.h>

#define SERVICE_NAME_MAX_LEN 64
#define SERVICE_SECRET_LEN 43 /* base64url of 32 bytes */
#define SERVICE_SECRET_SIZE (SERVICE_SECRET_LEN + 1)
#define SERVICE_SECRETS_MAX 128
#define SERVICE_SECRETS_EACH 2

struct service_credentials;

/* NULL, with the reason and the file's name in `error` (at least 512 bytes), if the file is there and is not as above. */
struct service_credentials *service_credentials_load(const char *file, char *error, size_t error_size);
struct service_credentials *service_credentials_copy(const struct service_credentials *set); /* NULL: out of memory */
void service_credentials_destroy(struct service_credentials *set);

size_t service_credentials_count(const struct service_credentials *set); /* of secrets */

/*
 * The service whose name and secret these are, borrowed from the set; NULL: there is none. Both may be any bytes. Every line of
 * the file is compared, each in constant time, whatever the name: so the time depends on the length of the secret and the number
 * of lines only, and does not reveal which names exist.
 */
const char *service_credentials_check(const struct service_credentials *set, struct text name, struct text secret);

/* Calls `visit` for each service, in the order of the file. */
void service_credentials_visit(const struct service_credentials *set,
                               void (*visit)(void *context, const char *name, size_t secrets), void *context);

bool service_is_name(struct text name);

/* The same for a command: root reads with the rights of the owner, as below. */
struct service_credentials *service_credentials_load_as_owner(const char *file, char *error, size_t error_size);

/*
 * What a command changes. The file is written aside and takes the old one's place by rename, with its mode (0600 if it is new);
 * commands at the same time wait for each other, for up to ten seconds (src/token/atomic_file.h). A command that is killed
 * leaves the file as it was before or after; a file "<name>~new" may remain, which the next command replaces. Root writes with
 * the rights of the first owner of a directory on the way who is not root (src/token/owner_rights.h). False, with the reason in
 * `error` (at least 512 bytes): the file is as it was, unless the directory alone could not be synced.
 */
enum service_change {
    SERVICE_ADD,      /* a service with its first secret; there must be none of this name */
    SERVICE_ROTATE,   /* a second secret; the first stays valid */
    SERVICE_DROP_OLD, /* the older of two secrets is removed */
    SERVICE_DROP_NEW, /* the newer one */
    SERVICE_REMOVE    /* the service and all its secrets */
};

/* ADD and ROTATE write `secret` if the file has it from then on, the other changes leave it; the caller wipes it. */
bool service_credentials_change(const char *file, enum service_change change, struct text name, char secret[SERVICE_SECRET_SIZE],
                                char *error, size_t error_size) MUST_CHECK;

#endif
