#include "query.h"

#include "exchange.h"
#include "form.h"

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

/* Of a proxy's client (route.h). One beyond those that are kept takes the place of the last. */
static enum status take_unreadable(struct request *request, const struct query_parameter *parameter) {
    if (!request->route->is_for_proxies)
        return STATUS_INVALID_PARAMETER;
    if (request->query_count == QUERY_VALUES_MAX)
        request->query_count--;
    request->query[request->query_count++] = (struct query_value){ parameter, text_of("") };
    return STATUS_OK;
}

/* STATUS_INVALID_PARAMETER: *wrong names it. */
static enum status read_pair(struct exchange *exchange, struct text pair, const char **wrong) {
    struct request *request = &exchange->request;
    struct text encoded_name = form_take_until(&pair, '='), name, value;
    enum status status = form_decode(request->arena, encoded_name, &name);
    if (status == STATUS_OUT_OF_MEMORY)
        return status;
    const struct query_parameter *parameter = status == STATUS_OK ? find_parameter(request->route, name) : NULL;
    if (parameter == NULL)
        return STATUS_OK;
    *wrong = parameter->name;
    status = form_decode(request->arena, pair, &value);
    if (status != STATUS_OK)
        return status == STATUS_OUT_OF_MEMORY ? status : take_unreadable(request, parameter);
    bool is_too_often = request->query_count == QUERY_VALUES_MAX || (!parameter->repeated && is_repeated_in(request, parameter));
    if (is_too_often || value.len > parameter->max_len)
        return take_unreadable(request, parameter);
    request->query[request->query_count++] = (struct query_value){ parameter, value };
    return STATUS_OK;
}

enum status query_read(struct exchange *exchange, const char **wrong) {
    struct text rest = exchange->query;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && rest.len > 0)
        status = read_pair(exchange, form_take_until(&rest, '&'), wrong);
    return status;
}
