#include "feed.h"

#include "sse.h"

#include "jwtd/clock.h"
#include "jwtd/json.h"
#include "jwtd/keyring.h"
#include "jwtd/macros.h"
#include "jwtd/revoked_sessions.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STALE_MAX_S 1000000000 /* of what the service says; more than 30 years */
#define EVENTS_BETWEEN_COUNTS 1024

static const struct json_limits event_limits = { .depth = 8, .containers = 32 };

struct feed {
    struct feed_options options;
    struct revoked_sessions *sessions;
    atomic_int_fast64_t complete_at_us; /* boot time up to which everything is known; INT64_MIN: never */
    struct sse_parser parser;
    int64_t boot_us;  /* of the bytes that are being taken */
    bool is_complete; /* this connection */
    bool is_followed; /* and it has said its age since */
    unsigned events;
    const char *reason;
};

struct feed *feed_create(const struct feed_options *options) {
    struct feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL)
        return NULL;
    feed->options = *options;
    feed->reason = "";
    atomic_init(&feed->complete_at_us, INT64_MIN);
    sse_init(&feed->parser);
    feed->sessions = revoked_sessions_create(options->max_life_s);
    if (feed->sessions != NULL)
        return feed;
    free(feed);
    return NULL;
}

void feed_destroy(struct feed *feed) {
    if (feed == NULL)
        return;
    revoked_sessions_destroy(feed->sessions);
    free(feed);
}

static bool refuse(struct feed *feed, const char *reason) {
    feed->reason = reason;
    return false;
}

/* ---- events ---- */

static bool session_revoked(struct feed *feed, const struct json *data) {
    const struct json *subject, *session, *since, *until;
    struct uuid id;
    json_find(data, "sub_id", &subject);
    json_find(subject, "session", &session);
    json_find(data, "event_timestamp", &since);
    json_find(data, "until", &until);
    struct text text = json_find_text(session, "id");
    if (text.bytes == NULL || !uuid_parse(text.bytes, text.len, &id))
        return refuse(feed, "a session-revoked event without a session");
    /* No token of the session lives longer, whatever the service says; and a token's end is read with the caller's leeway. */
    int64_t keep_s = feed->options.max_life_s + REVOKED_SESSIONS_MARGIN_S, said_s;
    if (json_kind(until) == JSON_KIND_INTEGER && json_kind(since) == JSON_KIND_INTEGER &&
        !__builtin_sub_overflow(json_as_int64(until), json_as_int64(since), &said_s) && said_s > 0 && said_s < keep_s)
        keep_s = said_s;
    int64_t now_s = feed->boot_us / CLOCK_US_PER_S;
    if (feed->events++ % EVENTS_BETWEEN_COUNTS == 0 && revoked_sessions_count(feed->sessions) > FEED_SESSIONS_MAX)
        return refuse(feed, "more revoked sessions than the limit");
    return revoked_sessions_add_until(feed->sessions, &id, now_s + keep_s + feed->options.leeway_s, now_s) == STATUS_OK ||
           refuse(feed, "out of memory");
}

static bool key_revoked(struct feed *feed, const struct json *data) {
    struct text kid = json_find_text(data, "kid");
    if (kid.bytes == NULL || !kid_is_valid(kid))
        return refuse(feed, "a key-revoked event without a key");
    feed->options.on_key_revoked(feed->options.context, kid);
    return true;
}

static bool snapshot_complete(struct feed *feed, const struct json *data) {
    (void)data;
    feed->is_complete = true;
    return true;
}

static const struct {
    const char *name;
    bool (*handle)(struct feed *feed, const struct json *data);
} events[] = {
    { "session-revoked", session_revoked },
    { "key-revoked", key_revoked },
    { "snapshot-complete", snapshot_complete },
};

static bool on_event(void *context, struct text name, struct text data) {
    struct feed *feed = context;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (!text_equal(name, text_of(events[i].name)))
            continue;
        struct arena arena;
        const struct json *object;
        arena_init(&arena, JSON_ARENA_LIMIT(data.len, event_limits.containers));
        enum status status = json_parse(&arena, data, event_limits, &object);
        bool handled = status == STATUS_OK
                           ? events[i].handle(feed, object)
                           : refuse(feed, status == STATUS_OUT_OF_MEMORY ? "out of memory" : "an event that is no JSON");
        arena_fini(&arena);
        return handled;
    }
    return true;
}

/* "stale-for 3" */
static bool on_comment(void *context, struct text comment) {
    static const char prefix[] = "stale-for ";
    const size_t prefix_len = sizeof prefix - 1;
    struct feed *feed = context;
    uint64_t stale_s;
    if (!feed->is_complete || comment.len < prefix_len || memcmp(comment.bytes, prefix, prefix_len) != 0 ||
        !text_parse_unsigned((struct text){ comment.bytes + prefix_len, comment.len - prefix_len }, STALE_MAX_S, &stale_s))
        return true;
    feed->is_followed = true;
    int64_t complete_at_us = feed->boot_us - (int64_t)stale_s * CLOCK_US_PER_S;
    /* what was known before stays known, though this instance of the service may be staler than the one before */
    if (complete_at_us > atomic_load(&feed->complete_at_us))
        atomic_store(&feed->complete_at_us, complete_at_us);
    return true;
}

/* ---- a connection ---- */

void feed_begin_connection(struct feed *feed) {
    sse_restart(&feed->parser);
    feed->is_complete = false;
    feed->is_followed = false;
    feed->reason = "";
}

bool feed_take(struct feed *feed, struct text bytes, int64_t boot_us) {
    const struct sse_handlers handlers = { on_event, on_comment, feed };
    feed->boot_us = boot_us;
    feed->reason = "a line or an event beyond the limits"; /* unless a handler says otherwise */
    if (!sse_parse(&feed->parser, bytes, &handlers))
        return false;
    feed->reason = "";
    return true;
}

const char *feed_reason(const struct feed *feed) {
    return feed->reason;
}

const char *feed_last_event_id(const struct feed *feed) {
    return feed->parser.id;
}

int64_t feed_retry_ms(const struct feed *feed) {
    return feed->parser.retry_ms;
}

bool feed_is_followed(const struct feed *feed) {
    return feed->is_followed;
}

bool feed_has_revoked(struct feed *feed, const struct uuid *session_id) {
    return revoked_sessions_contain(feed->sessions, session_id);
}

int64_t feed_stale_us(const struct feed *feed, int64_t boot_us) {
    int64_t complete_at_us = atomic_load(&feed->complete_at_us);
    if (complete_at_us == INT64_MIN)
        return INT64_MAX;
    return boot_us > complete_at_us ? boot_us - complete_at_us : 0;
}
