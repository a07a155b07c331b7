/* Pieces of SQL that several statements share, as literals, so that each statement is one constant text. */
#ifndef JWTD_STORE_SQL_H
#define JWTD_STORE_SQL_H

/* A number that is a macro, as text of a statement. */
#define TEXT_OF_MACRO_(number) #number
#define TEXT_OF_MACRO(number) TEXT_OF_MACRO_(number)

/* Sessions that live; the statement's second parameter is the idle limit in milliseconds. */
#define LIVE "revoked_at IS NULL AND expires_at > now() AND last_used_at > now() - $2 * interval '1 millisecond'"

/* Sessions that are to be ended, or were by an earlier run of the same statement whose answer was lost: told of again. */
#define NOT_LONG_REVOKED "(revoked_at IS NULL OR revoked_at > now() - interval '1 minute')"

/* The parent of the current generation of sessions s: the one that may be presented again (0005_session_retries.sql). */
#define PARENT "CASE s.retry_successor WHEN s.generation THEN s.retry_generation ELSE s.generation - 1 END"

/* The last generation that the column holds, and a refresh token (refresh_token.h). */
#define GENERATION_MAX "2147483647"

/* The order in which every statement locks several sessions, so that two of them cannot block each other. */
#define NEWEST_FIRST " ORDER BY created_at DESC, id DESC"

/* Ends those sessions of `doomed` (id, reason) that still live, and writes them down for the other instances. */
#define END_DOOMED                                                                                                               \
    "ended AS (UPDATE sessions s SET revoked_at = now(), revoke_reason = doomed.reason FROM doomed"                              \
    " WHERE s.id = doomed.id AND s.revoked_at IS NULL RETURNING s.id, s.user_id, s.revoke_reason),"                              \
    " told AS (INSERT INTO revocations (session_id, user_id, reason) SELECT id, user_id, revoke_reason FROM ended)"

/* What stands for the household or host of an address: IPv4 whole, IPv6 by its first 64 bits. */
#define NETWORK_OF(ip) "network(set_masklen(" ip "::inet, CASE family(" ip "::inet) WHEN 4 THEN 32 ELSE 64 END))"

#endif
