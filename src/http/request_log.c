#include "request_log.h"

#include "context.h"
#include "exchange.h"
#include "method.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/services.h"

#include <sodium.h>
#include <string.h>

/* So that what follows fits into the line, however it is escaped. */
#define PATH_SHOWN 512

/* A client that was not told the word cannot find it out: only its digest is configured. */
static bool may_have_detail(const struct exchange *exchange) {
    const char *digest = exchange->request.snapshot->config.log.detail_digest;
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[sizeof hash * 2 + 1];
    if (digest == NULL || digest[0] == '\0')
        return false;
    struct text word = request_header(&exchange->request, "X-Log-Detail");
    if (word.bytes == NULL || strlen(digest) != sizeof hex - 1)
        return false;
    crypto_hash_sha256(hash, (const unsigned char *)word.bytes, word.len);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    return sodium_memcmp(hex, digest, sizeof hex - 1) == 0;
}

void request_log_begin(struct exchange *exchange) {
    exchange->logged_method = method_words(exchange->method)->of_log;
    exchange->request.log.request_id = exchange->request.request_id;
    exchange->request.log.trace_id = exchange->request.trace_id[0] != '\0' ? exchange->request.trace_id : NULL;
    exchange->logs_all = exchange->request.snapshot->config.log.requests == LOG_ALL_REQUESTS;
    exchange->request.log.is_detailed = may_have_detail(exchange);
}

static const char *user_of(const struct request *request, char text[UUID_TEXT_SIZE]) {
    if (request->has_user)
        return uuid_text(&request->user_id, text);
    return request->has_claims || request->session_has_ended ? uuid_text(&request->claims.user_id, text) : NULL;
}

/* Several a minute, and of no client: scrapes and probes, and the watchdog's own; nobody else has no address but clients of a
 * Unix socket. */
static bool is_routine(const struct exchange *exchange, unsigned status) {
    const struct request *request = &exchange->request;
    bool is_own = !request->peer.known && request->route != NULL && strcmp(request->route->path, "/health/live") == 0;
    return status == 200 && (is_own || exchange->context->listener == LISTENER_OPERATIONS);
}

static bool is_wanted(const struct exchange *exchange, unsigned status) {
    if (log_has_level(LOG_DEBUG))
        return true;
    return log_has_level(LOG_INFO) && !is_routine(exchange, status) && (exchange->logs_all || status == 0 || status >= 400);
}

/* Nobody could know the one of a header that was not read. */
static void name_request(struct exchange *exchange) {
    struct uuid id = uuid_create_for_log();
    if (exchange->request.log.request_id == NULL)
        exchange->request.log.request_id = uuid_text(&id, exchange->request_id);
}

void request_log_end(struct exchange *exchange, bool is_complete) {
    const struct request *request = &exchange->request;
    unsigned status = exchange->sent_status;
    if (!is_wanted(exchange, status))
        return;
    name_request(exchange);
    char user[UUID_TEXT_SIZE];
    const char *code = exchange->reply.problem != STATUS_OK ? status_info(exchange->reply.problem)->name : NULL;
    const char *path = log_has_level(LOG_DEBUG) ? exchange->path : NULL;
    int path_len = path != NULL ? (int)strnlen(path, PATH_SHOWN) : 0;
    log_request("method=%s route=%s status=%u code=%s limit=%s user_id=%s service=%s us=%lld complete=%s path=%.*s",
                exchange->logged_method, request->route != NULL ? request->route->path : NULL, status, code,
                exchange->reply.limit, user_of(request, user), request->service,
                (long long)(clock_monotonic_us() - exchange->started_us), is_complete || exchange->is_sent ? NULL : "no",
                path_len, path);
}

void request_log_refusal(const struct address *peer, enum status status, unsigned page) {
    enum status problem = page == 400 ? STATUS_BAD_REQUEST : status;
    char id[UUID_TEXT_SIZE];
    struct uuid new_id = uuid_create_for_log();
    struct log_context context = { .client = peer, .request_id = uuid_text(&new_id, id) };
    log_set_context(&context);
    log_request("status=%u code=%s", problem != STATUS_OK ? status_info(problem)->http : page,
                problem != STATUS_OK ? status_info(problem)->name : NULL);
    log_set_context(NULL);
}
