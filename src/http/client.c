#include "client.h"

#include "exchange.h"

#include "jwtd/config.h"
#include "jwtd/services.h"

#define USER_AGENT_MAX_LEN 512
#define REQUEST_ID_MAX_LEN 64

void client_read_request_id(struct exchange *exchange) {
    struct text given = request_header(&exchange->request, "X-Request-Id");
    exchange->request.request_id = exchange->made_request_id;
    if (text_is_made_of(given, TEXT_ID_ALPHABET, 1, REQUEST_ID_MAX_LEN)) {
        exchange->request.request_id = given.bytes;
        return;
    }
    struct uuid id = uuid_create_for_log();
    uuid_text(&id, exchange->made_request_id);
}

struct joined {
    struct arena *arena;
    struct text text;
    bool has_failed; /* for lack of memory */
};

static void join_forwarded(void *context, struct text name, struct text value) {
    struct joined *joined = context;
    if (!text_equal_ignoring_case(name, text_of("X-Forwarded-For")))
        return;
    bool is_first = joined->text.bytes == NULL;
    joined->text =
        text_of(arena_printf(joined->arena, "%s%s%s", is_first ? "" : joined->text.bytes, is_first ? "" : ",", value.bytes));
    joined->has_failed = joined->has_failed || joined->text.bytes == NULL;
}

static enum status find_client(struct exchange *exchange) {
    struct request *request = &exchange->request;
    const struct cidr_list *trusted = &request->services->config->server.trusted_proxies;
    request->client = request->peer;
    if (trusted->count == 0)
        return STATUS_OK;
    struct joined forwarded = { .arena = request->arena };
    exchange->headers.each(exchange->headers.source, join_forwarded, &forwarded);
    if (forwarded.has_failed)
        return STATUS_OUT_OF_MEMORY;
    request->client = client_address(&request->peer, forwarded.text, trusted);
    return STATUS_OK;
}

/* Stored for the list of sessions, so cut to a length that people read, in characters that a database and a page can show. */
static enum status clean_user_agent(struct exchange *exchange) {
    struct text given = request_header(&exchange->request, "User-Agent");
    if (given.len == 0)
        return STATUS_OK;
    size_t len = given.len < USER_AGENT_MAX_LEN ? given.len : USER_AGENT_MAX_LEN;
    char *copy = arena_copy(exchange->request.arena, given.bytes, len);
    if (copy == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (size_t i = 0; i < len; i++)
        if (copy[i] < ' ' || copy[i] > '~')
            copy[i] = '?';
    exchange->request.user_agent = (struct text){ copy, len };
    return STATUS_OK;
}

enum status client_read(struct exchange *exchange) {
    enum status status = find_client(exchange);
    return status == STATUS_OK ? clean_user_agent(exchange) : status;
}
