#include "query.h"

#include "exchange.h"

#include <string.h>

enum status query_keep(struct exchange *exchange, const char *target) {
    const char *mark = target != NULL ? strchr(target, '?') : NULL;
    if (mark == NULL || mark[1] == '\0')
        return STATUS_OK;
    size_t len = strlen(mark + 1);
    char *copy = arena_copy(&exchange->arena, mark + 1, len);
    exchange->query = (struct text){ copy, copy != NULL ? len : 0 };
    return copy != NULL ? STATUS_OK : STATUS_OUT_OF_MEMORY;
}

/* Returns what precedes the separator; *rest becomes what follows it. */
static struct text take_until(struct text *rest, char separator) {
    const char *end = rest->len > 0 ? memchr(rest->bytes, separator, rest->len) : NULL;
    struct text taken = { rest->bytes, end != NULL ? (size_t)(end - rest->bytes) : rest->len };
    size_t skipped = end != NULL ? taken.len + 1 : taken.len;
    *rest = (struct text){ rest->bytes + skipped, rest->len - skipped };
    return taken;
}

static enum status decode(struct arena *arena, struct text encoded, struct text *decoded) {
    char *bytes = arena_alloc(arena, encoded.len + 1);
    size_t len = 0;
    if (bytes == NULL)
        return STATUS_OUT_OF_MEMORY;
    for (size_t i = 0; i < encoded.len; i++) {
        char c = encoded.bytes[i];
        if (c == '%') {
            int high = encoded.len - i > 2 ? text_hex_digit(encoded.bytes[i + 1]) : -1;
            int low = encoded.len - i > 2 ? text_hex_digit(encoded.bytes[i + 2]) : -1;
            if (high < 0 || low < 0)
                return STATUS_BAD_REQUEST;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        bytes[len++] = c;
    }
    *decoded = (struct text){ bytes, len };
    return memchr(bytes, '\0', len) == NULL && text_is_utf8(*decoded) ? STATUS_OK : STATUS_BAD_REQUEST;
}

static const struct query_parameter *find_parameter(const struct route *route, struct text name) {
    for (size_t i = 0; i < ROUTE_QUERY_MAX && route->query[i].name != NULL; i++)
        if (text_equal(name, text_of(route->query[i].name)))
            return &route->query[i];
    return NULL;
}

static bool is_repeated_in(const struct request *request, const struct query_parameter *parameter) {
    for (size_t i = 0; i < request->query_count; i++)
        if (request->query[i].parameter == parameter)
            return true;
    return false;
}

static enum status read_pair(struct exchange *exchange, struct text pair) {
    struct request *request = &exchange->request;
    struct text name = take_until(&pair, '='), value;
    const struct query_parameter *parameter = find_parameter(request->route, name);
    if (parameter == NULL)
        return STATUS_OK;
    enum status status = decode(request->arena, pair, &value);
    if (status != STATUS_OK)
        return status;
    bool is_too_often = request->query_count == QUERY_VALUES_MAX || (!parameter->repeated && is_repeated_in(request, parameter));
    if (is_too_often || value.len > parameter->max_len)
        return STATUS_BAD_REQUEST;
    request->query[request->query_count++] = (struct query_value){ parameter, value };
    return STATUS_OK;
}

enum status query_read(struct exchange *exchange) {
    struct text rest = exchange->query;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && rest.len > 0)
        status = read_pair(exchange, take_until(&rest, '&'));
    return status;
}
