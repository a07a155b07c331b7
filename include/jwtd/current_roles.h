/*
 * current_roles: the roles of those users whose roles have changed while access tokens with the earlier ones may be valid.
 *
 * A map in memory from user ids to roles. Every instance reads changes of roles from the database within a second
 * (changed_roles.h), and the check of a bearer token replaces those in the token by these. An entry is removed when the last
 * token that was signed before the change must have expired, so that the map is bounded by the changes in an access token's life:
 * 80 bytes each, and the roles.
 *
 * Until the first pass over the database is complete the map is not ready, and the status of a request that needs it is 503: a
 * role that was withdrawn must not be effective again because the service was restarted. Safe from every thread: the map is
 * divided into shards, each with its own lock, in a cache line of its own. A search for a user who is not in the map seldom takes
 * one: it finds the user's place empty, and only reads. One for a user who is takes it.
 */
#ifndef JWTD_CURRENT_ROLES_H
#define JWTD_CURRENT_ROLES_H

#include "jwtd/access_token.h"

struct current_roles;

struct current_roles *current_roles_create(int64_t access_ttl_s); /* NULL if out of memory */
void current_roles_destroy(struct current_roles *map);

/* Keeps a user's roles for the life of an access token from now on, in place of those kept before. What is no role is left out.
 * STATUS_OUT_OF_MEMORY; STATUS_INTERNAL: roles_json is no JSON array of strings, or too long. On failure nothing changes. */
enum status current_roles_set(struct current_roles *map, const struct uuid *user_id, struct text roles_json,
                              int64_t now_s) MUST_CHECK;

/* Replaces the claims' roles by those of their user, if the map has any; in the arena. STATUS_OUT_OF_MEMORY: the claims have no
 * roles, and must not be used. */
enum status current_roles_apply(struct current_roles *map, struct arena *arena, struct access_claims *claims) MUST_CHECK;

/* Removes the expired entries of one shard; of all when called CURRENT_ROLES_SHARDS times. */
#define CURRENT_ROLES_SHARDS 64
void current_roles_expire(struct current_roles *map, int64_t now_s);

void current_roles_set_ready(struct current_roles *map);
bool current_roles_are_ready(const struct current_roles *map);

size_t current_roles_count(struct current_roles *map);

#endif
