#include "jwtd/request.h"

#include "exchange.h"

#include "jwtd/macros.h"

#include <string.h>

struct text request_header(const struct request *request, const char *name) {
    const struct header_view *headers = &container_of(request, const struct exchange, request)->headers;
    return header_view_find(headers, text_of(name));
}

struct text request_query(const struct request *request, const char *name, size_t index) {
    for (size_t i = 0; i < request->query_count; i++)
        if (strcmp(request->query[i].parameter->name, name) == 0 && index-- == 0)
            return request->query[i].value;
    return (struct text){ NULL, 0 };
}

static struct text without_weakness(struct text tag) {
    bool is_weak = tag.len > 2 && memcmp(tag.bytes, "W/", 2) == 0;
    return is_weak ? (struct text){ tag.bytes + 2, tag.len - 2 } : tag;
}

bool request_has_tag(const struct request *request, const char *tag) {
    struct text list = request_header(request, "If-None-Match"), own = without_weakness(text_of(tag));
    while (list.len > 0) {
        struct text item = text_take_until(&list, ',');
        if (text_equal(without_weakness(item), own) || text_equal(item, text_of("*")))
            return true;
    }
    return false;
}

/* RFC 9110 section 12.4.2: a weight of 0 means "not acceptable". */
static bool has_weight_of_zero(struct text parameters) {
    while (parameters.len > 0) {
        struct text parameter = text_take_until(&parameters, ';');
        bool is_weight = parameter.len >= 3 && (parameter.bytes[0] | 0x20) == 'q' && parameter.bytes[1] == '=';
        if (is_weight)
            return parameter.bytes[2] == '0' && strspn(parameter.bytes + 2, "0.") >= parameter.len - 2;
    }
    return false;
}

bool request_accepts(const struct request *request, const char *name, const char *const *ranges, size_t count) {
    struct text list = request_header(request, name);
    size_t best = 0;
    bool is_accepted = false;
    while (list.len > 0) {
        struct text element = text_take_until(&list, ',');
        struct text range = text_take_until(&element, ';');
        for (size_t i = best; i < count; i++)
            if (text_equal_ignoring_case(range, text_of(ranges[i]))) {
                is_accepted = !has_weight_of_zero(element);
                best = i;
            }
    }
    return is_accepted;
}

void request_concerns(struct request *request, const struct uuid *user_id) {
    request->has_user = true;
    request->user_id = *user_id;
}
