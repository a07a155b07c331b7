/* Pieces of SQL that several statements share, as literals, so that each statement is one constant text. */
#ifndef JWTD_STORE_SQL_H
#define JWTD_STORE_SQL_H

/* A parameter in milliseconds as an interval. */
#define MS(parameter) "(" parameter "::bigint * interval '1 millisecond')"

/* Ends those of the sessions named by `doomed` that still live, as `ended`, and writes them down for the other instances. */
#define END_DOOMED(reason)                                                                                                       \
    "ended AS (UPDATE sessions SET revoked_at = now(), revoke_reason = " reason                                                  \
    " WHERE id IN (SELECT id FROM doomed) AND revoked_at IS NULL RETURNING id, user_id),"                                        \
    " told AS (INSERT INTO revocations (session_id, user_id, reason) SELECT id, user_id, " reason " FROM ended)"

#endif
