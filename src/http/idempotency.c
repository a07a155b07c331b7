#include "idempotency.h"

#include "exchange.h"

#include "jwtd/log.h"
#include "jwtd/reply.h"

#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#define KEY_MAX_LEN 255
#define DIGEST_BYTES 32
#define DIGEST_TEXT_SIZE (DIGEST_BYTES * 2 + 1)

static struct text sent_key(const struct request *request) {
    return route_takes_key(request->route) ? request_header(request, "Idempotency-Key") : (struct text){ NULL, 0 };
}

static bool is_visible_ascii(struct text text) {
    for (size_t i = 0; i < text.len; i++)
        if (text.bytes[i] <= ' ' || text.bytes[i] > '~')
            return false;
    return true;
}

enum status idempotency_check(const struct exchange *exchange) {
    struct text key = sent_key(&exchange->request);
    bool is_key = key.bytes == NULL || (key.len > 0 && key.len <= KEY_MAX_LEN && is_visible_ascii(key));
    return is_key ? STATUS_OK : STATUS_INVALID_HEADER;
}

bool idempotency_admits_ended_session(const struct exchange *exchange) {
    const struct request *request = &exchange->request;
    return request->route->replay[0] == NULL && sent_key(request).bytes != NULL;
}

/* ---- digests ---- */

/* With its length, so that no two sequences of texts are the same bytes; an absent text is not an empty one. */
static void add_text(crypto_generichash_state *state, struct text text) {
    uint64_t len = text.bytes != NULL ? text.len : UINT64_MAX;
    unsigned char bytes[sizeof len];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(len >> (8 * i));
    crypto_generichash_update(state, bytes, sizeof bytes);
    if (text.len > 0)
        crypto_generichash_update(state, (const unsigned char *)text.bytes, text.len);
}

static const char *end_digest(crypto_generichash_state *state, struct arena *arena) {
    unsigned char bytes[DIGEST_BYTES];
    char *text = arena_alloc(arena, DIGEST_TEXT_SIZE);
    crypto_generichash_final(state, bytes, sizeof bytes);
    return text != NULL ? sodium_bin2hex(text, DIGEST_TEXT_SIZE, bytes, sizeof bytes) : NULL;
}

static const char *make_digest(struct arena *arena, const char *kind, struct text owner, struct text key) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
    add_text(&state, text_of(kind));
    add_text(&state, owner);
    add_text(&state, key);
    return end_digest(&state, arena);
}

static void add_field(crypto_generichash_state *state, const struct field *field, const void *scratch) {
    const char *value = (const char *)scratch + field->offset;
    struct text text = { NULL, 0 };
    bool truth;
    enum field_flag flag;
    switch (field->type) {
    case FIELD_PASSWORD:
    case FIELD_NEW_PASSWORD: /* only whether it is there */
        memcpy(&text, value, sizeof text);
        text.len = 0;
        break;
    case FIELD_BOOLEAN:
        memcpy(&truth, value, sizeof truth);
        text = text_of(truth ? "true" : "false");
        break;
    case FIELD_FLAG:
        memcpy(&flag, value, sizeof flag);
        text = text_of(flag == FLAG_ABSENT ? NULL : flag == FLAG_TRUE ? "true" : "false");
        break;
    case FIELD_EMAIL:
    case FIELD_ROLES:
    case FIELD_TEXT:
    case FIELD_LINE:
    case FIELD_OBJECT:
        memcpy(&text, value, sizeof text);
        break;
    }
    add_text(state, text_of(field->name));
    add_text(state, text);
}

/* What the fingerprint is keyed with. Not the plain digest of the key, which a registration stores with its user (register.c). */
static void make_secret(struct text key, unsigned char secret[DIGEST_BYTES]) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
    add_text(&state, text_of("fingerprint"));
    add_text(&state, key);
    crypto_generichash_final(&state, secret, DIGEST_BYTES);
    sodium_memzero(&state, sizeof state);
}

/* Keyed with the key, which is not stored, so that a dump of the database does not show which address or name it was about. */
static const char *make_fingerprint(const struct exchange *exchange, struct text key) {
    const struct request *request = &exchange->request;
    const struct body_schema *body = request->route->body;
    unsigned char secret[DIGEST_BYTES];
    crypto_generichash_state state;
    make_secret(key, secret);
    crypto_generichash_init(&state, secret, sizeof secret, DIGEST_BYTES);
    add_text(&state, text_of(exchange->method));
    add_text(&state, text_of(exchange->path));
    add_text(&state, request_header(request, "If-Match"));
    for (size_t i = 0; body != NULL && i < body->count; i++)
        add_field(&state, &body->fields[i], request->scratch);
    const char *fingerprint = end_digest(&state, request->arena);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(&state, sizeof state);
    return fingerprint;
}

enum status request_bind_key(struct request *request, const char *kind, struct text owner) {
    struct exchange *exchange = exchange_of(request);
    struct text key = sent_key(request);
    if (key.bytes == NULL)
        return STATUS_OK;
    request->key.digest = make_digest(request->arena, kind, owner, key);
    request->key.fingerprint = make_fingerprint(exchange, key);
    exchange->change = NULL; /* it is made again, with the key */
    bool is_bound = request->key.digest != NULL && request->key.fingerprint != NULL;
    if (!is_bound)
        request->key = (struct request_key){ .digest = NULL };
    return is_bound ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

/* ---- the look-up, a step ---- */

static enum step_result ask_key(struct request *request, struct db_query *query) {
    idempotency_keys_find(query, request->key.digest, request->key.fingerprint, &request->key.done);
    return STEP_NEXT;
}

static void log_replay(const struct request *request) {
    bool has_claims = request->has_claims || request->session_has_ended;
    char user[UUID_TEXT_SIZE];
    log_event(LOG_INFO, "request_repeated", "route=%s user_id=%s", request->route->path,
              has_claims ? uuid_text(&request->claims.user_id, user) : NULL);
}

static enum step_result take_key(struct request *request) {
    struct exchange *exchange = exchange_of(request);
    const struct remembered_request *done = &request->key.done;
    if (request->session_has_ended && !(done->found && done->is_same))
        return reply_problem(request, STATUS_INVALID_TOKEN);
    if (done->found && !done->is_same)
        return reply_problem(request, STATUS_IDEMPOTENCY_KEY_REUSED);
    if (done->found) {
        log_replay(request);
        return request->route->replay[0] != NULL ? STEP_NEXT : reply_empty(request, request->route->replies[0].http_status);
    }
    if (exchange->refusal == NULL)
        return STEP_NEXT;
    exchange->reply = *exchange->refusal;
    return STEP_DONE;
}

static const struct step look_up = { "look_up_key", ON_DATABASE, .ask = ask_key, .run = take_key };
static const struct step *const look_up_steps[] = { &look_up, NULL };

/* ---- the pipeline ---- */

static void set_steps(struct exchange *exchange, const struct step *const *steps) {
    exchange->steps = steps;
    exchange->next_step = 0;
}

void idempotency_begin(struct exchange *exchange) {
    struct request *request = &exchange->request;
    char id[UUID_TEXT_SIZE];
    set_steps(exchange, request->route->steps);
    if (request->route->access != ACCESS_BEARER || sent_key(request).bytes == NULL)
        return;
    enum status status = request_bind_key(request, "user", text_of(uuid_text(&request->claims.user_id, id)));
    if (status == STATUS_OK)
        set_steps(exchange, look_up_steps);
    else
        reply_problem(request, status);
}

bool idempotency_go_on(struct exchange *exchange) {
    bool has_looked = exchange->steps == look_up_steps;
    if (has_looked)
        set_steps(exchange, exchange->request.key.done.found ? exchange->request.route->replay : exchange->request.route->steps);
    return has_looked;
}

/* One that no executor has admitted, or a limit has refused, was not begun; and a database that is away cannot be asked. */
static bool may_have_been_done(const struct exchange *exchange) {
    unsigned http_status = exchange->reply.http_status;
    return exchange->is_admitted && http_status >= 400 && http_status != 429 &&
           exchange->request.query_status != STATUS_DATABASE_UNAVAILABLE;
}

/* Only what the route's own steps refuse, and once. */
bool idempotency_set_aside(struct exchange *exchange) {
    if (exchange->steps != exchange->request.route->steps || exchange->request.key.digest == NULL || exchange->refusal != NULL ||
        !may_have_been_done(exchange))
        return false;
    exchange->refusal = arena_alloc(&exchange->arena, sizeof *exchange->refusal);
    if (exchange->refusal == NULL) {
        reply_problem(&exchange->request, STATUS_OUT_OF_MEMORY);
        return false;
    }
    *exchange->refusal = exchange->reply;
    exchange->reply = (struct reply){ .http_status = 0 };
    set_steps(exchange, look_up_steps);
    return true;
}
