#include "page.h"

#define LIMIT_DEFAULT 20 /* the rows of the routes say so, too */

struct text page_parameter(const struct request *request, const char *name) {
    struct text value = request_query(request, name, 0);
    return value.len > 0 ? value : (struct text){ NULL, 0 };
}

bool page_limit(const struct request *request, unsigned max, unsigned *limit) {
    struct text value = request_query(request, "limit", 0);
    uint64_t number = LIMIT_DEFAULT;
    bool is_good = value.bytes == NULL || (text_parse_unsigned(value, max, &number) && number > 0);
    *limit = (unsigned)number;
    return is_good;
}
