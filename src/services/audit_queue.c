#include "audit_queue.h"

#include "jwtd/clock.h"
#include "jwtd/json_writer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_MEMORY_MAX ((size_t)64 * 1024)

static void write_id(struct json_writer *writer, const char *name, const struct uuid *id) {
    char text[UUID_TEXT_SIZE];
    if (id != NULL)
        json_member_string(writer, name, uuid_text(id, text));
}

static void write_actor(struct json_writer *writer, const struct audit_event *event) {
    char actor[sizeof "user:" + UUID_TEXT_SIZE] = "system", id[UUID_TEXT_SIZE];
    if (event->is_of_user)
        (void)snprintf(actor, sizeof actor, "user:%s", uuid_text(event->user_id, id));
    json_member_string(writer, "actor", actor);
}

static struct text write_event(const struct audit_event *event, struct arena *arena) {
    char at[CLOCK_TEXT_SIZE], ip[ADDRESS_TEXT_SIZE];
    struct uuid id = uuid_create_for_log();
    struct json_writer writer;
    json_writer_init(&writer, arena);
    json_begin_object(&writer);
    write_id(&writer, "id", &id);
    json_member_string(&writer, "at", clock_text(clock_wall_us(), at));
    json_member_string(&writer, "event", event->event);
    write_id(&writer, "user_id", event->user_id);
    write_id(&writer, "session_id", event->session_id);
    write_actor(&writer, event);
    if (event->client != NULL && event->client->known)
        json_member_string(&writer, "ip", address_text(event->client, ip));
    json_member_text(&writer, "user_agent", event->user_agent);
    json_member_string(&writer, "request_id", event->request_id);
    json_member_string(&writer, "reason", event->reason);
    json_end_object(&writer);
    return json_writer_finish(&writer);
}

struct queued_event *queued_event_create(const struct audit_event *event) {
    struct arena arena;
    arena_init(&arena, EVENT_MEMORY_MAX);
    struct text json = write_event(event, &arena);
    struct queued_event *queued = json.bytes == NULL ? NULL : malloc(sizeof *queued + json.len);
    if (queued != NULL) {
        *queued = (struct queued_event){ .added_us = clock_monotonic_us(), .len = json.len };
        memcpy(queued->json, json.bytes, json.len);
    }
    arena_fini(&arena);
    if (queued == NULL || event->detail == NULL)
        return queued;
    return queued_event_add_detail(queued, event->detail);
}

/* In front of the closing brace, which comes last again. */
struct queued_event *queued_event_add_detail(struct queued_event *event, const char *detail) {
    size_t size = strlen(",\"detail\":}") + strlen(detail) + 1, len = event->len - 1;
    assert(event->json[len] == '}');
    struct queued_event *grown = realloc(event, sizeof *event + len + size);
    if (grown == NULL) {
        free(event);
        return NULL;
    }
    grown->len = len + (size_t)snprintf(grown->json + len, size, ",\"detail\":%s}", detail);
    return grown;
}

void audit_queue_append(struct audit_queue *queue, struct queued_event *event) {
    event->next = NULL;
    if (queue->last != NULL)
        queue->last->next = event;
    else
        queue->first = event;
    queue->last = event;
    queue->count++;
}

/* `next` of the last one is not read: another thread may append behind it. */
char *audit_queue_batch(const struct queued_event *first, unsigned count) {
    const struct queued_event *event = first;
    size_t size = sizeof "[]";
    for (unsigned i = 0; i < count; event = ++i < count ? event->next : NULL)
        size += event->len + 1;
    char *batch = malloc(size), *end = batch;
    if (batch == NULL)
        return NULL;
    *end++ = '[';
    event = first;
    for (unsigned i = 0; i < count; event = ++i < count ? event->next : NULL) {
        if (i > 0)
            *end++ = ',';
        memcpy(end, event->json, event->len);
        end += event->len;
    }
    *end++ = ']';
    *end = '\0';
    return batch;
}

void audit_queue_remove(struct audit_queue *queue, unsigned count) {
    assert(count <= queue->count);
    queue->count -= count;
    for (unsigned i = 0; i < count; i++) {
        struct queued_event *event = queue->first;
        queue->first = event->next;
        free(event);
    }
    if (queue->first == NULL)
        queue->last = NULL;
}
