/* Pieces of SQL that several statements share, as literals, so that each statement is one constant text. */
#ifndef JWTD_STORE_SQL_H
#define JWTD_STORE_SQL_H

/* A number that is a macro, as text of a statement. */
#define TEXT_OF_MACRO_(number) #number
#define TEXT_OF_MACRO(number) TEXT_OF_MACRO_(number)

/* clang-format off */

/* Live sessions; `idle_ms` is an expression, a parameter as a rule. */
#define LIVE(idle_ms) \
    "revoked_at IS NULL AND expires_at > now() AND last_used_at > now() - " idle_ms " * interval '1 millisecond'"

/* What sessions.last_used_day is set to together with last_used_at: the cleanup searches by it. */
#define TODAY "(now() AT TIME ZONE 'UTC')::date"

/* Sessions that an earlier run of the same statement, whose reply was lost, may have revoked: they are returned again. */
#define RECENTLY_REVOKED "revoked_at > now() - interval '1 minute'"

/* The parent of the current generation of sessions s: the one that may be presented again (0005_session_retries.sql). */
#define PARENT "CASE s.retry_successor WHEN s.generation THEN s.retry_generation ELSE s.generation - 1 END"

/* The last generation that the column holds, and a refresh token (refresh_token.h). */
#define GENERATION_MAX "2147483647"

/* The order in which every statement locks several sessions, so that two of them cannot block each other. */
#define NEWEST_FIRST " ORDER BY created_at DESC, id DESC"

/* Two further WITH queries: `revoked` ends those sessions of the WITH query `to_revoke` (columns id and reason) that are not
 * revoked, `published` inserts them into the table that the other instances read. */
#define REVOKE_AND_PUBLISH(to_revoke) \
    " revoked AS (" \
    "   UPDATE sessions s" \
    "   SET revoked_at = now(), revoke_reason = " to_revoke ".reason" \
    "   FROM " to_revoke \
    "   WHERE s.id = " to_revoke ".id AND s.revoked_at IS NULL" \
    "   RETURNING s.id, s.user_id, s.revoke_reason" \
    " )," \
    " published AS (" \
    "   INSERT INTO revocations (session_id, user_id, reason)" \
    "   SELECT id, user_id, revoke_reason FROM revoked" \
    " )"

/* The household or host of an address: IPv4 whole, IPv6 by its first 64 bits. `ip` is an expression, a parameter as a rule. */
#define NETWORK_OF(ip) "network(set_masklen(" ip "::inet, CASE family(" ip "::inet) WHEN 4 THEN 32 ELSE 64 END))"

/* clang-format on */

#endif
