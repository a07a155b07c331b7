#include "reply_build.h"

#include "exchange.h"

#include <microhttpd.h>

/* Only where the row says so: most replies are of one user, or of this moment. */
static bool is_cacheable(const struct exchange *exchange) {
    return exchange->request.route != NULL && exchange->request.route->is_cacheable;
}

static bool add_list(struct MHD_Response *response, const struct header_list *list) {
    for (size_t i = 0; i < list->count; i++)
        if (MHD_add_response_header(response, list->fields[i].name, list->fields[i].value) != MHD_YES)
            return false;
    return true;
}

static bool add_headers(struct MHD_Response *response, const struct exchange *exchange) {
    const struct reply *reply = &exchange->reply;
    bool added = MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES;
    added = added && MHD_add_response_header(response, "X-Request-Id", exchange->request.request_id) == MHD_YES;
    if (reply->content_type != NULL)
        added = added && MHD_add_response_header(response, "Content-Type", reply->content_type) == MHD_YES;
    if (!is_cacheable(exchange))
        added = added && MHD_add_response_header(response, "Cache-Control", "no-store") == MHD_YES;
    if (exchange->must_close)
        added = added && MHD_add_response_header(response, "Connection", "close") == MHD_YES;
    return added && add_list(response, &exchange->common_headers) && add_list(response, &reply->headers);
}

struct MHD_Response *reply_build(const struct exchange *exchange) {
    struct text body = exchange->reply.body;
    /* persistent: the bytes lie in the arena, which outlives the reply */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.bytes, MHD_RESPMEM_PERSISTENT);
    if (response == NULL || add_headers(response, exchange))
        return response;
    MHD_destroy_response(response);
    return NULL;
}
