/* GET /auth/revocations: what the followers of the feed are sent, as server-sent events. Event names are those of CAEP 1.0. */
#include "steps.h"

#include "jwtd/clock.h"
#include "jwtd/log.h"
#include "jwtd/macros.h"
#include "jwtd/reply.h"
#include "jwtd/revoked_keys.h"
#include "jwtd/services.h"
#include "jwtd/stream.h"

#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEARTBEAT_MAX_S 15
/* A follower that has not been sent all there is for so long knows too little: it is disconnected and resumes. */
#define BEHIND_US (10 * CLOCK_US_PER_S)
#define RETRY_MS 1000u
#define CHECK_INTERVAL_US CLOCK_US_PER_S /* how soon a service that a reload has removed is disconnected */
#define EVENT_MAX 768                    /* bytes of the largest: two cursors, three ids, a reason */

struct follower {
    char service[SERVICE_NAME_MAX_LEN + 1];
    int64_t heartbeat_us; /* how often */
    bool is_resumed;      /* since `from` */
    struct revocation_cursor from;
    /* from here on the streams' thread's */
    uint64_t position;               /* its next revocation */
    size_t keys;                     /* how many revoked keys it has been sent */
    struct revocation_cursor cursor; /* what it can come back with */
    uint64_t sent;                   /* sessions, up to snapshot-complete */
    bool has_begun, is_complete;     /* retry and snapshot-complete were sent */
    int64_t next_heartbeat_us;       /* not before snapshot-complete */
    int64_t next_check_us;
    int64_t behind_us; /* since when it has not been sent all; 0: it has */
};

/* ---- the request ---- */

/* Without the header everything is acceptable (RFC 9110 section 12.5.1). */
static bool accepts_events(const struct request *request) {
    static const char *const ranges[] = { "*/*", "text/*", "text/event-stream" };
    return request_header(request, "Accept").len == 0 || request_accepts(request, "Accept", ranges, ARRAY_LEN(ranges));
}

bool revocations_parse_heartbeat(struct text value, int64_t *us) {
    uint64_t s = HEARTBEAT_MAX_S;
    bool is_good = value.bytes == NULL || (text_parse_unsigned(value, HEARTBEAT_MAX_S, &s) && s > 0);
    *us = (int64_t)s * CLOCK_US_PER_S;
    return is_good;
}

static enum step_result open_stream(struct request *request) {
    const struct services *services = request->services;
    if (!accepts_events(request))
        return reply_problem(request, STATUS_NOT_ACCEPTABLE);
    if (services->is_draining())
        return reply_problem(request, STATUS_SHUTTING_DOWN);
    if (!revoked_sessions_are_ready(services->revoked) || !revoked_keys_are_ready(services->revoked_keys))
        return reply_problem(request, STATUS_STARTING);
    struct follower *follower = arena_alloc(request->arena, sizeof *follower);
    if (follower == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    if (!revocations_parse_heartbeat(request_query(request, "heartbeat", 0), &follower->heartbeat_us))
        return reply_problem_about(request, STATUS_INVALID_PARAMETER, "heartbeat");
    snprintf(follower->service, sizeof follower->service, "%s", request->service);
    follower->is_resumed = revocation_cursor_parse(request_header(request, "Last-Event-ID"), &follower->from) &&
                           revocation_feed_knows(services->feed, &follower->from);
    log_event(LOG_INFO, "follower_admitted", "service=%s resumed=%s", follower->service, follower->is_resumed ? "true" : "false");
    return reply_stream(request, follower);
}

/* ---- the stream ---- */

static int changed_fd(const struct services *services) {
    return revocation_feed_changed_fd(services->feed);
}

static void begin(const struct services *services, void *state) {
    struct follower *follower = state;
    if (follower->is_resumed)
        follower->cursor = follower->from;
    follower->next_check_us = clock_monotonic_us() + CHECK_INTERVAL_US;
    revocation_feed_add_followers(services->feed, 1);
}

static void end(const struct services *services, void *state) {
    (void)state;
    revocation_feed_add_followers(services->feed, -1);
}

/* What is written of a part so far. */
struct output {
    char *buffer;
    size_t len;
};

static bool has_space(const struct output *output) {
    return output->len + EVENT_MAX <= STREAM_PART_SIZE;
}

__attribute__((format(printf, 2, 3))) static void print(struct output *output, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(output->buffer + output->len, STREAM_PART_SIZE - output->len, format, arguments);
    va_end(arguments);
    assert(len >= 0 && (size_t)len < STREAM_PART_SIZE - output->len);
    output->len += (size_t)len;
}

/* CAEP 1.0 section 2: admin, user, policy or system. */
static const char *initiator_of(const char *reason) {
    static const struct {
        const char *reason, *initiator;
    } initiators[] = {
        { "logout", "user" },
        { "ended_by_user", "user" },
        { "password_changed", "user" },
        { "user_deleted", "user" },
        { "user_disabled", "admin" },
        { "password_change_required", "admin" },
        { "ended_by_administrator", "admin" },
        { "deleted_by_administrator", "admin" },
        { "limit", "policy" },
        { "reuse", "policy" },
    };
    for (size_t i = 0; i < ARRAY_LEN(initiators); i++)
        if (strcmp(initiators[i].reason, reason) == 0)
            return initiators[i].initiator;
    return "system";
}

static void print_session(struct output *output, const struct follower *follower, const struct revocation_entry *entry) {
    char cursor[REVOCATION_CURSOR_SIZE], session[UUID_TEXT_SIZE], user[UUID_TEXT_SIZE];
    print(output,
          "event: session-revoked\nid: %s\ndata: {\"sub_id\":{\"format\":\"complex\",\"session\":{\"format\":\"opaque\","
          "\"id\":\"%s\"},\"user\":{\"format\":\"opaque\",\"id\":\"%s\"}},\"event_timestamp\":%lld,"
          "\"initiating_entity\":\"%s\",\"reason\":\"%s\",\"until\":%lld}\n\n",
          revocation_cursor_text(&follower->cursor, cursor), uuid_text(&entry->session_id, session),
          uuid_text(&entry->user_id, user), (long long)entry->revoked_at_s, initiator_of(entry->reason), entry->reason,
          (long long)entry->until_s);
}

/* As many revocations as there is space for. True: there are no more. */
static bool print_sessions(struct output *output, const struct services *services, struct follower *follower) {
    struct revocation_entry entries[STREAM_PART_SIZE / EVENT_MAX];
    const struct revocation_cursor *after = follower->is_resumed && !follower->is_complete ? &follower->from : NULL;
    while (has_space(output)) {
        size_t space = (STREAM_PART_SIZE - output->len) / EVENT_MAX;
        revocation_feed_advance(services->feed, follower->position, &follower->cursor);
        size_t count = revocation_feed_read(services->feed, &follower->position, after, entries, space);
        for (size_t i = 0; i < count; i++)
            print_session(output, follower, &entries[i]);
        follower->sent += count;
        if (count < space)
            return true;
    }
    return false;
}

/* As many as there is space for. Those that were revoked before the follower came are few, and are sent again. True: there are no
 * more. */
static bool print_keys(struct output *output, const struct services *services, struct follower *follower) {
    char cursor[REVOCATION_CURSOR_SIZE];
    for (; has_space(output) && follower->keys < revoked_keys_count(services->revoked_keys); follower->keys++) {
        const struct revoked_key *key = revoked_keys_at(services->revoked_keys, follower->keys);
        print(output, "event: key-revoked\nid: %s\ndata: {\"kid\":\"%s\",\"event_timestamp\":%lld}\n\n",
              revocation_cursor_text(&follower->cursor, cursor), key->kid, (long long)key->revoked_at_s);
    }
    return has_space(output);
}

static void print_complete(struct output *output, const struct services *services, struct follower *follower) {
    char cursor[REVOCATION_CURSOR_SIZE];
    revocation_feed_advance(services->feed, follower->position, &follower->cursor);
    print(output, "event: snapshot-complete\nid: %s\ndata: {\"sessions\":%llu,\"resumed\":%s}\n\n",
          revocation_cursor_text(&follower->cursor, cursor), (unsigned long long)follower->sent,
          follower->is_resumed ? "true" : "false");
    follower->is_complete = true;
    follower->next_heartbeat_us = 0; /* from here on it is fresh, and is told so at once */
}

/* For a follower that has been sent all there is: it takes itself to be as fresh as this says. */
static void print_heartbeat(struct output *output, const struct services *services, struct follower *follower, int64_t now_us) {
    char cursor[REVOCATION_CURSOR_SIZE];
    revocation_feed_advance(services->feed, follower->position, &follower->cursor);
    print(output, ": stale-for %lld\nid: %s\n\n", (long long)(services_revocations_age_us(services, now_us) / CLOCK_US_PER_S),
          revocation_cursor_text(&follower->cursor, cursor));
    follower->next_heartbeat_us = now_us + follower->heartbeat_us;
}

struct search {
    const char *name;
    bool is_found;
};

static void compare_name(void *context, const char *name, size_t secrets) {
    struct search *search = context;
    (void)secrets;
    search->is_found = search->is_found || strcmp(name, search->name) == 0;
}

/* Whether the service still has credentials. */
static bool is_admitted(const struct services *services, struct follower *follower, int64_t now_us) {
    struct search search = { .name = follower->service };
    if (now_us < follower->next_check_us)
        return true;
    follower->next_check_us = now_us + CHECK_INTERVAL_US;
    const struct snapshot *snapshot = snapshot_acquire(services->snapshots);
    service_credentials_visit(snapshot->services, compare_name, &search);
    snapshot_release(services->snapshots, snapshot);
    if (!search.is_found)
        log_event(LOG_INFO, "follower_removed", "service=%s", follower->service);
    return search.is_found;
}

static int64_t sooner(int64_t a_us, int64_t b_us) {
    return a_us < b_us ? a_us : b_us;
}

static struct stream_part write_part(const struct services *services, void *state, char buffer[STREAM_PART_SIZE],
                                     int64_t now_us) {
    struct follower *follower = state;
    struct output output = { buffer, 0 };
    if (!is_admitted(services, follower, now_us))
        return (struct stream_part){ .is_last = true };
    if (!follower->has_begun)
        print(&output, "retry: %u\n\n", RETRY_MS);
    follower->has_begun = true;
    bool has_all = print_keys(&output, services, follower) && print_sessions(&output, services, follower);
    if (has_all && !follower->is_complete && has_space(&output))
        print_complete(&output, services, follower);
    if (has_all && follower->is_complete && now_us >= follower->next_heartbeat_us && has_space(&output))
        print_heartbeat(&output, services, follower, now_us);
    if (has_all)
        follower->behind_us = 0;
    else if (follower->behind_us == 0 && follower->is_complete)
        follower->behind_us = now_us;
    bool is_behind = follower->behind_us != 0 && now_us - follower->behind_us > BEHIND_US;
    if (is_behind)
        log_event(LOG_INFO, "follower_behind", "service=%s", follower->service);
    return (struct stream_part){ .len = output.len,
                                 .due_us = sooner(follower->next_heartbeat_us, follower->next_check_us),
                                 .is_last = is_behind };
}

/* Followers that are disconnected together must not come back together. */
static size_t write_last_part(void *state, char buffer[STREAM_PART_SIZE]) {
    struct output output = { buffer, 0 };
    (void)state;
    print(&output, "retry: %u\n\n", RETRY_MS / 2 + randombytes_uniform(RETRY_MS));
    return output.len;
}

const struct step revocations_open = { "open_stream", ON_HTTP, .run = open_stream };
const struct stream_kind revocations_stream = { changed_fd, begin, end, write_part, write_last_part };
