#include "limit_headers.h"

#include "jwtd/clock.h"

#include <string.h>

static long long seconds_up(int64_t us) {
    return (us + CLOCK_US_PER_S - 1) / CLOCK_US_PER_S;
}

/* The quota is a full bucket and the window the time in which it fills: together they are the rate, and no client sees more left
 * than its quota. */
enum status limit_headers_add(struct header_list *list, struct arena *arena, const struct limit_decision *decision) {
    if (!decision->is_limited)
        return STATUS_OK;
    const char *policy =
        arena_printf(arena, "\"%s\";q=%u;w=%lld", decision->name, decision->quota, seconds_up(decision->window_us));
    const char *left =
        arena_printf(arena, "\"%s\";r=%u;t=%lld", decision->name, decision->remaining, seconds_up(decision->reset_us));
    if (policy == NULL || left == NULL)
        return STATUS_OUT_OF_MEMORY;
    enum status status = header_list_add(list, "RateLimit-Policy", policy);
    return status == STATUS_OK ? header_list_add(list, "RateLimit", left) : status;
}

void limit_headers_lower_reset(struct header_list *list, struct arena *arena, int64_t delay_us) {
    for (size_t i = 0; i < list->count; i++) {
        struct header_field *field = &list->fields[i];
        uint64_t reset_s;
        if (strcmp(field->name, "RateLimit") != 0)
            continue;
        const char *number = strrchr(field->value, '=') + 1; /* t= is the last */
        if (!text_parse_unsigned(text_of(number), INT32_MAX, &reset_s))
            continue;
        long long left_s = (long long)reset_s - delay_us / CLOCK_US_PER_S;
        const char *value = arena_printf(arena, "%.*s%lld", (int)(number - field->value), field->value, left_s > 1 ? left_s : 1);
        if (value != NULL)
            field->value = value;
    }
}
