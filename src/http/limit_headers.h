/* limit_headers: what the limiter has decided, as header fields (draft-ietf-httpapi-ratelimit-headers-10). Pure. */
#ifndef JWTD_HTTP_LIMIT_HEADERS_H
#define JWTD_HTTP_LIMIT_HEADERS_H

#include "header_list.h"

#include "jwtd/arena.h"
#include "jwtd/limiter.h"

/* Adds RateLimit-Policy and RateLimit, beside those of other buckets; nothing for a class without a limit. The values are in the
 * arena. STATUS_OUT_OF_MEMORY, or STATUS_INTERNAL if the list is full: one of them or both are missing. */
enum status limit_headers_add(struct header_list *list, struct arena *arena, const struct limit_decision *decision) MUST_CHECK;

/* Lowers the t= of each RateLimit in the list, for a reply that was delayed by `delay_us`, to 1 at least. Without memory it stays
 * as it was: longer than necessary. */
void limit_headers_lower_reset(struct header_list *list, struct arena *arena, int64_t delay_us);

#endif
