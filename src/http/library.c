#include "library.h"

#include <microhttpd.h>
#include <stdint.h>

#define REPLY_HEADER_MEMORY ((size_t)2 * 1024)
#define FIELD_RECORD ((size_t)64) /* of the library, on 64-bit machines */

/* Its functions that read take a connection that is not const. */
static struct MHD_Connection *connection_of(const void *source) {
    return (struct MHD_Connection *)(uintptr_t)source;
}

static struct text find(const void *source, const char *name) {
    return text_of(MHD_lookup_connection_value(connection_of(source), MHD_HEADER_KIND, name));
}

struct visitor {
    void (*visit)(void *context, struct text name, struct text value);
    void *context;
};

static enum MHD_Result visit_field(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                                   size_t value_len) {
    const struct visitor *visitor = context;
    (void)kind;
    visitor->visit(visitor->context, (struct text){ name, name_len },
                   value != NULL ? (struct text){ value, value_len } : text_of(""));
    return MHD_YES;
}

static void each(const void *source, void (*visit)(void *context, struct text name, struct text value), void *context) {
    struct visitor visitor = { visit, context };
    MHD_get_connection_values_n(connection_of(source), MHD_HEADER_KIND, visit_field, &visitor);
}

struct header_view library_headers(struct MHD_Connection *connection) {
    return (struct header_view){ find, each, connection };
}

bool library_has_memory_for_reply(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t header = info != NULL ? info->header_size : 0;
    size_t fields = (size_t)MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL);
    return header + fields * FIELD_RECORD <= CONNECTION_MEMORY - REPLY_HEADER_MEMORY;
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
