/*
 * current_roles: the roles of those users whose roles have changed while access tokens that say otherwise may be alive.
 *
 * A map in memory from user ids to roles. Every instance learns from the database within a second whose roles have changed
 * (changed_roles), and the check of a bearer token puts these in the place of those in the token. An entry is removed when
 * the last token that was signed before the change must have expired, so that the map is bounded by the changes in an access
 * token's life: 80 bytes each, and the roles.
 *
 * Until the first reading of the database has come to its end the map is not ready, and requests that need it are answered 503:
 * who has lost a role must not have it again because the service was restarted. Safe from every thread: the map is cut into
 * shards, each with its own lock; while it is empty nobody takes one.
 */
#ifndef JWTD_CURRENT_ROLES_H
#define JWTD_CURRENT_ROLES_H

#include "jwtd/access_token.h"

struct current_roles;

struct current_roles *current_roles_create(int64_t access_ttl_s); /* NULL if out of memory */
void current_roles_destroy(struct current_roles *map);

/* Keeps a user's roles for the life of an access token from now on, in place of those kept before. What is no role is
 * left out. STATUS_INTERNAL: roles_json is no JSON array of strings. */
enum status current_roles_set(struct current_roles *map, const struct uuid *user_id, struct text roles_json,
                              int64_t now_s) MUST_CHECK;

/* Puts the roles of the claims' user, if there are any here, in place of the claims' own; in the arena. */
enum status current_roles_apply(struct current_roles *map, struct arena *arena, struct access_claims *claims) MUST_CHECK;

/* Removes some of the expired entries; all of them when called CURRENT_ROLES_SHARDS times. */
#define CURRENT_ROLES_SHARDS 64
void current_roles_expire(struct current_roles *map, int64_t now_s);

void current_roles_set_ready(struct current_roles *map);
bool current_roles_are_ready(const struct current_roles *map);

size_t current_roles_count(struct current_roles *map);

#endif
