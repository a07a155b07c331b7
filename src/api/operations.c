/* What the operator's listener answers beside /health. */
#include "steps.h"

#include "jwtd/activity.h"
#include "jwtd/macros.h"
#include "jwtd/metrics.h"
#include "jwtd/reply.h"

static enum step_result show_metrics(struct request *request) {
    enum metrics_format format = metrics_choose_format(request_header(request, "Accept"));
    struct text text = metrics_write(request->arena, format);
    if (text.bytes == NULL)
        return reply_problem(request, STATUS_OUT_OF_MEMORY);
    return reply_bytes(request, 200, metrics_content_type(format), text);
}

const struct step metrics_show = { "metrics", ON_HTTP, .run = show_metrics };

/* ---- /debug/threads ---- */

static const struct reply_member thread_members[] = {
    { .name = "id", .type = REPLY_INTEGER, .description = "The kernel's, as in top -H", .example = "4711" },
    { .name = "name", .type = REPLY_STRING, .description = "As in top -H", .example = "crypto-0" },
    { .name = "state",
      .type = REPLY_STRING,
      .description = "As in proc(5): R runs, S sleeps, D waits for a disk",
      .example = "S" },
    { .name = "cpu_ms", .type = REPLY_INTEGER, .description = "Processor time that it has used", .example = "80" },
    { .name = "activity",
      .type = REPLY_STRING,
      .nullable = true,
      .description = "What it does now: waits, the path of a route, the name of a step; null: it has not said",
      .example = "waits" },
    { .name = "for_ms", .type = REPLY_INTEGER, .nullable = true, .description = "For so long", .example = "12" },
};
static const struct reply_schema thread_schema = { thread_members, ARRAY_LEN(thread_members), "Thread" };
static const struct reply_member threads_members[] = {
    { .name = "threads", .type = REPLY_ARRAY, .description = "All of the process", .schema = &thread_schema },
};
const struct reply_schema threads_reply = { threads_members, ARRAY_LEN(threads_members), "Threads" };

static void write_thread(const struct thread_activity *thread, void *context) {
    struct json_writer *writer = context;
    json_begin_object(writer);
    json_member_integer(writer, "id", thread->id);
    json_member_string(writer, "name", thread->name);
    json_member_string(writer, "state", (const char[]){ thread->state, '\0' });
    json_member_integer(writer, "cpu_ms", thread->cpu_ms);
    json_member_string(writer, "activity", thread->what);
    if (thread->what != NULL)
        json_member_integer(writer, "for_ms", thread->for_us / 1000);
    else
        json_member_raw(writer, "for_ms", text_of("null"));
    json_end_object(writer);
}

static enum step_result show_threads(struct request *request) {
    struct json_writer writer;
    json_writer_init(&writer, request->arena);
    json_begin_object(&writer);
    json_name(&writer, "threads");
    json_begin_array(&writer);
    bool is_complete = activity_visit(write_thread, &writer);
    json_end_array(&writer);
    json_end_object(&writer);
    return is_complete ? reply_json(request, 200, &writer) : reply_problem(request, STATUS_OUT_OF_MEMORY);
}

const struct step threads_show = { "threads", ON_HTTP, .run = show_threads };
