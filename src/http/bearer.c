#include "bearer.h"

#include "exchange.h"
#include "http_thread.h"
#include "idempotency.h"

#include "jwtd/clock.h"
#include "jwtd/role.h"
#include "jwtd/services.h"
#include "jwtd/verifier.h"

#include <assert.h>

/* RFC 6750 section 2.1; the scheme's name is case-insensitive (RFC 9110 section 11.1). Another scheme is no bearer token.
 * The library keeps the blanks after a value, which are no part of it (section 5.5). */
static struct text bearer_token(const struct exchange *exchange) {
    struct text value = request_header(&exchange->request, "Authorization");
    struct text scheme = text_of("Bearer ");
    if (value.len < scheme.len || !text_equal_ignoring_case((struct text){ value.bytes, scheme.len }, scheme))
        return (struct text){ NULL, 0 };
    struct text token = { value.bytes + scheme.len, value.len - scheme.len };
    while (token.len > 0 && token.bytes[0] == ' ') {
        token.bytes++;
        token.len--;
    }
    while (token.len > 0 && text_is_blank(token.bytes[token.len - 1]))
        token.len--;
    return token;
}

/* A key that is not in the ring may have been made a moment ago, and another instance may sign with it already. */
static enum status verify(struct exchange *exchange, struct text token) {
    struct request *request = &exchange->request;
    char kid[KID_MAX_LEN + 1];
    int64_t now_s = clock_wall_s();
    enum status status = verifier_check(request->snapshot->verifier, request->arena, token, now_s, &request->claims, kid);
    if (kid[0] == '\0')
        return status;
    status = snapshot_find_key(request->services->snapshots, &exchange->thread->lease, text_of(kid), &request->snapshot);
    if (status != STATUS_OK)
        return status;
    return verifier_check(request->snapshot->verifier, request->arena, token, now_s, &request->claims, kid);
}

/* Past it a session may have been ended, or a key revoked, elsewhere for longer than the operator accepts. */
static bool are_stale(const struct request *request) {
    return services_revocations_are_stale(request->services, request->snapshot->config.token.max_stale_ms, clock_monotonic_us());
}

static enum status check_token(struct exchange *exchange, struct text token) {
    const struct services *services = exchange->request.services;
    struct access_claims *claims = &exchange->request.claims;
    enum status status = verify(exchange, token);
    if (status != STATUS_OK)
        return status;
    if (!revoked_sessions_are_ready(services->revoked) || !current_roles_are_ready(services->roles) ||
        !revoked_keys_are_ready(services->revoked_keys))
        return STATUS_STARTING;
    exchange->request.session_has_ended = revoked_sessions_contain(services->revoked, &claims->session_id);
    if (exchange->request.session_has_ended)
        return STATUS_INVALID_TOKEN;
    if (are_stale(&exchange->request))
        return STATUS_REVOCATIONS_STALE;
    return current_roles_apply(services->roles, exchange->request.arena, claims);
}

/* Whether a request without a good token is admitted. */
static const struct {
    bool without_token, with_bad_token;
} admits[] = {
    [ACCESS_BEARER] = { false, false },
    [ACCESS_OPTIONAL_BEARER] = { true, false },
    [ACCESS_BEARER_OR_BODY] = { true, true },
};

/* What the request has done before may be the end of its own session. */
static bool may_ask_again(const struct exchange *exchange, enum status status) {
    return status == STATUS_INVALID_TOKEN && exchange->request.session_has_ended && idempotency_admits_ended_session(exchange);
}

enum status bearer_check(struct exchange *exchange) {
    enum access access = exchange->request.route->access;
    assert(access != ACCESS_UNSET);
    if (access == ACCESS_PUBLIC || access == ACCESS_SERVICE)
        return STATUS_OK;
    struct text token = bearer_token(exchange);
    enum status status = token.bytes == NULL ? STATUS_MISSING_TOKEN : check_token(exchange, token);
    exchange->request.has_claims = status == STATUS_OK;
    const char *role = exchange->request.route->role;
    if (status == STATUS_OK && role != NULL && !roles_contain(exchange->request.claims.roles_json, text_of(role)))
        return STATUS_INSUFFICIENT_SCOPE;
    bool is_admitted = (status == STATUS_MISSING_TOKEN && admits[access].without_token) ||
                       (status == STATUS_INVALID_TOKEN && admits[access].with_bad_token);
    return is_admitted || may_ask_again(exchange, status) ? STATUS_OK : status;
}

enum status request_check_token(struct request *request, struct text token) {
    return check_token(exchange_of(request), token);
}
