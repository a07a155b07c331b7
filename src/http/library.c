#include "library.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdint.h>

struct collection {
    struct request_field *fields;
    size_t count, size;
};

static enum MHD_Result collect_field(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                                     size_t value_len) {
    struct collection *collection = context;
    (void)kind;
    assert(collection->count < collection->size);
    collection->fields[collection->count++] =
        (struct request_field){ { name, name_len }, value != NULL ? (struct text){ value, value_len } : text_of("") };
    return MHD_YES;
}

enum status library_headers(struct MHD_Connection *connection, struct arena *arena, struct header_view *headers) {
    struct collection collection = { .size = (size_t)MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL) };
    collection.fields = arena_alloc(arena, collection.size * sizeof *collection.fields);
    *headers = (struct header_view){ collection.fields, 0 };
    if (collection.fields == NULL)
        return STATUS_OUT_OF_MEMORY;
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, collect_field, &collection);
    headers->count = collection.count;
    return STATUS_OK;
}

bool library_has_memory_for_reply(struct MHD_Connection *connection, const struct header_view *headers) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t header = info != NULL ? info->header_size : 0;
    return header + headers->count * HEADER_FIELD_RECORD <= HEADER_MEMORY_MAX;
}

int library_fd(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

struct address library_peer(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return address_of_socket(info != NULL ? info->client_addr : NULL);
}

void *library_socket_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

unsigned library_status(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
    return info != NULL ? info->http_status : 0;
}
