#include "client.h"

#include "exchange.h"

#include "jwtd/config.h"
#include "jwtd/services.h"

#include <string.h>

#define USER_AGENT_MAX_LEN 256

void client_read_request_id(struct exchange *exchange) {
    struct text given = request_header(&exchange->request, "X-Request-Id");
    exchange->request.request_id = exchange->request_id;
    if (text_is_made_of(given, TEXT_ID_ALPHABET, 1, REQUEST_ID_MAX_LEN)) {
        memcpy(exchange->request_id, given.bytes, given.len); /* with zeroes behind it */
        return;
    }
    struct uuid id = uuid_create_for_log();
    uuid_text(&id, exchange->request_id);
}

/* STATUS_OUT_OF_MEMORY. {NULL, 0}: there is none. */
static enum status join_forwarded(const struct exchange *exchange, struct text *joined) {
    struct text name = text_of("X-Forwarded-For");
    *joined = (struct text){ NULL, 0 };
    for (size_t i = 0; i < exchange->headers.count; i++) {
        const struct request_field *field = &exchange->headers.fields[i];
        if (!text_equal_ignoring_case(field->name, name))
            continue;
        bool is_first = joined->bytes == NULL;
        *joined = text_of(arena_printf(exchange->request.arena, "%s%s%s", is_first ? "" : joined->bytes, is_first ? "" : ",",
                                       field->value.bytes));
        if (joined->bytes == NULL)
            return STATUS_OUT_OF_MEMORY;
    }
    return STATUS_OK;
}

static enum status find_client(struct exchange *exchange) {
    struct request *request = &exchange->request;
    const struct cidr_list *trusted = &request->services->config->server.trusted_proxies;
    request->client = request->peer;
    if (trusted->count == 0)
        return STATUS_OK;
    struct text forwarded;
    enum status status = join_forwarded(exchange, &forwarded);
    if (status == STATUS_OK)
        request->client = client_address(&request->peer, forwarded, trusted);
    return status;
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
    exchange->request.log.client = &exchange->request.client;
    return status == STATUS_OK ? clean_user_agent(exchange) : status;
}
