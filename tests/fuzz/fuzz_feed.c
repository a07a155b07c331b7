/*
 * The feed of revocations, as a hostile service may send it (src/verify/feed.h, sse.h). The first byte is the size of the pieces
 * in which the rest comes.
 *
 * Checked: in pieces and as a whole it is taken or refused alike, with the same id, the same age and the same wish for a pause;
 * the id is one that may stand in a header; nothing is complete without "snapshot-complete" and "stale-for"; a refusal has a
 * reason; after a refusal a new connection can be fed again.
 */
#include "fuzz.h"

#include "jwtd/keyring.h"
#include "src/verify/feed.h"
#include "src/verify/sse.h"

#include <assert.h>
#include <string.h>

#define NOW_US INT64_C(1000000000)

static void on_key_revoked(void *context, struct text kid) {
    unsigned *count = context;
    assert(kid.len >= 1 && kid.len <= KID_MAX_LEN);
    ++*count;
}

static bool take(struct feed *feed, struct text stream, size_t piece) {
    feed_begin_connection(feed);
    for (size_t at = 0; at < stream.len; at += piece)
        if (!feed_take(feed, (struct text){ stream.bytes + at, stream.len - at < piece ? stream.len - at : piece }, NOW_US))
            return false;
    return true;
}

static struct feed *create(unsigned *revoked_keys) {
    const struct feed_options options = { 900, 5, on_key_revoked, revoked_keys };
    struct feed *feed = feed_create(&options);
    assert(feed != NULL);
    return feed;
}

static void check_id(const char *id) {
    assert(strlen(id) <= SSE_ID_MAX);
    for (; *id != '\0'; id++)
        assert(*id >= ' ' && *id <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    unsigned keys = 0, whole_keys = 0;
    if (len < 2)
        return 0;
    struct text stream = { (const char *)bytes + 1, len - 1 };
    struct feed *feed = create(&keys), *whole = create(&whole_keys);
    bool is_taken = take(feed, stream, (size_t)bytes[0] + 1);
    bool whole_is_taken = take(whole, stream, stream.len);
    assert(is_taken == whole_is_taken && keys == whole_keys);
    assert(strcmp(feed_last_event_id(feed), feed_last_event_id(whole)) == 0);
    assert(feed_retry_ms(feed) == feed_retry_ms(whole));
    int64_t stale_us = feed_stale_us(feed, NOW_US);
    assert(stale_us == feed_stale_us(whole, NOW_US) && stale_us >= 0);
    assert(stale_us == INT64_MAX ||
           (fuzz_contains(stream, text_of("snapshot-complete")) && fuzz_contains(stream, text_of("stale-for "))));
    assert((feed_reason(feed)[0] == '\0') == is_taken);
    check_id(feed_last_event_id(feed));
    is_taken = take(feed, text_of("event: snapshot-complete\nid: c\ndata: {}\n\n: stale-for 0\n\n"), 7);
    assert(is_taken && feed_stale_us(feed, NOW_US) == 0);
    feed_destroy(feed);
    feed_destroy(whole);
    return 0;
}
