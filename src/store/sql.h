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
    "   RETURNING s.id, s.user_id, s.revoke_reason, s.generation" \
    " )," \
    " published AS (" \
    "   INSERT INTO revocations (session_id, user_id, reason)" \
    "   SELECT id, user_id, revoke_reason FROM revoked" \
    " )"

/*
 * A further WITH query, `noted`, that adds events to the audit (auth_events) in the statement's own transaction; one in a statement
 * that needs several kinds of events has a UNION ALL. `change` is the parameter with the change context (change_context.h), `events` a
 * SELECT of event, user_id, session_id, reason and detail (jsonb), without a row where nothing was changed: a statement that runs again
 * after its reply was lost must not note its change twice. `actor` is an expression for what no credential's owner has done.
 */
#define NOTE_EVENTS_OF(actor, change, events) \
    " noted AS (" \
    "   INSERT INTO auth_events (event, user_id, session_id, reason, detail, actor, ip, user_agent, request_id)" \
    "   SELECT e.event, e.user_id, e.session_id, e.reason, e.detail, coalesce(c.actor, " actor "), c.ip, c.user_agent, c.request_id" \
    "   FROM (" events ") AS e (event, user_id, session_id, reason, detail)," \
    "     jsonb_to_record(" change "::jsonb) AS c (actor text, ip inet, user_agent text, request_id text)" \
    " )"
#define NOTE_EVENTS(change, events) NOTE_EVENTS_OF("'user:' || e.user_id", change, events)

/* One event: `columns` are user_id, session_id, reason and detail. */
#define EVENT(name, columns, from) "SELECT '" name "', " columns " FROM " from

/* Those of the sessions that REVOKE_AND_PUBLISH has ended, with the number of their refreshes, which are no events themselves. */
#define SESSIONS_ENDED \
    EVENT("session_ended", "user_id, id, revoke_reason, jsonb_build_object('refreshes', generation - 1)", "revoked")

/* For EVENT: of a user, without a session, a reason and details. */
#define OF_USER "id, NULL::uuid, NULL, NULL::jsonb"

/* The advisory lock that a statement holds while it makes a change under an Idempotency-Key, and whoever looks for that change waits for.
 * `digest` is an expression, hexadecimal; NULL for NULL. */
#define LOCK_OF_KEY(digest) "hashtextextended(" digest ", 0)"

/*
 * A further WITH query, `remembered`, that remembers the request's Idempotency-Key, if it has one, with the change itself
 * (idempotency_keys.h). `change` is the parameter with the change context; `from` has a row if the change is made, else none, and never
 * two; `columns` are the user and the session that the reply is made of. Without a key there is no lock and no row: the lock's function is
 * strict.
 */
#define REMEMBER_KEY(change, columns, from) \
    " remembered AS (" \
    "   INSERT INTO idempotency_keys (digest, fingerprint, user_id, session_id)" \
    "   SELECT decode(" change "::jsonb ->> 'key', 'hex'), decode(" change "::jsonb ->> 'fingerprint', 'hex'), made.*" \
    "   FROM (SELECT " columns " FROM " from ") AS made" \
    "   WHERE pg_advisory_xact_lock(" LOCK_OF_KEY(change "::jsonb ->> 'key'") ") IS NOT NULL" \
    " )"

/* Of the change context: the session with which an administrator makes the change; NULL: nobody does, or a command. */
#define SESSION_OF_ADMINISTRATOR(change) "(" change "::jsonb ->> 'session')::uuid"

/* For REMEMBER_KEY: of a user, without a session. */
#define THE_USER "id, NULL::uuid"

/* The household or host of an address: IPv4 whole, IPv6 by its first 64 bits. `ip` is an expression, a parameter as a rule. */
#define NETWORK_OF(ip) "network(set_masklen(" ip "::inet, CASE family(" ip "::inet) WHEN 4 THEN 32 ELSE 64 END))"

/* clang-format on */

#endif
