/* user_resource: a user as administrators see one: the JSON of a reply, its ETag, and If-Match. On the thread that owns the
 * request. */
#ifndef JWTD_API_USER_RESOURCE_H
#define JWTD_API_USER_RESOURCE_H

#include "jwtd/json_writer.h"
#include "jwtd/reply.h"
#include "jwtd/user_admin.h"

void write_administered_user(struct json_writer *writer, const struct user *user);

/* With the user's version as ETag; with 201, Location. */
enum step_result reply_administered_user(struct request *request, unsigned http_status, const struct user *user);

/*
 * The version that If-Match has (RFC 9110 section 13.1.1); 0: the header is missing. A weak tag counts as a strong one: the
 * version says all that must not be overwritten, and proxies that compress make tags weak. STATUS_INVALID_HEADER: "*", which
 * would protect nothing, several tags, or one that is no version; *version is 0 then.
 */
enum status read_if_match(const struct request *request, int64_t *version) MUST_CHECK;

/* Logs what an administrator has done to a user. */
void log_administration(const char *event, const struct request *request, const struct uuid *user_id);

#endif
