/*
 * change_context: who makes a change, and from where: what the audit (auth_events) keeps of a change besides what was changed.
 *
 * It is built once, from the request (by the pipeline, for POST, PATCH and DELETE) or from the command (command_change.h), as the
 * text of a JSON object. A query and a call carry that text (`change` in db.h), and every statement that changes state takes it
 * as one parameter, which the pieces of SQL in src/store/sql.h read; besides for the audit, for the Idempotency-Key under which
 * the change is made, which is remembered with it. Without one (NULL) a change is noted without these facts, as one of the user
 * whom it concerns.
 */
#ifndef JWTD_CHANGE_CONTEXT_H
#define JWTD_CHANGE_CONTEXT_H

#include "jwtd/arena.h"
#include "jwtd/text.h"

/* A member that is NULL is left out of the object. */
struct change_context {
    /* "user:UUID", "admin:UUID", "service:NAME", "shell:OSUSER", "system"; NULL: no credential says it (register, login, refresh,
     * logout by refresh token), so it is the user whose account or session is changed */
    const char *actor;
    /* Of an administrator's access token: the change is refused unless this session has not ended and its user still is an
     * administrator and not disabled, as the database has it. NULL: the change is not one that only administrators make */
    const char *session;
    const char *ip;
    struct text user_agent;
    const char *request_id;
    const char *key, *fingerprint; /* of idempotency_keys.h; NULL: the request has no key */
};

/* NUL-terminated, in the arena; NULL: out of memory. */
const char *change_context_text(const struct change_context *context, struct arena *arena);

#endif
