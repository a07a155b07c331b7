#include "jwtd/status.h"

#include "jwtd/macros.h"

#include <stddef.h>

static const struct status_info table[] = {
    [STATUS_OK] = { "ok", 200, "OK", "Everything went well.", false },
    [STATUS_BAD_REQUEST] = { "bad_request", 400, "Bad request",
                             "The request is not well-formed HTTP, or could be read in two ways.", false },
    [STATUS_INVALID_JSON] = { "invalid_json", 400, "Invalid JSON",
                              "The body is not one valid JSON text in UTF-8, has a member twice, or has what is not taken: a "
                              "NUL, too many levels or brackets, or a number that is too large.",
                              false },
    [STATUS_INVALID_REQUEST] = { "invalid_request", 400, "Invalid request",
                                 "The form lacks a parameter, has one twice, or is not well-formed.", false },
    [STATUS_INVALID_HEADER] = { "invalid_header", 400, "Invalid header",
                                "A header has a value that it cannot have, or was sent twice.", false },
    [STATUS_INVALID_PARAMETER] = { "invalid_parameter", 400, "Invalid parameter",
                                   "A parameter of the query has a value that it cannot have, was sent too often, or is excluded "
                                   "by another one.",
                                   false },
    [STATUS_NOT_FOUND] = { "not_found", 404, "Not found", "There is nothing at this path, or it is not yours.", false },
    [STATUS_NOT_DISCOVERABLE] = { "not_discoverable", 404, "Not discoverable",
                                  "The issuer of this service is not its https address, so there is nothing to discover; "
                                  "/.well-known/jwks.json has the public keys.",
                                  false },
    [STATUS_METHOD_NOT_ALLOWED] = { "method_not_allowed", 405, "Method not allowed",
                                    "This path does not take this method; the Allow header lists those it takes.", false },
    [STATUS_NOT_ACCEPTABLE] = { "not_acceptable", 406, "Not acceptable",
                                "The reply is text/event-stream, which the Accept header excludes.", false },
    [STATUS_REQUEST_TIMEOUT] = { "request_timeout", 408, "Request timeout",
                                 "The request did not arrive in time; send it again on a new connection.", false },
    [STATUS_BODY_TOO_LARGE] = { "body_too_large", 413, "Body too large", "The body is larger than this service reads.", false },
    [STATUS_TARGET_TOO_LONG] = { "target_too_long", 414, "URI too long",
                                 "The path with its query is longer than this service reads.", false },
    [STATUS_UNSUPPORTED_MEDIA_TYPE] = { "unsupported_media_type", 415, "Unsupported media type",
                                        "Send the body in the media type that this endpoint takes, application/json or a form, "
                                        "without "
                                        "Content-Encoding.",
                                        false },
    [STATUS_MISDIRECTED_REQUEST] = { "misdirected_request", 421, "Misdirected request",
                                     "The operator's listener on this address is reached by an IP address or as localhost, not "
                                     "by "
                                     "the name in Host.",
                                     false },
    [STATUS_HEADER_TOO_LARGE] = { "header_too_large", 431, "Request header fields too large",
                                  "The header, its cookies above all, is larger than this service reads.", false },
    [STATUS_INVALID_BODY] = { "validation_failed", 422, "Validation failed",
                              "The body is JSON, but not what this endpoint takes; errors lists what to change.", false },
    [STATUS_IDEMPOTENCY_KEY_REUSED] = { "idempotency_key_reused", 422, "Idempotency key reused",
                                        "This Idempotency-Key came before with another request; use a new one.", false },
    [STATUS_IDEMPOTENCY_IN_PROGRESS] = { "idempotency_in_progress", 409, "Request in progress",
                                         "The first request with this Idempotency-Key is still being carried out; send this one "
                                         "again after Retry-After.",
                                         true },
    [STATUS_EMAIL_TAKEN] = { "email_taken", 409, "E-mail address taken", "An account with this e-mail address exists already.",
                             false },
    [STATUS_LAST_ADMIN] = { "last_admin", 409, "Last administrator",
                            "No administrator who has a password and is not disabled would be left; give another user the role "
                            "admin first.",
                            false },
    [STATUS_PRECONDITION_FAILED] = { "precondition_failed", 412, "Precondition failed",
                                     "What is to be changed was changed by somebody else; read it again, and send its ETag as "
                                     "If-Match.",
                                     false },
    [STATUS_PRECONDITION_REQUIRED] = { "precondition_required", 428, "Precondition required",
                                       "Send the ETag of what is to be changed as If-Match, so that nobody else's change is "
                                       "overwritten.",
                                       false },
    [STATUS_MISSING_TOKEN] = { "missing_token", 401, "Missing token", "Send an access token as Authorization: Bearer.", false },
    [STATUS_INVALID_TOKEN] = { "invalid_token", 401, "Invalid token",
                               "The access token is not valid, has expired, or its session has ended; refresh or log in.",
                               false },
    [STATUS_INVALID_CREDENTIALS] = { "invalid_credentials", 401, "Invalid credentials",
                                     "The e-mail address or the password is wrong.", false },
    [STATUS_INVALID_REFRESH_TOKEN] = { "invalid_refresh_token", 401, "Invalid refresh token",
                                       "The session has ended, or the refresh token is not valid. Log in again.", false },
    [STATUS_REFRESH_TOKEN_REUSED] = { "refresh_token_reused", 401, "Refresh token reused",
                                      "This refresh token was used before; its session has been ended for safety. Log in again.",
                                      false },
    [STATUS_SESSION_EXPIRED] = { "session_expired", 401, "Session expired", "The session has reached its end; log in again.",
                                 false },
    [STATUS_INVALID_CLIENT] = { "invalid_client", 401, "Invalid client",
                                "This is for services: send name and secret of one as Authorization: Basic.", false },
    [STATUS_WRONG_PASSWORD] = { "wrong_password", 403, "Wrong password", "The current password is wrong.", false },
    [STATUS_INSUFFICIENT_SCOPE] = { "insufficient_scope", 403, "Insufficient scope",
                                    "The token is good, but lacks a role that is asked for.", false },
    [STATUS_PASSWORD_CHANGE_REQUIRED] = { "password_change_required", 403, "Password change required",
                                          "The password is right, but it must be changed: choose a new one.", false },
    [STATUS_RATE_LIMITED] = { "rate_limited", 429, "Too many requests",
                              "There were too many requests. Wait a moment, then try again.", true },
    [STATUS_ACCOUNT_LOCKED] = { "account_locked", 429, "Account locked",
                                "There were too many wrong passwords for this account. Wait, then try again. Sessions that are "
                                "open go on.",
                                true },
    [STATUS_OVERLOADED] = { "overloaded", 503, "Overloaded",
                            "The service is busy and could not have answered in time; try again after Retry-After.", true },
    [STATUS_DEADLINE_EXCEEDED] = { "deadline_exceeded", 503, "Deadline exceeded",
                                   "The service could not answer in time; try again after Retry-After.", true },
    [STATUS_DATABASE_UNAVAILABLE] = { "database_unavailable", 503, "Database unavailable",
                                      "The service cannot reach its database at the moment; try again after Retry-After.", true },
    [STATUS_OUT_OF_MEMORY] = { "out_of_memory", 503, "Out of memory",
                               "The service is short of memory; try again after Retry-After.", true },
    [STATUS_REFRESH_TOO_SOON] = { "refresh_too_soon", 503, "Refresh too soon",
                                  "The answer to another refresh with this token may still be on its way; try again after "
                                  "Retry-After, with the newest token that is there.",
                                  true },
    [STATUS_STARTING] = { "starting", 503, "Starting",
                          "The service has not yet read which sessions have ended; try again after Retry-After.", true },
    [STATUS_REVOCATIONS_STALE] = { "revocations_stale", 503, "Revocations stale",
                                   "The service has not been able to read which sessions have ended for too long to accept a "
                                   "token; try again after Retry-After.",
                                   true },
    [STATUS_KEYS_UNAVAILABLE] = { "keys_unavailable", 503, "Keys unavailable",
                                  "The service has no key to sign with, or cannot read the key of this token, at the moment; try "
                                  "again after "
                                  "Retry-After.",
                                  true },
    [STATUS_SHUTTING_DOWN] = { "shutting_down", 503, "Shutting down", "This instance is stopping; try again after Retry-After.",
                               true },
    [STATUS_INTERNAL] = { "internal_error", 500, "Internal error",
                          "The service made an error; the request id finds it in its log.", false },
};

_Static_assert(ARRAY_LEN(table) == STATUS_COUNT, "every status has its row");

const struct status_info *status_info(enum status status) {
    if ((size_t)status >= STATUS_COUNT)
        return &table[STATUS_INTERNAL];
    return &table[status];
}

const struct status_member *status_member(enum status status) {
    static const struct status_member members[STATUS_COUNT] = {
        [STATUS_EMAIL_TAKEN] = { "/email", VIOLATION_EMAIL_TAKEN },
        [STATUS_WRONG_PASSWORD] = { "/current_password", VIOLATION_WRONG_PASSWORD },
    };
    return (size_t)status < STATUS_COUNT && members[status].pointer != NULL ? &members[status] : NULL;
}

const struct status_subject *status_subject(enum status status) {
    static const struct status_subject subjects[STATUS_COUNT] = {
        [STATUS_INVALID_HEADER] = { "header", "has a value that it cannot have, or was sent twice." },
        [STATUS_INVALID_PARAMETER] = { "parameter",
                                       "has a value that it cannot have, was sent too often, or is excluded by another one." },
    };
    return (size_t)status < STATUS_COUNT && subjects[status].member != NULL ? &subjects[status] : NULL;
}

bool status_is_oauth_error(enum status status) {
    return status == STATUS_INVALID_CLIENT || status == STATUS_INVALID_REQUEST;
}
